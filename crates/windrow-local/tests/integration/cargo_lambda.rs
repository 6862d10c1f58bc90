use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::net::{TcpListener, TcpSocket};
use windrow_local::functions::{CargoLambda, Function as _, InvokeError};

const LIMIT: Duration = Duration::from_secs(300);

/// A server that responds as `cargo lambda watch` does.
async fn watch() -> SocketAddr {
    async fn invocations(Path(name): Path<String>, event: Bytes) -> Response {
        if name != "aggregator" {
            let body = r#"{"detail":"that function doesn't exist as a binary in your project","title":"Missing function"}"#;
            return (StatusCode::NOT_FOUND, body).into_response();
        }
        match event.as_ref() {
            b"fail" => {
                let body = r#"{"errorType":"Error","errorMessage":"it failed"}"#;
                (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
            }
            b"sleep" => std::future::pending().await,
            _ => event.into_response(),
        }
    }

    let router = Router::new().route(
        "/2015-03-31/functions/{name}/invocations",
        post(invocations),
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_watched_function_responds_fails_and_times_out() {
    let function = CargoLambda::new("aggregator", watch().await);
    assert_eq!(
        function.invoke(b"event".to_vec(), LIMIT).await,
        Ok(b"event".to_vec())
    );
    assert_eq!(
        function.invoke(b"fail".to_vec(), LIMIT).await,
        Err(InvokeError::Failed {
            error_type: "Error".to_owned(),
            message: "it failed".to_owned()
        })
    );
    let limit = Duration::from_millis(100);
    assert_eq!(
        function.invoke(b"sleep".to_vec(), limit).await,
        Err(InvokeError::TimedOut { after: limit })
    );
}

#[tokio::test]
async fn the_error_names_the_command_to_start() {
    // Bound, so that nothing else gets the port, and without a listener, so that calls fail.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = bound.local_addr().unwrap();
    for function in [
        CargoLambda::new("aggregator", address),
        CargoLambda::new("nosuch", watch().await),
    ] {
        let error = function.invoke(Vec::new(), LIMIT).await.unwrap_err();
        let InvokeError::Unreachable { message } = error else {
            panic!("{error:?}")
        };
        assert!(
            message.contains("cargo lambda watch -A 127.0.0.1 -P "),
            "{message}"
        );
    }
}
