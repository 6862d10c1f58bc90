//! The payload of an invocation, as the bytes that Lambda sent.
//!
//! Lambda's runtime reads a payload with serde, which can only hand over an event that it has read to
//! its end and copied; for an event of 6 MB that takes twice as long as to decode it from its bytes
//! ([`Event::from_json`](windrow_event::Event::from_json)). So a layer keeps the bytes back, and the
//! runtime is given `null` to read. That is also what the runtime's own log of payloads then shows.

use std::cell::RefCell;
use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static PAYLOAD: RefCell<Bytes>;
}

/// Takes the payload of the invocation whose future this is called in, so that it is freed once it is
/// decoded. Empty when it was taken before, outside of that future, and under a runtime without
/// [`KeepPayload`].
pub fn take_payload() -> Bytes {
    PAYLOAD.try_with(RefCell::take).unwrap_or_default()
}

/// A layer of Lambda's runtime: within it the handler gets `()` for its event, and finds the bytes in
/// [`take_payload`].
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
    type Future = TaskLocalFuture<RefCell<Bytes>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let payload = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        PAYLOAD.scope(RefCell::new(payload), self.0.call(invocation))
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
                Ok::<_, ()>((invocation.body, take_payload(), take_payload()))
            }));
        for body in [&b"{\"Records\":[]}"[..], b"no JSON"] {
            let (read, kept, again) = service.call(invocation(body)).await.unwrap();
            assert_eq!((&*read, &*kept, &*again), (&b"null"[..], body, &b""[..]));
        }
        assert!(take_payload().is_empty());
    }
}
