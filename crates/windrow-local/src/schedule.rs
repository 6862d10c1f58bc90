//! A function that is invoked at regular times.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_core::time::Timestamp;

use crate::clock::Clock;
use crate::functions::Function;

/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two attempts of the last invocation.
const PAUSE: Duration = Duration::from_millis(100);

/// A running schedule. Dropping it aborts it; [`stop`](Self::stop) lets it finish first.
pub(crate) struct FunctionSchedule {
    function: Arc<dyn Function>,
    clock: Clock,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for FunctionSchedule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FunctionSchedule")
            .field("function", &self.function.name())
            .finish_non_exhaustive()
    }
}

impl FunctionSchedule {
    /// Invokes `function` whenever `period` has passed since it ended.
    pub(crate) fn start(function: Arc<dyn Function>, period: Duration, clock: Clock) -> Self {
        let stop = CancellationToken::new();
        let task = repeat(Arc::clone(&function), period, clock.clone(), stop.clone());
        Self {
            function,
            clock,
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    /// Invokes the function once more, after everything that it depends on has ended, until it
    /// succeeds. Returns whether it did by `deadline`.
    pub(crate) async fn drain(&self, deadline: Instant) -> bool {
        let succeeds = async {
            while !invoke(&*self.function, &self.clock, true).await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout_at(deadline, succeeds).await.is_ok()
    }

    /// Stops after the invocation in flight.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // If the task was aborted, there is nothing left to wait for.
        let _ = self.task.await;
    }
}

async fn repeat(
    function: Arc<dyn Function>,
    period: Duration,
    clock: Clock,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
        invoke(&*function, &clock, false).await;
    }
}

/// Whether the function succeeded on an event like one of EventBridge's. `drained` is ours: it says
/// that nothing more will come.
async fn invoke(function: &dyn Function, clock: &Clock, drained: bool) -> bool {
    let time = Timestamp::from_millis(clock.now_millis()).to_string();
    let event = serde_json::json!({
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": format!("{}Z", time.replace(' ', "T")),
        "detail": {},
        "drained": drained,
    });
    match function.invoke(event.to_string().into(), TIMEOUT).await {
        Ok(_) => true,
        Err(error) => {
            tracing::info!(function = function.name(), %error, "a scheduled invocation failed");
            false
        }
    }
}
