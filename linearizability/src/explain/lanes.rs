//! The picture: one lane for each process, time to the right, not to scale.
//!
//! ```text
//! process 0  |-- put 7 --|
//! process 1                |== get -> absent ==|
//! ```
//!
//! The operation that fails is drawn with `=`; one without a known outcome ends in `..?`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{bands, overlaps};
use crate::format::Fault;
use crate::history::Operation;

/// Between the columns of two moments.
const GAP: usize = 2;

/// Draws the operations; `labels` stand inside their bars, `failing` is marked.
pub(crate) fn draw<A>(
    operations: &[Operation<A>],
    labels: &[String],
    failing: usize,
    faults: &[Fault],
) -> String {
    let columns = columns(operations, labels);
    let width = columns.values().copied().max().unwrap_or(0) + 1;
    let mut picture = String::new();
    for (process, members) in lanes(operations) {
        let mut lane = String::new();
        for at in members {
            let operation = &operations[at];
            pad(&mut lane, columns[&(operation.invoked, false)]);
            let fill = if at == failing { '=' } else { '-' };
            let label = &labels[at];
            let _ = write!(lane, "|{fill}{fill} {label} ");
            if let Some(returned) = operation.returned {
                let end = columns[&(returned, true)];
                while lane.chars().count() < end {
                    lane.push(fill);
                }
                lane.push('|');
            } else {
                while lane.chars().count() + 3 < width {
                    lane.push('-');
                }
                lane.push_str("..?");
            }
        }
        let _ = writeln!(picture, "process {process:<4} {lane}");
    }
    draw_faults(operations, &columns, width, faults, &mut picture);
    picture
}

/// The column of each moment: at equal times invocations stand left of returns, since closed
/// intervals overlap there. Every bar gets room for its label.
fn columns<A>(operations: &[Operation<A>], labels: &[String]) -> BTreeMap<(u64, bool), usize> {
    let mut moments: Vec<(u64, bool)> = Vec::new();
    for operation in operations {
        moments.push((operation.invoked, false));
        moments.extend(operation.returned.map(|returned| (returned, true)));
    }
    moments.sort_unstable();
    moments.dedup();
    let mut columns: BTreeMap<(u64, bool), usize> = BTreeMap::new();
    let mut next = 0;
    for moment in moments {
        let mut column = next;
        for (operation, label) in operations.iter().zip(labels) {
            if moment == (operation.returned.unwrap_or(0), true) {
                let start = columns[&(operation.invoked, false)];
                column = column.max(start + label.chars().count() + "|--  --".len());
            }
        }
        columns.insert(moment, column);
        next = column + GAP;
    }
    columns
}

/// The operations of each lane, in time; a process with two operations at once gets two lanes.
fn lanes<A>(operations: &[Operation<A>]) -> Vec<(u64, Vec<usize>)> {
    let mut order: Vec<usize> = (0..operations.len()).collect();
    order.sort_by_key(|at| (operations[*at].process, operations[*at].invoked));
    let mut lanes: Vec<(u64, Vec<usize>)> = Vec::new();
    for at in order {
        let process = operations[at].process;
        let lane = lanes.iter_mut().find(|(owner, members)| {
            *owner == process
                && members.iter().all(|other| operations[*other].precedes(&operations[at]))
        });
        match lane {
            Some((_, members)) => members.push(at),
            None => lanes.push((process, vec![at])),
        }
    }
    lanes
}

fn draw_faults<A>(
    operations: &[Operation<A>],
    columns: &BTreeMap<(u64, bool), usize>,
    width: usize,
    faults: &[Fault],
    picture: &mut String,
) {
    let times =
        operations.iter().flat_map(|operation| [Some(operation.invoked), operation.returned]);
    let (mut first, mut last) = (u64::MAX, 0);
    for time in times.flatten() {
        first = first.min(time);
        last = last.max(time);
    }
    let column_of =
        |time: u64| columns.range(..=(time, true)).next_back().map_or(0, |(_, column)| *column);
    for band in bands(faults) {
        if !overlaps(band.start, band.end, first, last) {
            continue;
        }
        let (start, end) = (column_of(band.start), column_of(band.end).min(width));
        let mut lane = String::new();
        pad(&mut lane, start);
        let bar = (end + 1).saturating_sub(start).max(1);
        lane.extend(std::iter::repeat_n('#', bar));
        let _ = writeln!(picture, "fault        {lane} {}", band.label);
    }
}

fn pad(lane: &mut String, column: usize) {
    while lane.chars().count() < column {
        lane.push(' ');
    }
}
