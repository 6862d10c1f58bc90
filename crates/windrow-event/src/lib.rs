//! The Lambda event for a batch of Kinesis records, with or without a tumbling window: decode it,
//! respond to it, and encode it.
//!
//! - [`Event`] is what a function receives. It owns its memory, so it works as a payload type of a
//!   Lambda runtime. All its records share one decoded buffer, so a batch of thousands needs only a
//!   few allocations. Invalid base64 is an error of that record only, not of the batch.
//! - [`Response`] is what a function returns: the window's state, and the records that failed.
//! - [`Reject`] formats a record that cannot be parsed as lines, without loss.
//! - [`encode()`] writes the same JSON as Lambda, for a local event source mapping or a test.
//!
//! The crate does no IO and reads no clock. Times are milliseconds since the Unix epoch.
//!
//! ```
//! use windrow_event::{EventSource, RecordData, encode};
//!
//! let source = EventSource {
//!     stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes",
//!     region: "us-east-1",
//!     shard_id: "shardId-000000000000",
//! };
//! let record = RecordData {
//!     partition_key: "Shadowfax",
//!     sequence_number: "49590338271490256608559692538361571095921575989136588898",
//!     arrival: 1_607_497_475_189,
//!     data: b"{\"Name\":\"Shadowfax\"}\n",
//! };
//! let payload = encode(&source, &[record], None);
//!
//! let event = windrow_event::Event::from_json(&payload)?;
//! assert_eq!(event.stream(), Some("wildrydes"));
//! for record in event.records() {
//!     assert_eq!(record.arrival, 1_607_497_475_189);
//!     match record.data {
//!         Ok(data) => assert_eq!(data, b"{\"Name\":\"Shadowfax\"}\n"),
//!         Err(bad) => println!("{bad}: {}", bad.text),
//!     }
//! }
//! # Ok::<(), windrow_event::DecodeError>(())
//! ```

mod batch;
mod encode;
mod event;
mod layout;
pub mod reject;
mod response;
mod time;
mod window;

pub use batch::{BadBase64, EventRecord};
pub use encode::{EventSource, RecordData, WindowFields, encode, encoded_len};
pub use event::{DecodeError, Event};
pub use reject::{Reject, reject_start};
pub use response::Response;
pub use window::EventWindow;

/// The text as a JSON string, quotes included.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
