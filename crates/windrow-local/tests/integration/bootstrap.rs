use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;
use windrow_local::functions::{
    Bootstrap, BootstrapOptions, Function as _, FunctionLog, InvokeError,
};

const LIMIT: Duration = Duration::from_secs(300);

/// Cargo builds a package's examples with its tests, into a folder next to that of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let example = target
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        example.exists(),
        "the tests need the examples: cargo build -p windrow-local --examples"
    );
    example
}

fn options(folder: &TempDir) -> BootstrapOptions {
    let mut options = BootstrapOptions::new("function", example("function"));
    options.log = FunctionLog::File(folder.path().join("log"));
    options
}

async fn invoke(
    function: &Bootstrap,
    event: Value,
    timeout: Duration,
) -> Result<Value, InvokeError> {
    let response = function
        .invoke(event.to_string().into_bytes(), timeout)
        .await?;
    Ok(serde_json::from_slice(&response).unwrap())
}

async fn process_of(function: &Bootstrap) -> u64 {
    invoke(function, json!({ "do": "env" }), LIMIT)
        .await
        .unwrap()["process"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn the_process_is_reused_for_the_next_event() {
    let folder = tempfile::tempdir().unwrap();
    let function = Bootstrap::new(options(&folder));
    let first = process_of(&function).await;
    for count in 0..20 {
        let event = json!({ "do": "echo", "count": count });
        assert_eq!(invoke(&function, event.clone(), LIMIT).await, Ok(event));
    }
    let failed = invoke(&function, json!({ "do": "fail" }), LIMIT)
        .await
        .unwrap_err();
    assert!(
        matches!(&failed, InvokeError::Failed { message, .. } if message == "failed on purpose"),
        "{failed:?}"
    );
    assert_eq!(process_of(&function).await, first);
}

#[tokio::test]
async fn the_environment_is_only_that_of_lambda() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.endpoint_url = Some("http://127.0.0.1:4566".to_owned());
    options
        .environment
        .insert("SUMMARY_STREAM".to_owned(), "wildrydes-summary".to_owned());
    let function = Bootstrap::new(options);

    let before = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let response = invoke(&function, json!({ "do": "env" }), LIMIT)
        .await
        .unwrap();
    let env = &response["env"];
    assert_eq!(env["AWS_LAMBDA_FUNCTION_NAME"], "function");
    assert_eq!(env["AWS_REGION"], "us-east-1");
    assert_eq!(env["AWS_ACCESS_KEY_ID"], "local");
    assert_eq!(env["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566");
    assert_eq!(env["SUMMARY_STREAM"], "wildrydes-summary");
    assert_eq!(env["HOME"], Value::Null);
    assert_eq!(env["CARGO_PKG_NAME"], Value::Null);
    assert_eq!(
        response["arn"],
        "arn:aws:lambda:us-east-1:000000000000:function:function"
    );
    let after = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let deadline = Duration::from_millis(response["deadline"].as_u64().unwrap());
    let expected = before + LIMIT - Duration::from_millis(1)..=after + LIMIT;
    assert!(expected.contains(&deadline), "{deadline:?} {expected:?}");
}

#[tokio::test]
async fn a_crash_is_reported_and_the_next_event_gets_a_new_process() {
    let folder = tempfile::tempdir().unwrap();
    let function = Bootstrap::new(options(&folder));
    let first = process_of(&function).await;
    let crashed = invoke(&function, json!({ "do": "exit" }), LIMIT)
        .await
        .unwrap_err();
    assert_eq!(
        crashed,
        InvokeError::Crashed {
            status: "exit status: 3".to_owned()
        }
    );
    assert_ne!(process_of(&function).await, first);
}

#[tokio::test]
async fn a_slow_process_is_killed_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let function = Bootstrap::new(options(&folder));
    let first = process_of(&function).await;
    let limit = Duration::from_millis(200);
    let slow = invoke(&function, json!({ "do": "sleep" }), limit).await;
    assert_eq!(slow, Err(InvokeError::TimedOut { after: limit }));
    assert_ne!(process_of(&function).await, first);
}

#[tokio::test]
async fn dropping_an_invocation_kills_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let function = Bootstrap::new(options(&folder));
    let first = process_of(&function).await;
    let log = folder.path().join("log");
    let has_begun = async {
        while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("sleeping")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        response = invoke(&function, json!({ "do": "sleep" }), LIMIT) => panic!("{response:?}"),
        () = has_begun => {}
    }
    assert_ne!(process_of(&function).await, first);
}

