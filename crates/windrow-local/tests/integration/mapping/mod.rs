//! The event source mapping, with functions that record their events and misbehave on demand.

mod clock;
mod faults;
mod filters;
mod lanes;
mod retries;
mod starts;
mod updates;
mod windows;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use windrow_event::Event;
use windrow_local::Clock;
use windrow_local::faults::Faults;
use windrow_local::functions::{Faulty, Function, InvokeError};
use windrow_local::mapping::{Mapping, MappingOptions, MappingSource};
use windrow_read::Start;

use crate::TestEndpoint;
use crate::endpoint::create_stream;

/// Ends tests that hang. Nothing depends on its length.
const TIME_LIMIT: Duration = Duration::from_secs(300);

type TestHandler = Box<dyn Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync>;

/// A function that records every event and returns the result of `handler`, which also gets the
/// number of invocations before.
struct RecordingFunction {
    events: Mutex<Vec<Event>>,
    handler: TestHandler,
}

impl Function for RecordingFunction {
    fn name(&self) -> &str {
        "recording"
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        _: Duration,
    ) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        let event = Event::from_json(&payload).unwrap();
        let mut events = self.events.lock().unwrap();
        let outcome = (self.handler)(&event, events.len());
        events.push(event);
        Box::pin(async move { outcome.map(|response| response.to_string().into_bytes()) })
    }
}

/// A stream, its mapping and the mapping's function.
struct Mapped {
    cloud: TestEndpoint,
    mapping: Mapping,
    function: Arc<RecordingFunction>,
}

impl Mapped {
    async fn start(
        shards: i32,
        options: MappingOptions,
        handler: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(shards, options, Arc::new(Faults::none()), handler).await
    }

    /// Like `start`, with faults in the mapping and of the function.
    async fn start_with(
        shards: i32,
        options: MappingOptions,
        faults: Arc<Faults>,
        handler: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Self {
        let cloud = TestEndpoint::start().await;
        Self::start_on(cloud, shards, options, faults, handler).await
    }

    /// Like `start_with`, on an endpoint without streams.
    async fn start_on(
        cloud: TestEndpoint,
        shards: i32,
        options: MappingOptions,
        faults: Arc<Faults>,
        handler: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Self {
        create_stream(&cloud.kinesis(), "stream", shards).await;
        let function = Arc::new(RecordingFunction {
            events: Mutex::default(),
            handler: Box::new(handler),
        });
        let source = source(&cloud);
        let recording: Arc<dyn Function> = Arc::clone(&function) as Arc<dyn Function>;
        let faulty = Arc::new(Faulty::new(recording, Arc::clone(&faults)));
        let mapping = Mapping::start_with(source, faulty, options, Start::TrimHorizon, faults);
        Self {
            cloud,
            mapping: mapping.unwrap(),
            function,
        }
    }

    /// The stream, as the source of a mapping.
    fn source(&self) -> MappingSource {
        source(&self.cloud)
    }

    /// Puts records in one call; data and partition key are the same.
    async fn put(&self, data: &[&str]) {
        use aws_sdk_kinesis::primitives::Blob;
        use aws_sdk_kinesis::types::PutRecordsRequestEntry;
        let entries = data.iter().map(|data| {
            PutRecordsRequestEntry::builder()
                .partition_key(*data)
                .data(Blob::new(data.as_bytes()))
                .build()
                .unwrap()
        });
        let call = self.cloud.kinesis().put_records().stream_name("stream");
        let output = call
            .set_records(Some(entries.collect()))
            .send()
            .await
            .unwrap();
        assert_eq!(output.failed_record_count(), Some(0));
    }

    /// Flushes the mapping, and waits until everything that was put is done.
    async fn finish(&self) {
        finish(&self.mapping, self.cloud.endpoint.clock()).await;
    }

    /// The data of each event's records.
    fn batches(&self) -> Vec<Vec<String>> {
        let events = self.function.events.lock().unwrap();
        events.iter().map(data).collect()
    }
}

pub(crate) fn source(cloud: &TestEndpoint) -> MappingSource {
    MappingSource {
        client: cloud.kinesis(),
        stream: "stream".to_owned(),
        stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/stream".to_owned(),
        region: "us-east-1".to_owned(),
        clock: cloud.endpoint.clock().clone(),
    }
}

/// Flushes a mapping, and waits until everything that was put is done.
pub(crate) async fn finish(mapping: &Mapping, clock: &Clock) {
    let now = clock.now_millis();
    mapping.flush(now);
    let mut watermark = mapping.watermark();
    let done = watermark.wait_for(|mark| *mark >= now);
    tokio::time::timeout(TIME_LIMIT, done)
        .await
        .unwrap()
        .unwrap();
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(TIME_LIMIT, wait).await;
    assert!(waited.is_ok(), "{what}");
}

/// Waits if a window of this length is about to end, so that everything put now is in one window.
async fn clear_of_an_end(window: Duration) {
    let window = i64::try_from(window.as_millis()).unwrap();
    let left = window - now_millis() % window;
    // The emulator's arrival times are whole seconds, and up to one second ahead.
    if left < 10_000 {
        tokio::time::sleep(Duration::from_millis(left.unsigned_abs() + 10)).await;
    }
}

fn data(event: &Event) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    event
        .records()
        .map(|record| text(record.data.unwrap()))
        .collect()
}

fn now_millis() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the emulator's arrival times are in wall-clock time"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

fn failed() -> InvokeError {
    InvokeError::Failed {
        error_type: "Test".to_owned(),
        message: "on purpose".to_owned(),
    }
}

fn reporting() -> MappingOptions {
    MappingOptions {
        report_batch_item_failures: true,
        ..MappingOptions::default()
    }
}
