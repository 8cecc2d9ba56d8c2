//! What clients of a register saw, kept in the state, and which guarantees it still fits.
//!
//! Only real-time order matters: which operations had returned when another was asked. So the
//! history is kept as alternating blocks of questions and answers, and two orders within a block
//! are one state.

use crate::history::{History, Moment, Value};
use ringleader_core::ids::RequestId;

/// What a client may rely on, from the strongest to the weakest. The first implies the others, and
/// regular implies that a client reads its own writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// Some order of all operations that respects real time explains every answer (Herlihy & Wing
    /// 1990).
    Linearizable,
    /// For each read by itself there is such an order of the writes and that read: it sees the
    /// last answered write or one that it overlaps (Lamport 1986; Shao et al. 2011, the weak form
    /// for many writers).
    Regular,
    /// No client reads what was surely replaced before its own last answered write (Terry et al.
    /// 1994).
    ReadYourWrites,
    /// No client reads what was surely replaced before what it read earlier (Terry et al. 1994).
    MonotonicReads,
    /// When everything that was said has been heard, all owners hold the latest version.
    Eventual,
}

impl Guarantee {
    /// All of them, from the strongest.
    pub const ALL: [Self; 5] = [
        Self::Linearizable,
        Self::Regular,
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::Eventual,
    ];

    /// Its name, which is that of the property.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "LINEARIZABLE",
            Self::Regular => "REGULAR",
            Self::ReadYourWrites => "READ-YOUR-WRITES",
            Self::MonotonicReads => "MONOTONIC-READS",
            Self::Eventual => "EVENTUAL",
        }
    }

    /// Its name in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::Regular => "regular",
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic",
            Self::Eventual => "eventual",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What an operation does, and what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Access {
    Write(Value),
    Read(Option<Value>),
}

/// One operation of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Span {
    client: u8,
    /// Its number among the client's operations.
    index: u8,
    access: Access,
    /// The block of questions in which it was asked.
    invoked: u8,
    /// The block of answers in which it was answered.
    returned: Option<u8>,
    /// It will not be answered any more; the client may go on.
    ended: bool,
}

impl Span {
    /// Whether this had returned when the other was asked.
    fn precedes(self, other: Self) -> bool {
        self.returned.is_some_and(|returned| returned < other.invoked)
    }

    fn value(self) -> Option<Value> {
        match self.access {
            Access::Write(value) => Some(value),
            Access::Read(value) => value,
        }
    }

    fn is_write(self) -> bool {
        matches!(self.access, Access::Write(_))
    }

    fn is_answered_read(self) -> bool {
        !self.is_write() && self.returned.is_some()
    }

    fn request(self) -> RequestId {
        request_of(self.client, self.index)
    }
}

/// The request that is the `index`-th operation of a client.
#[must_use]
pub fn request_of(client: u8, index: u8) -> RequestId {
    RequestId(u64::from(client) << 8 | u64::from(index))
}

/// Client and index of a request.
#[must_use]
pub fn client_of(request: RequestId) -> (u8, u8) {
    let [.., client, index] = request.0.to_be_bytes();
    (client, index)
}

/// What a client's n-th write writes: no two write the same.
#[must_use]
pub fn value_of(request: RequestId) -> Value {
    let (client, index) = client_of(request);
    client * 16 + index + 1
}

/// What the clients of a register saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// By client and index.
    spans: Vec<Span>,
    /// The present block: even ones hold questions, odd ones answers.
    block: u8,
    /// The guarantees that are broken, for ever.
    broken: u8,
    /// A read returned what nobody had asked to write.
    invented: bool,
}

impl Seen {
    /// A client asks to write.
    pub fn write_invoked(&mut self, request: RequestId) {
        self.invoke(request, Access::Write(value_of(request)));
    }

    /// A client asks to read.
    pub fn read_invoked(&mut self, request: RequestId) {
        self.invoke(request, Access::Read(None));
    }

    fn invoke(&mut self, request: RequestId, access: Access) {
        self.block += self.block % 2;
        let (client, index) = client_of(request);
        for earlier in self.spans.iter_mut().filter(|it| it.client == client) {
            earlier.ended |= earlier.returned.is_none();
        }
        let invoked = self.block;
        self.spans.push(Span { client, index, access, invoked, returned: None, ended: false });
        self.spans.sort_unstable();
    }

    /// A write is answered.
    pub fn write_returned(&mut self, request: RequestId) {
        let block = self.answer_block();
        if let Some(span) = self.span(request) {
            span.returned = Some(block);
        }
    }

