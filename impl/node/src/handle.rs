//! What a server holds of its node.

use crate::driver::Input;
use crate::limits::HAND_OVER_MAX;
use ringleader_core::group::Change;
use ringleader_core::ids::ReplicaId;
use ringleader_replica::{Outcome as ReplicaOutcome, Refusal, Status};
use ringleader_wire::Command;
use ringleader_wire::frame::ForwardRequest;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The state machine's answer, in its encoding.
    Done(Command),
    /// It has had and will have no effect.
    Refused(RefusedBecause),
    /// It may have an effect, now or later, or none.
    Unknown,
}

/// How a change of the group ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It is committed.
    Done,
    /// It has had and will have no effect: this node does not lead.
    NotLeader {
        /// Who does, as far as this node knows.
        leader: Option<ReplicaId>,
    },
    /// It has had and will have no effect.
    Refused(Refusal),
    /// This node leads no more, and does not know.
    Unknown,
}

impl From<ReplicaOutcome> for ChangeOutcome {
    fn from(outcome: ReplicaOutcome) -> Self {
        match outcome {
            ReplicaOutcome::Done(_) => Self::Done,
            ReplicaOutcome::NotLeader { leader } => Self::NotLeader { leader },
            ReplicaOutcome::Refused(refusal) => Self::Refused(refusal),
            ReplicaOutcome::Unknown | ReplicaOutcome::GivesWay => Self::Unknown,
        }
    }
}

/// Why a request has had and will have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedBecause {
    /// This node's replica refused it.
    #[error(transparent)]
    Replica(#[from] Refusal),
    /// The leader's node refused it: too many requests, or its replica has stopped.
    #[error("the leader refused the request")]
    LeaderBusy,
    /// Too many requests of this node's clients are open.
    #[error(
        "{} requests are open on this node, which is the limit",
        crate::limits::CLIENT_REQUESTS_MAX
    )]
    Overloaded,
    /// No leader could be reached.
    #[error("no leader was reached within {} ms", crate::limits::LEADERLESS_MAX.as_millis())]
    NoLeader,
    /// A read was not answered.
    #[error("the read was not answered within {} ms", crate::limits::REQUEST_TIMEOUT.as_millis())]
    TimedOut,
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
}

/// A way to ask a node. Clones are the same node; they stay on its thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) id: ReplicaId,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) status: Rc<Cell<Status>>,
}

impl Handle {
    /// Which replica of its group this node holds.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// Where the replica stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.get()
    }

    /// Has a command applied, here or at the leader, and says what that returned.
    pub async fn write(&self, command: Command) -> Outcome {
        if command.len() > ringleader_wire::limits::COMMAND_LENGTH_MAX {
            return Outcome::Refused(Refusal::TooLong.into());
        }
        // What a node that stops had accepted may be in the log.
        self.request(ForwardRequest::Write(command), Outcome::Unknown).await
    }

    /// Answers a query with the effect of every write that was answered before.
    pub async fn read(&self, query: Command) -> Outcome {
        if query.len() > ringleader_wire::limits::COMMAND_LENGTH_MAX {
            return Outcome::Refused(Refusal::TooLong.into());
        }
        let stopped = Outcome::Refused(RefusedBecause::Stopping);
        self.request(ForwardRequest::Read(query), stopped).await
    }

    /// Answers a query from what this node's replica has applied: some prefix of the writes that were
    /// answered before, and maybe an old one, whoever leads and whether anybody does.
    pub async fn read_eventual(&self, query: Command) -> Outcome {
        if query.len() > ringleader_wire::limits::COMMAND_LENGTH_MAX {
            return Outcome::Refused(Refusal::TooLong.into());
        }
        let (reply, answer) = oneshot::channel();
        let stopped = Outcome::Refused(RefusedBecause::Stopping);
        if self.inputs.send(Input::ReadHere { query, reply }).await.is_err() {
            return stopped;
        }
        answer.await.unwrap_or(stopped)
    }

    /// Changes who takes part in the group. A new member first catches up, which may take long; whoever
    /// waits no longer drops this, and the change goes on.
    pub async fn change(&self, change: Change) -> ChangeOutcome {
        let (reply, answer) = oneshot::channel();
        // The node is stopping: it had not taken the request, or leads no more.
        if self.inputs.send(Input::Change { change, reply }).await.is_err() {
            return ChangeOutcome::NotLeader { leader: None };
        }
        answer.await.unwrap_or(ChangeOutcome::Unknown)
    }

    /// Has another replica lead, if this one does: clients of a node that is to stop need not wait
    /// for an election. Returns when this node does not lead any more, when nobody can take over,
    /// or after [`crate::limits::HAND_OVER_MAX`].
    pub async fn hand_over(&self) {
        let (done, ended) = oneshot::channel();
        let asked = self.inputs.send(Input::HandOver { done });
        // However it ends: whoever asks stops the node all the same.
        let _ = timeout(HAND_OVER_MAX, async {
            if asked.await.is_ok() {
                let _ = ended.await;
            }
        })
        .await;
    }

    /// Stops the node; [`crate::Running`] then ends.
    pub async fn stop(&self) {
        // A closed channel means that it has stopped.
        let _ = self.inputs.send(Input::Stop).await;
    }

    async fn request(&self, request: ForwardRequest, if_dropped: Outcome) -> Outcome {
        let (reply, answer) = oneshot::channel();
        if self.inputs.send(Input::Request { request, reply }).await.is_err() {
            return Outcome::Refused(RefusedBecause::Stopping);
        }
        answer.await.unwrap_or(if_dropped)
    }
}
