//! The page of a local cloud: its files, and `config.json`.
//!
//! `config.json` is generated from the settings: it has the Kinesis endpoint, the streams to read and
//! the columns of the rows. The page does everything else in the browser, with the AWS SDK.
//!
//! The files in `page` are those of the live table, which works for any sensor. `npm run build` in
//! `dashboard` generates them, and the repository includes them.

use std::borrow::Cow;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use serde_json::json;
use windrow_core::schema::Schema;
use windrow_local::ResourceNames;

/// The files of a page, by their path, as [`RustEmbed::get`] finds them. `/` is `index.html`, or
/// `table.html` if there is none.
pub type PageFiles = fn(path: &str) -> Option<Cow<'static, [u8]>>;

/// The files of the live table.
#[derive(RustEmbed)]
#[folder = "page"]
struct LiveTable;

/// The files of the live table of any sensor.
pub(crate) fn live_table(path: &str) -> Option<Cow<'static, [u8]>> {
    LiveTable::get(path).map(|file| file.data)
}

/// Serves each file to GET and HEAD, and nothing else. The page reads the streams in `names`, in
/// `region`, from the endpoint at `endpoint_url`; their rows have the columns of `schema`.
pub(crate) fn router(
    files: PageFiles,
    endpoint_url: &str,
    region: &str,
    names: &ResourceNames,
    schema: &Schema,
) -> Router {
    let config = json!({
        "endpoint": endpoint_url,
        "region": region,
        "stream": names.stream,
        "summaryStream": names.summary_stream,
        "schema": schema,
    });
    let config = config.to_string();
    let headers = headers(endpoint_url);
    let respond = move |request: Request| {
        let mut response = respond(files, &request, &config);
        response.headers_mut().extend(headers.clone());
        std::future::ready(response)
    };
    Router::new().fallback_service(get(respond))
}

fn respond(files: PageFiles, request: &Request, config: &str) -> Response {
    let path = match request.uri().path().trim_start_matches('/') {
        "" if files("index.html").is_none() => "table.html",
        "" => "index.html",
        path => path,
    };
    if path == "config.json" {
        return file(path, Body::from(config.to_owned()));
    }
    // A backslash would be treated as a slash.
    let content = if path.contains('\\') {
        None
    } else {
        files(path)
    };
    match content {
        Some(Cow::Borrowed(content)) => file(path, Body::from(content)),
        Some(Cow::Owned(content)) => file(path, Body::from(content)),
        None => (StatusCode::NOT_FOUND, "There is no such file.").into_response(),
    }
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
    use axum::http::Method;
    use axum::response::Response;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor as _};
    use windrow_core::value::ColumnType;

    use super::*;
    use crate::{LocalProgram, SensorApplication};

    const ENDPOINT: &str = "http://127.0.0.1:4566";

    async fn ask(method: Method, path: &str) -> Response {
        let sensor = DeclaredSensor::new(vec![
            Field::new("Room", ColumnType::Text).key(),
            Field::new("Celsius", ColumnType::Float).measure("Highest", Aggregation::Max),
        ]);
        let program = LocalProgram::new(SensorApplication::new(sensor.unwrap()), "rooms");
        let schema = program.application.sensor.schema();
        let router = router(live_table, ENDPOINT, "us-east-1", &program.names, schema);
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap()
    }

    async fn body(response: Response) -> Vec<u8> {
        let body = response.into_body().collect().await.unwrap();
        body.to_bytes().to_vec()
    }

    #[tokio::test]
    async fn the_live_table_is_the_page_of_any_sensor() {
        let index = body(ask(Method::GET, "/").await).await;
        assert!(index.starts_with(b"<!doctype html>"));
        // There is no map.
        assert!(!String::from_utf8(index).unwrap().contains("index.html"));
        for path in LiveTable::iter() {
            let response = ask(Method::GET, &format!("/{path}")).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_ne!(content_type(&path), "application/octet-stream", "{path}");
            let content = LiveTable::get(&path).unwrap().data;
            assert_eq!(body(response).await, content.as_ref(), "{path}");
        }
        for path in ["/nothing", "/assets/", "/../Cargo.toml", "/assets\\x.js"] {
            let response = ask(Method::GET, path).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn the_page_knows_the_columns() {
        let config = body(ask(Method::GET, "/config.json").await).await;
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["endpoint"], ENDPOINT);
        assert_eq!(config["summaryStream"], "rooms-summary");
        assert_eq!(config["schema"]["key"][0]["name"], "Room");
        assert_eq!(config["schema"]["measures"][0]["name"], "Highest");
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
            assert_eq!(
                ask(Method::GET, path).await.headers()[header::CACHE_CONTROL],
                "no-cache"
            );
        }
        let asset = file("assets/index-Bx1f.js", Body::empty());
        let caching = &asset.headers()[header::CACHE_CONTROL];
        assert_eq!(caching, "public, max-age=31536000, immutable");
        assert_eq!(
            asset.headers()[header::CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
    }
}
