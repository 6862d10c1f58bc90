//! A DynamoDB stub that accepts every row immediately and stores nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;

/// Serves BatchWriteItem at `/` and the number of received items at `/puts`. Prints its URL.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let puts = Arc::new(AtomicU64::new(0));
    let routes = Router::new()
        .route("/", post(write))
        .route("/puts", get(count))
        .layer(DefaultBodyLimit::disable())
        .with_state(puts);
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn write(State(puts): State<Arc<AtomicU64>>, body: Bytes) -> impl IntoResponse {
    let items = memchr::memmem::find_iter(&body, br#""PutRequest""#).count();
    puts.fetch_add(items as u64, Ordering::Relaxed);
    (
        [(CONTENT_TYPE, "application/x-amz-json-1.0")],
        r#"{"UnprocessedItems":{}}"#,
    )
}

async fn count(State(puts): State<Arc<AtomicU64>>) -> String {
    puts.load(Ordering::Relaxed).to_string()
}
