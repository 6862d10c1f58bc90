//! A function into which faults are injected.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{Function, InvokeError};
use crate::faults::{FaultKind, Faults};

/// The longest time before a function is aborted while it works, in milliseconds.
const LONGEST_BEFORE_CRASH: u64 = 30;
/// The longest injected timeout, in milliseconds.
const LONGEST_SHORT_TIMEOUT: u64 = 50;
/// The maximum number of invocations after which an event is redelivered.
const MOST_INVOCATIONS_LATER: u64 = 4;
/// The maximum number of events that are kept for redelivery.
const MOST_KEPT: usize = 8;

/// A function that crashes, times out or gets an event twice, according to its faults.
///
/// Lambda may do all of this: it delivers an event at least once, and redelivers a batch whose
/// invocation had no response. The caller does not need to know about the faults.
pub struct Faulty {
    function: Arc<dyn Function>,
    faults: Arc<Faults>,
    redeliveries: Mutex<Redeliveries>,
}

/// Events that were handled and will be redelivered.
#[derive(Debug, Default)]
struct Redeliveries {
    invocations: u64,
    /// The events, each after the number of the invocation before which it is redelivered.
    events: Vec<(u64, Vec<u8>)>,
}

impl Faulty {
    /// Wraps a function.
    #[must_use]
    pub fn new(function: Arc<dyn Function>, faults: Arc<Faults>) -> Self {
        Self {
            function,
            faults,
            redeliveries: Mutex::default(),
        }
    }

    async fn run(&self, payload: Vec<u8>, timeout: Duration) -> Result<Vec<u8>, InvokeError> {
        for event in self.due() {
            tracing::debug!(function = self.name(), "an old event is redelivered");
            // Nothing uses this response.
            let _ = self.function.invoke(event, timeout).await;
        }
        if self.faults.inject(FaultKind::Crash).is_some() {
            return Err(crashed("before it did anything"));
        }
        if let Some(mut rng) = self.faults.inject(FaultKind::CrashDuring) {
            let after = Duration::from_millis(rng.random_range(0..=LONGEST_BEFORE_CRASH));
            self.function.cut_off(payload, timeout, after).await;
            return Err(crashed("while it worked"));
        }
        let timeout = match self.faults.inject(FaultKind::TimeOut) {
            Some(mut rng) => {
                let short = Duration::from_millis(rng.random_range(1..=LONGEST_SHORT_TIMEOUT));
                timeout.min(short)
            }
            None => timeout,
        };
        let kept = self.faults.inject(FaultKind::TwiceLate);
        let kept = kept.map(|rng| (rng, payload.clone()));
        let outcome = match self.faults.inject(FaultKind::TwiceAtOnce) {
            Some(mut rng) => {
                let first = self.function.invoke(payload.clone(), timeout);
                let second = self.function.invoke(payload, timeout);
                let (first, second) = tokio::join!(first, second);
                if rng.random() { first } else { second }
            }
            None => self.function.invoke(payload, timeout).await,
        };
        if let Some((rng, event)) = kept {
            self.keep(event, rng, outcome.is_ok());
        }
        if self.faults.inject(FaultKind::CrashAfter).is_some() {
            return Err(crashed("after its work was done"));
        }
        outcome
    }

    /// Counts this invocation, and returns the events to redeliver before it.
    fn due(&self) -> Vec<Vec<u8>> {
        let mut redeliveries = self
            .redeliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        redeliveries.invocations += 1;
        let now = redeliveries.invocations;
        let due = redeliveries.events.extract_if(.., |(due, _)| *due <= now);
        due.map(|(_, event)| event).collect()
    }

    /// Keeps a handled event for redelivery, if there is room.
    fn keep(&self, event: Vec<u8>, mut rng: ChaCha8Rng, done: bool) {
        let mut redeliveries = self
            .redeliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !done || redeliveries.events.len() == MOST_KEPT {
            self.faults.undo(FaultKind::TwiceLate);
            return;
        }
        let due = redeliveries.invocations + rng.random_range(1..=MOST_INVOCATIONS_LATER);
        redeliveries.events.push((due, event));
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Faulty")
            .field("function", &self.name())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Function for Faulty {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        self.run(payload, timeout).boxed()
    }

    fn cut_off(&self, payload: Vec<u8>, timeout: Duration, after: Duration) -> BoxFuture<'_, ()> {
        self.function.cut_off(payload, timeout, after)
    }
}

