//! The two formats on the wire, and the values that differ between them.
//!
//! In JSON, bytes are base64 and times are seconds. In CBOR, bytes are byte strings and times are
//! integer milliseconds. Every request and response has one type, for both.

use std::borrow::Cow;
use std::fmt;

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{ErrorCode, KinesisError};

/// The format of a request and of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireFormat {
    Json,
    Cbor,
}

impl WireFormat {
    /// The format of a content type.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "application/x-amz-json-1.1" | "application/x-amz-json-1.0" | "application/json" => {
                Some(Self::Json)
            }
            "application/x-amz-cbor-1.1" | "application/cbor" => Some(Self::Cbor),
            _ => None,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// Decodes a request. An empty body is a request without fields.
    ///
    /// # Errors
    ///
    /// SerializationException.
    pub(crate) fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, KinesisError> {
        match self {
            Self::Json => decode_json(body),
            Self::Cbor => {
                // A map without entries.
                let body = if body.is_empty() { &[0xa0] } else { body };
                ciborium::from_reader(body).map_err(|error| undecodable(&error))
            }
        }
    }

    /// Encodes a response.
    ///
    /// # Errors
    ///
    /// InternalFailure, which only a bug can cause.
    pub(crate) fn encode(self, value: &impl Serialize) -> Result<Bytes, KinesisError> {
        let mut body = Vec::new();
        let encoded = match self {
            Self::Json => {
                serde_json::to_writer(&mut body, value).map_err(|error| error.to_string())
            }
            Self::Cbor => {
                ciborium::into_writer(value, &mut body).map_err(|error| error.to_string())
            }
        };
        match encoded {
            Ok(()) => Ok(body.into()),
            Err(error) => Err(KinesisError::new(ErrorCode::InternalFailure, error)),
        }
    }
}

/// Decodes a request in JSON to a type that may borrow from it. Requests in CBOR are never borrowed
/// from: `ciborium` reads from a stream.
///
/// # Errors
///
/// SerializationException.
pub(crate) fn decode_json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, KinesisError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| undecodable(&error))
}

fn undecodable(error: &dyn fmt::Display) -> KinesisError {
    KinesisError::new(ErrorCode::SerializationException, error.to_string())
}

/// Bytes in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByteString(pub(crate) Bytes);

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode_to_string(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

/// Bytes in a request, as they came: they are decoded to where they are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncodedBytes<'a> {
    Base64(&'a str),
    Raw(&'a [u8]),
}

impl EncodedBytes<'_> {
    /// How many bytes they are. Of invalid base64, about as many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Base64(text) => {
                let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
                (text.len() / 4 * 3).saturating_sub(padding)
            }
        }
    }

    /// Appends the bytes to a buffer.
    ///
    /// # Errors
    ///
    /// SerializationException if they are not base64.
    pub(crate) fn append_to(&self, buffer: &mut Vec<u8>) -> Result<(), KinesisError> {
        match self {
            Self::Raw(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(())
            }
            Self::Base64(text) => {
                let decoded = STANDARD.decode_append(text.as_bytes(), buffer);
                decoded.map_err(|_| undecodable(&"the value of Data is not base64"))
            }
        }
    }
}

/// The type of a field with bytes in a request of one format.
pub(crate) trait BytesField {
    fn encoded(&self) -> EncodedBytes<'_>;
}

/// Text in a request in JSON, borrowed from it where it has no escapes. In a type of its own, as
/// serde does not borrow an `Option<Cow<str>>`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct WireText<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for WireText<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl BytesField for WireText<'_> {
    fn encoded(&self) -> EncodedBytes<'_> {
        EncodedBytes::Base64(&self.0)
    }
}

/// Bytes in a request in CBOR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireBytes(Vec<u8>);

impl BytesField for WireBytes {
    fn encoded(&self) -> EncodedBytes<'_> {
        EncodedBytes::Raw(&self.0)
    }
}

