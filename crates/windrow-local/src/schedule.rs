//! A function that is invoked at regular times.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use windrow_core::time::Timestamp;

use crate::clock::Clock;
use crate::functions::Function;

/// The timeout of a function without one of its own.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two attempts of the last invocation.
const PAUSE: Duration = Duration::from_millis(100);

/// A running schedule. Dropping it aborts it; [`stop`](Self::stop) lets it finish first.
pub(crate) struct FunctionSchedule {
    scheduled: Arc<Scheduled>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// A function, and what its events need.
struct Scheduled {
    function: Arc<dyn Function>,
    /// The function's timeout.
    timeout: Duration,
    /// The event, if it is always the same.
    input: Option<String>,
    clock: Clock,
    /// Held by an invocation: two at the same time would do the same work, and write it twice.
    running: Mutex<()>,
}

impl std::fmt::Debug for FunctionSchedule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FunctionSchedule")
            .field("function", &self.scheduled.function.name())
            .finish_non_exhaustive()
    }
}

impl FunctionSchedule {
    /// Invokes `function` whenever `period` has passed since it ended.
    pub(crate) fn start(function: Arc<dyn Function>, period: Duration, clock: Clock) -> Self {
        Self::start_with(function, TIMEOUT, None, period, clock)
    }

    /// Like [`start`](Self::start), with a timeout and, instead of EventBridge's event, `input`.
    pub(crate) fn start_with(
        function: Arc<dyn Function>,
        timeout: Duration,
        input: Option<String>,
        period: Duration,
        clock: Clock,
    ) -> Self {
        let stop = CancellationToken::new();
        let scheduled = Arc::new(Scheduled {
            function,
            timeout,
            input,
            clock,
            running: Mutex::default(),
        });
        let task = repeat(Arc::clone(&scheduled), period, stop.clone());
        Self {
            scheduled,
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    /// Invokes the function once more, after everything that it depends on has ended, until it
    /// succeeds. Returns whether it did by `deadline`.
    pub(crate) async fn drain(&self, deadline: Instant) -> bool {
        let succeeds = async {
            while !self.scheduled.invoke(true).await {
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

async fn repeat(scheduled: Arc<Scheduled>, period: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
        scheduled.invoke(false).await;
    }
}

impl Scheduled {
    /// Whether the function succeeded on an event like one of EventBridge's. `drained` is ours: it says
    /// that nothing more will come.
    async fn invoke(&self, drained: bool) -> bool {
        let _running = self.running.lock().await;
        let time = Timestamp::from_millis(self.clock.now_millis()).to_string();
        let event = serde_json::json!({
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "time": format!("{}Z", time.replace(' ', "T")),
            "detail": {},
            "drained": drained,
        });
        let event = match &self.input {
            Some(input) => input.clone(),
            None => event.to_string(),
        };
        match self.function.invoke(event.into(), self.timeout).await {
            Ok(_) => true,
            Err(error) => {
                tracing::info!(function = self.function.name(), %error, "a scheduled invocation failed");
                false
            }
        }
    }
}
