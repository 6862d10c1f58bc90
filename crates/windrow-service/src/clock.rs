//! Calls whose signature a service does not accept because this machine's clock is wrong.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::{ErrorKind, RetryConfig};

/// Whether an error of this code may be due to a wrong clock. Wrong keys have some of these codes,
/// too.
pub fn is_clock_error(code: &str) -> bool {
    matches!(
        code,
        "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "RequestExpired"
            | "RequestInTheFuture"
            | "RequestTimeTooSkewed"
    )
}

/// The retries of a call with a [`ClockRetry`]: one more attempt, at once.
pub fn clock_retry_config() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::ZERO)
}

/// Lets the SDK retry a call only if its signature was not accepted, which may be due to the clock.
/// It forbids all other retries, so that they can be made elsewhere.
///
/// The SDK measures the clock's offset from each response and signs the next attempt with the
/// corrected time. Its own classifier retries only while the clock is wrong. This one also retries
/// when the clock has been set right, as after a suspend, and the offset of an earlier call no
/// longer holds.
///
/// `E` is the error of the operation.
pub struct ClockRetry<E>(PhantomData<fn() -> E>);

impl<E> ClockRetry<E> {
    /// A classifier for one operation.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E> Default for ClockRetry<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for ClockRetry<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClockRetry")
    }
}

impl<E> ClassifyRetry for ClockRetry<E>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let code = OrchestratorError::as_operation_error(error)
            .and_then(|error| error.downcast_ref::<E>())
            .and_then(ProvideErrorMetadata::code);
        if code.is_some_and(is_clock_error) {
            RetryAction::retryable_error(ErrorKind::ServerError)
        } else {
            RetryAction::RetryForbidden
        }
    }

    fn name(&self) -> &'static str {
        "ClockRetry"
    }
}

/// How far this machine's clock is from a service's: at least a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    by: Duration,
    is_behind: bool,
}

/// Smaller offsets are not reported: AWS accepts signatures that are five minutes old.
const LEAST_OFFSET: Duration = Duration::from_secs(60);

impl ClockOffset {
    /// The offset according to the `Date` header of a response that arrived at `now`. `None` if
    /// there is no such header, or the clocks agree to a minute.
    pub fn at(date: Option<&str>, now: SystemTime) -> Option<Self> {
        let date = DateTime::from_str(date?, Format::HttpDate).ok()?;
        let service = SystemTime::try_from(date).ok()?;
        let (by, is_behind) = match service.duration_since(now) {
            Ok(behind) => (behind, true),
            Err(ahead) => (ahead.duration(), false),
        };
        (by >= LEAST_OFFSET).then_some(Self { by, is_behind })
    }

    /// The offset according to the response that `error` holds, if its code says that the signature
    /// was not accepted.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Self> {
        let SdkError::ServiceError(response) = error else {
            return None;
        };
        if !response.err().code().is_some_and(is_clock_error) {
            return None;
        }
        Self::at(response.raw().headers().get("date"), now())
    }
}

/// A sentence without its end: `this machine's clock is 10 min 3 s behind AWS`.
impl fmt::Display for ClockOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.by.as_secs();
        let parts = [
            (seconds / 86_400, "d"),
            (seconds / 3600 % 24, "h"),
            (seconds / 60 % 60, "min"),
            (seconds % 60, "s"),
        ];
        formatter.write_str("this machine's clock is")?;
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(formatter, " {count} {unit}")?;
        }
        let direction = if self.is_behind { "behind" } else { "ahead of" };
        write!(formatter, " {direction} AWS")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a response says what time it is for the service"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use aws_smithy_runtime_api::client::interceptors::context::{self, Input};
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[test]
    fn offset_is_named_with_its_direction() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_166_228);
        let named = |date: &str| {
            let offset = ClockOffset::at(Some(date), now);
            offset.map(|offset| offset.to_string())
        };
        for (date, expected) in [
            ("Fri, 20 Nov 2026 09:27:11 GMT", "10 min 3 s behind AWS"),
            ("Fri, 20 Nov 2026 09:07:08 GMT", "10 min ahead of AWS"),
            ("Sun, 22 Nov 2026 10:17:09 GMT", "2 d 1 h 1 s behind AWS"),
        ] {
            let expected = format!("this machine's clock is {expected}");
            assert_eq!(named(date), Some(expected));
        }
        for date in ["Fri, 20 Nov 2026 09:17:40 GMT", "yesterday", ""] {
            assert_eq!(named(date), None, "{date}");
        }
        assert_eq!(ClockOffset::at(None, now), None);
    }

    /// A response's error, without a code if it is empty.
    fn classify(code: &str) -> RetryAction {
        let mut error = ErrorMetadata::builder();
        if !code.is_empty() {
            error = error.code(code);
        }
        let mut failed = InterceptorContext::new(Input::erase(()));
        let error = context::Error::erase(error.build());
        failed.set_output_or_error(Err(OrchestratorError::operation(error)));
        ClockRetry::<ErrorMetadata>::new().classify_retry(&failed)
    }

    #[test]
    fn only_a_signature_that_was_not_accepted_is_retried() {
        for code in ["InvalidSignatureException", "RequestTimeTooSkewed"] {
            assert!(classify(code).should_retry(), "{code}");
        }
        for code in ["ThrottlingException", "AccessDeniedException", ""] {
            assert_eq!(classify(code), RetryAction::RetryForbidden, "{code}");
        }
        let mut failed = InterceptorContext::new(Input::erase(()));
        failed.set_output_or_error(Err(OrchestratorError::other("connection reset")));
        let classifier = ClockRetry::<ErrorMetadata>::new();
        assert_eq!(
            classifier.classify_retry(&failed),
            RetryAction::RetryForbidden
        );
    }
}
