//! The history of a world's clients, kept in the state, and whether it is legal.
//!
//! All clients use one register. Each operation has a client of its own, so that operations
//! overlap in every possible way.

use lincheck::checker::{Budget, Verdict, check};
use lincheck::history::Operation;
use lincheck::model::{Model, Nature};
use ringleader_core::ids::RequestId;

/// What a register holds: nothing at first.
pub type Value = u8;

/// One moment of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A client asked to write.
    WriteInvoked(RequestId, Value),
    /// The write was answered.
    WriteReturned(RequestId),
    /// A client asked to read.
    ReadInvoked(RequestId),
    /// The read was answered with this value.
    ReadReturned(RequestId, Option<Value>),
}

/// The moments of a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History(Vec<Moment>);

impl History {
    /// Adds the next moment.
    pub fn push(&mut self, moment: Moment) {
        self.0.push(moment);
    }

    /// Whether what the clients saw is what one register could have shown them.
    ///
    /// Operations without an answer may have taken effect or not. Tiny histories only: there is no
    /// budget.
    #[must_use]
    pub fn is_linearizable(&self) -> bool {
        let operations = self.operations();
        matches!(check(&operations, &Register, &Budget::unlimited()), Verdict::Legal(_))
    }

    /// Whether some read returned something written.
    #[must_use]
    pub fn read_something(&self) -> bool {
        self.0.iter().any(|moment| matches!(moment, Moment::ReadReturned(_, Some(_))))
    }

    fn operations(&self) -> Vec<Operation<Access>> {
        let invoked = (0..).zip(&self.0).filter_map(|(time, moment)| match *moment {
            Moment::WriteInvoked(id, value) => {
                let returned = self.time_of(|it| *it == Moment::WriteReturned(id));
                Some(Operation::new(id.0, Access::Write(value), time, returned))
            }
            Moment::ReadInvoked(id) => {
                let (returned, value) = self.read_answer(id)?;
                Some(Operation::new(id.0, Access::Read(value), time, Some(returned)))
            }
            Moment::WriteReturned(_) | Moment::ReadReturned(..) => None,
        });
        let mut operations: Vec<_> = invoked.collect();
        for (index, operation) in operations.iter_mut().enumerate() {
            operation.index = index;
        }
        operations
    }

    fn time_of(&self, is_it: impl Fn(&Moment) -> bool) -> Option<u64> {
        (0..).zip(&self.0).find(|(_, moment)| is_it(moment)).map(|(time, _)| time)
    }

    fn read_answer(&self, of: RequestId) -> Option<(u64, Option<Value>)> {
        (0..).zip(&self.0).find_map(|(time, moment)| match *moment {
            Moment::ReadReturned(id, value) => (id == of).then_some((time, value)),
            Moment::WriteInvoked(..) | Moment::WriteReturned(_) | Moment::ReadInvoked(_) => None,
        })
    }
}

/// One register, as the history checker sees it.
struct Register;

/// An operation on the register and what it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Access {
    Write(Value),
    Read(Option<Value>),
}

impl Model for Register {
    type Action = Access;
    type State = Option<Value>;
    type Key = ();

    fn key(&self, _: &Access) {}

    fn initial(&self) -> Option<Value> {
        None
    }

    fn step(&self, state: &Option<Value>, action: &Access) -> Option<Option<Value>> {
        match *action {
            Access::Write(value) => Some(Some(value)),
            Access::Read(seen) => (seen == *state).then_some(*state),
        }
    }

    fn nature(&self, action: &Access) -> Nature {
        match action {
            Access::Write(_) => Nature::Constant,
            Access::Read(_) => Nature::Pure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Moment::{ReadInvoked, ReadReturned, WriteInvoked, WriteReturned};

    const W1: RequestId = RequestId(1);
    const R1: RequestId = RequestId(11);
    const R2: RequestId = RequestId(12);

    #[track_caller]
    fn check(moments: &[Moment], linearizable: bool) {
        assert_eq!(History(moments.to_vec()).is_linearizable(), linearizable, "{moments:?}");
    }

    #[test]
    fn a_read_after_an_answered_write_sees_it() {
        let write = [WriteInvoked(W1, 7), WriteReturned(W1), ReadInvoked(R1)];
        check(&[&write[..], &[ReadReturned(R1, Some(7))]].concat(), true);
        check(&[&write[..], &[ReadReturned(R1, None)]].concat(), false);
    }

    #[test]
    fn a_write_without_an_answer_may_or_may_not_have_happened() {
        for seen in [None, Some(7)] {
            check(&[WriteInvoked(W1, 7), ReadInvoked(R1), ReadReturned(R1, seen)], true);
        }
    }

    #[test]
    fn time_does_not_go_backward_for_two_readers() {
        let new_then_old = [
            WriteInvoked(W1, 7),
            ReadInvoked(R1),
            ReadReturned(R1, Some(7)),
            ReadInvoked(R2),
            ReadReturned(R2, None),
        ];
        check(&new_then_old, false);
    }
}
