//! The live map and the table: web pages that are embedded in this program.
//!
//! Its files are those in `dashboard/dist`, which `npm run build` generates and the repository
//! includes. `config.json` is generated from the settings: it has the Kinesis endpoint, the streams to
//! read and the columns of the rows. The pages do everything else in the browser, with the AWS SDK.

use std::borrow::Cow;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use rust_embed::RustEmbed;
use serde_json::json;
use windrow_local::ResourceNames;

/// Every file of the page, by its path.
#[derive(RustEmbed)]
#[folder = "../../dashboard/dist"]
struct Page;

/// Serves each file to GET and HEAD, and nothing else. The page reads the streams in `names`, in
/// `region`, from the endpoint at `endpoint_url`.
pub(crate) fn router(endpoint_url: &str, region: &str, names: &ResourceNames) -> Router {
    let config = json!({
        "endpoint": endpoint_url,
        "region": region,
        "stream": names.stream,
        "summaryStream": names.summary_stream,
        "schema": &**unicorn::row::schema(),
    });
    let config = config.to_string();
    let headers = headers(endpoint_url);
    let respond = move |request: Request| {
        let mut response = respond(&request, &config);
        response.headers_mut().extend(headers.clone());
        std::future::ready(response)
    };
    Router::new().fallback_service(get(respond))
}

fn respond(request: &Request, config: &str) -> Response {
    let path = match request.uri().path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    if path == "config.json" {
        return file(path, Body::from(config.to_owned()));
    }
    match content(path) {
        Some(content) => file(path, Body::from(content)),
        None => (StatusCode::NOT_FOUND, "There is no such file.").into_response(),
    }
}

/// The content of one of the page's files. No path leads outside of them.
fn content(path: &str) -> Option<Bytes> {
    // It would be treated as a slash.
    if path.contains('\\') {
        return None;
    }
    Page::get(path).map(|file| match file.data {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => Bytes::from(content),
    })
}

fn file(path: &str, body: Body) -> Response {
    // The names of assets contain a hash of their content.
    let caching = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::CACHE_CONTROL, caching),
    ];
    (headers, body).into_response()
}

fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "geojson" => "application/geo+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The security headers of every response: the same as for the page on AWS (`DistributionHeaders`
/// in `template.yaml`), except that the page connects to the local endpoint.
fn headers(endpoint_url: &str) -> HeaderMap {
    let policy = format!(
        "default-src 'self'; connect-src 'self' {endpoint_url}; img-src 'self' data: blob:; \
         style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let valid =
        |(name, value): (HeaderName, &str)| Some((name, HeaderValue::from_str(value).ok()?));
    headers.into_iter().filter_map(valid).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::http::Method;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    const ENDPOINT: &str = "http://127.0.0.1:4566";

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboard/dist");

    /// The paths of all files in a folder.
    fn files(folder: &Path, prefix: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                paths.extend(files(&entry.path(), &format!("{name}/")));
            } else {
                paths.push(name);
            }
        }
        paths
    }

    async fn ask(method: Method, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let router = router(ENDPOINT, "us-east-1", &crate::names());
        router.oneshot(request).await.unwrap()
    }

    async fn get(path: &str) -> Response {
        ask(Method::GET, path).await
    }

    async fn body(response: Response) -> Vec<u8> {
        let body = response.into_body().collect().await.unwrap();
        body.to_bytes().to_vec()
    }

    #[tokio::test]
    async fn every_file_is_served_and_nothing_else() {
        let mut files = files(Path::new(PAGE), "");
        files.sort();
        let mut embedded: Vec<_> = Page::iter().map(Cow::into_owned).collect();
        embedded.sort();
        assert_eq!(embedded, files);
        for path in &files {
            let response = get(&format!("/{path}")).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(kind, content_type(path), "{path}");
            assert_ne!(kind, "application/octet-stream", "{path}");
            let content = std::fs::read(Path::new(PAGE).join(path)).unwrap();
            assert_eq!(body(response).await, content, "{path}");
        }
        let index = body(get("/").await).await;
        assert_eq!(index, body(get("/index.html").await).await);
        assert!(index.starts_with(b"<!doctype html>"));
        for path in [
            "/nothing",
            "/assets",
            "/assets/",
            "/../../Cargo.toml",
            "/assets/../index.html",
            "/%2e%2e/Cargo.toml",
            "/index.html/",
            "/INDEX.HTML",
            "/basemap\\land.json",
        ] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn the_page_is_embedded_and_complete() {
        let embedded: Vec<String> = Page::iter().map(Cow::into_owned).collect();
        let assets = embedded.iter().filter(|path| path.starts_with("assets/"));
        let names: Vec<&str> = assets.filter_map(|path| path.rsplit('/').next()).collect();
        assert!(!names.is_empty());
        // A file that is read from disk at run time would be owned.
        let files = embedded.iter().map(|path| Page::get(path).unwrap().data);
        let texts: Vec<&[u8]> = files
            .map(|data| match data {
                Cow::Borrowed(content) => content,
                Cow::Owned(_) => panic!("a file is not embedded"),
            })
            .collect();
        // An asset that no file refers to is left over from another build.
        for name in names {
            let named = |text: &&[u8]| text.windows(name.len()).any(|part| part == name.as_bytes());
            assert!(texts.iter().any(named), "{name}");
        }
    }

    #[tokio::test]
    async fn files_are_read_only() {
        let response = ask(Method::HEAD, "/").await;
        assert_eq!(response.status(), StatusCode::OK);
        let length = response.headers()[header::CONTENT_LENGTH].to_str().unwrap();
        assert!(length.parse::<usize>().unwrap() > 0);
        assert!(body(response).await.is_empty());
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let response = ask(method.clone(), "/config.json").await;
            assert_eq!(
                response.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method}"
            );
        }
    }

    #[tokio::test]
    async fn browsers_cache_only_hashed_assets() {
        for path in ["/", "/config.json"] {
            assert_eq!(get(path).await.headers()[header::CACHE_CONTROL], "no-cache");
        }
        let asset = file("assets/index-Bx1f.js", Body::empty());
        let caching = &asset.headers()[header::CACHE_CONTROL];
        assert_eq!(caching, "public, max-age=31536000, immutable");
        assert_eq!(
            asset.headers()[header::CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
    }

    /// The directives of a policy, except the one with the endpoints, and without the values that a
    /// parameter of the template may add.
    fn directives(policy: &str) -> Vec<String> {
        let directives = policy.split(';').map(str::trim);
        let directives = directives.filter(|directive| !directive.starts_with("connect-src"));
        let words = |directive: &str| -> Vec<String> {
            let words = directive.split_whitespace().map(str::to_owned);
            words.filter(|word| !word.starts_with("${")).collect()
        };
        directives
            .map(|directive| words(directive).join(" "))
            .collect()
    }

    #[tokio::test]
    async fn security_headers_are_the_same_as_on_aws() {
        let response = get("/nothing").await;
        let headers = response.headers();
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let connections = format!("connect-src 'self' {ENDPOINT}; ");
        assert!(policy.contains(&connections), "{policy}");
        for closed in [
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(
                directives(policy).iter().any(|one| one == closed),
                "{policy}"
            );
        }

        let template = include_str!("../../../template.yaml");
        let (_, template) = template
            .split_once("ContentSecurityPolicy: !Sub >-\n")
            .unwrap();
        let (template, _) = template.split_once("ContentTypeOptions").unwrap();
        assert_eq!(directives(policy), directives(template));
    }
}
