//! Configurations, and sets of them in which none is at least another.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use super::slots::Slots;

/// What one way of linearizing the past leaves; see the [search](super).
#[derive(Clone, Debug)]
pub(crate) struct Configuration<S, const W: usize> {
    /// The state of the object.
    pub(crate) state: S,
    /// Pending operations that still must take effect.
    pub(crate) unmet: Slots<W>,
    /// Pending operations that still can.
    pub(crate) available: Slots<W>,
    /// How many unknown operations of each kind took effect.
    pub(crate) used: Rc<[u32]>,
    /// The last step of its witness.
    pub(crate) trace: u32,
    /// Whether the last step of a chain achieved nothing that a constant write after it keeps
    /// (rule 4). Meaningless between events.
    pub(crate) idle: bool,
}

impl<S: Eq, const W: usize> Configuration<S, W> {
    /// Whether this one can do whatever `other` can.
    fn is_at_least(&self, other: &Self) -> bool {
        self.state == other.state
            && self.unmet.is_subset(&other.unmet)
            && other.available.is_subset(&self.available)
            && (Rc::ptr_eq(&self.used, &other.used)
                || self.used.iter().zip(other.used.iter()).all(|(mine, theirs)| mine <= theirs))
    }
}

/// Up to this many members comparing with all of them is quicker than hashing a state.
const SCAN_MAX: usize = 12;

/// Configurations none of which is at least another; members keep their place, so that a search
/// can walk along it while it grows.
#[derive(Debug)]
pub(crate) struct Antichain<S, const W: usize> {
    /// Members in the order of arrival; those that a later one replaced are holes.
    members: Vec<Option<Configuration<S, W>>>,
    /// Places of the members by state, once there are many.
    places: HashMap<S, Vec<u32>>,
}

impl<S: Clone + Eq + Hash, const W: usize> Antichain<S, W> {
    pub(crate) fn new() -> Self {
        Self { members: Vec::new(), places: HashMap::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.members.clear();
        self.places.clear();
    }

    /// Adds a configuration unless a member is at least that; drops the members it is at least.
    pub(crate) fn insert(&mut self, new: Configuration<S, W>) {
        if self.members.len() < SCAN_MAX {
            for member in &mut self.members {
                match member {
                    Some(old) if old.is_at_least(&new) => return,
                    Some(old) if new.is_at_least(old) => *member = None,
                    Some(_) | None => {}
                }
            }
            self.members.push(Some(new));
            return;
        }
        if self.places.is_empty() {
            for (place, member) in self.members.iter().enumerate() {
                if let Some(member) = member {
                    self.places.entry(member.state.clone()).or_default().push(number(place));
                }
            }
        }
        let places = self.places.entry(new.state.clone()).or_default();
        let members = &mut self.members;
        let covered = places
            .iter()
            .filter_map(|place| members[*place as usize].as_ref())
            .any(|old| old.is_at_least(&new));
        if covered {
            return;
        }
        places.retain(|place| {
            let member = &mut members[*place as usize];
            let stays = member.as_ref().is_some_and(|old| !new.is_at_least(old));
            if !stays {
                *member = None;
            }
            stays
        });
        places.push(number(members.len()));
        members.push(Some(new));
    }

    /// Bytes held by the members and their index.
    pub(crate) fn bytes(&self) -> usize {
        let member = size_of::<Option<Configuration<S, W>>>();
        let place = size_of::<(S, Vec<u32>)>();
        self.members.capacity() * (member + size_of::<u32>()) + self.places.capacity() * place
    }

    /// How many places there are, holes included.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Configuration<S, W>> {
        self.members.get(place)?.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Configuration<S, W>> {
        self.members.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Configuration<S, W>> {
        self.members.iter_mut().flatten()
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("2^32 configurations do not fit in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(bits: u32) -> Slots<1> {
        let mut slots = Slots::EMPTY;
        for slot in (0..4).filter(|slot| bits & (1 << slot) != 0) {
            slots.insert(slot);
        }
        slots
    }

    /// All configurations with few states, slots and one kind, in an order without a pattern.
    fn configurations() -> Vec<Configuration<u32, 1>> {
        let make = |number: u32| {
            let mixed = number.wrapping_mul(0x9E37_79B1) >> 20;
            Configuration {
                state: mixed % 3,
                unmet: slots(mixed >> 2),
                available: slots(mixed >> 6),
                used: [mixed >> 10].into(),
                trace: number,
                idle: false,
            }
        };
        (0..300).map(make).collect()
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_covered() {
        let mut antichain = Antichain::new();
        let all = configurations();
        for (count, new) in all.iter().enumerate() {
            antichain.insert(new.clone());
            for seen in &all[..=count] {
                assert!(antichain.iter().any(|kept| kept.is_at_least(seen)), "{seen:?} is lost");
            }
        }
        let kept: Vec<_> = antichain.iter().collect();
        assert!(kept.len() > SCAN_MAX, "the test must reach the hashed part");
        for (at, one) in kept.iter().enumerate() {
            for other in &kept[at + 1..] {
                assert!(!one.is_at_least(other) && !other.is_at_least(one), "{one:?} {other:?}");
            }
        }
    }
}
