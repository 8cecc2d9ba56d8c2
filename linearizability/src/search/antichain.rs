//! Configurations, and sets of them in which none is at least another.

use super::slots::Slots;

/// What one way of linearizing the past leaves, without the unknown operations that it used; see
/// the [search](super).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Configuration<const W: usize> {
    /// The state of the object.
    pub(crate) state: u32,
    /// The last step of its witness.
    pub(crate) trace: u32,
    /// Pending operations that still must take effect.
    pub(crate) unmet: Slots<W>,
    /// Pending operations that still can.
    pub(crate) available: Slots<W>,
    /// Whether the last step of a chain achieved nothing that a constant write after it keeps
    /// (rule 5). Meaningless between events.
    pub(crate) idle: bool,
    /// Whether it is still a member.
    pub(crate) live: bool,
}

/// No member.
const NOBODY: u32 = u32::MAX;

/// Configurations none of which is at least another; members keep their place, so that a search
/// can walk along it while it grows.
#[derive(Clone, Debug)]
pub(crate) struct Antichain<const W: usize> {
    members: Vec<Configuration<W>>,
    /// How many unknown operations of each kind each member used, one row after the other.
    used: Vec<u32>,
    kinds: usize,
    /// For each state the last member that has it, if the mark is that of now.
    last: Vec<(u32, u32)>,
    /// For each member the one before with the same state.
    before: Vec<u32>,
    mark: u32,
    live: usize,
    /// Whether what is less is dropped, or only what is equal.
    dominance: bool,
}

impl<const W: usize> Antichain<W> {
    pub(crate) fn new(kinds: usize, dominance: bool) -> Self {
        Self {
            members: Vec::new(),
            used: Vec::new(),
            kinds,
            last: Vec::new(),
            before: Vec::new(),
            mark: 1,
            live: 0,
            dominance,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.members.clear();
        self.used.clear();
        self.before.clear();
        self.live = 0;
        self.mark = self.mark.checked_add(1).unwrap_or_else(|| {
            self.last.clear();
            1
        });
    }

    /// How many places there are, holes included.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many members there are.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn get(&self, place: usize) -> &Configuration<W> {
        &self.members[place]
    }

    /// How many unknown operations of each kind a member used.
    pub(crate) fn used(&self, place: usize) -> &[u32] {
        &self.used[place * self.kinds..(place + 1) * self.kinds]
    }

