//! A function under `cargo lambda watch`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::runtime_api::ReportedError;
use super::{Function, InvokeError, MAX_PAYLOAD_BYTES, check_request, response_too_large};

/// A function that a running `cargo lambda watch` builds, runs, and rebuilds when its source
/// changes.
///
/// The first invocation after a change waits for the build, within its timeout. A timeout leaves
/// the build and the function running, so a retry of the event finds them ready. A function whose
/// process has exited is not restarted until its source is saved again; until then invocations time
/// out.
#[derive(Clone, Debug)]
pub struct CargoLambda {
    name: String,
    address: SocketAddr,
    client: Client<HttpConnector, Body>,
}

impl CargoLambda {
    /// A function with the name of its binary, and the address of `cargo lambda watch`, which is
    /// 127.0.0.1:9000 by default. Does not connect yet.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            name: name.into(),
            address,
            client,
        }
    }

    async fn call(&self, payload: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!(
                "http://{}/2015-03-31/functions/{}/invocations",
                self.address, self.name
            ))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(payload))
            .map_err(|error| {
                self.unreachable(&format!("invalid function name {:?}: {error}", self.name))
            })?;

        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                self.unreachable("cannot connect")
            } else {
                InvokeError::Crashed {
                    status: format!("the connection ended without a response: {error}"),
                }
            }
        })?;

        let status = response.status();
        let failed =
            !status.is_success() || response.headers().contains_key("x-amz-function-error");
        let body = Limited::new(response.into_body(), MAX_PAYLOAD_BYTES)
            .collect()
            .await;
        let body = body.map_err(|_| response_too_large())?.to_bytes();
        if !failed {
            return Ok(body.into());
        }
        if status == StatusCode::NOT_FOUND {
            return Err(self.unreachable(&String::from_utf8_lossy(&body)));
        }
        let reported: ReportedError = serde_json::from_slice(&body).unwrap_or_default();
        Err(InvokeError::Failed {
            error_type: reported
                .error_type
                .unwrap_or_else(|| "Unhandled".to_owned()),
            message: reported
                .error_message
                .unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()),
        })
    }

    fn unreachable(&self, detail: &str) -> InvokeError {
        let (address, port) = (self.address.ip(), self.address.port());
        InvokeError::Unreachable {
            message: format!(
                "no `cargo lambda watch` on {address}:{port} runs {}: {detail}; start it with \
                 `cargo lambda watch -A {address} -P {port}`",
                self.name
            ),
        }
    }
}

impl Function for CargoLambda {
    fn name(&self) -> &str {
        &self.name
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        async move {
            check_request(&payload)?;
            match tokio::time::timeout(timeout, self.call(payload)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(InvokeError::TimedOut { after: timeout }),
            }
        }
        .boxed()
    }

    /// Does nothing, since an invocation of `cargo lambda watch` cannot be aborted.
    fn cut_off(&self, _: Vec<u8>, _: Duration, _: Duration) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}
