//! Clients: each does its operations one after another, follows the leader, and remembers what it was
//! told.

use crate::oracle::Violation;
use crate::plan::{MS, OperationKind};
use crate::random::Random;
use crate::state::{Heard, Words};
use lincheck::{CellAction, CellCall, Condition, Operation, PutIfOutcome, Token};
use ringleader_core::ids::RequestId;
use ringleader_replica::{Event, Outcome};
use ringleader_wire::Command;
use std::collections::BTreeMap;

/// A client that hears nothing for so long gives up.
pub(crate) const PATIENCE: u64 = 1_500 * MS;

/// One that no leader takes a request from gives up after so long.
const LEADERLESS_MAX: u64 = 2_500 * MS;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Not yet.
    Open,
    /// With an answer.
    Done,
    /// It has had and will have no effect.
    Failed,
    /// It may have an effect, or not.
    Unknown,
}

/// What a client did and was told.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) client: u8,
    pub(crate) action: CellAction,
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
    pub(crate) ended: Ended,
    /// The command, of a write.
    pub(crate) command: Option<Command>,
    /// A read that may be old: no part of the history.
    pub(crate) eventual: bool,
}

/// An operation under way.
#[derive(Clone, Debug)]
struct Current {
    /// Its place among the records.
    record: usize,
    kind: OperationKind,
    query: Command,
    since: u64,
    /// The node that was asked and has not answered.
    asked: Option<u8>,
}

/// One client.
pub(crate) struct Client {
    pub(crate) id: u8,
    /// What is left to do, the last first.
    todo: Vec<Todo>,
    current: Option<Current>,
    /// Counts what was sent and what it waited for: an answer to an earlier attempt is stale.
    pub(crate) attempt: u32,
    /// Whom it believes to lead.
    leader: u8,
    /// The value it saw last of each item.
    seen: BTreeMap<u8, Option<i64>>,
    values: i64,
    random: Random,
}

#[derive(Clone, Copy, Debug)]
struct Todo {
    at: u64,
    key: u8,
    kind: OperationKind,
}

/// Counts moments of the history: invocations and returns, each apart.
#[derive(Debug, Default)]
pub(crate) struct Moments(u64);

impl Moments {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// What clients share.
pub(crate) struct History {
    pub(crate) words: Words,
    pub(crate) records: Vec<Recorded>,
    moments: Moments,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It tries (again) then.
    Asks(u64),
    /// It has nothing to do.
    Nothing,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { words: Words::new(), records: Vec::new(), moments: Moments::default() }
    }

    /// Operations for the history checker: what failed is left out, and reads that may be old.
    pub(crate) fn operations(&self) -> Vec<Operation<CellAction>> {
        let mut operations = Vec::with_capacity(self.records.len());
        for (index, it) in self.records.iter().enumerate() {
            let is_read = matches!(it.action.call, CellCall::Get { .. });
            let returned = match it.ended {
                Ended::Failed => continue,
                Ended::Open | Ended::Unknown if is_read => continue,
                Ended::Open | Ended::Unknown => None,
                Ended::Done => Some(it.returned),
            };
            if !it.eventual {
                let process = u64::from(it.client);
                let (action, invoked) = (it.action, it.invoked);
                operations.push(Operation { process, action, invoked, returned, index });
            }
        }
        operations
    }
}

impl Client {
    pub(crate) fn new(seed: u64, id: u8) -> Self {
        Self {
            id,
            todo: Vec::new(),
            current: None,
            attempt: 0,
            leader: 0,
            seen: BTreeMap::new(),
            values: i64::from(id) * 1_000_000,
            random: Random::fork(seed, 200 + u64::from(id)),
        }
    }

    /// Gives it operations, in the order of time.
    pub(crate) fn give(&mut self, operations: impl Iterator<Item = (u64, u8, OperationKind)>) {
        let mut todo: Vec<Todo> =
            operations.map(|(at, key, kind)| Todo { at, key, kind }).collect();
        todo.reverse();
        assert!(self.todo.is_empty() && self.current.is_none(), "it has something to do");
        self.todo = todo;
    }

    pub(crate) fn forget_plans(&mut self) {
        self.todo.clear();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.todo.is_empty() && self.current.is_none()
    }

