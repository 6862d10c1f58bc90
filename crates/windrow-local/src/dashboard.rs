//! The dashboard: a page of the application, served next to the endpoint.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::hosts::AllowedHosts;
use crate::listen;
use crate::server::{Callers, ServerLimits, serve};

/// The default port.
pub const DEFAULT_PORT: u16 = 8080;

/// The port on 127.0.0.1 that the dashboard is served on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DashboardPort {
    /// Only this port: the local cloud does not start if it is in use. 0 picks a free port.
    Exactly(u16),
    /// This port, or a free one if it is not available.
    Preferred(u16),
}

impl DashboardPort {
    /// The port for a flag's value: a given port must be available; without one, the default port
    /// is preferred.
    #[must_use]
    pub fn from_flag(port: Option<u16>) -> Self {
        port.map_or(Self::Preferred(DEFAULT_PORT), Self::Exactly)
    }
}

/// A browser opens up to six connections to a server, and requests for the page have no body.
const LIMITS: ServerLimits = ServerLimits::new(Callers::ThisMachine, 64, 0);

/// How long requests in flight may take to finish after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// Why the dashboard cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DashboardError {
    /// Another program uses the port.
    #[error("the dashboard's port {port} is in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be opened for another reason, such as missing permissions.
    #[error("the dashboard's port {port} cannot be opened")]
    Listen {
        /// The port.
        port: u16,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
}

/// The served page. Dropping it stops it at once.
#[derive(Debug)]
pub(crate) struct Dashboard {
    address: SocketAddr,
    servers: Vec<AbortOnDropHandle<()>>,
}

impl Dashboard {
    /// Serves `page` on 127.0.0.1 and `[::1]` until `stop`.
    ///
    /// # Errors
    ///
    /// [`DashboardError`] if the port cannot be opened.
    pub(crate) async fn start(
        port: DashboardPort,
        page: Router,
        stop: CancellationToken,
    ) -> Result<Self, DashboardError> {
        let (listeners, address) = listen(port).await?;
        let servers = listeners.into_iter().map(|listener| {
            let hosts = AllowedHosts::default();
            let serving = serve(listener, page.clone(), LIMITS, hosts, stop.clone());
            AbortOnDropHandle::new(tokio::spawn(serving))
        });
        Ok(Self {
            address,
            servers: servers.collect(),
        })
    }

    /// The URL for a browser.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for requests in flight, for at most five seconds. To be called after the stop.
    pub(crate) async fn stopped(self) {
        let ended = futures_util::future::join_all(self.servers);
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("requests were cut off when the dashboard stopped");
        }
    }
}

async fn listen(port: DashboardPort) -> Result<(Vec<TcpListener>, SocketAddr), DashboardError> {
    let open = async |port| {
        listen::listen(None, port)
            .await
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::AddrInUse => DashboardError::PortInUse { port },
                _ => DashboardError::Listen { port, source },
            })
    };
    match port {
        DashboardPort::Exactly(port) => open(port).await,
        DashboardPort::Preferred(port) => match open(port).await {
            Ok(opened) => Ok(opened),
            Err(error) => {
                tracing::info!(%error, "using a free port for the dashboard instead");
                open(0).await
            }
        },
    }
}
