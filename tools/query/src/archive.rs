//! The archive: files of lines in folders by the hour of their arrival, as Firehose leaves them.

mod columns;
mod filter;
mod lines;
mod provider;
mod readings;
mod rejects;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use provider::{ArchiveTable, Contents};

/// How deep folders are looked into: year, month, day and hour are four. What is deeper is a circle.
const DEEPEST: usize = 12;

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is none.
    #[error(
        "there is nothing in {}: `cargo run -p producer -- --name Shadowfax` fills an archive \
         (its first file is there after a minute, or when it ends); --data-dir and --archive say where one lies",
        folder.display()
    )]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A folder cannot be listed or a file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The folder or the file.
        path: PathBuf,
        /// What the operating system said, or what is wrong with the compressed data.
        #[source]
        source: io::Error,
    },
    /// A compressed file ends too early.
    #[error("{} is cut off: its compressed data ends in the middle", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
    },
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Where it is.
    pub path: PathBuf,
    /// How long it is, compressed or not.
    pub bytes: u64,
    /// The day of its folder, as `2026/11/20`; none where it lies in no day's folder.
    pub day: Option<String>,
}

/// All files in a folder and the folders in it, by path. Hidden files, which are being written or
/// copied, are not seen; a folder that is not there holds none.
///
/// # Errors
/// [`ArchiveError::Unreadable`].
pub fn list(folder: &Path) -> Result<Vec<ArchiveFile>, ArchiveError> {
    let mut files = Vec::new();
    list_into(folder, &mut Vec::new(), &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn list_into(
    folder: &Path,
    names: &mut Vec<String>,
    files: &mut Vec<ArchiveFile>,
) -> Result<(), ArchiveError> {
    let unreadable = |source| ArchiveError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or(OsStr::new("")).to_string_lossy();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Somebody cleared it away since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ArchiveError::Unreadable { path, source }),
        };
        if metadata.is_file() {
            files.push(ArchiveFile {
                day: day(names),
                bytes: metadata.len(),
                path,
            });
        } else if metadata.is_dir() && names.len() < DEEPEST {
            names.push(name.into_owned());
            list_into(&path, names, files)?;
            names.pop();
        }
    }
    Ok(())
}

/// The first three names, where they are a year, a month and a day.
fn day(names: &[String]) -> Option<String> {
    let [year, month, day, ..] = names else {
        return None;
    };
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_day = digits(year, 4) && digits(month, 2) && digits(day, 2);
    is_day.then(|| format!("{year}/{month}/{day}"))
}

/// How far the scans of a query have come, and what they met.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    total: AtomicU64,
    broken: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Meter {
    /// Bytes that were read, and bytes that there are to read.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.read.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }

    /// How many lines of the files that were read to their ends could not be made sense of.
    pub fn broken(&self) -> u64 {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.values().sum()
    }

    fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A file that is read twice, for a join with itself, has no more broken lines for that.
    fn finish(&self, file: &ArchiveFile, broken: u64) {
        if broken > 0 {
            let mut all = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(file.path.clone(), broken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_by_path_with_the_day_of_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "line\n").unwrap();
        };
        write("2026/11/20/09/b");
        write("2026/11/20/09/a");
        write("2026/11/19/23/c");
        write("2026/11/19/23/.c.Xa3f");
        write("copied/2026/d");
        write("e");
        let files = list(folder.path()).unwrap();
        let seen: Vec<_> = files
            .iter()
            .map(|file| {
                let path = file.path.strip_prefix(folder.path()).unwrap();
                (path.to_str().unwrap(), file.day.as_deref(), file.bytes)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("2026/11/19/23/c", Some("2026/11/19"), 5),
                ("2026/11/20/09/a", Some("2026/11/20"), 5),
                ("2026/11/20/09/b", Some("2026/11/20"), 5),
                ("copied/2026/d", None, 5),
                ("e", None, 5),
            ]
        );
        assert_eq!(list(&folder.path().join("nowhere")).unwrap(), []);
    }
}
