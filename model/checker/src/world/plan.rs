//! What may happen in a state, with what comes of it.
//!
//! States that are expanded one after the other have most of their nodes and links in common, so
//! what may happen is looked up by node and by link, not by action: one look-up gives every action
//! of a node by itself, or every delivery between two nodes, together with the outcomes. What
//! changes nothing was left out when the group was first seen.

use super::explore::{Desk, Unnumbered};
use super::network::{EMPTY, bundled, link};
use super::{Action, NODES_MAX, State, World};
use crate::clock::Clocks;
use crate::node::Fsync;
use crate::protocol::Protocol;

/// In the key of a link: its second word is the number of an outcome, not of a node.
const BY_OUTCOME: u32 = 1 << 31;

/// The interned result of one step of one node.
#[derive(Debug)]
pub(super) struct Outcome<P: Protocol> {
    /// Its own number.
    pub(super) number: u32,
    pub(super) node: u32,
    /// By receiver: the bundle for it.
    pub(super) sends: [u32; NODES_MAX],
    pub(super) events: Box<[P::Event]>,
    pub(super) marks: u32,
}

impl<P: Protocol> Outcome<P> {
    /// Whether a node in this state is as it was, has nothing to say, and nothing to remember.
    fn changes_nothing(&self, before: u32) -> bool {
        self.node == before && self.sends == [EMPTY; NODES_MAX] && self.events.is_empty()
    }

    /// The key of what is on its way, after this, between its node and another: it says all that
    /// [`World::carry`] depends on, as an outcome has one node and sends one bundle to each other.
    /// Most send nothing there; then the node says enough.
    pub(super) fn carry_key(
        &self,
        bundle: u32,
        (id, other): (u8, u32),
        may_crash: bool,
    ) -> [u32; 3] {
        let silent = self.sends[usize::from(id)] == EMPTY;
        let who = if silent { self.node } else { BY_OUTCOME | self.number };
        [bundle << 1 | u32::from(may_crash), who, other]
    }
}

/// One thing that may happen.
pub(super) struct Move<'w, P: Protocol> {
    /// Its place among the actions of its group; in a plan, among those of the state.
    pub(super) place: u32,
    /// To which node.
    pub(super) id: u8,
    pub(super) action: Action,
    /// What it does to that node, where that is known already.
    pub(super) outcome: Option<&'w Outcome<P>>,
}

impl<P: Protocol> Clone for Move<'_, P> {
    fn clone(&self) -> Self {
        Self { action: self.action.clone(), ..*self }
    }
}

/// Where the moves of a group stand among those that a thread knows.
#[derive(Clone, Copy, Default)]
pub(super) struct Group {
    start: u32,
    end: u32,
    /// How many actions it has, idle ones included.
    places: u32,
}

/// The keys of the groups of one state.
struct Keys<'s> {
    state: &'s State,
    crashes: u32,
}

impl Keys<'_> {
    fn node(&self, id: u8) -> u32 {
        self.state.nodes[usize::from(id)]
    }

    /// What is delivered to one end of a link depends on that end alone.
    fn link(&self, bundle: u32, from: u8, to: u8) -> [u32; 4] {
        [bundle, self.node(to), u32::from(from), self.crashes]
    }

    fn own(&self, id: u8) -> [u32; 4] {
        [EMPTY, self.node(id), self.state.ghost, self.crashes]
    }

    fn hearsay(&self, from: u8, to: u8) -> [u32; 4] {
        [HEARSAY, self.node(from), self.node(to), self.crashes]
    }
}

/// Moves that a thread keeps before it forgets them all.
const MOVES_MAX: usize = 1 << 19;

/// In the key of a group: what a node hears from another. No link has this bundle.
const HEARSAY: u32 = u32::MAX;

impl<P: Protocol> World<P> {
    /// What may happen in a state.
    pub(super) fn actions_at(&self, state: &State, actions: &mut Vec<Action>) {
        let count = self.protocol.nodes();
        actions.extend(self.overdue(state).map(Action::Persist));
        if !actions.is_empty() {
            return;
        }
        if self.protocol.clocks().is_prompt() {
            // What was said arrives, in one order, before anything else happens.
            let deliveries = self.deliveries(&state.links);
            let first = deliveries.min_by_key(|&(from, to, it)| (to, from, self.messages.get(it)));
            if let Some((from, to, message)) = first {
                actions.push(Action::Deliver { from, to, message });
                return;
            }
        }
        for (low, high, bundle) in self.pairs(state) {
            self.deliveries_between((low, high), bundle, actions);
        }
        if self.protocol.clocks() != Clocks::Off {
            actions.extend(self.passings(state));
        }
        for id in 0..count {
            self.own_actions(state, id, actions);
            for from in (0..count).filter(|&from| from != id) {
                self.hearsay_between(state, (from, id), actions);
            }
        }
    }

