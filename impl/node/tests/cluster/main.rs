//! Nodes of one group on one thread, over real sockets and logs on a simulated disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod list;

use bytes::BytesMut;
use list::{List, append, number};
use ringleader_core::group::{
    AnnounceCommit, AtElection, Config, Drift, Lease, Message, Timing, Trim,
};
use ringleader_core::ids::{LogEnd, LogIndex, ReplicaId, Term, Tick};
use ringleader_core::quorum::ReplicaSet;
use ringleader_node::{Handle, NodeError, Options, Outcome, RefusedBecause, Running};
use ringleader_replica::{Role, Tuning};
use ringleader_storage::disk::{Disk, Fault, SimulatedDisk};
use ringleader_storage::wal::{self, Wal};
use ringleader_wire::Command;
use ringleader_wire::frame::{
    self, Answered, Forward, ForwardOutcome, ForwardRequest, Frame, Hello, Incarnation,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};

const REPLICAS: u8 = 3;

/// Long enough for an election on a busy machine; a test that needs longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test on one thread, as a server runs its node.
fn on_one_thread(clock: Clock, test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(clock == Clock::Skips).build().unwrap();
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        match clock {
            Clock::Real => tokio::time::timeout(PATIENCE, test).await.expect("the test is stuck"),
            Clock::Skips => test.await,
        }
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Real,
    /// Whenever nothing else is to be done, the next timer fires.
    Skips,
}

struct Group {
    addresses: BTreeMap<ReplicaId, String>,
    listeners: BTreeMap<ReplicaId, TcpListener>,
    disks: BTreeMap<ReplicaId, Arc<dyn Disk>>,
    election_timeout: Duration,
    /// How many voters there are.
    size: u8,
}

struct Node {
    handle: Handle,
    running: JoinHandle<Result<(), NodeError>>,
}

impl Group {
    async fn new(election_timeout: Duration) -> Self {
        let (mut addresses, mut listeners, mut disks) = Default::default();
        for id in (0..REPLICAS).map(ReplicaId) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
            BTreeMap::insert(&mut addresses, id, listener.local_addr().unwrap().to_string());
            BTreeMap::insert(&mut listeners, id, listener);
            BTreeMap::insert(&mut disks, id, disk);
        }
        Self { addresses, listeners, disks, election_timeout, size: REPLICAS }
    }

    fn config(&self, id: ReplicaId) -> Config {
        let micros = u64::try_from(self.election_timeout.as_micros()).unwrap();
        Config {
            id,
            voters: ReplicaSet::first(self.size),
            election_timeout: Tick(micros),
            heartbeat_interval: Tick(micros / 5),
            append_entries_max: 64,
            inflight_entries_max: 1024,
            at_election: AtElection::AppendNoOp,
            announce_commit: AnnounceCommit::WithNextAppend,
            timing: self.timing(),
            trim: Trim::Never,
            log_replicas: ReplicaSet::default(),
        }
    }

    /// Everything that has to do with time, as in production.
    fn timing(&self) -> Timing {
        let election = u64::try_from(self.election_timeout.as_micros()).unwrap();
        let (span, drift) = (Tick(election * 2 / 3), Drift { parts: 1, of: 10 });
        Timing {
            evidence: Some(Tick(election / 2)),
            quorum_timeout: Some(Tick(election * 2)),
            lease: Some(Lease { span, drift }),
        }
    }

    /// Starts a node from what its disk holds.
    async fn start(&mut self, id: ReplicaId) -> Node {
        let listener = match self.listeners.remove(&id) {
            Some(listener) => listener,
            None => TcpListener::bind(&self.addresses[&id]).await.unwrap(),
        };
        let options =
            wal::Options { segment_length: 1 << 16, ..wal::Options::new(u64::from(id.0)) };
        let (wal, recovered) = Wal::open_or_create(&self.disks[&id], options).unwrap();
        let peers = self.addresses.clone();
        let incarnation = u64::from(id.0) + 100;
        let (group, tuning) = (self.config(id), Tuning::default());
        let options = Options { group, peers, tuning, incarnation, skew: None };
        let (handle, running): (_, Running) =
            ringleader_node::start(options, wal, &recovered, List::default(), listener).unwrap();
        let running = tokio::task::spawn_local(running);
        Node { handle, running }
    }
}