#[tokio::test]
async fn a_process_that_exits_at_once_is_restarted_with_growing_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options
        .environment
        .insert("EXIT_AT_START".to_owned(), "1".to_owned());
    let function = Bootstrap::new(options);
    let start = tokio::time::Instant::now();
    for _ in 0..4 {
        let crashed = invoke(&function, json!({}), LIMIT).await.unwrap_err();
        assert_eq!(
            crashed,
            InvokeError::Crashed {
                status: format!(
                    "exit status: 4, before it asked for an event; its output is in {}",
                    folder.path().join("log").display()
                )
            }
        );
    }
    // Pauses of 100, 200 and 400 ms between four starts.
    assert!(
        start.elapsed() >= Duration::from_millis(700),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_missing_binary_is_reported_with_the_build_command() {
    let missing = BootstrapOptions::new("aggregator", "/nonexistent/target/debug/aggregator");
    let error = invoke(&Bootstrap::new(missing), json!({}), LIMIT)
        .await
        .unwrap_err();
    let InvokeError::Unreachable { message } = error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("/nonexistent/target/debug/aggregator"),
        "{message}"
    );
    assert!(message.contains("`cargo build -p aggregator`"), "{message}");
}

/// A command in the folder of the examples.
fn command(text: &str) -> BootstrapOptions {
    let examples = example("function").parent().unwrap().to_owned();
    BootstrapOptions::command("function", text, examples, "/nonexistent:/usr/bin:/bin").unwrap()
}

async fn error_of(options: BootstrapOptions) -> InvokeError {
    let function = Bootstrap::new(options);
    invoke(&function, json!({}), LIMIT).await.unwrap_err()
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_has_its_arguments_folder_and_handler() {
    let mut options = command("./function one 'two three' app.handler");
    let folder = options.folder.clone().unwrap();
    options
        .environment
        .insert("MORE".to_owned(), "1".to_owned());
    let function = Bootstrap::new(options);
    let response = invoke(&function, json!({ "do": "env" }), LIMIT)
        .await
        .unwrap();
    assert_eq!(
        response["arguments"],
        json!(["one", "two three", "app.handler"])
    );
    assert_eq!(response["folder"], json!(folder.canonicalize().unwrap()));
    let env = &response["env"];
    assert_eq!(env["_HANDLER"], "app.handler");
    assert_eq!(env["LAMBDA_TASK_ROOT"], json!(folder));
    assert_eq!(env["PATH"], "/nonexistent:/usr/bin:/bin");
    assert_eq!((&env["MORE"], &env["HOME"]), (&json!("1"), &Value::Null));

    let function = Bootstrap::new(command("./function"));
    let response = invoke(&function, json!({ "do": "env" }), LIMIT)
        .await
        .unwrap();
    assert_eq!(response["env"]["_HANDLER"], "./function");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_is_not_found_is_named_with_what_was_tried() {
    let error = error_of(command("no-such-program app.handler")).await;
    assert_eq!(
        error.to_string(),
        "the function cannot be reached: the program `no-such-program` is not found: tried \
         /nonexistent/no-such-program, /usr/bin/no-such-program, /bin/no-such-program"
    );
    let options = command("./no-such-program");
    let tried = options.folder.clone().unwrap().join("./no-such-program");
    let message = error_of(options).await.to_string();
    assert!(
        message.ends_with(&format!("is not found: tried {}", tried.display())),
        "{message}"
    );

    let mut options = command("sleep 600");
    options.folder = Some(PathBuf::from("/nonexistent"));
    let message = error_of(options).await.to_string();
    assert!(
        message.ends_with("/nonexistent is not a folder"),
        "{message}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_never_asks_for_an_event_is_stopped() {
    let mut options = command("sleep 600");
    options.init_timeout = Duration::from_millis(50);
    let after = options.init_timeout;
    assert_eq!(error_of(options).await, InvokeError::NeverAsked { after });
}

#[tokio::test]
async fn a_response_that_is_too_large_fails_the_invocation() {
    let folder = tempfile::tempdir().unwrap();
    let function = Bootstrap::new(options(&folder));
    let error = invoke(&function, json!({ "do": "large" }), LIMIT)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, InvokeError::Failed { error_type, .. } if error_type == "Function.ResponseSizeTooLarge"),
        "{error:?}"
    );
    let event = json!({ "do": "echo" });
    assert_eq!(invoke(&function, event.clone(), LIMIT).await, Ok(event));
}

#[tokio::test]
async fn a_function_that_is_cut_off_is_killed_and_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let function = Bootstrap::new(options(&folder));
    let first = process_of(&function).await;
    let sleep = json!({ "do": "sleep" }).to_string().into_bytes();
    let after = Duration::from_millis(20);
    let cut_off = function.cut_off(sleep, LIMIT, after);
    tokio::time::timeout(LIMIT, cut_off).await.unwrap();
    assert_ne!(process_of(&function).await, first);
}
