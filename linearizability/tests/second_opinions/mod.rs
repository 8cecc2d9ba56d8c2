//! The same question to the checker as a whole, to its search alone, and to the search without one
//! of its rules: each is an oracle for the others.

use lincheck::{Budget, Model, Nature, Operation, Rules, Verdict, check, check_by_search};

/// The search with all rules but one, and with none.
pub(crate) fn rule_sets() -> Vec<Rules> {
    const ALL: Rules = Rules::ALL;
    vec![
        ALL,
        Rules { eager_writes: false, ..ALL },
        Rules { hiding: false, ..ALL },
        Rules { dominance: false, ..ALL },
        Rules { earliest_first: false, ..ALL },
        Rules { idle_steps: false, ..ALL },
        Rules { weakest_first: false, ..ALL },
        Rules { no_loops: false, ..ALL },
        Rules { narrow: false, ..ALL },
        Rules { quotient: false, ..ALL },
        Rules::NONE,
    ]
}

/// The same object, but the model promises less about some actions; it must make no difference.
pub(crate) struct Cautious<'a, M> {
    model: &'a M,
    /// What it says less of: actions of this nature.
    about: Nature,
}

impl<M: Model> Model for Cautious<'_, M> {
    type Action = M::Action;
    type State = M::State;
    type Key = M::Key;

    fn key(&self, action: &M::Action) -> M::Key {
        self.model.key(action)
    }

    fn initial(&self) -> M::State {
        self.model.initial()
    }

    fn step(&self, state: &M::State, action: &M::Action) -> Option<M::State> {
        self.model.step(state, action)
    }

    fn nature(&self, action: &M::Action) -> Nature {
        let nature = self.model.nature(action);
        if nature == self.about { Nature::Partial } else { nature }
    }
}

/// Verdicts by models that promise less: whether each is legal.
pub(crate) fn cautious_verdicts<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
) -> Vec<bool> {
    let natures = [Nature::Pure, Nature::Constant, Nature::Total];
    let verdict = |about| {
        let cautious = Cautious { model, about };
        let verdict = check_by_search(history, &cautious, &Budget::unlimited());
        matches!(verdict, Verdict::Legal(_))
    };
    natures.into_iter().map(verdict).collect()
}

/// All verdicts on a history.
pub(crate) fn verdicts<M: Model>(history: &[Operation<M::Action>], model: &M) -> Vec<Verdict<M>> {
    let budget = Budget::unlimited();
    let mut verdicts = vec![check(history, model, &budget)];
    let searched = |rules| check_by_search(history, model, &budget.with_rules(rules));
    verdicts.extend(rule_sets().into_iter().map(searched));
    verdicts
}