impl Node {
    async fn stop(self) {
        self.handle.stop().await;
        self.running.await.unwrap().unwrap();
    }

    /// Writes until it is done; a write of unknown outcome may be in the list beside it.
    async fn write(&self, value: u64) -> u64 {
        loop {
            if let Outcome::Done(answer) = self.handle.write(append(value)).await {
                return number(&answer);
            }
        }
    }

    async fn length(&self) -> u64 {
        loop {
            match self.handle.read(Command::default()).await {
                Outcome::Done(answer) => return number(&answer),
                Outcome::Refused(_) => {}
                Outcome::Unknown => panic!("a read is never unknown"),
            }
        }
    }
}

async fn cluster(group: &mut Group) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in (0..REPLICAS).map(ReplicaId) {
        nodes.push(group.start(id).await);
    }
    nodes
}

#[test]
fn every_node_takes_writes_and_sees_all_of_them() {
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(100)).await;
        let nodes = cluster(&mut group).await;
        let mut at = 0;
        for node in &nodes {
            at = node.write(7).await;
        }
        assert!(at >= 2, "the third write is at {at}");
        for node in &nodes {
            assert!(node.length().await > at);
        }
    });
}

#[test]
fn the_others_go_on_without_the_leader_and_it_catches_up() {
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(100)).await;
        let mut nodes = cluster(&mut group).await;
        nodes[0].write(0).await;
        let leader = nodes.iter().position(|it| it.handle.status().role == Role::Leader).unwrap();
        nodes.remove(leader).stop().await;
        for value in 1..200 {
            nodes[0].write(value).await;
        }
        // It comes back with an empty state machine and the log it had.
        let returned = group.start(ReplicaId(u8::try_from(leader).unwrap())).await;
        assert!(returned.length().await >= 200);
        let last = nodes[0].handle.status().last;
        while returned.handle.status().applied < last {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_leader_that_hands_over_leaves_no_request_without_an_answer() {
    // No election timer fires meanwhile: what follows is the transfer's doing.
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(500)).await;
        let nodes = cluster(&mut group).await;
        nodes[0].write(0).await;
        let leads = |node: &Node| node.handle.status().role == Role::Leader;
        let leader = nodes.iter().position(leads).unwrap();
        let handle = &nodes[leader].handle;
        let term = handle.status().term;
        let write = |value| {
            let handle = handle.clone();
            asking(async move { handle.write(append(value)).await })
        };
        let writes: Vec<_> = (1..50).map(write).collect();
        handle.hand_over().await;
        assert!(!leads(&nodes[leader]));
        for write in writes {
            assert!(matches!(write.await.unwrap(), Outcome::Done(_)));
        }
        assert!(nodes[leader].length().await >= 50);
        assert_eq!(handle.status().term, Term(term.0 + 1));
        // Nothing is handed over by who does not lead.
        handle.hand_over().await;
        assert_eq!(handle.status().term, Term(term.0 + 1));
    });
}

#[test]
fn a_leader_that_is_left_alone_takes_no_reads_after_its_lease() {
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(100)).await;
        let mut nodes = cluster(&mut group).await;
        nodes[0].write(0).await;
        let leader = nodes.iter().position(|it| it.handle.status().role == Role::Leader).unwrap();
        let leader = nodes.remove(leader);
        for node in nodes {
            node.stop().await;
        }
        // Until the lease ends it may answer; then nobody confirms it, and it steps down.
        let ended = loop {
            match leader.handle.read(Command::default()).await {
                Outcome::Done(_) => {}
                ended @ (Outcome::Refused(_) | Outcome::Unknown) => break ended,
            }
        };
        assert_eq!(ended, Outcome::Refused(RefusedBecause::NoLeader));
        assert_ne!(leader.handle.status().role, Role::Leader);
    });
}

