//! The search at one moment: what is pending, and the configurations.

use super::antichain::{Antichain, Configuration};
use super::automaton::{ILLEGAL, Stepper};
use super::engine::{Exhausted, Search};
use super::slots::Slots;
use super::witness::{Deed, ROOT};
use crate::model::Nature;

/// A pending operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) operation: u32,
    pub(crate) action: u32,
    pub(crate) nature: Nature,
    /// The event at which it returns, as far as known.
    pub(crate) deadline: u32,
}

/// The search at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Front<const W: usize> {
    /// The number of the next event.
    pub(crate) event: usize,
    pub(crate) now: Antichain<W>,
    /// Slots in use.
    pub(crate) taken: Slots<W>,
    /// The slots of pending operations that are legal in every state.
    total: Slots<W>,
    /// The slots of pending operations that can change the state.
    changing: Slots<W>,
    /// What is in each slot that is in use.
    pub(crate) pending: Vec<Pending>,
    /// For each slot, those of equal operations that return earlier.
    earlier: Vec<Slots<W>>,
    /// For each kind of unknown operations, the slots of equal operations.
    twins: Vec<Slots<W>>,
    /// How many unknown operations of each kind have been invoked.
    pub(crate) offered: Vec<u32>,
    /// Whether no configuration was ever left out for want of room.
    pub(crate) exact: bool,
}

/// How wide a search may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    /// Configurations kept after a return.
    pub(crate) configurations: usize,
    /// Configurations expanded at a return.
    pub(crate) expansions: usize,
}

impl Width {
    /// As wide as it takes.
    pub(crate) const ALL: Self = Self { configurations: usize::MAX, expansions: usize::MAX };

    /// That many configurations.
    pub(crate) const fn of(configurations: usize) -> Self {
        Self { configurations, expansions: configurations.saturating_mul(8) }
    }
}

impl<const W: usize> Front<W> {
    /// Before the first event; the initial state is 0.
    pub(crate) fn new(kinds: usize, dominance: bool) -> Self {
        let mut now = Antichain::new(kinds, dominance);
        now.insert(blank(0), &vec![0; kinds]);
        Self {
            event: 0,
            now,
            taken: Slots::EMPTY,
            total: Slots::EMPTY,
            changing: Slots::EMPTY,
            pending: Vec::new(),
            earlier: Vec::new(),
            twins: vec![Slots::EMPTY; kinds],
            offered: vec![0; kinds],
            exact: true,
        }
    }

    /// At least whatever configuration could be here, if the state is one of these: all that is
    /// pending is met and available, and no unknown operation was used.
    pub(crate) fn relax(&mut self, states: u32) {
        self.now.clear();
        let unused = vec![0; self.offered.len()];
        for state in 0..states {
            self.now.insert(Configuration { available: self.changing, ..blank(state) }, &unused);
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.now.bytes()
            + self.pending.capacity() * (size_of::<Pending>() + size_of::<Slots<W>>())
            + self.twins.capacity() * (size_of::<Slots<W>>() + size_of::<u32>())
    }

    /// The slot gets an operation; the order among equal ones is by deadline.
    fn occupy(&mut self, slot: usize, new: Pending, kinds: &[u32]) {
        if self.pending.len() <= slot {
            self.pending.resize(slot + 1, new);
            self.earlier.resize(slot + 1, Slots::EMPTY);
        }
        self.earlier[slot] = Slots::EMPTY;
        for other in self.taken.iter() {
            self.earlier[other].remove(slot);
            let old = self.pending[other];
            if old.action == new.action && new.nature != Nature::Pure {
                if old.deadline <= new.deadline {
                    self.earlier[slot].insert(other);
                } else {
                    self.earlier[other].insert(slot);
                }
            }
        }
        for (twins, action) in self.twins.iter_mut().zip(kinds) {
            if *action == new.action {
                twins.insert(slot);
            }
        }
        self.taken.insert(slot);
        self.pending[slot] = new;
        if matches!(new.nature, Nature::Constant | Nature::Total) {
            self.total.insert(slot);
        }
        if new.nature != Nature::Pure {
            self.changing.insert(slot);
        }
    }

    /// A new kind of unknown operations: the last one. Equal operations are pending in no slot.
    pub(crate) fn add_kind(&mut self, action: u32) {
        self.now.add_kind();
        self.offered.push(0);
        let equal = |slot: &usize| self.pending[*slot].action == action;
        let mut twins = Slots::EMPTY;
        for slot in self.taken.iter().filter(equal) {
            twins.insert(slot);
        }
        self.twins.push(twins);
    }

    /// The kinds that are to be kept keep their order.
    pub(crate) fn keep_kinds(&mut self, keep: &[bool]) {
        self.now.keep_kinds(keep);
        let mut kept = keep.iter();
        self.offered.retain(|_| kept.next() == Some(&true));
        let mut kept = keep.iter();
        self.twins.retain(|_| kept.next() == Some(&true));
    }

    fn vacate(&mut self, slot: usize) {
        self.taken.remove(slot);
        self.total.remove(slot);
        self.changing.remove(slot);
        for twins in &mut self.twins {
            twins.remove(slot);
        }
    }
}

/// A configuration in a state with nothing pending.
fn blank<const W: usize>(state: u32) -> Configuration<W> {
    Configuration {
        state,
        trace: ROOT,
        unmet: Slots::EMPTY,
        available: Slots::EMPTY,
        idle: false,
        live: true,
    }
}

impl<S: Stepper, const W: usize> Search<'_, S, W> {
    /// A surely executed operation becomes pending.
    pub(crate) fn call(&mut self, front: &mut Front<W>, slot: usize, new: Pending) {
        front.occupy(slot, new, &self.kinds);
        let pure = new.nature == Nature::Pure;
        let event = front.event;
        for configuration in front.now.iter_mut() {
            let eager = pure || self.rules.eager_writes;
            if eager && self.automaton.is_loop(configuration.state, new.action) {
                configuration.trace =
                    self.trace(configuration.trace, new.operation, event, Deed::Met);
            } else {
                configuration.unmet.insert(slot);
            }
            if !pure {
                configuration.available.insert(slot);
            }
        }
    }

