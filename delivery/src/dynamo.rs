//! DynamoDB BatchWriteItem.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Config, retry::RetryConfig};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};

use crate::{Destination, Key, Limits, Refusal, SendError, sdk};

/// An item of a table: attribute names and values.
type Item = HashMap<String, AttributeValue>;

/// The most items in a BatchWriteItem call (BatchWriteItem, API reference).
const ITEMS: usize = 25;
/// The most bytes in a call (same source).
const CALL_BYTES: usize = 16 * 1024 * 1024;
/// The most bytes in an item (DynamoDB developer guide, "Constraints").
const ITEM_BYTES: usize = 400 * 1024;
/// The most bytes in a partition key's and in a sort key's value (same source).
const KEY_BYTES: [usize; 2] = [2048, 1024];
/// What a list or a map costs beyond its contents, and what each of its elements costs beyond
/// itself (developer guide, "Item sizes and formats").
const DOCUMENT_BYTES: usize = 3;
const ELEMENT_BYTES: usize = 1;

/// A DynamoDB table, written with BatchWriteItem: every item is a put, which replaces the row with
/// its key.
///
/// Items with equal keys are merged before they are sent, and the last one wins. Keys are compared
/// as they are written: two spellings of one number (`1` and `1.0`) are two keys here and one row
/// in the table, so which of them stays is open.
#[derive(Debug, Clone)]
pub struct DynamoTable {
    client: Client,
    name: String,
    key_attributes: Vec<String>,
}

impl DynamoTable {
    /// The table called `name`, whose key is `key_attributes`: the partition key and then, if it
    /// has one, the sort key. Through `client`, whose own retries are switched off here.
    pub fn new<A: Into<String>>(
        client: Client,
        name: impl Into<String>,
        key_attributes: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            client,
            name: name.into(),
            key_attributes: key_attributes.into_iter().map(Into::into).collect(),
        }
    }
}

impl Destination for DynamoTable {
    type Item = Item;

    fn limits(&self) -> Limits {
        Limits {
            items: ITEMS,
            call_bytes: CALL_BYTES,
            item_bytes: ITEM_BYTES,
        }
    }

    fn size(&self, item: &Item) -> usize {
        item.iter()
            .map(|(name, value)| name.len() + value_size(value))
            .sum()
    }

    fn key(&self, item: &Item) -> Option<Key> {
        key_of(item, &self.key_attributes)
    }

    fn check(&self, item: &Item) -> Result<(), String> {
        for (position, name) in self.key_attributes.iter().enumerate() {
            let value = item
                .get(name)
                .ok_or_else(|| format!("the key attribute {name} is missing"))?;
            let bytes = key_bytes(value).ok_or_else(|| {
                format!("the key attribute {name} is not a string, a number or binary")
            })?;
            if bytes.is_empty() {
                return Err(format!("the key attribute {name} is empty"));
            }
            let limit = KEY_BYTES[position.min(1)];
            if bytes.len() > limit {
                return Err(format!(
                    "the key attribute {name} has {} bytes, and the limit is {limit}",
                    bytes.len()
                ));
            }
        }
        Ok(())
    }

    async fn send(&self, chunk: &[&Item]) -> Result<Vec<Refusal>, SendError> {
        let mut requests = Vec::with_capacity(chunk.len());
        for item in chunk {
            let put = PutRequest::builder()
                .set_item(Some(Item::clone(item)))
                .build()
                .map_err(|error| SendError::Invalid(error.to_string()))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let output = self
            .client
            .batch_write_item()
            .request_items(&self.name, requests)
            .customize()
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(sdk::send_error)?;
        refusals(&output, chunk, &self.key_attributes)
    }
}

/// Which items of `chunk` the answer lists as unprocessed, matched by key.
///
/// An unprocessed request that matches none of them makes the answer no answer at all: what it
/// stands for is not known, and putting the whole chunk again changes no row.
fn refusals(
    output: &BatchWriteItemOutput,
    chunk: &[&Item],
    key_attributes: &[String],
) -> Result<Vec<Refusal>, SendError> {
    let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
    for (index, item) in chunk.iter().enumerate() {
        if let Some(key) = key_of(item, key_attributes) {
            places.entry(key).or_default().push(index);
        }
    }
    let mut refusals = Vec::new();
    for request in output
        .unprocessed_items()
        .into_iter()
        .flat_map(HashMap::values)
        .flatten()
    {
        let key = request
            .put_request()
            .and_then(|put| key_of(put.item(), key_attributes));
        let Some(indices) = key.and_then(|key| places.remove(&key)) else {
            return Err(SendError::Transient(
                "an unprocessed item is none of those that were put".to_owned(),
            ));
        };
        for index in indices {
            refusals.push(Refusal {
                index,
                reason: "unprocessed: too much for the table or an index at this moment".to_owned(),
            });
        }
    }
    Ok(refusals)
}

/// The values of the key attributes, or `None` where one is missing or of a kind no key has.
fn key_of(item: &Item, key_attributes: &[String]) -> Option<Key> {
    let mut parts = Vec::with_capacity(key_attributes.len());
    for name in key_attributes {
        parts.push(key_bytes(item.get(name)?)?);
    }
    Some(Key::new(parts))
}

/// The bytes of a value that can be in a key. Their kind needs no mark: a table's key attribute has
/// one kind.
fn key_bytes(value: &AttributeValue) -> Option<&[u8]> {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text.as_bytes()),
        AttributeValue::B(bytes) => Some(bytes.as_ref()),
        _ => None,
    }
}

