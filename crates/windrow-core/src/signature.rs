//! Formats that are not JSON in UTF-8, told by their first bytes.

use std::fmt;

/// A format that a text is taken for because of its first bytes.
///
/// Nothing else is checked, so it is only for the reason why something is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// UTF-16, with a byte order mark or a bracket first.
    Utf16,
    /// UTF-32, with a byte order mark or a bracket first.
    Utf32,
    /// gzip.
    Gzip,
    /// zlib.
    Zlib,
    /// Zstandard.
    Zstandard,
    /// A ZIP file.
    Zip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// LZ4, in frames.
    Lz4,
    /// Snappy, in frames or in blocks as Java writes them.
    Snappy,
    /// An aggregated record of the Kinesis Producer Library.
    Kpl,
    /// Apache Avro.
    Avro,
    /// Apache Parquet.
    Parquet,
    /// Data after a header of the AWS Glue Schema Registry.
    GlueHeader,
    /// JSON or gzip, encoded as Base64 once more than the service does.
    Base64,
    /// Other data that is not text.
    Binary,
}

impl Signature {
    /// The format of `text`; `None` if it may be JSON in UTF-8, or is any other text.
    pub fn of(text: &[u8]) -> Option<Self> {
        Some(match text {
            // The first two are a byte order mark of UTF-16, too, but no JSON has U+0000.
            [0xFF, 0xFE, 0, 0, ..]
            | [0xFE, 0xFF, 0, 0, ..]
            | [0, 0, 0xFE, 0xFF, ..]
            | [b'{' | b'[', 0, 0, 0, ..]
            | [0, 0, 0, b'{' | b'[', ..] => Self::Utf32,
            // With a zero beside the first bracket, so that bytes that only look like a byte order
            // mark do not hide what is after them. The second zero tells it from a padded object.
            [0xFF, 0xFE]
            | [0xFE, 0xFF]
            | [0xFF, 0xFE, _, 0, ..]
            | [0xFE, 0xFF, 0, ..]
            | [b'{' | b'[', 0]
            | [b'{' | b'[', 0, _, 0, ..]
            | [0, b'{' | b'[']
            | [0, b'{' | b'[', 0, ..] => Self::Utf16,
            // RFC 1952, section 2.3.1.
            [0x1F, 0x8B, ..] => Self::Gzip,
            // RFC 1950, section 2.2, with the usual window; `x^` is text.
            [0x78, 0x01 | 0x9C | 0xDA, ..] => Self::Zlib,
            // RFC 8878, section 3.1.1.
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstandard,
            // APPNOTE.TXT of PKWARE, sections 4.3.7 and 4.3.16.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            // The magic of the stream, the size of its blocks, and the magic of the first block.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Self::Bzip2,
            // The .xz file format, section 2.1.1.1.
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // lz4_Frame_format.md of lz4/lz4.
            [0x04, 0x22, 0x4D, 0x18, ..] => Self::Lz4,
            // framing_format.txt of google/snappy, and SnappyCodec.java of xerial/snappy-java.
            [0xFF, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..]
            | [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, ..] => Self::Snappy,
            // aggregation-format.md of awslabs/amazon-kinesis-producer.
            [0xF3, 0x89, 0x9A, 0xC2, ..] => Self::Kpl,
            // The Avro specification, "Object Container Files".
            [b'O', b'b', b'j', 1, ..] => Self::Avro,
            // README.md of apache/parquet-format.
            [b'P', b'A', b'R', b'1', ..] => Self::Parquet,
            // The version, no compression or zlib, and the UUID of the schema version:
            // AWSSchemaRegistryConstants.java of awslabs/aws-glue-schema-registry.
            [3, 0 | 5, rest @ ..] if rest.len() >= 16 => Self::GlueHeader,
            // `{"`, `[{` and the magic of gzip.
            [b'e', b'y', b'J', rest @ ..]
            | [b'W', b'3', b's', rest @ ..]
            | [b'H', b'4', b's', rest @ ..]
                if is_base64(rest) =>
            {
                Self::Base64
            }
            _ => return None,
        })
    }

    /// As [`of`](Self::of), for a text of which is known that it has no JSON: [`Binary`](Self::Binary)
    /// if it is not UTF-8 and has control characters.
    pub fn of_other(text: &[u8]) -> Option<Self> {
        let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
        let is_binary = || text.iter().any(is_control) && str::from_utf8(text).is_err();
        Self::of(text).or_else(|| is_binary().then_some(Self::Binary))
    }

    /// What to do about it, as a request.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Utf16 | Self::Utf32 => "send UTF-8 instead",
            Self::Gzip => "it is damaged or too large; send each gzip text whole",
            Self::Zlib | Self::Zstandard => {
                "records may be compressed so, files may not; compress files with gzip"
            }
            Self::Kpl => {
                "Firehose leaves it packed if it is damaged; send it again, with its MD5 digest"
            }
            Self::Zip | Self::Bzip2 | Self::Xz | Self::Lz4 | Self::Snappy => {
                "send JSON, plain or compressed with gzip"
            }
            Self::GlueHeader => "send the JSON alone, without the schema registry's serializer",
            Self::Base64 => "send it as it is; the SDK encodes it",
            Self::Avro | Self::Parquet | Self::Binary => "send JSON in UTF-8",
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Utf16 => "UTF-16",
            Self::Utf32 => "UTF-32",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Zstandard => "Zstandard",
            Self::Zip => "a ZIP file",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "LZ4",
            Self::Snappy => "Snappy",
            Self::Kpl => "an aggregated record of the KPL",
            Self::Avro => "Avro",
            Self::Parquet => "Parquet",
            Self::GlueHeader => "data with a header of the Glue Schema Registry",
            Self::Base64 => "Base64",
            Self::Binary => "binary data",
        })
    }
}

/// Whether a text is Base64 of more than a few bytes.
fn is_base64(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(byte);
    text.len() > 16 && text.iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_and_utf_32_are_recognised() {
        for text in ["{}", "[{}]", "\u{feff}{}", "{\"a\":1}"] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
                assert_eq!(Signature::of(&bytes), Some(Signature::Utf16), "{text}");
            }
            for order in [u32::to_le_bytes, u32::to_be_bytes] {
                let scalars = text.chars().map(u32::from);
                let bytes: Vec<u8> = scalars.flat_map(order).collect();
                assert_eq!(Signature::of(&bytes), Some(Signature::Utf32), "{text}");
            }
        }
    }

    #[test]
    fn text_and_padded_json_have_no_signature() {
        for text in [
            &b""[..],
            b"{",
            b"{}",
            b"{}\0\0",
            b"\0{}\0",
            b"\0\0{\"a\":1}",
            b"\xEF\xBB\xBF{}",
            b"\xFF\xFE\n{",
            b"neigh",
            b"PK",
            b"BZh9 is text",
            b"x^2",
            b"eyJust a sentence of some words",
        ] {
            assert_eq!(Signature::of(text), None, "{}", text.escape_ascii());
            let other = Signature::of_other(text);
            assert_eq!(other, None, "{}", text.escape_ascii());
        }
        assert_eq!(
            Signature::of_other(b"\x01\x02\xff"),
            Some(Signature::Binary)
        );
        assert_eq!(Signature::of_other(b"Jos\xe9"), None);
    }
}