    /// One unknown operation of a kind becomes pending, with its obligation met: the one that was
    /// used, if one was.
    pub(crate) fn take_back(
        &mut self,
        front: &mut Front<W>,
        kind: usize,
        slot: usize,
        pending: Pending,
    ) {
        front.occupy(slot, pending, &self.kinds);
        front.offered[kind] -= 1;
        front.now.take_back(kind, slot);
    }

    /// A pending operation must have taken effect. False if nothing survives; then the front is as
    /// it was.
    pub(crate) fn return_of(
        &mut self,
        front: &mut Front<W>,
        slot: usize,
        width: Width,
    ) -> Result<bool, Exhausted> {
        let open =
            |one: &Configuration<W>| one.unmet.contains(slot) || one.available.contains(slot);
        if front.now.iter().any(|(_, configuration)| open(configuration)) {
            let mut next = std::mem::replace(&mut self.next, Antichain::new(0, true));
            let mut frontier = std::mem::replace(&mut self.frontier, Antichain::new(0, true));
            next.clear();
            frontier.clear();
            let done = self.force(front, slot, width, &mut frontier, &mut next);
            let survives = next.live() > 0;
            if survives && done.is_ok() {
                std::mem::swap(&mut front.now, &mut next);
            }
            (self.next, self.frontier) = (next, frontier);
            done?;
            if !survives {
                return Ok(false);
            }
            if front.now.live() > width.configurations {
                front.exact = false;
                front.now.keep_cheapest(width.configurations, &self.weights);
            }
        }
        front.vacate(slot);
        Ok(true)
    }

    /// Finds all configurations in which the operation took effect.
    fn force(
        &mut self,
        front: &mut Front<W>,
        slot: usize,
        width: Width,
        frontier: &mut Antichain<W>,
        next: &mut Antichain<W>,
    ) -> Result<(), Exhausted> {
        for (place, configuration) in front.now.iter() {
            let used = front.now.used(place);
            let owed = configuration.unmet.contains(slot);
            let usable = configuration.available.contains(slot);
            if owed || usable {
                frontier.insert(Configuration { idle: false, ..*configuration }, used);
            }
            if !owed {
                // Its obligation is met: it need not be used.
                let mut without = *configuration;
                without.available.remove(slot);
                next.insert(without, used);
            }
        }
        let (mut place, mut expanded) = (0, 0);
        while place < frontier.len() {
            if frontier.get(place).live {
                if expanded == width.expansions {
                    front.exact = false;
                    break;
                }
                expanded += 1;
                self.expand(front, slot, place, frontier, next)?;
            }
            place += 1;
        }
        Ok(())
    }