fn crashed(when: &str) -> InvokeError {
    InvokeError::Crashed {
        status: format!("injected fault, {when}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Embedded;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// A slow function that counts how often it started and how often it finished.
    struct CountedInvocations {
        faulty: Faulty,
        faults: Arc<Faults>,
        started: Arc<AtomicUsize>,
        finished: Arc<AtomicUsize>,
    }

    impl CountedInvocations {
        fn new(specification: &str, takes: Duration) -> Self {
            let faults = Arc::new(Faults::parse(specification, 3).unwrap());
            let (started, finished) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
            let counters = (Arc::clone(&started), Arc::clone(&finished));
            let embedded = Embedded::new("counted", move |event, _| {
                let (started, finished) = counters.clone();
                async move {
                    started.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(takes).await;
                    finished.fetch_add(1, Ordering::Relaxed);
                    Ok(event)
                }
            });
            Self {
                faulty: Faulty::new(Arc::new(embedded), Arc::clone(&faults)),
                faults,
                started,
                finished,
            }
        }

        async fn invoke(&self) -> Result<Vec<u8>, InvokeError> {
            self.faulty.invoke(b"event".to_vec(), LIMIT).await
        }

        fn counts(&self) -> (usize, usize) {
            let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
            (count(&self.started), count(&self.finished))
        }
    }

    fn is_crash(outcome: &Result<Vec<u8>, InvokeError>) -> bool {
        matches!(outcome, Err(InvokeError::Crashed { .. }))
    }

    #[tokio::test(start_paused = true)]
    async fn it_crashes_before_during_and_after_its_work() {
        let slow = Duration::from_secs(1);
        for (kind, counts) in [
            (FaultKind::Crash, (0, 0)),
            (FaultKind::CrashDuring, (1, 0)),
            (FaultKind::CrashAfter, (1, 1)),
        ] {
            let function = CountedInvocations::new(&format!("{}=1", kind.name()), slow);
            assert!(is_crash(&function.invoke().await), "{kind:?}");
            tokio::time::sleep(LIMIT).await;
            assert_eq!(function.counts(), counts, "{kind:?}");
            assert_eq!(function.faults.injected(kind), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_stops_a_slow_function_but_not_a_fast_one() {
        let slow = CountedInvocations::new("time-out=1", Duration::from_secs(1));
        let outcome = slow.invoke().await;
        assert!(matches!(outcome, Err(InvokeError::TimedOut { after }) if after < LIMIT));
        assert_eq!(slow.counts(), (1, 0));
        let fast = CountedInvocations::new("time-out=1", Duration::ZERO);
        assert_eq!(fast.invoke().await, Ok(b"event".to_vec()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_delivered_twice_at_once() {
        let function = CountedInvocations::new("twice-at-once=1", Duration::from_secs(1));
        let before = tokio::time::Instant::now();
        assert_eq!(function.invoke().await, Ok(b"event".to_vec()));
        assert_eq!(before.elapsed(), Duration::from_secs(1));
        assert_eq!(function.counts(), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handled_event_is_redelivered_later() {
        let events = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&events);
        let embedded = Embedded::new("recording", move |event, _| {
            recorded.lock().unwrap().push(event.clone());
            async move {
                if event == b"bad" {
                    Err("no".to_owned())
                } else {
                    Ok(event)
                }
            }
        });
        let faults = Arc::new(Faults::parse("twice-late=1", 0).unwrap());
        let function = Faulty::new(Arc::new(embedded), Arc::clone(&faults));
        assert!(function.invoke(b"bad".to_vec(), LIMIT).await.is_err());
        assert_eq!(faults.injected(FaultKind::TwiceLate), 0);
        assert!(function.invoke(b"first".to_vec(), LIMIT).await.is_ok());
        faults.switch_off();
        for number in 0..MOST_INVOCATIONS_LATER {
            let event = number.to_string().into_bytes();
            assert_eq!(function.invoke(event.clone(), LIMIT).await, Ok(event));
        }
        let events = events.lock().unwrap();
        let deliveries = events.iter().filter(|event| *event == b"first").count();
        assert_eq!(
            (events.len(), deliveries),
            (3 + MOST_INVOCATIONS_LATER as usize, 2)
        );
        assert_eq!(faults.injected(FaultKind::TwiceLate), 1);
    }

    #[tokio::test]
    async fn without_faults_it_behaves_like_the_function() {
        let embedded = Embedded::new("echo", async |event, _| Ok(event));
        let function = Faulty::new(Arc::new(embedded), Arc::new(Faults::none()));
        assert_eq!(function.name(), "echo");
        let outcome = function.invoke(b"event".to_vec(), LIMIT).await;
        assert_eq!(outcome, Ok(b"event".to_vec()));
    }
}
