//! A call of many records that is carried out in part: what goes on to the service, and the answer
//! that says what did not.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// The fields of an object, each as it stands in the text.
type JsonFields = BTreeMap<String, Box<RawValue>>;

/// An operation that takes many records and may fail some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Of Kinesis: a list, answered place by place.
    PutRecords,
    /// Of Firehose: a list, answered place by place.
    PutRecordBatch,
    /// Of DynamoDB: a list a table, answered with what was left out.
    BatchWriteItem,
}

/// A call without some of its records.
#[derive(Debug)]
pub(super) struct PartialCall {
    /// What is left of the request; nothing where no record is.
    pub(super) request: Option<Vec<u8>>,
    failed: FailedEntries,
}

#[derive(Debug)]
enum FailedEntries {
    Places(Operation, Vec<bool>),
    Items(BTreeMap<String, Vec<Box<RawValue>>>),
}

impl PartialCall {
    /// Takes records out of a request: those where `choose` says so, of as many as it is told.
    ///
    /// Returns nothing where the request is not one or `choose` takes no record.
    pub(super) fn of(
        operation: Operation,
        request: &[u8],
        choose: impl FnOnce(usize) -> Vec<bool>,
    ) -> Option<Self> {
        let mut fields: JsonFields = serde_json::from_slice(request).ok()?;
        if operation == Operation::BatchWriteItem {
            return Self::of_items(fields, choose);
        }
        let entries: Vec<Box<RawValue>> = field(&fields, "Records")?;
        let places = choose(entries.len());
        if !places.contains(&true) {
            return None;
        }
        let failed = entries.iter().zip(&places);
        let left: Vec<&RawValue> = failed
            .filter(|(_, failed)| !**failed)
            .map(|(entry, _)| &**entry)
            .collect();
        let request = if left.is_empty() {
            None
        } else {
            let left = to_raw_value(&left).ok()?;
            fields.insert("Records".to_owned(), left);
            Some(serde_json::to_vec(&fields).ok()?)
        };
        Some(Self {
            request,
            failed: FailedEntries::Places(operation, places),
        })
    }

    fn of_items(mut fields: JsonFields, choose: impl FnOnce(usize) -> Vec<bool>) -> Option<Self> {
        let tables: BTreeMap<String, Vec<Box<RawValue>>> = field(&fields, "RequestItems")?;
        let mut places = choose(tables.values().map(Vec::len).sum()).into_iter();
        let mut left: BTreeMap<String, Vec<Box<RawValue>>> = BTreeMap::new();
        let mut failed: BTreeMap<String, Vec<Box<RawValue>>> = BTreeMap::new();
        for (table, items) in tables {
            for item in items {
                let side = match places.next() {
                    Some(true) => &mut failed,
                    _ => &mut left,
                };
                side.entry(table.clone()).or_default().push(item);
            }
        }
        if failed.is_empty() {
            return None;
        }
        let request = if left.is_empty() {
            None
        } else {
            fields.insert("RequestItems".to_owned(), to_raw_value(&left).ok()?);
            Some(serde_json::to_vec(&fields).ok()?)
        };
        Some(Self {
            request,
            failed: FailedEntries::Items(failed),
        })
    }

