//! Which files an archive is made of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ArchiveReadError;

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputFile {
    /// Where it lies.
    pub path: PathBuf,
    /// How long it was when it was found.
    pub bytes: u64,
}

/// The files that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, by path, each once.
    pub files: Vec<InputFile>,
    /// How many more there were that are hidden or unfinished, or no files.
    pub passed_over: u64,
}

impl Listing {
    /// How long the files are together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Lists files, and those in folders at any depth.
///
/// In a folder those are passed over whose names start with `.` or `_` or end with `.tmp`, as tools
/// name what is hidden or not finished, and so are links to folders, which may go round in a circle.
/// What is given by its own path is read whatever its name. (The local cloud's Firehose keeps what is
/// not finished in a folder of its own, beside the archive.)
///
/// # Errors
/// When something is not there or cannot be listed, or a path that was given is neither file nor folder.
pub fn list(paths: &[PathBuf]) -> Result<Listing, ArchiveReadError> {
    let mut listing = Listing::default();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|source| error(path, source))?;
        if metadata.is_dir() {
            walk(path, &mut listing)?;
        } else if metadata.is_file() {
            listing.files.push(InputFile {
                path: path.clone(),
                bytes: metadata.len(),
            });
        } else {
            let source = io::Error::other("it is neither a file nor a folder");
            return Err(error(path, source));
        }
    }
    listing.files.sort_unstable();
    listing.files.dedup_by(|a, b| a.path == b.path);
    Ok(listing)
}

fn walk(folder: &Path, listing: &mut Listing) -> Result<(), ArchiveReadError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|source| error(&folder, source))? {
            let entry = entry.map_err(|source| error(&folder, source))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|source| error(&path, source))?;
            if is_unfinished(&path) {
                listing.passed_over += 1;
            } else if kind.is_dir() {
                folders.push(path);
            } else {
                let metadata = fs::metadata(&path).map_err(|source| error(&path, source))?;
                if metadata.is_file() {
                    let bytes = metadata.len();
                    listing.files.push(InputFile { path, bytes });
                } else {
                    listing.passed_over += 1;
                }
            }
        }
    }
    Ok(())
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"_") || name.ends_with(b".tmp")
}

fn error(path: &Path, source: io::Error) -> ArchiveReadError {
    ArchiveReadError {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_by_path_and_hidden_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join(".archive");
        for path in [
            "2026/11/20/10/b",
            "2026/11/20/09/c",
            "2026/11/20/09/a.gz",
            "2026/11/20/09/.hidden",
            "2026/11/20/09/_SUCCESS",
            "2026/11/20/09/a.tmp",
            ".git/config",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "abc").unwrap();
        }
        let again = root.join("2026/11/20/10/b");
        let listing = list(&[root.clone(), again]).unwrap();
        let names: Vec<&str> = listing
            .files
            .iter()
            .map(|file| file.path.strip_prefix(&root).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["2026/11/20/09/a.gz", "2026/11/20/09/c", "2026/11/20/10/b"]
        );
        assert_eq!((listing.passed_over, listing.bytes()), (4, 9));

        let hidden = root.join(".git/config");
        assert_eq!(list(&[hidden]).unwrap().files.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_go_round_in_a_circle() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        fs::write(path("a"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), path("circle")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("b")).unwrap();
        let listing = list(&[folder.path().to_owned()]).unwrap();
        assert_eq!((listing.files.len(), listing.passed_over), (2, 1));

        std::os::unix::fs::symlink(path("gone"), path("dangling")).unwrap();
        let error = list(&[folder.path().to_owned()]).unwrap_err();
        assert_eq!(error.path, path("dangling"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let path = PathBuf::from("/nowhere/at/all");
        let error = list(std::slice::from_ref(&path)).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all cannot be read");
    }
}
