//! The directory that holds what outlives the process: the table and the archive.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const DATABASE_FILE: &str = "table.db";

/// What SQLite puts beside a database's file.
const DATABASE_COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

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
        let mut lock =
            without_following(OpenOptions::new().create(true).truncate(false).write(true))
                .open(&lock_path)
                .map_err(|source| DataDirError::of_file(&lock_path, source))?;
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

    /// The database's file, which need not be there yet.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Link`] where it, or a file that SQLite keeps beside it, is a link: SQLite would
    /// follow it.
    pub(crate) fn database(&self) -> Result<PathBuf, DataDirError> {
        let file = self.path.join(DATABASE_FILE);
        let companions = DATABASE_COMPANIONS.map(|end| format!("{DATABASE_FILE}{end}"));
        for name in companions.iter().map(String::as_str).chain([DATABASE_FILE]) {
            let path = self.path.join(name);
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
                return Err(DataDirError::Link { path });
            }
        }
        Ok(file)
    }
}

/// Has `options` fail where the file is a link, in place of opening what it leads to, or a pipe, in place
/// of waiting for its other end.
///
/// Names in a data directory are known beforehand. Who may write into it could put a link in a file's
/// place, and have this process overwrite what only its user may.
pub(crate) fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
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
    /// A file of it is a link, which is not followed: remove it, or choose another directory.
    #[error("{} is a link, and a link in place of a data directory's file is not followed: remove it", path.display())]
    Link {
        /// The link.
        path: PathBuf,
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

impl DataDirError {
    /// Why a file of the directory cannot be opened.
    fn of_file(path: &Path, source: io::Error) -> Self {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
            return Self::Link {
                path: path.to_owned(),
            };
        }
        Self::Unusable {
            path: path.parent().unwrap_or(path).to_owned(),
            source,
        }
    }
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

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        let data = folder.path().join("data");
        for name in ["lock", "table.db", "table.db-wal", "table.db-journal"] {
            fs::create_dir_all(&data).unwrap();
            let link = data.join(name);
            std::os::unix::fs::symlink(&precious, &link).unwrap();

            let opened = DataDir::open(&data).and_then(|opened| opened.database());
            let Err(DataDirError::Link { path }) = opened else {
                panic!("{name}: {opened:?}");
            };
            assert_eq!(path, link);
            assert_eq!(fs::read_to_string(&precious).unwrap(), "mine", "{name}");
            fs::remove_dir_all(&data).unwrap();
        }

        let mut options = OpenOptions::new();
        std::os::unix::fs::symlink(&precious, folder.path().join("log")).unwrap();
        let options = without_following(options.create(true).append(true));
        assert!(options.open(folder.path().join("log")).is_err());
        assert!(options.open(folder.path().join("another")).is_ok());
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
