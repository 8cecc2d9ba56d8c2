//! Membership in a world: a plan of changes that any leader may be asked for, and what must hold
//! while they are under way.

use super::{Event, Ghost, GroupProtocol, always, sometimes, unbroken};
use crate::history::Value;
use crate::node::Node;
use crate::protocol::{Property, Snapshot};
use ringleader_core::group::{Change, Group, Membership, Message, Request, invariant};
use ringleader_core::ids::{LogIndex, ReplicaId, RequestId, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine};
use ringleader_core::quorum::ReplicaSet;

/// Requests to change the group are numbered from here.
const FIRST_CHANGE: u64 = 400;

/// Who takes part at first, and what changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Members {
    /// So many of the replicas start outside the group: those with the highest ids.
    pub outside: u8,
    /// The changes.
    pub plan: &'static [Change],
    /// Whether the next change is asked for only once a leader has those before in its log.
    pub in_order: bool,
    /// How often clients ask for a change: a leader that is deposed may take one with it.
    pub requests: u8,
}

impl Members {
    /// Nobody joins, nobody leaves.
    pub const FIXED: Self = Self { outside: 0, plan: &[], in_order: true, requests: 0 };

    /// Whether anybody joins or leaves.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.requests > 0
    }
}

impl GroupProtocol {
    /// Who takes part at first.
    #[must_use]
    pub fn first_voters(&self) -> ReplicaSet {
        ReplicaSet::first(self.replicas - self.members.outside)
    }
}

/// The changes that clients may ask this leader for, but for those that it would only refuse.
pub(super) fn requests(
    protocol: &GroupProtocol,
    ghost: &Ghost,
    node: &Node<GroupProtocol>,
) -> Vec<(RequestId, Request<Value>)> {
    let Members { plan, in_order, requests, .. } = protocol.members;
    let machine = &node.machine;
    if ghost.changes >= requests || !machine.is_leader() {
        return Vec::new();
    }
    let id = RequestId(FIRST_CHANGE + u64::from(ghost.changes));
    let is_due = |change: &&Change| change.applied_to(machine.members()).is_some();
    let due = plan.iter().filter(is_due).take(if in_order { 1 } else { plan.len() });
    let is_taken = |change: &&Change| {
        let (mut after, mut effects) = (machine.clone(), Effects::new());
        let request = Request::Change(**change);
        after.step(Tick(0), Input::Request { id, request }, &mut effects);
        !matches!(effects.as_slice(), [Effect::Answer { .. }])
    };
    due.filter(is_taken).map(|change| (id, Request::Change(*change))).collect()
}

/// Whether a majority of this configuration durably holds everything that is committed.
fn holds_committed(it: &Snapshot<'_, GroupProtocol>, members: Membership) -> bool {
    let log = |id: ReplicaId| it.nodes[usize::from(id.0)].disk.log.clone();
    invariant::committed_are_durable(&it.ghost.committed, members.voters, log)
}

/// The leader of the latest term that anybody knows.
pub(super) fn current_leader<'a>(
    it: &'a Snapshot<'_, GroupProtocol>,
) -> Option<&'a Node<GroupProtocol>> {
    let latest = it.nodes.iter().map(|node| node.machine.term()).max()?;
    let leads =
        |node: &&&Node<GroupProtocol>| node.machine.is_leader() && node.machine.term() == latest;
    it.nodes.iter().find(leads).copied()
}

/// `MEMBER-3`: whoever is outside our configuration, and lacks it, campaigns in vain.
fn is_not_disturbed(ours: &Group<Value>, theirs: &Node<GroupProtocol>) -> bool {
    let removed = !ours.voters().contains(theirs.id) && theirs.machine.may_campaign();
    let lacks = theirs.machine.members_index() < ours.members_index();
    if !removed || !lacks || theirs.machine.log().end() >= ours.log().end() {
        return true;
    }
    let term = theirs.machine.term().max(ours.term()).next();
    let message =
        Message::RequestVote { term, log_end: theirs.machine.log().end(), by_transfer: false };
    let (mut after, mut effects) = (ours.clone(), Effects::new());
    after.step(Tick(0), Input::Receive { from: theirs.id, message }, &mut effects);
    after == *ours && effects.as_slice().is_empty()
}

