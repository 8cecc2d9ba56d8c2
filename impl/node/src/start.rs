//! Putting a node together.

use crate::clock::{Clock, Skew};
use crate::driver::{Backlog, Driver};
use crate::handle::Handle;
use crate::inbound::Inbound;
use crate::limits::{INPUTS_MAX, STORED_READS_MAX};
use crate::link::Link;
use crate::log_tasks::{read_stored, trim_log};
use crate::log_thread::{LogThread, STREAM};
use crate::requests::Requests;
use ringleader_core::group::Config;
use ringleader_core::ids::ReplicaId;
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::{
    FoundLog, RecoverError, Replica, ReplicatedState, StateError, StoredError, Timers, Tuning,
};
use ringleader_storage::wal::{Lsn, Recovered, Wal, WriteError};
use ringleader_wire::frame::{Hello, Incarnation};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a node is told when it starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The replica and its group.
    pub group: Config,
    /// Where this node reaches the nodes of its peers, present and future: whoever is not among them is
    /// not heard.
    pub peers: BTreeMap<ReplicaId, String>,
    /// When checkpoints are made, and the like.
    pub tuning: Tuning,
    /// Names this process among those of this node, and seeds the jitter of its timers: random.
    pub incarnation: u64,
    /// Makes its clock wrong on purpose, for fault injection only.
    pub skew: Option<Skew>,
}

/// Why a node did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// What the disk holds is not the state of a replica.
    #[error("{0}")]
    Recover(#[from] RecoverError),
    /// The log cannot be written.
    #[error("write-ahead log: {0}")]
    Write(#[from] WriteError),
    /// The log cannot be read.
    #[error("write-ahead log: {0}")]
    Read(#[from] StoredError),
    /// The tree failed.
    #[error("{0}")]
    State(#[from] StateError),
    /// The thread that writes the log has gone.
    #[error("write-ahead log: its thread has ended")]
    LogThreadGone,
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A running node: ends when it was stopped or its storage failed.
pub type Running = std::pin::Pin<Box<dyn Future<Output = Result<(), NodeError>>>>;

/// Starts a node from what its disk holds. Its tasks live on the current `LocalSet`.
///
/// # Errors
/// When the disk does not hold the state of a replica, or no thread can be started.
///
/// # Panics
/// Outside of a `LocalSet` of a tokio runtime with I/O and time.
pub fn start<S: ReplicatedState + 'static>(
    options: Options,
    wal: Wal,
    recovered: &Recovered,
    state: S,
    listener: TcpListener,
) -> Result<(Handle, Running), NodeError> {
    let Options { group, peers, tuning, incarnation: seed, skew } = options;
    let (id, incarnation) = (group.id, Incarnation(seed));
    let known: ReplicaSet = peers.keys().copied().collect();
    let clock = Clock::start(skew);
    let log = FoundLog { records: recovered.records(), stream: STREAM, trimmed: recovered.trimmed };
    let replica = Replica::recover(&group, tuning, state, log, clock.now())?;
    let (inputs, input_receiver) = mpsc::channel(INPUTS_MAX);
    let mut tasks = JoinSet::new();
    let mut links = BTreeMap::new();
    for (to, address) in peers.into_iter().filter(|&(to, _)| to != id) {
        let hello = Hello { from: id, to, incarnation };
        let (link, task) = Link::new(hello, address, inputs.clone());
        tasks.spawn_local(task);
        links.insert(to, link);
    }
    let (stored_reads, ranges) = mpsc::channel(STORED_READS_MAX);
    let reader = wal.reader();
    tasks.spawn_local(read_stored(ranges, reader, links.clone(), inputs.clone()));
    let (trims, trimmed) = watch::channel(Lsn(0));
    tasks.spawn_local(trim_log(trimmed, wal.trimmer(), inputs.clone()));
    tasks.spawn_local(Inbound::new(id, known, inputs.clone()).run(listener));
    let status = Rc::new(Cell::new(replica.status()));
    let driver = Driver {
        id,
        incarnation,
        replica,
        log: LogThread::start(wal).map_err(NodeError::Thread)?,
        links,
        stored_reads,
        trims,
        timers: Timers::new(seed),
        started: Instant::now(),
        status: Rc::clone(&status),
        requests: Requests::default(),
        clock,
        hand_over: None,
        changes: BTreeMap::new(),
        backlog: Backlog::default(),
        retry_at: None,
        last_leader: None,
        actions: Vec::new(),
    };
    let running = Box::pin(async move {
        let ended = driver.run(input_receiver).await;
        // Sockets and log are free again when this returns.
        tasks.shutdown().await;
        ended
    });
    Ok((Handle { id, inputs, status }, running))
}
