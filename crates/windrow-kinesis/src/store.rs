//! All streams of a folder: how they are opened, found, created, changed and deleted.

mod expire;
mod lock;
mod open;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::lock::FolderLock;
use crate::error::KinesisError;
use crate::log::shard_log::ShardLog;
use crate::log::writer::LogWriter;
use crate::meta::{self, ShardMeta, StreamMeta};
use crate::options::KinesisOptions;
use crate::report::{Damage, OpenReport};
use crate::stream::{LiveShard, LiveStream, StreamState, StreamStatus, shard_id};

/// How much damage is remembered, so that each is reported once.
const DAMAGE_REMEMBERED: usize = 1_000;

/// The latest subscription of each consumer to each shard: by the stream's number, the consumer's
/// name and the shard's number. Dropping the sender ends the subscription.
pub(crate) type Subscriptions = HashMap<(u64, String, u32), (Instant, oneshot::Sender<()>)>;

type Streams = RwLock<BTreeMap<String, Arc<LiveStream>>>;

/// All streams of a folder.
pub(crate) struct Store {
    pub(crate) options: KinesisOptions,
    pub(crate) writer: LogWriter,
    /// Random, one per folder. Tokens carry a checksum with it.
    pub(crate) secret: u64,
    /// Random, one per process: says whether a token's monotonic time means anything here.
    pub(crate) process: u64,
    /// When the folder was opened.
    pub(crate) opened: Instant,
    streams: Arc<Streams>,
    next_number: AtomicU64,
    /// Held while streams are created or deleted.
    catalog: tokio::sync::Mutex<()>,
    damage: Mutex<Vec<Damage>>,
    pub(crate) subscriptions: Mutex<Subscriptions>,
    /// Dropped last.
    _lock: FolderLock,
}

