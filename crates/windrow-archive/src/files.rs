//! Lists the files of an archive.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::ArchiveReadError;

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Its length in bytes when it was listed, compressed or not.
    pub bytes: u64,
    /// The day of its folder below the listed one, as `2026/11/20`. `None` if the folders are not
    /// named by year, month and day.
    pub day: Option<String>,
}

/// The files of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveListing {
    /// The files, sorted by path, each once, however many paths and links lead to it.
    pub files: Vec<ArchiveFile>,
    /// How many hidden, unfinished and special files, links to folders and loops of links were
    /// skipped.
    pub skipped: u64,
}

impl ArchiveListing {
    /// Length of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Lists the given files, and the files in the given folders at any depth.
///
/// Within a folder, files and folders whose names start with `.` or `_` or end with `.tmp` are
/// skipped: tools use such names for hidden or unfinished files. Links to files are followed; links
/// to folders are skipped, since they may form a loop, and so are links that lead to themselves. A
/// file that is deleted while its folder is being listed is left out. A path that is given itself is
/// listed whatever its name.
///
/// Of several paths of one file, such as hard links, the listing has the first in the order of the
/// paths, and those with a day before others.
///
/// # Errors
///
/// [`ArchiveReadError`] if a path does not exist, a folder cannot be listed, a link leads to a file
/// that does not exist, or a given path is neither a file nor a folder.
pub fn list(paths: &[PathBuf]) -> Result<ArchiveListing, ArchiveReadError> {
    let mut listing = ArchiveListing::default();
    let mut found = HashMap::new();
    let mut add = |file: ArchiveFile, metadata: &Metadata| {
        let identity = identity(&file.path, metadata);
        match found.entry(identity.map_err(|source| error(&file.path, source))?) {
            Entry::Vacant(entry) => {
                entry.insert(file);
            }
            Entry::Occupied(mut entry) => {
                let order = |file: &ArchiveFile| (file.day.is_none(), file.path.clone());
                if order(&file) < order(entry.get()) {
                    entry.insert(file);
                }
            }
        }
        Ok(())
    };
    for path in paths {
        let metadata = fs::metadata(path).map_err(|source| error(path, source))?;
        if metadata.is_dir() {
            list_folder(path, &mut add, &mut listing.skipped)?;
        } else if metadata.is_file() {
            let file = ArchiveFile {
                path: path.clone(),
                bytes: metadata.len(),
                day: None,
            };
            add(file, &metadata)?;
        } else {
            let source = io::Error::other("it is neither a file nor a folder");
            return Err(error(path, source));
        }
    }
    listing.files = found.into_values().collect();
    listing.files.sort_unstable();
    Ok(listing)
}

/// What tells files apart: the device and the number of a file.
#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Ok((metadata.dev(), metadata.ino()))
}

/// What tells files apart: the path without links.
#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

fn list_folder(
    folder: &Path,
    add: &mut impl FnMut(ArchiveFile, &Metadata) -> Result<(), ArchiveReadError>,
    skipped: &mut u64,
) -> Result<(), ArchiveReadError> {
    let mut entries = WalkDir::new(folder).min_depth(1).into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(failure) if is_deleted(&failure) => continue,
            Err(failure) => return Err(walk_error(folder, failure)),
        };
        let kind = entry.file_type();
        if is_unfinished(&entry) {
            *skipped += 1;
            if kind.is_dir() {
                entries.skip_current_dir();
            }
            continue;
        }
        if kind.is_dir() {
            continue;
        }
        let path = entry.path();
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(failure) if failure.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => {
                continue;
            }
            Err(failure) if kind.is_symlink() && is_loop(&failure) => {
                *skipped += 1;
                continue;
            }
            Err(source) => return Err(error(path, source)),
        };
        if metadata.is_file() {
            let file = ArchiveFile {
                bytes: metadata.len(),
                day: day(path.strip_prefix(folder).unwrap_or(path)),
                path: path.to_owned(),
            };
            add(file, &metadata)?;
        } else {
            *skipped += 1;
        }
    }
    Ok(())
}

/// Whether a folder or file was deleted after its parent was listed.
fn is_deleted(failure: &walkdir::Error) -> bool {
    let kind = failure.io_error().map(io::Error::kind);
    failure.depth() > 0 && kind == Some(io::ErrorKind::NotFound)
}

/// Whether a link cannot be followed although it leads somewhere and may be read: to itself.
fn is_loop(failure: &io::Error) -> bool {
    let other = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied];
    !other.contains(&failure.kind())
}

fn is_unfinished(entry: &DirEntry) -> bool {
    let name = entry.file_name().as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"_") || name.ends_with(b".tmp")
}

/// The first three folders of a path, if they are a year, a month and a day.
fn day(path: &Path) -> Option<String> {
    let mut folders = path.parent()?.iter().map(|name| name.to_str());
    let mut digits = |count| {
        let name = folders.next()??;
        let is_number = name.len() == count && name.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(name)
    };
    let (year, month, day) = (digits(4)?, digits(2)?, digits(2)?);
    Some(format!("{year}/{month}/{day}"))
}

fn walk_error(folder: &Path, failure: walkdir::Error) -> ArchiveReadError {
    let path = failure.path().unwrap_or(folder).to_owned();
    let source = failure.into();
    ArchiveReadError { path, source }
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

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "abc").unwrap();
    }

    #[test]
    fn files_are_sorted_and_hidden_ones_skipped() {
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
            write(&root.join(path));
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
        assert_eq!((listing.skipped, listing.bytes()), (4, 9));

        let hidden = root.join(".git/config");
        assert_eq!(list(&[hidden]).unwrap().files.len(), 1);
    }

    #[test]
    fn a_file_has_the_day_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "2026/11/19/23/c",
            "2026/11/20/d",
            "2026/1a/20/e",
            "2026/x",
            "y",
        ] {
            write(&folder.path().join(path));
        }
        let listing = list(&[folder.path().to_owned()]).unwrap();
        let days = listing.files.iter().map(|file| file.day.as_deref());
        let days: Vec<_> = days.collect();
        assert_eq!(
            days,
            [Some("2026/11/19"), Some("2026/11/20"), None, None, None]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        fs::write(path("a"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), path("circle")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("b")).unwrap();
        std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
        let listing = list(&[folder.path().to_owned()]).unwrap();
        assert_eq!((listing.files.len(), listing.skipped), (1, 2));

        std::os::unix::fs::symlink(path("gone"), path("dangling")).unwrap();
        let error = list(&[folder.path().to_owned()]).unwrap_err();
        assert_eq!(error.path, path("dangling"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_several_paths_is_listed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("2026/11/20/09/b"));
        write(&path("2026/11/20/09/c"));
        fs::hard_link(path("2026/11/20/09/b"), path("2026/11/20/09/a")).unwrap();
        std::os::unix::fs::symlink(path("2026/11/20/09/c"), path("0")).unwrap();
        let detour = path("2026/../2026/11/20/09/c");
        let paths = [detour, path("0"), path("2026"), folder.path().to_owned()];
        let listing = list(&paths).unwrap();
        let files = listing.files.into_iter().map(|file| (file.path, file.day));
        let day = || Some("2026/11/20".to_owned());
        assert_eq!(
            files.collect::<Vec<_>>(),
            [
                (path("2026/11/20/09/a"), day()),
                (path("2026/11/20/09/c"), day())
            ]
        );
        assert_eq!(listing.skipped, 0);
    }

    #[test]
    fn a_missing_path_is_named() {
        let path = PathBuf::from("/nowhere/at/all");
        let error = list(std::slice::from_ref(&path)).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all cannot be read");
    }
}
