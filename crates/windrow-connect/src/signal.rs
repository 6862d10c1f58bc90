//! Signals that ask a command line to stop: SIGINT (Ctrl-C), SIGTERM (`kill`, `docker stop`,
//! systemd) and SIGHUP (the terminal was closed).
//!
//! The first signal starts a drain, which has a time limit. The second ends the process at once.
//!
//! A process that was started with SIGHUP ignored, as by `nohup`, keeps ignoring it. Only Linux
//! allows detecting this; elsewhere SIGHUP always starts a drain. Windows has only Ctrl-C.

use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, io, process, thread};

use tokio::runtime::{Builder, Runtime};
#[cfg(unix)]
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Instant, sleep_until};

use crate::terminal::eprint_line;

/// The same signal within this time counts as the same request: `timeout` signals the process and
/// then its group.
const ECHO: Duration = Duration::from_millis(250);

/// The same for SIGHUP together with any signal. When a terminal is closed, the shell sends one
/// SIGHUP and the kernel another once the shell has exited. At the end of a session, systemd sends
/// SIGTERM and SIGHUP together.
const HANGUP_ECHO: Duration = Duration::from_secs(1);

/// How long to wait for the final message if standard error blocks.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(1);

/// A signal that asks the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, or Ctrl-C on Windows.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
}

impl Signal {
    /// The signal's number, which is the same on every platform.
    pub fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }

    /// How long after `first` this signal still counts as the same request.
    fn echo_of(self, first: Self) -> Duration {
        if self == Self::Hangup || first == Self::Hangup {
            return HANGUP_ECHO;
        }
        if self == first {
            return ECHO;
        }
        Duration::ZERO
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        })
    }
}

/// Why a drain was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A second signal arrived.
    Signal(Signal),
    /// The drain took longer than this.
    Limit(Duration),
}

impl Cut {
    /// The exit code of the process: 128 plus the signal's number, as in a shell, or 1.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Signal(signal) => 128 + i32::from(signal.number()),
            Self::Limit(_) => 1,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "ended at once by a second signal, {signal}"),
            Self::Limit(limit) => {
                write!(f, "ended {} s after the first signal", limit.as_secs())
            }
        }
    }
}

/// Calls `begin` at the first signal. At the second, or if the process still runs `limit` after the
/// first, prints the line that `final_message` returns to standard error and exits the process.
///
/// This happens on a separate thread, so blocking code elsewhere does not delay it.
///
/// # Errors
/// If the thread cannot be started or the signal handlers cannot be installed.
pub fn drain_on_signals(
    limit: Duration,
    begin: impl FnOnce() + Send + 'static,
    final_message: impl FnOnce(Cut) -> String + Send + 'static,
) -> io::Result<()> {
    let (ready, started) = mpsc::channel();
    let watch = move || {
        // The caller waits until the handlers are installed.
        let (runtime, mut signals) = match listen() {
            Ok(listening) => {
                let _ = ready.send(Ok(()));
                listening
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let cut = runtime.block_on(watch(async || signals.next().await, limit, begin));
        tell_with_timeout(final_message(cut));
        process::exit(cut.exit_code());
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)?;
    started.recv().map_err(io::Error::other)?
}

fn listen() -> io::Result<(Runtime, Signals)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    Ok((runtime, signals))
}

/// Waits for the first signal, calls `begin`, and waits for the reason to cut the drain short.
async fn watch(
    mut next: impl AsyncFnMut() -> Signal,
    limit: Duration,
    begin: impl FnOnce(),
) -> Cut {
    let first = next().await;
    let began = Instant::now();
    begin();
    loop {
        tokio::select! {
            signal = next() => {
                if began.elapsed() > signal.echo_of(first) {
                    return Cut::Signal(signal);
                }
            }
            () = sleep_until(began + limit) => return Cut::Limit(limit),
        }
    }
}

/// Writes a line to standard error, but does not wait for it if it blocks.
fn tell_with_timeout(line: String) {
    let (done, waiting) = mpsc::channel();
    let telling = thread::Builder::new().spawn(move || {
        eprint_line(&line);
        // This fails if the wait has timed out.
        let _ = done.send(());
    });
    if telling.is_ok() {
        let _ = waiting.recv_timeout(MESSAGE_TIMEOUT);
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    /// `None` if SIGHUP is ignored.
    hangup: Option<unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        // Installing a handler would stop ignoring the signal.
        let hangup = if hangup_is_ignored() {
            None
        } else {
            Some(unix::signal(SignalKind::hangup())?)
        };
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup,
        })
    }

    async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = hangup => Signal::Hangup,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}

