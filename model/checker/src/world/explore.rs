//! A world as the engine explores it: packed states, and what one thread keeps at hand.
//!
//! `World::apply` is the one place where a step is taken, for stateright and for the engine, and
//! `World::step` the one where its outcome is worked out. The engine brings a [`Desk`] whose caches spare it the shared tables, and asks for the
//! fingerprint of the representative before anybody builds it: most states are known already.
//!
//! **Numbers and the pen.** Packed states name nodes, messages and histories by number, and numbers
//! are given in the order of first sight. Only the thread that holds the world's pen gives any, for
//! one action of one state at a time, and it writes down which. Repeating those actions in the same
//! order gives every value its number again: so a checkpoint needs no value, only the journal.

use super::network::{EMPTY, LINKS_MAX};
use super::plan::{Group, Move, Outcome};
use super::symmetry::NodeImages;
use super::{ACTION_KINDS, Action, NOBODY, NODES_MAX, State, World};
use crate::cache::Cache;
use crate::engine::fingerprint::{Fingerprint, Width, chain};
use crate::engine::{Explore, Found, JournalError, Step};
use crate::packed::{put_number, take_number};
use crate::protocol::{Kind, Protocol};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};
use std::sync::MutexGuard;

/// Something has no number yet, and the pen is elsewhere.
#[derive(Debug)]
pub(crate) struct Unnumbered;

/// Which actions gave numbers, in order.
#[derive(Default)]
pub(crate) struct Journal {
    /// Each: length of the packed state, the state, the action's place among those of the state.
    bytes: Vec<u8>,
    /// Numbers were given that this journal does not tell of.
    incomplete: bool,
}

/// What one thread keeps at hand.
pub struct Desk<'w, P: Protocol> {
    /// Whether this thread holds the pen, and may give numbers.
    has_pen: bool,
    pub(super) outcomes: Cache<3, Option<&'w Outcome<P>>>,
    pub(super) relevance: Cache<4, bool>,
    pub(super) histories: Cache<2, u32>,
    pub(super) carried: Cache<3, u32>,
    verdicts: Cache<{ NODES_MAX + 2 }, u32>,
    /// By node, or by link: where in `moves` stands what may happen there.
    pub(super) groups: Cache<4, Group>,
    pub(super) moves: Vec<Move<'w, P>>,
    /// Indexed by the number of a node's state.
    pub(super) images: Vec<Option<&'w NodeImages>>,
    /// Indexed by the number of a bundle; [`EMPTY`] where it is not known, or empty itself.
    pub(super) flipped: Vec<u32>,
    width: Width,
    plan: Vec<Move<'w, P>>,
}

impl<P: Protocol> Desk<'_, P> {
    /// A desk with nothing on it.
    pub(super) fn bare() -> Self {
        Self {
            has_pen: false,
            outcomes: Cache::none(),
            relevance: Cache::none(),
            histories: Cache::none(),
            carried: Cache::none(),
            verdicts: Cache::none(),
            groups: Cache::none(),
            moves: Vec::new(),
            images: Vec::new(),
            flipped: Vec::new(),
            width: Width::Narrow,
            plan: Vec::new(),
        }
    }

    fn with_caches(width: Width) -> Self {
        Self {
            outcomes: Cache::with_bits(17),
            relevance: Cache::with_bits(18),
            carried: Cache::with_bits(20),
            histories: Cache::with_bits(16),
            verdicts: Cache::with_bits(17),
            groups: Cache::with_bits(17),
            width,
            ..Self::bare()
        }
    }

    /// An error unless this thread holds the pen.
    pub(super) fn may_number(&self) -> Result<(), Unnumbered> {
        if self.has_pen { Ok(()) } else { Err(Unnumbered) }
    }

    /// Whether it has no caches.
    pub(super) fn is_bare(&self) -> bool {
        !self.outcomes.is_on()
    }
}

/// The words of a state.
const WORDS: usize = NODES_MAX + LINKS_MAX + 2;

impl<P: Protocol> World<P> {
    /// Runs `work` outside of any search, with the pen if it needs it.
    pub(super) fn numbering<'w, T>(
        &'w self,
        mut work: impl FnMut(&mut Desk<'w, P>) -> Result<T, Unnumbered>,
    ) -> T {
        let mut desk = Desk::bare();
        work(&mut desk).unwrap_or_else(|Unnumbered| {
            let mut journal = self.pen();
            let before = self.interned();
            desk.has_pen = true;
            let done = work(&mut desk).expect("whoever holds the pen gives numbers");
            journal.incomplete |= before != self.interned();
            done
        })
    }

