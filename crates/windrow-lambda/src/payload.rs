//! The payload of an invocation, as the bytes that Lambda sent.
//!
//! The Lambda runtime deserializes a payload with serde, which has to read and copy the whole event
//! first. For an event of 6 MB that takes twice as long as decoding it from its bytes with
//! [`Event::from_json`](windrow_event::Event::from_json). So a layer keeps the bytes and passes
//! `null` to the runtime instead. The runtime's own payload log therefore shows `null`, too.

use std::cell::RefCell;
use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static PAYLOAD: RefCell<Bytes>;
}

/// Takes the payload of the current invocation.
///
/// Taking it, rather than borrowing it, lets the caller free it once it is decoded. The result is
/// empty if the payload was already taken, if this is called outside the invocation's future, or if
/// the runtime has no [`KeepPayload`] layer.
pub fn take_payload() -> Bytes {
    PAYLOAD.try_with(RefCell::take).unwrap_or_default()
}

/// A layer for the Lambda runtime. Its handler receives `()` as the event and gets the bytes from
/// [`take_payload`].
#[derive(Clone, Copy, Debug)]
pub struct KeepPayload;

impl<S> Layer<S> for KeepPayload {
    type Service = KeptPayload<S>;

    fn layer(&self, inner: S) -> KeptPayload<S> {
        KeptPayload(inner)
    }
}

/// A service wrapped by [`KeepPayload`].
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
    async fn handler_gets_the_bytes_and_runtime_reads_null() {
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
