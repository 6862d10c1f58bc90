//! How calls leave this machine: by a proxy or not, and which certificate authorities they trust.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::{ProxyConfig, ProxyError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use base64_simd::STANDARD;
use http::Uri;
use rustls::RootCertStore;

/// Why the environment's settings for HTTPS cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A proxy's variable is not a URL. The value is left out, because it may have a password.
    #[error("{variable} is not the URL of a proxy, such as http://proxy.example.com:3128")]
    Proxy {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong with the URL.
        #[source]
        source: ProxyError,
    },
    /// The file of certificate authorities cannot be read.
    #[error("could not read {path}, the certificate authorities of {origin}")]
    UnreadableCaBundle {
        /// The file or folder.
        path: PathBuf,
        /// What names it.
        origin: CaBundleOrigin,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file of certificate authorities has none.
    #[error("{path}, the certificate authorities of {origin}, has no certificate in PEM format")]
    NoCertificate {
        /// The file or folder.
        path: PathBuf,
        /// What names it.
        origin: CaBundleOrigin,
    },
}

/// What names the file of certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaBundleOrigin {
    /// The variable `AWS_CA_BUNDLE`.
    Variable,
    /// The key `ca_bundle` of this profile.
    Profile(String),
}

impl fmt::Display for CaBundleOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => formatter.write_str(CA_BUNDLE),
            Self::Profile(name) => write!(formatter, "ca_bundle in profile {name}"),
        }
    }
}

/// The variable that names the file of certificate authorities, as for the AWS CLI.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The variables that name a proxy. The SDK's client reads them itself, as well as `NO_PROXY` and
/// `no_proxy`.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The settings for HTTPS that the environment has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetworkSettings {
    /// Whether some variable names a proxy.
    has_proxy: bool,
    ca_bundle: Option<(String, CaBundleOrigin)>,
}

impl NetworkSettings {
    /// Reads the settings from the environment variables.
    ///
    /// # Errors
    /// [`NetworkError::Proxy`].
    pub(crate) fn read<'a>(
        variable: impl Fn(&str) -> Option<Cow<'a, str>>,
    ) -> Result<Self, NetworkError> {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let mut has_proxy = false;
        for name in PROXY_VARIABLES {
            if let Some(url) = set(name) {
                check_proxy(name, &url)?;
                has_proxy = true;
            }
        }
        let ca_bundle = set(CA_BUNDLE).map(|path| (path.into_owned(), CaBundleOrigin::Variable));
        Ok(Self {
            has_proxy,
            ca_bundle,
        })
    }

    /// With a profile's `ca_bundle`, unless the variable names one.
    #[cfg(feature = "cli")]
    pub(crate) fn or_ca_bundle(mut self, path: &str, profile: &str) -> Self {
        self.ca_bundle.get_or_insert_with(|| {
            let origin = CaBundleOrigin::Profile(profile.to_owned());
            (path.to_owned(), origin)
        });
        self
    }

    /// A client with these settings. Calls to this machine and to link-local addresses, where
    /// instance metadata and credentials of containers are, never go by a proxy.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub(crate) fn client(&self) -> Result<SharedHttpClient, NetworkError> {
        let context = match &self.ca_bundle {
            Some((path, origin)) => trusting(trusted(path, origin)?),
            None => TlsContext::default(),
        };
        let direct = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .build_https();
        if !self.has_proxy {
            return Ok(direct);
        }
        let proxied = proxied(context);
        Ok(SharedHttpClient::new(ByHost { direct, proxied }))
    }
}

fn check_proxy(variable: &'static str, url: &str) -> Result<(), NetworkError> {
    let url = url.trim();
    let url = if url.contains("://") {
        Cow::Borrowed(url)
    } else {
        Cow::Owned(format!("http://{url}"))
    };
    let checked = ProxyConfig::https(&*url).map(drop);
    checked.map_err(|source| NetworkError::Proxy { variable, source })
}

fn trusting(certificates: TrustStore) -> TlsContext {
    let context = TlsContext::builder().with_trust_store(certificates);
    // Building never fails as of aws-smithy-http-client 1.5.
    context.build().unwrap_or_default()
}

/// A client that goes by the proxies that the environment names.
fn proxied(context: TlsContext) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .build()
    })
}

/// A client that chooses another one by the host of a call.
#[derive(Debug)]
struct ByHost {
    /// For hosts that no proxy can reach.
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
}

