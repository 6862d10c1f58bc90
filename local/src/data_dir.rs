//! The directory that holds what outlives the process: the table and the archive.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";

/// A data directory that this process alone uses, for as long as this value lives.
///
/// The table's file and the archive's unfinished objects have one writer each; a second process
/// would corrupt them quietly, so it is turned away here instead.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // The operating system releases the lock when the file is closed, after a crash as well.
    _lock: File,
}

impl DataDir {
    /// Creates the directory when it is missing and takes its lock.
    ///
    /// # Errors
    ///
    /// [`DataDirError::InUse`] when another process holds the lock, [`DataDirError::Unusable`] when
    /// the directory cannot be made or written to. Both name the directory.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        let unusable = |source| DataDirError::Unusable {
            path: path.clone(),
            source,
        };

        fs::create_dir_all(&path).map_err(unusable)?;
        let lock_path = path.join(LOCK_FILE);
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = fs::read_to_string(&lock_path)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                return Err(DataDirError::InUse { path, process });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }

        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Why a data directory cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another process holds it: stop that one, or choose another directory.
    #[error("the data directory {} is in use by another local cloud{}", path.display(), holder(*process))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process's id, when its lock file tells.
        process: Option<u32>,
    },
    /// The directory cannot be made or written to.
    #[error("the data directory {} cannot be used", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

fn holder(process: Option<u32>) -> String {
    process
        .map(|id| format!(" (process {id})"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_turned_away_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();

        let Err(DataDirError::InUse { path, process }) = DataDir::open(folder.path()) else {
            panic!("the lock was given twice");
        };
        assert_eq!(path, folder.path());
        assert_eq!(process, Some(std::process::id()));

        drop(first);
        DataDir::open(folder.path()).unwrap();
    }

    #[test]
    fn an_unusable_directory_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();

        let error = DataDir::open(file.join("data")).unwrap_err();
        assert!(matches!(error, DataDirError::Unusable { .. }));
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
