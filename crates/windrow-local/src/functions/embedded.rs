//! Runs a handler in this process.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Function, InvokeError, check_request, check_response};

type Handler =
    Arc<dyn Fn(Vec<u8>, Instant) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync>;

/// A function whose handler is called directly, on the same JSON that Lambda would send.
///
/// Any number of invocations may run at a time. The timeout takes effect where the handler awaits.
/// A handler that never awaits cannot be stopped; the caller only stops waiting for it.
///
/// ```
/// use std::time::Duration;
///
/// use windrow_local::functions::{Embedded, Function as _};
///
/// # #[tokio::main]
/// # async fn main() {
/// let echo = Embedded::new("echo", async |event, _deadline| Ok(event));
/// assert_eq!(echo.invoke(b"{}".to_vec(), Duration::from_secs(3)).await, Ok(b"{}".to_vec()));
/// # }
/// ```
pub struct Embedded {
    name: String,
    handler: Handler,
}

impl Embedded {
    /// Wraps a handler, which takes the event and the deadline, and returns the response or an
    /// error message.
    pub fn new<H, F>(name: impl Into<String>, handler: H) -> Self
    where
        H: Fn(Vec<u8>, Instant) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<u8>, String>> + Send + 'static,
    {
        Self {
            name: name.into(),
            handler: Arc::new(move |event, deadline| handler(event, deadline).boxed()),
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Embedded")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Function for Embedded {
    fn name(&self) -> &str {
        &self.name
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        async move {
            check_request(&payload)?;
            let deadline = Instant::now() + timeout;
            // The handler is called inside the task, so that a panic before its first await is
            // caught too.
            let handler = Arc::clone(&self.handler);
            let task =
                AbortOnDropHandle::new(tokio::spawn(
                    async move { handler(payload, deadline).await },
                ));

            match tokio::time::timeout_at(deadline, task).await {
                Err(_) => Err(InvokeError::TimedOut { after: timeout }),
                Ok(Ok(Ok(response))) => check_response(response),
                Ok(Ok(Err(message))) => Err(InvokeError::Failed {
                    error_type: "HandlerError".to_owned(),
                    message,
                }),
                Ok(Err(ended)) => match ended.try_into_panic() {
                    Ok(panic) => Err(crashed(panic.as_ref())),
                    Err(cancelled) => Err(InvokeError::Crashed {
                        status: cancelled.to_string(),
                    }),
                },
            }
        }
        .boxed()
    }
}

fn crashed(panic: &(dyn Any + Send)) -> InvokeError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    InvokeError::Crashed {
        status: message.map_or("panicked".to_owned(), |text| format!("panicked: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_PAYLOAD_BYTES;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_handler_answers_fails_and_crashes() {
        let function = Embedded::new("function", async |event: Vec<u8>, deadline: Instant| {
            assert_eq!(deadline - Instant::now(), LIMIT);
            match event.as_slice() {
                b"fail" => Err("no".to_owned()),
                b"panic" => panic!("on purpose"),
                _ => Ok(event),
            }
        });
        assert_eq!(
            function.invoke(b"event".to_vec(), LIMIT).await,
            Ok(b"event".to_vec())
        );
        assert_eq!(
            function.invoke(b"fail".to_vec(), LIMIT).await,
            Err(InvokeError::Failed {
                error_type: "HandlerError".to_owned(),
                message: "no".to_owned()
            })
        );
        assert_eq!(
            function.invoke(b"panic".to_vec(), LIMIT).await,
            Err(InvokeError::Crashed {
                status: "panicked: on purpose".to_owned()
            })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_handler_is_stopped_at_its_deadline() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<()>(1);
        let function = Embedded::new("slow", move |event, _| {
            let sender = sender.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                let _ = sender.send(()).await;
                Ok(event)
            }
        });
        let outcome = function.invoke(Vec::new(), LIMIT).await;
        assert_eq!(outcome, Err(InvokeError::TimedOut { after: LIMIT }));
        drop(function);
        assert_eq!(
            receiver.recv().await,
            None,
            "the handler ran past its deadline"
        );
    }

    #[tokio::test]
    async fn sizes_are_limited_both_ways() {
        let function = Embedded::new("double", async |event: Vec<u8>, _| Ok(event.repeat(2)));
        let error_type = |outcome| match outcome {
            Err(InvokeError::Failed { error_type, .. }) => error_type,
            other => panic!("{other:?}"),
        };
        let too_large = vec![b' '; MAX_PAYLOAD_BYTES + 1];
        assert_eq!(
            error_type(function.invoke(too_large, LIMIT).await),
            "RequestTooLargeException"
        );
        let half = vec![b' '; MAX_PAYLOAD_BYTES / 2 + 1];
        assert_eq!(
            error_type(function.invoke(half, LIMIT).await),
            "Function.ResponseSizeTooLarge"
        );
    }
}
