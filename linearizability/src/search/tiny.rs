//! A shortcut for histories of a few operations, as a model checker has by the million: a plain
//! depth-first search for a legal order, without allocation (Wing and Gong 1993, section 4). It
//! only ever says *legal*; whatever it does not find so goes to the real search.

use crate::history::Operation;
use crate::model::{Model, Nature};

/// Longer histories are not tried.
pub(crate) const OPERATIONS_MAX: usize = 12;

/// Enough for any small history that is not contrived.
const STEPS_MAX: u32 = 512;

/// Operations on one key that have not been placed.
struct Tiny<'a, M: Model> {
    history: &'a [Operation<M::Action>],
    model: &'a M,
    /// Positions in the order found so far.
    order: [u8; OPERATIONS_MAX],
    placed: usize,
    steps: u32,
}

/// A legal order of the history, all keys together, if one is found quickly.
pub(crate) fn legal_order<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
) -> Option<Vec<usize>> {
    debug_assert!(history.len() <= OPERATIONS_MAX);
    let mut tiny = Tiny { history, model, order: [0; OPERATIONS_MAX], placed: 0, steps: 0 };
    let mut left: u16 = (1 << history.len()) - 1;
    let mut order: Vec<(u64, usize)> = Vec::with_capacity(history.len());
    let mut keys = 0;
    while left != 0 {
        let key = model.key(&history[left.trailing_zeros() as usize].action);
        let of_key = members(left)
            .filter(|at| model.key(&history[*at].action) == key)
            .fold(0, |set, at| set | 1 << at);
        left &= !of_key;
        tiny.placed = 0;
        if !tiny.place(of_key, &model.initial()) {
            return None;
        }
        // The moment of an operation: not before any that stands before it was invoked.
        let mut point = 0;
        for at in tiny.order[..tiny.placed].iter().map(|at| usize::from(*at)) {
            point = history[at].invoked.max(point);
            order.push((point, at));
        }
        keys += 1;
    }
    if keys > 1 {
        order.sort_by_key(|(point, _)| *point);
    }
    Some(order.into_iter().map(|(_, at)| at).collect())
}

impl<M: Model> Tiny<'_, M> {
    /// Places all of `left` that surely happened, from `state` on.
    fn place(&mut self, left: u16, state: &M::State) -> bool {
        let mut deadline = None;
        for at in members(left) {
            if let Some(returned) = self.history[at].returned {
                deadline = Some(deadline.map_or(returned, |earliest: u64| earliest.min(returned)));
            }
        }
        let Some(deadline) = deadline else { return true };
        for at in members(left) {
            let operation = &self.history[at];
            if operation.invoked > deadline {
                continue;
            }
            let pure = self.model.nature(&operation.action) == Nature::Pure;
            if pure && !operation.is_known() {
                continue;
            }
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return false;
            }
            let Some(after) = self.model.step(state, &operation.action) else { continue };
            self.order[self.placed] = u8::try_from(at).expect("at most twelve");
            self.placed += 1;
            if self.place(left & !(1 << at), &after) {
                return true;
            }
            self.placed -= 1;
            if pure {
                // It is legal here and changes nothing: no order needs it later.
                return false;
            }
        }
        false
    }
}

/// The members of a set.
fn members(set: u16) -> impl Iterator<Item = usize> {
    let mut left = set;
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let lowest = left.trailing_zeros() as usize;
            left &= left - 1;
            lowest
        })
    })
}
