//! The API over HTTP.

mod dispatch;
mod events;

use std::sync::Arc;

use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::error::{ErrorCode, KinesisError};
use crate::store::Store;
use crate::wire::WireFormat;
use dispatch::CallAnswer;

/// The largest request body: 10 MiB of data in base64, and some margin.
const MAX_BODY: usize = 16 * 1024 * 1024;

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "Kinesis_20131202.";

/// A marker for a request's extensions: a GetRecords call that has it does not count for
/// [`reads_per_second`](crate::KinesisOptions::reads_per_second).
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

/// Answers a request.
pub(crate) async fn respond(store: &Arc<Store>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let format = format_of(&head.headers);
    let Some(format) = format else {
        let error = KinesisError::new(
            ErrorCode::UnknownOperationException,
            "The Content-Type is none of Kinesis: it must be application/x-amz-json-1.1 or application/x-amz-cbor-1.1.",
        );
        return error_response(WireFormat::Json, &error);
    };
    let Ok(body) = body::to_bytes(body, MAX_BODY).await else {
        let error = KinesisError::new(
            ErrorCode::RequestEntityTooLargeException,
            format!("the request is larger than {MAX_BODY} bytes, or broke off"),
        );
        return error_response(format, &error);
    };
    let target = head
        .headers
        .get(TARGET)
        .and_then(|target| target.to_str().ok());
    let target = target.unwrap_or_default();
    let Some(operation) = target.strip_prefix(SERVICE) else {
        return error_response(format, &unknown_operation(target));
    };
    let counted = head.extensions.get::<Unmetered>().is_none();
    match dispatch::call(store, operation, format, body, counted).await {
        Ok(CallAnswer::Body(body)) => {
            with_headers(StatusCode::OK, format.content_type(), body.into())
        }
        Ok(CallAnswer::Events(subscription)) => events::response(*subscription, format),
        Err(error) => error_response(format, &error),
    }
}

fn format_of(headers: &HeaderMap) -> Option<WireFormat> {
    let content_type = headers.get(header::CONTENT_TYPE)?;
    WireFormat::of(content_type.to_str().ok()?)
}

fn unknown_operation(name: &str) -> KinesisError {
    let message = if name.is_empty() {
        "The header X-Amz-Target is missing.".to_owned()
    } else {
        format!("The operation {name} is not known.")
    };
    KinesisError::new(ErrorCode::UnknownOperationException, message)
}

fn with_headers(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// An error in the format of the request.
pub(crate) fn error_response(format: WireFormat, error: &KinesisError) -> Response {
    #[derive(Serialize)]
    struct ErrorBody<'a> {
        #[serde(rename = "__type")]
        kind: &'static str,
        message: &'a str,
    }

    let kind = error.code().name();
    let body = ErrorBody {
        kind,
        message: error.message(),
    };
    let body: Bytes = format.encode(&body).unwrap_or_default();
    let mut response = with_headers(error.code().status(), format.content_type(), body.into());
    response
        .headers_mut()
        .insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}
