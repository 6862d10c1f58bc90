//! Recognizes this machine in the headers that browsers send.

/// Whether an authority, a host with or without a port, names this machine.
///
/// Only names that no other machine can have count: anyone can register a name that resolves to
/// this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    matches!(host, "127.0.0.1" | "[::1]") || host.eq_ignore_ascii_case("localhost")
}

/// The host of an authority.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for authority in [
            "localhost",
            "localhost:8080",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(is_loopback(authority), "{authority}");
        }
        for authority in [
            "",
            ":8080",
            "example.com",
            "localhost.example.com:8080",
            "127.0.0.1.nip.io",
            "localhost:80@example.com",
            "example.com:80:localhost",
            "127.0.0.2",
            "0.0.0.0:8080",
        ] {
            assert!(!is_loopback(authority), "{authority}");
        }
    }
}
