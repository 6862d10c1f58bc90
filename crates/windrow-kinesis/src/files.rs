//! Files: opened without following links, read and written at offsets, and replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Makes `options` reject a symbolic link instead of following it. The names in the folder are
/// predictable, so otherwise whoever can write to it could make this process write elsewhere.
fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    without_following(OpenOptions::new().read(true)).open(path)
}

pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    without_following(OpenOptions::new().read(true).write(true)).open(path)
}

/// Opens the file, and creates it if it is missing.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    without_following(options).open(path)
}

/// Creates a file that must not exist.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    without_following(OpenOptions::new().read(true).write(true).create_new(true)).open(path)
}

/// Reads at an offset, without moving the file's cursor.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Reads at an offset. Here this moves the file's cursor.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut at = offset;
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        at += read as u64;
    }
    Ok(())
}

/// Writes all slices in order at an offset, with as few calls as the system allows: one for up to
/// 1,024 slices. One thread at a time can do that.
#[cfg(unix)]
pub(crate) fn write_all_vectored_at(
    mut file: &File,
    mut slices: &mut [io::IoSlice<'_>],
    offset: u64,
) -> io::Result<()> {
    // Nothing else moves the cursor here.
    io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
    io::IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => io::IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all slices in order at an offset. Whoever reads the file moves the cursor, so each write
/// says where it goes.
#[cfg(windows)]
pub(crate) fn write_all_vectored_at(
    file: &File,
    slices: &mut [io::IoSlice<'_>],
    offset: u64,
) -> io::Result<()> {
    let mut at = offset;
    for slice in slices {
        let mut rest: &[u8] = slice;
        while !rest.is_empty() {
            let written = std::os::windows::fs::FileExt::seek_write(file, rest, at)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
            at += written as u64;
        }
    }
    Ok(())
}

/// The path of the file that `path` is written to before it is replaced.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Replaces a file as a whole: after a crash it has the old or the new content.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = temporary(path);
    let written = write_new(&new, content).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(path)?;
    file.write_all(content)?;
    file.sync_data()
}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Windows has no such call.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_its_new_content_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(temporary(&path), "left over from a crash").unwrap();
        for content in ["one", "two"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn slices_are_written_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let parts: Vec<Vec<u8>> = (0..3000_u32).map(|n| n.to_le_bytes().to_vec()).collect();
        let mut slices: Vec<_> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
        let file = create(&path).unwrap();
        write_all_vectored_at(&file, &mut slices, 0).unwrap();
        assert_eq!(fs::read(&path).unwrap(), parts.concat());
        write_all_vectored_at(&file, &mut [io::IoSlice::new(b"!")], 5).unwrap();
        assert_eq!(fs::read(&path).unwrap()[4..7], [1, b'!', 0]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, link) = (folder.path().join("precious"), folder.path().join("link"));
        fs::write(&precious, "mine").unwrap();
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        assert!(open_to_write(&link).is_err());
        assert!(open_to_read(&link).is_err());
        assert!(open_or_create(&link).is_err());
    }
}
