//! The object files of one delivery stream.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::civil::DateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::committed::{Committed, CommittedObject, ObjectsFound};
use super::definition::{BufferingHints, Compression, DeliveryStream};
use super::prefix::ObjectPrefix;
use crate::whole_file;

/// The last record of a put, in the shard that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardPosition {
    /// The shard's ID.
    pub shard: String,
    /// The record's sequence number.
    pub sequence_number: String,
}

/// Writes one object at a time: under `incoming` while it grows, in the archive when it is
/// complete.
#[derive(Debug)]
pub(super) struct ObjectWriter {
    name: String,
    incoming: PathBuf,
    archive: PathBuf,
    buffering: BufferingHints,
    prefix: ObjectPrefix,
    compression: Compression,
    /// The end of a complete object's name.
    extension: String,
    open: Option<OpenObject>,
    committed: Committed,
    /// The file of `committed`.
    commits: PathBuf,
}

#[derive(Debug)]
struct OpenObject {
    file: File,
    name: String,
    bytes: u64,
    /// Whether part of a failed put may follow these bytes.
    is_torn: bool,
    due: Instant,
}

impl OpenObject {
    /// Removes what follows the acknowledged bytes.
    fn cut(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.bytes)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

impl ObjectWriter {
    /// Creates the directories, and delivers what a killed process left in `incoming`: what
    /// `committed` says is acknowledged, or everything if it says nothing.
    pub(super) fn open(
        incoming: &Path,
        archive: &Path,
        commits: PathBuf,
        stream: &DeliveryStream,
        committed: Option<Committed>,
    ) -> io::Result<(Self, ObjectsFound)> {
        let destination = &stream.settings.destination;
        let compression = destination.compression;
        let extension = destination.file_extension.clone();
        let mut writer = Self {
            name: stream.name.clone(),
            incoming: incoming.join(&stream.name),
            archive: archive.join(&stream.name),
            buffering: stream.settings.buffering,
            prefix: destination.prefix.clone().unwrap_or_default(),
            compression,
            extension: extension.unwrap_or_else(|| compression.extension().to_owned()),
            open: None,
            committed: Committed::default(),
            commits,
        };
        fs::create_dir_all(&writer.incoming)?;
        fs::create_dir_all(&writer.archive)?;
        // Of an object that was being compressed, the plain one is there too.
        whole_file::remove_unfinished(&writer.incoming)?;
        let mut found = ObjectsFound::default();
        for left_behind in fs::read_dir(&writer.incoming)? {
            let file_name = left_behind?.file_name();
            if let Some(object) = file_name.to_str() {
                if let Some(committed) = &committed {
                    found.removed += writer.cut(object, committed)?;
                }
                let bytes = writer.archive(object)?;
                found.objects += u64::from(bytes > 0);
                found.bytes += bytes;
            }
        }
        writer.commit(committed.unwrap_or_default())?;
        Ok((writer, found))
    }

    /// Cuts an unfinished object to what is acknowledged, which may be nothing. Returns how many bytes
    /// were removed.
    fn cut(&self, object: &str, committed: &Committed) -> io::Result<u64> {
        let path = self.incoming.join(object);
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() || self.time_of(object).is_none() {
            return Ok(0);
        }
        let acknowledged = committed.object.as_ref();
        let acknowledged = acknowledged.filter(|committed| committed.name == object);
        let acknowledged = acknowledged.map_or(0, |committed| committed.bytes);
        if metadata.len() < acknowledged {
            tracing::error!(
                delivery_stream = self.name,
                object,
                "an unfinished object has only {} of {acknowledged} acknowledged bytes",
                metadata.len()
            );
        }
        let removed = metadata.len().saturating_sub(acknowledged);
        if removed > 0 {
            OpenOptions::new()
                .write(true)
                .open(&path)?
                .set_len(acknowledged)?;
        }
        Ok(removed)
    }

    fn commit(&mut self, committed: Committed) -> io::Result<()> {
        whole_file::replace(&self.commits, &serde_json::to_vec(&committed)?)?;
        self.committed = committed;
        Ok(())
    }

    /// The folder of unfinished objects.
    pub(super) fn incoming(&self) -> &Path {
        &self.incoming
    }

    /// The folder of complete objects.
    pub(super) fn archived(&self) -> &Path {
        &self.archive
    }

    /// The sequence number of each shard's last record, if they are of the stream that was created at
    /// `source_created`.
    pub(super) fn positions(&mut self, source_created: i64) -> BTreeMap<String, String> {
        if self.committed.source_created != Some(source_created) {
            self.committed.source_created = Some(source_created);
            self.committed.positions.clear();
        }
        self.committed.positions.clone()
    }

