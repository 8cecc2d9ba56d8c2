//! What the clients of each workload ask: seeded streams of operations.
//!
//! Every value is written at most once, so that a read says which write it saw and the history can
//! be judged fast.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kind::Kind;
use crate::generator::{Keys, Operation, Random};
use crate::history::{Condition, Function};
use crate::recorder::Completion;

/// A seeded stream of operations, which learns from what came back.
pub trait Script: Send {
    /// The next operation.
    fn next(&mut self) -> Operation;

    /// The next operation of a client that only reads.
    fn read(&mut self) -> Operation;

    /// Tells what came back.
    fn observe(&mut self, operation: &Operation, completion: &Completion);

    /// What to read once more when everything is healed.
    fn last(&self) -> Vec<Operation>;

    /// Answers that no order of operations explains, found without a checker.
    fn complaints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How large a script's world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many objects are in use at a time.
    pub keys: usize,
    /// After how many operations one is replaced by a fresh one.
    pub operations_per_key: u64,
}

/// The script of a workload.
#[must_use]
pub fn script(kind: Kind, random: Random, size: Size) -> Box<dyn Script> {
    let most = |most: u64| Size { operations_per_key: size.operations_per_key.min(most), ..size };
    match kind {
        Kind::Item | Kind::Index | Kind::Sessions | Kind::Register => {
            Box::new(Cells::new(kind, random, size))
        }
        Kind::HotKey => Box::new(Cells::new(kind, random, Size { keys: 1, ..size })),
        // A deleted table leaves nothing behind by which the checker could tell it from another.
        Kind::Tables => Box::new(Cells::new(kind, random, most(60))),
        // No value says which of the unknown additions happened: fewer of them on one key.
        Kind::Counter => Box::new(Sums::new(kind, random, most(150))),
        Kind::Set => Box::new(Sums::new(kind, random, most(100))),
        Kind::Bank => Box::new(Bank::new(random)),
    }
}

/// Objects with one value each: items, registers, tables.
struct Cells {
    kind: Kind,
    random: Random,
    keys: Keys,
    last_value: i64,
    /// What was last seen under a key: makes conditions hold about as often as not.
    seen: BTreeMap<String, i64>,
}

impl Cells {
    fn new(kind: Kind, mut random: Random, size: Size) -> Self {
        let keys = Keys::new(Random::new(random.draw()), size.keys, size.operations_per_key);
        Self { kind, random, keys, last_value: 0, seen: BTreeMap::new() }
    }

    fn read_of(&mut self, key: &str) -> Operation {
        let f = if self.kind == Kind::Register { Function::Read } else { Function::Get };
        let operation = Operation::on(f, key);
        // A read through the index is a read of the item, and must see the same.
        if self.kind == Kind::Index && self.random.below(2) == 0 {
            return operation.with("through", "index");
        }
        operation
    }

    fn write_to(&mut self, f: Function, key: &str) -> Operation {
        let value = self.fresh_value();
        Operation::on(f, key).with("value", value)
    }

    fn conditional(&mut self, key: &str) -> Operation {
        let condition = match self.random.below(4) {
            0 => Condition::Absent,
            1 => Condition::Exists,
            // A value nobody wrote where none was seen yet: such a condition always fails.
            _ => Condition::Equals(self.seen.get(key).copied().unwrap_or(0)),
        };
        self.write_to(Function::PutIf, key).with("if", condition)
    }

    fn fresh_value(&mut self) -> i64 {
        self.last_value += 1;
        self.last_value
    }
}

