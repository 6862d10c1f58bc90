//! Small files that are replaced as a whole: a reader finds the one before or the one after.
//!
//! They are written beside their place and renamed, so a killed process leaves no half of one.
//! Nothing is flushed to the disk itself: what a process has written survives the process, though
//! not a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::data_dir::without_following;

/// The end of the names of files that are being written.
pub(crate) const UNFINISHED: &str = "tmp";

/// Replaces a file. Creates its folder if it is missing.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    /// Two writers must not share an unfinished file.
    static NUMBER: AtomicU64 = AtomicU64::new(0);

    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{number}.{UNFINISHED}"));
    let written = create(&unfinished, path)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // On a full disk, half of a file would only take room.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Creates an unfinished file, or empties the one that is there.
pub(crate) fn create_unfinished(unfinished: &Path) -> io::Result<File> {
    without_following(OpenOptions::new().write(true).create(true).truncate(true)).open(unfinished)
}

fn create(unfinished: &Path, path: &Path) -> io::Result<File> {
    let create = || create_unfinished(unfinished);
    match (create(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            create()
        }
        (file, _) => file,
    }
}

/// Reads a file; `None` if there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = without_following(OpenOptions::new().read(true)).open(path);
    let mut file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Removes what killed processes left unfinished in a folder, which may be missing.
pub(crate) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == UNFINISHED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A name as that of a file or folder: anything but letters, digits, `_`, `-` and inner dots is
/// escaped, so that no name leads elsewhere and no two names are the same.
pub(crate) fn safe_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => safe.push(char::from(byte)),
            b'.' if index > 0 => safe.push('.'),
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    if safe.is_empty() {
        "%".to_owned()
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.json");
        assert_eq!(read(&path).unwrap(), None);
        for content in ["one, which is longer", "two"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), content.as_bytes());
        }
        let left = path.with_extension("7.tmp");
        fs::write(&left, "half").unwrap();
        remove_unfinished(path.parent().unwrap()).unwrap();
        assert!(path.exists() && !left.exists());
        remove_unfinished(&folder.path().join("missing")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_replaced_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        let path = folder.path().join("file.json");
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        assert!(read(&path).is_err());
        replace(&path, b"new").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"new");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    }

    #[test]
    fn names_stay_in_their_folder() {
        for (name, safe) in [
            ("shardId-000000000000", "shardId-000000000000"),
            ("a.b_c", "a.b_c"),
            ("..", "%2E."),
            (".", "%2E"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("", "%"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(safe_name(name), safe);
        }
    }
}
