//! What a delivery stream is, as it was created.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::FirehoseError;
use super::prefix::ObjectPrefix;

/// When an object is delivered: if it is full or has waited long enough, whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferingHints {
    /// The size in bytes, before compression. The put that reaches it delivers the object, so an
    /// object may exceed it by one put.
    pub bytes: u64,
    /// The time since the object's first record.
    pub interval: Duration,
}

impl Default for BufferingHints {
    /// 5 MiB as on AWS, but 60 s instead of 300 s, since someone is waiting for the first object.
    fn default() -> Self {
        Self {
            bytes: 5 * 1024 * 1024,
            interval: Duration::from_secs(60),
        }
    }
}

/// Where a delivery stream's records come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliverySource {
    /// From `PutRecord` and `PutRecordBatch`.
    DirectPut,
    /// From a Kinesis stream. The API then rejects records; the reader of the stream passes them to
    /// [`Firehose::put_from_shard`](super::Firehose::put_from_shard).
    Kinesis {
        /// The stream's ARN.
        stream_arn: String,
    },
}

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    #[default]
    #[serde(rename = "UNCOMPRESSED")]
    Uncompressed,
    /// As gzip files, whose names end in `.gz`.
    #[serde(rename = "GZIP")]
    Gzip,
}

impl Compression {
    /// The end of an object's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Uncompressed => "",
            Self::Gzip => ".gz",
        }
    }

    /// The name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uncompressed => "UNCOMPRESSED",
            Self::Gzip => "GZIP",
        }
    }
}

/// Where objects go, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectDestination {
    /// How objects are compressed.
    pub compression: Compression,
    /// The prefix of objects. `None` is the folder of the hour.
    pub prefix: Option<ObjectPrefix>,
    /// The end of objects' names, instead of that of the compression. It begins with a dot.
    pub file_extension: Option<String>,
    /// What is appended to each record that the API takes.
    pub delimiter: Option<String>,
    /// What was given and has no effect here: the description has it as it is. The key is the
    /// field's name.
    pub echoed: BTreeMap<String, Value>,
}

/// The tags of a delivery stream. A tag may have no value.
pub type DeliveryTags = BTreeMap<String, Option<String>>;

/// The settings of a delivery stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverySettings {
    /// Where its records come from.
    pub source: DeliverySource,
    /// When its objects are delivered.
    pub buffering: BufferingHints,
    /// Where its objects go.
    #[serde(default)]
    pub destination: ObjectDestination,
    /// Its tags.
    #[serde(default)]
    pub tags: DeliveryTags,
}

impl DeliverySettings {
    /// Plain objects, in the folders of their hours, without tags.
    #[must_use]
    pub fn plain(source: DeliverySource, buffering: BufferingHints) -> Self {
        Self {
            source,
            buffering,
            destination: ObjectDestination::default(),
            tags: DeliveryTags::new(),
        }
    }
}

/// A delivery stream as it was created, with its tags of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStream {
    /// Its name, unique among the delivery streams.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its settings.
    #[serde(flatten)]
    pub settings: DeliverySettings,
    /// When it was created.
    #[serde(with = "seconds")]
    pub created: Timestamp,
}

/// The name becomes a directory, so `.` and `..` are rejected too, although Firehose's own pattern
/// allows them.
pub(super) fn check_name(name: &str) -> Result<(), FirehoseError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !matches!(name, "." | "..") {
        return Ok(());
    }
    Err(FirehoseError::Invalid {
        message: format!(
            "invalid delivery stream name {name:?}: use 1 to 64 of a-z, A-Z, 0-9, '_', '.' and '-'"
        ),
    })
}

/// Times as whole seconds, for the file of a delivery stream.
mod seconds {
    use serde::{Deserializer, Serializer, de::Error as _};

    use super::{Deserialize as _, Timestamp};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.as_second())
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_second(i64::deserialize(from)?).map_err(D::Error::custom)
    }
}
