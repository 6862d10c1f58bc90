//! Items of a DynamoDB table: their attributes, their size as DynamoDB counts it, and their JSON.

use std::collections::HashMap;
use std::fmt::{self, Display, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;
use thiserror::Error;

/// The overhead of a list or map, and of each of its elements (developer guide, "Item sizes and
/// formats").
const DOCUMENT_BYTES: usize = 3;
const ELEMENT_BYTES: usize = 1;

/// An item that can be put into a [`DynamoTable`](crate::DynamoTable): the SDK's map of attributes,
/// or a type that lists its attributes without building a map.
pub trait TableItem: Send + Sync {
    /// Passes every attribute to `attributes`, each name once.
    ///
    /// It must always pass the same attributes, because it is called to measure the item and again
    /// for every call that sends it.
    fn show(&self, attributes: &mut impl Attributes);

    /// The bytes of the key attribute `name`. Their type is not needed, because a key attribute of
    /// a table has a fixed type.
    ///
    /// # Errors
    /// If the attribute is missing or cannot be part of a key.
    fn key_value(&self, name: &str) -> Result<&[u8], NoKeyValue>;
}

/// Why an attribute cannot be part of a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoKeyValue {
    /// The item has no such attribute.
    #[error("is missing")]
    Missing,
    /// Its type is not allowed in a key.
    #[error("is not a string, a number or binary")]
    Kind,
}

/// Receives the attributes of an item, or the entries of a map in it, one by one.
pub trait Attributes {
    /// Adds a string.
    fn text(&mut self, name: &str, value: &str);

    /// Adds a number. `value` must format as a decimal number, as DynamoDB requires.
    fn number(&mut self, name: &str, value: impl Display);

    /// Adds true or false.
    fn boolean(&mut self, name: &str, value: bool);

    /// Adds a map. `show` passes its entries.
    fn map(&mut self, name: &str, show: impl FnOnce(&mut Self));

    /// Adds any value.
    fn value(&mut self, name: &str, value: &AttributeValue);
}

impl TableItem for HashMap<String, AttributeValue> {
    fn show(&self, attributes: &mut impl Attributes) {
        for (name, value) in self {
            attributes.value(name, value);
        }
    }

    fn key_value(&self, name: &str) -> Result<&[u8], NoKeyValue> {
        match self.get(name) {
            Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text.as_bytes()),
            Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref()),
            Some(_) => Err(NoKeyValue::Kind),
            None => Err(NoKeyValue::Missing),
        }
    }
}

/// Collects the attributes in the SDK's map.
impl Attributes for HashMap<String, AttributeValue> {
    fn text(&mut self, name: &str, value: &str) {
        self.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.insert(name.to_owned(), AttributeValue::N(value.to_string()));
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.insert(name.to_owned(), AttributeValue::Bool(value));
    }

    fn map(&mut self, name: &str, show: impl FnOnce(&mut Self)) {
        let mut entries = Self::new();
        show(&mut entries);
        self.insert(name.to_owned(), AttributeValue::M(entries));
    }

    fn value(&mut self, name: &str, value: &AttributeValue) {
        self.insert(name.to_owned(), value.clone());
    }
}

/// The size of an item in bytes, as DynamoDB counts it (developer guide, "Item sizes and formats").
pub(crate) fn size(item: &impl TableItem) -> usize {
    let mut size = Size::default();
    item.show(&mut size);
    size.bytes
}

/// Appends an item to `json`, in the form that DynamoDB's API expects (developer guide, "DynamoDB
/// low-level API").
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(item: &impl TableItem, json: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut writer = JsonItem { json, error: None };
    writer.object(|writer| item.show(writer));
    writer.error.map_or(Ok(()), Err)
}

/// Appends `text` as a JSON string, including the quotes.
pub(crate) fn write_string(text: &str, json: &mut Vec<u8>) -> Result<(), &'static str> {
    // Looks at all bytes, which takes less time than to stop at the first that needs an escape.
    let needs_escape = |byte: u8| matches!(byte, ..b' ' | b'"' | b'\\');
    if !text
        .bytes()
        .fold(false, |so_far, byte| so_far | needs_escape(byte))
    {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
        return Ok(());
    }
    serde_json::to_writer(json, text).map_err(|_| "the text cannot be written as JSON")
}

/// Adds up the size of attributes.
#[derive(Default)]
struct Size {
    bytes: usize,
    /// The overhead of each attribute: nonzero for the entries of a map.
    overhead: usize,
}

impl Size {
    fn add(&mut self, name: &str, bytes: usize) {
        self.bytes += self.overhead + name.len() + bytes;
    }
}

impl Attributes for Size {
    fn text(&mut self, name: &str, value: &str) {
        self.add(name, value.len());
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.add(name, number_size(value));
    }

    fn boolean(&mut self, name: &str, _: bool) {
        self.add(name, 1);
    }

    fn map(&mut self, name: &str, show: impl FnOnce(&mut Self)) {
        let mut entries = Self {
            bytes: DOCUMENT_BYTES,
            overhead: ELEMENT_BYTES,
        };
        show(&mut entries);
        self.add(name, entries.bytes);
    }

    fn value(&mut self, name: &str, value: &AttributeValue) {
        self.add(name, value_size(value));
    }
}

/// The size of a value in bytes, without its name.
///
/// A type that this version of the SDK does not know counts as 0. Such a value is not sent.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number_size(number),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(number_size).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(values) => {
            DOCUMENT_BYTES
                + values
                    .iter()
                    .map(|value| ELEMENT_BYTES + value_size(value))
                    .sum::<usize>()
        }
        AttributeValue::M(entries) => {
            let mut size = Size {
                bytes: DOCUMENT_BYTES,
                overhead: ELEMENT_BYTES,
            };
            entries.show(&mut size);
            size.bytes
        }
        _ => 0,
    }
}

