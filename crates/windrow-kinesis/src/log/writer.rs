//! The thread that writes: it takes all blocks that wait and writes those of a shard together.
//!
//! One thread orders everything that changes a log, so nothing is appended to a shard that is being
//! closed. A second thread makes the files durable, once a second.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::sync::{oneshot, watch};

use super::shard_log::{AppendError, Appended, NewBlock, ShardLog};
use crate::report::DiskStatus;

/// How long an acknowledged record may be only in the system's memory. `kill -9` does not lose it
/// there; a power cut does.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How many bytes are written together at most.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// How many blocks are written together at most: each needs two slices, and the system takes 1,024.
const GROUP_BLOCKS: usize = 500;

/// A clock: milliseconds since the epoch.
pub(crate) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Why a block was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The shard is closed.
    Closed,
    /// The file could not be written, or the writer has stopped.
    Disk,
}

/// A block for one shard, and who waits for it.
struct Append {
    log: Arc<ShardLog>,
    block: NewBlock,
    reply: oneshot::Sender<Result<Appended, (WriteError, NewBlock)>>,
}

enum WriterJob {
    Append(Append),
    Run(Box<dyn FnOnce() + Send>),
}

/// Writes to the logs. Dropping it writes what waits, makes it durable, and ends its threads.
pub(crate) struct LogWriter {
    jobs: Option<Sender<WriterJob>>,
    writer: Option<JoinHandle<()>>,
    sync: Option<(Sender<()>, JoinHandle<()>)>,
    unsynced: Arc<UnsyncedLogs>,
    disk: Arc<watch::Sender<DiskStatus>>,
}

/// The logs that were written to since the last sync.
#[derive(Default)]
struct UnsyncedLogs {
    logs: Mutex<Vec<Weak<ShardLog>>>,
}

impl UnsyncedLogs {
    fn add(&self, log: &Arc<ShardLog>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = |other: &Weak<ShardLog>| std::ptr::eq(other.as_ptr(), Arc::as_ptr(log));
        if !logs.iter().any(listed) {
            logs.push(Arc::downgrade(log));
        }
    }

    /// The logs, without keeping those who add others waiting for the disk.
    fn take(&self) -> Vec<Weak<ShardLog>> {
        std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the logs durable. One that fails is tried again the next time.
    fn sync(&self, disk: &watch::Sender<DiskStatus>) {
        for log in self.take().iter().filter_map(Weak::upgrade) {
            if let Err(error) = log.sync() {
                failing(disk, log.folder().to_owned(), &error);
                self.add(&log);
            }
        }
    }
}

impl LogWriter {
    /// Starts the threads. `tick` is called about once a second, on the thread that syncs.
    ///
    /// # Errors
    ///
    /// The system's error if there can be no more threads.
    pub(crate) fn start(now: Now, tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let disk = Arc::new(watch::Sender::new(DiskStatus::Working));
        let unsynced = Arc::new(UnsyncedLogs::default());
        let (jobs, waiting) = mpsc::channel();
        let group = GroupCommit {
            now,
            disk: Arc::clone(&disk),
            unsynced: Arc::clone(&unsynced),
        };
        let writer = thread::Builder::new()
            .name("kinesis-write".to_owned())
            .spawn(move || group.run(&waiting))?;
        let (stop, stopped) = mpsc::channel();
        let (sync_disk, sync_logs) = (Arc::clone(&disk), Arc::clone(&unsynced));
        let sync = thread::Builder::new()
            .name("kinesis-sync".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(SYNC_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    sync_logs.sync(&sync_disk);
                    tick();
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            sync: Some((stop, sync)),
            unsynced,
            disk,
        })
    }

    /// Whether the last write succeeded.
    pub(crate) fn disk(&self) -> watch::Receiver<DiskStatus> {
        self.disk.subscribe()
    }

    /// Reports whether another file than a log could be written.
    pub(crate) fn report_write(&self, path: &Path, written: Result<(), &io::Error>) {
        match written {
            Ok(()) => working(&self.disk),
            Err(error) => failing(&self.disk, path.to_owned(), error),
        }
    }

