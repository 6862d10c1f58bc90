//! The object files of one delivery stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::BufferingHints;

/// Writes one object at a time: under `incoming` while it grows, in the archive when it is
/// complete.
#[derive(Debug)]
pub(super) struct ObjectWriter {
    name: String,
    incoming: PathBuf,
    archive: PathBuf,
    buffering: BufferingHints,
    open: Option<OpenObject>,
}

#[derive(Debug)]
struct OpenObject {
    file: File,
    name: String,
    bytes: u64,
    due: Instant,
}

impl ObjectWriter {
    /// Creates the directories and delivers what a killed process left in `incoming`.
    pub(super) fn open(
        incoming: &Path,
        archive: &Path,
        name: &str,
        buffering: BufferingHints,
    ) -> io::Result<Self> {
        let writer = Self {
            name: name.to_owned(),
            incoming: incoming.join(name),
            archive: archive.join(name),
            buffering,
            open: None,
        };
        fs::create_dir_all(&writer.incoming)?;
        fs::create_dir_all(&writer.archive)?;
        for left_behind in fs::read_dir(&writer.incoming)? {
            let file_name = left_behind?.file_name();
            if let Some(object) = file_name.to_str() {
                writer.archive(object)?;
            }
        }
        Ok(writer)
    }

    /// Appends all of the data, or none, to the open object or to a new one. Delivers the object
    /// when it is full.
    pub(super) fn append(
        &mut self,
        data: &[u8],
        arrival: Timestamp,
        now: Instant,
    ) -> io::Result<()> {
        // A full object that is still open could not be delivered. It must not grow without bound.
        if self.is_full() {
            self.deliver()?;
        }
        let object = match self.open.take() {
            Some(object) => object,
            None => self.create(arrival, now)?,
        };
        let object = self.open.insert(object);

        if let Err(error) = object.file.write_all(data) {
            // The part that was written is not acknowledged, so the client retries it.
            if let Err(error) = object.file.set_len(object.bytes) {
                tracing::error!(object = object.name, %error, "an object keeps part of a failed put");
            }
            return Err(error);
        }
        object.bytes = object.bytes.saturating_add(data.len() as u64);

        if self.is_full()
            && let Err(error) = self.deliver()
        {
            // The data itself is written, so the put succeeds.
            tracing::error!(delivery_stream = self.name, %error, "a full object could not be delivered yet");
        }
        Ok(())
    }

    /// Delivers the open object if its interval has passed. After a failure, the next try is one
    /// interval later.
    pub(super) fn deliver_if_due(&mut self, now: Instant) -> io::Result<()> {
        let Some(object) = self.open.as_mut().filter(|object| object.due <= now) else {
            return Ok(());
        };
        object.due = now + self.buffering.interval;
        self.deliver()
    }

    /// Delivers the open object, if there is one. It stays open if that fails.
    pub(super) fn deliver(&mut self) -> io::Result<()> {
        if let Some(object) = &self.open {
            self.archive(&object.name)?;
            self.open = None;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|object| object.bytes >= self.buffering.bytes)
    }

    fn create(&self, oldest: Timestamp, now: Instant) -> io::Result<OpenObject> {
        // Someone may have deleted the directory since the last object.
        fs::create_dir_all(&self.incoming)?;
        let time = oldest.strftime("%Y-%m-%d-%H-%M-%S");
        let name = format!("{}-1-{time}-{}", self.name, Uuid::new_v4());
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(self.incoming.join(&name))?;
        Ok(OpenObject {
            file,
            name,
            bytes: 0,
            due: now + self.buffering.interval,
        })
    }