    /// When it begins its next operation, unless it is at one.
    pub(crate) fn next(&self, now: u64) -> Next {
        match (&self.current, self.todo.last()) {
            (None, Some(todo)) => Next::Asks(todo.at.max(now)),
            (None, None) | (Some(_), _) => Next::Nothing,
        }
    }

    /// Whom it asks now, and what; begins an operation if it is at none.
    pub(crate) fn ask(&mut self, now: u64, nodes: &[u8], history: &mut History) -> Option<u8> {
        if self.current.is_none() {
            let todo = self.todo.pop()?;
            self.begin(now, todo, history);
        }
        if !nodes.contains(&self.leader) {
            self.leader = self.random.pick(nodes);
        }
        self.attempt += 1;
        let any = self.random.pick(nodes);
        let current = self.current.as_mut().expect("begun above");
        let node = if current.kind == OperationKind::GetEventual { any } else { self.leader };
        current.asked = Some(node);
        Some(node)
    }

    fn begin(&mut self, now: u64, todo: Todo, history: &mut History) {
        self.values += 1;
        let (value, words) = (self.values, &history.words);
        let Todo { key, kind, .. } = todo;
        let (token, new) = (Token::from(i64::from(key)), Token::from(value));
        let applied = PutIfOutcome::Applied;
        let absent = || {
            let condition = Condition::Absent;
            (words.put_if_absent(key, value), CellAction::put_if(token, condition, new, applied))
        };
        let (query, action) = match (kind, self.seen.get(&key)) {
            (OperationKind::Get, _) => (words.get(key, true), CellAction::get(token, None)),
            (OperationKind::GetEventual, _) => {
                (words.get(key, false), CellAction::get(token, None))
            }
            (OperationKind::Put, _) => (words.put(key, value), CellAction::put(token, new)),
            (OperationKind::Delete, _) => (words.delete(key), CellAction::delete(token)),
            (OperationKind::PutIfSeen, Some(&Some(old))) => {
                let condition = Condition::Equals(Token::from(old));
                let action = CellAction::put_if(token, condition, new, applied);
                (words.put_if_equal(key, value, old), action)
            }
            (OperationKind::PutIfAbsent | OperationKind::PutIfSeen, _) => absent(),
        };
        let is_read = matches!(kind, OperationKind::Get | OperationKind::GetEventual);
        history.records.push(Recorded {
            client: self.id,
            action,
            invoked: history.moments.next(),
            returned: 0,
            ended: Ended::Open,
            command: (!is_read).then(|| query.clone()),
            eventual: kind == OperationKind::GetEventual,
        });
        let record = history.records.len() - 1;
        self.current = Some(Current { record, kind, query, since: now, asked: None });
    }

    /// The event that its request is, if it still waits for this attempt.
    pub(crate) fn request(&self, attempt: u32) -> Option<Event> {
        let current = self.current.as_ref().filter(|_| attempt == self.attempt)?;
        let (id, query) = (request_id(self.id, attempt), current.query.clone());
        Some(match current.kind {
            OperationKind::Get => Event::Read { id, query },
            OperationKind::GetEventual => Event::ReadEventual { id, query },
            OperationKind::Put
            | OperationKind::PutIfAbsent
            | OperationKind::PutIfSeen
            | OperationKind::Delete => Event::Write { id, command: query },
        })
    }

    /// Whether it waits for this node; then the attempt.
    pub(crate) fn waits_for(&self, node: u8) -> Option<u32> {
        let asked = self.current.as_ref().and_then(|current| current.asked);
        (asked == Some(node)).then_some(self.attempt)
    }

