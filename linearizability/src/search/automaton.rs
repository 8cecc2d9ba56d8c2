//! States and actions as small numbers, and a memory of the steps between them.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::model::{Access, Model, Nature, Quotient};
use crate::zone::Mixer;

/// No state: the action is illegal.
pub(crate) const ILLEGAL: u32 = u32::MAX;

/// The step has not been asked for yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// Rows of all steps of a state are kept up to this many bytes.
const ROWS_BYTES_MAX: usize = 4 << 20;

/// Slots of the table for steps that have no row: it forgets.
const RECENT_MAX: usize = 1 << 16;

/// What computes a step that is not remembered.
pub(crate) trait Stepper {
    /// The state after an action, or [`ILLEGAL`].
    fn compute(&mut self, state: u32, action: u32) -> u32;

    /// Bytes held, as far as known.
    fn bytes(&self) -> usize;
}

impl<T: Stepper + ?Sized> Stepper for &mut T {
    fn compute(&mut self, state: u32, action: u32) -> u32 {
        (**self).compute(state, action)
    }

    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

/// What the search may rely on about an action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) nature: Nature,
    /// Whether the state afterwards is always the same one, wherever it is legal.
    settles: bool,
}

impl Manner {
    fn of<M: Model>(model: &M, action: &M::Action) -> Self {
        let settles = match model.access(action) {
            Access::Write(_) | Access::Overwrite(_) | Access::Swap { .. } => true,
            Access::Read(_) | Access::Check | Access::Never | Access::Other => false,
        };
        Self { nature: model.nature(action), settles }
    }
}

/// States and actions of a model by number. The initial state is 0.
pub(crate) struct Interned<'a, M: Model> {
    model: &'a M,
    /// What all states are sent through.
    quotient: Option<Quotient<M::State>>,
    /// One action of each number.
    actions: Vec<&'a M::Action>,
    states: Vec<M::State>,
    numbers: HashMap<M::State, u32, BuildHasherDefault<Mixer>>,
}

impl<'a, M: Model> Interned<'a, M> {
    pub(crate) fn new(
        model: &'a M,
        actions: Vec<&'a M::Action>,
        quotient: Option<Quotient<M::State>>,
    ) -> Self {
        let (states, numbers) = (Vec::new(), HashMap::default());
        let mut interned = Self { model, quotient, actions, states, numbers };
        interned.number(model.initial());
        interned
    }

    fn number(&mut self, state: M::State) -> u32 {
        let state = match &self.quotient {
            Some(quotient) => quotient(state),
            None => state,
        };
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let number = u32::try_from(self.states.len()).expect("2^32 states do not fit in memory");
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        number
    }

    /// The state of that number.
    pub(crate) fn state(&self, number: u32) -> &M::State {
        &self.states[number as usize]
    }

    pub(crate) fn manners(&self) -> Vec<Manner> {
        self.actions.iter().map(|action| Manner::of(self.model, action)).collect()
    }
}

impl<M: Model> Stepper for Interned<'_, M> {
    fn compute(&mut self, state: u32, action: u32) -> u32 {
        let action = self.actions[action as usize];
        match self.model.step(&self.states[state as usize], action) {
            Some(after) => self.number(after),
            None => ILLEGAL,
        }
    }

    fn bytes(&self) -> usize {
        // Each state stands in the list and in the table; what it points to is shared or unknown.
        self.states.capacity() * size_of::<M::State>()
            + self.numbers.capacity() * (size_of::<(M::State, u32)>() + 1)
            + self.actions.capacity() * size_of::<usize>()
    }
}

/// States and actions of a history that is not known in advance: those that are needed no more lose
/// their numbers.
pub(crate) struct Living<M: Model> {
    model: M,
    actions: Vec<M::Action>,
    action_numbers: HashMap<M::Action, u32, BuildHasherDefault<Mixer>>,
    states: Vec<M::State>,
    state_numbers: HashMap<M::State, u32, BuildHasherDefault<Mixer>>,
}

impl<M: Model> Living<M> {
    pub(crate) fn new(model: M) -> Self {
        let mut living = Self {
            actions: Vec::new(),
            action_numbers: HashMap::default(),
            states: Vec::new(),
            state_numbers: HashMap::default(),
            model,
        };
        living.state_number(living.model.initial());
        living
    }

    fn state_number(&mut self, state: M::State) -> u32 {
        let next = u32::try_from(self.states.len()).expect("2^32 states do not fit in memory");
        *self.state_numbers.entry(state).or_insert_with_key(|state| {
            self.states.push(state.clone());
            next
        })
    }

    /// The number of an action, and its manner if the number is new.
    pub(crate) fn action_number(&mut self, action: &M::Action) -> (u32, Option<Manner>) {
        if let Some(number) = self.action_numbers.get(action) {
            return (*number, None);
        }
        let number = u32::try_from(self.actions.len()).expect("2^32 do not fit in memory");
        self.actions.push(action.clone());
        self.action_numbers.insert(action.clone(), number);
        (number, Some(Manner::of(&self.model, action)))
    }

    pub(crate) fn state(&self, number: u32) -> &M::State {
        &self.states[number as usize]
    }

    /// How many numbers are in use.
    pub(crate) fn numbers(&self) -> usize {
        self.states.len() + self.actions.len()
    }