/// One byte per two significant digits, plus one, plus one for a minus sign. The guide calls this
/// approximate.
fn number_size(number: impl Display) -> usize {
    let mut digits = Digits::default();
    // Counting cannot fail.
    let _ = write!(digits, "{number}");
    digits.significant.div_ceil(2) + 1 + usize::from(digits.negative)
}

/// Counts a number's significant digits, without leading and trailing zeros.
#[derive(Default)]
struct Digits {
    started: bool,
    negative: bool,
    exponent: bool,
    significant: usize,
    /// Zeros after the last significant digit. They count if another nonzero digit follows.
    zeros: usize,
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.negative |= !self.started && byte == b'-';
            self.started = true;
            match byte {
                b'e' | b'E' => self.exponent = true,
                _ if self.exponent => {}
                b'0' if self.significant > 0 => self.zeros += 1,
                b'1'..=b'9' => {
                    self.significant += self.zeros + 1;
                    self.zeros = 0;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes attributes as JSON.
struct JsonItem<'a> {
    json: &'a mut Vec<u8>,
    error: Option<&'static str>,
}

impl JsonItem<'_> {
    /// Writes an object. Every attribute ends with a comma, and [`Self::close`] removes the last
    /// one.
    fn object(&mut self, show: impl FnOnce(&mut Self)) {
        self.json.push(b'{');
        show(self);
        self.close(b'}');
    }

    fn close(&mut self, end: u8) {
        if self.json.last() == Some(&b',') {
            self.json.pop();
        }
        self.json.push(end);
    }

    fn string(&mut self, text: &str) {
        if let Err(error) = write_string(text, self.json) {
            self.error = Some(error);
        }
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.json.push(b'"');
        base64_simd::STANDARD.encode_append(bytes, self.json);
        self.json.push(b'"');
    }

    /// Writes an attribute's name, and its value as an object whose only key is the type.
    fn attribute(&mut self, name: &str, kind: &str, write: impl FnOnce(&mut Self)) {
        self.string(name);
        self.json.push(b':');
        self.typed(kind, write);
        self.json.push(b',');
    }

    fn typed(&mut self, kind: &str, write: impl FnOnce(&mut Self)) {
        self.json.extend_from_slice(b"{\"");
        self.json.extend_from_slice(kind.as_bytes());
        self.json.extend_from_slice(b"\":");
        write(self);
        self.json.push(b'}');
    }

    fn array<T>(&mut self, values: &[T], write: impl Fn(&mut Self, &T)) {
        self.json.push(b'[');
        for value in values {
            write(self, value);
            self.json.push(b',');
        }
        self.close(b']');
    }

    fn any(&mut self, value: &AttributeValue) {
        let boolean = |value: bool| if value { "true" } else { "false" };
        match value {
            AttributeValue::S(text) => self.typed("S", |json| json.string(text)),
            AttributeValue::N(number) => self.typed("N", |json| json.string(number)),
            AttributeValue::B(bytes) => self.typed("B", |json| json.base64(bytes.as_ref())),
            AttributeValue::Bool(value) => {
                self.typed("BOOL", |json| json.json.extend(boolean(*value).bytes()));
            }
            AttributeValue::Null(value) => {
                self.typed("NULL", |json| json.json.extend(boolean(*value).bytes()));
            }
            AttributeValue::Ss(texts) => {
                self.typed("SS", |json| {
                    json.array(texts, |json, text| json.string(text))
                });
            }
            AttributeValue::Ns(numbers) => {
                self.typed("NS", |json| {
                    json.array(numbers, |json, number| json.string(number));
                });
            }
            AttributeValue::Bs(blobs) => {
                self.typed("BS", |json| {
                    json.array(blobs, |json, bytes| json.base64(bytes.as_ref()));
                });
            }
            AttributeValue::L(values) => {
                self.typed("L", |json| json.array(values, Self::any));
            }
            AttributeValue::M(entries) => {
                self.typed("M", |json| json.object(|json| entries.show(json)));
            }
            _ => self.error = Some("the item has a value of an unknown type"),
        }
    }
}

impl Attributes for JsonItem<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.attribute(name, "S", |json| json.string(value));
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.attribute(name, "N", |json| {
            let written = serde_json::to_writer(&mut *json.json, &format_args!("{value}"));
            if written.is_err() {
                json.error = Some("a number cannot be written as JSON");
            }
        });
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.attribute(name, "BOOL", |json| {
            json.json.extend(value.to_string().bytes())
        });
    }

    fn map(&mut self, name: &str, show: impl FnOnce(&mut Self)) {
        self.attribute(name, "M", |json| json.object(show));
    }

    fn value(&mut self, name: &str, value: &AttributeValue) {
        self.string(name);
        self.json.push(b':');
        self.any(value);
        self.json.push(b',');
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    pub(crate) fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    pub(crate) fn number(value: &str) -> AttributeValue {
        AttributeValue::N(value.to_owned())
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
            (number("-1.50e-10"), 3),
            (number("0.00120300"), 3),
            (number("10203"), 4),
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
        let item = HashMap::from([
            ("Name".to_owned(), text("Franky")),
            ("Distance".to_owned(), number("12")),
        ]);
        assert_eq!(size(&item), 4 + 6 + 8 + 2);
    }
}
