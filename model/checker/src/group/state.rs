//! What a replica's state machine and its storage hold, where logs do not hold everything: in memory, on
//! disk, and set aside as a snapshot. Each transition is a step of its own, with crashes between.

use super::{GroupProtocol, View, always, sometimes};
use crate::history::Value;
use crate::node::{Node, Outbox};
use crate::protocol::{Property, Snapshot};
use ringleader_core::group::{
    Ask, Log, Message, Payload, Rename, SnapshotMark, Told, Trim, invariant,
};
use ringleader_core::ids::{LogIndex, ReplicaId, Term};

/// A state: the commands that made it, in order.
type Commands = Vec<Value>;

/// The state of one replica. All of it stays empty where logs hold everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    /// What is applied; a crash takes it back to what is stored.
    applied: Commands,
    /// What storage durably holds, and up to which entry.
    stored: (LogIndex, Commands),
    /// A snapshot that is being set aside, and whether all of it is there. Not durable.
    staging: Option<(SnapshotMark, Commands, bool)>,
    /// A snapshot that is set aside durably.
    staged: Option<(SnapshotMark, Commands)>,
    /// The snapshot that is to take the state's place.
    swap: Option<SnapshotMark>,
    /// The disk was wiped.
    wiped: bool,
}

/// What a host does in its own time, by number.
const CHECKPOINT: u8 = 0;
const FLUSH: u8 = 1;
const SWAP: u8 = 2;
const WIPE: u8 = 3;

impl Storage {
    /// The same under other names.
    pub(super) fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let mut renamed = self.clone();
        if let Some((mark, ..)) = &mut renamed.staging {
            *mark = mark.rename(name);
        }
        if let Some((mark, _)) = &mut renamed.staged {
            *mark = mark.rename(name);
        }
        renamed.swap = renamed.swap.map(|mark| mark.rename(name));
        renamed
    }

    /// Applies the entries after `from` up to `upto`.
    pub(super) fn apply(&mut self, log: &Log<Value>, (from, upto): (LogIndex, LogIndex)) {
        let commands =
            (from.0 + 1..=upto.0).filter_map(|index| match log.payload(LogIndex(index)) {
                Some(Payload::Command(value)) => Some(*value),
                Some(Payload::NoOp | Payload::Members(_)) | None => None,
            });
        self.applied.extend(commands);
    }
}

/// What a crash leaves of a host, and up to where its storage holds the state.
pub(super) fn after_crash(node: &Node<GroupProtocol>) -> (super::Host, LogIndex) {
    let Storage { stored, staged, .. } = node.host.storage.clone();
    // What is set aside and not named by the log is of no use.
    let begins = node.disk.log.start();
    let staged = staged.filter(|(mark, _)| mark.end == begins);
    let (checkpointed, commands) = stored.clone();
    let storage = Storage { applied: commands, stored, staged, ..Storage::default() };
    (super::Host { applied: checkpointed, storage, ..super::Host::default() }, checkpointed)
}

/// What this host may do next, in its own time.
pub(super) fn chores(protocol: &GroupProtocol, node: &Node<GroupProtocol>) -> Vec<u8> {
    let Storage { stored, staging, swap, .. } = &node.host.storage;
    let mut chores = Vec::new();
    if protocol.trim == Trim::BelowEveryCheckpoint {
        if swap.is_none() && node.host.applied > stored.0 {
            chores.push(CHECKPOINT);
        }
        if staging.as_ref().is_some_and(|(.., complete)| *complete) {
            chores.push(FLUSH);
        }
        if swap.is_some() {
            chores.push(SWAP);
        }
    }
    if protocol.mortal & 1 << node.id.0 != 0 && !node.host.storage.wiped {
        chores.push(WIPE);
    }
    chores
}