impl HttpClient for ByHost {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ByHostConnector {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct ByHostConnector {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for ByHostConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: Option<Uri> = request.uri().parse().ok();
        let is_near = uri
            .as_ref()
            .and_then(Uri::host)
            .is_some_and(|host| is_loopback(host) || is_link_local(host));
        if is_near {
            self.direct.call(request)
        } else {
            self.proxied.call(request)
        }
    }
}

/// Whether the host of a URL is this machine. Connections to the unspecified address stay here, too.
pub(crate) fn is_loopback(host: &str) -> bool {
    match address(host) {
        Some(address) => address.is_loopback() || address.is_unspecified(),
        None => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

fn is_link_local(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(address)) => address.is_link_local(),
        // The address of instance metadata and of EKS Pod Identity has this prefix.
        Some(IpAddr::V6(address)) => address.segments()[..2] == [0xfd00, 0xec2],
        None => false,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = host.parse().ok()?;
    Some(address.to_canonical())
}

/// The certificates of a file, or of the files in a folder, instead of the system's.
fn trusted(path: &str, origin: &CaBundleOrigin) -> Result<TrustStore, NetworkError> {
    let path = PathBuf::from(path.trim());
    let unreadable = |source| NetworkError::UnreadableCaBundle {
        path: path.clone(),
        origin: origin.clone(),
        source,
    };
    let found = if fs::metadata(&path).map_err(unreadable)?.is_dir() {
        fs::read_dir(&path).map_err(unreadable)?;
        rustls_native_certs::load_certs_from_paths(None, Some(&path))
    } else {
        fs::File::open(&path).map_err(unreadable)?;
        rustls_native_certs::load_certs_from_paths(Some(&path), None)
    };
    let mut store = TrustStore::empty();
    let mut roots = RootCertStore::empty();
    for certificate in found.certs {
        // The SDK's client panics if it cannot use a certificate.
        if roots.add(certificate.clone()).is_ok() {
            let encoded = STANDARD.encode_to_string(&*certificate);
            store.add_pem_certificate(format!(
                "-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n"
            ));
        }
    }
    if roots.is_empty() {
        let origin = origin.clone();
        return Err(NetworkError::NoCertificate { path, origin });
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<NetworkSettings, NetworkError> {
        NetworkSettings::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| Cow::Borrowed(*value))
        })
    }

    #[test]
    fn proxies_are_urls_with_or_without_a_scheme() {
        assert!(!settings(&[("HTTPS_PROXY", " ")]).unwrap().has_proxy);
        assert!(!settings(&[("NO_PROXY", "*")]).unwrap().has_proxy);
        for url in [
            "http://127.0.0.1:3128",
            "proxy.example.com:3128",
            "https://rider:secret@proxy.example.com",
        ] {
            for variable in PROXY_VARIABLES {
                assert!(settings(&[(variable, url)]).unwrap().has_proxy, "{url}");
            }
        }
        for url in ["socks5://127.0.0.1:1080", "http://rider:secret@", "a b"] {
            let error = settings(&[("https_proxy", url)]).unwrap_err();
            assert!(
                error.to_string().starts_with("https_proxy is not"),
                "{error}"
            );
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn certificate_authorities_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let empty = folder.path().join("empty.pem");
        fs::write(
            &empty,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let failure = |path: &std::path::Path| {
            let path = path.to_str().unwrap();
            let settings = settings(&[("AWS_CA_BUNDLE", path)]).unwrap();
            (settings.client().unwrap_err(), path.to_owned())
        };
        let (error, path) = failure(&missing);
        let expected =
            format!("could not read {path}, the certificate authorities of AWS_CA_BUNDLE");
        assert_eq!(error.to_string(), expected);
        assert!(error.source().is_some());
        for path in [&empty, folder.path()] {
            let (error, path) = failure(path);
            let expected = format!(
                "{path}, the certificate authorities of AWS_CA_BUNDLE, has no certificate in PEM format"
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn near_hosts_are_recognized() {
        for host in [
            "127.0.0.1",
            "localhost",
            "LocalHost.",
            "kinesis.localhost",
            "0.0.0.0",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["169.254.169.254", "169.254.170.2", "[fd00:ec2::254]"] {
            assert!(is_link_local(host), "{host}");
        }
        for host in ["localhost.example.com", "10.0.0.1", "[fd00::1]"] {
            assert!(!is_loopback(host) && !is_link_local(host), "{host}");
        }
    }
}
