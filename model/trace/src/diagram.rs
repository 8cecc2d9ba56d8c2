//! A trace as a sequence diagram in plain text.
//!
//! One column per node, time downward. A delivery is an arrow from the sender's column to the
//! receiver's, drawn when it *arrives*: networks here may hold a message back, or deliver it twice.
//!
//! ```text
//!       node 0              node 1
//!         │                   │
//!   1     ● campaigns         │
//!         │ candidate t1      │
//!         │  RequestVote t1   │
//!   2     ├──────────────────▶│
//! ```

use crate::{Step, Trace};
use std::fmt::Write as _;

/// Columns of text per node.
const COLUMN: usize = 34;
/// Columns for the step's number.
const MARGIN: usize = 6;

/// A line of the picture, one character per cell.
struct Line(Vec<char>);

impl Line {
    /// A line with every node's lifeline.
    fn with_lifelines(nodes: u8) -> Self {
        let mut line = Self(Vec::new());
        for node in 0..nodes {
            line.put(column(node), "│");
        }
        line
    }

    fn put(&mut self, at: usize, text: &str) {
        let end = at + text.chars().count();
        if self.0.len() < end {
            self.0.resize(end, ' ');
        }
        for (cell, character) in self.0[at..end].iter_mut().zip(text.chars()) {
            *cell = character;
        }
    }

    fn text(&self) -> String {
        let text: String = self.0.iter().collect();
        text.trim_end().to_owned()
    }
}

fn column(node: u8) -> usize {
    MARGIN + usize::from(node) * COLUMN
}

/// Draws a trace.
#[must_use]
pub fn text(trace: &Trace) -> String {
    let mut picture = String::new();
    let mut heading = Line(Vec::new());
    for node in 0..trace.nodes {
        heading.put(column(node), &format!("node {node}"));
    }
    push(&mut picture, &heading);
    push(&mut picture, &Line::with_lifelines(trace.nodes));
    for (number, step) in trace.steps.iter().enumerate() {
        draw_step(&mut picture, trace.nodes, number + 1, step);
    }
    let _ = writeln!(picture, "after {} steps: {}", trace.steps.len(), trace.property);
    picture
}

fn draw_step(picture: &mut String, nodes: u8, number: usize, step: &Step) {
    let mut line = Line::with_lifelines(nodes);
    match step.from {
        Some(from) if from != step.node => {
            let (left, right) = (column(from.min(step.node)), column(from.max(step.node)));
            let mut label = Line::with_lifelines(nodes);
            label.put(left + 2, &fit(&step.what, right - left - 3));
            push(picture, &label);
            let shaft = "─".repeat(right - left - 2);
            let arrow = if from < step.node {
                format!("├{shaft}▶│")
            } else {
                format!("│◀{shaft}┤")
            };
            line.put(left, &arrow);
        }
        _ => {
            let at = column(step.node);
            line.put(at, "●");
            line.put(at + 2, &fit(&step.what, COLUMN - 3));
        }
    }
    line.put(0, &format!("{number:>3}"));
    push(picture, &line);
    for note in &step.notes {
        for part in wrap(note, COLUMN - 4) {
            let mut line = Line::with_lifelines(nodes);
            line.put(column(step.node) + 2, &part);
            push(picture, &line);
        }
    }
}

fn push(picture: &mut String, line: &Line) {
    picture.push_str(&line.text());
    picture.push('\n');
}

/// The text, cut with an ellipsis if it is longer than `width`.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text in lines of at most `width` characters, broken between words where possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a first line");
        let length = last.chars().count();
        if length == 0 {
            last.push_str(word);
        } else if length + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| fit(line, width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_of_two_nodes() {
        let step = |node, from, what: &str, notes: &[&str]| Step {
            node,
            from,
            what: what.into(),
            notes: notes.iter().map(|&it| it.into()).collect(),
        };
        let steps = vec![
            step(0, None, "campaigns", &["candidate t1"]),
            step(1, Some(0), "RequestVote t1", &["a note that is longer than one column is wide"]),
            step(0, Some(1), "Vote t1", &[]),
            step(1, None, "crashes", &[]),
        ];
        let property = "ELECTION-1 is violated".into();
        let trace = Trace { version: 1, model: "m".into(), nodes: 2, property, steps };
        let expected = "\x20     node 0                            node 1
      │                                 │
  1   ● campaigns                       │
      │ candidate t1                    │
      │ RequestVote t1                  │
  2   ├────────────────────────────────▶│
      │                                 │ a note that is longer than one
      │                                 │ column is wide
      │ Vote t1                         │
  3   │◀────────────────────────────────┤
  4   │                                 ● crashes
after 4 steps: ELECTION-1 is violated
";
        assert_eq!(text(&trace), expected);
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(wrap("aaaa bb c", 4), ["aaaa", "bb c"]);
    }
}
