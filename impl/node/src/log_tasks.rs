//! What is done with the log beside the thread that writes it: reading old entries for peers that lag,
//! and trimming it. Neither holds up the thread that serves the sockets.

use crate::driver::Input;
use crate::limits::STORED_READER_IDLE_MAX;
use crate::link::Link;
use crate::log_thread::STREAM;
use ringleader_core::ids::ReplicaId;
use ringleader_replica::{StoredRange, StoredReader};
use ringleader_storage::wal::{Lsn, WalReader, WalTrimmer};
use ringleader_wire::frame::Frame;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Trims the log up to what is not needed any more, whenever that has moved.
pub(crate) async fn trim_log(
    mut below: watch::Receiver<Lsn>,
    trimmer: WalTrimmer,
    inputs: mpsc::Sender<Input>,
) {
    while below.changed().await.is_ok() {
        let (trimmer, below) = (trimmer.clone(), *below.borrow_and_update());
        let trimming = tokio::task::spawn_blocking(move || trimmer.trim(below));
        match trimming.await.expect("trimming does not panic, and is not cancelled") {
            Ok(start) => tracing::debug!(below = below.0, start = start.0, "trimmed the log"),
            Err(error) => {
                // A closed channel means that the node is stopping anyway.
                let _ = inputs.send(Input::Untrimmed(error)).await;
                return;
            }
        }
    }
}

/// Reads entries for peers that lag from the log, one append after another.
pub(crate) async fn read_stored(
    mut ranges: mpsc::Receiver<StoredRange>,
    log: WalReader,
    links: BTreeMap<ReplicaId, Link>,
    inputs: mpsc::Sender<Input>,
) {
    let mut readers: BTreeMap<ReplicaId, StoredReader> = BTreeMap::new();
    loop {
        let range = match timeout(STORED_READER_IDLE_MAX, ranges.recv()).await {
            Ok(Some(range)) => range,
            Ok(None) => return,
            Err(_) => {
                readers.clear();
                continue;
            }
        };
        let to = range.to;
        let reader = readers.remove(&to);
        let mut reader = reader.unwrap_or_else(|| StoredReader::new(log.clone(), STREAM));
        // The thread that serves the sockets does not wait for a disk.
        let reading = tokio::task::spawn_blocking(move || {
            let read = reader.read(&range);
            (reader, read)
        });
        let (reader, read) = reading.await.expect("reading does not panic, and is not cancelled");
        readers.insert(to, reader);
        match read {
            Ok(messages) => {
                if let Some(link) = links.get(&to) {
                    for message in messages {
                        link.push(&Frame::Message(message));
                    }
                    link.flush();
                }
            }
            Err(error) => {
                // A closed channel means that the node is stopping anyway.
                let _ = inputs.send(Input::Unreadable(error)).await;
                return;
            }
        }
    }
}
