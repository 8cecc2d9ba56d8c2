//! The same question to the checker as a whole, to its search alone, and to the search without one
//! of its rules: each is an oracle for the others.

use lincheck::{Budget, Model, Operation, Rules, Verdict, check, check_by_search};

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
        Rules::NONE,
    ]
}

/// All verdicts on a history.
pub(crate) fn verdicts<M: Model>(history: &[Operation<M::Action>], model: &M) -> Vec<Verdict<M>> {
    let budget = Budget::unlimited();
    let mut verdicts = vec![check(history, model, &budget)];
    let searched = |rules| check_by_search(history, model, &budget.with_rules(rules));
    verdicts.extend(rule_sets().into_iter().map(searched));
    verdicts
}
