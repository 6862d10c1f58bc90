//! Which hosts a request may name: in its `Host` header, a web page of another machine has its own.
//!
//! This keeps out DNS rebinding, where the name of a foreign page comes to resolve to this machine.
//! An address as host is no such name: a page that has it was served by that address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::loopback::{host_of, is_loopback};

/// A host name by which a server may be called besides those of this machine, such as
/// `host.docker.internal`, or an address.
///
/// Allow only names that you control: that foreign names are rejected keeps out web pages whose name
/// comes to resolve to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name: use letters, digits, -, _ and dots, or an address, without a port"
)]
pub struct HostNameError(String);

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self(as_host(address)));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(HostNameError(text.to_owned()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An address as it is in a `Host` header.
fn as_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The hosts that a server answers to. Those of this machine are always among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts(Arc<HostRules>);

#[derive(Debug, Default)]
struct HostRules {
    /// Whether any address may be the host.
    any_address: bool,
    names: Vec<HostName>,
}

impl AllowedHosts {
    /// The hosts of a server that listens on `bind` too, and is called by `names` too.
    pub(crate) fn new(bind: Option<IpAddr>, names: &[HostName]) -> Self {
        let mut names = names.to_vec();
        let any_address = bind.is_some_and(|bind| bind.is_unspecified());
        names.extend(bind.map(|bind| HostName(as_host(bind))));
        Self(Arc::new(HostRules { any_address, names }))
    }

    /// Whether a request for this authority, a host with or without a port, is answered.
    pub(crate) fn allow(&self, authority: &str) -> bool {
        if is_loopback(authority) {
            return true;
        }
        let host = host_of(authority);
        let mut names = self.0.names.iter();
        (self.0.any_address && is_address(host))
            || names.any(|name| name.0.eq_ignore_ascii_case(host))
    }
}

fn is_address(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bind: Option<&str>, names: &[&str]) -> AllowedHosts {
        let names: Vec<HostName> = names.iter().map(|name| name.parse().unwrap()).collect();
        AllowedHosts::new(bind.map(|bind| bind.parse().unwrap()), &names)
    }

    #[test]
    fn only_this_machine_is_allowed_by_default() {
        let hosts = hosts(None, &[]);
        for host in ["127.0.0.1:4566", "localhost", "[::1]:4566"] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "192.168.1.5:4566",
            "0.0.0.0",
            "[fe80::1]:4566",
            "host.docker.internal:4566",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn a_name_is_allowed_if_it_is_given() {
        let hosts = hosts(None, &["host.docker.internal", "Local_Cloud", "fe80::1"]);
        for host in [
            "host.docker.internal:4566",
            "HOST.docker.internal",
            "local_cloud:4566",
            "[fe80::1]:4566",
            "localhost:4566",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "docker.internal",
            "host.docker.internal.evil.example",
            "evil.example:80:local_cloud",
            "local_cloud@evil.example",
            "fe80::1",
            "192.168.1.5",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn the_bound_address_is_allowed_and_any_if_all_are_bound() {
        let one = hosts(Some("172.17.0.1"), &[]);
        assert!(one.allow("172.17.0.1:4566") && one.allow("localhost"));
        assert!(!one.allow("172.17.0.2:4566") && !one.allow("evil.example"));
        for every in ["0.0.0.0", "::"] {
            let all = hosts(Some(every), &[]);
            for host in [
                "172.17.0.2:4566",
                "[fe80::1]:4566",
                "192.168.1.5",
                "localhost",
            ] {
                assert!(all.allow(host), "{host}");
            }
            // Nor names that some resolver takes for an address.
            for host in [
                "evil.example",
                "127.0.0.1.nip.io",
                "0x7f.1",
                "2130706433",
                "fe80::1",
            ] {
                assert!(!all.allow(host), "{host}");
            }
        }
    }

    #[test]
    fn what_is_no_host_name_is_named() {
        for text in [
            "",
            "a..b",
            "a:4566",
            "http://a",
            "*",
            "*.example",
            "a b",
            "é",
            "a/",
        ] {
            let error = text.parse::<HostName>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
        assert!("x".repeat(64).parse::<HostName>().is_err());
    }
}
