//! The lock of a folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::files;
use crate::report::OpenError;

const FILE: &str = "lock";

/// Keeps every other process out of a folder as long as it lives. After a crash the system unlocks it.
#[derive(Debug)]
pub(super) struct FolderLock(File);

impl FolderLock {
    /// Locks a folder.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] and [`OpenError::Unusable`].
    pub(super) fn new(root: &Path) -> Result<Self, OpenError> {
        let path = root.join(FILE);
        let unusable = |source| OpenError::Unusable {
            path: path.clone(),
            source,
        };
        let file = files::open_or_create(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                path: root.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(OpenError::Unusable { path, source }),
        }
    }
}

impl Drop for FolderLock {
    /// Closing the file would not do: a process that this one is just starting has a copy of it until
    /// it runs its program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