    /// All configurations one step further.
    fn expand(
        &mut self,
        front: &Front<W>,
        slot: usize,
        place: usize,
        frontier: &mut Antichain<W>,
        next: &mut Antichain<W>,
    ) -> Result<(), Exhausted> {
        let from = *frontier.get(place);
        let mut used = std::mem::take(&mut self.used);
        used.clear();
        used.extend_from_slice(frontier.used(place));
        self.tick()?;
        for resource in from.available.iter() {
            let Pending { operation, action, nature, .. } = front.pending[resource];
            if from.idle && nature == Nature::Constant && self.rules.idle_steps {
                continue;
            }
            if self.rules.earliest_first && is_preceded(front, &from, resource, nature) {
                continue;
            }
            let state = self.step(from.state, action);
            if state == ILLEGAL {
                continue;
            }
            let mut to = Configuration { state, ..from };
            to.available.remove(resource);
            to.unmet.remove(resource);
            if state == from.state
                && resource != slot
                && self.rules.no_loops
                && !self.hides(front, &to, nature)
            {
                continue;
            }
            self.take_effect(front, &mut to, operation, nature);
            to.idle &= matches!(nature, Nature::Constant | Nature::Total);
            arrive(&to, &used, slot, frontier, next);
        }
        self.expand_unknown(front, &from, slot, &mut used, frontier, next);
        self.used = used;
        Ok(())
    }

    /// The steps by unknown operations.
    fn expand_unknown(
        &mut self,
        front: &Front<W>,
        from: &Configuration<W>,
        slot: usize,
        used: &mut [u32],
        frontier: &mut Antichain<W>,
        next: &mut Antichain<W>,
    ) {
        let owes_total = front.total.meets(&from.unmet);
        self.reached.clear();
        for order in 0..self.kinds_in_order.len() {
            let kind = self.kinds_in_order[order] as usize;
            let action = self.kinds[kind];
            let nature = self.automaton.nature(action);
            if used[kind] >= front.offered[kind]
                || (from.idle && nature == Nature::Constant && self.rules.idle_steps)
                || (self.rules.earliest_first && front.twins[kind].meets(&from.available))
            {
                continue;
            }
            let state = self.step(from.state, action);
            let mut to = Configuration { state, ..*from };
            let is_idle_loop =
                state == from.state && self.rules.no_loops && !self.hides(front, &to, nature);
            // Partial kinds come first; what they reach need not be reached by a write.
            let is_weak = nature == Nature::Constant && !owes_total && self.rules.weakest_first;
            if state == ILLEGAL || is_idle_loop || (is_weak && self.reached.contains(&state)) {
                continue;
            }
            if nature == Nature::Partial && self.automaton.settles(action) {
                self.reached.push(state);
            }
            let operation = if self.records { self.offers[kind][used[kind] as usize] } else { 0 };
            self.take_effect(front, &mut to, operation, nature);
            let counted = u32::from(self.counted[kind]);
            used[kind] += counted;
            arrive(&to, used, slot, frontier, next);
            used[kind] -= counted;
        }
    }

    /// Whether a constant write that does not change the state hides something.
    fn hides(&self, front: &Front<W>, to: &Configuration<W>, nature: Nature) -> bool {
        nature == Nature::Constant && self.rules.hiding && front.total.meets(&to.unmet)
    }

    /// What an operation that took effect means for the others: a constant write hides total
    /// ones, and what does not change the new state is met.
    fn take_effect(
        &mut self,
        front: &Front<W>,
        to: &mut Configuration<W>,
        operation: u32,
        nature: Nature,
    ) {
        let event = front.event;
        to.trace = self.trace(to.trace, operation, event, Deed::Used);
        if nature == Nature::Constant && self.rules.hiding {
            to.unmet.remove_all(&front.total);
        }
        to.idle = true;
        for slot in to.unmet.iter() {
            let Pending { operation, action, nature, .. } = front.pending[slot];
            let eager = nature == Nature::Pure || self.rules.eager_writes;
            if eager && self.automaton.is_loop(to.state, action) {
                to.unmet.remove(slot);
                to.idle &= matches!(nature, Nature::Constant | Nature::Total);
                to.trace = self.trace(to.trace, operation, event, Deed::Met);
            }
        }
    }
}

/// Whether an equal operation that returns earlier can be used instead.
///
/// If that one's obligation is met and the other's is not, only a constant write may be exchanged:
/// using the earlier one meets the later one's obligation on the way.
fn is_preceded<const W: usize>(
    front: &Front<W>,
    from: &Configuration<W>,
    resource: usize,
    nature: Nature,
) -> bool {
    let earlier = front.earlier[resource].both(&from.available);
    if earlier.is_empty() {
        return false;
    }
    nature == Nature::Constant || !from.unmet.contains(resource) || earlier.meets(&from.unmet)
}

/// Sorts a configuration: done with `slot`, or still to be expanded.
fn arrive<const W: usize>(
    configuration: &Configuration<W>,
    used: &[u32],
    slot: usize,
    frontier: &mut Antichain<W>,
    next: &mut Antichain<W>,
) {
    if configuration.unmet.contains(slot) || configuration.available.contains(slot) {
        frontier.insert(*configuration, used);
    } else {
        next.insert(Configuration { idle: false, ..*configuration }, used);
    }
}