/// Does one of them.
pub(super) fn do_chore(
    protocol: &GroupProtocol,
    node: &mut Node<GroupProtocol>,
    chore: u8,
    out: &mut Outbox<GroupProtocol>,
) {
    if chore == WIPE {
        node.wipe(protocol, out);
        node.host.storage.wiped = true;
        return;
    }
    let applied = node.host.applied;
    let storage = &mut node.host.storage;
    match chore {
        CHECKPOINT => {
            storage.stored = (applied, storage.applied.clone());
            out.tell.push_back(Told::Checkpointed(applied));
        }
        FLUSH => {
            let (mark, commands, _) = storage.staging.take().expect("there is something to flush");
            storage.staged = Some((mark, commands));
            out.tell.push_back(Told::Staged(mark));
        }
        _ => {
            let mark = storage.swap.take().expect("there is something to swap");
            let staged = storage.staged.take().filter(|(staged, _)| *staged == mark);
            let Some((_, commands)) = staged else {
                out.violate("SNAPSHOT-1: what is to be swapped is not staged");
                return;
            };
            storage.applied.clone_from(&commands);
            storage.stored = (mark.end.index, commands);
            node.host.applied = mark.end.index;
            out.tell.push_back(Told::Installed(mark.end.index));
        }
    }
}

/// What the host does next, in words.
pub(super) fn describe_chore(chore: u8) -> String {
    match chore {
        CHECKPOINT => "its storage holds what is applied",
        FLUSH => "a snapshot is set aside, durably",
        WIPE => "its disk is wiped",
        _ => "the snapshot takes the state's place",
    }
    .to_owned()
}

/// Sends a part of the state: each command is one.
pub(super) fn send(
    node: &Node<GroupProtocol>,
    (to, term): (ReplicaId, Term),
    (mark, part): (SnapshotMark, u32),
    out: &mut Outbox<GroupProtocol>,
) {
    let (index, commands) = &node.host.storage.stored;
    if *index != mark.end.index {
        out.tell.push_back(Told::Gone(to));
        return;
    }
    let at = part as usize;
    let content = commands.get(at).copied().into_iter().collect();
    // An empty part ends it, so that every state has several.
    let last = at >= commands.len();
    out.sends.push((to, Message::SnapshotPart { term, mark, part, last, content }));
}

/// Sets a part aside, or notes that the state is to be swapped.
pub(super) fn receive(node: &mut Node<GroupProtocol>, ask: Ask<Value>) {
    let storage = &mut node.host.storage;
    match ask {
        Ask::Stage { mark, part, content, last } => {
            let known = storage.staging.take().filter(|(of, ..)| part > 0 && *of == mark);
            let mut commands = known.map(|(_, commands, _)| commands).unwrap_or_default();
            commands.extend(content);
            storage.staging = Some((mark, commands, last));
        }
        Ask::Install { mark } => storage.swap = Some(mark),
        Ask::Apply { .. }
        | Ask::AnswerFrom { .. }
        | Ask::ReadReady { .. }
        | Ask::SendRange { .. }
        | Ask::SendSnapshot { .. } => unreachable!("the caller asks for nothing else"),
    }
}

/// What must hold where disks may be lost, instead of what counts every copy.
pub(super) fn survival() -> Vec<Property<GroupProtocol>> {
    vec![always("DISK-2", |_, it| {
        // Of a majority that held it, those who are left.
        let voters = it.nodes.len();
        let lost = it.nodes.iter().filter(|node| node.host.storage.wiped).count();
        let holds = |node: &Node<GroupProtocol>| {
            invariant::leader_is_complete(&it.ghost.committed, Term(u64::MAX), &node.disk.log)
        };
        let holders = it.nodes.iter().filter(|node| holds(node)).count();
        2 * (holders + lost) > voters
    })]
}

/// The commands among the committed entries up to `upto`.
fn committed_commands(it: &Snapshot<'_, GroupProtocol>, upto: LogIndex) -> Option<Commands> {
    let count = usize::try_from(upto.0).ok()?;
    let committed = it.ghost.committed.get(..count)?;
    let command = |payload: &Payload<Value>| match payload {
        Payload::Command(value) => Some(*value),
        Payload::NoOp | Payload::Members(_) => None,
    };
    Some(committed.iter().filter_map(|it| command(&it.entry.payload)).collect())
}

