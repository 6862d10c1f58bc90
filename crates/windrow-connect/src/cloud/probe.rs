//! Whether the local cloud answers.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long the local cloud may take to answer, on a machine that is busy as well.
const LIMIT: Duration = Duration::from_secs(5);

/// The most bytes read of an answer. The real one lists names of streams and tables.
const LONGEST: usize = 1024 * 1024;

/// What is on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeAnswer {
    Ours,
    Other,
    Nothing,
}

/// Asks what is on a port of 127.0.0.1.
///
/// What takes the connection and does not answer in time counts as something else: connecting to
/// this machine is instant.
pub(super) async fn probe(port: u16) -> ProbeAnswer {
    tokio::time::timeout(LIMIT, ask(port))
        .await
        .unwrap_or(ProbeAnswer::Other)
}

async fn ask(port: u16) -> ProbeAnswer {
    let Ok(uri) = format!("http://127.0.0.1:{port}/_local").parse() else {
        return ProbeAnswer::Nothing;
    };
    let client: Client<_, Empty<&[u8]>> = Client::builder(TokioExecutor::new()).build_http();
    let response = match client.get(uri).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return ProbeAnswer::Nothing,
        Err(_) => return ProbeAnswer::Other,
    };
    let Ok(body) = Limited::new(response.into_body(), LONGEST).collect().await else {
        return ProbeAnswer::Other;
    };
    let answer: serde_json::Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    match answer["service"].as_str() {
        Some("wildrydes-local") => ProbeAnswer::Ours,
        _ => ProbeAnswer::Other,
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
    async fn ours_is_told_from_others() {
        let ours = json!({"service": "wildrydes-local", "version": "0.1.0"});
        let port = serve(Router::new().route("/_local", get(Json(ours)))).await;
        assert_eq!(probe(port).await, ProbeAnswer::Ours);

        let other = json!({"services": {"kinesis": "running"}});
        let port = serve(Router::new().route("/_local", get(Json(other)))).await;
        assert_eq!(probe(port).await, ProbeAnswer::Other);

        let port = serve(Router::new()).await;
        assert_eq!(probe(port).await, ProbeAnswer::Other);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_answers_is_something_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(probe(port).await, ProbeAnswer::Other);
    }

    #[tokio::test]
    async fn nothing_is_told_at_once() {
        // Bound, so that nobody else gets the port, and without a listener, so that it takes no call.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = bound.local_addr().unwrap().port();
        assert_eq!(probe(port).await, ProbeAnswer::Nothing);
    }
}
