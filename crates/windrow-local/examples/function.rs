//! A Lambda function that does what its event's `do` says. [`windrow_local::functions::Bootstrap`] runs it:
//!
//! | `do`    | what happens                                                    |
//! |---------|-----------------------------------------------------------------|
//! | `echo`  | answers with the event                                          |
//! | `env`   | answers with its environment                                    |
//! | `fail`  | answers with an error                                           |
//! | `sleep` | prints `sleeping` and takes an hour                             |
//! | `exit`  | ends the process                                                |
//! | `large` | answers with more than Lambda takes                             |
//!
//! With `EXIT_AT_START` in its environment the process ends before it takes an event.

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
                "arn": event.context.invoked_function_arn,
                "deadline": event.context.deadline,
                "request": event.context.request_id,
                "process": std::process::id(),
            }))
        }
        Some("fail") => Err("told to fail".into()),
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
