//! Runs the programs of the workspace.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// The time limit for a program to exit, with room for a busy machine.
const EXIT_LIMIT: Duration = Duration::from_secs(240);

/// The path of a program of the workspace.
///
/// Cargo builds a package's programs only for the tests of that package, so the first call here
/// builds those of the workspace. They share the libraries of the tests, since a build of the whole
/// workspace has the features of its tests (see this package's `Cargo.toml`): what is left is to
/// link them.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args(["build", "--workspace", "--bins", "--quiet", "--offline"]);
        // The variables that cargo sets for this test's package would make build scripts run again.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&*name);
            }
        }
        // This test is in target/PROFILE/deps.
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap().to_owned();
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().unwrap().success(),
            "the programs failed to build"
        );
        folder
    });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Resets SIGHUP to its default for child processes, even if the tests were started with SIGHUP
/// ignored, as by `nohup`: child processes inherit an ignored signal, but not a handled one.
#[cfg(unix)]
fn reset_hangup() {
    use tokio::signal::unix::{SignalKind, signal};

    static RESET: OnceLock<()> = OnceLock::new();
    let listen = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().build().unwrap();
        let _inside = runtime.enter();
        // The process keeps the handler after this is dropped.
        drop(signal(SignalKind::hangup()).unwrap());
    };
    // On a separate thread, because a runtime must not be dropped inside another.
    RESET.get_or_init(|| std::thread::spawn(listen).join().unwrap());
}

#[cfg(not(unix))]
fn reset_hangup() {}

/// A program without credentials and environment.
pub fn program(name: &str) -> Command {
    reset_hangup();
    let mut command = Command::new(binary(name));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A run of the producer with an embedded cloud in `folder`.
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
    // Do not find a local cloud that happens to run on this machine.
    command.current_dir(folder);
    command
}

/// Exit code and output of a program.
pub struct ProgramOutput {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

fn program_output(output: Output) -> ProgramOutput {
    ProgramOutput {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a program until it exits.
pub fn run(command: &mut Command) -> ProgramOutput {
    program_output(command.stdin(Stdio::null()).output().unwrap())
}

/// A running program. It is killed when dropped.
pub struct Running {
    child: Child,
    err: Box<dyn BufRead>,
    logged: String,
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
        let logged = String::new();
        Self { child, err, logged }
    }

    /// Reads standard error up to a line that contains `text`, and returns that line.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.err.read_line(&mut line).unwrap(),
                0,
                "the program exited: {}",
                self.logged
            );
            self.logged.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has used another second of CPU time, if the system reports that.
    pub fn until_busy(&self) {
        let path = format!("/proc/{}/stat", self.child.id());
        // In hundredths of a second. The second field may contain spaces and ends with a
        // parenthesis.
        let cpu_ticks = || {
            let stat = std::fs::read_to_string(&path).ok()?;
            let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
            let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
            let has_exited = *fields.first()? == "Z";
            (!has_exited).then_some(ticks(11)? + ticks(12)?)
        };
        let Some(before) = cpu_ticks() else { return };
        while cpu_ticks().is_some_and(|ticks| ticks < before + 100) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Reads standard error up to `text`, which may be inside a line, and returns the text read.
    pub fn until_text(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            let mut byte = [0];
            self.err.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
        let read = String::from_utf8(read).unwrap();
        self.logged.push_str(&read);
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

    /// Sends a signal, such as `TERM`. Returns false if the program has exited.
    pub fn signal(&self, signal: &str) -> bool {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{signal}"), &self.child.id().to_string()]);
        kill.stderr(Stdio::null()).status().unwrap().success()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the exit.
    pub fn interrupt(self) -> ProgramOutput {
        assert!(self.signal("INT"));
        self.end()
    }

    /// Closes its standard error, as closing a terminal does.
    pub fn hang_up(&mut self) {
        self.err = Box::new(io::empty());
    }

    /// Waits for the exit, and kills the program after a time limit.
    pub fn end(mut self) -> ProgramOutput {
        let _exited = kill_after_limit(self.child.id());
        let mut stdout = self.child.stdout.take().unwrap();
        // Read both concurrently, so that the program does not block on a full pipe.
        let out = std::thread::spawn(move || {
            let mut out = String::new();
            stdout.read_to_string(&mut out).unwrap();
            out
        });
        let mut err = std::mem::take(&mut self.logged);
        self.err.read_to_string(&mut err).unwrap();
        let out = out.join().unwrap();
        let code = self.child.wait().unwrap().code();
        ProgramOutput { code, out, err }
    }
}

/// Kills a process after the time limit, unless the returned sender is dropped before.
fn kill_after_limit(process: u32) -> mpsc::Sender<()> {
    let (exited, waiting) = mpsc::channel();
    std::thread::spawn(move || {
        if waiting.recv_timeout(EXIT_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            let mut kill = Command::new("kill");
            let _ = kill.args(["-KILL", &process.to_string()]).status();
        }
    });
    exited
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URL `http://127.0.0.1:PORT` in a line.
pub fn endpoint(line: &str) -> String {
    let from = line.find("http://").unwrap();
    let url: String = line[from..]
        .chars()
        .take_while(|c| !c.is_whitespace() && *c != ';')
        .collect();
    url
}