/// Whether this process was started with SIGHUP ignored. Always `false` on systems other than
/// Linux.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    // Other systems have no such file.
    let status = std::fs::read_to_string("/proc/self/status");
    status.is_ok_and(|status| ignores(&status, Signal::Hangup))
}

/// Whether a process whose `/proc/PID/status` is `status` ignores a signal.
#[cfg(unix)]
fn ignores(status: &str, signal: Signal) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.number() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Why a drain is cut short if signals arrive at these times, in milliseconds, and when.
    async fn cut(signals: &[(u64, Signal)]) -> (Cut, u64) {
        let start = Instant::now();
        let mut signals = signals.iter();
        let next = async || match signals.as_slice().first() {
            Some((time, signal)) => {
                tokio::time::sleep_until(start + Duration::from_millis(*time)).await;
                signals.next();
                *signal
            }
            None => std::future::pending().await,
        };
        let begun = Cell::new(false);
        let cut = watch(next, LIMIT, || begun.set(true)).await;
        assert!(begun.get());
        (cut, start.elapsed().as_millis() as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn second_signal_ends_the_process() {
        use Signal::{Hangup, Interrupt, Terminate};

        for (first, second, code) in [(Interrupt, Terminate, 143), (Terminate, Interrupt, 130)] {
            let (cut, time) = cut(&[(10, first), (11, second)]).await;
            assert_eq!((cut, time), (Cut::Signal(second), 11));
            assert_eq!(cut.exit_code(), code);
        }
        for (first, second, code) in [(Terminate, Hangup, 129), (Hangup, Interrupt, 130)] {
            let (cut, time) = cut(&[(10, first), (11, second), (1500, second)]).await;
            assert_eq!(
                (cut, time),
                (Cut::Signal(second), 1500),
                "signals sent together are one request"
            );
            assert_eq!(cut.exit_code(), code);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn same_signal_ends_the_process_unless_it_is_an_echo() {
        use Signal::{Hangup, Interrupt, Terminate};

        for signal in [Interrupt, Terminate] {
            let (cut, time) = cut(&[(10, signal), (11, signal), (300, signal)]).await;
            assert_eq!((cut, time), (Cut::Signal(signal), 300));
        }
        let (cut, time) = cut(&[(10, Hangup), (11, Hangup), (300, Hangup), (1500, Hangup)]).await;
        assert_eq!((cut, time), (Cut::Signal(Hangup), 1500));
    }

    #[tokio::test(start_paused = true)]
    async fn drain_has_a_time_limit() {
        let (cut, time) = cut(&[(10, Signal::Terminate)]).await;
        assert_eq!((cut, time), (Cut::Limit(LIMIT), 60_010));
        assert_eq!(cut.exit_code(), 1);
        assert_eq!(cut.to_string(), "ended 60 s after the first signal");
    }

    #[tokio::test(start_paused = true)]
    async fn no_drain_without_a_signal() {
        let watching = watch(std::future::pending::<Signal>, LIMIT, || {
            panic!("drain started")
        });
        tokio::select! {
            cut = watching => panic!("{cut}"),
            () = sleep(LIMIT * 1000) => {}
        }
    }

    #[cfg(unix)]
    #[test]
    fn ignored_signals_are_detected() {
        let status = |mask: &str| format!("Name:\tproducer\nSigBlk:\tffff\nSigIgn:\t{mask}\n");
        assert!(ignores(&status("0000000000000001"), Signal::Hangup));
        assert!(ignores(&status("0000000000001003"), Signal::Hangup));
        // Only SIGPIPE, which Rust ignores.
        assert!(!ignores(&status("0000000000001000"), Signal::Hangup));
        assert!(!ignores(&status("0000000000000002"), Signal::Hangup));
        assert!(ignores(&status("0000000000000002"), Signal::Interrupt));
        assert!(!ignores(&status("nonsense"), Signal::Hangup));
        assert!(!ignores("", Signal::Hangup));
    }
}
