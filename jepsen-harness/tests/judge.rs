//! What the recorder writes the checker reads: a legal history is acquitted, one with a planted
//! lie is convicted, and the lie is named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use jepsen_harness::generator::Operation;
use jepsen_harness::history::{Condition, Function, Phase};
use jepsen_harness::judge::{Judgement, judge};
use jepsen_harness::recorder::{Completion, Recorder};
use jepsen_harness::workload::Question;
use tempfile::TempDir;

/// A history in the making, on one key.
struct Story {
    recorder: Recorder,
    file: PathBuf,
    _directory: TempDir,
}

impl Story {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("history.jsonl");
        Self { recorder: Recorder::create(&file).unwrap(), file, _directory: directory }
    }

    /// One operation of a process, from beginning to end.
    fn tell(&self, process: u64, operation: &Operation, end: &Completion) {
        self.recorder.invoke(process, 0, operation);
        self.recorder.complete(process, 0, operation, end);
    }

    fn judge(&self) -> Judgement {
        self.recorder.finish().unwrap();
        judge(&self.file, Question::Items).unwrap()
    }
}

fn get() -> Operation {
    Operation::on(Function::Get, "k1")
}

fn put(value: i64) -> Operation {
    Operation::on(Function::Put, "k1").with("value", value)
}

fn put_if(condition: Condition, value: i64) -> Operation {
    Operation::on(Function::PutIf, "k1").with("value", value).with("if", condition)
}

fn delete() -> Operation {
    Operation::on(Function::Delete, "k1")
}

fn read(value: Option<i64>) -> Completion {
    Completion::read(value)
}

fn done() -> Completion {
    Completion::done()
}

/// Every line the recorder can write, in an order that makes sense.
fn legal_story() -> Story {
    let story = Story::new();
    story.tell(0, &get(), &read(None));
    story.tell(0, &put(1), &done());
    story.recorder.fault("kill", Some(1), Phase::Start);
    story.tell(1, &put_if(Condition::Absent, 2), &Completion::condition_failed(Some(1)));
    story.tell(1, &put_if(Condition::Equals(1), 3), &done());
    story.tell(2, &put(4), &Completion::NoEffect("refused".into()));
    story.tell(2, &put(5), &Completion::Unknown("no answer".into()));
    story.recorder.fault("kill", Some(1), Phase::End);
    story.tell(1, &get(), &read(Some(5)));
    story.tell(1, &delete(), &done());
    story.recorder.fault("kill-all", None, Phase::Start);
    story.tell(3, &put_if(Condition::Exists, 6), &Completion::condition_failed(None));
    story.recorder.fault("kill-all", None, Phase::End);
    story
}

#[test]
fn a_legal_history_is_acquitted() {
    let story = legal_story();
    story.tell(1, &get(), &read(None));
    let judgement = story.judge();
    // The refused put is no part of the history, everything else is.
    assert!(matches!(judgement, Judgement::Legal { operations: 9, .. }), "{judgement:?}");
}

#[test]
fn faults_without_operations_are_neither_legal_nor_illegal() {
    let story = Story::new();
    story.recorder.fault("kill-all", None, Phase::Start);
    story.recorder.fault("kill-all", None, Phase::End);
    assert!(matches!(story.judge(), Judgement::Undecided { .. }));
}

#[test]
fn a_stale_read_is_convicted_and_named() {
    let story = legal_story();
    story.tell(4, &get(), &read(Some(3)));
    let Judgement::Illegal { summary, explanation } = story.judge() else {
        panic!("3 was overwritten and deleted before this read began");
    };
    assert!(summary.contains("get -> 3 by process 4"), "{summary}");
    assert!(explanation.contains("process 4"), "{explanation}");
}

#[test]
fn a_write_recorded_as_refused_must_never_be_seen() {
    let story = legal_story();
    story.tell(5, &get(), &read(Some(4)));
    assert!(matches!(story.judge(), Judgement::Illegal { .. }));
}

#[test]
fn a_lost_acknowledged_write_is_convicted() {
    let story = Story::new();
    story.tell(0, &put(1), &done());
    story.recorder.fault("kill-all", None, Phase::Start);
    story.recorder.fault("kill-all", None, Phase::End);
    story.tell(1, &get(), &read(None));
    assert!(matches!(story.judge(), Judgement::Illegal { .. }));
}