#[test]
fn all_nodes_stop_and_start_again_with_what_was_acknowledged() {
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(100)).await;
        for round in 0..3 {
            let nodes = cluster(&mut group).await;
            assert!(nodes[1].write(round).await >= round);
            for node in nodes {
                node.stop().await;
            }
        }
    });
}

#[test]
fn a_failed_write_ends_the_node_and_acknowledges_nothing() {
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(20)).await;
        group.size = 1;
        let disk = SimulatedDisk::new();
        group.disks.insert(ReplicaId(0), Arc::new(disk.clone()));
        let node = group.start(ReplicaId(0)).await;
        node.write(1).await;
        disk.fail_at(Fault::Operation(disk.operations()));
        assert_eq!(node.handle.write(append(2)).await, Outcome::Unknown);
        let ended = node.running.await.unwrap();
        assert!(matches!(ended, Err(NodeError::Write(_))), "{ended:?}");
        let stopping = Outcome::Refused(RefusedBecause::Stopping);
        assert_eq!(node.handle.write(append(3)).await, stopping);
    });
}

#[test]
fn without_a_majority_requests_are_refused_for_good() {
    on_one_thread(Clock::Skips, async {
        let mut group = Group::new(Duration::from_millis(100)).await;
        let node = group.start(ReplicaId(0)).await;
        group.listeners.clear();
        let refused = Outcome::Refused(RefusedBecause::NoLeader);
        assert_eq!(node.handle.write(append(1)).await, refused);
        assert_eq!(node.handle.read(Command::default()).await, refused);
    });
}

#[test]
fn strangers_on_the_peer_port_are_turned_away() {
    on_one_thread(Clock::Real, async {
        let mut group = Group::new(Duration::from_millis(100)).await;
        let nodes = cluster(&mut group).await;
        let hello = |from, to| {
            Frame::Hello(Hello {
                from: ReplicaId(from),
                to: ReplicaId(to),
                incarnation: Incarnation(1),
            })
        };
        let vote = Frame::Message(Message::Vote { term: Term(9) });
        let openings = [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            encoded(&vote),
            encoded(&hello(1, 2)),
            encoded(&hello(7, 0)),
        ];
        for opening in openings {
            let mut stream = TcpStream::connect(&group.addresses[&ReplicaId(0)]).await.unwrap();
            stream.write_all(&opening).await.unwrap();
            // Closed, or reset because there was more to read.
            let read = stream.read(&mut [0; 1]).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
        nodes[0].write(0).await;
    });
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode_into(frame, &mut bytes);
    bytes
}

/// Replica 1, played by the test: it leads, and answers what it likes.
struct Puppet {
    speaks: TcpStream,
    hears: TcpStream,
    bytes: BytesMut,
}

impl Puppet {
    /// Makes a node follow it, and accepts that node's link.
    async fn lead(group: &Group, listener: &TcpListener, node: &Node) -> Self {
        let mut speaks = TcpStream::connect(&group.addresses[&ReplicaId(0)]).await.unwrap();
        let hello = Hello { from: ReplicaId(1), to: ReplicaId(0), incarnation: Incarnation(7) };
        speaks.write_all(&encoded(&Frame::Hello(hello))).await.unwrap();
        let (prev, commit) = (LogEnd::default(), LogIndex(0));
        let append = Message::Append { term: Term(5), prev, entries: Vec::new(), commit };
        speaks.write_all(&encoded(&Frame::Message(append))).await.unwrap();
        let (hears, _) = listener.accept().await.unwrap();
        let mut puppet = Self { speaks, hears, bytes: BytesMut::new() };
        assert!(matches!(puppet.hear().await, Frame::Hello(_)));
        while node.handle.status().leader != Some(ReplicaId(1)) {
            tokio::task::yield_now().await;
        }
        puppet
    }

    async fn hear(&mut self) -> Frame {
        loop {
            if let Some(frame) = frame::take(&mut self.bytes).unwrap() {
                return frame;
            }
            assert!(self.hears.read_buf(&mut self.bytes).await.unwrap() > 0, "the node hung up");
        }
    }

    /// The next request that the node hands over.
    async fn forwarded(&mut self) -> Forward {
        loop {
            if let Frame::Forward(forward) = self.hear().await {
                return forward;
            }
        }
    }

    async fn answer(&mut self, to: &Forward, outcome: ForwardOutcome) {
        let Forward { incarnation, id, .. } = *to;
        let answered = Frame::Answered(Answered { incarnation, id, outcome });
        self.speaks.write_all(&encoded(&answered)).await.unwrap();
    }
}

/// Node 0 follows a puppet that plays replica 1 and leads.
async fn follower_of_a_puppet() -> (Node, Puppet, TcpListener) {
    let mut group = Group::new(Duration::from_mins(1)).await;
    let listener = group.listeners.remove(&ReplicaId(1)).unwrap();
    let node = group.start(ReplicaId(0)).await;
    let puppet = Puppet::lead(&group, &listener, &node).await;
    (node, puppet, listener)
}

fn asking<T: 'static>(asked: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    tokio::task::spawn_local(asked)
}