impl Script for Cells {
    fn next(&mut self) -> Operation {
        let key = self.keys.pick();
        let share = self.random.below(100);
        match self.kind {
            Kind::Register => match share {
                0..45 => self.read_of(&key),
                45..75 => self.write_to(Function::Write, &key),
                _ => {
                    let from = self.seen.get(&key).copied().unwrap_or(0);
                    let to = self.fresh_value();
                    Operation::on(Function::Cas, &key).with("value", json!([from, to]))
                }
            },
            Kind::Sessions => match share {
                0..60 => self.read_of(&key),
                _ => self.write_to(Function::Put, &key),
            },
            Kind::Tables => match share {
                0..45 => self.read_of(&key),
                45..75 => self.write_to(Function::PutIf, &key).with("if", Condition::Absent),
                _ => Operation::on(Function::Delete, &key),
            },
            Kind::Item | Kind::HotKey | Kind::Index | Kind::Counter | Kind::Set | Kind::Bank => {
                match share {
                    0..45 => self.read_of(&key),
                    45..75 => self.write_to(Function::Put, &key),
                    75..95 => self.conditional(&key),
                    _ => Operation::on(Function::Delete, &key),
                }
            }
        }
    }

    fn read(&mut self) -> Operation {
        let key = self.keys.pick();
        self.read_of(&key)
    }

    fn observe(&mut self, operation: &Operation, completion: &Completion) {
        let Completion::Done(fields) = completion else { return };
        let number = |name: &str| fields.get(name).and_then(Value::as_i64);
        let written = if operation.f == Function::Cas {
            operation.fields["value"][1].as_i64()
        } else {
            operation.value()
        };
        let refused = fields.get("failed").is_some();
        let value = if refused { number("old") } else { number("value").or(written) };
        match value {
            Some(value) => self.seen.insert(operation.key().to_owned(), value),
            None => self.seen.remove(operation.key()),
        };
    }

    fn last(&self) -> Vec<Operation> {
        let f = if self.kind == Kind::Register { Function::Read } else { Function::Get };
        self.keys.all().iter().map(|key| Operation::on(f, key)).collect()
    }
}

/// Counters, or sets of numbers.
struct Sums {
    kind: Kind,
    random: Random,
    keys: Keys,
    last_value: i64,
}

impl Sums {
    fn new(kind: Kind, mut random: Random, size: Size) -> Self {
        let keys = Keys::new(Random::new(random.draw()), size.keys, size.operations_per_key);
        Self { kind, random, keys, last_value: 0 }
    }
}

impl Script for Sums {
    fn next(&mut self) -> Operation {
        let key = self.keys.pick();
        let share = self.random.below(100);
        match (self.kind, share) {
            (_, 0..40) => Operation::on(Function::Read, &key),
            // Powers of two would tell every addition apart; a counter is asked for more.
            (Kind::Counter, _) => {
                let amount = 1 + self.random.index(9);
                Operation::on(Function::Add, &key).with("value", amount)
            }
            (_, 40..85) => {
                self.last_value += 1;
                Operation::on(Function::Add, &key).with("value", self.last_value)
            }
            _ => {
                let recent = self.random.below(40);
                let value = self.last_value.saturating_sub_unsigned(recent).max(1);
                Operation::on(Function::Remove, &key).with("value", value)
            }
        }
    }

    fn read(&mut self) -> Operation {
        Operation::on(Function::Read, &self.keys.pick())
    }

    fn observe(&mut self, _: &Operation, _: &Completion) {}

    fn last(&self) -> Vec<Operation> {
        self.keys.all().iter().map(|key| Operation::on(Function::Read, key)).collect()
    }
}

/// How many accounts a bank has, and what is in each at first.
pub(super) const ACCOUNTS: usize = 8;
/// What is in each account at first.
pub(super) const BALANCE: i64 = 100;

/// The name of an account.
pub(super) fn account(number: usize) -> String {
    format!("a{number}")
}

/// Accounts between which money moves, in transactions.
struct Bank {
    random: Random,
    last_value: i64,
    complaints: Vec<String>,
}

impl Bank {
    fn new(random: Random) -> Self {
        Self { random, last_value: 0, complaints: Vec::new() }
    }

