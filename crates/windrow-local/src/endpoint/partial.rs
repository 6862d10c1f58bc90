//! Partial failure of a call with many records: the request that still goes to the service, and the
//! response that reports the failed records.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::service_error::ErrorFormat;

/// The fields of a JSON object, each as its raw text.
type JsonFields = BTreeMap<String, Box<RawValue>>;

/// An operation that takes many records and may fail some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Kinesis: one list, with one result per entry.
    PutRecords,
    /// Firehose: one list, with one result per entry.
    PutRecordBatch,
    /// DynamoDB: one list per table. The response has the unprocessed items.
    BatchWriteItem,
}

/// A call without some of its records.
#[derive(Debug)]
pub(super) struct PartialCall {
    /// The request without the failed records. `None` if no record remains.
    pub(super) request: Option<Vec<u8>>,
    format: ErrorFormat,
    failed: FailedEntries,
}

#[derive(Debug)]
enum FailedEntries {
    /// Whether the record at each index failed.
    ByIndex(Operation, Vec<bool>),
    /// The failed items of each table.
    Items(BTreeMap<String, Vec<Box<RawValue>>>),
}

impl PartialCall {
    /// Removes records from a request. `choose` gets the number of records, and returns which of
    /// them fail.
    ///
    /// Returns `None` if the request cannot be parsed or no record fails.
    pub(super) fn of(
        operation: Operation,
        format: ErrorFormat,
        request: &[u8],
        choose: impl FnOnce(usize) -> Vec<bool>,
    ) -> Option<Self> {
        if format == ErrorFormat::Cbor {
            return Self::of_cbor(operation, request, choose);
        }
        let mut fields: JsonFields = serde_json::from_slice(request).ok()?;
        if operation == Operation::BatchWriteItem {
            return Self::of_items(fields, choose);
        }
        let entries: Vec<Box<RawValue>> = field(&fields, "Records")?;
        let failed = choose(entries.len());
        if !failed.contains(&true) {
            return None;
        }
        let remaining: Vec<&RawValue> = entries
            .iter()
            .zip(&failed)
            .filter(|(_, failed)| !**failed)
            .map(|(entry, _)| &**entry)
            .collect();
        let request = if remaining.is_empty() {
            None
        } else {
            let remaining = to_raw_value(&remaining).ok()?;
            fields.insert("Records".to_owned(), remaining);
            Some(serde_json::to_vec(&fields).ok()?)
        };
        Some(Self {
            request,
            format,
            failed: FailedEntries::ByIndex(operation, failed),
        })
    }

    /// A call in CBOR, which Kinesis alone has.
    fn of_cbor(
        operation: Operation,
        request: &[u8],
        choose: impl FnOnce(usize) -> Vec<bool>,
    ) -> Option<Self> {
        if operation != Operation::PutRecords {
            return None;
        }
        let mut request: ciborium::Value = ciborium::from_reader(request).ok()?;
        let mut fields = request.as_map_mut()?.iter_mut();
        let (_, records) = fields.find(|(name, _)| name.as_text() == Some("Records"))?;
        let records = records.as_array_mut()?;
        let failed = choose(records.len());
        if !failed.contains(&true) {
            return None;
        }
        let mut choices = failed.iter();
        records.retain(|_| choices.next() == Some(&false));
        let request = if records.is_empty() {
            None
        } else {
            Some(cbor(&request)?)
        };
        Some(Self {
            request,
            format: ErrorFormat::Cbor,
            failed: FailedEntries::ByIndex(operation, failed),
        })
    }

    fn of_items(mut fields: JsonFields, choose: impl FnOnce(usize) -> Vec<bool>) -> Option<Self> {
        let tables: BTreeMap<String, Vec<Box<RawValue>>> = field(&fields, "RequestItems")?;
        let mut choices = choose(tables.values().map(Vec::len).sum()).into_iter();
        let mut remaining: BTreeMap<String, Vec<Box<RawValue>>> = BTreeMap::new();
        let mut failed: BTreeMap<String, Vec<Box<RawValue>>> = BTreeMap::new();
        for (table, items) in tables {
            for item in items {
                let items_by_table = match choices.next() {
                    Some(true) => &mut failed,
                    _ => &mut remaining,
                };
                items_by_table.entry(table.clone()).or_default().push(item);
            }
        }
        if failed.is_empty() {
            return None;
        }
        let request = if remaining.is_empty() {
            None
        } else {
            fields.insert("RequestItems".to_owned(), to_raw_value(&remaining).ok()?);
            Some(serde_json::to_vec(&fields).ok()?)
        };
        Some(Self {
            request,
            format: ErrorFormat::Json,
            failed: FailedEntries::Items(failed),
        })
    }

    /// Builds the response to the whole call from the service's response to the remaining records,
    /// or from an empty body if there are none.
    ///
    /// Returns `None` if the service's response does not match the request.
    pub(super) fn response(self, response: &[u8]) -> Option<Vec<u8>> {
        match self.format {
            _ if response.is_empty() => self.encoded(b"{}"),
            ErrorFormat::Json => self.encoded(response),
            ErrorFormat::Cbor => {
                // It has neither bytes nor times, so it means the same in JSON.
                let response: Value = ciborium::from_reader(response).ok()?;
                self.encoded(response.to_string().as_bytes())
            }
        }
    }