#[test]
fn a_write_that_the_leader_may_have_seen_is_unknown_when_it_goes_away() {
    on_one_thread(Clock::Real, async {
        let (node, mut puppet, _listener) = follower_of_a_puppet().await;
        let handle = node.handle.clone();
        let write = asking(async move { handle.write(append(1)).await });
        let forward = puppet.forwarded().await;
        assert_eq!(forward.request, ForwardRequest::Write(append(1)));
        drop(puppet);
        assert_eq!(write.await.unwrap(), Outcome::Unknown);
    });
}

#[test]
fn a_read_is_asked_again_when_the_leader_goes_away_and_returns() {
    on_one_thread(Clock::Real, async {
        let (node, mut puppet, listener) = follower_of_a_puppet().await;
        let handle = node.handle.clone();
        let read = asking(async move { handle.read(Command::default()).await });
        puppet.forwarded().await;
        let (hears, _) = {
            drop(puppet.hears);
            listener.accept().await.unwrap()
        };
        puppet = Puppet { speaks: puppet.speaks, hears, bytes: BytesMut::new() };
        let again = puppet.forwarded().await;
        puppet.answer(&again, ForwardOutcome::Done(append(4))).await;
        assert_eq!(read.await.unwrap(), Outcome::Done(append(4)));
    });
}

#[test]
fn a_write_is_sent_again_only_after_it_was_certainly_not_taken() {
    on_one_thread(Clock::Real, async {
        let (node, mut puppet, _listener) = follower_of_a_puppet().await;
        let handle = node.handle.clone();
        let write = asking(async move { handle.write(append(1)).await });
        let first = puppet.forwarded().await;
        puppet.answer(&first, ForwardOutcome::NotLeader { leader: None }).await;
        let again = puppet.forwarded().await;
        assert_eq!(again.request, first.request);
        puppet.answer(&again, ForwardOutcome::Done(append(0))).await;
        assert_eq!(write.await.unwrap(), Outcome::Done(append(0)));
    });
}

#[test]
fn answers_to_an_earlier_process_are_not_taken_for_ours() {
    on_one_thread(Clock::Real, async {
        let (node, mut puppet, _listener) = follower_of_a_puppet().await;
        let handle = node.handle.clone();
        let write = asking(async move { handle.write(append(1)).await });
        let forward = puppet.forwarded().await;
        let earlier = Forward { incarnation: Incarnation(1), ..forward.clone() };
        puppet.answer(&earlier, ForwardOutcome::Done(append(99))).await;
        puppet.answer(&forward, ForwardOutcome::Done(append(0))).await;
        assert_eq!(write.await.unwrap(), Outcome::Done(append(0)));
    });
}