    /// The answer to the whole call, made of the service's answer to what was left of it, which is
    /// `{}` where nothing was.
    ///
    /// Returns nothing where that answer does not fit.
    pub(super) fn answer(self, answer: &[u8]) -> Option<Vec<u8>> {
        let mut fields: JsonFields = serde_json::from_slice(answer).ok()?;
        match self.failed {
            FailedEntries::Places(operation, places) => {
                answer_places(&mut fields, operation, &places)?
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

/// Puts the failures at their places between the service's own results.
fn answer_places(fields: &mut JsonFields, operation: Operation, places: &[bool]) -> Option<()> {
    let (list, count) = match operation {
        Operation::PutRecordBatch => ("RequestResponses", "FailedPutCount"),
        _ => ("Records", "FailedRecordCount"),
    };
    let failure = to_raw_value(&failure(operation)).ok()?;
    let taken: Vec<Box<RawValue>> = field(fields, list).unwrap_or_default();
    let mut taken = taken.into_iter();
    let mut results = Vec::with_capacity(places.len());
    for failed in places {
        results.push(match failed {
            true => failure.clone(),
            false => taken.next()?,
        });
    }
    let failed = field::<u64>(fields, count).unwrap_or(0);
    let injected = places.iter().filter(|failed| **failed).count() as u64;
    fields.insert(list.to_owned(), to_raw_value(&results).ok()?);
    fields.insert(count.to_owned(), to_raw_value(&(failed + injected)).ok()?);
    Some(())
}

/// What the service says of a record that it fails.
fn failure(operation: Operation) -> Value {
    match operation {
        Operation::PutRecordBatch => json!({
            "ErrorCode": "ServiceUnavailableException",
            "ErrorMessage": "Slow down.",
        }),
        _ => json!({
            "ErrorCode": "ProvisionedThroughputExceededException",
            "ErrorMessage": "Rate exceeded for a shard of the stream (a fault on purpose)",
        }),
    }
}

fn field<T: DeserializeOwned>(fields: &JsonFields, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(operation: Operation, request: &Value, failed: &[bool]) -> Option<PartialCall> {
        PartialCall::of(operation, request.to_string().as_bytes(), |count| {
            assert_eq!(count, failed.len());
            failed.to_vec()
        })
    }

    fn value(text: Option<Vec<u8>>) -> Value {
        serde_json::from_slice(&text.unwrap()).unwrap()
    }

    #[test]
    fn failed_entries_are_not_sent_and_stand_at_their_places() {
        let request = json!({ "StreamName": "s", "Records": [{ "Data": "a" }, { "Data": "b" }, { "Data": "c" }] });
        let mut part = part(Operation::PutRecords, &request, &[true, false, true]).unwrap();
        assert_eq!(
            value(part.request.take()),
            json!({ "StreamName": "s", "Records": [{ "Data": "b" }] })
        );
        let answer = json!({
            "FailedRecordCount": 0,
            "EncryptionType": "NONE",
            "Records": [{ "SequenceNumber": "1", "ShardId": "0" }],
        });
        let answer = value(part.answer(answer.to_string().as_bytes()));
        assert_eq!(answer["FailedRecordCount"], 2);
        assert_eq!(answer["EncryptionType"], "NONE");
        let code = "ProvisionedThroughputExceededException";
        assert_eq!(answer["Records"][0]["ErrorCode"], code);
        assert_eq!(answer["Records"][1]["SequenceNumber"], "1");
        assert_eq!(answer["Records"][2]["ErrorCode"], code);
        assert_eq!(answer["Records"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn failures_of_the_services_own_are_counted_too() {
        let request = json!({ "Records": [{ "Data": "a" }, { "Data": "b" }] });
        let part = part(Operation::PutRecordBatch, &request, &[false, true]).unwrap();
        let answer = json!({ "FailedPutCount": 1, "RequestResponses": [{ "ErrorCode": "Own" }] });
        let answer = value(part.answer(answer.to_string().as_bytes()));
        assert_eq!(answer["FailedPutCount"], 2);
        assert_eq!(answer["RequestResponses"][0]["ErrorCode"], "Own");
        let code = "ServiceUnavailableException";
        assert_eq!(answer["RequestResponses"][1]["ErrorCode"], code);
    }

    #[test]
    fn unprocessed_items_come_back_as_they_were_sent() {
        let item = |name: &str| json!({ "PutRequest": { "Item": { "Name": { "S": name }, "Distance": { "N": "1.50" } } } });
        let request = json!({ "RequestItems": { "t": [item("a"), item("b")], "u": [item("c")] } });
        let mut part = part(Operation::BatchWriteItem, &request, &[false, true, true]).unwrap();
        assert_eq!(
            value(part.request.take()),
            json!({ "RequestItems": { "t": [item("a")] } })
        );
        let answer = json!({ "UnprocessedItems": { "t": [item("d")] } });
        assert_eq!(
            value(part.answer(answer.to_string().as_bytes())),
            json!({ "UnprocessedItems": { "t": [item("d"), item("b")], "u": [item("c")] } })
        );
    }

    #[test]
    fn where_all_are_failed_nothing_is_left_to_send() {
        let request = json!({ "Records": [{ "Data": "a" }] });
        let failed = part(Operation::PutRecords, &request, &[true]).unwrap();
        assert_eq!(failed.request, None);
        assert_eq!(value(failed.answer(b"{}"))["FailedRecordCount"], 1);

        let request = json!({ "RequestItems": { "t": [{}] } });
        let failed = part(Operation::BatchWriteItem, &request, &[true]).unwrap();
        assert_eq!(failed.request, None);
        assert_eq!(
            value(failed.answer(b"{}")),
            json!({ "UnprocessedItems": { "t": [{}] } })
        );
    }

    #[test]
    fn a_request_that_is_none_is_left_alone() {
        for request in ["", "[]", "{}", r#"{"Records":1}"#, r#"{"RequestItems":[]}"#] {
            for operation in [Operation::PutRecords, Operation::BatchWriteItem] {
                let part =
                    PartialCall::of(operation, request.as_bytes(), |count| vec![true; count]);
                assert!(part.is_none(), "{request}");
            }
        }
        assert!(part(Operation::PutRecords, &json!({ "Records": [] }), &[]).is_none());
        assert!(part(Operation::PutRecords, &json!({ "Records": [{}] }), &[false]).is_none());
        let request = json!({ "RequestItems": { "t": [] } });
        assert!(part(Operation::BatchWriteItem, &request, &[]).is_none());
    }

    #[test]
    fn an_answer_that_does_not_fit_is_none() {
        let request = json!({ "Records": [{ "Data": "a" }, { "Data": "b" }] });
        for answer in ["", "[]", "{}"] {
            let part = part(Operation::PutRecords, &request, &[true, false]).unwrap();
            assert!(part.answer(answer.as_bytes()).is_none(), "{answer}");
        }
    }
}