    fn pen(&self) -> MutexGuard<'_, Journal> {
        self.pen.lock().expect("no thread panics while it holds the pen")
    }

    /// How many words say all about a state of this world, and where the links begin.
    fn words(&self) -> (usize, usize) {
        let nodes = usize::from(self.protocol.nodes());
        (nodes + nodes * nodes.saturating_sub(1) / 2 + 2, nodes)
    }

    /// A state in words. A field that is left out here is a state skipped: hence the pattern that
    /// names all.
    fn words_of(&self, state: &State) -> [u32; WORDS] {
        let State { nodes, links, ghost, crashes_left, verdict: _ } = state;
        let (count, at) = self.words();
        let mut words = [0; WORDS];
        words[..at].copy_from_slice(&nodes[..at]);
        words[at..count - 2].copy_from_slice(&links[..count - 2 - at]);
        words[count - 2] = *ghost;
        words[count - 1] = u32::from(*crashes_left);
        words
    }

    /// The state in these words, its verdict open; nothing if they are none.
    fn state_of_words(&self, words: &[u32; WORDS]) -> Option<State> {
        let (count, at) = self.words();
        let mut state = State {
            nodes: [NOBODY; NODES_MAX],
            links: [EMPTY; LINKS_MAX],
            ghost: words[count - 2],
            crashes_left: u8::try_from(words[count - 1]).ok()?,
            verdict: 0,
        };
        state.nodes[..at].copy_from_slice(&words[..at]);
        state.links[..count - 2 - at].copy_from_slice(&words[at..count - 2]);
        Some(state)
    }

    /// Takes an action: the representative of what it leads to, and the marks that were hit;
    /// nothing if it leads nowhere.
    fn reach<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        action: &Action,
    ) -> Result<Option<(State, u32)>, Unnumbered> {
        let Some((next, marks)) = self.advance(desk, state, action)? else { return Ok(None) };
        Ok(Some((self.chosen(desk, next)?, marks)))
    }

    /// The same where the outcome is known.
    fn reach_by<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
        it: &Move<'w, P>,
        outcome: &Outcome<P>,
    ) -> Result<Option<(State, u32)>, Unnumbered> {
        let crashes_left = state.crashes_left - u8::from(matches!(it.action, Action::Crash(_)));
        let next = self.apply(desk, (state, it.id, crashes_left), outcome, None)?;
        let Some(next) = next else { return Ok(None) };
        Ok(Some((self.chosen(desk, next)?, outcome.marks)))
    }

    fn chosen<'w>(&'w self, desk: &mut Desk<'w, P>, mut next: State) -> Result<State, Unnumbered> {
        let choice = self.choice(desk, &next)?;
        (next.nodes, next.links) = (choice.nodes, choice.links);
        Ok(next)
    }

    /// Reports a representative.
    fn put(&self, state: &State, width: Width, place: u32, found: &mut Found) {
        let words = self.words_of(state);
        let words = &words[..self.words().0];
        let mut bytes = [0; 4 * WORDS];
        for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        found.raw.extend_from_slice(&bytes[..4 * words.len()]);
        let lane = |lane: usize| {
            let pair = |pair: &[u32]| pair.iter().fold(0, |all, &it| all << 32 | u64::from(it));
            let hash = words.chunks(2).fold(0, |hash, it| chain(hash, pair(it), lane));
            // Once more: the last words were mixed once, by a factor that everybody knows.
            chain(hash, 0, lane)
        };
        let fingerprint = match width {
            Width::Narrow => Fingerprint([lane(0), 0]),
            Width::Wide => Fingerprint([lane(0), lane(1)]),
        };
        found.push(fingerprint, place);
    }

    fn unpack(&self, mut packed: &[u8]) -> Option<State> {
        let mut words = [0; WORDS];
        for word in &mut words[..self.words().0] {
            *word = take_number(&mut packed)?;
        }
        if packed.is_empty() { self.state_of_words(&words) } else { None }
    }

    /// The action that a step of the engine takes.
    ///
    /// # Panics
    ///
    /// If the step is not one of this world's.
    pub fn action_of(&self, step: &Step) -> Action {
        let mut actions = Vec::new();
        self.actions_at(&self.unpacked(&step.packed), &mut actions);
        actions.swap_remove(step.place as usize)
    }

    /// The state that the engine packed.
    ///
    /// # Panics
    ///
    /// If it is not one of this world's.
    pub fn unpacked(&self, packed: &[u8]) -> State {
        let mut state = self.unpack(packed).expect("packed by this world");
        state.verdict = self.verdict(&state);
        state
    }
}

impl<P: Protocol> Explore for World<P> {
    type Worker<'w> = Desk<'w, P>;