    /// The response to the whole call, from the service's in JSON.
    fn encoded(self, response: &[u8]) -> Option<Vec<u8>> {
        let format = self.format;
        let whole = self.whole(response)?;
        match format {
            ErrorFormat::Json => Some(whole),
            ErrorFormat::Cbor => cbor(&serde_json::from_slice::<Value>(&whole).ok()?),
        }
    }

    fn whole(self, response: &[u8]) -> Option<Vec<u8>> {
        let mut fields: JsonFields = serde_json::from_slice(response).ok()?;
        match self.failed {
            FailedEntries::ByIndex(operation, failed) => {
                insert_failures(&mut fields, operation, &failed)?
            }
            FailedEntries::Items(failed) => {
                let mut unprocessed: BTreeMap<String, Vec<Box<RawValue>>> =
                    field(&fields, "UnprocessedItems").unwrap_or_default();
                for (table, items) in failed {
                    unprocessed.entry(table).or_default().extend(items);
                }
                let unprocessed = to_raw_value(&unprocessed).ok()?;
                fields.insert("UnprocessedItems".to_owned(), unprocessed);
            }
        }
        serde_json::to_vec(&fields).ok()
    }
}

/// Inserts the failures between the service's own results, at their indexes.
fn insert_failures(fields: &mut JsonFields, operation: Operation, failed: &[bool]) -> Option<()> {
    let (list, count) = match operation {
        Operation::PutRecordBatch => ("RequestResponses", "FailedPutCount"),
        _ => ("Records", "FailedRecordCount"),
    };
    let failure = to_raw_value(&failure(operation)).ok()?;
    let taken: Vec<Box<RawValue>> = field(fields, list).unwrap_or_default();
    let mut taken = taken.into_iter();
    let mut results = Vec::with_capacity(failed.len());
    for is_failed in failed {
        results.push(match is_failed {
            true => failure.clone(),
            false => taken.next()?,
        });
    }
    let own_failures = field::<u64>(fields, count).unwrap_or(0);
    let injected = failed.iter().filter(|failed| **failed).count() as u64;
    let total = to_raw_value(&(own_failures + injected)).ok()?;
    fields.insert(list.to_owned(), to_raw_value(&results).ok()?);
    fields.insert(count.to_owned(), total);
    Some(())
}

/// The service's error for a failed record.
fn failure(operation: Operation) -> Value {
    match operation {
        Operation::PutRecordBatch => json!({
            "ErrorCode": "ServiceUnavailableException",
            "ErrorMessage": "Slow down.",
        }),
        _ => json!({
            "ErrorCode": "ProvisionedThroughputExceededException",
            "ErrorMessage": "Rate exceeded for a shard of the stream (an injected fault)",
        }),
    }
}

fn cbor(value: &impl Serialize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).ok()?;
    Some(bytes)
}

