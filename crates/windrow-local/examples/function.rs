//! A Lambda function that does what the `do` field of its event says. The tests of
//! [`windrow_local::functions::Bootstrap`] run it:
//!
//! | `do`    | what happens                                 |
//! |---------|----------------------------------------------|
//! | `echo`  | returns the event                            |
//! | `env`   | returns its environment and arguments        |
//! | `fail`  | returns an error                             |
//! | `sleep` | prints `sleeping` and sleeps for an hour     |
//! | `exit`  | exits the process                            |
//! | `large` | returns a response larger than Lambda allows |
//!
//! If `EXIT_AT_START` is set in its environment, the process exits before it takes an event.

use std::collections::BTreeMap;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var_os("EXIT_AT_START").is_some() {
        std::process::exit(4);
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload["do"].as_str() {
        Some("env") => {
            let variables: BTreeMap<String, String> = std::env::vars().collect();
            Ok(json!({
                "env": variables,
                "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
                "folder": std::env::current_dir()?,
                "arn": event.context.invoked_function_arn,
                "deadline": event.context.deadline,
                "request": event.context.request_id,
                "process": std::process::id(),
            }))
        }
        Some("fail") => Err("failed on purpose".into()),
        Some("sleep") => {
            println!("sleeping");
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(Value::Null)
        }
        Some("exit") => std::process::exit(3),
        Some("large") => Ok(Value::String("x".repeat(7 * 1024 * 1024))),
        _ => Ok(event.payload),
    }
}
