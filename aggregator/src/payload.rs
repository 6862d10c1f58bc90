//! The payload of an invocation, as the bytes that Lambda sent.
//!
//! Lambda's runtime reads a payload with serde, which can only hand over an event that it has read to
//! its end and copied; for an event of 6 MB that takes twice as long as to decode it from its bytes
//! ([`Event::from_json`](kinesis_event::Event::from_json)). So a layer keeps the bytes back, and the
//! runtime is given `null` to read.

use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static PAYLOAD: Bytes;
}

/// The payload of the invocation that this is called in; empty outside of one, and under a runtime
/// without [`KeepPayload`].
pub fn payload() -> Bytes {
    PAYLOAD.try_with(Bytes::clone).unwrap_or_default()
}

/// A layer of Lambda's runtime: within it the handler gets `()` for its event, and finds the bytes in
/// [`payload`].
#[derive(Clone, Copy, Debug)]
pub struct KeepPayload;

impl<S> Layer<S> for KeepPayload {
    type Service = KeptPayload<S>;

    fn layer(&self, inner: S) -> KeptPayload<S> {
        KeptPayload(inner)
    }
}

/// What [`KeepPayload`] makes of a service.
#[derive(Clone, Debug)]
pub struct KeptPayload<S>(S);

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for KeptPayload<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<Bytes, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let payload = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        PAYLOAD.scope(payload, self.0.call(invocation))
    }
}

#[cfg(test)]
mod tests {
    use lambda_runtime::{Context, service_fn};

    use super::*;

    fn invocation(body: &'static [u8]) -> LambdaInvocation {
        let (parts, ()) = http::Response::new(()).into_parts();
        LambdaInvocation {
            parts,
            body: Bytes::from_static(body),
            context: Context::default(),
        }
    }

    #[tokio::test]
    async fn the_handler_finds_the_bytes_and_the_runtime_reads_null() {
        let mut service =
            KeepPayload.layer(service_fn(|invocation: LambdaInvocation| async move {
                tokio::task::yield_now().await;
                Ok::<_, ()>((invocation.body, payload()))
            }));
        for body in [&b"{\"Records\":[]}"[..], b"no JSON"] {
            let (read, kept) = service.call(invocation(body)).await.unwrap();
            assert_eq!((&*read, &*kept), (&b"null"[..], body));
        }
        assert!(payload().is_empty());
    }
}
