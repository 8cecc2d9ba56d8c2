//! What must hold of a group at every moment: the predicates of the core, over replicas and over what
//! they promised to keep.

use crate::node::Node;
use ringleader_core::group::invariant::{self, Committed};
use ringleader_core::group::{Group, Log, Payload};
use ringleader_core::ids::{LogIndex, ReplicaId, Term};
use ringleader_core::quorum::ReplicaSet;
use ringleader_wire::Command;
use std::collections::BTreeMap;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub check: String,
    /// What was seen, in a sentence.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(check: &str, detail: String) -> Self {
        Self { check: check.to_owned(), detail }
    }
}

/// What was seen so far of the whole group.
#[derive(Debug)]
pub(crate) struct Oracle {
    voters: ReplicaSet,
    /// What some replica took for committed, by index.
    committed: Vec<Committed<Command>>,
    /// Who led which term.
    leaders: BTreeMap<Term, ReplicaId>,
}

impl Oracle {
    pub(crate) fn new(voters: ReplicaSet) -> Self {
        Self { voters, committed: Vec::new(), leaders: BTreeMap::new() }
    }

    /// The commands that were committed, in order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.committed.iter().filter_map(|it| match &it.entry.payload {
            Payload::Command(command) => Some(command),
            Payload::NoOp | Payload::Members(_) => None,
        })
    }

    pub(crate) fn terms(&self) -> usize {
        self.leaders.len()
    }

    /// Looks at a replica that did something. `seen` is how much of what it knows to be committed
    /// was looked at before. Returns whether it has just begun to lead.
    pub(crate) fn observe(
        &mut self,
        group: &Group<Command>,
        seen: &mut LogIndex,
    ) -> Result<bool, Violation> {
        if let Err(name) = invariant::replica_is_sound(group) {
            return Err(Violation::new(name, format!("node {}", group.id().0)));
        }
        while *seen < group.commit() {
            let index = seen.next();
            self.on_committed(group, index)?;
            *seen = index;
        }
        if !group.is_leader() {
            return Ok(false);
        }
        let (term, id) = (group.term(), group.id());
        match self.leaders.insert(term, id) {
            None => Ok(true),
            Some(before) if before == id => Ok(false),
            Some(before) => Err(Violation::new(
                "ELECTION-1",
                format!("nodes {} and {} lead term {}", before.0, id.0, term.0),
            )),
        }
    }

    /// `COMMIT-3`, entry by entry: a payload is there from when it is committed until it is applied.
    fn on_committed(&mut self, group: &Group<Command>, index: LogIndex) -> Result<(), Violation> {
        let differs = |what: String| Violation::new("COMMIT-3", what);
        let at = usize::try_from(index.0 - 1).expect("few entries");
        let (node, term) = (group.id().0, group.log().term_at(index));
        match (group.log().entry(index), self.committed.get(at)) {
            (Some(entry), None) => {
                self.committed.push(Committed { entry, in_term: group.term() });
                Ok(())
            }
            (Some(entry), Some(known)) if entry == known.entry => Ok(()),
            (None, Some(known)) if term == Some(known.entry.term) => Ok(()),
            (None, None) => Err(differs(format!(
                "node {node} has applied entry {}, which nobody committed",
                index.0
            ))),
            (_, Some(known)) => Err(differs(format!(
                "node {node} takes an entry {} of term {:?} for committed, it is of term {}",
                index.0, term, known.entry.term.0
            ))),
        }
    }

    /// The predicates that look at whole logs.
    pub(crate) fn check_group(&self, nodes: &[Node]) -> Result<(), Violation> {
        let groups: Vec<_> = nodes.iter().filter_map(Node::group).collect();
        if !invariant::at_most_one_leader_per_term(&groups) {
            return Err(Violation::new("ELECTION-1", "two leaders at once".to_owned()));
        }
        let log_of = |id: ReplicaId| nodes[usize::from(id.0)].durable_log();
        if !invariant::committed_are_durable(&self.committed, self.voters, log_of) {
            let lengths = nodes.iter().map(|node| node.durable_log().last().0);
            return Err(Violation::new(
                "COMMIT-1",
                format!(
                    "{} entries are committed, durable logs hold {:?}",
                    self.committed.len(),
                    lengths.collect::<Vec<_>>()
                ),
            ));
        }
        let logs: Vec<_> = nodes.iter().map(whole_log).collect();
        for (at, log) in logs.iter().enumerate() {
            for (other, another) in logs.iter().enumerate().skip(at + 1) {
                if !invariant::logs_match(log, another) {
                    return Err(Violation::new("LOG-4", format!("nodes {at} and {other}")));
                }
            }
            let Some(group) = nodes[at].group() else { continue };
            if !invariant::commits_agree(&self.committed, group.commit(), log) {
                return Err(Violation::new("COMMIT-3", format!("node {at}")));
            }
            let complete = || invariant::leader_is_complete(&self.committed, group.term(), log);
            if group.is_leader() && !complete() {
                return Err(Violation::new(
                    "COMMIT-2",
                    format!("node {at}, term {}", group.term().0),
                ));
            }
        }
        Ok(())
    }
}

/// The log of a node with all payloads: those that its machine has let go are on its disk.
fn whole_log(node: &Node) -> Log<Command> {
    let mut log = node.durable_log();
    let Some(group) = node.group() else { return log };
    let held = group.log();
    log.truncate(held.released());
    for index in held.released().0 + 1..=held.last().0 {
        let entry = held.entry(LogIndex(index)).expect("payloads above the released are held");
        log.append(entry);
    }
    log
}