/// What must hold while replicas come and go, instead of what speaks of fixed voters.
pub(super) fn properties(protocol: &GroupProtocol) -> Vec<Property<GroupProtocol>> {
    let mut properties = vec![
        always("MEMBER-1", |_, it| unbroken(it, |name| name.starts_with("MEMBER-1"))),
        always("MEMBER-2", |_, it| {
            current_leader(it).is_none_or(|leader| holds_committed(it, leader.machine.members()))
        }),
        always("MEMBER-3", |_, it| {
            it.nodes
                .iter()
                .all(|ours| it.nodes.iter().all(|theirs| is_not_disturbed(&ours.machine, theirs)))
        }),
        always("MEMBER-4", |_, it| unbroken(it, |name| name.starts_with("MEMBER-4"))),
    ];
    if protocol.commands > 0 {
        properties.push(sometimes("every change is committed", |protocol, it| {
            let done = |change: &Change| {
                let of = |node: &Node<GroupProtocol>| {
                    let machine = &node.machine;
                    machine.members_index() > LogIndex::ZERO
                        && machine.members_index() <= machine.commit()
                        && change.applied_to(machine.members()).is_none()
                };
                it.nodes.iter().any(|node| of(node))
            };
            protocol.members.plan.iter().all(done)
        }));
    }
    if protocol.commands > 0 && protocol.terms > 1 {
        properties.push(sometimes(
            "a configuration was truncated, or its leader deposed",
            |_, it| {
                let newest = |node: &Node<GroupProtocol>| node.machine.members_index();
                it.nodes.iter().any(|node| {
                    newest(node) > LogIndex::ZERO
                        && newest(node) > node.machine.commit()
                        && it.nodes.iter().any(|other| {
                            other.machine.is_leader() && other.machine.term() > node.machine.term()
                        })
                })
            },
        ));
    }
    properties
}

/// A leader has committed in its own term, and everybody in its configuration has applied all that
/// it holds.
pub(crate) fn is_settled(nodes: &[&Node<GroupProtocol>]) -> bool {
    nodes.iter().any(|leader| {
        let machine = &leader.machine;
        let last = machine.log().last();
        machine.is_leader()
            && machine.log().term_at(last) == Some(machine.term())
            && machine.voters().contains(leader.id)
            && nodes
                .iter()
                .filter(|node| machine.voters().contains(node.id))
                .all(|node| node.machine.applying() == last)
    })
}

/// A configuration is in a log, and whoever takes part in it has applied that log.
pub(crate) fn is_changed(nodes: &[&Node<GroupProtocol>]) -> bool {
    nodes.iter().any(|node| {
        let machine = &node.machine;
        let takes_part = |other: &&&Node<GroupProtocol>| machine.voters().contains(other.id);
        machine.members_index() > LogIndex::ZERO
            && nodes
                .iter()
                .filter(takes_part)
                .all(|other| other.machine.applying() == machine.log().last())
    })
}

/// The event of having asked for a change.
pub(super) fn invoked() -> Vec<Event> {
    vec![Event::AskedToChange]
}

/// A change in few words.
pub(super) fn describe_change(change: Change) -> String {
    match change {
        Change::Add(id) => format!("operator: add replica {}", id.0),
        Change::AddLog(id) => format!("operator: add log replica {}", id.0),
        Change::Remove(id) => format!("operator: remove replica {}", id.0),
    }
}

/// A configuration in few words.
pub(super) fn describe_members(members: Membership) -> String {
    let voters: Vec<String> = members.voters.iter().map(|it| it.0.to_string()).collect();
    format!("{{{}}}", voters.join(","))
}
