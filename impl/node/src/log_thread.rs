//! The thread that writes the log: what arrived while the last write was in flight is the next
//! group. One write in flight, one sync per group.

use crate::limits::LOG_QUEUE_RECORDS_MAX;
use ringleader_handoff::{BatchQueue, Mailbox, mailbox};
use ringleader_replica::LogRecord;
use ringleader_replica::group_commit::{self, Written};
use ringleader_storage::wal::{Wal, WriteError};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::Notify;

/// The stream of the node's only replica in its log.
pub(crate) const STREAM: u64 = 0;

/// What the thread reports.
#[derive(Debug)]
pub(crate) enum Completion {
    /// Records are durable.
    Durable(Written),
    /// A write failed. Nothing more will be written.
    Failed(WriteError),
}

/// The core's end of the thread.
#[derive(Debug)]
pub(crate) struct LogThread {
    queue: BatchQueue<LogRecord>,
    completions: Mailbox<Completion>,
    woken: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl LogThread {
    pub(crate) fn start(wal: Wal) -> io::Result<Self> {
        let queue = BatchQueue::new(LOG_QUEUE_RECORDS_MAX);
        let woken = Arc::new(Notify::new());
        let wake = Arc::clone(&woken);
        let (poster, completions) = mailbox(move || wake.notify_one());
        let work = queue.clone();
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            let mut wal = wal;
            let mut batch = Vec::new();
            while work.take(&mut batch) {
                let completion = write_group(&mut wal, &mut batch);
                let failed = matches!(completion, Completion::Failed(_));
                poster.post(completion);
                if failed {
                    return;
                }
            }
        })?;
        Ok(Self { queue, completions, woken, thread: Some(thread) })
    }

    /// Queues a record.
    pub(crate) fn push(&self, record: LogRecord) {
        // A closed queue means that the thread is gone; its mailbox says so.
        let refused = self
            .queue
            .push(record)
            .is_err_and(|error| matches!(error, ringleader_handoff::PushError::Full(_)));
        assert!(!refused, "the backlog is bounded below the queue's capacity");
    }

    /// Waits until there may be completions.
    pub(crate) async fn completed(&self) {
        self.woken.notified().await;
    }

    /// Takes all completions. False if the thread is gone.
    pub(crate) fn drain(&self, completions: &mut Vec<Completion>) -> bool {
        self.completions.drain(completions)
    }
}

/// Waits for the write in flight: nothing of it may happen after the process said it had stopped.
impl Drop for LogThread {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log thread panicked");
        }
    }
}

fn write_group(wal: &mut Wal, batch: &mut Vec<LogRecord>) -> Completion {
    let written = group_commit::write_group(wal, STREAM, batch);
    batch.clear();
    match written {
        Ok(written) => Completion::Durable(written),
        Err(error) => Completion::Failed(error),
    }
}
