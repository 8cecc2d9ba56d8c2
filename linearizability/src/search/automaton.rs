//! States and actions as small numbers, and a memory of the steps between them.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::model::{Model, Nature};
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

/// States and actions of a model by number. The initial state is 0.
pub(crate) struct Interned<'a, M: Model> {
    model: &'a M,
    /// One action of each number.
    actions: Vec<&'a M::Action>,
    states: Vec<M::State>,
    numbers: HashMap<M::State, u32, BuildHasherDefault<Mixer>>,
}

impl<'a, M: Model> Interned<'a, M> {
    pub(crate) fn new(model: &'a M, actions: Vec<&'a M::Action>) -> Self {
        let mut interned = Self { model, actions, states: Vec::new(), numbers: HashMap::default() };
        interned.number(model.initial());
        interned
    }

    fn number(&mut self, state: M::State) -> u32 {
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

    pub(crate) fn natures(&self) -> Vec<Nature> {
        self.actions.iter().map(|action| self.model.nature(action)).collect()
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

/// Steps by number, remembered.
pub(crate) struct Automaton<'a> {
    stepper: &'a mut dyn Stepper,
    natures: Vec<Nature>,
    /// A row for each of the first states.
    rows: Vec<u32>,
    /// Steps of other states: state and action, and what comes of it.
    recent: Vec<(u64, u32)>,
    recent_mask: usize,
}

impl<'a> Automaton<'a> {
    /// For that many operations, whose actions have these natures.
    pub(crate) fn new(stepper: &'a mut dyn Stepper, natures: Vec<Nature>, count: usize) -> Self {
        let recent_mask = (count * 4).next_power_of_two().clamp(64, RECENT_MAX) - 1;
        Self { stepper, natures, rows: Vec::new(), recent: Vec::new(), recent_mask }
    }

    pub(crate) fn nature(&self, action: u32) -> Nature {
        self.natures[action as usize]
    }

    /// The state after an action, or [`ILLEGAL`].
    pub(crate) fn step(&mut self, state: u32, action: u32) -> u32 {
        let width = self.natures.len();
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
        if rows * size_of::<u32>() <= ROWS_BYTES_MAX {
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
        let actions = u32::try_from(self.natures.len()).expect("fewer than operations");
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
