//! The local cloud's own clients.

use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use axum::http::{HeaderMap, header};

/// The application name of the local cloud's own clients.
const OWN_NAME: &str = "wildrydes-local-cloud";

/// Marks a configuration as the local cloud's own: reads by its clients do not count for the limit
/// on reads.
pub(crate) fn as_own(config: SdkConfig) -> SdkConfig {
    let name = AppName::new(OWN_NAME).ok();
    let mut builder = config.into_builder();
    builder.set_app_name(name);
    builder.build()
}

/// Whether a request claims to come from the local cloud itself. Any client can claim that: the
/// limit is for experiments, not for protection.
pub(super) fn is_own(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| {
        agent
            .split(' ')
            .any(|part| part.strip_prefix("app/") == Some(OWN_NAME))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn own_clients_are_known_by_their_name() {
        let agent = |agent| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            headers
        };
        let own = "aws-sdk-rust/1.5.0 os/linux lang/rust/1.95.0 app/wildrydes-local-cloud";
        assert!(is_own(&agent(own)));
        assert!(!is_own(&agent(
            "aws-sdk-rust/1.5.0 app/wildrydes-local-cloud-not"
        )));
        assert!(!is_own(&HeaderMap::new()));
    }
}
