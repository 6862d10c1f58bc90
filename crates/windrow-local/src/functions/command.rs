//! The command that starts a function's process.

use std::env::consts::EXE_SUFFIX;
use std::env::split_paths;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a text is not a command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It has no program.
    #[error(
        "the command is empty: it needs a program, as in `python3 -m awslambdaric app.handler`"
    )]
    Empty,
    /// A quote is not closed, or nothing follows the last backslash.
    #[error("the command `{0}` has a quote that is not closed, or ends in a backslash")]
    Unclosed(String),
}

/// Splits a command into the program and its arguments, with the quotes and backslashes of a POSIX
/// shell. Nothing else that a shell does is done: no variables, patterns, pipes or redirections.
pub(super) fn split(text: &str) -> Result<(PathBuf, Vec<String>), CommandError> {
    let words = shlex::split(text).ok_or_else(|| CommandError::Unclosed(text.to_owned()))?;
    let mut words = words.into_iter();
    match words.next() {
        Some(program) if !program.is_empty() => Ok((program.into(), words.collect())),
        _ => Err(CommandError::Empty),
    }
}

/// Finds a program: a path is taken from `folder`, a name is looked up in the folders of `path`.
///
/// # Errors
///
/// The files that were tried.
pub(super) fn find(
    program: &Path,
    folder: Option<&Path>,
    path: &OsStr,
) -> Result<PathBuf, Vec<PathBuf>> {
    let is_name = program.components().count() == 1 && !program.is_absolute();
    if !is_name || program.starts_with(".") {
        let file = folder.map_or_else(|| program.to_owned(), |folder| folder.join(program));
        return if file.is_file() {
            Ok(file)
        } else {
            Err(vec![file])
        };
    }
    let mut tried = Vec::new();
    for folder in split_paths(path).filter(|folder| !folder.as_os_str().is_empty()) {
        let file = folder.join(program);
        let mut with_suffix = file.clone().into_os_string();
        with_suffix.push(EXE_SUFFIX);
        if is_executable(Path::new(&with_suffix)) {
            return Ok(with_suffix.into());
        }
        tried.push(file);
    }
    Err(tried)
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let (program, arguments) = split(text).unwrap();
        let program = program.to_str().unwrap().to_owned();
        std::iter::once(program).chain(arguments).collect()
    }

    #[test]
    fn a_command_is_split_like_in_a_shell() {
        assert_eq!(
            words("python3 -m awslambdaric app.handler"),
            ["python3", "-m", "awslambdaric", "app.handler"]
        );
        assert_eq!(
            words(r#"'my program'  "a b"c\ d '$HOME' * "" "#),
            ["my program", "a bc d", "$HOME", "*", ""]
        );
        for empty in ["", "  ", "''", "'' -m"] {
            assert_eq!(split(empty), Err(CommandError::Empty), "{empty:?}");
        }
        for unclosed in ["node 'loop.mjs", "node \"loop", "node loop\\"] {
            let error = split(unclosed).unwrap_err();
            assert_eq!(error, CommandError::Unclosed(unclosed.to_owned()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_found_in_its_folder_or_on_the_path() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for (file, mode) in [(one.join("run"), 0o644), (two.join("run"), 0o755)] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
        let path = std::env::join_paths([&one, &two]).unwrap();
        let find = |program: &str, folder| find(Path::new(program), folder, &path);

        // What cannot be executed is passed over, as a shell does.
        assert_eq!(find("run", Some(&one)), Ok(two.join("run")));
        assert_eq!(find("./run", Some(&one)), Ok(one.join("./run")));
        assert_eq!(find("../two/run", Some(&one)), Ok(one.join("../two/run")));
        let absolute = two.join("run");
        assert_eq!(
            find(absolute.to_str().unwrap(), Some(&one)),
            Ok(absolute.clone())
        );
        assert_eq!(
            find("walk", Some(&one)),
            Err(vec![one.join("walk"), two.join("walk")])
        );
        assert_eq!(find("./walk", Some(&one)), Err(vec![one.join("./walk")]));
        assert_eq!(find("./walk", None), Err(vec![PathBuf::from("./walk")]));
    }
}
