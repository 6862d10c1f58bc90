//! The page of a local cloud: its files, and `config.json`.
//!
//! `config.json` is generated from the settings: it has the Kinesis endpoint, the streams to read and
//! the columns of their rows. The page does everything else in the browser, with the AWS SDK.
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
use serde_json::{Value, json};
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

/// What the page reads.
#[derive(Debug)]
pub(crate) struct PageConfig<'a> {
    /// The address of the endpoint with the streams.
    pub(crate) endpoint_url: &'a str,
    /// Their region.
    pub(crate) region: &'a str,
    /// The names of the streams.
    pub(crate) names: &'a ResourceNames,
    /// The columns of the rows in the summary stream; `None` if there are no windows.
    pub(crate) schema: Option<&'a Schema>,
    /// The outputs, in the order in which the page has them.
    pub(crate) outputs: Vec<PageOutput>,
}

/// An output whose rows the page shows.
#[derive(Debug)]
pub(crate) struct PageOutput {
    /// Its name.
    pub(crate) name: String,
    /// The stream of its rows.
    pub(crate) stream: String,
    /// Its columns.
    pub(crate) columns: Vec<String>,
    /// Whether it has finished rows of windows, which have revisions.
    pub(crate) has_windows: bool,
}

impl PageConfig<'_> {
    /// The content of `config.json`.
    fn to_json(&self) -> String {
        let mut config = json!({
            "endpoint": self.endpoint_url,
            "region": self.region,
            "stream": self.names.stream,
            "summaryStream": self.names.summary_stream,
        });
        if let Some(schema) = self.schema {
            config["schema"] = json!(schema);
        }
        if !self.outputs.is_empty() {
            let outputs = self.outputs.iter().map(PageOutput::to_json);
            config["outputs"] = outputs.collect();
        }
        config.to_string()
    }
}

impl PageOutput {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "stream": self.stream,
            "columns": self.columns,
            "hasWindows": self.has_windows,
        })
    }
}

/// Serves each file to GET and HEAD, and nothing else.
pub(crate) fn router(files: PageFiles, config: &PageConfig<'_>) -> Router {
    let headers = headers(config.endpoint_url);
    let config = config.to_json();
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
    use std::collections::BTreeMap;

    use axum::http::Method;
    use axum::response::Response;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
    use windrow_core::value::ColumnType;
    use windrow_local::Application as _;
    use windrow_local::functions::Embedded;

    use super::*;
    use crate::{LocalProgram, OutputFunction, SensorApplication};

    const ENDPOINT: &str = "http://127.0.0.1:4566";

    fn rooms() -> LocalProgram<DeclaredSensor> {
        let sensor = DeclaredSensor::new(vec![
            Field::new("Room", ColumnType::Text).key(),
            Field::new("Celsius", ColumnType::Float).measure("Highest", Aggregation::Max),
        ]);
        LocalProgram::new(SensorApplication::new(sensor.unwrap()), "rooms")
    }

    async fn ask(method: Method, path: &str) -> Response {
        ask_of(&rooms(), method, path).await
    }

    async fn ask_of(
        program: &LocalProgram<DeclaredSensor>,
        method: Method,
        path: &str,
    ) -> Response {
        let LocalProgram {
            application, names, ..
        } = program;
        let router = application.page(ENDPOINT, "us-east-1", names);
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap()
    }

    async fn config_of(program: &LocalProgram<DeclaredSensor>) -> Value {
        let config = ask_of(program, Method::GET, "/config.json").await;
        serde_json::from_slice(&body(config).await).unwrap()
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
        let config = config_of(&rooms()).await;
        assert_eq!(config["endpoint"], ENDPOINT);
        assert_eq!(config["summaryStream"], "rooms-summary");
        assert_eq!(config["schema"]["key"][0]["name"], "Room");
        assert_eq!(config["schema"]["measures"][0]["name"], "Highest");
        assert_eq!(config.get("outputs"), None);
    }

    #[tokio::test]
    async fn the_page_knows_the_outputs_and_their_columns() {
        let mut program = rooms();
        let stream = |(output, stream): (&str, &str)| (output.to_owned(), stream.to_owned());
        program.names.finished = [("windows", "rooms-finished")].map(stream).into();
        program.application.finisher = Some(OutputFunction::finisher("rooms-finisher"));
        let windows = json!({
            "name": "windows",
            "stream": "rooms-finished",
            "columns": ["Room", "WindowStart", "Highest"],
            "hasWindows": true,
        });
        assert_eq!(config_of(&program).await["outputs"], json!([windows]));

        program.names.outputs = [("alarms", "rooms-alarms"), ("windows", "rooms-finished")]
            .map(stream)
            .into();
        program.application.stateless = Some(OutputFunction {
            binary: "rooms-alarms".to_owned(),
            columns: |_| {
                let columns = ["Room", "Celsius"].map(str::to_owned).to_vec();
                BTreeMap::from([("alarms".to_owned(), columns)])
            },
            embedded: |_, _, _| Embedded::new("alarms", |_, _| std::future::ready(Ok(Vec::new()))),
        });
        let alarms = json!({
            "name": "alarms",
            "stream": "rooms-alarms",
            "columns": ["Room", "Celsius"],
            "hasWindows": false,
        });
        let config = config_of(&program).await;
        // An output with rows of both kinds is there once.
        assert_eq!(config["outputs"], json!([alarms, windows]));
        assert_eq!(config["schema"]["key"][0]["name"], "Room");

        program.application.has_windows = false;
        assert_eq!(config_of(&program).await.get("schema"), None);
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
