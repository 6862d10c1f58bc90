//! Removes checkpoints that nothing goes on from any more. What cannot be removed stays, and is tried
//! again by the next start.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::whole_file::safe_name;

/// Removes the file of a shard.
pub(super) fn remove_shard(path: &Path) {
    log_failure(path, fs::remove_file(path));
}

/// Removes the checkpoints in `root` of streams that are not among `existing`, but not whether a mapping
/// is disabled: on Lambda too, a mapping outlives its stream. A stream of
/// the same name that is created later is another one, and is read from its start in any case.
pub(crate) fn remove_missing_streams(root: &Path, existing: &[String]) {
    // A file system may not tell capital letters from small ones.
    let folded = |name: &str| name.to_ascii_lowercase();
    let existing: BTreeSet<_> = existing
        .iter()
        .map(|name| folded(&safe_name(name)))
        .collect();
    for mapping in folders(root) {
        for stream in folders(&mapping) {
            let name = stream.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| !existing.contains(&folded(name))) {
                log_failure(&stream, fs::remove_dir_all(&stream));
            }
        }
    }
}

/// The folders in a folder, which may be missing.
fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

fn log_failure(path: &Path, removed: io::Result<()>) {
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot remove a checkpoint that is no longer needed");
    }
}
