//! A trace as a page: a column per node, time downward, messages as arrows.
//!
//! The page needs nothing but itself: no script, no font, no network. A message is drawn from where
//! it was sent to where it arrived; one that never arrives within the trace leaves its sender and is
//! struck. What a step led to stands beside it.
//!
//! ```text
//!   node 0        node 1        node 2
//!     │             │             │
//!     ● campaigns   │             │
//!     ├────────────▶│             │     arrived
//!     ├──────────╳  │             │     never arrived
//!     ✕ crashes     │             │
//! ```

use crate::{Step, Trace};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Pixels between two lifelines.
const COLUMN: usize = 320;
/// Pixels to the first lifeline.
const MARGIN: usize = 60;
/// Pixels of a line of text.
const LINE: usize = 18;
/// Characters of a line beside a lifeline.
const CHARACTERS: usize = 44;

const STYLE: &str = "\
body{font:14px/1.4 sans-serif;margin:2em;color:#222;background:#fff}\
svg text{font:12px ui-monospace,monospace;fill:#333}\
.life{stroke:#bbb;stroke-width:1}\
.sent{stroke:#2a6db0;stroke-width:1.5;fill:none}\
.lost{stroke:#b03a2e;stroke-width:1.5;stroke-dasharray:5 4;fill:none}\
.event{fill:#222}\
.crash{stroke:#b03a2e;stroke-width:3}\
.disk{fill:#2e7d4f}\
svg text.number{fill:#999}\
svg text.state{fill:#2e5d34}\
svg text.message{fill:#2a6db0}\
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}svg text{fill:#ccc}\
.event{fill:#ddd}svg text.state{fill:#8fce9a}svg text.message{fill:#7db7ec}}";

/// A message on its way through the picture.
struct Sent {
    from: u8,
    to: u8,
    what: String,
    /// How far down it left.
    at: usize,
}

/// Where each step stands, and what is drawn.
struct Picture {
    nodes: u8,
    body: String,
    down: usize,
    /// Sent, and not arrived so far.
    open: VecDeque<Sent>,
}

/// The whole page.
#[must_use]
pub fn page(trace: &Trace) -> String {
    let title = format!("{}: {}", escape(&trace.model), escape(&trace.property));
    let steps = trace.steps.len();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n\
         <p>{steps} steps, {} nodes; time runs downward. A blue arrow is a message, from where it was sent \
         to where it arrived; a red, dashed one never arrived. A green square: a write became \
         durable. A red cross: a crash.</p>\n{}</body></html>\n",
        trace.nodes,
        svg(trace)
    )
}

/// The picture alone, for pages that bring the rest.
#[must_use]
pub fn svg(trace: &Trace) -> String {
    let mut picture =
        Picture { nodes: trace.nodes, body: String::new(), down: 2 * LINE, open: VecDeque::new() };
    for (number, step) in trace.steps.iter().enumerate() {
        picture.step(number + 1, step);
    }
    picture.finish()
}

impl Picture {
    fn step(&mut self, number: usize, step: &Step) {
        self.down += LINE;
        let (x, y) = (lifeline(step.node), self.down);
        let _ =
            writeln!(self.body, "<text class=\"number\" x=\"4\" y=\"{}\">{number}</text>", y + 4);
        match step.from {
            Some(from) if from != step.node => self.arrive(from, step),
            _ => self.mark(step, x, y),
        }
        for note in &step.notes {
            self.note(step.node, note);
        }
        self.down += LINE / 2;
    }

    /// The oldest message like this one arrives; one that was delivered before may arrive again.
    fn arrive(&mut self, from: u8, step: &Step) {
        let like = |sent: &Sent| (sent.from, sent.to, &sent.what) == (from, step.node, &step.what);
        let position = self.open.iter().position(like);
        let left = position.and_then(|it| self.open.remove(it)).map_or(self.down, |it| it.at);
        let (start, end, y) = (lifeline(from), lifeline(step.node), self.down);
        self.arrow("sent", (start, left), (end, y));
        let beside = if from < step.node { end - CHARACTERS * 6 } else { end + 10 };
        self.text("message", beside, y + LINE - 6, &step.what);
        self.down += LINE;
    }

    fn mark(&mut self, step: &Step, x: usize, y: usize) {
        let shape = if step.what.starts_with("crashes") {
            let (left, right, top, bottom) = (x - 7, x + 7, y - 7, y + 7);
            format!(
                "<path class=\"crash\" d=\"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}\"/>"
            )
        } else if step.what.ends_with("is durable") {
            format!(
                "<rect class=\"disk\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\"/>",
                x - 5,
                y - 5
            )
        } else {
            format!("<circle class=\"event\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>")
        };
        self.body.push_str(&shape);
        self.body.push('\n');
        self.text("", x + 12, y + 4, &step.what);
    }

