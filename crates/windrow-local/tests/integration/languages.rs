//! Functions in other languages, behind mappings with tumbling windows. They need Python, with
//! `awslambdaric`, and Node on the PATH: `tests/functions/check` runs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use windrow_event::Event;
use windrow_local::functions::{
    Bootstrap, BootstrapOptions, Function, FunctionLog, InvokeError, Replaceable,
};
use windrow_local::mapping::{Mapping, MappingOptions};

use crate::TestEndpoint;
use crate::endpoint::create_stream;
use crate::mapping::{finish, source, until};

const PYTHON: &str = "python3 -m awslambdaric app.handler";
const NODE: &str = "node loop.mjs";
/// More than one batch per shard.
const RECORDS: u64 = 400;

fn options(language: &str, command: &str, log: &Path) -> BootstrapOptions {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/functions");
    let path = std::env::var_os("PATH").unwrap();
    let options = BootstrapOptions::command("distances", command, folder.join(language), path);
    let mut options = options.unwrap();
    options.log = FunctionLog::File(log.join("log"));
    options
}

/// Adds up the states that the wrapped function returns for the ends of windows.
struct CountingFunction {
    inner: Arc<dyn Function>,
    totals: Mutex<BTreeMap<String, u64>>,
    with_state: Mutex<usize>,
}

impl Function for CountingFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        async move {
            let event = Event::from_json(&payload).unwrap();
            let response = self.inner.invoke(payload, timeout).await?;
            *self.with_state.lock().unwrap() += usize::from(event.state.is_some());
            if event.is_final_invoke_for_window {
                let response: Value = serde_json::from_slice(&response).unwrap();
                let mut totals = self.totals.lock().unwrap();
                let sums = &response["state"]["sums"];
                for (unicorn, sum) in sums.as_object().into_iter().flatten() {
                    *totals.entry(unicorn.clone()).or_default() += sum.as_u64().unwrap();
                }
            }
            Ok(response)
        }
        .boxed()
    }
}

/// Maps a function to a stream of two shards and puts records while it runs; every record must be
/// counted once. `between` runs halfway.
async fn counts_every_record(function: Arc<dyn Function>, between: impl FnOnce()) {
    let cloud = TestEndpoint::start().await;
    create_stream(&cloud.kinesis(), "stream", 2).await;
    let counting = Arc::new(CountingFunction {
        inner: function,
        totals: Mutex::default(),
        with_state: Mutex::default(),
    });
    let options = MappingOptions {
        batch_size: 10,
        tumbling_window: Some(Duration::from_secs(2)),
        ..MappingOptions::default()
    };
    let mapped: Arc<dyn Function> = Arc::clone(&counting) as Arc<dyn Function>;
    let mapping = Mapping::start(source(&cloud), mapped, options).unwrap();
    put(&cloud, 0..RECORDS / 2).await;
    let carries = || *counting.with_state.lock().unwrap() > 0;
    until("no invocation got a state", carries).await;
    between();
    put(&cloud, RECORDS / 2..RECORDS).await;
    finish(&mapping, cloud.endpoint.clock()).await;

    let totals = counting.totals.lock().unwrap();
    let mut expected = BTreeMap::new();
    for number in 0..RECORDS {
        *expected.entry(unicorn(number).to_owned()).or_default() += number;
    }
    assert_eq!(*totals, expected);
}

fn unicorn(number: u64) -> &'static str {
    ["Shadowfax", "Rocinante", "Bucephalus", "Sleipnir"][(number % 4) as usize]
}

async fn put(cloud: &TestEndpoint, numbers: std::ops::Range<u64>) {
    let entry = |number: u64| {
        let data = json!({ "Name": unicorn(number), "Distance": number });
        let entry = PutRecordsRequestEntry::builder().partition_key(number.to_string());
        let entry = entry.data(Blob::new(data.to_string()));
        entry.build().unwrap()
    };
    let call = cloud.kinesis().put_records().stream_name("stream");
    let call = call.set_records(Some(numbers.map(entry).collect()));
    assert_eq!(call.send().await.unwrap().failed_record_count(), Some(0));
}

fn function(language: &str, command: &str, log: &Path) -> Arc<dyn Function> {
    Arc::new(Bootstrap::new(options(language, command, log)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs awslambdaric: run tests/functions/check"]
async fn a_python_function_counts_every_record() {
    let log = tempfile::tempdir().unwrap();
    counts_every_record(function("python", PYTHON, log.path()), || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Node: run tests/functions/check"]
async fn a_node_function_counts_every_record() {
    let log = tempfile::tempdir().unwrap();
    counts_every_record(function("node", NODE, log.path()), || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs awslambdaric and Node: run tests/functions/check"]
async fn a_function_that_is_replaced_by_one_in_another_language_goes_on_with_its_states() {
    let log = tempfile::tempdir().unwrap();
    let replaceable = Arc::new(Replaceable::new(function("python", PYTHON, log.path())));
    let node = function("node", NODE, log.path());
    let mapped: Arc<dyn Function> = Arc::clone(&replaceable) as Arc<dyn Function>;
    counts_every_record(mapped, move || replaceable.replace(node)).await;
}

async fn error_of(options: BootstrapOptions) -> InvokeError {
    let function = Bootstrap::new(options);
    let event = json!({ "Records": [] }).to_string().into_bytes();
    function
        .invoke(event, Duration::from_secs(300))
        .await
        .unwrap_err()
}

#[tokio::test]
#[ignore = "needs awslambdaric: run tests/functions/check"]
async fn a_python_handler_that_is_not_found_is_reported() {
    let log = tempfile::tempdir().unwrap();
    for (handler, expected) in [
        ("app.nothing", "Runtime.HandlerNotFound"),
        ("nothing.handler", "Runtime.ImportModuleError"),
    ] {
        let command = format!("python3 -m awslambdaric {handler}");
        let error = error_of(options("python", &command, log.path())).await;
        let InvokeError::Failed {
            error_type,
            message,
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(error_type, expected);
        assert!(message.contains("nothing"), "{message}");
    }
}

#[tokio::test]
#[ignore = "needs Node: run tests/functions/check"]
async fn a_node_program_that_does_not_exist_is_reported_with_its_log() {
    let log = tempfile::tempdir().unwrap();
    let error = error_of(options("node", "node nothing.mjs", log.path())).await;
    let file: PathBuf = log.path().join("log");
    let expected = format!(
        "before it asked for an event; its output is in {}",
        file.display()
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
    let output = std::fs::read_to_string(file).unwrap();
    assert!(output.contains("nothing.mjs"), "{output}");
}
