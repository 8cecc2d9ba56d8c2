//! What the group says, in few words, for diagrams.

use super::{Event, GroupProtocol};
use crate::history::{Moment, Value};
use crate::node::Node;
use ringleader_core::group::{self, Answer, Message, Payload};
use ringleader_core::ids::{LogEnd, LogIndex};

pub(super) fn describe_entry(entry: &group::Entry<Value>) -> String {
    match entry.payload {
        Payload::NoOp => format!("t{}:-", entry.term.0),
        Payload::Command(value) => format!("t{}:{value}", entry.term.0),
        Payload::Members(members) => {
            format!("t{}:{}", entry.term.0, super::members::describe_members(members))
        }
    }
}

pub(super) fn describe_end(end: &LogEnd) -> String {
    if end.index == LogIndex::ZERO {
        "start".to_owned()
    } else {
        format!("{}@t{}", end.index.0, end.term.0)
    }
}

pub(super) fn describe_message(message: &Message<Value>) -> String {
    match message {
        Message::RequestVote { term, log_end, by_transfer } => {
            let told = if *by_transfer { ", told to" } else { "" };
            format!("RequestVote t{}, log ends {}{told}", term.0, describe_end(log_end))
        }
        Message::RequestPreVote { term, poll, log_end } => {
            format!("RequestPreVote t{} poll {poll}, log ends {}", term.0, describe_end(log_end))
        }
        Message::PreVote { term, poll } => format!("PreVote t{} poll {poll}", term.0),
        Message::TakeOver { term } => format!("TakeOver t{}", term.0),
        Message::Vote { term } => format!("Vote t{}", term.0),
        Message::Append { term, prev, entries, commit } => {
            let entries: Vec<String> = entries.iter().map(describe_entry).collect();
            let (term, commit) = (term.0, commit.0);
            format!(
                "Append t{term} after {} [{}] commit {commit}",
                describe_end(prev),
                entries.join(" ")
            )
        }
        Message::Appended { term, matched } => format!("Appended t{} up to {}", term.0, matched.0),
        Message::Rejected { term, prev, hint } => {
            format!("Rejected t{} {}, try after {}", term.0, prev.0, hint.0)
        }
        Message::Confirm { term, round } => format!("Confirm t{} round {round}", term.0),
        Message::Confirmed { term, round } => format!("Confirmed t{} round {round}", term.0),
        Message::NewerTerm { term } => format!("NewerTerm t{}", term.0),
        Message::Checkpointed { term, index } => format!("Checkpointed t{} {}", term.0, index.0),
        Message::Trim { term, end } => format!("Trim t{} up to {}", term.0, describe_end(end)),
        Message::SnapshotPart { term, mark, part, last, content } => {
            let (term, end) = (term.0, describe_end(&mark.end));
            let last = if *last { ", the last" } else { "" };
            format!("SnapshotPart t{term} of {end}, part {part} {content:?}{last}")
        }
        Message::Refused { term, log_end } => {
            format!("Refused t{}, log ends {}", term.0, describe_end(log_end))
        }
        Message::Pull { term, after } => format!("Pull t{} after {}", term.0, describe_end(after)),
        Message::Pulled { term, prev, entries, log_end } => {
            let entries: Vec<String> = entries.iter().map(describe_entry).collect();
            let (prev, log_end) = (describe_end(prev), describe_end(log_end));
            format!("Pulled t{} after {prev} [{}], log ends {log_end}", term.0, entries.join(" "))
        }
        Message::Staged { term, end, parts } => {
            format!("Staged t{} {parts} parts of {}", term.0, end.0)
        }
    }
}

pub(super) fn describe_event(event: &Event) -> Option<String> {
    match event {
        Event::AskedToWrite
        | Event::AskedToRead
        | Event::AskedToChange
        | Event::AskedToPeek
        | Event::AskedToTransfer
        | Event::AskedAgain { .. }
        | Event::Answered(_)
        | Event::Client(Moment::WriteInvoked(..) | Moment::ReadInvoked(_)) => None,
        Event::Client(Moment::WriteReturned(id)) => Some(format!("ANSWER write {}: done", id.0)),
        Event::Client(Moment::ReadReturned(_, Some(value))) => {
            Some(format!("ANSWER read: {value}"))
        }
        Event::Client(Moment::ReadReturned(_, None)) => Some("ANSWER read: nothing".to_owned()),
        Event::Peeked { value, .. } => Some(match value {
            Some(value) => format!("ANSWER eventual read: {value}"),
            None => "ANSWER eventual read: nothing".to_owned(),
        }),
        Event::Committed(start, entries) => {
            Some(format!("COMMIT up to {}", start.0 + entries.len() as u64))
        }
        Event::Ended(id, Answer::Unknown) => Some(format!("ANSWER write {}: unknown", id.0)),
        Event::Ended(_, Answer::NotLeader { .. }) => Some("ANSWER: not the leader".to_owned()),
        Event::Ended(_, Answer::GivesWay) => Some("ANSWER: gives way".to_owned()),
        Event::Ended(_, Answer::Refused) => Some("ANSWER: refused".to_owned()),
        Event::Ended(_, Answer::ChangeRefused(why)) => Some(format!("ANSWER: no, {why:?}")),
    }
}

pub(super) fn describe_node(node: &Node<GroupProtocol>) -> String {
    let machine = &node.machine;
    let role = match (machine.is_leader(), machine.is_candidate(), machine.is_asking()) {
        (true, ..) => "leader",
        (_, true, _) => "candidate",
        (_, _, true) => "asking",
        _ => "follower",
    };
    let log = node.intended_disk().log;
    let entry = |index: u64| log.entry(LogIndex(index)).map(|it| describe_entry(&it));
    let entries: Vec<String> = (1..=log.last().0).filter_map(entry).collect();
    let durable = machine.durable_end().0;
    format!(
        "{role} t{} log [{}] durable {durable} commit {}",
        machine.term().0,
        entries.join(" "),
        machine.commit().0
    )
}