    /// What followed at once: messages that leave, what became of the node, anything else.
    fn note(&mut self, id: u8, note: &str) {
        self.down += LINE;
        let (x, y) = (lifeline(id) + 12, self.down + 4);
        if let Some((receivers, what)) = sends(note) {
            let down = self.down;
            let leaves = |to: u8| Sent { from: id, to, what: what.to_owned(), at: down };
            let receivers = receivers.into_iter().filter(|to| *to < self.nodes);
            self.open.extend(receivers.map(leaves));
            self.text("message", x, y, note);
        } else if let Some(state) = note.strip_prefix("= ") {
            self.text("state", x, y, state);
        } else {
            self.text("", x, y, note);
        }
    }

    fn finish(mut self) -> String {
        // Whatever is still open was lost, or is too late to matter.
        for sent in std::mem::take(&mut self.open) {
            let start = lifeline(sent.from);
            let (end, y) = if sent.from < sent.to {
                (start + COLUMN / 4, sent.at + LINE)
            } else {
                (start.saturating_sub(COLUMN / 4), sent.at + LINE)
            };
            self.arrow("lost", (start, sent.at), (end, y));
            // Struck: a cross where it got lost.
            let (left, right, top, bottom) = (end.saturating_sub(4), end + 4, y - 4, y + 4);
            let _ = writeln!(
                self.body,
                "<path class=\"lost\" d=\"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} \
                 {top}\"><title>to {}: {}</title></path>",
                sent.to,
                escape(&sent.what)
            );
        }
        let (width, height) = (lifeline(self.nodes), self.down + 2 * LINE);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<defs><marker id=\"tip\" markerWidth=\"9\" \
             markerHeight=\"9\" refX=\"8\" refY=\"4\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" \
             fill=\"#2a6db0\"/></marker></defs>\n"
        );
        for node in 0..self.nodes {
            let x = lifeline(node);
            let _ = writeln!(
                text,
                "<text x=\"{}\" y=\"{LINE}\">node {node}</text><line class=\"life\" x1=\"{x}\" \
                 y1=\"{}\" x2=\"{x}\" y2=\"{height}\"/>",
                x - 18,
                LINE + 6
            );
        }
        text + &self.body + "</svg>\n"
    }

    fn arrow(&mut self, class: &str, start: (usize, usize), end: (usize, usize)) {
        let tip = if class == "sent" { " marker-end=\"url(#tip)\"" } else { "" };
        let ((x1, y1), (x2, y2)) = (start, end);
        let _ = writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"{tip}/>"
        );
    }

    fn text(&mut self, class: &str, x: usize, y: usize, text: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let short: String = text.chars().take(CHARACTERS).collect();
        let cut = if short.len() < text.len() { "…" } else { "" };
        let _ = writeln!(
            self.body,
            "<text{class} x=\"{x}\" y=\"{y}\">{}{cut}<title>{}</title></text>",
            escape(&short),
            escape(text)
        );
    }
}

fn lifeline(node: u8) -> usize {
    MARGIN + usize::from(node) * COLUMN
}

/// Receivers and message of a note like "sends to 1, 2: Vote t1".
fn sends(note: &str) -> Option<(Vec<u8>, &str)> {
    let (receivers, what) = note.strip_prefix("sends to ")?.split_once(": ")?;
    let receivers: Result<Vec<u8>, _> = receivers.split(", ").map(str::parse).collect();
    Some((receivers.ok()?, what))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages leave, one arrives, one is lost; a write becomes durable; a crash. The page is
    /// compared with the one in `tests/story.html`; with `UPDATE_EXPECT=1` it is written instead.
    #[test]
    fn a_story_of_three_nodes() {
        let step = |node, from, what: &str, notes: &[&str]| Step {
            node,
            from,
            what: what.into(),
            notes: notes.iter().map(|&it| it.into()).collect(),
        };
        let steps = vec![
            step(0, None, "no leader heard: campaigns", &["= candidate t1 <&>"]),
            step(0, None, "its oldest write is durable", &["sends to 1, 2: RequestVote t1"]),
            step(1, Some(0), "RequestVote t1", &["= follower t1"]),
            step(1, None, "crashes and restarts", &["= follower t0"]),
            step(2, Some(1), "Vote t9, which nobody was seen to send", &[]),
        ];
        let property = "ELECTION-1".into();
        let trace = Trace { version: 1, model: "m".into(), nodes: 3, property, steps };
        let page = page(&trace);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/story.html");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(page, std::fs::read_to_string(path).unwrap());
        // One arrived, one came from nowhere, one was lost.
        assert_eq!(page.matches("class=\"sent\"").count(), 2);
        assert_eq!(page.matches("<line class=\"lost\"").count(), 1);
        assert!(page.contains("&lt;&amp;&gt;") && !page.contains("<&>"));
        assert!(!page.contains("src=") && !page.contains("href="), "it needs nothing else");
    }
}
