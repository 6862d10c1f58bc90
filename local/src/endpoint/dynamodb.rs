//! DynamoDB: `dynoxide-rs` over a file.
//!
//! The crate's public door is its HTTP server; what lies behind it (the checks of a request's form
//! and the wording of errors, which retries depend on) cannot be called directly. So it serves a
//! port of its own that nobody needs to know, and requests are handed on to it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header, uri};
use axum::response::{IntoResponse as _, Response};
use dynoxide::Database;
use dynoxide::actions::list_tables::ListTablesRequest;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::EndpointError;

/// The running database.
#[derive(Debug)]
pub(super) struct DynamoDb {
    client: DynamoDbClient,
    server: AbortOnDropHandle<()>,
    stop: CancellationToken,
}

impl DynamoDb {
    pub(super) async fn start(file: &Path) -> Result<Self, EndpointError> {
        let database =
            Database::new(&file.to_string_lossy()).map_err(|source| EndpointError::Table {
                path: file.to_owned(),
                source,
            })?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|source| EndpointError::Listen { port: 0, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| EndpointError::Listen { port: 0, source })?;

        let stop = CancellationToken::new();
        let serve = dynoxide::server::serve_with_shutdown(
            listener,
            database.clone(),
            stop.clone().cancelled_owned(),
        );
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(error, "the table's server failed");
            }
        }));

        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            client: DynamoDbClient {
                database,
                address,
                http,
            },
            server,
            stop,
        })
    }

    pub(super) fn client(&self) -> DynamoDbClient {
        self.client.clone()
    }

    /// Lets requests in flight finish, then closes the file.
    pub(super) async fn stop(mut self, grace: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(grace, &mut self.server).await.is_err() {
            tracing::warn!("the table was closed with requests in flight");
        }
    }
}

/// Hands requests on to the database.
#[derive(Clone)]
pub(super) struct DynamoDbClient {
    database: Database,
    address: SocketAddr,
    http: Client<HttpConnector, Body>,
}

impl fmt::Debug for DynamoDbClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DynamoDbClient")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl DynamoDbClient {
    pub(super) async fn call(&self, mut request: Request) -> Response {
        let target = Uri::builder()
            .scheme(uri::Scheme::HTTP)
            .authority(self.address.to_string())
            .path_and_query(
                request
                    .uri()
                    .path_and_query()
                    .map_or("/", uri::PathAndQuery::as_str),
            )
            .build();
        let Ok(target) = target else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        *request.uri_mut() = target;
        request.headers_mut().remove(header::CONNECTION);

        match self.http.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::error!(%error, "the table's server did not answer");
                // A status of 500 and no more: every SDK takes it for a passing failure and tries
                // again.
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// The names of the tables; none when the database cannot tell, since this is for display only.
    pub(super) async fn tables(&self) -> Vec<String> {
        let database = self.database.clone();
        let listed =
            tokio::task::spawn_blocking(move || database.list_tables(ListTablesRequest::default()))
                .await;
        match listed {
            Ok(Ok(response)) => response.table_names,
            _ => Vec::new(),
        }
    }
}
