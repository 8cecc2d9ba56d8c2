//! Log replicas in a world: who they are, and what must hold of them.

use super::{GroupProtocol, always, sometimes, unbroken};
use crate::history::Value;
use crate::node::Node;
use crate::protocol::Property;
use ringleader_core::group::{Message, Request};
use ringleader_core::ids::{LogIndex, ReplicaId, RequestId, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine};
use ringleader_core::quorum::ReplicaSet;

impl GroupProtocol {
    /// The replicas that hold a log and no state.
    #[must_use]
    pub fn log_only(&self) -> ReplicaSet {
        (0..self.replicas).filter(|id| self.log_replicas & 1 << id != 0).map(ReplicaId).collect()
    }
}

/// Whether a message about pulling may still have an effect: only within one candidacy. A candidate
/// of a term never becomes one of it again. (Whether the log is a later one is for the candidate to
/// judge: to forget what it ought to ignore would hide that it does not.)
pub(super) fn is_relevant(
    from: &Node<GroupProtocol>,
    message: &Message<Value>,
    to: &Node<GroupProtocol>,
) -> bool {
    let campaigns = |node: &Node<GroupProtocol>| {
        node.machine.is_candidate() && node.machine.term() == message.term()
    };
    match message {
        Message::Refused { .. } | Message::Pulled { .. } => campaigns(to),
        // A question of a candidate that is none any more.
        Message::Pull { .. } => campaigns(from),
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
        | Message::Checkpointed { .. }
        | Message::Trim { .. }
        | Message::SnapshotPart { .. }
        | Message::Staged { .. }
        | Message::NewerTerm { .. } => true,
    }
}

/// Whether a log replica that is asked to read refuses.
fn shows_nothing(node: &Node<GroupProtocol>) -> bool {
    let asks = |request| {
        let (mut machine, mut effects) = (node.machine.clone(), Effects::new());
        machine.step(Tick(0), Input::Request { id: RequestId(0), request }, &mut effects);
        matches!(effects.as_slice(), [Effect::Answer { .. }] | [])
    };
    !node.machine.is_log_replica() || asks(Request::Read) && asks(Request::ReadEventual)
}

/// What must hold where a replica holds a log only.
pub(super) fn properties() -> Vec<Property<GroupProtocol>> {
    vec![
        always("PULL-1", |_, it| unbroken(it, |name| name.starts_with("PULL-1"))),
        always("PULL-2", |_, it| {
            let idle = |node: &Node<GroupProtocol>| {
                !node.machine.is_log_replica() || node.host.applied == LogIndex::ZERO
            };
            it.nodes.iter().all(|node| idle(node) && shows_nothing(node))
        }),
        sometimes("a candidate holds a committed entry that only others were sent", |_, it| {
            it.nodes.iter().any(|node| {
                let machine = &node.machine;
                machine.is_candidate()
                    && machine.commit() == LogIndex::ZERO
                    && machine.log().last() > LogIndex::ZERO
                    && machine.log().end().term < machine.term()
                    && !it.ghost.committed.is_empty()
            })
        }),
    ]
}
