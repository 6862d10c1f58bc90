//! Errors in the formats that AWS SDKs parse.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// The content types of the services' protocol in CBOR, which Kinesis has beside JSON.
const CBOR: [&str; 2] = ["application/x-amz-cbor-1.1", "application/cbor"];

/// The format of a request's error response: that of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    Json,
    Cbor,
}

impl ErrorFormat {
    /// The format of a request with these headers. What has neither format gets JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let media_type = media_type(headers);
        if CBOR
            .iter()
            .any(|cbor| media_type.eq_ignore_ascii_case(cbor))
        {
            Self::Cbor
        } else {
            Self::Json
        }
    }

    /// The content type of a response in this format.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => CBOR[0],
        })
    }

    /// An error response in this format.
    pub(crate) fn response(self, status: StatusCode, kind: &str, message: &str) -> Response {
        let body = json!({ "__type": kind, "message": message });
        let body = match self {
            Self::Json => body.to_string().into_bytes(),
            Self::Cbor => {
                let mut bytes = Vec::new();
                // Writing texts to memory does not fail.
                let _ = ciborium::into_writer(&body, &mut bytes);
                bytes
            }
        };
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type());
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert("x-amzn-errortype", kind);
        }
        response
    }
}

/// An error response of the services' JSON protocol.
pub(crate) fn error_response(status: StatusCode, kind: &str, message: &str) -> Response {
    ErrorFormat::Json.response(status, kind, message)
}

/// The content type of a request, without parameters. Empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn an_error_has_the_format_of_its_request() {
        for (content_type, expected) in [
            ("application/x-amz-cbor-1.1", ErrorFormat::Cbor),
            ("Application/CBOR; x=y", ErrorFormat::Cbor),
            ("application/x-amz-json-1.1", ErrorFormat::Json),
            ("text/plain", ErrorFormat::Json),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            let format = ErrorFormat::of(&headers);
            assert_eq!(format, expected, "{content_type}");
            let response = format.response(StatusCode::BAD_REQUEST, "SomeException", "why");
            assert_eq!(response.headers()["x-amzn-errortype"], "SomeException");
            assert_eq!(response.headers()["content-type"], format.content_type());
            let body = to_bytes(response.into_body(), 1000).await.unwrap();
            let body: serde_json::Value = match format {
                ErrorFormat::Json => serde_json::from_slice(&body).unwrap(),
                ErrorFormat::Cbor => ciborium::from_reader(&body[..]).unwrap(),
            };
            assert_eq!(body, json!({ "__type": "SomeException", "message": "why" }));
        }
    }
}
