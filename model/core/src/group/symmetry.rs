//! Replicas are interchangeable: renaming them in a state and in everything that is said gives
//! a state that behaves the same under the new names. Explorers use this to visit one state of
//! each kind. No rule depends on the order of ids; a test of the checker counts both ways.

use super::membership::CatchingUp;
use super::{Config, Durable, Entry, Group, Leader, Message, Payload, Role, Tenure, Write};
use crate::ids::ReplicaId;
use crate::quorum::ReplicaSet;
use alloc::vec::Vec;

/// A value that mentions replicas.
pub trait Rename: Sized {
    /// The same value with every replica renamed. `name` maps the group's ids one to one.
    #[must_use]
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self;
}

impl Rename for ReplicaSet {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        self.iter().map(name).collect()
    }
}

impl Rename for Config {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let (voters, log_replicas) = (self.voters.rename(name), self.log_replicas.rename(name));
        Self { id: name(self.id), voters, log_replicas, ..self.clone() }
    }
}

impl<C: Clone> Rename for Write<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match self {
            Self::Ballot { term, vote } => Self::Ballot { term: *term, vote: vote.map(name) },
            Self::Append { after, entries } => {
                Self::Append { after: *after, entries: rename_all(entries, name) }
            }
            Self::Trim { .. } => self.clone(),
            Self::Install { mark } => Self::Install { mark: mark.rename(name) },
        }
    }
}

fn rename_all<C: Clone>(
    entries: &[Entry<C>],
    name: &dyn Fn(ReplicaId) -> ReplicaId,
) -> Vec<Entry<C>> {
    entries.iter().map(|entry| entry.rename(name)).collect()
}

impl<C: Clone> Rename for Entry<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self { term: self.term, payload: self.payload.rename(name) }
    }
}

impl<C: Clone> Rename for Payload<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match self {
            Self::Members(members) => Self::Members(members.rename(name)),
            Self::NoOp | Self::Command(_) => self.clone(),
        }
    }
}

impl<C: Clone> Rename for Message<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let mut renamed = self.clone();
        match &mut renamed {
            Self::Append { entries, .. } | Self::Pulled { entries, .. } => {
                *entries = rename_all(entries, name);
            }
            Self::SnapshotPart { mark, .. } => *mark = mark.rename(name),
            Self::RequestVote { .. }
            | Self::Vote { .. }
            | Self::Appended { .. }
            | Self::Rejected { .. }
            | Self::Confirm { .. }
            | Self::Confirmed { .. }
            | Self::RequestPreVote { .. }
            | Self::PreVote { .. }
            | Self::TakeOver { .. }
            | Self::Checkpointed { .. }
            | Self::Trim { .. }
            | Self::Staged { .. }
            | Self::Refused { .. }
            | Self::Pull { .. }
            | Self::NewerTerm { .. } => {}
        }
        renamed
    }
}

impl<C: Clone> Rename for Durable<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self { vote: self.vote.map(name), log: self.log.rename(name), term: self.term }
    }
}

impl Rename for Tenure {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let transfer = self.transfer.map(|transfer| transfer.rename(name));
        Self { heard: self.heard.rename(name), transfer, ..self.clone() }
    }
}

impl Rename for Role {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match self {
            Self::Follower { leader } => Self::Follower { leader: leader.map(name) },
            Self::Asking { poll, agreed } => {
                Self::Asking { poll: *poll, agreed: agreed.rename(name) }
            }
            Self::Candidate { votes, ballot } => {
                Self::Candidate { votes: votes.rename(name), ballot: *ballot }
            }
            Self::Leader(leader) => Self::Leader(Leader {
                peers: leader.peers.iter().map(|(&id, &peer)| (name(id), peer)).collect(),
                writes: leader.writes.clone(),
                reads: leader.reads.rename(name),
                tenure: leader.tenure.rename(name),
                catching_up: leader.catching_up.map(|it| CatchingUp {
                    change: it.change.rename(name),
                    replica: name(it.replica),
                    ..it
                }),
                checkpoints: leader.checkpoints.iter().map(|(&id, &at)| (name(id), at)).collect(),
            }),
        }
    }
}

impl<C: Clone> Rename for Group<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self {
            config: self.config.rename(name),
            vote: self.vote.map(name),
            log: self.log.rename(name),
            snapshots: self.snapshots.rename(name),
            role: self.role.rename(name),
            ..self.clone()
        }
    }
}