    /// The members, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Configuration<W>)> {
        self.members.iter().enumerate().filter(|(_, member)| member.live)
    }

    /// The members, to change what is pending, in the same way for those of one state.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Configuration<W>> {
        self.members.iter_mut().filter(|member| member.live)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.members.capacity() * (size_of::<Configuration<W>>() + size_of::<u32>())
            + self.used.capacity() * size_of::<u32>()
            + self.last.capacity() * size_of::<(u32, u32)>()
    }

    /// Adds a configuration unless a member is at least that; drops the members it is at least.
    pub(crate) fn insert(&mut self, new: Configuration<W>, used: &[u32]) {
        let state = new.state as usize;
        if state >= self.last.len() {
            self.last.resize(state + 1, (0, NOBODY));
        }
        let (mark, newest) = self.last[state];
        let newest = if mark == self.mark { newest } else { NOBODY };
        let mut place = newest;
        while place != NOBODY {
            let at = place as usize;
            place = self.before[at];
            if !self.members[at].live {
                continue;
            }
            let old_used = &self.used[at * self.kinds..(at + 1) * self.kinds];
            let old = &self.members[at];
            if is_at_least((old, old_used), (&new, used), self.dominance) {
                return;
            }
            if is_at_least((&new, used), (old, old_used), self.dominance) {
                self.members[at].live = false;
                self.live -= 1;
            }
        }
        let number = u32::try_from(self.members.len()).expect("2^32 do not fit in memory");
        self.last[state] = (self.mark, number);
        self.before.push(newest);
        self.members.push(Configuration { live: true, ..new });
        self.used.extend_from_slice(used);
        self.live += 1;
    }

    /// Takes all members out and puts them in again, changed.
    fn rebuild(&mut self, kinds: usize, change: impl Fn(&[u32], &mut Vec<u32>)) {
        let old = std::mem::replace(self, Self::new(kinds, self.dominance));
        let mut row = Vec::with_capacity(kinds);
        for (place, member) in old.iter() {
            row.clear();
            change(old.used(place), &mut row);
            self.insert(*member, &row);
        }
    }

    /// A kind that nobody has used yet.
    pub(crate) fn add_kind(&mut self) {
        self.rebuild(self.kinds + 1, |used, row| {
            row.extend_from_slice(used);
            row.push(0);
        });
    }

    /// Forgets the other kinds.
    pub(crate) fn keep_kinds(&mut self, keep: &[bool]) {
        let kinds = keep.iter().filter(|keep| **keep).count();
        self.rebuild(kinds, |used, row| {
            row.extend(used.iter().zip(keep).filter(|(_, keep)| **keep).map(|(used, _)| *used));
        });
    }

    /// Whoever used operations of a kind has used one less; the others have it in that slot.
    pub(crate) fn take_back(&mut self, kind: usize, slot: usize) {
        let old = std::mem::replace(self, Self::new(self.kinds, self.dominance));
        let mut row = Vec::with_capacity(self.kinds);
        for (place, member) in old.iter() {
            row.clear();
            row.extend_from_slice(old.used(place));
            let mut member = *member;
            match row[kind].checked_sub(1) {
                Some(less) => row[kind] = less,
                None => member.available.insert(slot),
            }
            self.insert(member, &row);
        }
    }

    /// Other numbers for the states.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let old = std::mem::replace(self, Self::new(self.kinds, self.dominance));
        for (place, member) in old.iter() {
            let state = number(member.state);
            self.insert(Configuration { state, ..*member }, old.used(place));
        }
    }

    /// Keeps the `count` cheapest members.
    pub(crate) fn keep_cheapest(&mut self, count: usize, weights: &[u32]) {
        let mut costs: Vec<(u64, usize)> =
            self.iter().map(|(place, _)| (self.cost(place, weights), place)).collect();
        if count < costs.len() {
            costs.select_nth_unstable(count);
            for (_, place) in &costs[count..] {
                self.members[*place].live = false;
            }
            self.live = count;
        }
    }

    /// What a member has spent of what may be missing later.
    fn cost(&self, place: usize, weights: &[u32]) -> u64 {
        let member = &self.members[place];
        let unknown: u64 = self
            .used(place)
            .iter()
            .zip(weights)
            .map(|(used, weight)| u64::from(*used) * u64::from(*weight))
            .sum();
        let owed = member.unmet.count() as u64 * 16;
        let spent = (64 * W - member.available.count()) as u64 * 8;
        unknown + owed + spent
    }
}

/// Whether `one` can do whatever `other` can; with equal states.
fn is_at_least<const W: usize>(
    (one, one_used): (&Configuration<W>, &[u32]),
    (other, other_used): (&Configuration<W>, &[u32]),
    dominance: bool,
) -> bool {
    if !dominance {
        return one.unmet == other.unmet
            && one.available == other.available
            && one_used == other_used;
    }
    one.unmet.is_subset(&other.unmet)
        && other.available.is_subset(&one.available)
        && one_used.iter().zip(other_used).all(|(mine, theirs)| mine <= theirs)
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
    fn configurations() -> Vec<(Configuration<1>, [u32; 1])> {
        let make = |number: u32| {
            let mixed = number.wrapping_mul(0x9E37_79B1) >> 20;
            let configuration = Configuration {
                state: mixed % 3,
                unmet: slots(mixed >> 2),
                available: slots(mixed >> 6),
                trace: number,
                idle: false,
                live: true,
            };
            (configuration, [mixed >> 10])
        };
        (0..300).map(make).collect()
    }

    fn covers(one: (&Configuration<1>, &[u32]), other: (&Configuration<1>, &[u32])) -> bool {
        one.0.state == other.0.state && is_at_least(one, other, true)
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_covered() {
        let mut antichain = Antichain::new(1, true);
        let all = configurations();
        for round in 0..2 {
            antichain.clear();
            for (count, (new, used)) in all.iter().enumerate() {
                antichain.insert(*new, used);
                for (seen, its) in &all[..=count] {
                    let kept =
                        |(place, member)| covers((member, antichain.used(place)), (seen, its));
                    assert!(antichain.iter().any(kept), "{seen:?} is lost in round {round}");
                }
            }
            let kept: Vec<usize> = antichain.iter().map(|(place, _)| place).collect();
            assert_eq!(kept.len(), antichain.live());
            for one in &kept {
                for other in kept.iter().filter(|other| *other != one) {
                    let [one, other] =
                        [one, other].map(|at| (antichain.get(*at), antichain.used(*at)));
                    assert!(!covers(one, other), "{one:?} {other:?}");
                }
            }
        }
    }
}
