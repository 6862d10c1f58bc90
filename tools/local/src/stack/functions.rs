//! How the functions of a template run: as processes, over the Runtime API.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};
use aws_types::SdkConfig;
use sql_functions::LAYER_FOLDERS;
use windrow_local::functions::{Bootstrap, BootstrapOptions, Function};
use windrow_template::{FunctionCode, FunctionResource, StackModel};

/// What the command line says of a function.
#[derive(Clone, Debug)]
enum FunctionRun {
    Binary(PathBuf),
    Command(String),
}

/// Finds what runs each function.
#[derive(Debug)]
pub(super) struct FunctionFinder {
    /// The template's folder.
    folder: PathBuf,
    /// What the command line names, by function.
    runs: Vec<(String, FunctionRun)>,
    /// Why functions do not run.
    notes: Mutex<Vec<String>>,
}

/// Checks that the command line names functions of the template.
pub(super) fn check_names(stack: &StackModel, runs: &[(String, String)]) -> anyhow::Result<()> {
    for (name, _) in runs {
        let mut functions = stack.functions.iter();
        if !functions.any(|function| is_named(function, name)) {
            let functions = stack.functions.iter();
            let known: Vec<&str> = functions.map(|function| &*function.logical_id).collect();
            bail!(
                "the template has no function `{name}`; it has {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}

fn is_named(function: &FunctionResource, name: &str) -> bool {
    function.logical_id == name || function.name == name
}

/// A file is a binary, and all else is a command.
fn function_run(text: &str) -> anyhow::Result<FunctionRun> {
    let path = std::path::absolute(text)?;
    if path.is_file() {
        return Ok(FunctionRun::Binary(path));
    }
    let is_path = Path::new(text).components().count() > 1 && !text.contains(char::is_whitespace);
    if is_path {
        bail!("{} is not a file", path.display());
    }
    Ok(FunctionRun::Command(text.to_owned()))
}

impl FunctionFinder {
    pub(super) fn new(template: &Path, runs: &[(String, String)]) -> anyhow::Result<Self> {
        let template = std::path::absolute(template)?;
        let folder = template.parent().unwrap_or(&template).to_owned();
        let mut found = Vec::new();
        for (name, text) in runs {
            let run = function_run(text).with_context(|| format!("--function {name}"))?;
            found.push((name.clone(), run));
        }
        Ok(Self {
            folder,
            runs: found,
            notes: Mutex::default(),
        })
    }

    /// Why functions do not run, a line each.
    pub(super) fn notes(&self) -> Vec<String> {
        self.locked_notes().clone()
    }

    fn locked_notes(&self) -> MutexGuard<'_, Vec<String>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function as a process of its own. One that nothing runs is left out with a note.
    pub(super) fn find(
        &self,
        function: &FunctionResource,
        config: &SdkConfig,
    ) -> Option<Arc<dyn Function>> {
        let options = self.options(function);
        let mut options = options
            .map_err(|note| self.locked_notes().push(note))
            .ok()?;
        self.add_layers(&mut options, function);
        // What the template says wins.
        options.environment.extend(function.environment.clone());
        if let Some(handler) = &function.handler {
            options.handler.clone_from(handler);
        }
        options.endpoint_url = config.endpoint_url().map(str::to_owned);
        options.memory_mb = function.memory_mb;
        Some(Arc::new(Bootstrap::new(options)))
    }

    /// Adds the folders of a function's layers to the paths in which Lambda looks for what is in
    /// `/opt`. Here `/opt` is the machine's own.
    ///
    /// Source: Lambda Developer Guide, "Layer paths for each Lambda runtime".
    fn add_layers(&self, options: &mut BootstrapOptions, function: &FunctionResource) {
        let layers = function.layers.iter().map(|layer| self.folder.join(layer));
        let layers: Vec<PathBuf> = layers.collect();
        if layers.is_empty() {
            return;
        }
        let inside = |folder: &str| layers.iter().map(|layer| layer.join(folder)).collect();
        let searched: [(&str, Vec<PathBuf>); 4] = [
            (LAYER_FOLDERS, layers.clone()),
            ("LD_LIBRARY_PATH", inside("lib")),
            ("NODE_PATH", inside("nodejs/node_modules")),
            ("PYTHONPATH", inside("python")),
        ];
        for (variable, folders) in searched {
            // A folder with a colon in its name cannot be in such a list.
            if let Ok(folders) = std::env::join_paths(folders) {
                let folders = folders.to_string_lossy().into_owned();
                options.environment.insert(variable.to_owned(), folders);
            }
        }
        let programs: Vec<PathBuf> = inside("bin");
        let path = programs
            .into_iter()
            .chain(std::env::split_paths(&options.path));
        if let Ok(path) = std::env::join_paths(path.collect::<Vec<_>>()) {
            options.path = path;
        }
    }

    /// What runs a function.
    ///
    /// # Errors
    ///
    /// Why nothing does, for the user.
    fn options(&self, function: &FunctionResource) -> Result<BootstrapOptions, String> {
        let FunctionResource {
            logical_id,
            name,
            line,
            ..
        } = function;
        let mut runs = self.runs.iter();
        let run = runs.find(|(name, _)| is_named(function, name));
        match run.map(|(_, run)| run) {
            Some(FunctionRun::Binary(binary)) => Ok(BootstrapOptions::new(name, binary)),
            Some(FunctionRun::Command(command)) => {
                let folder = match &function.code {
                    FunctionCode::Path(code) => self.folder.join(code),
                    _ => self.folder.clone(),
                };
                let path = std::env::var_os("PATH").unwrap_or_default();
                BootstrapOptions::command(name, command, folder, path)
                    .map_err(|error| format!("the function {logical_id} does not run: {error}"))
            }
            None => match self.binary(function) {
                Some(binary) => Ok(BootstrapOptions::new(name, binary)),
                None => Err(format!(
                    "line {line}: the function {logical_id} does not run, since it is not known how: \
                     name a binary or a command with --function {logical_id}=COMMAND"
                )),
            },
        }
    }

    /// The first binary that exists of those that SAM and cargo build.
    fn binary(&self, function: &FunctionResource) -> Option<PathBuf> {
        let built = Path::new(".aws-sam/build").join(&function.logical_id);
        let mut folders = vec![self.folder.join(built)];
        if let FunctionCode::Path(code) = &function.code {
            folders.insert(0, self.folder.join(code));
        }
        let bootstraps = folders.into_iter().map(|folder| folder.join("bootstrap"));
        let mut candidates: Vec<PathBuf> = bootstraps.collect();
        let build = function.build.as_ref();
        if let Some(binary) = build.and_then(|build| build.binary.as_deref()) {
            candidates.push(
                self.folder
                    .join("target/lambda")
                    .join(binary)
                    .join("bootstrap"),
            );
            // `cargo build` puts it beside this program.
            let program = std::env::current_exe().ok();
            let file = format!("{binary}{}", std::env::consts::EXE_SUFFIX);
            candidates.extend(program.map(|program| program.with_file_name(file)));
        }
        candidates.into_iter().find(|candidate| candidate.is_file())
    }
}
