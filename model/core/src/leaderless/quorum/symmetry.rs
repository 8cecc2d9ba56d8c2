//! Nodes that coordinate nothing are interchangeable: renaming them gives a state that behaves the
//! same. Those that give stamps are not, because their ids decide between equal counters.

use super::{Durable, Operation, Phase, Quorum, Write};
use crate::group::Rename;
use crate::ids::ReplicaId;

impl<V: Clone> Rename for Write<V> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        match self {
            Self::Hint { owner, version } => {
                Self::Hint { owner: name(*owner), version: version.clone() }
            }
            Self::Copy(_) | Self::Reserve { .. } | Self::Ring(_) => self.clone(),
        }
    }
}

impl<V: Clone> Rename for Durable<V> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let hints = self.hints.iter().map(|(owner, it)| (name(*owner), it.clone())).collect();
        Self { hints, ..self.clone() }
    }
}

impl<V: Clone> Rename for Operation<V> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let mut renamed = self.clone();
        match &mut renamed.phase {
            Phase::Asking { heard, at, .. } => {
                *heard = heard.rename(name);
                *at = at.rename(name);
            }
            Phase::Storing { held, .. } => *held = held.rename(name),
        }
        let stand_ins = self.stand_ins.iter().map(|(node, owner)| (name(*node), name(*owner)));
        renamed.stand_ins = stand_ins.collect();
        renamed
    }
}

impl<V: Clone> Rename for Quorum<V> {
    fn rename(&self, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Self {
        let mut renamed = self.clone();
        renamed.config.id = name(self.config.id);
        renamed.hints = self.hints.iter().map(|(owner, it)| (name(*owner), it.clone())).collect();
        renamed.operations = self.operations.iter().map(|it| it.rename(name)).collect();
        renamed
    }
}
