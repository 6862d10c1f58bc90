//! Opens a folder.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::expire::delete_expired;
use super::lock::FolderLock;
use super::{Store, shard_folder};
use crate::files;
use crate::log::shard_log::ShardLog;
use crate::log::writer::LogWriter;
use crate::meta::{self, StreamMeta};
use crate::options::KinesisOptions;
use crate::report::{CutOff, Damage, OpenError, OpenReport};
use crate::stream::{LiveShard, LiveStream, StreamState, StreamStatus, shard_number};

/// The version of the files. A folder with another one is not opened.
const FORMAT: u32 = 1;

/// How often, in seconds, what is past retention is deleted.
const RETENTION_SECONDS: u64 = 10;

const FORMAT_FILE: &str = "kinesis.json";
const STREAM_PREFIX: &str = "stream-";
const DELETED_PREFIX: &str = "deleted-";

/// What the file of the whole folder says.
#[derive(Serialize, Deserialize)]
struct FolderFormat {
    format: u32,
    secret: u64,
}

/// The folder of the stream with this number. Names of streams are no names of folders: `..` is one.
pub(super) fn stream_folder(root: &Path, number: u64) -> PathBuf {
    root.join(format!("{STREAM_PREFIX}{number:06}"))
}

/// What the folder of a stream is renamed to before its files are deleted.
pub(super) fn deleted_folder(root: &Path, number: u64) -> PathBuf {
    root.join(format!("{DELETED_PREFIX}{number:06}"))
}

fn number_after(prefix: &str, path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix(prefix)?.parse().ok()
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Unusable { path, source }
}

impl Store {
    /// Opens the folder of the options, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub(crate) fn open(options: KinesisOptions) -> Result<(Arc<Self>, OpenReport), OpenError> {
        let root = options.folder.clone();
        fs::create_dir_all(&root).map_err(unusable(&root))?;
        let lock = FolderLock::new(&root)?;
        let secret = secret(&root)?;
        let mut report = OpenReport::default();
        let (streams, next_number) = open_streams(&root, &mut report)?;

        let streams = Arc::new(RwLock::new(streams));
        let (expiring, now) = (Arc::clone(&streams), Arc::clone(&options.clock));
        let ticks = AtomicU64::new(0);
        let tick = move || {
            let tick = ticks.fetch_add(1, Ordering::SeqCst);
            if tick.is_multiple_of(RETENTION_SECONDS) {
                delete_expired(&expiring, now());
            }
        };
        let writer = LogWriter::start(Arc::clone(&options.clock), tick);
        let store = Arc::new(Self {
            options,
            writer: writer.map_err(unusable(&root))?,
            secret,
            process: RandomState::new().hash_one(secret),
            opened: Instant::now(),
            streams,
            next_number: AtomicU64::new(next_number),
            catalog: tokio::sync::Mutex::new(()),
            damage: Mutex::new(report.damage.clone()),
            subscriptions: Mutex::default(),
            _lock: lock,
        });
        Ok((store, report))
    }
}

fn secret(root: &Path) -> Result<u64, OpenError> {
    let path = root.join(FORMAT_FILE);
    match fs::read(&path) {
        Ok(file) => match meta::decode::<FolderFormat>(&file) {
            Some(found) if found.format == FORMAT => Ok(found.secret),
            _ => Err(OpenError::UnknownFormat { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let new = FolderFormat {
                format: FORMAT,
                secret: RandomState::new().hash_one(root),
            };
            let written = meta::encode(&new).and_then(|file| files::replace(&path, &file));
            written.map_err(unusable(&path))?;
            Ok(new.secret)
        }
        Err(source) => Err(OpenError::Unusable { path, source }),
    }
}

type FoundStreams = BTreeMap<String, Arc<LiveStream>>;

/// The streams of a folder by name, and the number of the next one.
fn open_streams(root: &Path, report: &mut OpenReport) -> Result<(FoundStreams, u64), OpenError> {
    let (mut folders, mut deleted) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(root).map_err(unusable(root))? {
        let path = entry.map_err(unusable(root))?.path();
        if let Some(number) = number_after(STREAM_PREFIX, &path) {
            folders.push((number, path));
        } else if let Some(number) = number_after(DELETED_PREFIX, &path) {
            deleted.push((number, path));
        }
    }
    folders.sort();
    let newest = folders.last().map_or(0, |(number, _)| *number);
    let next_number = remove_deleted(deleted, newest)? + 1;

    let mut streams = FoundStreams::new();
    for (number, folder) in folders {
        cut_off_unfinished(&folder, report)?;
        let path = meta::path(&folder);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                pass_unnamed(&folder, path, report)?;
                continue;
            }
            Err(source) => return Err(OpenError::Unusable { path, source }),
        };
        let Some(meta) = meta::decode::<StreamMeta>(&file) else {
            report.damage.push(Damage {
                path,
                offset: 0,
                bytes: file.len() as u64,
            });
            continue;
        };
        let name = meta.name.clone();
        if streams.contains_key(&name) {
            report.damage.push(Damage {
                path,
                offset: 0,
                bytes: file.len() as u64,
            });
            continue;
        }
        let stream = open_stream(number, folder, meta, report)?;
        streams.insert(name, Arc::new(stream));
    }
    Ok((streams, next_number))
}

