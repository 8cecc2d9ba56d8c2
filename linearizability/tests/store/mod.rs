//! Porcupine's key-value histories without partitioning: all keys in one state, which the search
//! knows nothing of but what is legal and what changes nothing. A state is a small number for each
//! key, that of its text; hopeless texts (see [`Observed`]) are one. Shared by a test and a bench.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lincheck::models::key_value::Observed;
use lincheck::{KeyValue, KeyValueAction, KeyValueCall, Model, Nature, Operation, Token};

/// More keys are in no history that this is for.
const KEYS_MAX: usize = 16;

/// The step has not been asked for yet; it is illegal.
const UNKNOWN: u16 = u16::MAX;
const ILLEGAL: u16 = u16::MAX - 1;

/// All keys as one object.
pub(crate) struct Store {
    tables: Vec<Mutex<Table>>,
}

/// An action by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Numbered {
    key: u16,
    /// Among those on its key.
    action: u16,
}

/// One key.
struct Table {
    actions: Vec<KeyValueAction>,
    observed: Observed,
    texts: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u16>,
    /// For each text a row of what comes of each action.
    rows: Vec<Vec<u16>>,
}

impl Table {
    fn number(&mut self, text: Arc<str>) -> u16 {
        let text = self.observed.image(text);
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = u16::try_from(self.texts.len()).expect("few texts");
        self.numbers.insert(text.clone(), number);
        self.texts.push(text);
        self.rows.push(vec![UNKNOWN; self.actions.len()]);
        number
    }

    fn step(&mut self, text: u16, action: u16) -> u16 {
        let (row, column) = (usize::from(text), usize::from(action));
        if self.rows[row][column] == UNKNOWN {
            let after = KeyValue.step(&self.texts[row], &self.actions[column]);
            let after = after.map_or(ILLEGAL, |after| self.number(after));
            self.rows[row][column] = after;
        }
        self.rows[row][column]
    }
}

/// The object of a history, and the history by numbers.
pub(crate) fn store(history: &[Operation<KeyValueAction>]) -> (Store, Vec<Operation<Numbered>>) {
    let mut keys: BTreeMap<Token, u16> = BTreeMap::new();
    let mut actions: Vec<Vec<KeyValueAction>> = Vec::new();
    let number = |operation: &Operation<KeyValueAction>| {
        let next = u16::try_from(keys.len()).expect("few keys");
        let key = *keys.entry(operation.action.key).or_insert(next);
        if key == next {
            actions.push(Vec::new());
        }
        let of_key = &mut actions[usize::from(key)];
        let next = u16::try_from(of_key.len()).expect("few actions");
        of_key.push(operation.action.clone());
        Operation {
            action: Numbered { key, action: next },
            process: operation.process,
            invoked: operation.invoked,
            returned: operation.returned,
            index: operation.index,
        }
    };
    let numbered = history.iter().map(number).collect();
    let table = |actions: Vec<KeyValueAction>| {
        let observed = Observed::of(actions.iter().map(|action| &action.call));
        let (texts, rows) = (Vec::new(), Vec::new());
        let mut table = Table { actions, observed, texts, numbers: BTreeMap::new(), rows };
        assert_eq!(table.number(KeyValue.initial()), 0);
        Mutex::new(table)
    };
    assert!(actions.len() <= KEYS_MAX);
    (Store { tables: actions.into_iter().map(table).collect() }, numbered)
}

impl Store {
    fn table(&self, action: Numbered) -> std::sync::MutexGuard<'_, Table> {
        self.tables[usize::from(action.key)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for Store {
    type Action = Numbered;
    type State = [u16; KEYS_MAX];
    type Key = ();

    fn key(&self, _: &Numbered) {}

    fn initial(&self) -> Self::State {
        [0; KEYS_MAX]
    }

    fn step(&self, texts: &Self::State, action: &Numbered) -> Option<Self::State> {
        let mut after = *texts;
        let text = &mut after[usize::from(action.key)];
        *text = self.table(*action).step(*text, action.action);
        (*text != ILLEGAL).then_some(after)
    }

    fn nature(&self, action: &Numbered) -> Nature {
        match self.table(*action).actions[usize::from(action.action)].call {
            KeyValueCall::Get { .. } => Nature::Pure,
            KeyValueCall::Put { .. } | KeyValueCall::Append { .. } | KeyValueCall::Delete => {
                Nature::Total
            }
            KeyValueCall::Cas { .. } => Nature::Partial,
        }
    }
}
