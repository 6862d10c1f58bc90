//! Probes for the local cloud.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long the local cloud may take to respond, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum bytes to read of the response, which lists the names of streams and tables.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// What listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeResult {
    Ours,
    Other,
    Nothing,
}

/// Probes a port of 127.0.0.1.
///
/// A server that accepts the connection but does not respond in time counts as
/// [`ProbeResult::Other`], because connecting to this machine is instant.
pub(super) async fn probe(port: u16) -> ProbeResult {
    tokio::time::timeout(TIMEOUT, request(port))
        .await
        .unwrap_or(ProbeResult::Other)
}

async fn request(port: u16) -> ProbeResult {
    let Ok(uri) = format!("http://127.0.0.1:{port}/_local").parse() else {
        return ProbeResult::Nothing;
    };
    let client: Client<_, Empty<&[u8]>> = Client::builder(TokioExecutor::new()).build_http();
    let response = match client.get(uri).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return ProbeResult::Nothing,
        Err(_) => return ProbeResult::Other,
    };
    let Ok(body) = Limited::new(response.into_body(), MAX_RESPONSE_BYTES)
        .collect()
        .await
    else {
        return ProbeResult::Other;
    };
    let response: serde_json::Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    match response["service"].as_str() {
        Some("wildrydes-local") => ProbeResult::Ours,
        _ => ProbeResult::Other,
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::json;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    async fn serve(router: Router) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        port
    }

    #[tokio::test]
    async fn local_cloud_is_recognized() {
        let ours = json!({"service": "wildrydes-local", "version": "0.1.0"});
        let port = serve(Router::new().route("/_local", get(Json(ours)))).await;
        assert_eq!(probe(port).await, ProbeResult::Ours);

        let other = json!({"services": {"kinesis": "running"}});
        let port = serve(Router::new().route("/_local", get(Json(other)))).await;
        assert_eq!(probe(port).await, ProbeResult::Other);

        let port = serve(Router::new()).await;
        assert_eq!(probe(port).await, ProbeResult::Other);
    }

    #[tokio::test(start_paused = true)]
    async fn unresponsive_server_is_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(probe(port).await, ProbeResult::Other);
    }

    #[tokio::test]
    async fn free_port_is_nothing() {
        // Bound so that no other process gets the port, but not listening, so connections fail.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = bound.local_addr().unwrap().port();
        assert_eq!(probe(port).await, ProbeResult::Nothing);
    }
}
