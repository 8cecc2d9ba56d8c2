//! The load: clients that ask what a script says, each over one connection to one node.
//!
//! A client stays with its node whatever happens to it: the client of a leader that was cut off
//! must be able to see that leader's stale data, if it serves any. A client whose operation is
//! unknown goes on as a new process, because the old operation may still take effect.
//! Some clients only read: where writes hang until their timeout, they still ask.

mod dynamo;
mod etcd;
pub mod kind;
pub mod script;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use ringleader_client::Client;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::generator::{Operation, Random};
use crate::recorder::{Completion, Recorder};
use dynamo::Answered;
pub use etcd::EtcdReads;
pub use kind::{Kind, Question};
use script::Script;
pub use script::Size;

/// How long the final reads may take in all; the cluster is whole when they begin.
const FINAL_READS_MAX: Duration = Duration::from_secs(20);
/// Clients that share the final reads.
const FINAL_READERS: usize = 6;
/// Eventual reads may be older than writes that were answered: a follower learns what is committed
/// with the next heartbeat (50 ms), so the last reads wait for several.
const QUIET: Duration = Duration::from_millis(500);
/// How long a global index may take to follow its table once all is quiet.
const INDEX_MAX: Duration = Duration::from_secs(10);
/// A client whose request was refused or is unknown pauses this long, and up to twice as long:
/// long enough not to spin on a dead node, short enough to meet it as soon as it is back.
const PAUSE_MS: u64 = 20;
/// Of so many clients of a node one only reads.
const READER_EACH: usize = 4;
/// At most so many different surprises are kept.
const SURPRISES_MAX: usize = 5;

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The DynamoDB API.
    Dynamo,
    /// etcd's HTTP gateway.
    Etcd(EtcdReads),
}

impl Target {
    /// Whether a workload can be asked of it.
    #[must_use]
    pub fn supports(self, kind: Kind) -> bool {
        match self {
            Self::Dynamo => true,
            Self::Etcd(_) => matches!(kind, Kind::Item | Kind::Register | Kind::HotKey),
        }
    }

    /// Makes what a workload needs before it starts.
    ///
    /// # Errors
    ///
    /// If that is not there within ten seconds.
    pub async fn prepare(self, kind: Kind, api: SocketAddr, prefix: &str) -> Result<()> {
        match self {
            Self::Dynamo => dynamo::prepare(kind, api, prefix).await,
            Self::Etcd(_) => Ok(()),
        }
    }

    fn client(self, api: SocketAddr, timeout: Duration) -> Client {
        match self {
            Self::Dynamo => dynamo::client(api, timeout),
            Self::Etcd(_) => Client::new(api, timeout),
        }
    }
}

/// How the clients behave.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many there are.
    pub clients: usize,
    /// How many operations they start per second, all together and at most.
    pub rate: u64,
    /// How long one waits for an answer.
    pub timeout: Duration,
}

/// What the clients do, to whom, and how large.
#[derive(Clone, Debug)]
pub struct Job {
    /// The workload.
    pub kind: Kind,
    /// Whose API is spoken.
    pub target: Target,
    /// How many objects it uses.
    pub size: Size,
    /// The number of its first process.
    pub process_first: u64,
    /// Before every name on the server: what an earlier run left there is not ours.
    pub prefix: String,
}

/// How many operations ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Answered, failed conditions included.
    pub acknowledged: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// Unknown.
    pub unknown: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// The clients and what they share.
pub struct Workload {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

struct Shared {
    kind: Kind,
    target: Target,
    prefix: String,
    load: Load,
    recorder: Arc<Recorder>,
    script: Mutex<Box<dyn Script>>,
    next_process: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
    surprises: Mutex<Vec<String>>,
}

impl Workload {
    /// Starts the clients, spread evenly over the nodes at `apis`.
    #[must_use]
    pub fn start(
        job: Job,
        load: &Load,
        apis: &[SocketAddr],
        recorder: Arc<Recorder>,
        random: &mut Random,
    ) -> Self {
        let Job { kind, target, size, process_first, prefix } = job;
        let script = script::script(kind, Random::new(random.draw()), size);
        let shared = Arc::new(Shared {
            kind,
            target,
            prefix,
            load: load.clone(),
            recorder,
            script: Mutex::new(script),
            next_process: AtomicU64::new(process_first),
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            surprises: Mutex::new(Vec::new()),
        });
        let stop = watch::Sender::new(false);
        let mut clients = JoinSet::new();
        for client in 0..load.clients {
            let node = client % apis.len();
            let connection = Connection::new(&shared, node, apis[node]);
            let random = Random::new(random.draw());
            let role = if client % (READER_EACH * apis.len()) < apis.len() {
                Role::Reader
            } else {
                Role::Both
            };
            clients.spawn(connection.work(role, stop.subscribe(), random));
        }
        Self { shared, stop, clients }
    }

