//! A history and its verdict as one HTML page that needs nothing else: a lane for each process,
//! faults as bands, the operations of the counterexample marked, partial linearizations drawn
//! through the lanes, states on hovering. It draws what is in view, so that histories of 100,000
//! operations can be looked at.

mod orders;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::explain::Speech;
use crate::format::{Document, Fault};
use crate::history::Operation;
use crate::judge::{Finding, Judgement};
use crate::model::Model;

pub use orders::Order;

/// One operation as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The client.
    pub process: u64,
    /// When it was invoked.
    pub invoked: u64,
    /// When it returned, if its outcome is known.
    pub returned: Option<u64>,
    /// What it did.
    pub label: String,
    /// To what.
    pub key: String,
    /// Its line in the input.
    pub line: usize,
}

/// What a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of the history.
    pub title: String,
    /// Its verdict, with model and level.
    pub verdict: String,
    /// Why, in several lines.
    pub story: String,
    /// All operations.
    pub bars: Vec<Bar>,
    /// The positions of those that are marked.
    pub marked: Vec<usize>,
    /// What was done to the system.
    pub faults: Vec<Fault>,
    /// Linearizations, whole or partial.
    pub orders: Vec<Order>,
}

impl Page {
    /// A page without orders.
    #[must_use]
    pub fn new(title: String, verdict: String, judgement: &Judgement, faults: &[Fault]) -> Self {
        let (story, marked) = match &judgement.finding {
            Finding::Legal(_) => (String::new(), Vec::new()),
            Finding::Undecided { reason } => (reason.clone(), Vec::new()),
            Finding::Illegal { counterexample, listing, explanation, .. } => (
                format!("{}\n\n{listing}\n{}", explanation.summary, explanation.prose),
                counterexample.positions.clone(),
            ),
        };
        let faults = faults.to_vec();
        Self { title, verdict, story, bars: Vec::new(), marked, faults, orders: Vec::new() }
    }

    /// The same with all operations of a history.
    #[must_use]
    pub fn with_bars<A>(
        mut self,
        history: &[Operation<A>],
        say: impl Fn(&Operation<A>) -> (String, String),
    ) -> Self {
        let bar = |operation: &Operation<A>| {
            let (key, label) = say(operation);
            let &Operation { process, invoked, returned, index: line, .. } = operation;
            Bar { process, invoked, returned, label, key, line }
        };
        self.bars = history.iter().map(bar).collect();
        self
    }

    /// The page of a history that was judged to be linearizable or not, or sequential or not.
    #[must_use]
    pub fn of<M: Model>(
        title: String,
        verdict: String,
        judgement: &Judgement,
        document: &Document<M::Action>,
        model: &M,
        speech: &impl Speech<M>,
    ) -> Self {
        let history = &document.operations;
        let mut page = Self::new(title, verdict, judgement, &document.faults)
            .with_bars(history, |it| (speech.key(&model.key(&it.action)), speech.action(it)));
        page.orders = orders::of(judgement, history, model, speech);
        page
    }

    /// The page.
    #[must_use]
    pub fn render(&self) -> String {
        let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head>\n");
        let title = escape(&self.title);
        let _ = writeln!(html, "<meta charset=\"utf-8\"><title>{title}: lincheck</title>");
        let _ = writeln!(html, "<style>\n{}</style></head><body>", include_str!("page/page.css"));
        let _ =
            writeln!(html, "<h1>{title}</h1>\n<p class=\"verdict\">{}</p>", escape(&self.verdict));
        if !self.story.is_empty() {
            let _ = writeln!(html, "<pre>{}</pre>", escape(&self.story));
        }
        html.push_str(include_str!("page/page.html"));
        // No text of the history can end the script: `<` is escaped.
        let data = self.data().to_string().replace('<', "\\u003c");
        let _ = writeln!(html, "<script type=\"application/json\" id=\"data\">{data}</script>");
        let _ =
            writeln!(html, "<script>\n{}</script>\n</body></html>", include_str!("page/page.js"));
        html
    }

    /// What the script draws.
    fn data(&self) -> Value {
        let lanes = self.lanes();
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for bar in &self.bars {
            let next = keys.len();
            keys.entry(&bar.key).or_insert(next);
        }
        let mut key_names = vec![""; keys.len()];
        for (key, number) in &keys {
            key_names[*number] = key;
        }
        let processes: Vec<u64> = lanes.iter().map(|(process, _)| *process).collect();
        let mut bars = vec![Value::Null; self.bars.len()];
        for (lane, (_, members)) in lanes.iter().enumerate() {
            for at in members {
                let bar = &self.bars[*at];
                let key = keys[bar.key.as_str()];
                bars[*at] = json!([lane, bar.invoked, bar.returned, bar.label, key, bar.line]);
            }
        }
        let orders: Vec<Value> = self.orders.iter().map(|order| {
            json!({"name": order.name, "steps": order.steps.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
                   "states": order.steps.iter().map(|(_, state)| state.as_str()).collect::<Vec<_>>()})
        }).collect();
        let bands: Vec<Value> = crate::explain::bands(&self.faults)
            .into_iter()
            .map(|band| {
                let end = (band.end != u64::MAX).then_some(band.end);
                json!([band.start, end, band.label])
            })
            .collect();
        json!({
            "processes": processes,
            "lanes": lanes.iter().map(|(_, members)| members).collect::<Vec<_>>(),
            "keys": key_names,
            "bars": bars,
            "marked": self.marked,
            "faults": bands,
            "orders": orders,
        })
    }

    /// The processes, and the bars of each in the order of time. One of unknown outcome is drawn up
    /// to the next of its process, so that bars of a lane do not cover each other.
    fn lanes(&self) -> Vec<(u64, Vec<usize>)> {
        let mut order: Vec<usize> = (0..self.bars.len()).collect();
        order.sort_by_key(|at| (self.bars[*at].process, self.bars[*at].invoked));
        let mut lanes: Vec<(u64, Vec<usize>)> = Vec::new();
        for at in order {
            let bar = &self.bars[at];
            match lanes.last_mut().filter(|(process, _)| *process == bar.process) {
                Some((_, members)) => members.push(at),
                None => lanes.push((bar.process, vec![at])),
            }
        }
        lanes
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_history_becomes_part_of_the_page() {
        let hostile = "</script><script>alert(1)</script>&\"";
        let bar = Bar {
            process: 0,
            invoked: 1,
            returned: None,
            label: hostile.to_owned(),
            key: hostile.to_owned(),
            line: 1,
        };
        let page = Page {
            title: hostile.to_owned(),
            verdict: hostile.to_owned(),
            story: hostile.to_owned(),
            bars: vec![bar],
            marked: vec![0],
            faults: Vec::new(),
            orders: vec![Order { name: hostile.to_owned(), steps: vec![(0, hostile.to_owned())] }],
        };
        let html = page.render();
        assert!(!html.contains("alert(1)</script>"), "{html}");
        assert_eq!(html.matches("</script>").count(), 2, "only our own two end");
        let data = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["bars"][0][3], hostile);
    }
}
