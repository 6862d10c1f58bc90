//! The data directory, which outlives the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const DATABASE_FILE: &str = "table.db";
const RUNNING_FILE: &str = "running";

/// The suffixes of the files that SQLite keeps next to a database.
const DATABASE_COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A data directory, locked for this process as long as this value lives.
///
/// The table's file and the archive's unfinished objects have one writer each. A second process
/// would silently corrupt them, so it gets an error here instead.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // The operating system releases the lock when the file is closed, after a crash as well.
    _lock: File,
}

impl DataDir {
    /// Creates the directory if it is missing, and locks it.
    ///
    /// # Errors
    ///
    /// [`DataDirError::InUse`] if another process holds the lock, [`DataDirError::Link`] if the
    /// lock file is a symbolic link, and [`DataDirError::Unusable`] if the directory cannot be
    /// created or written to. Each has the path.
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

    /// The directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an earlier run has left data, and whether it ended without a clean stop.
    pub(crate) fn earlier_run(&self) -> Option<EarlierRun> {
        let exists = |file| fs::symlink_metadata(self.path.join(file)).is_ok();
        let is_unclean = exists(RUNNING_FILE);
        (is_unclean || exists(DATABASE_FILE)).then_some(EarlierRun { is_unclean })
    }

    /// Marks the directory as used by a run, until [`end_run`](Self::end_run).
    ///
    /// # Errors
    ///
    /// [`DataDirError::Unusable`] if the directory cannot be written to.
    pub(crate) fn begin_run(&self) -> Result<(), DataDirError> {
        let path = self.path.join(RUNNING_FILE);
        let options = &mut OpenOptions::new();
        without_following(options.create(true).truncate(true).write(true))
            .open(&path)
            .and_then(|mut file| writeln!(file, "{}", std::process::id()))
            .map_err(|source| DataDirError::of_file(&path, source))
    }

    /// Removes the mark of a run that ends cleanly.
    pub(crate) fn end_run(&self) {
        let path = self.path.join(RUNNING_FILE);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove the mark of this run");
        }
    }

    /// The path of the database's file, which need not exist yet.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Link`] if it, or a file that SQLite keeps next to it, is a symbolic link,
    /// which SQLite would follow.
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

/// A run that has used a data directory before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EarlierRun {
    /// Whether it ended without a clean stop.
    pub(crate) is_unclean: bool,
}

/// Makes `options` reject a symbolic link instead of following it, and a pipe instead of waiting
/// for its other end.
///
/// The file names in a data directory are predictable. Otherwise anyone who can write to the
/// directory could replace a file by a link, and make this process overwrite a file that only its
/// user can write.
pub(crate) fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Another process uses it: stop that one, or choose another directory.
    #[error("the data directory {} is in use by another local cloud{}", path.display(), holder(*process))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process's id, if it is in the lock file.
        process: Option<u32>,
    },
    /// One of its files is a symbolic link, which is not followed: remove it, or choose another
    /// directory.
    #[error("{} is a symbolic link, which is not allowed in a data directory: remove it", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The directory cannot be created or written to.
    #[error("the data directory {} cannot be used", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The operating system's error.
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
    fn a_directory_is_locked_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();

        let Err(DataDirError::InUse { path, process }) = DataDir::open(folder.path()) else {
            panic!("the directory was locked twice");
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
    fn a_run_leaves_a_mark_unless_it_ends_cleanly() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = || {
            let data_dir = DataDir::open(folder.path()).unwrap();
            let earlier = data_dir.earlier_run().map(|earlier| earlier.is_unclean);
            (data_dir, earlier)
        };
        let (killed, before) = earlier();
        assert_eq!(before, None);
        killed.begin_run().unwrap();
        drop(killed);
        let (clean, before) = earlier();
        assert_eq!(before, Some(true));
        clean.begin_run().unwrap();
        clean.end_run();
        drop(clean);
        fs::write(folder.path().join(DATABASE_FILE), "").unwrap();
        assert_eq!(earlier().1, Some(false));
    }

    #[test]
    fn the_error_names_an_unusable_directory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();

        let error = DataDir::open(file.join("data")).unwrap_err();
        assert!(matches!(error, DataDirError::Unusable { .. }));
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
