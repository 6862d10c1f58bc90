//! The workspace's own programs, as a person runs them.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// How long a program that was told to end may take, on a machine that is busy with other things.
const END: Duration = Duration::from_secs(240);

/// Where a program of the workspace lies.
///
/// Cargo builds a package's programs for that package's own tests only, so the first call here
/// builds what the tests need; where it is built already, that takes a moment.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--offline"]);
        // What cargo tells a test of its own package would make build scripts run again.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&*name);
            }
        }
        // This test lies in target/PROFILE/deps.
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap().to_owned();
        if folder.ends_with("release") {
            build.arg("--release");
        }
        for package in [
            "aggregator",
            "processor",
            "local",
            "producer",
            "consumer",
            "recompute",
            "redrive",
        ] {
            build.args(["-p", package]);
        }
        assert!(
            build.status().unwrap().success(),
            "the programs do not build"
        );
        folder
    });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Has programs start with SIGHUP doing what it does by default, though the tests themselves may have been
/// started by something that ignores it, as `nohup` does: a signal that is listened to is not inherited.
#[cfg(unix)]
fn reset_hangup() {
    use tokio::signal::unix::{SignalKind, signal};

    static RESET: OnceLock<()> = OnceLock::new();
    let listen = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().build().unwrap();
        let _inside = runtime.enter();
        // The process goes on to listen when this is gone.
        drop(signal(SignalKind::hangup()).unwrap());
    };
    // On a thread of its own: a test's runtime lets no other be dropped in it.
    RESET.get_or_init(|| std::thread::spawn(listen).join().unwrap());
}

#[cfg(not(unix))]
fn reset_hangup() {}

/// A program that is ended with its test, and finds neither credentials nor a running cloud.
pub fn program(name: &str) -> Command {
    reset_hangup();
    let mut command = Command::new(binary(name));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// An embedded run of the producer, with a cloud of its own in `folder`.
pub fn embedded(folder: &Path, window: &str, arguments: &[&str]) -> Command {
    let mut command = program("producer");
    command.args([
        "--port",
        "0",
        "--dashboard-port",
        "0",
        "--window",
        window,
        "--format",
        "lines",
        "--data-dir",
    ]);
    command.arg(folder.join("data")).args(arguments);
    // A local cloud that happens to run on this machine must not be found.
    command.current_dir(folder);
    command
}

/// What became of a program.
pub struct Ran {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Ran {
    ran(command.stdin(Stdio::null()).output().unwrap())
}

/// A program that runs until it is told to end.
pub struct Running {
    child: Child,
    err: Box<dyn BufRead>,
    told: String,
}

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let err = Box::new(BufReader::new(child.stderr.take().unwrap()));
        let told = String::new();
        Self { child, err, told }
    }

    /// Reads standard error up to a line with `text` in it; gives that line.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.err.read_line(&mut line).unwrap(),
                0,
                "it ended: {}",
                self.told
            );
            self.told.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has had the processor for a second more, where the system tells.
    pub fn until_it_has_worked(&self) {
        let path = format!("/proc/{}/stat", self.child.id());
        // In hundredths of a second; the second field may hold spaces, and ends with a parenthesis.
        let worked = || {
            let stat = std::fs::read_to_string(&path).ok()?;
            let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
            let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
            let has_ended = *fields.first()? == "Z";
            (!has_ended).then_some(ticks(11)? + ticks(12)?)
        };
        let Some(before) = worked() else { return };
        while worked().is_some_and(|ticks| ticks < before + 100) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Reads standard error up to `text`, which need not end a line; gives what was read.
    pub fn until_text(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            let mut byte = [0];
            self.err.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
        let read = String::from_utf8(read).unwrap();
        self.told.push_str(&read);
        read
    }

    /// Reads a line of standard output.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            let stdout = self.child.stdout.as_mut().unwrap();
            stdout.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        String::from_utf8(line).unwrap()
    }

    /// Sends a signal, such as `TERM`. False where the program has ended.
    pub fn signal(&self, signal: &str) -> bool {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{signal}"), &self.child.id().to_string()]);
        kill.stderr(Stdio::null()).status().unwrap().success()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Presses Ctrl-C and waits for the end.
    pub fn interrupt(self) -> Ran {
        assert!(self.signal("INT"));
        self.end()
    }

    /// Closes its standard error, as a terminal does that is closed.
    pub fn hang_up(&mut self) {
        self.err = Box::new(io::empty());
    }

    /// Waits for the end, which has a limit.
    pub fn end(mut self) -> Ran {
        let _ended = end_in_time(self.child.id());
        let mut stdout = self.child.stdout.take().unwrap();
        // Both at once: it waits for whoever reads neither.
        let out = std::thread::spawn(move || {
            let mut out = String::new();
            stdout.read_to_string(&mut out).unwrap();
            out
        });
        let mut err = std::mem::take(&mut self.told);
        self.err.read_to_string(&mut err).unwrap();
        let out = out.join().unwrap();
        let code = self.child.wait().unwrap().code();
        Ran { code, out, err }
    }
}

/// Kills a process that has not ended, and so dropped what this gives, in time.
fn end_in_time(process: u32) -> mpsc::Sender<()> {
    let (ended, waiting) = mpsc::channel();
    std::thread::spawn(move || {
        if waiting.recv_timeout(END) == Err(mpsc::RecvTimeoutError::Timeout) {
            let mut kill = Command::new("kill");
            let _ = kill.args(["-KILL", &process.to_string()]).status();
        }
    });
    ended
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `http://127.0.0.1:PORT` in a line.
pub fn endpoint(line: &str) -> String {
    let from = line.find("http://").unwrap();
    let url: String = line[from..]
        .chars()
        .take_while(|c| !c.is_whitespace() && *c != ';')
        .collect();
    url
}
