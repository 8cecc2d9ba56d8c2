//! What must hold at the end: what clients were told, what was committed and what replicas hold.

use crate::client::Ended;
use crate::digest;
use crate::oracle::Violation;
use crate::world::World;
use lincheck::{Budget, Cell, CellCall, Token, Verdict};
use ringleader_storage::engine::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Model steps that the history checker may take for each item; most need a few thousand.
const STEPS_MAX: u64 = 20_000_000;

/// The history checker gave up.
pub(crate) const UNDECIDED: &str = "UNDECIDED";

impl World {
    pub(crate) fn check_end(&self) -> Result<(), Violation> {
        self.oracle.check_group(&self.nodes)?;
        self.check_promises()?;
        self.check_replicas()?;
        self.check_eventual_reads()?;
        self.check_history()
    }

    /// `ANSWER-1`: what was acknowledged is committed, once; what was refused for good is not.
    fn check_promises(&self) -> Result<(), Violation> {
        let mut committed: BTreeMap<u64, u32> = BTreeMap::new();
        for command in self.oracle.commands() {
            *committed.entry(digest::of(command.as_bytes())).or_default() += 1;
        }
        // Commands that remove an item are all the same.
        let is_unique =
            |at: usize| !matches!(self.history.records[at].action.call, CellCall::Delete);
        for (at, record) in self.history.records.iter().enumerate().filter(|(at, _)| is_unique(*at))
        {
            let Some(command) = &record.command else { continue };
            let count = committed.get(&digest::of(command.as_bytes())).copied().unwrap_or(0);
            let allowed = match record.ended {
                Ended::Done => 1..=1,
                Ended::Failed => 0..=0,
                Ended::Open | Ended::Unknown => 0..=1,
            };
            if !allowed.contains(&count) {
                let detail = format!(
                    "client {}, {}: {:?}, and committed {count} times",
                    record.client,
                    self.words_of(at),
                    record.ended
                );
                return Err(Violation::new("ANSWER-1", detail));
            }
        }
        Ok(())
    }

    /// `TABLE-1`: replicas that have applied as much hold the same; those of the healed quorum have
    /// applied all.
    fn check_replicas(&self) -> Result<(), Violation> {
        let mut by_applied: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(process) = &node.process else { continue };
            let (state, status) = (process.replica.state(), process.replica.status());
            let mut held = Vec::new();
            let keep = &mut |key: &[u8], value: &[u8]| {
                held.extend_from_slice(key);
                held.extend_from_slice(value);
                true
            };
            let scanned = state.tables.engine().scan((Bound::Unbounded, Bound::Unbounded), keep);
            let healed = self.reachable.contains(&node.id.0);
            if let Err(error) = scanned {
                if healed {
                    return Err(Violation::new("STORAGE", format!("node {at}: {error}")));
                }
                continue;
            }
            if healed && status.applied != status.last {
                let detail = format!("{} after a while of rest", node.describe());
                return Err(Violation::new("LIVENESS", detail));
            }
            let found = digest::of(&held);
            let (first, expected) = *by_applied.entry(status.applied.0).or_insert((at, found));
            if found != expected {
                let detail = format!("nodes {first} and {at} differ at entry {}", status.applied.0);
                return Err(Violation::new("TABLE-1", detail));
            }
        }
        Ok(())
    }

    /// `READ-2`: an eventual read returns what some committed prefix wrote.
    fn check_eventual_reads(&self) -> Result<(), Violation> {
        let committed: BTreeSet<u64> =
            self.oracle.commands().map(|it| digest::of(it.as_bytes())).collect();
        let is_committed = |command: &ringleader_wire::Command| {
            committed.contains(&digest::of(command.as_bytes()))
        };
        let mut written: BTreeSet<(Token, Token)> = BTreeSet::new();
        for record in &self.history.records {
            let value = match record.action.call {
                CellCall::Put { value } | CellCall::PutIf { value, .. } => value,
                CellCall::Get { .. } | CellCall::Delete => continue,
            };
            if record.command.as_ref().is_some_and(is_committed) {
                written.insert((record.action.key, value));
            }
        }
        for (at, record) in self.history.records.iter().enumerate().filter(|(_, it)| it.eventual) {
            let CellCall::Get { seen: Some(value) } = record.action.call else { continue };
            if record.ended == Ended::Done && !written.contains(&(record.action.key, value)) {
                let detail = format!("client {}: {}", record.client, self.words_of(at));
                return Err(Violation::new("READ-2", detail));
            }
        }
        Ok(())
    }

    fn check_history(&self) -> Result<(), Violation> {
        let history = self.history.operations();
        match lincheck::check(&history, &Cell, &Budget::steps(STEPS_MAX)) {
            Verdict::Legal(_) => Ok(()),
            Verdict::Illegal(illegal) => {
                let at = history[illegal.position].index;
                let record = &self.history.records[at];
                let near = illegal.partition.iter().map(|&it| &history[it]);
                let before: Vec<String> = near
                    .filter(|it| it.invoked < record.returned)
                    .map(|it| self.words_of(it.index))
                    .collect();
                let from = before.len().saturating_sub(6);
                let detail = format!(
                    "no order of the operations explains the answer to client {}: {}; before it on \
                     this item: {}",
                    record.client,
                    self.words_of(at),
                    before[from..].join(", ")
                );
                Err(Violation::new("LINEARIZABLE", detail))
            }
            Verdict::Undecided(undecided) => {
                Err(Violation::new(UNDECIDED, format!("{}", undecided.reason)))
            }
        }
    }
}