fn field<T: DeserializeOwned>(fields: &JsonFields, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(operation: Operation, request: &Value, failed: &[bool]) -> Option<PartialCall> {
        let request = request.to_string();
        PartialCall::of(operation, ErrorFormat::Json, request.as_bytes(), |count| {
            assert_eq!(count, failed.len());
            failed.to_vec()
        })
    }

    fn value(text: Option<Vec<u8>>) -> Value {
        serde_json::from_slice(&text.unwrap()).unwrap()
    }

    #[test]
    fn failed_entries_are_not_sent_and_keep_their_index() {
        let request = json!({ "StreamName": "s", "Records": [{ "Data": "a" }, { "Data": "b" }, { "Data": "c" }] });
        let mut partial = partial(Operation::PutRecords, &request, &[true, false, true]).unwrap();
        assert_eq!(
            value(partial.request.take()),
            json!({ "StreamName": "s", "Records": [{ "Data": "b" }] })
        );
        let response = json!({
            "FailedRecordCount": 0,
            "EncryptionType": "NONE",
            "Records": [{ "SequenceNumber": "1", "ShardId": "0" }],
        });
        let response = value(partial.response(response.to_string().as_bytes()));
        assert_eq!(response["FailedRecordCount"], 2);
        assert_eq!(response["EncryptionType"], "NONE");
        let code = "ProvisionedThroughputExceededException";
        assert_eq!(response["Records"][0]["ErrorCode"], code);
        assert_eq!(response["Records"][1]["SequenceNumber"], "1");
        assert_eq!(response["Records"][2]["ErrorCode"], code);
        assert_eq!(response["Records"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_services_own_failures_are_counted_too() {
        let request = json!({ "Records": [{ "Data": "a" }, { "Data": "b" }] });
        let partial = partial(Operation::PutRecordBatch, &request, &[false, true]).unwrap();
        let response = json!({ "FailedPutCount": 1, "RequestResponses": [{ "ErrorCode": "Own" }] });
        let response = value(partial.response(response.to_string().as_bytes()));
        assert_eq!(response["FailedPutCount"], 2);
        assert_eq!(response["RequestResponses"][0]["ErrorCode"], "Own");
        let code = "ServiceUnavailableException";
        assert_eq!(response["RequestResponses"][1]["ErrorCode"], code);
    }

    #[test]
    fn unprocessed_items_are_returned_as_they_were_sent() {
        let item = |name: &str| json!({ "PutRequest": { "Item": { "Name": { "S": name }, "Distance": { "N": "1.50" } } } });
        let request = json!({ "RequestItems": { "t": [item("a"), item("b")], "u": [item("c")] } });
        let mut partial =
            partial(Operation::BatchWriteItem, &request, &[false, true, true]).unwrap();
        assert_eq!(
            value(partial.request.take()),
            json!({ "RequestItems": { "t": [item("a")] } })
        );
        let response = json!({ "UnprocessedItems": { "t": [item("d")] } });
        assert_eq!(
            value(partial.response(response.to_string().as_bytes())),
            json!({ "UnprocessedItems": { "t": [item("d"), item("b")], "u": [item("c")] } })
        );
    }

    #[test]
    fn nothing_is_sent_if_all_records_fail() {
        let request = json!({ "Records": [{ "Data": "a" }] });
        let failed = partial(Operation::PutRecords, &request, &[true]).unwrap();
        assert_eq!(failed.request, None);
        assert_eq!(value(failed.response(b""))["FailedRecordCount"], 1);

        let request = json!({ "RequestItems": { "t": [{}] } });
        let failed = partial(Operation::BatchWriteItem, &request, &[true]).unwrap();
        assert_eq!(failed.request, None);
        assert_eq!(
            value(failed.response(b"")),
            json!({ "UnprocessedItems": { "t": [{}] } })
        );
    }

    #[test]
    fn malformed_and_empty_requests_are_left_alone() {
        for request in ["", "[]", "{}", r#"{"Records":1}"#, r#"{"RequestItems":[]}"#] {
            for operation in [Operation::PutRecords, Operation::BatchWriteItem] {
                for format in [ErrorFormat::Json, ErrorFormat::Cbor] {
                    let partial =
                        PartialCall::of(operation, format, request.as_bytes(), |n| vec![true; n]);
                    assert!(partial.is_none(), "{request}");
                }
            }
        }
        assert!(partial(Operation::PutRecords, &json!({ "Records": [] }), &[]).is_none());
        assert!(partial(Operation::PutRecords, &json!({ "Records": [{}] }), &[false]).is_none());
        let request = json!({ "RequestItems": { "t": [] } });
        assert!(partial(Operation::BatchWriteItem, &request, &[]).is_none());
    }

    #[test]
    fn a_mismatched_response_is_none() {
        let request = json!({ "Records": [{ "Data": "a" }, { "Data": "b" }] });
        for response in ["", "[]", "{}", "{\"Records\":[]}"] {
            let partial = partial(Operation::PutRecords, &request, &[true, false]).unwrap();
            assert!(
                partial.response(response.as_bytes()).is_none(),
                "{response}"
            );
        }
    }

    #[test]
    fn a_call_in_cbor_keeps_its_bytes_and_its_format() {
        use ciborium::cbor;

        let encoded = |value: ciborium::Value| super::cbor(&value).unwrap();
        let bytes = |byte| ciborium::Value::Bytes(vec![byte]);
        let request = encoded(
            cbor!({ "Records" => [{ "Data" => bytes(1) }, { "Data" => bytes(2) }], "StreamName" => "s" })
                .unwrap(),
        );
        let of = |operation, failed: [bool; 2]| {
            PartialCall::of(operation, ErrorFormat::Cbor, &request, |_| failed.to_vec())
        };
        let mut partial = of(Operation::PutRecords, [true, false]).unwrap();
        let remaining = cbor!({ "Records" => [{ "Data" => bytes(2) }], "StreamName" => "s" });
        assert_eq!(partial.request.take(), Some(encoded(remaining.unwrap())));
        let response = cbor!({ "FailedRecordCount" => 0, "Records" => [{ "ShardId" => "0" }] });
        let response = partial.response(&encoded(response.unwrap())).unwrap();
        let response: Value = ciborium::from_reader(&response[..]).unwrap();
        assert_eq!(response["FailedRecordCount"], 1);
        assert_eq!(
            response["Records"][0]["ErrorCode"],
            "ProvisionedThroughputExceededException"
        );
        assert_eq!(response["Records"][1]["ShardId"], "0");

        let all = of(Operation::PutRecords, [true, true]).unwrap();
        assert_eq!(all.request, None);
        let response = all.response(b"").unwrap();
        let response: Value = ciborium::from_reader(&response[..]).unwrap();
        assert_eq!(response["FailedRecordCount"], 2);
        assert!(of(Operation::PutRecords, [false, false]).is_none());
        assert!(of(Operation::PutRecordBatch, [true, true]).is_none());
    }
}