    fn read_all() -> Operation {
        let reads: Vec<Value> = (0..ACCOUNTS).map(|at| json!(["r", account(at), null])).collect();
        let fields = [("value".to_owned(), Value::from(reads))].into_iter().collect();
        Operation { f: Function::Txn, key: None, fields }
    }
}

impl Script for Bank {
    fn next(&mut self) -> Operation {
        if self.random.below(100) < 40 {
            return Self::read_all();
        }
        let from = self.random.index(ACCOUNTS);
        let to = (from + 1 + self.random.index(ACCOUNTS - 1)) % ACCOUNTS;
        let (from, to) = (account(from), account(to));
        let first = self.last_value + 1;
        self.last_value += 2;
        let value =
            json!([["r", from, null], ["r", to, null], ["w", from, first], ["w", to, first + 1],]);
        let amount = 1 + self.random.index(10);
        let fields = [("value".to_owned(), value), ("amount".to_owned(), amount.into())];
        Operation { f: Function::Txn, key: None, fields: fields.into_iter().collect() }
    }

    fn read(&mut self) -> Operation {
        Self::read_all()
    }

    fn observe(&mut self, _: &Operation, completion: &Completion) {
        let Completion::Done(fields) = completion else { return };
        let Some(total) = fields.get("total").and_then(Value::as_i64) else { return };
        let right = BALANCE * i64::try_from(ACCOUNTS).expect("a small number");
        if total != right && self.complaints.is_empty() {
            self.complaints.push(format!("all accounts together held {total}, not {right}"));
        }
    }

    fn last(&self) -> Vec<Operation> {
        vec![Self::read_all()]
    }

    fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { keys: 4, operations_per_key: 50 };

    fn operations(kind: Kind, seed: u64, count: usize) -> Vec<Operation> {
        let mut script = script(kind, Random::new(seed), SIZE);
        (0..count).map(|_| script.next()).collect()
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        for kind in Kind::ALL {
            assert_eq!(operations(kind, 7, 500), operations(kind, 7, 500));
            assert_ne!(operations(kind, 7, 500), operations(kind, 8, 500), "{kind}");
        }
    }

    #[test]
    fn no_value_is_written_twice() {
        for kind in [Kind::Item, Kind::Sessions, Kind::Index, Kind::Tables, Kind::HotKey] {
            let operations = operations(kind, 1, 2_000);
            let mut values: Vec<i64> = operations.iter().filter_map(Operation::value).collect();
            let count = values.len();
            values.sort_unstable();
            values.dedup();
            assert_eq!(values.len(), count, "{kind}");
            assert!(count > 500, "{kind} writes {count} times in 2,000");
        }
    }

    #[test]
    fn every_kind_of_operation_and_condition_occurs() {
        let operations = operations(Kind::Item, 3, 1_000);
        for f in [Function::Get, Function::Put, Function::PutIf, Function::Delete] {
            assert!(operations.iter().any(|one| one.f == f), "{f:?}");
        }
        let mut script = script(Kind::Item, Random::new(3), Size { keys: 1, ..SIZE });
        script.observe(&Operation::on(Function::Get, "k1"), &Completion::read(17));
        let conditions: Vec<Value> =
            (0..200).filter_map(|_| script.next().fields.get("if").cloned()).collect();
        for condition in [Condition::Absent, Condition::Exists, Condition::Equals(17)] {
            assert!(conditions.contains(&Value::from(condition)), "{condition:?}");
        }
    }

    #[test]
    fn money_that_is_lost_is_noticed() {
        let mut bank = Bank::new(Random::new(1));
        let total = |total: i64| {
            Completion::Done([("total".to_owned(), total.into())].into_iter().collect())
        };
        bank.observe(&Bank::read_all(), &total(800));
        assert_eq!(bank.complaints(), Vec::<String>::new());
        bank.observe(&Bank::read_all(), &total(799));
        assert_eq!(bank.complaints(), ["all accounts together held 799, not 800"]);
    }
}