impl<'de> Deserialize<'de> for WireBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl Visitor<'_> for BytesVisitor {
            type Value = WireBytes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<WireBytes, E> {
                Ok(WireBytes(bytes.to_owned()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<WireBytes, E> {
                Ok(WireBytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

/// A time, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WireTime(pub(crate) i64);

impl WireTime {
    /// Seconds since the epoch, never less than the time. A float is mostly a little less or more
    /// than it, and the SDK for Rust cuts off what is below a nanosecond: of .189 s it makes 188 ms.
    fn seconds(self) -> f64 {
        let seconds = self.0 as f64 / 1000.0;
        let millis = self.0.rem_euclid(1000) as f64;
        if (seconds - seconds.floor()) * 1000.0 < millis {
            seconds.next_up()
        } else {
            seconds
        }
    }
}

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_f64(self.seconds())
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let seconds = f64::deserialize(deserializer)?;
        let millis = (seconds * 1000.0).round();
        // Where every integer is a float of its own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if millis.abs() > EXACT {
            return Err(D::Error::custom("the time is out of range"));
        }
        Ok(Self(millis as i64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize)]
    struct ValuesOut {
        data: ByteString,
        time: WireTime,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct ValuesIn<B> {
        data: B,
        time: WireTime,
    }

    fn bytes_of(field: &impl BytesField) -> Vec<u8> {
        let mut bytes = Vec::new();
        field.encoded().append_to(&mut bytes).unwrap();
        assert_eq!(field.encoded().len(), bytes.len());
        bytes
    }

    proptest! {
        /// Whatever is sent in one format means the same in the other.
        #[test]
        fn the_formats_agree(
            data in proptest::collection::vec(any::<u8>(), 0..6000),
            time in 0..9_000_000_000_000_i64,
        ) {
            let sent = ValuesOut { data: ByteString(data.clone().into()), time: WireTime(time) };
            let body = WireFormat::Json.encode(&sent).unwrap();
            let read: ValuesIn<WireText<'_>> = decode_json(&body).unwrap();
            prop_assert_eq!(read.time, WireTime(time));
            prop_assert_eq!(bytes_of(&read.data), &data[..]);
            let body = WireFormat::Cbor.encode(&sent).unwrap();
            let read: ValuesIn<WireBytes> = WireFormat::Cbor.decode(&body).unwrap();
            prop_assert_eq!(read.time, WireTime(time));
            prop_assert_eq!(bytes_of(&read.data), &data[..]);
        }

        /// Whether a client rounds or cuts off, it gets the right millisecond.
        #[test]
        fn seconds_keep_the_millisecond(time in 0..9_000_000_000_000_i64) {
            let seconds = WireTime(time).seconds();
            prop_assert_eq!((seconds * 1000.0).round() as i64, time);
            let nanos = ((seconds - seconds.floor()) * 1e9) as i64;
            prop_assert_eq!(seconds.floor() as i64 * 1000 + nanos / 1_000_000, time);
        }

        #[test]
        fn any_body_is_decoded_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_json::<ValuesIn<WireText<'_>>>(&body);
            let _ = WireFormat::Cbor.decode::<ValuesIn<WireBytes>>(&body);
        }
    }

    #[test]
    fn json_has_base64_and_seconds_and_cbor_has_bytes_and_milliseconds() {
        let sent = ValuesOut {
            data: ByteString(Bytes::from_static(b"neigh")),
            time: WireTime(1_795_166_228_189),
        };
        let json = WireFormat::Json.encode(&sent).unwrap();
        assert_eq!(json, r#"{"data":"bmVpZ2g=","time":1795166228.1890001}"#);
        let cbor = WireFormat::Cbor.encode(&sent).unwrap();
        let expected = b"\xa2\x64data\x45neigh\x64time\x1b\x00\x00\x01\xa1\xf7";
        assert_eq!(cbor[..expected.len() - 2], expected[..expected.len() - 2]);
        assert_eq!(cbor.len(), 1 + 5 + 6 + 5 + 9);
    }

    #[test]
    fn a_tagged_time_is_a_time() {
        // Tag 1, as the Java SDK sends it.
        let body = b"\xa2\x64data\x41x\x64time\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00";
        let read: ValuesIn<WireBytes> = WireFormat::Cbor.decode(body).unwrap();
        assert_eq!(read.time, WireTime(1_700_000_000_000));
    }

    #[test]
    fn the_format_is_that_of_the_content_type() {
        let of = WireFormat::of;
        assert_eq!(of("application/x-amz-json-1.1"), Some(WireFormat::Json));
        assert_eq!(
            of("Application/X-Amz-Json-1.1; charset=utf-8"),
            Some(WireFormat::Json)
        );
        assert_eq!(of("application/x-amz-cbor-1.1"), Some(WireFormat::Cbor));
        assert_eq!(of("text/plain"), None);
    }
}