    /// Appends all of the data, or none, to the open object or to a new one. Delivers the object
    /// when it is full.
    pub(super) fn append(
        &mut self,
        data: &[u8],
        arrival: Timestamp,
        now: Instant,
        position: Option<ShardPosition>,
    ) -> io::Result<()> {
        // A full object that is still open could not be delivered. It must not grow without bound.
        if self.is_full() {
            self.deliver()?;
        }
        let mut object = match self.open.take() {
            Some(object) => object,
            None => self.create(arrival, now)?,
        };
        let appended = self.append_to(&mut object, data, position);
        if appended.is_err() {
            // The part that was written is not acknowledged, so the client retries it. If it cannot be
            // removed now, it is before anything follows it.
            let _ = object.cut();
        }
        self.open = Some(object);
        appended?;

        if self.is_full()
            && let Err(error) = self.deliver()
        {
            // The data itself is written, so the put succeeds.
            tracing::error!(delivery_stream = self.name, %error, "a full object could not be delivered yet");
        }
        Ok(())
    }

    fn append_to(
        &mut self,
        object: &mut OpenObject,
        data: &[u8],
        position: Option<ShardPosition>,
    ) -> io::Result<()> {
        object.cut()?;
        object.is_torn = true;
        object.file.write_all(data)?;
        let bytes = object.bytes.saturating_add(data.len() as u64);
        let mut committed = self.committed.clone();
        committed.object = Some(CommittedObject {
            name: object.name.clone(),
            bytes,
        });
        if let Some(position) = position {
            let positions = &mut committed.positions;
            positions.insert(position.shard, position.sequence_number);
        }
        self.commit(committed)?;
        object.bytes = bytes;
        object.is_torn = false;
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
        if let Some(object) = &mut self.open {
            object.cut()?;
        }
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
            is_torn: false,
            due: now + self.buffering.interval,
        })
    }

    /// Moves an object from `incoming` to its place in the archive, and returns its size. Removes it if
    /// it is empty: nothing in it was acknowledged.
    fn archive(&self, object: &str) -> io::Result<u64> {
        let Some(key) = self.key_of(object) else {
            tracing::warn!(
                delivery_stream = self.name,
                object,
                "ignoring an unknown file among the unfinished objects"
            );
            return Ok(0);
        };
        let unfinished = self.incoming.join(object);
        let bytes = match fs::symlink_metadata(&unfinished) {
            Ok(metadata) if !metadata.is_file() => {
                tracing::warn!(
                    delivery_stream = self.name,
                    object,
                    "ignoring an unfinished object that is not a file"
                );
                return Ok(0);
            }
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Retrying would not bring it back, and would block every later object.
                tracing::error!(
                    delivery_stream = self.name,
                    object,
                    "an unfinished object was deleted"
                );
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        if bytes == 0 {
            fs::remove_file(unfinished)?;
            return Ok(0);
        }
        let complete = self.archive.join(key);
        if let Some(folder) = complete.parent() {
            fs::create_dir_all(folder)?;
        }
        match self.compression {
            Compression::Uncompressed => fs::rename(unfinished, complete)?,
            Compression::Gzip => self.compress(object, &unfinished, &complete)?,
        }
        Ok(bytes)
    }

    /// Moves an object, and compresses it on the way. A process that is killed before the plain object is
    /// removed leaves both; the next one replaces the complete object by an equal one.
    fn compress(&self, object: &str, unfinished: &Path, complete: &Path) -> io::Result<()> {
        let compressed = self
            .incoming
            .join(format!("{object}.{}", whole_file::UNFINISHED));
        let written = (|| {
            let mut plain = BufReader::new(File::open(unfinished)?);
            let file = whole_file::create_unfinished(&compressed)?;
            let mut encoder = GzEncoder::new(file, flate2::Compression::default());
            io::copy(&mut plain, &mut encoder)?;
            encoder.finish()?;
            fs::rename(&compressed, complete)
        })();
        if written.is_err() {
            // On a full disk, half of a file would only take room.
            let _ = fs::remove_file(&compressed);
        }
        written?;
        fs::remove_file(unfinished)
    }

    /// The path of a complete object below the archive's folder. It depends on nothing but the object's
    /// name. `None` if the name is not that of an object.
    fn key_of(&self, object: &str) -> Option<String> {
        let prefix = self.prefix.evaluate(self.time_of(object)?, object);
        Some(format!("{prefix}{object}{}", self.extension))
    }

    /// When the object's oldest record arrived, from the object's name.
    fn time_of(&self, object: &str) -> Option<DateTime> {
        let time = object
            .strip_prefix(&self.name)?
            .strip_prefix("-1-")?
            .get(.."YYYY-MM-DD-HH-MM-SS".len())?;
        DateTime::strptime("%Y-%m-%d-%H-%M-%S", time).ok()
    }
}

#[cfg(test)]
mod gzip_tests;
#[cfg(test)]
mod tests;
