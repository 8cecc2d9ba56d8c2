//! The structure of a report: everything a reader needs is in the one file, and nothing in it
//! points outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jepsen_harness::history::{Fields, Function, Line, OperationLine, Stage};
use jepsen_harness::nemesis::{Effect, FaultReport};
use jepsen_harness::report::{Report, page};
use jepsen_harness::run::{Outcome, Played};
use jepsen_harness::verdict::{Row, Verdict};
use jepsen_harness::workload::{Counts, Kind};

const MS: u64 = 1_000_000;

fn line(process: u64, stage: Stage, time_ms: u64) -> Line {
    Line::Operation(OperationLine {
        process,
        stage,
        f: Function::Put,
        key: Some("k1".into()),
        fields: Fields::new(),
        time: time_ms * MS,
        node: 0,
        error: None,
    })
}

/// A run of 1.5 s: one operation a bucket that takes 1 ms, then one that is unknown.
fn outcome(rows: &[Row]) -> Outcome {
    let mut lines = Vec::new();
    for bucket in 0..12 {
        lines.push(line(0, Stage::Invoke, bucket * 100 + 10));
        lines.push(line(0, Stage::Ok, bucket * 100 + 11));
    }
    lines.push(line(0, Stage::Invoke, 1_250));
    lines.push(line(0, Stage::Info, 1_450));
    Outcome {
        rows: rows.to_vec(),
        lines,
        faults: vec![FaultReport {
            kind: "kill".into(),
            node: Some(1),
            start_ns: 1_200 * MS,
            end_ns: 1_300 * MS,
            recovered_ns: 1_400 * MS,
            effect: Effect::Measured("1 died of signal 9".into()),
        }],
        counts: Counts { acknowledged: 12, failed: 0, unknown: 1 },
        played: vec![Played {
            kind: Kind::Item,
            counts: Counts { acknowledged: 12, failed: 0, unknown: 1 },
            counterexample: None,
            history: "history.jsonl".into(),
        }],
    }
}

fn html() -> String {
    let rows = [
        Row::new("operations", Verdict::Holds, "12 acknowledged"),
        Row::new("history is linearizable", Verdict::Violated, "no order allows get -> <1>"),
    ];
    let diagrams = [("The illegal part".to_owned(), "process 0  |-- put 1 --|".to_owned())];
    let outcome = outcome(&rows);
    page(&Report {
        title: "cargo verify",
        command: "cargo verify --seed 7",
        seed: 7,
        rows: &rows,
        diagrams: &diagrams,
        outcome: Some(&outcome),
    })
    .into_string()
}

/// The headlines in order, as a reader scrolls past them.
fn headlines(html: &str) -> Vec<&str> {
    html.split("<h2>").skip(1).filter_map(|rest| rest.split("</h2>").next()).collect()
}

#[test]
fn the_verdict_comes_first_and_everything_else_follows() {
    let html = html();
    assert_eq!(
        headlines(&html),
        [
            "Verdict",
            "The illegal part",
            "Latency of acknowledged operations",
            "Operations per second",
            "Availability per 5 s",
            "Faults",
            "Once more",
        ]
    );
    assert!(html.contains("<h1>cargo verify <span class=\"pill violated\">violated</span></h1>"));
    assert!(html.contains("cargo verify --seed 7"));
}

#[test]
fn charts_show_what_happened_and_when() {
    let html = html();
    assert_eq!(html.matches("<svg").count(), 2);
    // Throughput: one column for each of the 12 acknowledged operations and the unknown one.
    assert_eq!(html.matches("<title>1 acknowledged at ").count(), 12);
    assert!(html.contains("<title>1 unknown at 1.4 s</title>"));
    // The fault is a band in both charts, with its name.
    assert_eq!(html.matches("<g class=\"fault kill\"><title>kill 1</title>").count(), 2);
    // Latency: both percentiles are one line through 12 points of 1 ms.
    let path = html.split("class=\"p50\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(path.matches(['M', 'L']).count(), 12, "{path}");
    assert!(path.split(['M', 'L']).skip(1).all(|point| point.contains(" 204.8")), "{path}");
}

#[test]
fn the_file_needs_nothing_else_and_escapes_what_it_shows() {
    let html = html();
    for outside in ["http://", "https://", "<script", "<link", "@import", "src="] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("no order allows get -&gt; &lt;1&gt;"));
}

#[test]
fn a_report_without_a_cluster_run_has_no_charts() {
    let rows = [Row::new("model group (quick)", Verdict::Holds, "7 states")];
    let report = Report {
        title: "cargo verify",
        command: "cargo verify",
        seed: 1,
        rows: &rows,
        diagrams: &[],
        outcome: None,
    };
    let html = page(&report).into_string();
    assert_eq!(headlines(&html), ["Verdict", "Once more"]);
    assert!(html.contains("<span class=\"pill holds\">holds</span>"));
}
