//! The linearizations that a page draws: the whole one of a legal history; of an illegal one how far
//! one can get in the whole history, and how far in the counterexample.

use std::collections::BTreeMap;

use crate::checker::{Budget, Verdict, check};
use crate::explain::Speech;
use crate::history::Operation;
use crate::judge::{Finding, Judgement};
use crate::model::{Model, Nature};

/// Operations in the order in which they can have taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What it is an order of.
    pub name: String,
    /// Positions of the operations, each with the state of its key afterwards.
    pub steps: Vec<(usize, String)>,
}

/// Model steps that finding how far one gets may take.
const STEPS_MAX: u64 = 1 << 22;

/// Places looked at among the orders of a counterexample.
const PLACES_MAX: usize = 20_000;

/// Orders of a counterexample that are shown.
const ORDERS_MAX: usize = 8;

/// All orders that belong to a judgement.
pub(super) fn of<M: Model>(
    judgement: &Judgement,
    history: &[Operation<M::Action>],
    model: &M,
    speech: &impl Speech<M>,
) -> Vec<Order> {
    let named = |name: String, order: &[usize]| Order {
        name,
        steps: states(order, history, model, speech),
    };
    match &judgement.finding {
        Finding::Undecided { .. } => Vec::new(),
        Finding::Legal(order) if order.is_empty() => Vec::new(),
        Finding::Legal(order) => vec![named("linearization".to_owned(), order)],
        Finding::Illegal { first_line, counterexample, .. } => {
            let mut orders = Vec::new();
            if let Some(order) = before(*first_line, history, model) {
                orders.push(named(format!("the history up to line {first_line}"), &order));
            }
            let part = counterexample.operations(history);
            for (number, order) in partial(&part, model).into_iter().enumerate() {
                let order: Vec<usize> =
                    order.into_iter().map(|at| counterexample.positions[at]).collect();
                let name = format!("{} of the marked operations, {}", order.len(), number + 1);
                orders.push(named(name, &order));
            }
            orders
        }
    }
}

/// The states along an order, as far as it is legal.
fn states<M: Model>(
    order: &[usize],
    history: &[Operation<M::Action>],
    model: &M,
    speech: &impl Speech<M>,
) -> Vec<(usize, String)> {
    let mut states: BTreeMap<M::Key, M::State> = BTreeMap::new();
    let mut steps = Vec::with_capacity(order.len());
    for at in order.iter().copied() {
        let action = &history[at].action;
        let key = model.key(action);
        let state = states.remove(&key).unwrap_or_else(|| model.initial());
        let Some(after) = model.step(&state, action) else { break };
        steps.push((at, speech.state(&after)));
        states.insert(key, after);
    }
    steps
}

/// An order of the failing operation's key up to just before its return, which nothing survives.
fn before<M: Model>(
    first_line: usize,
    history: &[Operation<M::Action>],
    model: &M,
) -> Option<Vec<usize>> {
    let failing = history.iter().find(|operation| operation.index == first_line)?;
    let (key, end) = (model.key(&failing.action), failing.returned?);
    let positions: Vec<usize> = (0..history.len())
        .filter(|at| model.key(&history[*at].action) == key && history[*at].invoked <= end)
        .collect();
    let cut = |at: &usize| {
        let mut operation = history[*at].clone();
        operation.returned = operation.returned.filter(|returned| *returned < end);
        operation
    };
    let part: Vec<_> = positions.iter().map(cut).collect();
    match check(&part, model, &Budget::steps(STEPS_MAX)) {
        Verdict::Legal(legal) => Some(legal.order.into_iter().map(|at| positions[at]).collect()),
        Verdict::Illegal(_) | Verdict::Undecided(_) => None,
    }
}

/// Orders of a few operations that cannot be continued, the longest first.
fn partial<M: Model>(part: &[Operation<M::Action>], model: &M) -> Vec<Vec<usize>> {
    struct Walk<'a, M: Model> {
        part: &'a [Operation<M::Action>],
        model: &'a M,
        found: Vec<Vec<usize>>,
        places: usize,
    }
    impl<M: Model> Walk<'_, M> {
        fn go(&mut self, order: &mut Vec<usize>, state: &M::State) {
            self.places += 1;
            if self.places > PLACES_MAX {
                return;
            }
            let mut stuck = true;
            for at in 0..self.part.len() {
                let operation = &self.part[at];
                let useless =
                    !operation.is_known() && self.model.nature(&operation.action) == Nature::Pure;
                let too_early = (0..self.part.len())
                    .any(|other| !order.contains(&other) && self.part[other].precedes(operation));
                if order.contains(&at) || useless || too_early {
                    continue;
                }
                if let Some(after) = self.model.step(state, &operation.action) {
                    stuck = false;
                    order.push(at);
                    self.go(order, &after);
                    order.pop();
                }
            }
            if stuck {
                self.found.push(order.clone());
            }
        }
    }
    let one_key =
        part.windows(2).all(|pair| model.key(&pair[0].action) == model.key(&pair[1].action));
    if part.len() > 64 || !one_key {
        return Vec::new();
    }
    let mut walk = Walk { part, model, found: Vec::new(), places: 0 };
    walk.go(&mut Vec::new(), &model.initial());
    let mut found = walk.found;
    found.sort_by_key(|order| std::cmp::Reverse(order.len()));
    found.truncate(ORDERS_MAX);
    found
}
