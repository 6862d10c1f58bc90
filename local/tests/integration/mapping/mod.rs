//! The event source mapping, with functions that note what they are given and misbehave on demand.

mod faults;
mod retries;
mod windows;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinesis_event::Event;
use local::faults::Faults;
use local::functions::{Faulty, Function, InvokeError};
use local::mapping::{Mapping, MappingOptions, MappingSource};
use serde_json::Value;
use shards::Start;

use crate::Cloud;
use crate::endpoint::create_stream;

const PATIENCE: Duration = Duration::from_secs(20);

type Answer = Box<dyn Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync>;

/// A function that notes every event and answers by `answer`, which is also told how many
/// invocations came before.
struct Noting {
    events: Mutex<Vec<Event>>,
    answer: Answer,
}

impl Function for Noting {
    fn name(&self) -> &str {
        "noting"
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        _: Duration,
    ) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        let event = Event::from_json(&payload).unwrap();
        let mut events = self.events.lock().unwrap();
        let answer = (self.answer)(&event, events.len());
        events.push(event);
        Box::pin(async move { answer.map(|answer| answer.to_string().into_bytes()) })
    }
}

/// A stream, a mapping of it, and the function at its end.
struct Mapped {
    cloud: Cloud,
    mapping: Mapping,
    function: Arc<Noting>,
}

impl Mapped {
    async fn start(
        shards: i32,
        options: MappingOptions,
        answer: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(shards, options, Arc::new(Faults::none()), answer).await
    }

    /// The same with faults in the mapping and of the function.
    async fn start_with(
        shards: i32,
        options: MappingOptions,
        faults: Arc<Faults>,
        answer: impl Fn(&Event, usize) -> Result<Value, InvokeError> + Send + Sync + 'static,
    ) -> Self {
        let cloud = Cloud::start().await;
        let client = cloud.kinesis();
        create_stream(&client, "stream", shards).await;
        let function = Arc::new(Noting {
            events: Mutex::default(),
            answer: Box::new(answer),
        });
        let source = MappingSource {
            client,
            stream: "stream".to_owned(),
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/stream".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let noting: Arc<dyn Function> = Arc::clone(&function) as Arc<dyn Function>;
        let faulty = Arc::new(Faulty::new(noting, Arc::clone(&faults)));
        let mapping = Mapping::start_with(source, faulty, options, Start::TrimHorizon, faults);
        Self {
            cloud,
            mapping: mapping.unwrap(),
            function,
        }
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

    /// Waits until all that was put is done, in a hurry.
    async fn finish(&self) {
        let now = now_millis();
        self.mapping.hurry(now);
        let mut watermark = self.mapping.watermark();
        let done = watermark.wait_for(|mark| *mark >= now);
        tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap();
    }

    /// The data of each event's records.
    fn batches(&self) -> Vec<Vec<String>> {
        let events = self.function.events.lock().unwrap();
        events.iter().map(data).collect()
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
        reason = "the watermark is in wall-clock time"
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