    /// A read is answered with this value. Judges the history anew: only an answer to a read can
    /// break anything.
    pub fn read_returned(&mut self, request: RequestId, value: Option<Value>) {
        let block = self.answer_block();
        if let Some(span) = self.span(request) {
            span.returned = Some(block);
            span.access = Access::Read(value);
        }
        let asked = |value| self.writes().any(|it| it.value() == Some(value));
        self.invented |= value.is_some_and(|value| !asked(value));
        for guarantee in Guarantee::ALL {
            if !self.is_broken(guarantee) && !self.fits(guarantee) {
                self.broken |= guarantee.bit();
            }
        }
    }

    /// A request will have no answer.
    pub fn ended(&mut self, request: RequestId) {
        if let Some(span) = self.span(request) {
            span.ended = true;
        }
    }

    fn answer_block(&mut self) -> u8 {
        self.block += 1 - self.block % 2;
        self.block
    }

    fn span(&mut self, request: RequestId) -> Option<&mut Span> {
        self.spans.iter_mut().find(|it| it.request() == request)
    }

    /// How many operations a client has asked for.
    #[must_use]
    pub fn next_index(&self, client: u8) -> u8 {
        let own = self.spans.iter().filter(|it| it.client == client);
        own.map(|it| it.index + 1).max().unwrap_or(0)
    }

    /// Whether a client waits for an answer.
    #[must_use]
    pub fn is_waiting(&self, client: u8) -> bool {
        let mut own = self.spans.iter().filter(|it| it.client == client);
        own.any(|it| it.returned.is_none() && !it.ended)
    }

    /// Whether no operation waits for an answer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.spans.iter().all(|it| it.returned.is_some() || it.ended)
    }

    /// How many operations came to an end, with an answer or without.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.spans.iter().filter(|it| it.returned.is_some() || it.ended).count()
    }

    /// How many operations were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.spans.iter().filter(|it| it.returned.is_some()).count()
    }

    /// Whether some read overlapped a write.
    #[must_use]
    pub fn has_overlap(&self) -> bool {
        let mut reads = self.spans.iter().copied().filter(|it| it.is_answered_read());
        reads.any(|read| self.writes().any(|it| !it.precedes(read) && !read.precedes(it)))
    }

    /// Whether some read returned something written.
    #[must_use]
    pub fn read_something(&self) -> bool {
        self.spans.iter().any(|it| it.is_answered_read() && it.value().is_some())
    }

    /// Whether a read returned what nobody had asked to write.
    #[must_use]
    pub fn invented(&self) -> bool {
        self.invented
    }

    /// Whether the history has ever contradicted a guarantee.
    #[must_use]
    pub fn is_broken(&self, guarantee: Guarantee) -> bool {
        self.broken & guarantee.bit() != 0
    }

    fn writes(&self) -> impl Iterator<Item = Span> {
        self.spans.iter().copied().filter(|it| it.is_write())
    }

    fn fits(&self, guarantee: Guarantee) -> bool {
        let reads = || self.spans.iter().copied().filter(|it| it.is_answered_read());
        match guarantee {
            Guarantee::Linearizable => is_linearizable(self.spans.iter().copied()),
            Guarantee::Regular => reads().all(|read| is_linearizable(self.writes().chain([read]))),
            Guarantee::ReadYourWrites => reads().all(|read| {
                let own = self.writes().filter(|it| it.client == read.client);
                own.filter(|it| it.precedes(read)).all(|it| !self.is_older(read, it))
            }),
            Guarantee::MonotonicReads => reads().all(|read| {
                let earlier = reads().filter(|it| it.client == read.client && it.precedes(read));
                earlier.into_iter().all(|it| !self.is_older(read, it))
            }),
            // Is about copies, not about answers.
            Guarantee::Eventual => true,
        }
    }

    /// Whether what `a` saw was surely written before what `b` saw or wrote.
    fn is_older(&self, a: Span, b: Span) -> bool {
        let write_of = |value| self.writes().find(|it| it.value() == Some(value));
        match (a.value(), b.value()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(a), Some(b)) => match (write_of(a), write_of(b)) {
                (Some(a), Some(b)) => a.precedes(b),
                (None, _) | (_, None) => false, // Invented: another property speaks of that.
            },
        }
    }
}

