//! What a register with N copies promises, as executable predicates.
//!
//! | predicate | name |
//! |---|---|
//! | [`node_is_sound`] | relations between the fields of one node |
//! | [`stamps_name_one_value`] | `STAMP-1` |
//! | [`copies_never_go_back`] | `COPY-1` |
//! | [`is_durable`] | `COPY-2`, `STAMP-2` |
//! | [`is_on_enough_disks`] | `ACK-1` |

use super::{Durable, Message, Phase, Quorum, Stamp, Version};
use crate::ids::ReplicaId;
use core::fmt::Debug;
use core::hash::Hash;

/// The relations between the fields of one node; names the one that is broken.
///
/// # Errors
///
/// The name of the broken invariant.
pub fn node_is_sound<V: Clone + Debug + Eq + Ord + Hash>(
    node: &Quorum<V>,
) -> Result<(), &'static str> {
    let is_sound = |phase: &Phase<V>| match phase {
        Phase::Asking { r, heard, at, best, number } => {
            heard.size() < u32::from(*r)
                && at.iter().all(|it| heard.contains(it))
                && (best.is_none() || at.size() > 0)
                && *number <= node.reserved.question
        }
        Phase::Storing { w, held, version } => {
            let own = version.stamp.writer == node.config.id;
            held.size() < u32::from(*w) && (!own || version.stamp.counter <= node.reserved.stamp)
        }
    };
    let checks = [
        (node.persisted <= node.issued, "MACHINE: only what was issued is durable"),
        (
            node.operations.iter().all(|it| is_sound(&it.phase)),
            "MACHINE: an open request lacks answers, and uses what was set aside",
        ),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, name)| Err(name))
}

/// `STAMP-1`: equal stamps, equal values.
#[must_use]
pub fn stamps_name_one_value<V: Eq>(versions: &[&Version<V>]) -> bool {
    versions.iter().enumerate().all(|(number, a)| {
        versions[number + 1..].iter().all(|b| a.stamp != b.stamp || a.value == b.value)
    })
}

/// `COPY-1`: no copy is replaced by an earlier one.
#[must_use]
pub fn copies_never_go_back<V: Clone + Debug + Eq + Ord + Hash>(
    before: &Quorum<V>,
    after: &Quorum<V>,
) -> bool {
    let stamp = |version: Option<&Version<V>>| version.map(|it| it.stamp);
    let mut hints = before.hints.iter();
    stamp(before.copy()) <= stamp(after.copy())
        && hints.all(|(owner, version)| Some(version.stamp) <= stamp(after.hints.get(owner)))
}

/// `COPY-2`: what a node says it holds is on its disk; `STAMP-2`: what names a request or a
/// version is set aside on the disk of the node that chose it. Names the one that is broken.
///
/// # Errors
///
/// The name of the broken invariant.
pub fn is_durable<V>(
    speaker: ReplicaId,
    disk: &Durable<V>,
    message: &Message<V>,
) -> Result<(), &'static str> {
    let holds = |stamp: Stamp| {
        let mut copies = disk.copy.iter().chain(disk.hints.values());
        copies.any(|it| it.stamp >= stamp)
    };
    let (holds, name) = match message {
        Message::Stored { stamp, .. } => (holds(*stamp), "COPY-2: acknowledged before the fsync"),
        Message::Copy { version, .. } => {
            let durable = version.as_ref().is_none_or(|it| holds(it.stamp));
            (durable, "COPY-2: shown before the fsync")
        }
        Message::Question { number, .. } => {
            (*number <= disk.questions, "STAMP-2: a question that may be asked again")
        }
        Message::Store { version, .. } => {
            let own = version.stamp.writer == speaker;
            let set_aside = !own || version.stamp.counter <= disk.stamps;
            (set_aside, "STAMP-2: a stamp that may be given again")
        }
        Message::OtherRing { .. } => (true, ""),
    };
    if holds { Ok(()) } else { Err(name) }
}

/// `ACK-1`: at least `w` different disks hold `stamp` or something later, for somebody.
#[must_use]
pub fn is_on_enough_disks<'a, V: 'a>(
    disks: impl Iterator<Item = &'a Durable<V>>,
    stamp: Stamp,
    w: u8,
) -> bool {
    let holds = |disk: &&Durable<V>| {
        disk.copy.iter().chain(disk.hints.values()).any(|it| it.stamp >= stamp)
    };
    disks.filter(holds).count() >= usize::from(w)
}