    /// Keeps these states and actions: each gets the number of its place. Returns the manners.
    pub(crate) fn keep(&mut self, states: &[u32], actions: &[u32]) -> Vec<Manner> {
        self.states = states.iter().map(|at| self.states[*at as usize].clone()).collect();
        self.actions = actions.iter().map(|at| self.actions[*at as usize].clone()).collect();
        self.state_numbers = self.states.iter().cloned().zip(0..).collect();
        self.action_numbers = self.actions.iter().cloned().zip(0..).collect();
        self.actions.iter().map(|action| Manner::of(&self.model, action)).collect()
    }
}

impl<M: Model> Stepper for Living<M> {
    fn compute(&mut self, state: u32, action: u32) -> u32 {
        match self.model.step(&self.states[state as usize], &self.actions[action as usize]) {
            Some(after) => self.state_number(after),
            None => ILLEGAL,
        }
    }

    fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<M::State>()
            + self.state_numbers.capacity() * (size_of::<(M::State, u32)>() + 1)
            + self.actions.capacity() * size_of::<M::Action>()
            + self.action_numbers.capacity() * (size_of::<(M::Action, u32)>() + 1)
    }
}

/// Steps by number, remembered.
pub(crate) struct Automaton<S> {
    stepper: S,
    manners: Vec<Manner>,
    /// Up to how many bytes a state gets a row.
    rows_bytes_max: usize,
    /// A row for each of the first states.
    rows: Vec<u32>,
    /// Steps of other states: state and action, and what comes of it.
    recent: Vec<(u64, u32)>,
    recent_mask: usize,
}

impl<S: Stepper> Automaton<S> {
    /// For that many operations, whose actions have these manners.
    pub(crate) fn new(stepper: S, manners: Vec<Manner>, count: usize) -> Self {
        let recent_mask = (count * 4).next_power_of_two().clamp(64, RECENT_MAX) - 1;
        let rows_bytes_max = ROWS_BYTES_MAX;
        Self { stepper, manners, rows_bytes_max, rows: Vec::new(), recent: Vec::new(), recent_mask }
    }

    /// For actions that come later, by [`add`](Self::add).
    pub(crate) fn open(stepper: S) -> Self {
        Self { rows_bytes_max: 0, ..Self::new(stepper, Vec::new(), 256) }
    }

    /// A new action has the next number.
    pub(crate) fn add(&mut self, manner: Manner) {
        self.manners.push(manner);
    }

    /// States and actions have other numbers now, and these manners.
    pub(crate) fn renumbered(&mut self, manners: Vec<Manner>) {
        self.manners = manners;
        self.recent.clear();
    }

    pub(crate) const fn stepper(&self) -> &S {
        &self.stepper
    }

    pub(crate) const fn stepper_mut(&mut self) -> &mut S {
        &mut self.stepper
    }

    pub(crate) fn nature(&self, action: u32) -> Nature {
        self.manners[action as usize].nature
    }

    /// Whether the state after an action is always the same one.
    pub(crate) fn settles(&self, action: u32) -> bool {
        self.manners[action as usize].settles
    }

    /// The state after an action, or [`ILLEGAL`].
    pub(crate) fn step(&mut self, state: u32, action: u32) -> u32 {
        let width = self.manners.len();
        let place = state as usize * width + action as usize;
        if let Some(known) = self.rows.get(place).copied() {
            if known != UNKNOWN {
                return known;
            }
            let after = self.stepper.compute(state, action);
            self.rows[place] = after;
            return after;
        }
        let rows = (state as usize + 1) * width;
        if rows * size_of::<u32>() <= self.rows_bytes_max {
            self.rows.resize(rows, UNKNOWN);
            let after = self.stepper.compute(state, action);
            self.rows[place] = after;
            return after;
        }
        self.step_without_row(state, action)
    }

    fn step_without_row(&mut self, state: u32, action: u32) -> u32 {
        if self.recent.is_empty() {
            self.recent = vec![(u64::MAX, ILLEGAL); self.recent_mask + 1];
        }
        let question = u64::from(state) << 32 | u64::from(action);
        let mixed = question.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let place = usize::try_from(mixed).expect("24 bits") & self.recent_mask;
        let (asked, known) = self.recent[place];
        if asked == question {
            return known;
        }
        let after = self.stepper.compute(state, action);
        self.recent[place] = (question, after);
        after
    }

    /// Whether an action is legal in a state and does not change it.
    pub(crate) fn is_loop(&mut self, state: u32, action: u32) -> bool {
        self.step(state, action) == state
    }

    /// How many states can be reached at all; nothing if more than `most`.
    pub(crate) fn all_states(&mut self, most: u32) -> Option<u32> {
        let actions = u32::try_from(self.manners.len()).expect("fewer than operations");
        let (mut known, mut state) = (1, 0);
        while state < known {
            for action in 0..actions {
                let after = self.step(state, action);
                if after != ILLEGAL {
                    // States are numbered in the order in which they are met.
                    known = known.max(after + 1);
                }
                if known > most {
                    return None;
                }
            }
            state += 1;
        }
        Some(known)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<u32>()
            + self.recent.capacity() * size_of::<(u64, u32)>()
            + self.stepper.bytes()
    }
}