    /// How many operations ended in which way so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Lets every client finish what it has begun.
    ///
    /// # Errors
    ///
    /// If a client panicked.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended?;
        }
        Ok(())
    }

    /// What the clients do.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.shared.kind
    }

    /// Reads everything that was ever used once more and returns how many objects that are.
    ///
    /// # Errors
    ///
    /// If some cannot be read although the cluster is whole, or an index does not follow.
    pub async fn read_all(&mut self, apis: &[SocketAddr]) -> Result<usize> {
        let kind = self.shared.kind;
        let mut last = self.shared.script().last();
        let count = last.len();
        if kind == Kind::Sessions {
            tokio::time::sleep(QUIET).await;
            // They are to agree, so each is asked for everything.
            last = last.iter().flat_map(|one| vec![one.clone(); apis.len()]).collect();
        }
        let left = Arc::new(Mutex::new(last));
        let read = Arc::new(Mutex::new(Vec::new()));
        let deadline = Instant::now() + FINAL_READS_MAX;
        for reader in 0..FINAL_READERS {
            let node = reader % apis.len();
            let connection = Connection::new(&self.shared, node, apis[node]);
            let (left, read) = (Arc::clone(&left), Arc::clone(&read));
            self.clients.spawn(connection.read_each(left, read, deadline));
        }
        self.stop().await?;
        let left = left.lock().unwrap_or_else(PoisonError::into_inner).len();
        if left > 0 {
            let seconds = FINAL_READS_MAX.as_secs();
            bail!("{left} of {count} final reads were not answered within {seconds} s of the heal");
        }
        if kind == Kind::Sessions {
            agree(&read.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        if kind == Kind::Index {
            let read = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut client = self.shared.target.client(apis[0], self.shared.load.timeout);
            if let Some(differs) =
                dynamo::index_differs(&mut client, &self.shared.prefix, &read, INDEX_MAX).await
            {
                bail!("{differs}, {} s after the heal", INDEX_MAX.as_secs());
            }
        }
        Ok(count)
    }

    /// Answers that no order of operations explains, found without a checker.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.shared.script().complaints()
    }

    /// Answers that no correct node gives, for example that the table does not exist.
    #[must_use]
    pub fn surprises(&self) -> Vec<String> {
        self.shared.surprises.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Box<dyn Script>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh_process(&self) -> u64 {
        self.next_process.fetch_add(1, Ordering::Relaxed)
    }

    fn counts(&self) -> Counts {
        Counts {
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    fn surprise(&self, text: String) {
        let mut surprises = self.surprises.lock().unwrap_or_else(PoisonError::into_inner);
        if surprises.len() < SURPRISES_MAX && !surprises.contains(&text) {
            surprises.push(text);
        }
    }
}

/// Keys, and what was read of them when all was over.
type LastReads = Vec<(String, Option<i64>)>;

/// With everything quiet all nodes say the same.
fn agree(read: &LastReads) -> Result<()> {
    let mut said: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    for (key, value) in read {
        let first = *said.entry(key).or_insert(*value);
        if first != *value {
            let ms = QUIET.as_millis();
            bail!("of {key} one node says {first:?} and another {value:?}, {ms} ms after the heal");
        }
    }
    Ok(())
}

/// What a client asks for.
#[derive(Clone, Copy)]
enum Role {
    Reader,
    Both,
}

/// One client: a process of the history and its connection to its node.
struct Connection {
    shared: Arc<Shared>,
    node: usize,
    process: u64,
    client: Client,
}

impl Connection {
    fn new(shared: &Arc<Shared>, node: usize, api: SocketAddr) -> Self {
        let process = shared.fresh_process();
        let client = shared.target.client(api, shared.load.timeout);
        Self { shared: Arc::clone(shared), node, process, client }
    }

    /// Asks what the generator says, at its share of the rate, until told to stop.
    async fn work(mut self, role: Role, stop: watch::Receiver<bool>, mut random: Random) {
        let clients = u64::try_from(self.shared.load.clients).unwrap_or(u64::MAX);
        let interval_us = 1_000_000 * clients / self.shared.load.rate.max(1);
        while !*stop.borrow() {
            // Uniform between 0 and twice the interval: the rate is right on average, and clients
            // do not march in step.
            let next = Instant::now() + Duration::from_micros(random.below(2 * interval_us + 1));
            let operation = match role {
                Role::Reader => self.shared.script().read(),
                Role::Both => self.shared.script().next(),
            };
            let done = matches!(self.perform(&operation).await, Completion::Done(_));
            if !done {
                let pause_ms = PAUSE_MS + random.below(PAUSE_MS);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
            // A timer that has already fired still costs a millisecond.
            if next > Instant::now() {
                tokio::time::sleep_until(next).await;
            }
        }
    }

    /// Takes reads and performs them until none is left; keeps what they saw.
    async fn read_each(
        mut self,
        left: Arc<Mutex<Vec<Operation>>>,
        read: Arc<Mutex<LastReads>>,
        deadline: Instant,
    ) {
        let take = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(operation) = take() {
            loop {
                if let Completion::Done(fields) = self.perform(&operation).await {
                    let value = fields.get("value").and_then(Value::as_i64);
                    let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                    read.push((operation.key().to_owned(), value));
                    break;
                }
                if Instant::now() >= deadline {
                    // Counted as not read.
                    left.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
    }

    /// Asks once, records both ends, and says how it ended.
    async fn perform(&mut self, operation: &Operation) -> Completion {
        let shared = Arc::clone(&self.shared);
        // What an eventual read saw binds the next one on the same connection only.
        if shared.kind == Kind::Sessions && !self.client.is_connected() {
            self.process = shared.fresh_process();
        }
        shared.recorder.invoke(self.process, self.node, operation);
        let completion = match shared.target {
            Target::Dynamo => {
                let asked =
                    dynamo::ask(&mut self.client, shared.kind, &shared.prefix, operation).await;
                let Answered { completion, surprise } = asked;
                if let Some(text) = surprise {
                    shared.surprise(text);
                }
                completion
            }
            Target::Etcd(reads) => {
                // All workloads share its keys.
                let prefix = format!("{}{}-", shared.prefix, shared.kind);
                etcd::ask(&mut self.client, reads, &prefix, operation).await
            }
        };
        shared.recorder.complete(self.process, self.node, operation, &completion);
        shared.script().observe(operation, &completion);
        match completion {
            Completion::Done(_) => &shared.acknowledged,
            Completion::NoEffect(_) => &shared.failed,
            Completion::Unknown(_) => {
                self.process = shared.fresh_process();
                &shared.unknown
            }
        }
        .fetch_add(1, Ordering::Relaxed);
        completion
    }
}