    /// Moves an object from `incoming` to the folder of its hour. Removes it if it is empty:
    /// nothing in it was acknowledged.
    fn archive(&self, object: &str) -> io::Result<()> {
        let Some(hour) = self.hour_of(object) else {
            tracing::warn!(
                delivery_stream = self.name,
                object,
                "ignoring an unknown file among the unfinished objects"
            );
            return Ok(());
        };
        let unfinished = self.incoming.join(object);
        let bytes = match fs::symlink_metadata(&unfinished) {
            Ok(metadata) if !metadata.is_file() => {
                tracing::warn!(
                    delivery_stream = self.name,
                    object,
                    "ignoring an unfinished object that is not a file"
                );
                return Ok(());
            }
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Retrying would not bring it back, and would block every later object.
                tracing::error!(
                    delivery_stream = self.name,
                    object,
                    "an unfinished object was deleted"
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if bytes == 0 {
            return fs::remove_file(unfinished);
        }
        let folder = self.archive.join(hour);
        fs::create_dir_all(&folder)?;
        fs::rename(unfinished, folder.join(object))
    }

    /// `YYYY/MM/DD/HH`, from the object's name.
    fn hour_of(&self, object: &str) -> Option<String> {
        let time = object
            .strip_prefix(&self.name)?
            .strip_prefix("-1-")?
            .get(.."YYYY-MM-DD-HH".len())?;
        if !time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            return None;
        }
        Some(time.replace('-', "/"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    const HINTS: BufferingHints = BufferingHints {
        bytes: 10,
        interval: Duration::from_secs(60),
    };

    fn arrival(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn objects(folder: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                found.extend(objects(&entry.path()));
            } else {
                let text = fs::read_to_string(entry.path()).unwrap();
                found.push((entry.path().to_string_lossy().into_owned(), text));
            }
        }
        found.sort();
        found
    }

    fn open(folder: &Path) -> ObjectWriter {
        ObjectWriter::open(
            &folder.join("incoming"),
            &folder.join("archive"),
            "rides",
            HINTS,
        )
        .unwrap()
    }

    #[test]
    fn an_object_is_named_by_its_oldest_record_and_delivered_when_full() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path());
        let now = Instant::now();
        writer
            .append(b"first ", arrival("2026-11-20T09:59:58Z"), now)
            .unwrap();
        assert_eq!(objects(&folder.path().join("archive")), []);
        writer
            .append(b"second", arrival("2026-11-20T10:00:01Z"), now)
            .unwrap();

        let archived = objects(&folder.path().join("archive/rides/2026/11/20/09"));
        let [(path, text)] = archived.as_slice() else {
            panic!("{archived:?}")
        };
        assert_eq!(text, "first second");
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let random = name.strip_prefix("rides-1-2026-11-20-09-59-58-").unwrap();
        Uuid::parse_str(random).unwrap();
        assert_eq!(objects(&folder.path().join("incoming")), []);
    }

    #[test]
    fn an_object_is_due_an_interval_after_its_first_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path());
        let start = Instant::now();
        writer
            .append(b"a", arrival("2026-11-20T09:00:00Z"), start)
            .unwrap();
        writer
            .append(
                b"b",
                arrival("2026-11-20T09:00:50Z"),
                start + Duration::from_secs(50),
            )
            .unwrap();
        writer
            .deliver_if_due(start + Duration::from_secs(59))
            .unwrap();
        assert_eq!(objects(&folder.path().join("archive")), []);
        writer
            .deliver_if_due(start + Duration::from_secs(60))
            .unwrap();
        assert_eq!(objects(&folder.path().join("archive")).len(), 1);
        writer
            .deliver_if_due(start + Duration::from_secs(600))
            .unwrap();
        assert_eq!(objects(&folder.path().join("archive")).len(), 1);
    }

    #[test]
    fn objects_of_a_killed_process_are_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let mut killed = open(folder.path());
        killed
            .append(b"kept", arrival("2026-11-20T09:00:00Z"), Instant::now())
            .unwrap();
        drop(killed);
        fs::write(folder.path().join("incoming/rides/foreign"), "not ours").unwrap();
        fs::write(
            folder
                .path()
                .join("incoming/rides/rides-1-2026-11-20-09-00-00-empty"),
            "",
        )
        .unwrap();

        open(folder.path());
        let archived = objects(&folder.path().join("archive/rides/2026/11/20/09"));
        assert_eq!(archived.len(), 1, "{archived:?}");
        assert_eq!(archived[0].1, "kept");
        assert_eq!(
            objects(&folder.path().join("incoming")).len(),
            1,
            "the foreign file stays"
        );
    }

    #[test]
    fn a_cleared_data_directory_does_not_stop_later_objects() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path());
        let at = arrival("2026-11-20T09:00:00Z");
        writer.append(b"cleared", at, Instant::now()).unwrap();
        fs::remove_dir_all(folder.path().join("incoming")).unwrap();
        fs::remove_dir_all(folder.path().join("archive")).unwrap();
        writer.deliver().unwrap();

        writer.append(b"later", at, Instant::now()).unwrap();
        writer.deliver().unwrap();
        let archived = objects(&folder.path().join("archive"));
        assert_eq!(archived.len(), 1, "{archived:?}");
        assert_eq!(archived[0].1, "later");
    }

    proptest! {
        #[test]
        fn joined_objects_equal_the_joined_puts(
            puts in vec(("[a-z]{0,30}", 1_i64..4_000), 1..20),
            restart_at in 0_usize..20,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = open(folder.path());
            let mut second = 1_795_166_228;
            for (index, (data, gap)) in puts.iter().enumerate() {
                second += gap;
                let arrival = Timestamp::from_second(second).unwrap();
                writer.append(data.as_bytes(), arrival, Instant::now()).unwrap();
                if index == restart_at {
                    writer = open(folder.path());
                }
            }
            writer.deliver().unwrap();

            // Arrivals are seconds apart, so names sort in the order of creation.
            let archived: String = objects(&folder.path().join("archive")).into_iter().map(|(_, text)| text).collect();
            let put: String = puts.into_iter().map(|(data, _)| data).collect();
            prop_assert_eq!(archived, put);
        }
    }

    #[test]
    fn an_undeliverable_object_is_kept_and_stops_growing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path());
        let archive = folder.path().join("archive/rides");
        fs::remove_dir(&archive).unwrap();
        fs::write(&archive, "in the way").unwrap();

        let now = Instant::now();
        let at = arrival("2026-11-20T09:00:00Z");
        writer.append(b"acknowledged", at, now).unwrap();
        writer.append(b"failed", at, now).unwrap_err();
        writer.deliver_if_due(now + HINTS.interval).unwrap_err();

        fs::remove_file(&archive).unwrap();
        writer.append(b"later", at, now).unwrap();
        writer.deliver().unwrap();
        let mut texts: Vec<_> = objects(&archive)
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        texts.sort();
        assert_eq!(texts, ["acknowledged", "later"]);
    }
}
