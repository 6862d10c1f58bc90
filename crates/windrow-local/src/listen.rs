//! Opens the ports of servers: on loopback, in both families of addresses, and elsewhere if asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// How often another free port is tried, if the first is free in one family alone.
const TRIES: usize = 16;

/// Opens a port on 127.0.0.1, on `[::1]` if this machine has IPv6, and on `bind` if there is one. Zero
/// picks a port that is free on all of them. Returns the loopback address for clients of this machine,
/// too.
///
/// # Errors
///
/// The operating system's. `AddrInUse` says that the port is in use on one of the addresses: a client
/// that resolves `localhost` would find another server there.
pub(crate) async fn listen(
    bind: Option<IpAddr>,
    port: u16,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let mut tries = if port == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        match listen_once(bind, port).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            opened => return opened,
        }
    }
}

async fn listen_once(
    bind: Option<IpAddr>,
    port: u16,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let first = match bind {
        // It includes the loopback address.
        Some(any) if any.is_unspecified() => any,
        _ => loopback,
    };
    let listener = TcpListener::bind((first, port)).await?;
    let port = listener.local_addr()?.port();
    let mut listeners = vec![listener];
    if first.is_ipv6() {
        // Whether this includes IPv4 depends on the machine.
        return Ok((listeners, (Ipv6Addr::LOCALHOST, port).into()));
    }
    let other = bind.filter(|bind| *bind != first && !is_default(*bind));
    if let Some(other) = other {
        listeners.push(TcpListener::bind((other, port)).await?);
    }
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(listener) => listeners.push(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        Err(error) => tracing::debug!(%error, "this machine has no IPv6"),
    }
    Ok((listeners, (loopback, port).into()))
}

/// Whether servers listen on an address without being asked to.
pub(crate) fn is_default(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn addresses(bind: Option<&str>) -> (Vec<IpAddr>, SocketAddr) {
        let bind = bind.map(|bind| bind.parse().unwrap());
        let (listeners, local) = listen(bind, 0).await.unwrap();
        let opened = listeners.iter().map(|listener| {
            let address = listener.local_addr().unwrap();
            assert_eq!(address.port(), local.port());
            address.ip()
        });
        (opened.collect(), local)
    }

    async fn has_ipv6() -> bool {
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok()
    }

    #[tokio::test]
    async fn both_families_of_loopback_have_one_port() {
        for bind in [None, Some("127.0.0.1"), Some("::1")] {
            let (opened, local) = addresses(bind).await;
            let mut expected: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
            expected.extend(has_ipv6().await.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
            assert_eq!(opened, expected, "{bind:?}");
            assert_eq!(local.ip(), Ipv4Addr::LOCALHOST);
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn another_address_is_opened_beside_loopback() {
        let (opened, local) = addresses(Some("127.0.0.2")).await;
        assert_eq!(
            opened[..2],
            [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]
        );
        assert_eq!(local.ip(), Ipv4Addr::LOCALHOST);
    }

    #[tokio::test]
    async fn a_port_in_use_in_one_family_is_in_use() {
        let Ok(other) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            return;
        };
        let port = other.local_addr().unwrap().port();
        let error = listen(None, port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
