//! DynamoDB BatchWriteItem.

use std::collections::HashMap;
use std::marker::PhantomData;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Config;
use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemError, BatchWriteItemOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use windrow_service::{ClockRetry, clock_retry_config};

use crate::item::{self, TableItem};
use crate::{BatchLimits, Destination, InvalidItem, ItemFailure, Key, SendError, sdk};

/// An item of a table: attribute names and values.
type AttributeMap = HashMap<String, AttributeValue>;

/// The maximum number of items in a BatchWriteItem call (BatchWriteItem, API reference).
const ITEMS: usize = 25;
/// The maximum bytes in a call (same source).
const CALL_BYTES: usize = 16 * 1024 * 1024;
/// The maximum bytes in an item (DynamoDB developer guide, "Constraints").
const ITEM_BYTES: usize = 400 * 1024;
/// The maximum bytes in the values of the partition key and the sort key (same source).
const KEY_BYTES: [usize; 2] = [2048, 1024];
/// The initial capacity per item of a call's body, a little more than a row of this application.
const ITEM_CAPACITY: usize = 768;

/// A DynamoDB table, written with BatchWriteItem. Every item is a put, which replaces the row with
/// the same key.
///
/// Items with equal keys are merged before they are sent, and the last one wins. Keys are compared
/// as text: two spellings of one number (`1` and `1.0`) are two keys here but one row in the table,
/// and it is unspecified which of them wins.
///
/// Items are the SDK's maps of attributes, or of any type that implements [`TableItem`].
#[derive(Debug)]
pub struct DynamoTable<I = AttributeMap> {
    client: Client,
    name: String,
    key_attributes: Vec<String>,
    items: PhantomData<fn(I)>,
}

impl<I> Clone for DynamoTable<I> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            key_attributes: self.key_attributes.clone(),
            items: PhantomData,
        }
    }
}

impl<I> DynamoTable<I> {
    /// The table called `name`. `key_attributes` is the partition key, followed by the sort key if
    /// the table has one.
    ///
    /// `client` is used as it is, except that its own retries are disabled for these calls, but for one
    /// if a wrong clock may be why a signature was not accepted, and that the body of a call is written
    /// by this crate. Its interceptors see that body from signing on; before, they see a call without
    /// items.
    pub fn new<A: Into<String>>(
        client: Client,
        name: impl Into<String>,
        key_attributes: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            client,
            name: name.into(),
            key_attributes: key_attributes.into_iter().map(Into::into).collect(),
            items: PhantomData,
        }
    }

    /// The body of a call that puts `chunk`.
    ///
    /// It equals what the SDK would serialize. The SDK's input needs a copy of every item in a map,
    /// and building, serializing and dropping those maps would be most of the cost of a call.
    fn body(&self, chunk: &[&I]) -> Result<Bytes, SendError>
    where
        I: TableItem,
    {
        let invalid = |error: &str| SendError::Invalid(error.to_owned());
        let mut json = Vec::with_capacity(ITEM_CAPACITY * chunk.len());
        json.extend_from_slice(br#"{"RequestItems":{"#);
        item::write_string(&self.name, &mut json).map_err(invalid)?;
        json.extend_from_slice(b":[");
        for (index, item) in chunk.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(br#"{"PutRequest":{"Item":"#);
            item::write(*item, &mut json).map_err(invalid)?;
            json.extend_from_slice(b"}}");
        }
        json.extend_from_slice(b"]}}");
        Ok(json.into())
    }
}

impl<I: TableItem> Destination for DynamoTable<I> {
    type Item = I;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: ITEMS,
            call_bytes: CALL_BYTES,
            item_bytes: ITEM_BYTES,
        }
    }

    fn size(&self, item: &I) -> usize {
        item::size(item)
    }

    fn key(&self, item: &I) -> Option<Key> {
        key_of(item, &self.key_attributes)
    }

    fn check(&self, item: &I) -> Result<(), InvalidItem> {
        for (index, name) in self.key_attributes.iter().enumerate() {
            let bytes = item
                .key_value(name)
                .map_err(|error| InvalidItem::new(format!("the key attribute {name} {error}")))?;
            if bytes.is_empty() {
                return Err(InvalidItem::new(format!(
                    "the key attribute {name} is empty"
                )));
            }
            let limit = KEY_BYTES[index.min(1)];
            if bytes.len() > limit {
                return Err(InvalidItem::new(format!(
                    "the key attribute {name} has {} bytes, and the limit is {limit}",
                    bytes.len()
                )));
            }
        }
        Ok(())
    }

    async fn send(&self, chunk: &[&I]) -> Result<Vec<ItemFailure>, SendError> {
        let body = self.body(chunk)?;
        let output = self
            .client
            .batch_write_item()
            // The SDK may derive the endpoint from the table name.
            .request_items(&self.name, Vec::new())
            .customize()
            .config_override(
                Config::builder()
                    .retry_config(clock_retry_config())
                    .retry_classifier(ClockRetry::<BatchWriteItemError>::new()),
            )
            .mutate_request(move |request| {
                let headers = request.headers_mut();
                headers.insert("content-length", body.len().to_string());
                *request.body_mut() = body.clone().into();
            })
            .send()
            .await
            .map_err(sdk::send_error)?;
        failures(&output, chunk, &self.key_attributes)
    }
}

