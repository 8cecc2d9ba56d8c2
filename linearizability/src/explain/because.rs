//! What comes first in every order that explains a few operations, although real time does not say
//! so: found by trying all orders.

use crate::history::Operation;
use crate::model::Model;

/// Places looked at; with more the question stays open.
const PLACES_MAX: u32 = 50_000;

/// The search through the orders of `part` without one operation.
struct Orders<'a, M: Model> {
    part: Vec<&'a Operation<M::Action>>,
    model: &'a M,
    first: usize,
    second: usize,
    places: u32,
}

/// Whether `first` takes effect before `second` in every legal order of `part` without `reader`;
/// false if there are too many orders to tell, or none.
pub(super) fn always_before<M: Model>(
    part: &[Operation<M::Action>],
    first: &Operation<M::Action>,
    second: &Operation<M::Action>,
    reader: &Operation<M::Action>,
    model: &M,
) -> bool {
    let part: Vec<_> = part.iter().filter(|it| !std::ptr::eq(*it, reader)).collect();
    let place = |wanted| part.iter().position(|it| std::ptr::eq(*it, wanted));
    let (Some(first), Some(second)) = (place(first), place(second)) else { return false };
    let mut orders = Orders { part, model, first, second, places: 0 };
    let mut taken = vec![false; orders.part.len()];
    let otherwise = orders.some_order_without_first(&mut taken, &model.initial());
    !otherwise && orders.places <= PLACES_MAX
}

impl<M: Model> Orders<'_, M> {
    /// Whether a legal order goes on from here in which `second` comes and `first` has not.
    fn some_order_without_first(&mut self, taken: &mut [bool], state: &M::State) -> bool {
        self.places += 1;
        if self.places > PLACES_MAX {
            return true;
        }
        let missing = |at: usize| self.part[at].is_known() && !taken[at];
        if taken[self.second] && !(0..taken.len()).any(missing) {
            return true;
        }
        for at in 0..taken.len() {
            let too_early = (0..taken.len())
                .any(|other| !taken[other] && self.part[other].precedes(self.part[at]));
            if taken[at] || too_early || (at == self.first && !taken[self.second]) {
                continue;
            }
            if let Some(after) = self.model.step(state, &self.part[at].action) {
                taken[at] = true;
                let found = self.some_order_without_first(taken, &after);
                taken[at] = false;
                if found {
                    return true;
                }
            }
        }
        false
    }
}
