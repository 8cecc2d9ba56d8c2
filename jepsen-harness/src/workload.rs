//! The load: clients that read and write items, each over one connection to one node.
//!
//! A client stays with its node whatever happens to it: the client of a leader that was cut off
//! must be able to see that leader's stale data, if it serves any. A client whose operation is
//! unknown goes on as a new process, because the old operation may still take effect.
//! Some clients only read: where writes hang until their timeout, they still ask.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use ringleader_client::{Client, Condition as ItemCondition, Item, Outcome, Reason};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::generator::{Generator, Operation, Random};
use crate::history::{Condition, Function};
use crate::recorder::{Completion, Recorder};

/// The table every operation is about.
pub const TABLE: &str = "jepsen";

/// How long the final reads may take in all; the cluster is whole when they begin.
const FINAL_READS_MAX: Duration = Duration::from_secs(20);
/// Clients that share the final reads.
const FINAL_READERS: usize = 6;
/// How long creating the table may take.
const CREATE_MAX: Duration = Duration::from_secs(10);
/// A client whose request was refused or is unknown pauses this long, and up to twice as long:
/// long enough not to spin on a dead node, short enough to meet it as soon as it is back.
const PAUSE_MS: u64 = 20;
/// Of so many clients of a node one only reads.
const READER_EACH: usize = 4;
/// At most so many different surprises are kept.
const SURPRISES_MAX: usize = 5;

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