    /// Who has writes on their way that no crash can take back any more: they become durable before
    /// anything else happens. In any order, for who comes first must not depend on names.
    fn overdue(&self, state: &State) -> impl Iterator<Item = u8> + use<'_, P> {
        let may_be = matches!(self.bounds.fsync, Fsync::OwnStepUntilLastCrash { .. });
        let count = if may_be && state.crashes_left == 0 { self.protocol.nodes() } else { 0 };
        let nodes = state.nodes;
        (0..count).filter(move |id| {
            let node = nodes[usize::from(*id)];
            let is_writing = || !self.nodes.get(node).pending.is_empty();
            *self.known.writing.get_or_fill(node as usize, is_writing)
        })
    }

    /// The pairs of nodes, and the bundle between each.
    fn pairs(&self, state: &State) -> impl Iterator<Item = (u8, u8, u32)> + use<P> {
        let pairs =
            (0..self.protocol.nodes()).flat_map(|high| (0..high).map(move |low| (low, high)));
        pairs.zip(state.links).map(|((low, high), bundle)| (low, high, bundle))
    }

    fn deliveries_between(&self, (low, high): (u8, u8), bundle: u32, actions: &mut Vec<Action>) {
        actions.extend(self.bundles.get(bundle).iter().map(|&it| {
            let (from, to) = if it & 1 == 0 { (low, high) } else { (high, low) };
            Action::Deliver { from, to, message: it >> 1 }
        }));
    }

    /// The deliveries in one direction, each with its place in the bundle; how many messages go in
    /// both.
    fn deliveries_to(
        &self,
        bundle: u32,
        (from, to): (u8, u8),
        actions: &mut Vec<(u32, Action)>,
    ) -> usize {
        let messages = self.bundles.get(bundle);
        let direction = bundled(0, from, to);
        let these = (0..).zip(messages.iter()).filter(|(_, it)| *it & 1 == direction);
        let deliver = |&it: &u32| Action::Deliver { from, to, message: it >> 1 };
        actions.extend(these.map(|(place, it)| (place, deliver(it))));
        messages.len()
    }

    /// What a node may do or suffer by itself.
    fn own_actions(&self, state: &State, id: u8, actions: &mut Vec<Action>) {
        let node = self.nodes.get(state.nodes[usize::from(id)]);
        if state.crashes_left > 0 {
            actions.push(Action::Crash(id));
        }
        if !node.pending.is_empty() {
            actions.push(Action::Persist(id));
        }
        let firing = (0..).zip(self.may_fire(node));
        actions.extend(firing.map(|(nth, _)| Action::Fire(id, nth)));
        self.disturbances(node, actions);
        let asking = (0..).zip(self.protocol.requests(self.ghosts.get(state.ghost), node));
        actions.extend(asking.map(|(nth, _)| Action::Ask(id, nth)));
        let chores = (0..).zip(self.protocol.chores(node));
        actions.extend(chores.map(|(nth, _)| Action::Chore(id, nth)));
    }

    fn hearsay_between(&self, state: &State, (from, to): (u8, u8), actions: &mut Vec<Action>) {
        let node = |id: u8| self.nodes.get(state.nodes[usize::from(id)]);
        if self.protocol.hearsay(node(from), node(to)).is_some() {
            actions.push(Action::Hear { from, to });
        }
    }

    /// Writes down what may happen in a state, with outcomes, and without what changes nothing.
    pub(super) fn plan<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        plan: &mut Vec<Move<'w, P>>,
    ) -> Result<(), Unnumbered> {
        if self.protocol.clocks().is_prompt() || self.overdue(state).next().is_some() {
            self.plan_plainly(state, plan);
            return Ok(());
        }
        let count = self.protocol.nodes();
        let keys = Keys { state, crashes: u32::from(state.crashes_left) };
        self.glance_at_groups(desk, &keys);
        let mut place = 0;
        for (low, high, bundle) in self.pairs(state).filter(|it| it.2 != EMPTY) {
            let first = place;
            for (from, to) in [(low, high), (high, low)] {
                place = first;
                let list = |actions: &mut Vec<(u32, Action)>| {
                    self.deliveries_to(bundle, (from, to), actions)
                };
                self.plan_group(
                    desk,
                    &keys,
                    (keys.link(bundle, from, to), &mut place),
                    plan,
                    list,
                )?;
            }
        }
        if self.protocol.clocks() != Clocks::Off {
            for action in self.passings(state) {
                plan.push(Move { place, id: 0, action, outcome: None });
                place += 1;
            }
        }
        let all = |actions: &mut Vec<(u32, Action)>, listed: Vec<Action>| {
            actions.extend((0..).zip(listed));
            actions.len()
        };
        for id in 0..count {
            let list = |actions: &mut Vec<(u32, Action)>| {
                let mut listed = Vec::new();
                self.own_actions(state, id, &mut listed);
                all(actions, listed)
            };
            self.plan_group(desk, &keys, (keys.own(id), &mut place), plan, list)?;
            for from in (0..count).filter(|&from| from != id) {
                let list = |actions: &mut Vec<(u32, Action)>| {
                    let mut listed = Vec::new();
                    self.hearsay_between(state, (from, id), &mut listed);
                    all(actions, listed)
                };
                self.plan_group(desk, &keys, (keys.hearsay(from, id), &mut place), plan, list)?;
            }
        }
        Ok(())
    }

    /// Touches the places of all groups of a state.
    fn glance_at_groups(&self, desk: &Desk<'_, P>, keys: &Keys<'_>) {
        let mut sum = 0;
        for (low, high, bundle) in self.pairs(keys.state) {
            if bundle != EMPTY {
                sum ^= desk.groups.glance(&keys.link(bundle, low, high));
                sum ^= desk.groups.glance(&keys.link(bundle, high, low));
            }
            sum ^= desk.groups.glance(&keys.hearsay(low, high));
            sum ^= desk.groups.glance(&keys.hearsay(high, low));
        }
        for id in 0..self.protocol.nodes() {
            sum ^= desk.groups.glance(&keys.own(id));
        }
        std::hint::black_box(sum);
    }

    /// Touches what the moves of a plan will ask for.
    pub(super) fn glance_ahead(&self, desk: &Desk<'_, P>, state: &State, plan: &[Move<'_, P>]) {
        let may_crash = state.crashes_left > 0;
        let mut sum = 0;
        for it in plan {
            let Some(outcome) = it.outcome else { continue };
            for (other, &node) in (0..self.protocol.nodes()).zip(&state.nodes) {
                if other != it.id {
                    let bundle = state.links[link(other, it.id)];
                    let key = outcome.carry_key(bundle, (other, node), may_crash);
                    sum ^= desk.carried.glance(&key);
                }
            }
        }
        std::hint::black_box(sum);
    }

    /// The same with nothing looked up.
    pub(super) fn plan_plainly<'w>(&'w self, state: &State, plan: &mut Vec<Move<'w, P>>) {
        let mut actions = Vec::new();
        self.actions_at(state, &mut actions);
        let moves = (0..).zip(actions);
        plan.extend(moves.map(|(place, action)| Move { place, id: 0, action, outcome: None }));
    }

    /// Appends the moves of a group.
    fn plan_group<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        keys: &Keys<'_>,
        (key, place): ([u32; 4], &mut u32),
        plan: &mut Vec<Move<'w, P>>,
        list: impl FnOnce(&mut Vec<(u32, Action)>) -> usize,
    ) -> Result<(), Unnumbered> {
        let known = desk.groups.get(&key);
        let group = match known {
            Some(group) => group,
            None => self.write_group(desk, keys.state, key, list)?,
        };
        for known in &desk.moves[group.start as usize..group.end as usize] {
            plan.push(Move { place: *place + known.place, ..known.clone() });
        }
        *place += group.places;
        Ok(())
    }

    /// Works out a group, and remembers it.
    #[cold]
    fn write_group<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        key: [u32; 4],
        list: impl FnOnce(&mut Vec<(u32, Action)>) -> usize,
    ) -> Result<Group, Unnumbered> {
        let number = |it: usize| u32::try_from(it).expect("what a thread keeps is bounded");
        let mut actions = Vec::new();
        let places = number(list(&mut actions));
        let mut moves = Vec::new();
        for (place, action) in actions {
            let Some((id, outcome)) = self.outcome(desk, state, &action)? else { continue };
            let is_crash = matches!(action, Action::Crash(_));
            let is_idle = outcome.changes_nothing(state.nodes[usize::from(id)]);
            if is_crash || !is_idle {
                moves.push(Move { place, id, action, outcome: Some(outcome) });
            }
        }
        if desk.moves.len() + moves.len() > MOVES_MAX {
            desk.moves.clear();
            desk.groups.clear();
        }
        let start = number(desk.moves.len());
        desk.moves.extend(moves);
        let group = Group { start, end: number(desk.moves.len()), places };
        desk.groups.put(key, group);
        Ok(group)
    }
}
