//! The dashboard: a page of the application, served beside the endpoint.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::server::{Callers, ServerLimits, serve};

/// The port unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;

/// Which port of 127.0.0.1 the dashboard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DashboardPort {
    /// This one, or the local cloud does not start; 0 for any that is free.
    Exactly(u16),
    /// This one, or any that is free where it is not to be had.
    Preferably(u16),
}

impl DashboardPort {
    /// As a command line has it: a port that is asked for must be had, the usual one need not.
    #[must_use]
    pub fn asked(port: Option<u16>) -> Self {
        port.map_or(Self::Preferably(DEFAULT_PORT), Self::Exactly)
    }
}

/// A browser opens six connections to a page's server, and nobody sends it a body.
const LIMITS: ServerLimits = ServerLimits::new(Callers::ThisMachine, 64, 0);

/// How long requests in flight may take to finish after the dashboard was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Why the dashboard is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DashboardError {
    /// Something else answers on the port.
    #[error("port {port}, asked for the dashboard, is in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be opened for another reason, such as missing rights.
    #[error("port {port}, asked for the dashboard, cannot be opened")]
    Listen {
        /// The port.
        port: u16,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

/// The served page. Dropping it stops it at once.
#[derive(Debug)]
pub(crate) struct Dashboard {
    address: SocketAddr,
    server: AbortOnDropHandle<()>,
}

impl Dashboard {
    /// Serves `page` on 127.0.0.1 until `stop`.
    ///
    /// # Errors
    ///
    /// [`DashboardError`], where there is no port to be had.
    pub(crate) async fn start(
        port: DashboardPort,
        page: Router,
        stop: CancellationToken,
    ) -> Result<Self, DashboardError> {
        let (listener, address) = listen(port).await?;
        let serving = serve(listener, page, LIMITS, stop);
        let server = AbortOnDropHandle::new(tokio::spawn(serving));
        Ok(Self { address, server })
    }

    /// The address for a browser.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until requests in flight are answered, for five seconds at most; for use after the stop.
    pub(crate) async fn stopped(mut self) {
        if tokio::time::timeout(GRACE, &mut self.server).await.is_err() {
            tracing::warn!("requests were cut off when the dashboard stopped");
        }
    }
}

async fn listen(port: DashboardPort) -> Result<(TcpListener, SocketAddr), DashboardError> {
    let bind = async |port| {
        let opened = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let opened = opened.and_then(|listener| Ok((listener.local_addr()?, listener)));
        match opened {
            Ok((address, listener)) => Ok((listener, address)),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                Err(DashboardError::PortInUse { port })
            }
            Err(source) => Err(DashboardError::Listen { port, source }),
        }
    };
    match port {
        DashboardPort::Exactly(port) => bind(port).await,
        DashboardPort::Preferably(port) => match bind(port).await {
            Ok(opened) => Ok(opened),
            Err(error) => {
                tracing::info!(%error, "the dashboard takes any free port instead");
                bind(0).await
            }
        },
    }
}