/// What must hold where logs are trimmed.
pub(super) fn properties() -> Vec<Property<GroupProtocol>> {
    vec![
        always("SNAPSHOT-1", |_, it| {
            let named = |name: &str| name.starts_with("SNAPSHOT-1");
            let covered = |node: &Node<GroupProtocol>| {
                let Storage { stored, staged, .. } = &node.host.storage;
                let begins = node.disk.log.start();
                begins.index <= stored.0
                    || staged.as_ref().is_some_and(|(mark, _)| mark.end == begins)
            };
            it.nodes.iter().all(|node| covered(node)) && super::unbroken(it, named)
        }),
        always("SNAPSHOT-2", |_, it| {
            it.nodes.iter().all(|node| {
                let Storage { applied, stored, .. } = &node.host.storage;
                committed_commands(it, node.host.applied).as_ref() == Some(applied)
                    && committed_commands(it, stored.0).as_ref() == Some(&stored.1)
            })
        }),
        always("SNAPSHOT-3", |_, it| {
            // Whoever came later holds in its log what its storage lacks.
            let votes = |node: &&&Node<GroupProtocol>| {
                let members = node.machine.first_members();
                members.storage_voters().contains(node.id)
            };
            let stored = it.nodes.iter().filter(votes).map(|node| node.host.storage.stored.0);
            let floor = stored.min().unwrap_or_default();
            it.nodes.iter().filter(votes).all(|node| node.disk.log.start().index <= floor)
        }),
        always("SNAPSHOT-4", |_, it| {
            it.nodes.iter().all(|node| {
                let waits = node.machine.is_installing() && node.pending.is_empty();
                !waits || node.host.storage.swap.is_some()
            })
        }),
        sometimes("a log was trimmed", |_, it| {
            it.nodes.iter().any(|node| node.disk.log.start().index > LogIndex::ZERO)
        }),
        sometimes("a snapshot was installed, and its replica takes part", |_, it| {
            it.nodes.iter().any(|node| {
                let (begins, first) = (node.disk.log.start(), it.ghost.committed.first());
                let entered = !node.machine.first_members().voters.contains(node.id);
                let in_effect = node.machine.voters().contains(node.id);
                entered && in_effect && begins.index > LogIndex::ZERO && first.is_some()
            })
        }),
    ]
}

/// Whether a message about checkpoints and snapshots may still have an effect, now or later.
pub(super) fn is_relevant(
    from: &Node<GroupProtocol>,
    message: &Message<Value>,
    (to, view): (&Node<GroupProtocol>, &View),
    may_crash: bool,
) -> bool {
    let log = if may_crash { &to.disk.log } else { &view.log };
    match message {
        Message::Checkpointed { index, .. } => {
            to.machine.is_leader() && to.machine.checkpoint_of(from.id) < *index
        }
        Message::Trim { end, .. } => log.start().index < end.index,
        // Spent once its entries are there for good, and the leader knows.
        Message::SnapshotPart { mark, .. } => {
            let held = log.start().index >= mark.end.index
                || log.term_at(mark.end.index) == Some(mark.end.term);
            let awaited =
                from.machine.progress(to.id).is_some_and(|peer| peer.matched < mark.end.index);
            !held || awaited
        }
        Message::Staged { end, parts, .. } => {
            let flow = to.machine.progress(from.id).map(|peer| peer.flow);
            matches!(
                flow,
                Some(ringleader_core::group::Flow::Snapshot { end: sent, parts: known })
                    if sent == *end && known != *parts
            )
        }
        Message::RequestVote { .. }
        | Message::Vote { .. }
        | Message::Append { .. }
        | Message::Appended { .. }
        | Message::Rejected { .. }
        | Message::Confirm { .. }
        | Message::Confirmed { .. }
        | Message::RequestPreVote { .. }
        | Message::PreVote { .. }
        | Message::TakeOver { .. }
        | Message::Refused { .. }
        | Message::Pull { .. }
        | Message::Pulled { .. }
        | Message::NewerTerm { .. } => true,
    }
}
