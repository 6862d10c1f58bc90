//! Runs a program that speaks the Runtime API, such as the deployed binary, as a process of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::command::{self, CommandError};
use super::runtime_api::{Invocation, InvocationProgress, RuntimeApi};
use super::{Function, InvokeError, check_request};
use crate::data_dir::without_following;

/// How long a process may take from its start to its first request for an event, as on Lambda.
/// Source: Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle" (init
/// phase).
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before restarting a process that ended before it took an event. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where the function's standard output and standard error go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionLog {
    /// To this process's standard error.
    Stderr,
    /// To the end of a file, which is created if it is missing.
    File(PathBuf),
}

/// Lambda's own, without the folder of layers.
const LAMBDA_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The settings of a [`Bootstrap`].
#[derive(Clone, Debug)]
pub struct BootstrapOptions {
    /// The function's name.
    pub name: String,
    /// The program. A name is looked up in `path`; a path is taken from `folder`.
    pub program: PathBuf,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// The working directory, which becomes `LAMBDA_TASK_ROOT` too. `None` for this process's own, and
    /// for the program's folder as `LAMBDA_TASK_ROOT`.
    pub folder: Option<PathBuf>,
    /// The handler's name, which becomes `_HANDLER`.
    pub handler: String,
    /// The folders of programs, which become `PATH`.
    pub path: OsString,
    /// The function's own environment variables. They override those that every function gets.
    pub environment: BTreeMap<String, String>,
    /// The endpoint of the AWS services, which becomes `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// The region, for the environment and the function's ARN.
    pub region: String,
    /// The twelve-digit account, for the function's ARN.
    pub account: String,
    /// The memory size that the function sees, in MB. It is not enforced.
    pub memory_mb: u32,
    /// How long the process may take from its start to its first request for an event.
    pub init_timeout: Duration,
    /// Where its output goes.
    pub log: FunctionLog,
    is_command: bool,
}

impl BootstrapOptions {
    /// The default settings, with this name and a binary without arguments, as `cargo build` makes it.
    pub fn new(name: impl Into<String>, binary: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: binary.into(),
            arguments: Vec::new(),
            folder: None,
            handler: "bootstrap".to_owned(),
            path: LAMBDA_PATH.into(),
            environment: BTreeMap::new(),
            endpoint_url: None,
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            memory_mb: 128,
            init_timeout: INIT_TIMEOUT,
            log: FunctionLog::Stderr,
            is_command: false,
        }
    }

    /// The default settings, with this name and a command that runs in `folder`, such as
    /// `python3 -m awslambdaric app.handler` or `node loop.mjs`. Its words are separated as a POSIX
    /// shell does it, quotes and backslashes included, but no shell runs. The last one is the handler's
    /// name. The program is looked up in `path`, which is best that of the user.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if the text is not a command. Whether the program exists shows with the first
    /// invocation.
    pub fn command(
        name: impl Into<String>,
        text: &str,
        folder: impl Into<PathBuf>,
        path: impl Into<OsString>,
    ) -> Result<Self, CommandError> {
        let (program, arguments) = command::split(text)?;
        let handler = arguments.last().cloned();
        let handler = handler.unwrap_or_else(|| program.display().to_string());
        Ok(Self {
            arguments,
            folder: Some(folder.into()),
            handler,
            path: path.into(),
            is_command: true,
            ..Self::new(name, program)
        })
    }

    /// Where the function's code is.
    fn task_root(&self, program: &Path) -> Option<PathBuf> {
        let of_program = || program.parent().map(Path::to_owned);
        self.folder.clone().or_else(of_program)
    }
}

/// A function in any language that runs as the program that Lambda would run, over the Runtime API.
///
/// The process starts with the first invocation and is reused for the next. After a crash or a
/// timeout a new one is started, from the program as it is then. It handles one invocation at a
/// time, and further ones wait; to run them concurrently, create several `Bootstrap`s. As on
/// Lambda, the process has its own environment: it inherits nothing from this process, in
/// particular no real credentials.
///
/// Not emulated: freezing between invocations, the memory limit, and extensions.
#[derive(Debug)]
pub struct Bootstrap {
    options: BootstrapOptions,
    session: Mutex<BootstrapSession>,
}

