//! How the functions of a template run: as binaries, over the Runtime API.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::bail;
use aws_types::SdkConfig;
use windrow_local::StartError;
use windrow_local::functions::{Bootstrap, BootstrapOptions, Function};
use windrow_template::{FunctionCode, FunctionResource, StackModel};

/// Finds the binary of each function.
#[derive(Debug)]
pub(super) struct FunctionFinder {
    /// The template's folder.
    folder: PathBuf,
    /// The binaries that the command line names, by function.
    runs: Vec<(String, PathBuf)>,
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

impl FunctionFinder {
    pub(super) fn new(template: &Path, runs: &[(String, String)]) -> anyhow::Result<Self> {
        let template = std::path::absolute(template)?;
        let folder = template.parent().unwrap_or(&template).to_owned();
        let mut binaries = Vec::new();
        for (name, text) in runs {
            let binary = std::path::absolute(text)?;
            if !binary.is_file() {
                bail!("--function {name}: {} is not a file", binary.display());
            }
            binaries.push((name.clone(), binary));
        }
        Ok(Self {
            folder,
            runs: binaries,
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

    /// The function as a process of its own, if there is a binary.
    ///
    /// # Errors
    ///
    /// None at present: a function without a binary is left out with a note.
    pub(super) fn find(
        &self,
        function: &FunctionResource,
        config: &SdkConfig,
    ) -> Result<Option<Arc<dyn Function>>, StartError> {
        let Some(binary) = self.binary(function) else {
            let FunctionResource {
                logical_id, line, ..
            } = function;
            let note = format!(
                "line {line}: the function {logical_id} does not run, since there is no binary: name \
                 one with --function {logical_id}=BINARY"
            );
            self.locked_notes().push(note);
            return Ok(None);
        };
        let mut options = BootstrapOptions::new(&function.name, binary);
        options.environment.clone_from(&function.environment);
        options.endpoint_url = config.endpoint_url().map(str::to_owned);
        options.memory_mb = function.memory_mb;
        Ok(Some(Arc::new(Bootstrap::new(options))))
    }

    /// The binary that the command line names, or the first one that exists of those that SAM and
    /// cargo build.
    fn binary(&self, function: &FunctionResource) -> Option<PathBuf> {
        let mut runs = self.runs.iter();
        if let Some((_, binary)) = runs.find(|(name, _)| is_named(function, name)) {
            return Some(binary.clone());
        }
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
