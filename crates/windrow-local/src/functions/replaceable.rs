//! A function whose code can be replaced while it is mapped.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Function, InvokeError};

/// A function that can be replaced, as by Lambda's UpdateFunctionCode: invocations in flight end with
/// the code that they began with, and later ones run the new code. A mapping goes on from its
/// checkpoint, with the states of the open windows.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use windrow_local::functions::{Embedded, Function as _, Replaceable};
///
/// # #[tokio::main]
/// # async fn main() {
/// let function = Replaceable::new(Arc::new(Embedded::new("f", async |_, _| Ok(vec![1]))));
/// function.replace(Arc::new(Embedded::new("f", async |_, _| Ok(vec![2]))));
/// assert_eq!(function.invoke(Vec::new(), Duration::from_secs(3)).await, Ok(vec![2]));
/// # }
/// ```
pub struct Replaceable {
    name: String,
    current: RwLock<Arc<dyn Function>>,
}

impl Replaceable {
    /// A function that has `code` until it is replaced, and keeps its name.
    pub fn new(code: Arc<dyn Function>) -> Self {
        Self {
            name: code.name().to_owned(),
            current: RwLock::new(code),
        }
    }

    /// Replaces the code of later invocations.
    pub fn replace(&self, code: Arc<dyn Function>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = code;
    }

    fn current(&self) -> Arc<dyn Function> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl fmt::Debug for Replaceable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Replaceable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Function for Replaceable {
    fn name(&self) -> &str {
        &self.name
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        async move { self.current().invoke(payload, timeout).await }.boxed()
    }

    fn cut_off(&self, payload: Vec<u8>, timeout: Duration, after: Duration) -> BoxFuture<'_, ()> {
        async move { self.current().cut_off(payload, timeout, after).await }.boxed()
    }
}
