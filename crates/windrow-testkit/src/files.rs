//! The files in a folder.

use std::fs;
use std::path::{Path, PathBuf};

/// The paths of all files below a folder, in order. None if the folder is missing.
///
/// # Panics
///
/// If a folder below it cannot be read.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The texts of all files below a folder, in the order of their paths.
///
/// # Panics
///
/// If one cannot be read, or is not text.
#[must_use]
pub fn texts(folder: &Path) -> Vec<String> {
    let paths = files(folder).into_iter();
    paths
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}
