//! Question: what does a verdict cost when written values are not distinct?
//!
//! Workload: 100,000 operations on one key by 20 clients that always wait for an answer, values of
//! a domain of five, half reads, 40 % writes, 10 % compare-and-sets; a refused one does not tell the
//! old value. Unknown outcomes from none to 30 %, half of which happened. *Planted* ones get a sixth
//! value, written once (and three times with unknown outcome) and overwritten, and reads of it that
//! are one too many. CPU time of one thread, one run each, linearization included, parsing not.
//! `cargo bench -p lincheck --bench ambiguous`; with `grid`, cells of 10,000 operations, each with
//! ten seconds of wall time.

use std::time::Duration;

use generator::{Mix, Shape, generate};
use lincheck::{Budget, Cell, CellAction, Operation, Token, Verdict, check_and_count};
use stopwatch::{cpu, milliseconds};

#[path = "../tests/generator/mod.rs"]
mod generator;
mod stopwatch;

fn main() {
    if std::env::args().nth(1).is_some_and(|argument| argument == "grid") {
        grid();
        return;
    }
    for unknown in [0, 5, 10, 20, 50, 300] {
        let history = generate(&Shape::ambiguous(100_000, 20, unknown), 7);
        run(&format!("{unknown} per thousand unknown"), &history);
        for unknown_writes in [0, 3] {
            let planted = plant(history.clone(), unknown_writes);
            let name = format!(
                "{unknown} per thousand unknown, {} stale reads of a value with {unknown_writes} \
                 unknown writes",
                unknown_writes + 1
            );
            run(&name, &planted);
        }
    }
}

/// For a cell of the grid, and for each of the other histories.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Decides and prints; returns whether it was decided.
fn run(name: &str, history: &[Operation<CellAction>]) -> bool {
    let start = cpu();
    let budget = Budget::time(TIME_MAX).with_memory(256 << 20);
    let (verdict, cost) = check_and_count(history, &Cell, &budget);
    let time = cpu().saturating_sub(start);
    let verdict = match verdict {
        Verdict::Legal(_) => "legal".to_owned(),
        Verdict::Illegal(illegal) => format!("illegal at {}", illegal.position),
        Verdict::Undecided(undecided) => {
            format!("undecided at {}: {}", undecided.position, undecided.reason)
        }
    };
    println!(
        "{name}: {verdict}, {} ms, {} MB, {} steps",
        milliseconds(time),
        cost.peak_bytes >> 20,
        cost.steps
    );
    !verdict.starts_with("undecided")
}

/// A value nobody else writes, written and overwritten in a pause in the middle, and read too often
/// in the last pauses.
fn plant(
    mut history: Vec<Operation<CellAction>>,
    unknown_writes: u64,
) -> Vec<Operation<CellAction>> {
    let key = Token::from(0);
    let rare = Token::from(99);
    let end = history.iter().map(|operation| operation.invoked).max().unwrap_or(0);
    let mut at = end / 3;
    let mut add = |action, invoked, returned| {
        history.push(Operation::new(1_000_000, action, invoked, returned));
    };
    for number in 0..unknown_writes {
        add(CellAction::put(key, rare), at + number, None);
    }
    at += 100;
    add(CellAction::put(key, rare), at, Some(at + 50));
    add(CellAction::put(key, Token::from(1)), at + 60, Some(at + 70));
    // Between two of these reads another value was surely there.
    for number in 0..=unknown_writes {
        let at = end / 3 * 2 + number * 10_000;
        add(CellAction::put(key, Token::from(2)), at + 10, Some(at + 20));
        add(CellAction::get(key, Some(rare)), at + 30, Some(at + 40));
    }
    history
}

/// Cells of 10,000 operations: how many are decided.
fn grid() {
    let (mut cells, mut decided) = (0, 0);
    for processes in [10, 20, 30, 40, 60] {
        for unknown_per_thousand in [0, 5, 10, 20, 50, 300] {
            for swaps_percent in [0, 10, 30, 50] {
                for bursts in [false, true] {
                    if bursts && (unknown_per_thousand == 0 || unknown_per_thousand > 50) {
                        continue;
                    }
                    let mix = Mix::Registers { swaps_percent, tells: false };
                    let unknown = Shape::ambiguous(10_000, processes, unknown_per_thousand);
                    let shape = Shape { mix, bursts, ..unknown };
                    let name = format!(
                        "{processes} clients, {unknown_per_thousand} per thousand unknown, \
                         {swaps_percent} % swaps, bursts {bursts}"
                    );
                    cells += 1;
                    decided += u32::from(run(&name, &generate(&shape, 7)));
                }
            }
        }
    }
    println!("{decided} of {cells} cells decided");
}
