//! What a legal verdict may hide: reads that more than one write can explain.
//!
//! Where values are not distinct, a stale read has to find only *some* write of its value that is
//! not over yet, and one of unknown outcome never is. A verdict *legal* then says little, however
//! right it is; who reads it must know.

use std::collections::HashMap;

use crate::history::Operation;
use crate::models::cell::CellAction;
use crate::models::key_value::{KeyValueAction, KeyValueCall};
use crate::token::Token;

/// How much of a history could hide stale reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambiguity {
    /// Reads, and other operations that tell a value, whose outcome is known.
    pub reads: usize,
    /// How many of them saw a value that several writes had begun to write by then.
    pub ambiguous: usize,
    /// How many of those could have seen one of unknown outcome.
    pub unknown: usize,
}

impl Ambiguity {
    /// A sentence for people; nothing if nothing is hidden.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (self.ambiguous > 0).then(|| {
            format!(
                "this history could hide {} stale reads: so many of {} saw a value that several \
                 writes wrote, {} of them one of unknown outcome; let the workload write distinct \
                 values",
                self.ambiguous, self.reads, self.unknown
            )
        })
    }

    /// Looks at the cells of a history.
    #[must_use]
    pub fn of_cells(history: &[Operation<CellAction>]) -> Self {
        Self::of(
            history,
            |action| Some((action.key, action.wrote()??)),
            |action| Some((action.key, action.saw()??)),
        )
    }

    /// Looks at the texts of a history: appends of one text to one key count, whoever reads them.
    #[must_use]
    pub fn of_texts(history: &[Operation<KeyValueAction>]) -> Self {
        let written = |action: &KeyValueAction| match &action.call {
            KeyValueCall::Put { value }
            | KeyValueCall::Append { value }
            | KeyValueCall::Cas { to: value, applied: true, .. } => Some(value.clone()),
            KeyValueCall::Get { .. } | KeyValueCall::Delete | KeyValueCall::Cas { .. } => None,
        };
        let mut times: HashMap<(Token, std::sync::Arc<str>), usize> = HashMap::new();
        for operation in history {
            if let Some(text) = written(&operation.action) {
                *times.entry((operation.action.key, text)).or_default() += 1;
            }
        }
        let repeated: Vec<&(Token, std::sync::Arc<str>)> =
            times.iter().filter(|(_, times)| **times > 1).map(|(text, _)| text).collect();
        let mut by_key: HashMap<Token, Vec<&str>> = HashMap::new();
        for (key, text) in repeated {
            by_key.entry(*key).or_default().push(text);
        }
        let mut ambiguity = Self::default();
        for operation in history.iter().filter(|operation| operation.is_known()) {
            let KeyValueCall::Get { seen } = &operation.action.call else { continue };
            ambiguity.reads += 1;
            let texts = by_key.get(&operation.action.key).map_or(&[][..], Vec::as_slice);
            ambiguity.ambiguous += usize::from(texts.iter().any(|text| seen.contains(text)));
        }
        ambiguity
    }

    fn of<A>(
        history: &[Operation<A>],
        wrote: impl Fn(&A) -> Option<(Token, Token)>,
        saw: impl Fn(&A) -> Option<(Token, Token)>,
    ) -> Self {
        // Of each value, when the second write of it began, and the first of unknown outcome.
        let mut writes: HashMap<(Token, Token), Vec<(u64, bool)>> = HashMap::new();
        for operation in history {
            if let Some(written) = wrote(&operation.action) {
                let begun = (operation.invoked, operation.is_known());
                writes.entry(written).or_default().push(begun);
            }
        }
        for writes in writes.values_mut() {
            writes.sort_unstable();
        }
        let mut ambiguity = Self::default();
        for operation in history {
            let (Some(seen), Some(returned)) = (saw(&operation.action), operation.returned) else {
                continue;
            };
            ambiguity.reads += 1;
            let Some(writes) = writes.get(&seen).filter(|writes| writes.len() > 1) else {
                continue;
            };
            if writes[1].0 <= returned {
                ambiguity.ambiguous += 1;
                let unknown = writes.iter().find(|(_, known)| !known);
                ambiguity.unknown += usize::from(unknown.is_some_and(|(at, _)| *at <= returned));
            }
        }
        ambiguity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_written_again_before_the_read_ended_count() {
        let key = Token::from(0);
        let put = |value: i64, invoked, returned| {
            Operation::new(0, CellAction::put(key, Token::from(value)), invoked, returned)
        };
        let get = |value: i64, invoked| {
            let seen = Some(Token::from(value));
            Operation::new(1, CellAction::get(key, seen), invoked, Some(invoked + 1))
        };
        let history = [
            put(1, 10, Some(11)),
            get(1, 20), // nobody else wrote 1 so far
            put(1, 30, None),
            get(1, 40),
            put(2, 50, Some(51)),
            get(2, 60),
        ];
        let found = Ambiguity::of_cells(&history);
        assert_eq!(found, Ambiguity { reads: 3, ambiguous: 1, unknown: 1 });
        let warning = found.warning().unwrap();
        assert!(warning.starts_with("this history could hide 1 stale reads"), "{warning}");
        assert_eq!(Ambiguity::of_cells(&history[4..]).warning(), None);
    }
}