    /// An attempt has ended.
    ///
    /// # Errors
    /// When an answer is one that no correct server gives.
    pub(crate) fn hear(
        &mut self,
        now: u64,
        attempt: u32,
        outcome: &Outcome,
        nodes: &[u8],
        history: &mut History,
    ) -> Result<Next, Violation> {
        let waits = attempt == self.attempt;
        let Some(current) = self.current.as_mut().filter(|it| waits && it.asked.is_some()) else {
            return Ok(Next::Nothing);
        };
        current.asked = None;
        // What comes later is an answer to nothing.
        self.attempt += 1;
        let is_write = history.records[current.record].command.is_some();
        let ended = match outcome {
            Outcome::Done(answer) => {
                let heard = if is_write { Words::of_write(answer) } else { Words::of_read(answer) };
                let record = &mut history.records[current.record];
                learn(&mut self.seen, &mut record.action, heard)?;
                Ended::Done
            }
            Outcome::NotLeader { leader } if now < current.since + LEADERLESS_MAX => {
                let other = self.random.pick(nodes);
                self.leader = leader.map_or(other, |it| it.0);
                return Ok(Next::Asks(now + self.random.between(2 * MS, 40 * MS)));
            }
            Outcome::Unknown if is_write => Ended::Unknown,
            // A read without an answer says nothing.
            Outcome::NotLeader { .. } | Outcome::Refused(_) | Outcome::Unknown => Ended::Failed,
            Outcome::GivesWay => {
                return Err(Violation::new("ANSWER", "a client is told of a transfer".to_owned()));
            }
        };
        if ended != Ended::Done {
            self.leader = self.random.pick(nodes);
        }
        let record = &mut history.records[current.record];
        record.ended = ended;
        record.returned = history.moments.next();
        self.current = None;
        Ok(self.next(now))
    }

    /// What it is at, in words.
    pub(crate) fn describe(&self, history: &History) -> String {
        let action = self.current.as_ref().map(|it| history.records[it.record].action);
        action.map_or_else(String::new, |action| format!("client {}: {}", self.id, words(&action)))
    }
}

/// Takes an answer into what the history says and what the client knows.
fn learn(
    seen: &mut BTreeMap<u8, Option<i64>>,
    action: &mut CellAction,
    heard: Heard,
) -> Result<(), Violation> {
    let number = |token: Token| match token {
        Token::Number(number) => number,
        Token::Text(_) | Token::Unobserved => unreachable!("tokens here are numbers"),
    };
    let key = u8::try_from(number(action.key)).expect("few items");
    let now = match (&mut action.call, heard) {
        (CellCall::Get { seen: found }, Heard::Value(value)) => {
            *found = value.map(Token::from);
            value
        }
        (CellCall::Put { value } | CellCall::PutIf { value, .. }, Heard::Done) => {
            Some(number(*value))
        }
        (CellCall::Delete, Heard::Done) => None,
        (CellCall::PutIf { outcome, .. }, Heard::Refused(old)) => {
            *outcome = PutIfOutcome::Refused { old: Some(old.map(Token::from)) };
            old
        }
        (call, heard) => {
            let detail = format!("{call:?} is answered by {heard:?}");
            return Err(Violation::new("ANSWER", detail));
        }
    };
    seen.insert(key, now);
    Ok(())
}

/// Names a request among all of a run.
pub(crate) fn request_id(client: u8, attempt: u32) -> RequestId {
    RequestId(u64::from(client) << 32 | u64::from(attempt))
}

/// The client and the attempt that a request's name names.
pub(crate) fn named_by(id: RequestId) -> (u8, u32) {
    let client = u8::try_from(id.0 >> 32).expect("made by `request_id`");
    (client, u32::try_from(id.0 & u64::from(u32::MAX)).expect("the lower half"))
}

/// An action in words.
pub(crate) fn words(action: &CellAction) -> String {
    let token = |token: &Token| match token {
        Token::Number(number) => number.to_string(),
        Token::Text(_) | Token::Unobserved => "?".to_owned(),
    };
    let value = |value: &Option<Token>| value.as_ref().map_or("absent".to_owned(), token);
    let key = token(&action.key);
    match &action.call {
        CellCall::Get { seen } => format!("get {key}: {}", value(seen)),
        CellCall::Put { value } => format!("put {key} = {}", token(value)),
        CellCall::Delete => format!("delete {key}"),
        CellCall::PutIf { condition, value: new, outcome } => {
            let condition = match condition {
                Condition::Absent | Condition::EqualsNil => "absent".to_owned(),
                Condition::Exists => "there".to_owned(),
                Condition::Equals(old) => token(old),
            };
            let outcome = match outcome {
                PutIfOutcome::Applied => String::new(),
                PutIfOutcome::Refused { old } => {
                    format!(": refused, {}", old.as_ref().map_or("?".to_owned(), value))
                }
            };
            format!("put {key} = {} if {condition}{outcome}", token(new))
        }
    }
}