#[derive(Debug)]
struct BootstrapSession {
    /// The process that waits for an event. An invocation takes it out, so that dropping the
    /// invocation also kills the process.
    idle: Option<Process>,
    failed_starts: u32,
    start_after: Instant,
}

impl Bootstrap {
    /// Creates the function. Its process starts with the first invocation.
    #[must_use]
    pub fn new(options: BootstrapOptions) -> Self {
        let session = BootstrapSession {
            idle: None,
            failed_starts: 0,
            start_after: Instant::now(),
        };
        Self {
            options,
            session: Mutex::new(session),
        }
    }

    /// Runs the function, which sees `timeout` as its time limit. Stops it `allowed` after it got
    /// the event.
    async fn run(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
        allowed: Duration,
    ) -> Result<Vec<u8>, InvokeError> {
        check_request(&payload)?;
        let mut session = self.session.lock().await;
        let mut process = match session.idle.take().and_then(Process::if_alive) {
            Some(process) => process,
            None => {
                tokio::time::sleep_until(session.start_after).await;
                match self.start().await {
                    Ok(process) => process,
                    Err(error) => {
                        session.record_failed_start();
                        return Err(error);
                    }
                }
            }
        };

        let ending = process
            .invoke(&self.options, payload, timeout, allowed)
            .await;
        if process.took_an_event {
            session.failed_starts = 0;
        } else {
            session.record_failed_start();
        }
        match ending {
            ProcessEnding::Finished(outcome) => {
                session.idle = Some(process);
                outcome
            }
            ProcessEnding::Broken(error) => {
                tracing::warn!(function = self.options.name, %error, "replacing the function's process");
                process.stop().await;
                Err(error)
            }
        }
    }

    async fn start(&self) -> Result<Process, InvokeError> {
        let api = RuntimeApi::start()
            .await
            .map_err(|error| unreachable(format!("no Runtime API: {error}")))?;
        let child = self.spawn(&api)?;
        tracing::debug!(
            function = self.options.name,
            process = child.id(),
            "function process started"
        );
        Ok(Process {
            child,
            api,
            took_an_event: false,
        })
    }

    fn spawn(&self, api: &RuntimeApi) -> Result<Child, InvokeError> {
        let BootstrapOptions { folder, path, .. } = &self.options;
        if let Some(folder) = folder
            && !folder.is_dir()
        {
            return Err(unreachable(format!("{} is not a folder", folder.display())));
        }
        let program = command::find(&self.options.program, folder.as_deref(), path)
            .map_err(|tried| self.not_found(&tried))?;
        // It is started in another folder.
        let program = std::path::absolute(&program).unwrap_or(program);
        let spawned = self
            .process(&program, api)
            .and_then(|mut process| process.spawn());
        spawned.map_err(|error| {
            unreachable(format!("{} cannot be started: {error}", program.display()))
        })
    }

    /// The process, with the environment that Lambda documents. Its endpoint and credentials are
    /// valid only here. Source: Lambda Developer Guide, "Defined runtime environment variables".
    fn process(&self, program: &Path, api: &RuntimeApi) -> io::Result<Command> {
        let options = &self.options;
        let (stdout, stderr) = match &options.log {
            FunctionLog::Stderr => (Stdio::from(io::stderr()), Stdio::inherit()),
            FunctionLog::File(path) => {
                let mut options = OpenOptions::new();
                let options = without_following(options.create(true).append(true));
                let file = options.open(path)?;
                (Stdio::from(file.try_clone()?), Stdio::from(file))
            }
        };

        let BootstrapOptions { name, region, .. } = options;
        let mut command = Command::new(program);
        command
            .args(&options.arguments)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .env_clear()
            .env("PATH", &options.path)
            .env("LANG", "en_US.UTF-8")
            .env("TZ", ":UTC")
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env(
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                options.memory_mb.to_string(),
            )
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_FORMAT", "Text")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .env("_HANDLER", &options.handler)
            .env("AWS_REGION", region)
            .env("AWS_DEFAULT_REGION", region)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_SESSION_TOKEN", "local");
        if let Some(root) = options.task_root(program) {
            command.env("LAMBDA_TASK_ROOT", root);
        }
        if let Some(folder) = &options.folder {
            command.current_dir(folder);
        }
        if let Some(url) = &options.endpoint_url {
            command.env("AWS_ENDPOINT_URL", url);
        }
        command.envs(&options.environment);
        Ok(command)
    }

