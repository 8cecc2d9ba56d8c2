//! Client sessions: a command that is sent again has its effect once (Ongaro's dissertation, section 6.3).
//!
//! Whoever sends commands opens a session, by an entry of the log, and numbers what it sends. The
//! state machine keeps, per session, the highest number it has executed and what that returned. An
//! attempt that arrives twice is executed once and answered twice.
//!
//! ```text
//! entry 4   open                      session 4
//! entry 5   session 4, number 1: x    executed
//! entry 6   session 4, number 1: x    repeated: the answer of entry 5
//! entry 7   expire, unused since 6    session 4 was used by entry 6: it stays
//! entry 9   expire, unused since 7    session 4 goes
//! entry 10  session 4, number 1: x    unknown, and not executed
//! ```
//!
//! Sessions are part of the applied state and of snapshots: every replica judges an entry alike. So
//! expiry is an entry too, and no clock decides.
//!
//! Differences from the source:
//! * A session that expired is not opened again by an attempt: nobody could tell whether that was
//!   executed before, so it is answered *unknown* and not executed.
//! * A number below the highest is answered *unknown*, not from memory: its sender has gone on, and
//!   only the last answer is kept.
//!
//! * `SESSION-1` no attempt is executed twice.
//! * `SESSION-2` what is answered *unknown* is not executed by that entry.

use crate::ids::LogIndex;
use alloc::collections::BTreeMap;

/// Names a session: the index of the entry that opened it. So no name is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionId(pub LogIndex);

/// Numbers the attempts of one session, from 1. What is sent again keeps its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Attempt(pub u64);

/// What is kept of one session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Session<A> {
    /// The last attempt that was executed and what it returned; nothing before the first.
    last: Option<(Attempt, A)>,
    /// The last entry that named this session.
    used: LogIndex,
}

/// What to do with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement<'a, A> {
    /// Execute it, and say so by [`Sessions::executed`].
    Execute,
    /// It was executed: this is what it returned.
    Repeat(&'a A),
    /// Nobody can tell any more whether it was executed: do not, and answer *unknown*.
    Unknown,
}

/// The sessions of a group, as part of its applied state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sessions<A>(BTreeMap<SessionId, Session<A>>);

impl<A> Default for Sessions<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A> Sessions<A> {
    /// The entry at `index` opens a session.
    pub fn open(&mut self, index: LogIndex) -> SessionId {
        let id = SessionId(index);
        self.0.insert(id, Session { last: None, used: index });
        id
    }

    /// What to do with an attempt.
    #[must_use]
    pub fn judge(&self, id: SessionId, attempt: Attempt) -> Judgement<'_, A> {
        match self.0.get(&id).map(|session| &session.last) {
            Some(Some((last, answer))) if attempt == *last => Judgement::Repeat(answer),
            Some(Some((last, _))) if attempt < *last => Judgement::Unknown,
            Some(_) => Judgement::Execute,
            None => Judgement::Unknown,
        }
    }

    /// The entry at `index` was judged [`Judgement::Execute`], and returned this.
    ///
    /// # Panics
    ///
    /// If that is not what [`Sessions::judge`] says.
    pub fn executed(&mut self, index: LogIndex, id: SessionId, attempt: Attempt, answer: A) {
        let may = matches!(self.judge(id, attempt), Judgement::Execute);
        assert!(may, "SESSION-1: attempt {} of session {} again", attempt.0, id.0.0);
        self.0.insert(id, Session { last: Some((attempt, answer)), used: index });
    }

    /// The entry at `index` names this session, whatever comes of it: it is in use.
    pub fn used(&mut self, index: LogIndex, id: SessionId) {
        if let Some(session) = self.0.get_mut(&id) {
            session.used = session.used.max(index);
        }
    }

    /// An entry ends every session that no entry from `since` on has named.
    pub fn expire(&mut self, since: LogIndex) {
        self.0.retain(|_, session| session.used >= since);
    }

    /// Whether this session is open.
    #[must_use]
    pub fn is_open(&self, id: SessionId) -> bool {
        self.0.contains_key(&id)
    }

    /// How many are open. Whoever applies entries bounds it, by entries that expire some.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    const AT: fn(u64) -> LogIndex = LogIndex;

    /// The drawing in the module's documentation.
    #[test]
    fn an_attempt_that_comes_twice_is_executed_once() {
        let mut sessions = Sessions::default();
        let id = sessions.open(AT(4));
        let one = Attempt(1);
        assert_eq!(sessions.judge(id, one), Judgement::Execute);
        sessions.executed(AT(5), id, one, 'x');
        assert_eq!(sessions.judge(id, one), Judgement::Repeat(&'x'));
        sessions.used(AT(6), id);
        sessions.expire(AT(6));
        assert!(sessions.is_open(id));
        sessions.expire(AT(7));
        assert_eq!((sessions.judge(id, one), sessions.count()), (Judgement::Unknown, 0));
    }

    #[test]
    fn only_the_last_answer_is_kept() {
        let mut sessions = Sessions::default();
        let id = sessions.open(AT(1));
        sessions.executed(AT(2), id, Attempt(1), 'x');
        sessions.executed(AT(3), id, Attempt(3), 'y');
        let judged = [1, 2, 3, 4].map(|number| sessions.judge(id, Attempt(number)));
        let [unknown, again] = [Judgement::Unknown, Judgement::Repeat(&'y')];
        assert_eq!(judged, [unknown, unknown, again, Judgement::Execute]);
    }

    #[test]
    #[should_panic(expected = "SESSION-1: attempt 1 of session 1 again")]
    fn executing_twice_is_a_bug() {
        let mut sessions = Sessions::default();
        let id = sessions.open(AT(1));
        sessions.executed(AT(2), id, Attempt(1), 'x');
        sessions.executed(AT(3), id, Attempt(1), 'x');
    }

    /// Every log of six entries over two clients, each with two attempts that may come any number of
    /// times, in any order, and with expiry anywhere: against a twin that remembers everything.
    #[test]
    fn no_log_executes_an_attempt_twice() {
        let (mut logs, mut repeated, mut unknown) = (0, 0, 0);
        let mut choices = [0_u8; 6];
        loop {
            let mut sessions = Sessions::default();
            let ids = [sessions.open(AT(1)), sessions.open(AT(2))];
            let mut executed = BTreeSet::new();
            for (index, choice) in (3..).map(LogIndex).zip(choices) {
                if choice == 4 {
                    sessions.expire(LogIndex(index.0 - 2));
                    continue;
                }
                let id = ids[usize::from(choice / 2)];
                let attempt = Attempt(u64::from(choice % 2) + 1);
                sessions.used(index, id);
                match sessions.judge(id, attempt) {
                    Judgement::Execute => {
                        assert!(executed.insert((id, attempt)), "SESSION-1: {choices:?}");
                        sessions.executed(index, id, attempt, (id, attempt));
                    }
                    Judgement::Repeat(answer) => {
                        assert_eq!(*answer, (id, attempt), "the answer of another attempt");
                        assert!(executed.contains(&(id, attempt)));
                        repeated += 1;
                    }
                    Judgement::Unknown => unknown += 1,
                }
            }
            logs += 1;
            let Some(place) = choices.iter().rposition(|&choice| choice < 4) else { break };
            choices[place] += 1;
            choices[place + 1..].fill(0);
        }
        let seen = Vec::from([logs, repeated, unknown]);
        assert_eq!(logs, 5_usize.pow(6), "{seen:?}");
        assert!(repeated > 1_000 && unknown > 1_000, "{seen:?}");
    }
}