/// Removes what is left of deleted streams. Returns the number of the newest stream that there was:
/// iterators of a deleted stream are valid for a while, so no other may get its number. The folder of
/// the newest stays for that, without its content.
fn remove_deleted(mut deleted: Vec<(u64, PathBuf)>, newest: u64) -> Result<u64, OpenError> {
    deleted.sort();
    let last = deleted.last().map_or(0, |(number, _)| *number);
    for (number, path) in deleted {
        let removed = if number == last && number > newest {
            remove_content(&path)
        } else {
            fs::remove_dir_all(&path)
        };
        removed.map_err(unusable(&path))?;
    }
    Ok(newest.max(last))
}

/// Empties a folder of folders and files.
pub(super) fn remove_content(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder that was being created when the process ended. One that has records has lost its
/// file, and is kept.
fn pass_unnamed(folder: &Path, file: PathBuf, report: &mut OpenReport) -> Result<(), OpenError> {
    let mut has_records = false;
    for shard in fs::read_dir(folder).map_err(unusable(folder))? {
        let shard = shard.map_err(unusable(folder))?.path();
        let segments = fs::read_dir(&shard).map_err(unusable(&shard))?;
        has_records |= segments.count() > 0;
    }
    if !has_records {
        return fs::remove_dir_all(folder).map_err(unusable(folder));
    }
    report.damage.push(Damage {
        path: file,
        offset: 0,
        bytes: 0,
    });
    Ok(())
}

/// Removes the file that was to replace a stream's when the process ended.
fn cut_off_unfinished(folder: &Path, report: &mut OpenReport) -> Result<(), OpenError> {
    let path = files::temporary(&meta::path(folder));
    let Ok(found) = fs::symlink_metadata(&path) else {
        return Ok(());
    };
    fs::remove_file(&path).map_err(unusable(&path))?;
    report.cut_off.push(CutOff {
        path,
        offset: 0,
        bytes: found.len(),
    });
    Ok(())
}

fn open_stream(
    number: u64,
    folder: PathBuf,
    meta: StreamMeta,
    report: &mut OpenReport,
) -> Result<LiveStream, OpenError> {
    remove_deleted_shards(&folder, &meta)?;
    let mut shards = Vec::with_capacity(meta.shards.len());
    for shard in &meta.shards {
        let log = ShardLog::open(shard_folder(&folder, shard.number), report)?;
        shards.push(Arc::new(LiveShard::new(shard.clone(), log)));
    }
    report.streams += 1;
    report.shards += shards.len();
    let state = StreamState::new(meta, shards, StreamStatus::Active, Instant::now());
    Ok(LiveStream::new(number, folder, state))
}

/// Removes the folders of shards that were being deleted when the process ended. One with a later
/// number than those of the stream is none of them: it was being opened.
fn remove_deleted_shards(folder: &Path, meta: &StreamMeta) -> Result<(), OpenError> {
    let newest = meta.shards.iter().map(|shard| shard.number).max();
    for entry in fs::read_dir(folder).map_err(unusable(folder))? {
        let path = entry.map_err(unusable(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(number) = name.and_then(shard_number) else {
            continue;
        };
        let is_listed = meta.shards.iter().any(|shard| shard.number == number);
        if !is_listed && newest.is_some_and(|newest| number < newest) {
            fs::remove_dir_all(&path).map_err(unusable(&path))?;
        }
    }
    Ok(())
}
