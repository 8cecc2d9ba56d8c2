//! What the group says, in few words, for diagrams.

use crate::history::Value;
use ringleader_core::group::{self, Message, Payload};
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
        Message::Staged { term, end, parts } => {
            format!("Staged t{} {parts} parts of {}", term.0, end.0)
        }
    }
}