/// Whether one register could have shown this. `lincheck` decides.
fn is_linearizable(spans: impl Iterator<Item = Span>) -> bool {
    let mut moments = Vec::new();
    for span in spans {
        let id = span.request();
        let (asked, answered) = match span.access {
            Access::Write(value) => (Moment::WriteInvoked(id, value), Moment::WriteReturned(id)),
            Access::Read(value) => (Moment::ReadInvoked(id), Moment::ReadReturned(id, value)),
        };
        moments.push((span.invoked, id, asked));
        moments.extend(span.returned.map(|block| (block, id, answered)));
    }
    moments.sort_by_key(|(block, id, _)| (*block, *id));
    let mut history = History::default();
    for (_, _, moment) in moments {
        history.push(moment);
    }
    history.is_linearizable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Guarantee::{Linearizable, MonotonicReads, ReadYourWrites, Regular};

    /// Client and index of an operation, and what happens to it.
    enum Event {
        Write(u8, u8),
        Written(u8, u8),
        Read(u8, u8),
        /// Sees what the n-th operation of a client wrote.
        Saw(u8, u8, Option<(u8, u8)>),
    }
    use Event::{Read, Saw, Write, Written};

    #[track_caller]
    fn check(events: &[Event], broken: &[Guarantee]) {
        let mut seen = Seen::default();
        for event in events {
            match *event {
                Write(client, index) => seen.write_invoked(request_of(client, index)),
                Written(client, index) => seen.write_returned(request_of(client, index)),
                Read(client, index) => seen.read_invoked(request_of(client, index)),
                Saw(client, index, what) => {
                    let value = what.map(|(client, index)| value_of(request_of(client, index)));
                    seen.read_returned(request_of(client, index), value);
                }
            }
        }
        let found: Vec<_> = Guarantee::ALL.into_iter().filter(|it| seen.is_broken(*it)).collect();
        assert_eq!(found, broken);
    }

    #[test]
    fn an_overlapping_read_sees_either() {
        for what in [None, Some((0, 0))] {
            check(&[Write(0, 0), Read(1, 0), Saw(1, 0, what), Written(0, 0)], &[]);
        }
    }

    #[test]
    fn new_then_old_is_regular_and_no_more() {
        let two_readers =
            [Write(0, 0), Read(1, 0), Saw(1, 0, Some((0, 0))), Read(2, 0), Saw(2, 0, None)];
        check(&two_readers, &[Linearizable]);
        let one_reader =
            [Write(0, 0), Read(1, 0), Saw(1, 0, Some((0, 0))), Read(1, 1), Saw(1, 1, None)];
        check(&one_reader, &[Linearizable, MonotonicReads]);
    }

    #[test]
    fn a_read_after_a_write_that_misses_it_is_stale() {
        let by_another = [Write(0, 0), Written(0, 0), Read(1, 0), Saw(1, 0, None)];
        check(&by_another, &[Linearizable, Regular]);
        let by_the_writer = [Write(0, 0), Written(0, 0), Read(0, 1), Saw(0, 1, None)];
        check(&by_the_writer, &[Linearizable, Regular, ReadYourWrites]);
    }

    #[test]
    fn the_write_of_another_may_replace_ones_own() {
        let overlapped = [
            Write(1, 0),
            Write(0, 0),
            Written(0, 0),
            Read(0, 1),
            Saw(0, 1, Some((1, 0))),
            Written(1, 0),
        ];
        check(&overlapped, &[]);
        let replaced = [
            Write(1, 0),
            Written(1, 0),
            Write(0, 0),
            Written(0, 0),
            Read(0, 1),
            Saw(0, 1, Some((1, 0))),
        ];
        check(&replaced, &[Linearizable, Regular, ReadYourWrites]);
    }

    /// Two questions without an answer between them have no order; nor have two answers.
    #[test]
    fn what_real_time_does_not_order_is_one_history() {
        let mut one = Seen::default();
        one.write_invoked(request_of(0, 0));
        one.read_invoked(request_of(1, 0));
        let mut other = Seen::default();
        other.read_invoked(request_of(1, 0));
        other.write_invoked(request_of(0, 0));
        assert_eq!(one, other);
        one.write_returned(request_of(0, 0));
        one.read_returned(request_of(1, 0), None);
        other.read_returned(request_of(1, 0), None);
        other.write_returned(request_of(0, 0));
        assert_eq!(one, other);
    }

    #[test]
    fn values_out_of_nowhere_are_noticed() {
        let mut seen = Seen::default();
        seen.read_invoked(request_of(1, 0));
        seen.read_returned(request_of(1, 0), Some(9));
        assert!(seen.invented());
    }
}