    fn not_found(&self, tried: &[PathBuf]) -> InvokeError {
        let program = self.options.program.display();
        if !self.options.is_command {
            let package = self.options.program.file_name().unwrap_or_default();
            let package = package.display();
            return unreachable(format!(
                "{program} does not exist: build it with `cargo build -p {package}`"
            ));
        }
        let tried: Vec<String> = tried.iter().map(|it| it.display().to_string()).collect();
        let tried = match tried.as_slice() {
            [] => "PATH has no folders".to_owned(),
            tried => format!("tried {}", tried.join(", ")),
        };
        unreachable(format!("the program `{program}` is not found: {tried}"))
    }
}

impl Function for Bootstrap {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn invoke(
        &self,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, InvokeError>> {
        self.run(payload, timeout, timeout).boxed()
    }

    /// Kills the process. Its start-up time does not count.
    fn cut_off(&self, payload: Vec<u8>, timeout: Duration, after: Duration) -> BoxFuture<'_, ()> {
        let invocation = self.run(payload, timeout, timeout.min(after));
        invocation.map(|_| ()).boxed()
    }
}

impl BootstrapSession {
    fn record_failed_start(&mut self) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failed_starts.min(16));
        self.start_after = Instant::now() + doubled.min(LONGEST_PAUSE);
        self.failed_starts = self.failed_starts.saturating_add(1);
    }
}

/// A running process with its Runtime API.
#[derive(Debug)]
struct Process {
    child: Child,
    api: RuntimeApi,
    took_an_event: bool,
}

/// The state of a process after an invocation.
enum ProcessEnding {
    /// Ready for the next event.
    Finished(Result<Vec<u8>, InvokeError>),
    /// Not to be used again.
    Broken(InvokeError),
}

impl Process {
    async fn invoke(
        &mut self,
        options: &BootstrapOptions,
        payload: Vec<u8>,
        timeout: Duration,
        run_limit: Duration,
    ) -> ProcessEnding {
        let invocation = Invocation {
            request_id: Uuid::new_v4().to_string(),
            function_arn: format!(
                "arn:aws:lambda:{}:{}:function:{}",
                options.region, options.account, options.name
            ),
            payload,
            timeout,
        };
        self.api.offer(invocation).await;

        let mut allowed = options.init_timeout;
        let mut deadline = Instant::now() + allowed;
        loop {
            tokio::select! {
                // A response counts even if the process exits right after it.
                biased;
                progress = self.api.progress() => match progress {
                    Some(InvocationProgress::Started) => {
                        self.took_an_event = true;
                        allowed = run_limit;
                        deadline = Instant::now() + allowed;
                    }
                    Some(InvocationProgress::Finished(outcome)) => return ProcessEnding::Finished(outcome),
                    Some(InvocationProgress::InitFailed(error)) => return ProcessEnding::Broken(error),
                    None => return crashed("its Runtime API ended"),
                },
                status = self.child.wait() => {
                    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    if self.took_an_event {
                        return crashed(status);
                    }
                    let output = match &options.log {
                        FunctionLog::Stderr => String::new(),
                        FunctionLog::File(path) => format!("; its output is in {}", path.display()),
                    };
                    return crashed(format!("{status}, before it asked for an event{output}"));
                }
                () = tokio::time::sleep_until(deadline) => {
                    return ProcessEnding::Broken(if self.took_an_event {
                        InvokeError::TimedOut { after: allowed }
                    } else {
                        InvokeError::NeverAsked { after: allowed }
                    });
                }
            }
        }
    }

    fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    async fn stop(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(process = self.child.id(), %error, "cannot stop the function's process");
        }
    }
}

fn unreachable(message: String) -> InvokeError {
    InvokeError::Unreachable { message }
}

fn crashed(status: impl Into<String>) -> ProcessEnding {
    ProcessEnding::Broken(InvokeError::Crashed {
        status: status.into(),
    })
}