/// The items of `chunk` that the response lists as unprocessed, matched by key.
///
/// If an unprocessed request matches no item, the whole response counts as unusable: it is unknown
/// which item it means, and putting the whole chunk again is harmless.
fn failures<I: TableItem>(
    output: &BatchWriteItemOutput,
    chunk: &[&I],
    key_attributes: &[String],
) -> Result<Vec<ItemFailure>, SendError> {
    let mut unprocessed = output
        .unprocessed_items()
        .into_iter()
        .flat_map(HashMap::values)
        .flatten()
        .peekable();
    if unprocessed.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut indices_by_key: HashMap<Key, Vec<usize>> = HashMap::new();
    for (index, item) in chunk.iter().enumerate() {
        if let Some(key) = key_of(*item, key_attributes) {
            indices_by_key.entry(key).or_default().push(index);
        }
    }
    let mut failures = Vec::new();
    for request in unprocessed {
        let key = request
            .put_request()
            .and_then(|put| key_of(put.item(), key_attributes));
        let Some(indices) = key.and_then(|key| indices_by_key.remove(&key)) else {
            return Err(SendError::Transient(
                "the service returned an unprocessed item that was not sent".to_owned(),
            ));
        };
        for index in indices {
            failures.push(ItemFailure {
                index,
                reason: "unprocessed: the table or an index is over its throughput".to_owned(),
                permanent: false,
            });
        }
    }
    Ok(failures)
}

/// The values of the key attributes, or `None` if one is missing or not a string, number or binary.
fn key_of(item: &impl TableItem, key_attributes: &[String]) -> Option<Key> {
    let values = key_attributes.iter().map(|name| item.key_value(name));
    let values: Result<Vec<&[u8]>, _> = values.collect();
    Some(Key::new(values.ok()?))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};

    use super::*;
    use crate::item::tests::{number, text};

    fn row(name: &str, distance: &str) -> AttributeMap {
        HashMap::from([
            ("Name".to_owned(), text(name)),
            ("Distance".to_owned(), number(distance)),
        ])
    }

    fn table() -> DynamoTable {
        let config = Config::builder().behavior_version_latest().build();
        DynamoTable::new(Client::from_conf(config), "UnicornSensorData", ["Name"])
    }

    fn unprocessed(items: impl IntoIterator<Item = AttributeMap>) -> BatchWriteItemOutput {
        let requests = items
            .into_iter()
            .map(|item| {
                let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            })
            .collect();
        BatchWriteItemOutput::builder()
            .unprocessed_items("UnicornSensorData", requests)
            .build()
    }

    fn failed(
        output: &BatchWriteItemOutput,
        chunk: &[&AttributeMap],
    ) -> Result<Vec<usize>, SendError> {
        let failures = failures(output, chunk, &["Name".to_owned()])?;
        Ok(failures.into_iter().map(|failure| failure.index).collect())
    }

    #[test]
    fn unprocessed_items_are_matched_by_key_in_any_order() {
        let chunk = [
            row("Shadowfax", "1"),
            row("Bucephalus", "2"),
            row("Rocinante", "3"),
        ];
        let chunk: Vec<&AttributeMap> = chunk.iter().collect();
        assert_eq!(
            failed(&BatchWriteItemOutput::builder().build(), &chunk),
            Ok(vec![])
        );
        // The service may return a number in another form.
        let output = unprocessed([row("Rocinante", "3.0"), row("Shadowfax", "1")]);
        assert_eq!(failed(&output, &chunk), Ok(vec![2, 0]));
    }

    #[test]
    fn unprocessed_item_that_was_not_sent_is_transient() {
        let shadowfax = row("Shadowfax", "1");
        for output in [
            unprocessed([row("Franky", "1")]),
            unprocessed([shadowfax.clone(), shadowfax.clone()]),
            unprocessed([AttributeMap::new()]),
        ] {
            assert!(matches!(
                failed(&output, &[&shadowfax]),
                Err(SendError::Transient(_))
            ));
        }
    }

    #[test]
    fn items_with_equal_key_attributes_have_equal_keys() {
        let table = table();
        assert_eq!(
            table.key(&row("Shadowfax", "1")),
            table.key(&row("Shadowfax", "2"))
        );
        assert_ne!(
            table.key(&row("Shadowfax", "1")),
            table.key(&row("Franky", "1"))
        );
        assert_eq!(table.key(&AttributeMap::new()), None);
    }

    #[test]
    fn invalid_keys_fail_the_check() {
        let table = table();
        let check = |value| table.check(&HashMap::from([("Name".to_owned(), value)]));
        assert_eq!(check(text("Shadowfax")), Ok(()));
        assert_eq!(check(text(&"a".repeat(2048))), Ok(()));
        assert!(check(text(&"a".repeat(2049))).is_err());
        assert!(check(text("")).is_err());
        assert!(check(AttributeValue::B(Blob::new([]))).is_err());
        assert!(check(AttributeValue::Bool(true)).is_err());
        assert!(table.check(&AttributeMap::new()).is_err());
    }
}
