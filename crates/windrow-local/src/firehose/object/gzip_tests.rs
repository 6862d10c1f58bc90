//! Tests of compressed objects and of prefixes.

use std::io::Read as _;

use flate2::read::GzDecoder;
use windrow_testkit::files::files;

use super::super::prefix::ObjectPrefix;
use super::tests::{arrival, open_with};
use super::*;

fn gzip(folder: &Path) -> (ObjectWriter, ObjectsFound) {
    open_with(folder, |settings| {
        settings.destination.compression = Compression::Gzip;
    })
}

/// The content of a file that is one gzip member and nothing else.
fn unpacked(path: &Path) -> String {
    let mut decoder = GzDecoder::new(File::open(path).unwrap());
    let mut text = String::new();
    decoder.read_to_string(&mut text).unwrap();
    let mut rest = Vec::new();
    decoder.into_inner().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    text
}

#[test]
fn an_object_is_one_gzip_file_whose_name_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = gzip(folder.path());
    let now = Instant::now();
    for data in ["first ", "second"] {
        let at = arrival("2026-11-20T09:59:58Z");
        writer.append(data.as_bytes(), at, now, None).unwrap();
    }
    let objects = files(&folder.path().join("archive/rides/2026/11/20/09"));
    let [object] = &objects[..] else {
        panic!("{objects:?}")
    };
    let name = object.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("rides-1-2026-11-20-09-59-58-"), "{name}");
    assert!(name.ends_with(".gz"), "{name}");
    assert_eq!(unpacked(object), "first second");
    assert_eq!(files(&folder.path().join("incoming")), [] as [PathBuf; 0]);
}

#[test]
fn a_process_that_is_killed_while_it_compresses_delivers_once() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let (mut killed, _) = gzip(folder.path());
    let at = arrival("2026-11-20T09:00:00Z");
    killed.append(b"kept", at, Instant::now(), None).unwrap();
    drop(killed);
    let object = files(&folder.path().join("incoming")).pop().unwrap();
    let half = PathBuf::from(format!("{}.tmp", object.display()));
    fs::write(half, "half of a gzip file").unwrap();

    let (mut writer, found) = gzip(folder.path());
    assert_eq!((found.objects, found.bytes, found.removed), (1, 4, 0));
    assert_eq!(files(&folder.path().join("incoming")), [] as [PathBuf; 0]);
    let delivered = files(&archive);
    assert_eq!(unpacked(&delivered[0]), "kept");

    // Killed after the complete object is in its place, before the plain one is removed.
    fs::write(&object, "kept").unwrap();
    gzip(folder.path());
    assert_eq!(files(&archive), delivered);
    assert_eq!(unpacked(&delivered[0]), "kept");

    writer.append(b"later", at, Instant::now(), None).unwrap();
    writer.deliver().unwrap();
    let mut texts: Vec<String> = files(&archive).iter().map(|path| unpacked(path)).collect();
    texts.sort();
    assert_eq!(texts, ["kept", "later"]);
}

#[test]
fn an_object_that_cannot_be_compressed_yet_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive/rides");
    let (mut writer, _) = gzip(folder.path());
    fs::remove_dir(&archive).unwrap();
    fs::write(&archive, "in the way").unwrap();
    let at = arrival("2026-11-20T09:00:00Z");
    writer
        .append(b"acknowledged", at, Instant::now(), None)
        .unwrap();
    writer.deliver().unwrap_err();
    let incoming = files(&folder.path().join("incoming"));
    assert_eq!(incoming.len(), 1, "{incoming:?}");

    fs::remove_file(&archive).unwrap();
    writer.deliver().unwrap();
    assert_eq!(unpacked(&files(&archive)[0]), "acknowledged");
}

#[test]
fn an_object_goes_where_its_prefix_says() {
    for (prefix, extension, start, end) in [
        ("readings/", None, "readings/2026/11/20/09/rides-1-", ""),
        (
            "y=!{timestamp:yyyy}/of-",
            Some(".jsonl"),
            "y=2026/of-rides-1-",
            ".jsonl",
        ),
        ("!{timestamp:yyyy}", None, "2026rides-1-", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, _) = open_with(folder.path(), |settings| {
            settings.destination.prefix = Some(ObjectPrefix::parse(prefix).unwrap());
            settings.destination.file_extension = extension.map(str::to_owned);
        });
        let at = arrival("2026-11-20T09:00:00Z");
        writer.append(b"a", at, Instant::now(), None).unwrap();
        writer.deliver().unwrap();
        let archive = folder.path().join("archive/rides");
        let objects = files(&archive);
        let key = objects[0].strip_prefix(&archive).unwrap().to_str().unwrap();
        assert!(key.starts_with(start) && key.ends_with(end), "{key}");
    }
}
