//! Folding a frozen delta into the tree, here or on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use redb::{Database, Durability, ReadTransaction, ReadableDatabase};

use super::delta::Delta;
use super::{APPLIED, FOLDING, ITEMS, META, TreeError, tree};

/// A delta that does not change any more, and the index that it leads to.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) delta: Delta,
    pub(super) index: u64,
}

/// The tree as one index left it, whatever is folded meanwhile. It keeps the pages of its tree from
/// being used again, so who holds one for long pays with a larger file.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) index: u64,
    pub(super) tree: ReadTransaction,
}

/// Writes the whole delta and its index into the tree, in key order, in transactions of at most
/// `keys_max` keys. Only the last one is durable, and all of them with it; before it a mark says that
/// the tree is the state of no index.
pub(super) fn fold(
    database: &Database,
    frozen: &Frozen,
    keys_max: usize,
) -> Result<Arc<Checkpoint>, TreeError> {
    let mut entries = frozen.delta.entries.iter().peekable();
    loop {
        let mut transaction = database.begin_write().map_err(tree)?;
        {
            let mut items = transaction.open_table(ITEMS).map_err(tree)?;
            for (key, value) in entries.by_ref().take(keys_max.max(1)) {
                match value {
                    Some(value) => items.insert(key.as_slice(), value.as_slice()),
                    None => items.remove(key.as_slice()),
                }
                .map_err(tree)?;
            }
        }
        let done = entries.peek().is_none();
        {
            let mut meta = transaction.open_table(META).map_err(tree)?;
            if done {
                meta.insert(APPLIED, frozen.index).map_err(tree)?;
                meta.remove(FOLDING).map_err(tree)?;
            } else {
                meta.insert(FOLDING, frozen.index).map_err(tree)?;
            }
        }
        let durability = if done { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).map_err(tree)?;
        // Otherwise opening after a crash walks the whole tree.
        transaction.set_quick_repair(done);
        transaction.commit().map_err(tree)?;
        if done {
            return checkpoint(database, frozen.index);
        }
    }
}

/// The tree as it is, which is the state of `index`.
pub(super) fn checkpoint(database: &Database, index: u64) -> Result<Arc<Checkpoint>, TreeError> {
    let tree = database.begin_read().map_err(tree)?;
    Ok(Arc::new(Checkpoint { index, tree }))
}

/// What the thread is to do.
enum Job {
    Fold(Arc<Database>, Arc<Frozen>),
    /// To free a large delta takes milliseconds.
    Free(Arc<Frozen>),
}

/// The thread that folds: one fold after another.
#[derive(Debug)]
pub(super) struct FoldThread {
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<Arc<Checkpoint>, TreeError>>,
    thread: Option<JoinHandle<()>>,
}

impl FoldThread {
    pub(super) fn start(keys_max: usize) -> Result<Self, TreeError> {
        let (jobs, to_do) = channel();
        let (report, done) = channel();
        let work = move || {
            for job in to_do {
                match job {
                    Job::Fold(database, frozen) => {
                        // The engine may be gone; what it began is finished all the same, because
                        // a tree that is closed in the middle of a fold is the state of no index.
                        let _ = report.send(fold(&database, &frozen, keys_max));
                    }
                    Job::Free(frozen) => drop(frozen),
                }
            }
        };
        let thread = std::thread::Builder::new().name("fold".to_owned()).spawn(work);
        let thread = thread.map_err(|error| tree(redb::Error::Io(error)))?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread) })
    }

    pub(super) fn fold(&self, database: &Arc<Database>, frozen: &Arc<Frozen>) {
        self.send(Job::Fold(Arc::clone(database), Arc::clone(frozen)));
    }

    pub(super) fn free(&self, frozen: Arc<Frozen>) {
        self.send(Job::Free(frozen));
    }

    fn send(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("there until it is dropped");
        // A thread that is gone is noticed where its result is taken.
        let _ = jobs.send(job);
    }

    /// The fold that was begun, if it is done.
    pub(super) fn result(&self) -> Option<Result<Arc<Checkpoint>, TreeError>> {
        match self.done.try_recv() {
            Ok(done) => Some(done),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(TreeError::Stopped)),
        }
    }

    /// Waits for the fold that was begun.
    pub(super) fn wait(&self) -> Result<Arc<Checkpoint>, TreeError> {
        self.done.recv().unwrap_or(Err(TreeError::Stopped))
    }
}

impl Drop for FoldThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panicked: the tree is as a crash leaves it.
            let _ = thread.join();
        }
    }
}