impl Store {
    /// The time of the arrival times, in milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        (self.options.clock)()
    }

    /// The stream of this name.
    pub(crate) fn stream(&self, name: &str) -> Option<Arc<LiveStream>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.get(name)?;
        let exists = stream.state().status(Instant::now()).is_some();
        exists.then(|| Arc::clone(stream))
    }

    /// The stream with this number, if it is still there.
    pub(crate) fn stream_by_number(&self, number: u64) -> Option<Arc<LiveStream>> {
        let mut streams = self.streams().into_iter();
        streams.find(|stream| stream.number == number)
    }

    /// All streams, by name.
    pub(crate) fn streams(&self) -> Vec<Arc<LiveStream>> {
        let now = Instant::now();
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams
            .values()
            .filter(|stream| stream.state().status(now).is_some())
            .cloned()
            .collect()
    }

    /// The open shards of all streams.
    pub(crate) fn open_shards(&self) -> usize {
        let streams = self.streams();
        streams
            .iter()
            .map(|stream| stream.state().open().len())
            .sum()
    }

    /// The ARN of a stream.
    pub(crate) fn arn(&self, name: &str) -> String {
        let KinesisOptions {
            region, account, ..
        } = &self.options;
        format!("arn:aws:kinesis:{region}:{account}:stream/{name}")
    }

    /// Creates a stream, which is on disk when this returns.
    ///
    /// # Errors
    ///
    /// ResourceInUseException if there is one of this name, or what `check` returns: it runs where no
    /// other stream is being created.
    pub(crate) async fn create(
        self: &Arc<Self>,
        meta: StreamMeta,
        check: impl FnOnce() -> Result<(), KinesisError>,
    ) -> Result<(), KinesisError> {
        let _catalog = self.catalog.lock().await;
        check()?;
        if self.stream(&meta.name).is_some() {
            let KinesisOptions { account, .. } = &self.options;
            return Err(KinesisError::in_use(format!(
                "Stream {} under account {account} already exists.",
                meta.name
            )));
        }
        let number = self.next_number.fetch_add(1, Ordering::SeqCst);
        let folder = open::stream_folder(&self.options.folder, number);
        let name = meta.name.clone();
        let (path, saved) = (folder.clone(), meta.clone());
        let logs = self
            .writing(&folder, move || create_files(&path, &saved))
            .await?;
        let shards = meta.shards.iter().zip(logs);
        let shards = shards.map(|(shard, log)| Arc::new(LiveShard::new(shard.clone(), log)));
        let until = Instant::now() + self.options.change_delay;
        let state = StreamState::new(
            meta.clone(),
            shards.collect(),
            StreamStatus::Creating,
            until,
        );
        let stream = Arc::new(LiveStream::new(number, folder, state));
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.insert(name, stream);
        Ok(())
    }

    /// Deletes a stream, whose files are gone when this returns. It is DELETING for a moment.
    ///
    /// # Errors
    ///
    /// InternalFailure if the disk fails. The stream is still there then.
    pub(crate) async fn delete(&self, stream: &LiveStream) -> Result<(), KinesisError> {
        let _catalog = self.catalog.lock().await;
        let _change = stream.change.lock().await;
        let Ok(state) = self.existing(stream) else {
            // A call before this one has deleted it.
            return Ok(());
        };
        let logs: Vec<_> = state
            .shards
            .iter()
            .map(|shard| Arc::clone(&shard.log))
            .collect();
        let open: Vec<_> = state
            .open()
            .iter()
            .map(|shard| Arc::clone(&shard.log))
            .collect();
        self.writer
            .run(move || logs.iter().for_each(|log| log.set_deleted(true)))
            .await;
        let folder = stream.folder.clone();
        let trash = open::deleted_folder(&self.options.folder, stream.number);
        let deleted = self
            .writing(&stream.folder, move || {
                // From here on a crash leaves no half of a stream: the next start deletes the rest.
                std::fs::rename(&folder, &trash)?;
                // If this fails, the next start does it. The empty folder stays: it keeps the number.
                let _ = open::remove_content(&trash);
                trash.parent().map_or(Ok(()), crate::files::sync_folder)
            })
            .await;
        if let Err(error) = deleted
            && stream.folder.exists()
        {
            self.writer
                .run(move || open.iter().for_each(|log| log.set_deleted(false)))
                .await;
            return Err(error);
        }
        let until = Instant::now() + self.options.change_delay;
        let meta = state.meta.clone();
        let state = StreamState::new(meta, Vec::new(), StreamStatus::Deleting, until);
        stream.set_state(state);
        Ok(())
    }

    /// Changes what is on disk of a stream besides its records. Returns once that is done.
    ///
    /// # Errors
    ///
    /// The error of `change`, or InternalFailure if the disk fails. Nothing has changed then.
    pub(crate) async fn change(
        &self,
        stream: &LiveStream,
        change: impl FnOnce(&mut StreamMeta) -> Result<(), KinesisError>,
    ) -> Result<(), KinesisError> {
        let _change = stream.change.lock().await;
        let before = self.existing(stream)?;
        let mut meta = before.meta.clone();
        change(&mut meta)?;
        if meta == before.meta {
            return Ok(());
        }
        self.save(stream, &meta).await?;
        let mut state = StreamState::clone(&before);
        state.meta = meta;
        stream.set_state(state);
        Ok(())
    }

    /// Changes the shards of a stream: closes some and opens others, all at once.
    ///
    /// `change` gets the stream as it is, and returns the shards to close and those to open.
    ///
    /// # Errors
    ///
    /// The error of `change`, or InternalFailure if the disk fails. Nothing has changed then.
    pub(crate) async fn reshard(
        &self,
        stream: &LiveStream,
        change: impl FnOnce(&StreamState) -> Result<ShardChange, KinesisError>,
    ) -> Result<(), KinesisError> {
        let _change = stream.change.lock().await;
        let before = self.existing(stream)?;
        let ShardChange { close, open } = change(&before)?;
        let logs: Vec<_> = before
            .shards
            .iter()
            .filter(|shard| close.contains(&shard.meta.number))
            .map(|shard| Arc::clone(&shard.log))
            .collect();
        let set_closed = move |closed| logs.iter().for_each(|log| log.set_closed(closed));
        let reopen = set_closed.clone();
        // From here on no record can be put to the parents, so none gets past the children.
        self.writer.run(move || set_closed(true)).await;

        let mut meta = before.meta.clone();
        let now = self.now();
        for shard in &mut meta.shards {
            if close.contains(&shard.number) {
                shard.closed = Some(now.max(shard.created));
            }
        }
        meta.shards.extend(open.iter().cloned());
        let result = self.open_shards_of(stream, &open).await;
        let saved = match result {
            Ok(opened) => self.save(stream, &meta).await.map(|()| opened),
            Err(error) => Err(error),
        };
        let opened = match saved {
            Ok(opened) => opened,
            Err(error) => {
                self.writer.run(move || reopen(false)).await;
                return Err(error);
            }
        };
        let kept = before.shards.iter().zip(&meta.shards).map(|(shard, meta)| {
            Arc::new(LiveShard {
                meta: meta.clone(),
                ..LiveShard::clone(shard)
            })
        });
        let shards = kept.chain(opened).collect();
        let until = Instant::now() + self.options.change_delay;
        let state = StreamState::new(meta.clone(), shards, StreamStatus::Updating, until);
        stream.set_state(state);
        Ok(())
    }

    /// The state of a stream whose files are there.
    fn existing(&self, stream: &LiveStream) -> Result<Arc<StreamState>, KinesisError> {
        let state = stream.state();
        match state.status(Instant::now()) {
            Some(StreamStatus::Deleting) | None => Err(KinesisError::not_found(format!(
                "Stream {} under account {} is deleted.",
                state.meta.name, self.options.account
            ))),
            Some(_) => Ok(state),
        }
    }

    async fn open_shards_of(
        &self,
        stream: &LiveStream,
        shards: &[ShardMeta],
    ) -> Result<Vec<Arc<LiveShard>>, KinesisError> {
        let (folder, shards) = (stream.folder.clone(), shards.to_vec());
        self.writing(&stream.folder, move || {
            let open = |shard: ShardMeta| {
                let log = empty_log(&folder, &shard)?;
                Ok(Arc::new(LiveShard::new(shard, log)))
            };
            shards.into_iter().map(open).collect()
        })
        .await
    }

    async fn save(&self, stream: &LiveStream, meta: &StreamMeta) -> Result<(), KinesisError> {
        let (folder, meta) = (stream.folder.clone(), meta.clone());
        self.writing(&stream.folder, move || meta::write(&folder, &meta))
            .await
    }

    /// Runs what reads from the disk where it holds nobody up.
    ///
    /// # Errors
    ///
    /// InternalFailure. The system's error is logged.
    pub(crate) async fn reading<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, KinesisError> {
        let done = blocking(work).await;
        done.map_err(|error| {
            tracing::error!(path = %path.display(), %error, "a log cannot be read");
            KinesisError::disk()
        })
    }

    /// Runs what writes to the disk where it holds nobody up.
    ///
    /// # Errors
    ///
    /// InternalFailure. The system's error goes to those who watch the disk.
    async fn writing<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, KinesisError> {
        let done = blocking(work).await;
        self.writer.report_write(path, done.as_ref().map(|_| ()));
        done.map_err(|_| KinesisError::disk())
    }

    /// Remembers damage, and logs what is new.
    pub(crate) fn report_damage(&self, found: Vec<Damage>) {
        let mut known = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        for damage in found {
            if known.len() < DAMAGE_REMEMBERED && !known.contains(&damage) {
                tracing::error!(%damage, "records are lost");
                known.push(damage);
            }
        }
    }

    /// The damage that was found, at the start and by reads.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        let known = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}

