//! Keeping copies: what a node does for the coordinators of others, and for itself.

use super::{Ask, COUNTER_MAX, ForeignEpoch, Message, Quorum, RingEpoch, Version, Write};
use crate::ids::{IoNumber, ReplicaId};
use crate::machine::{Effect, Effects};
use core::fmt::Debug;
use core::hash::Hash;

impl<V: Clone + Debug + Eq + Ord + Hash> Quorum<V> {
    /// Keeps a version unless a later one is kept already, and acknowledges once whatever is kept
    /// is durable.
    pub(super) fn on_store(
        &mut self,
        from: ReplicaId,
        epoch: RingEpoch,
        version: Version<V>,
        keep_for: Option<ReplicaId>,
        effects: &mut Effects<Self>,
    ) {
        if self.refuses(from, epoch, effects) || version.stamp.counter > COUNTER_MAX {
            return;
        }
        let stamp = version.stamp;
        let known = match keep_for {
            None => self.copy.as_ref(),
            Some(owner) => self.hints.get(&owner),
        };
        if known.is_some_and(|it| it.stamp == stamp && it.value != version.value) {
            self.halt("STAMP-1: a stamp names two values", effects);
            return;
        }
        let is_newer = known.is_none_or(|it| it.stamp < stamp);
        if is_newer {
            self.used.stamp = self.used.stamp.max(stamp.counter);
            match keep_for {
                None => {
                    self.copy = Some(version.clone());
                    self.write(Write::Copy(version), effects);
                }
                Some(owner) => {
                    self.hints.insert(owner, version.clone());
                    self.write(Write::Hint { owner, version }, effects);
                }
            }
        }
        let durable = self.everything();
        self.say(from, Message::Stored { epoch, stamp }, durable, effects);
    }

    /// Shows the copy once it is durable: a reader that saw it may rely on it.
    pub(super) fn on_question(
        &mut self,
        from: ReplicaId,
        epoch: RingEpoch,
        number: u64,
        instead_of: Option<ReplicaId>,
        effects: &mut Effects<Self>,
    ) {
        if self.refuses(from, epoch, effects) {
            return;
        }
        let version = match instead_of {
            None => self.copy.clone(),
            Some(owner) => self.hints.get(&owner).cloned(),
        };
        let shown = self.everything();
        self.say(from, Message::Copy { epoch, number, version }, shown, effects);
    }

    /// `EPOCH-1`: quorums intersect within one ring only, so a request of another ring gets no
    /// answer that counts. Whoever is behind looks for the later ring.
    fn refuses(&mut self, from: ReplicaId, epoch: RingEpoch, effects: &mut Effects<Self>) -> bool {
        let own = self.ring.epoch;
        if epoch == own || self.config.foreign_epoch == ForeignEpoch::Accept {
            return false;
        }
        if epoch > own {
            effects.push(Effect::Ask(Ask::Ring { at_least: epoch }));
        }
        effects.send(from, Message::OtherRing { epoch: own }, IoNumber::NONE);
        true
    }
}