    /// Appends a block, and returns once it is written and can be read.
    ///
    /// # Errors
    ///
    /// [`WriteError`], and the block if the shard is closed.
    pub(crate) async fn append(
        &self,
        log: &Arc<ShardLog>,
        block: NewBlock,
    ) -> Result<Appended, (WriteError, Option<NewBlock>)> {
        let (reply, answer) = oneshot::channel();
        let append = WriterJob::Append(Append {
            log: Arc::clone(log),
            block,
            reply,
        });
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(append));
        if !matches!(sent, Some(Ok(()))) {
            return Err((WriteError::Disk, None));
        }
        match answer.await {
            Ok(Ok(appended)) => Ok(appended),
            Ok(Err((error, block))) => Err((error, Some(block))),
            Err(_) => Err((WriteError::Disk, None)),
        }
    }

    /// Runs something between two writes, and returns once it has run. `None` if the writer has
    /// stopped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move || {
            let _ = reply.send(job());
        });
        let jobs = self.jobs.as_ref()?;
        jobs.send(WriterJob::Run(job)).ok()?;
        answer.await.ok()
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        if let Some((stop, sync)) = self.sync.take() {
            drop(stop);
            let _ = sync.join();
        }
        self.unsynced.sync(&self.disk);
    }
}

/// What the writer thread works with.
struct GroupCommit {
    now: Now,
    disk: Arc<watch::Sender<DiskStatus>>,
    unsynced: Arc<UnsyncedLogs>,
}

impl GroupCommit {
    fn run(self, waiting: &Receiver<WriterJob>) {
        while let Ok(first) = waiting.recv() {
            let mut appends = Vec::new();
            let mut bytes = 0;
            let mut job = Some(first);
            while let Some(next) = job.take() {
                match next {
                    WriterJob::Append(append) => {
                        bytes += append.block.payload.bytes().len();
                        appends.push(append);
                    }
                    WriterJob::Run(run) => {
                        self.write(std::mem::take(&mut appends));
                        run();
                    }
                }
                if bytes < GROUP_BYTES && appends.len() < GROUP_BLOCKS {
                    job = waiting.try_recv().ok();
                }
            }
            self.write(appends);
        }
    }

    /// Writes the blocks, those of a shard with one write.
    fn write(&self, mut appends: Vec<Append>) {
        while let Some(first) = appends.first() {
            let log = Arc::clone(&first.log);
            let (of_shard, others) = appends
                .into_iter()
                .partition::<Vec<_>, _>(|append| Arc::ptr_eq(&append.log, &log));
            appends = others;
            self.write_shard(&log, of_shard);
        }
    }

    fn write_shard(&self, log: &Arc<ShardLog>, appends: Vec<Append>) {
        let blocks: Vec<&NewBlock> = appends.iter().map(|append| &append.block).collect();
        let failed = match log.append(&blocks, (self.now)()) {
            Ok(appended) => {
                self.unsynced.add(log);
                working(&self.disk);
                for (append, appended) in appends.into_iter().zip(appended) {
                    let _ = append.reply.send(Ok(appended));
                }
                return;
            }
            Err(AppendError::Closed) => WriteError::Closed,
            Err(AppendError::Disk { path, source }) => {
                failing(&self.disk, path, &source);
                WriteError::Disk
            }
        };
        for append in appends {
            let _ = append.reply.send(Err((failed, append.block)));
        }
    }
}

fn working(disk: &watch::Sender<DiskStatus>) {
    disk.send_if_modified(|status| {
        let recovered = *status != DiskStatus::Working;
        *status = DiskStatus::Working;
        recovered
    });
}

fn failing(disk: &watch::Sender<DiskStatus>, path: PathBuf, error: &io::Error) {
    let new = DiskStatus::Failing {
        kind: error.kind(),
        message: error.to_string(),
        path,
    };
    disk.send_if_modified(|status| {
        let changed = *status == DiskStatus::Working;
        *status = new;
        changed
    });
}
