//! STS: who the caller is, which clients ask to find out whether their credentials work.
//!
//! Its protocol differs from that of the other services: a request is a form, and the response is
//! XML. A web page can send a form without a CORS preflight. But it cannot sign it: the header
//! `Authorization` needs a preflight. So only signed forms are answered, and an answer tells nothing
//! but the account's number.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use uuid::Uuid;

use crate::service_error::media_type;

/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Whether a request may be one to STS: a signed form that names no operation of another service.
pub(super) fn may_be_call(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(FORM)
        && headers.contains_key(header::AUTHORIZATION)
        && !headers.contains_key("x-amz-target")
}

/// Answers a call.
pub(super) fn call(account: &str, body: &[u8]) -> Response {
    let request_id = Uuid::new_v4().to_string();
    if action(body) != Some("GetCallerIdentity") {
        return response(
            StatusCode::BAD_REQUEST,
            &request_id,
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type>\
                 <Code>InvalidAction</Code><Message>Of the services with forms, the local cloud has \
                 STS, and of that GetCallerIdentity alone</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            ),
        );
    }
    let account = escaped(account);
    response(
        StatusCode::OK,
        &request_id,
        format!(
            "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId>\
             <Account>{account}</Account></GetCallerIdentityResult><ResponseMetadata>\
             <RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        ),
    )
}

/// The action of a form. Those of STS have no characters that are escaped in a form.
fn action(body: &[u8]) -> Option<&str> {
    let form = str::from_utf8(body).ok()?;
    form.split('&')
        .find_map(|field| field.strip_prefix("Action="))
}

fn response(status: StatusCode, request_id: &str, body: String) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn only_a_signed_form_without_another_operation_may_be_a_call() {
        let form = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let signed = ("authorization", "AWS4-HMAC-SHA256 ...");
        assert!(may_be_call(&headers(&[form, signed])));
        assert!(!may_be_call(&headers(&[form])));
        assert!(!may_be_call(&headers(&[signed])));
        assert!(!may_be_call(&headers(&[
            ("content-type", "text/plain"),
            signed
        ])));
        let target = ("x-amz-target", "DynamoDB_20120810.DeleteTable");
        assert!(!may_be_call(&headers(&[form, signed, target])));
    }

    #[tokio::test]
    async fn it_knows_one_action() {
        let text = async |body: &str| {
            let response = call("000000000000", body.as_bytes());
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), 10_000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let (status, body) = text("Action=GetCallerIdentity&Version=2011-06-15").await;
        assert_eq!(status, 200);
        assert!(body.contains("<Account>000000000000</Account>"), "{body}");
        assert!(
            body.contains("<Arn>arn:aws:iam::000000000000:root</Arn>"),
            "{body}"
        );
        for other in [
            "",
            "Action=GetSessionToken",
            "NoAction=GetCallerIdentity",
            "{}",
        ] {
            let (status, body) = text(other).await;
            assert_eq!(status, 400, "{other}");
            assert!(
                body.contains("<Code>InvalidAction</Code>"),
                "{other}: {body}"
            );
        }
    }
}
