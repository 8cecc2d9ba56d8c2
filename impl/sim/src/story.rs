//! A run in words: what happened to whom, as a trace that is drawn like those of the checker.

use ringleader_core::group::{Entry, Message};
use ringleader_trace::{STEPS_MAX, Step, Trace, VERSION};
use ringleader_wire::Command;
use std::collections::BTreeMap;

/// Collects steps while a run is recorded.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    steps: Vec<Told>,
    /// What arrived last on each link: to say it again says nothing.
    last: BTreeMap<(u8, u8), String>,
}

#[derive(Debug)]
struct Told {
    step: Step,
    /// It says nothing new: a heartbeat, a confirmation, a timer that was early.
    dull: bool,
}

impl Recorder {
    pub(crate) fn step(&mut self, node: u8, from: Option<u8>, what: String, dull: bool) {
        let repeated = from.is_some_and(|from| {
            self.last.insert((from, node), what.clone()).is_some_and(|before| before == what)
        });
        let dull = dull || repeated;
        // Beyond what a trace may have, the beginning goes.
        if self.steps.len() >= 2 * STEPS_MAX {
            self.steps.drain(..STEPS_MAX);
        }
        self.steps.push(Told { step: Step { node, from, what, notes: Vec::new() }, dull });
    }

    /// Adds what followed from the last step.
    pub(crate) fn note(&mut self, node: u8, what: String) {
        match self.steps.last_mut() {
            Some(told) if told.step.node == node => {
                told.step.notes.push(what);
                told.dull = false;
            }
            Some(_) | None => self.step(node, None, what, false),
        }
    }

    /// The last steps, without those that say nothing new.
    pub(crate) fn trace(&self, seed: u64, nodes: u8, property: &str, steps_max: usize) -> Trace {
        let told: Vec<&Told> = self.steps.iter().filter(|told| !told.dull).collect();
        let first = told.len().saturating_sub(steps_max.min(STEPS_MAX));
        Trace {
            version: VERSION,
            model: format!("simulate seed {seed}"),
            nodes,
            property: property.to_owned(),
            steps: told[first..].iter().map(|told| told.step.clone()).collect(),
        }
    }
}

/// A message in a few words, and whether it is one of those that only repeat what is known.
pub(crate) fn words(message: &Message<Command>) -> (String, bool) {
    let entries = |entries: &[Entry<Command>]| match entries {
        [] => "nothing".to_owned(),
        [first, ..] => format!("{} of t{}", entries.len(), first.term.0),
    };
    match message {
        Message::RequestVote { term, log_end, .. } => {
            let (index, last) = (log_end.index.0, log_end.term.0);
            (format!("RequestVote t{}, log {index} of t{last}", term.0), false)
        }
        Message::Vote { term } => (format!("Vote t{}", term.0), false),
        Message::Append { term, prev, entries: new, commit } => {
            let (prev, commit) = (prev.index.0, commit.0);
            let text = format!("Append t{}, {prev}+{}, c{commit}", term.0, entries(new));
            (text, new.is_empty())
        }
        Message::Appended { term, matched } => {
            (format!("Appended t{}, up to {}", term.0, matched.0), false)
        }
        Message::Rejected { term, prev, hint } => {
            (format!("Rejected t{}, {}, try {}", term.0, prev.0, hint.0), false)
        }
        Message::Confirm { term, round } => (format!("Confirm t{}, {round}", term.0), true),
        Message::Confirmed { term, round } => (format!("Confirmed t{}, {round}", term.0), true),
        Message::RequestPreVote { term, poll, .. } => {
            (format!("RequestPreVote t{}, {poll}", term.0), false)
        }
        Message::PreVote { term, poll } => (format!("PreVote t{}, {poll}", term.0), false),
        Message::TakeOver { term } => (format!("TakeOver t{}", term.0), false),
        Message::NewerTerm { term } => (format!("NewerTerm t{}", term.0), false),
        Message::Checkpointed { term, index } => {
            (format!("Checkpointed t{}, {}", term.0, index.0), true)
        }
        Message::Trim { term, end } => (format!("Trim t{}, {}", term.0, end.index.0), false),
        Message::SnapshotPart { term, part, .. } => {
            (format!("SnapshotPart t{}, {part}", term.0), false)
        }
        Message::Staged { term, parts, .. } => (format!("Staged t{}, {parts}", term.0), false),
        Message::Refused { term, .. } => (format!("Refused t{}", term.0), false),
        Message::Pull { term, after } => (format!("Pull t{}, {}", term.0, after.index.0), false),
        Message::Pulled { term, entries: new, .. } => {
            (format!("Pulled t{}, {}", term.0, entries(new)), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_ends_with_what_happened_last_and_leaves_out_what_says_nothing() {
        let mut recorder = Recorder::default();
        for number in 0..5 {
            recorder.step(0, None, format!("step {number}"), number % 2 == 1);
        }
        recorder.note(0, "a note".to_owned());
        let trace = recorder.trace(7, 3, "P", 2);
        let told: Vec<_> = trace.steps.iter().map(|step| step.what.as_str()).collect();
        assert_eq!(told, ["step 2", "step 4"]);
        assert_eq!(trace.steps[1].notes, ["a note"]);
        assert_eq!(Trace::from_json(&trace.to_json()).unwrap(), trace);
    }
}