/// The clients and what they share.
pub struct Workload {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

struct Shared {
    load: Load,
    recorder: Arc<Recorder>,
    generator: Mutex<Generator>,
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
        load: &Load,
        apis: &[SocketAddr],
        generator: Generator,
        recorder: Arc<Recorder>,
        random: &mut Random,
    ) -> Self {
        let shared = Arc::new(Shared {
            load: load.clone(),
            recorder,
            generator: Mutex::new(generator),
            next_process: AtomicU64::new(0),
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

    /// Reads every key that was ever used once more and returns how many there are.
    ///
    /// # Errors
    ///
    /// If some cannot be read although the cluster is whole.
    pub async fn read_all(&mut self, apis: &[SocketAddr]) -> Result<usize> {
        let keys = self.shared.generator().keys();
        let count = keys.len();
        let left = Arc::new(Mutex::new(keys));
        let deadline = Instant::now() + FINAL_READS_MAX;
        for reader in 0..FINAL_READERS {
            let node = reader % apis.len();
            let connection = Connection::new(&self.shared, node, apis[node]);
            self.clients.spawn(connection.read_each(Arc::clone(&left), deadline));
        }
        self.stop().await?;
        let left = left.lock().unwrap_or_else(PoisonError::into_inner).len();
        if left > 0 {
            let seconds = FINAL_READS_MAX.as_secs();
            bail!("{left} of {count} keys could not be read within {seconds} s after the heal");
        }
        Ok(count)
    }

    /// Answers that no correct node gives, for example that the table does not exist.
    #[must_use]
    pub fn surprises(&self) -> Vec<String> {
        self.shared.surprises.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Creates the table. An attempt whose outcome is unknown is made again: that it exists is all
/// that matters.
///
/// # Errors
///
/// If it does not exist within ten seconds.
pub async fn create_table(api: SocketAddr) -> Result<()> {
    let mut client = Client::new(api, CREATE_MAX);
    let deadline = Instant::now() + CREATE_MAX;
    loop {
        let reason = match client.create_table(TABLE, "k").await {
            Outcome::Ok(()) => return Ok(()),
            Outcome::Refused(reason) if reason.code == "ResourceInUseException" => return Ok(()),
            Outcome::Refused(reason) | Outcome::Unknown(reason) => reason,
            Outcome::ConditionFailed { .. } => bail!("creating a table has no condition to fail"),
        };
        if Instant::now() >= deadline {
            bail!("cannot create the table {TABLE}: {reason}");
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
    }
}

impl Shared {
    fn generator(&self) -> MutexGuard<'_, Generator> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner)
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
        let client = Client::new(api, shared.load.timeout);
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
                Role::Reader => self.shared.generator().read(),
                Role::Both => self.shared.generator().operation(),
            };
            let done = self.perform(&operation).await;
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

    /// Takes keys and reads them until none is left.
    async fn read_each(mut self, left: Arc<Mutex<Vec<String>>>, deadline: Instant) {
        let take = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(key) = take() {
            let operation = Operation { f: Function::Get, key, value: None, condition: None };
            while !self.perform(&operation).await {
                if Instant::now() >= deadline {
                    // Counted as not read.
                    left.lock().unwrap_or_else(PoisonError::into_inner).push(operation.key);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
    }

    /// Asks once, records both ends, and says whether there was an answer.
    async fn perform(&mut self, operation: &Operation) -> bool {
        self.shared.recorder.invoke(self.process, self.node, operation);
        let completion = self.ask(operation).await;
        self.shared.recorder.complete(self.process, self.node, operation, &completion);
        match completion {
            Completion::Done { .. } | Completion::ConditionFailed { .. } => {
                self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                let seen = match completion {
                    Completion::Done { read } => operation.value.or(read),
                    Completion::ConditionFailed { old } => old,
                    Completion::NoEffect(_) | Completion::Unknown(_) => None,
                };
                self.shared.generator().observe(&operation.key, seen);
                true
            }
            Completion::NoEffect(_) => {
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                false
            }
            Completion::Unknown(_) => {
                self.shared.unknown.fetch_add(1, Ordering::Relaxed);
                self.process = self.shared.fresh_process();
                false
            }
        }
    }

    async fn ask(&mut self, operation: &Operation) -> Completion {
        let key = key(&operation.key);
        match operation.f {
            Function::Get => match self.client.get(TABLE, &key).await {
                Outcome::Ok(item) => {
                    let read = self.value_of(item.as_ref());
                    Completion::Done { read }
                }
                Outcome::ConditionFailed { .. } => {
                    self.shared.surprise("a condition failed on a read".into());
                    Completion::NoEffect("a condition failed on a read".into())
                }
                // A read has no effect, so nothing is unknown about one without an answer.
                Outcome::Refused(reason) | Outcome::Unknown(reason) => self.no_effect(&reason),
            },
            Function::Put | Function::PutIf => {
                let item = item(key, operation.value.unwrap_or_default());
                let condition = operation.condition.map(item_condition);
                let outcome = self.client.put(TABLE, &item, condition.as_ref()).await;
                self.completion_of_write(outcome)
            }
            Function::Delete => {
                let outcome = self.client.delete(TABLE, &key, None).await;
                self.completion_of_write(outcome)
            }
        }
    }

    fn completion_of_write(&self, outcome: Outcome<()>) -> Completion {
        match outcome {
            Outcome::Ok(()) => Completion::Done { read: None },
            Outcome::ConditionFailed { old } => {
                Completion::ConditionFailed { old: self.value_of(old.as_ref()) }
            }
            Outcome::Refused(reason) => self.no_effect(&reason),
            Outcome::Unknown(reason) => Completion::Unknown(reason.to_string()),
        }
    }

    /// Every request of the load is well formed and its table exists: a node that says otherwise
    /// is wrong.
    fn no_effect(&self, reason: &Reason) -> Completion {
        const NEVER: [&str; 4] = [
            "ValidationException",
            "SerializationException",
            "UnknownOperationException",
            "ResourceNotFoundException",
        ];
        if NEVER.contains(&reason.code.as_str()) {
            self.shared.surprise(reason.to_string());
        }
        Completion::NoEffect(reason.to_string())
    }

    /// The value in an item that the load wrote.
    fn value_of(&self, item: Option<&Item>) -> Option<i64> {
        let item = item?;
        let value = item.get("v").and_then(|value| value.get("N")).and_then(Value::as_str);
        let value = value.and_then(|digits| digits.parse().ok());
        if value.is_none() {
            let text = Value::Object(item.clone());
            self.shared.surprise(format!("an item that nobody wrote: {text}"));
        }
        value
    }
}

fn key(name: &str) -> Item {
    Item::from_iter([("k".to_owned(), json!({"S": name}))])
}

fn item(mut key: Item, value: i64) -> Item {
    key.insert("v".into(), json!({"N": value.to_string()}));
    key
}

fn item_condition(condition: Condition) -> ItemCondition {
    match condition {
        Condition::Absent => ItemCondition::new("attribute_not_exists(k)"),
        Condition::Exists => ItemCondition::new("attribute_exists(k)"),
        Condition::Equals(value) => {
            ItemCondition::new("v = :old").value(":old", json!({"N": value.to_string()}))
        }
    }
}
