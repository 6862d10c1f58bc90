//! Runs of Node and npm that end in any case.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::{AGAIN, Problem};

/// How npm is called.
pub(crate) const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// How often a run is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// How many of the last lines that a run wrote are told where it failed.
const LAST_LINES: usize = 30;

/// Node and npm, and how long they may still take.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Where programs are looked for.
    pub(crate) path: OsString,
    /// All runs together.
    pub(crate) left: Duration,
}

impl Tools {
    /// Those of this environment, for `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self { path, left: limit }
    }

    /// Checks that Node is there and is as new as the folder's `package.json` wants it.
    pub(crate) fn check_node(&mut self, folder: &Path) -> Result<(), Problem> {
        let package = fs::read_to_string(folder.join("package.json"))?;
        let wanted = package.split_once("\"node\": \">=");
        let wanted = wanted.and_then(|(_, rest)| rest.split('"').next());
        let wanted = wanted.unwrap_or("0");
        let remedy =
            format!("Install Node.js {wanted} or newer, with npm (https://nodejs.org). {AGAIN}");
        let told = self.run("node", &["--version"], folder, &remedy)?;
        if version(&told) < version(wanted) {
            let reason = format!("Node.js here is {}, which is too old.", told.trim());
            return Err(Problem::new(reason, &remedy));
        }
        Ok(())
    }

    /// Runs a program in a folder, to its good end, and returns what it wrote. Where it comes to
    /// another, `remedy` is what to do.
    pub(crate) fn run(
        &mut self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        remedy: &str,
    ) -> Result<String, Problem> {
        let shown = format!("`{program} {}`", arguments.join(" "));
        // A file, since a pipe would have to be emptied all the while.
        let log = folder.join("output.log");
        let output = File::create(&log)?;
        let errors = output.try_clone()?;
        let started = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("PATH", &self.path)
            .env("NO_COLOR", "1")
            .env_remove("FORCE_COLOR")
            // Of another value than `production`, Vite would make another page.
            .env_remove("NODE_ENV")
            // Cargo's, which to Node's programs is the name of a log.
            .env_remove("DEBUG")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                let reason = format!("{shown} could not be started: {error}.");
                return Err(Problem::new(reason, remedy));
            }
        };
        let ended = self.wait(&mut child)?;
        let written = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let reason = match ended {
            Some(status) if status.success() => return Ok(written),
            Some(status) => format!("{shown} failed ({status})."),
            None => format!("{shown} was ended, since it took too long."),
        };
        let lines: Vec<&str> = written.lines().collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        Err(Problem {
            output: lines[first..].join("\n"),
            ..Problem::new(reason, remedy)
        })
    }

    /// Waits for the end of a run, or ends it when the time is up.
    fn wait(&mut self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            let Some(left) = self.left.checked_sub(PAUSE) else {
                end(child);
                return Ok(None);
            };
            self.left = left;
            sleep(PAUSE);
        }
    }
}

/// The first two numbers of `v20.19.1`.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.trim().trim_start_matches('v').split('.');
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    (next().unwrap_or(0), next().unwrap_or(0))
}

/// Ends a process, and those that it has started.
///
/// They are looked for, and not put into a group of their own, since Ctrl-C would then not end them.
fn end(child: &mut Child) {
    let id = child.id().to_string();
    let mut kill;
    if cfg!(windows) {
        kill = Command::new("taskkill");
        kill.args(["/T", "/F", "/PID", &id]);
    } else {
        kill = Command::new("kill");
        kill.arg("-KILL").args(with_children(id));
    }
    // Whatever of this fails, the process itself is ended.
    let _ = kill.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// A process, its children, theirs and so on.
fn with_children(id: String) -> Vec<String> {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    let mut family = vec![id];
    let mut at = 0;
    while at < family.len() {
        for line in listed.lines() {
            let mut ids = line.split_whitespace();
            if let (Some(id), Some(parent)) = (ids.next(), ids.next())
                && parent == family[at]
            {
                family.push(id.to_owned());
            }
        }
        at += 1;
    }
    family
}
