//! The event stream of SubscribeToShard.

use std::convert::Infallible;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;

use super::with_headers;
use crate::ops::subscribe::Subscription;
use crate::wire::WireFormat;

const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The response with the events of a subscription, until that ends.
pub(super) fn response(subscription: Subscription, format: WireFormat) -> Response {
    // The first message has the operation's output, which has no fields.
    let empty = match format {
        WireFormat::Json => Bytes::from_static(b"{}"),
        WireFormat::Cbor => Bytes::from_static(&[0xa0]),
    };
    let initial = frame("initial-response", format, empty);
    let events = stream::unfold(
        (subscription, Some(initial)),
        move |(mut subscription, initial)| async move {
            if let Some(initial) = initial {
                return Some((Ok::<_, Infallible>(initial), (subscription, None)));
            }
            let event = subscription.next().await?;
            let payload = format.encode(&event).ok()?;
            let frame = frame("SubscribeToShardEvent", format, payload);
            Some((Ok(frame), (subscription, None)))
        },
    );
    with_headers(StatusCode::OK, CONTENT_TYPE, Body::from_stream(events))
}

fn frame(event: &'static str, format: WireFormat, payload: Bytes) -> Bytes {
    let header = |name: &'static str, value: &'static str| {
        Header::new(name, HeaderValue::String(value.into()))
    };
    let message = Message::new(payload)
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", event))
        .add_header(header(":content-type", format.content_type()));
    let mut frame = Vec::new();
    // It fails only for headers of more than 128 KiB and payloads of more than 16 MiB.
    if let Err(error) = write_message_to(&message, &mut frame) {
        tracing::error!(%error, "an event could not be framed");
        return Bytes::new();
    }
    frame.into()
}
