//! Messages of one batch, merged where two say what one can say.

use ringleader_core::group::{Entry, Message, Payload};
use ringleader_core::ids::{LogEnd, LogIndex, ReplicaId};
use ringleader_wire::Command;
use ringleader_wire::limits::{ENTRIES_LENGTH_MAX, ENTRY_OVERHEAD};
use std::collections::BTreeMap;

/// What is to be sent, per peer in the order in which it was said.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    peers: BTreeMap<ReplicaId, Vec<Message<Command>>>,
}

impl Outbox {
    /// Adds a message.
    pub(crate) fn push(&mut self, to: ReplicaId, message: Message<Command>) {
        let messages = self.peers.entry(to).or_default();
        let Some(rest) = merge(messages.last_mut(), message) else { return };
        split_into(messages, rest);
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (ReplicaId, Message<Command>)> {
        self.peers
            .iter_mut()
            .flat_map(|(&to, messages)| messages.drain(..).map(move |message| (to, message)))
    }
}

/// Lets `last` say `next` too, or gives `next` back.
fn merge(last: Option<&mut Message<Command>>, next: Message<Command>) -> Option<Message<Command>> {
    match (last, next) {
        (
            Some(Message::Appended { term: last_term, matched: last_matched }),
            Message::Appended { term, matched },
        ) if *last_term == term => {
            *last_matched = matched.max(*last_matched);
            None
        }
        (
            Some(Message::Append {
                term: last_term,
                prev: last_prev,
                entries: last,
                commit: known,
            }),
            Message::Append { term, prev, mut entries, commit },
        ) if *last_term == term
            && end_of(*last_prev, last) == prev
            && length_of(last) + length_of(&entries) <= ENTRIES_LENGTH_MAX =>
        {
            last.append(&mut entries);
            *known = commit.max(*known);
            None
        }
        (_, next) => Some(next),
    }
}

/// Adds a message, an append that is too long for a frame as several that follow each other.
fn split_into(messages: &mut Vec<Message<Command>>, mut message: Message<Command>) {
    while let Message::Append { term, prev, entries, commit } = &mut message {
        let fitting = count_fitting(entries);
        if fitting == entries.len() {
            break;
        }
        let rest = entries.split_off(fitting);
        let first = std::mem::replace(entries, rest);
        let (term, first_prev, commit) = (*term, *prev, *commit);
        *prev = end_of(first_prev, &first);
        messages.push(Message::Append { term, prev: first_prev, entries: first, commit });
    }
    messages.push(message);
}

/// How many of the first entries fit in one append; at least one, as commands are bounded.
fn count_fitting(entries: &[Entry<Command>]) -> usize {
    let mut length = 0;
    let fitting = entries.iter().take_while(|entry| {
        length += entry_length(entry);
        length <= ENTRIES_LENGTH_MAX
    });
    fitting.count().max(1).min(entries.len())
}

/// The entry that an append ends with.
fn end_of(prev: LogEnd, entries: &[Entry<Command>]) -> LogEnd {
    let index = LogIndex(prev.index.0 + entries.len() as u64);
    entries.last().map_or(prev, |last| LogEnd { term: last.term, index })
}

/// Encoded length of a configuration, at most.
const MEMBERS_LENGTH: usize = 16;

/// Encoded length of entries.
pub(crate) fn length_of(entries: &[Entry<Command>]) -> usize {
    entries.iter().map(entry_length).sum()
}

fn entry_length(entry: &Entry<Command>) -> usize {
    match &entry.payload {
        Payload::NoOp => ENTRY_OVERHEAD,
        Payload::Members(_) => ENTRY_OVERHEAD + MEMBERS_LENGTH,
        Payload::Command(command) => ENTRY_OVERHEAD + command.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringleader_core::ids::Term;

    const PEER: ReplicaId = ReplicaId(1);

    fn entry(length: usize) -> Entry<Command> {
        Entry { term: Term(1), payload: Payload::Command(Command::from(vec![0; length])) }
    }

    fn append(prev: u64, entries: Vec<Entry<Command>>, commit: u64) -> Message<Command> {
        let prev = LogEnd { term: Term(u64::from(prev > 0)), index: LogIndex(prev) };
        Message::Append { term: Term(1), prev, entries, commit: LogIndex(commit) }
    }

    fn sent(messages: impl IntoIterator<Item = Message<Command>>) -> Vec<Message<Command>> {
        let mut outbox = Outbox::default();
        for message in messages {
            outbox.push(PEER, message);
        }
        outbox.drain().map(|(_, message)| message).collect()
    }

    #[test]
    fn appends_that_continue_each_other_are_one() {
        let messages = [append(4, vec![entry(1)], 2), append(5, vec![entry(2), entry(3)], 3)];
        assert_eq!(sent(messages), [append(4, vec![entry(1), entry(2), entry(3)], 3)]);
    }

    #[test]
    fn appends_with_a_gap_stay_apart() {
        let messages = [append(4, vec![entry(1)], 2), append(6, vec![entry(2)], 3)];
        assert_eq!(sent(messages.clone()), messages);
    }

    #[test]
    fn a_later_acknowledgement_replaces_an_earlier_one() {
        let acknowledged =
            |matched| Message::Appended { term: Term(1), matched: LogIndex(matched) };
        assert_eq!(sent([acknowledged(4), acknowledged(9)]), [acknowledged(9)]);
    }

    #[test]
    fn an_append_that_is_too_long_becomes_several() {
        let large = || entry(400 << 10);
        let messages = [append(4, vec![large(), large(), large(), entry(1)], 3)];
        let expected =
            [append(4, vec![large(), large()], 3), append(6, vec![large(), entry(1)], 3)];
        assert_eq!(sent(messages), expected);
    }
}