    fn worker(&self, width: Width) -> Desk<'_, P> {
        Desk::with_caches(width)
    }

    fn start<'w>(&'w self, desk: &mut Desk<'w, P>, found: &mut Found) {
        let _pen = self.pen();
        desk.has_pen = true;
        let mut state = self.initial();
        let choice = self.choice(desk, &state).expect("whoever holds the pen gives numbers");
        (state.nodes, state.links) = (choice.nodes, choice.links);
        self.put(&state, desk.width, 0, found);
        desk.has_pen = false;
    }

    fn expand<'w>(&'w self, desk: &mut Desk<'w, P>, packed: &[u8], found: &mut Found) {
        let state = self.unpack(packed).expect("packed by this world");
        let mut plan = std::mem::take(&mut desk.plan);
        plan.clear();
        if self.plan(desk, &state, &mut plan).is_err() {
            plan.clear();
            self.plan_plainly(&state, &mut plan);
        }
        self.glance_ahead(desk, &state, &plan);
        for it in &plan {
            let reached = match it.outcome {
                Some(outcome) => self.reach_by(desk, &state, it, outcome),
                None => self.reach(desk, &state, &it.action),
            };
            let reached = reached.unwrap_or_else(|Unnumbered| {
                self.number(desk, packed, it.place, |desk| self.reach(desk, &state, &it.action))
            });
            if let Some((next, marks)) = reached {
                self.put(&next, desk.width, it.place, found);
                if let Some(kind) = it.action.kind() {
                    found.taken(kind, marks, ACTION_KINDS.len());
                }
            }
        }
        desk.plan = plan;
    }

    fn finish(&self, desk: &mut Desk<'_, P>, raw: &[u8], packed: &mut Vec<u8>) -> u32 {
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(raw.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
            put_number(packed, *word);
        }
        let state = self.state_of_words(&words).expect("the words are those of a state");
        let key = Self::verdict_key(&state);
        desk.verdicts.get(&key).unwrap_or_else(|| {
            let verdict = self.judge(&state);
            desk.verdicts.put(key, verdict);
            verdict
        })
    }

    fn properties(&self) -> &[(&'static str, Kind)] {
        self.property_names()
    }

    fn coverage(&self, counts: &[u64]) -> Vec<(&'static str, u64)> {
        self.coverage_of(counts)
    }

    fn accepts(&self, packed: &[u8]) -> bool {
        self.unpack(packed).is_some_and(|state| self.is_numbered(&state))
    }

    fn journal(&self) -> Option<Vec<u8>> {
        let journal = self.pen();
        let digest = self.digest().to_le_bytes();
        (!journal.incomplete).then(|| [&digest, &journal.bytes[..]].concat())
    }

    fn repeat(&self, mut journal: &[u8]) -> Result<(), JournalError> {
        let mut desk = Desk::with_caches(Width::Narrow);
        let mut found = Found::default();
        self.start(&mut desk, &mut found);
        let digest = journal.split_off(..8).ok_or(JournalError)?;
        while !journal.is_empty() {
            let length = take_number(&mut journal).ok_or(JournalError)? as usize;
            let packed = journal.split_off(..length).ok_or(JournalError)?;
            let place = take_number(&mut journal).ok_or(JournalError)?;
            self.repeat_one(&mut desk, packed, place).ok_or(JournalError)?;
        }
        // The same numbers must mean the same values.
        if self.digest().to_le_bytes() == digest { Ok(()) } else { Err(JournalError) }
    }
}

impl<P: Protocol> World<P> {
    /// Works with the pen, and writes down the action if that gave numbers.
    fn number<'w, T>(
        &'w self,
        desk: &mut Desk<'w, P>,
        packed: &[u8],
        place: u32,
        work: impl FnOnce(&mut Desk<'w, P>) -> Result<T, Unnumbered>,
    ) -> T {
        let mut journal = self.pen();
        let before = self.interned();
        desk.has_pen = true;
        let done = work(desk).expect("whoever holds the pen gives numbers");
        desk.has_pen = false;
        if self.interned() != before {
            let length = u32::try_from(packed.len()).expect("a packed state is short");
            put_number(&mut journal.bytes, length);
            journal.bytes.extend_from_slice(packed);
            put_number(&mut journal.bytes, place);
        }
        done
    }

    /// Takes one action of a journal again. Nothing if it cannot be one of this world's.
    fn repeat_one<'w>(&'w self, desk: &mut Desk<'w, P>, packed: &[u8], place: u32) -> Option<()> {
        let state = self.unpack(packed)?;
        if !self.is_numbered(&state) {
            return None;
        }
        let before = self.interned();
        let mut actions = Vec::new();
        self.actions_at(&state, &mut actions);
        let action = actions.get(place as usize)?;
        // That it led nowhere is no objection: to find that out may have taken numbers.
        let _ = self.number(desk, packed, place, |desk| self.reach(desk, &state, action));
        // It gave numbers when it was written down, and so it must now.
        (self.interned() != before).then_some(())
    }

    /// Over every value that has a number.
    fn digest(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.nodes.values().for_each(|it| it.hash(&mut hasher));
        self.messages.values().for_each(|it| it.hash(&mut hasher));
        self.bundles.values().for_each(|it| it.hash(&mut hasher));
        self.ghosts.values().for_each(|it| it.hash(&mut hasher));
        self.interned().hash(&mut hasher);
        hasher.finish()
    }

    /// Whether every number in a state was given.
    fn is_numbered(&self, state: &State) -> bool {
        let [nodes, _, bundles, ghosts] = self.interned();
        self.numbers(&state.nodes).all(|it| (it as usize) < nodes)
            && state.links.iter().all(|&it| (it as usize) < bundles)
            && (state.ghost as usize) < ghosts
    }
}
