//! Replicas are interchangeable: renaming them in a state and in everything that is said gives
//! a state that behaves the same under the new names. Explorers use this to visit one state of
//! each kind. No rule depends on the order of ids; a test of the checker counts both ways.

use super::{Config, Durable, Group, Leader, Role, Tenure, Write};
use crate::ids::ReplicaId;
use crate::quorum::ReplicaSet;

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
        Self { id: name(self.id), voters: self.voters.rename(name), ..self.clone() }
    }
}

impl<C: Clone> Rename for Write<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match self {
            Self::Ballot { term, vote } => Self::Ballot { term: *term, vote: vote.map(name) },
            Self::Append { .. } => self.clone(),
        }
    }
}

impl<C: Clone> Rename for Durable<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self { vote: self.vote.map(name), ..self.clone() }
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
            }),
        }
    }
}

impl<C: Clone> Rename for Group<C> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        Self {
            config: self.config.rename(name),
            vote: self.vote.map(name),
            role: self.role.rename(name),
            ..self.clone()
        }
    }
}