/// The shards that a change closes, by number, and those that it opens.
#[derive(Debug)]
pub(crate) struct ShardChange {
    pub(crate) close: Vec<u32>,
    pub(crate) open: Vec<ShardMeta>,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Runs a change to its end, even if whoever waits for it goes away: half of a change would leave
/// the files and the memory with different streams.
///
/// # Errors
///
/// The error of the change.
pub(crate) async fn complete<T: Send + 'static>(
    change: impl Future<Output = Result<T, KinesisError>> + Send + 'static,
) -> Result<T, KinesisError> {
    let done = tokio::spawn(change).await;
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "a change of a stream broke off");
        Err(KinesisError::disk())
    })
}

fn create_files(folder: &Path, meta: &StreamMeta) -> io::Result<Vec<ShardLog>> {
    let created = std::fs::create_dir_all(folder).and_then(|()| {
        let logs = meta.shards.iter().map(|shard| empty_log(folder, shard));
        let logs = logs.collect::<io::Result<Vec<_>>>()?;
        meta::write(folder, meta)?;
        folder.parent().map_or(Ok(()), crate::files::sync_folder)?;
        Ok(logs)
    });
    if created.is_err() {
        let _ = std::fs::remove_dir_all(folder);
    }
    created
}

/// The log of a new shard. Whatever is in its folder is left from an attempt that failed.
fn empty_log(folder: &Path, shard: &ShardMeta) -> io::Result<ShardLog> {
    let folder = shard_folder(folder, shard.number);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let log = ShardLog::open(folder, &mut OpenReport::default());
    log.map_err(|error| match error {
        crate::report::OpenError::Unusable { source, .. } => source,
        other => io::Error::other(other),
    })
}

fn shard_folder(folder: &Path, number: u32) -> PathBuf {
    folder.join(shard_id(number))
}
