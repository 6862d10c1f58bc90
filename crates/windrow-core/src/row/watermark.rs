//! Watermarks: how far a shard's rows were sent.

use serde::Deserialize;

use super::{write_name, write_text_field};
use crate::time::Timestamp;

/// The only field of a watermark's line. No line of a row has an object in its first field.
const WATERMARK: &str = "Watermark";

/// Says how far the rows of a shard are complete: those of every record that arrived before
/// [`through`](Self::through) were sent before the watermark.
///
/// The aggregator sends one at the end of every window of Lambda's, into the stream of the rows. A
/// shard without records has no windows, and so no watermarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardWatermark {
    /// The stream: its ARN.
    pub stream: String,
    /// Id of the shard.
    pub shard: String,
    /// The end of the window.
    pub through: Timestamp,
}

impl ShardWatermark {
    /// The canonical line, with a newline at its end: the JSON object as it is sent.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = vec![b'{'];
        write_name(WATERMARK, &mut line);
        line.push(b'{');
        write_text_field("Stream", &self.stream, &mut line);
        write_text_field("Shard", &self.shard, &mut line);
        write_text_field("Through", &self.through.to_string(), &mut line);
        line.extend_from_slice(b"}}\n");
        line
    }

    /// Parses one JSON object. `None` if it is something else, such as a row.
    pub fn parse(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct WatermarkLine {
            watermark: WatermarkFields,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct WatermarkFields {
            stream: String,
            shard: String,
            through: String,
        }
        // Rows are a thousand times as many, and this tells them apart without parsing them.
        if !line.starts_with(br#"{"Watermark":{"#) {
            return None;
        }
        let line: WatermarkLine = serde_json::from_slice(line).ok()?;
        let WatermarkFields {
            stream,
            shard,
            through,
        } = line.watermark;
        Some(Self {
            stream,
            shard,
            through: through.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_parsed() {
        let watermark = ShardWatermark {
            stream: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes".to_owned(),
            shard: "shardId-000000000000".to_owned(),
            through: "2026-11-20 09:18:00.000".parse().unwrap(),
        };
        let line = watermark.to_line();
        assert_eq!(
            std::str::from_utf8(&line).unwrap(),
            "{\"Watermark\":{\"Stream\":\"arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes\",\
             \"Shard\":\"shardId-000000000000\",\"Through\":\"2026-11-20 09:18:00.000\"}}\n"
        );
        assert_eq!(ShardWatermark::parse(&line), Some(watermark));
        for other in [
            "",
            "{}",
            r#"{"Watermark":"Attic","Source":{}}"#,
            r#"{"Watermark":{"Stream":"s","Shard":"0","Through":"yesterday"}}"#,
            r#"{"Watermark":{"Stream":"s","Shard":"0"}}"#,
        ] {
            assert_eq!(ShardWatermark::parse(other.as_bytes()), None, "{other}");
        }
    }
}