/// The bytes a value counts for, its name apart (developer guide, "Item sizes and formats").
///
/// A value of a kind this version of the SDK does not know counts nothing. If that lets too large
/// an item pass, the service refuses it.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number_size(number),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number_size(number)).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(values) => {
            DOCUMENT_BYTES
                + values
                    .iter()
                    .map(|value| ELEMENT_BYTES + value_size(value))
                    .sum::<usize>()
        }
        AttributeValue::M(entries) => {
            DOCUMENT_BYTES
                + entries
                    .iter()
                    .map(|(name, value)| ELEMENT_BYTES + name.len() + value_size(value))
                    .sum::<usize>()
        }
        _ => 0,
    }
}

/// A byte for two significant digits and one more, and one for a minus sign. The guide says
/// "approximately".
fn number_size(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    fn number(value: &str) -> AttributeValue {
        AttributeValue::N(value.to_owned())
    }

    fn row(name: &str, distance: &str) -> Item {
        HashMap::from([
            ("Name".to_owned(), text(name)),
            ("Distance".to_owned(), number(distance)),
        ])
    }

    fn table() -> DynamoTable {
        let config = Config::builder().behavior_version_latest().build();
        DynamoTable::new(Client::from_conf(config), "UnicornSensorData", ["Name"])
    }

    fn unprocessed(items: impl IntoIterator<Item = Item>) -> BatchWriteItemOutput {
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

    fn refused(output: &BatchWriteItemOutput, chunk: &[&Item]) -> Result<Vec<usize>, SendError> {
        let refusals = refusals(output, chunk, &["Name".to_owned()])?;
        Ok(refusals.into_iter().map(|refusal| refusal.index).collect())
    }

    #[test]
    fn unprocessed_items_are_found_by_key_in_any_order() {
        let chunk = [
            row("Shadowfax", "1"),
            row("Bucephalus", "2"),
            row("Rocinante", "3"),
        ];
        let chunk: Vec<&Item> = chunk.iter().collect();
        assert_eq!(
            refused(&BatchWriteItemOutput::builder().build(), &chunk),
            Ok(vec![])
        );
        // The service may write a number back in another form.
        let output = unprocessed([row("Rocinante", "3.0"), row("Shadowfax", "1")]);
        assert_eq!(refused(&output, &chunk), Ok(vec![2, 0]));
    }

    #[test]
    fn an_unprocessed_item_that_was_not_sent_makes_the_answer_void() {
        let shadowfax = row("Shadowfax", "1");
        for output in [
            unprocessed([row("Franky", "1")]),
            unprocessed([shadowfax.clone(), shadowfax.clone()]),
            unprocessed([Item::new()]),
        ] {
            assert!(matches!(
                refused(&output, &[&shadowfax]),
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
        assert_eq!(table.key(&Item::new()), None);
    }

    #[test]
    fn what_no_key_can_be_is_refused_before_it_is_sent() {
        let table = table();
        let check = |value| table.check(&HashMap::from([("Name".to_owned(), value)]));
        assert_eq!(check(text("Shadowfax")), Ok(()));
        assert_eq!(check(text(&"a".repeat(2048))), Ok(()));
        assert!(check(text(&"a".repeat(2049))).is_err());
        assert!(check(text("")).is_err());
        assert!(check(AttributeValue::B(Blob::new([]))).is_err());
        assert!(check(AttributeValue::Bool(true)).is_err());
        assert!(table.check(&Item::new()).is_err());
    }

    #[test]
    fn sizes_follow_the_developer_guide() {
        let list = AttributeValue::L(vec![text("abc"), AttributeValue::Null(true)]);
        let map = AttributeValue::M(HashMap::from([("ab".to_owned(), text("abc"))]));
        for (value, bytes) in [
            (text("é"), 2),
            (number("0"), 1),
            (number("100"), 2),
            (number("-12.50"), 4),
            (number("1789.25"), 4),
            (number("1E5"), 2),
            (AttributeValue::B(Blob::new([1, 2, 3])), 3),
            (AttributeValue::Bool(false), 1),
            (AttributeValue::Ss(vec!["a".to_owned(), "bc".to_owned()]), 3),
            (AttributeValue::Ns(vec!["1".to_owned(), "22".to_owned()]), 4),
            (
                AttributeValue::Bs(vec![Blob::new([1]), Blob::new([1, 2])]),
                3,
            ),
            (list, 3 + 1 + 3 + 1 + 1),
            (map, 3 + 1 + 2 + 3),
            (AttributeValue::L(vec![]), 3),
        ] {
            assert_eq!(value_size(&value), bytes, "{value:?}");
        }
        assert_eq!(table().size(&row("Franky", "12")), 4 + 6 + 8 + 2);
    }
}
