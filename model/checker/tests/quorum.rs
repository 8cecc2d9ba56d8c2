//! The register with N copies: its small models hold with the pinned counts, and what must fail
//! fails.

use ringleader_checker::models::Listed;
use ringleader_checker::quorum_catalog;
use ringleader_checker::quorum_history::Guarantee;
use ringleader_checker::quorum_table::{Cell, Clients, Explored, Mode, cells, markdown};
use ringleader_checker::search::{Options, Verdict};
use ringleader_core::leaderless::quorum::Placement;

fn cell(n: u8, r: u8, w: u8, clients: Clients, mode: Mode) -> Explored {
    Cell { n, r, w, placement: Placement::Strict, clients, mode }.explore()
}

#[test]
fn the_models_hold_with_the_pinned_counts() {
    for entry in quorum_catalog::quick() {
        let report = entry.check(None, Options::default(), &mut |_| ());
        assert!(matches!(report.verdict, Verdict::Holds), "{}: {:?}", entry.name, report.verdict);
        assert_eq!(report.states, entry.pinned, "{}", entry.name);
    }
}

#[test]
fn what_must_fail_fails_and_its_trace_can_be_replayed() {
    for entry in quorum_catalog::refuted() {
        let report = entry.check(None, Options::default(), &mut |_| ());
        let Verdict::Violated { property, trace } = report.verdict else {
            panic!("{}: {:?}", entry.name, report.verdict);
        };
        assert_eq!(Some(property), entry.expected, "{}", entry.name);
        let replayed = Listed::replay(&entry, &trace).unwrap();
        assert!(replayed.violated.contains(&property), "{}", entry.name);
    }
}

/// Mission, DEC-6: R + W > N does not make a register linearizable, with one writer or two.
#[test]
fn the_textbook_claim_is_refuted() {
    let one = cell(2, 1, 2, Clients::OneWriter, Mode::NoRepair);
    assert_eq!(one.strongest(), [Guarantee::Regular]);
    let abd = cell(2, 2, 1, Clients::TwoWriters, Mode::AskFirst);
    assert_eq!(abd.strongest(), [Guarantee::Linearizable]);
    let write_back = cell(2, 2, 1, Clients::TwoWriters, Mode::Blocking);
    assert!(!write_back.holds(Guarantee::Regular));
}

/// The rows of `docs/quorum.md` for a single copy are those that the search finds now.
#[test]
fn the_documented_table_is_generated() {
    let explored: Vec<Explored> = cells(1).into_iter().map(Cell::explore).collect();
    let table = markdown(&explored);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/quorum.md");
    let documented = std::fs::read_to_string(path).unwrap();
    let mut rest = documented.as_str();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let position = rest.find(line);
        let position = position.unwrap_or_else(|| panic!("docs/quorum.md lacks {line:?}"));
        rest = &rest[position + line.len()..];
    }
}
