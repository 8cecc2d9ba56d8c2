//! The verdicts as JSON and as `JUnit` XML.

use std::fmt::Write as _;

use lincheck::judge::Finding;
use serde_json::{Value, json};

use crate::check::{Checked, Decided};
use crate::subject::Answer;

pub(crate) fn as_json(checked: &[Checked]) -> Value {
    let mut histories = Vec::new();
    let mut errors = Vec::new();
    for one in checked {
        match &one.result {
            Err(error) => errors.push(json!({ "file": one.file, "message": error })),
            Ok(decided) => histories.push(history(&one.file, decided)),
        }
    }
    json!({ "version": 1, "histories": histories, "errors": errors })
}

fn history(file: &str, decided: &Decided) -> Value {
    let Answer { model, level, judgement, warning, .. } = &decided.answer;
    let (reason, counterexample) = match &judgement.finding {
        Finding::Legal(_) => (Value::Null, Value::Null),
        Finding::Undecided { reason } => (json!(reason), Value::Null),
        Finding::Illegal { key, first_line, listing, explanation, .. } => (
            json!(explanation.summary),
            json!({
                "key": key,
                "first_line": first_line,
                "operations": listing.lines().collect::<Vec<_>>(),
                "prose": explanation.prose,
                "picture": explanation.picture,
            }),
        ),
    };
    json!({
        "file": file,
        "model": model.name(),
        "level": level.name(),
        "operations": judgement.operations,
        "unknown": judgement.unknown,
        "verdict": judgement.finding.name(),
        "seconds": judgement.elapsed.as_secs_f64(),
        "cpu_seconds": decided.cpu_seconds,
        "peak_bytes": decided.peak_bytes,
        "reason": reason,
        "warning": warning,
        "counterexample": counterexample,
    })
}

/// One test case for each file: an illegal one is a failure, one that was refused or is undecided
/// an error.
pub(crate) fn as_junit(checked: &[Checked]) -> String {
    let verdict = |one: &Checked| one.result.as_ref().ok().map(Decided::verdict);
    let failures = checked.iter().filter(|one| verdict(one) == Some("illegal")).count();
    let errors =
        checked.iter().filter(|one| matches!(verdict(one), None | Some("undecided"))).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuite name=\"lincheck\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">",
        checked.len()
    );
    for one in checked {
        let file = escape(&one.file);
        let (name, time) = one.result.as_ref().map_or(("", 0.0), |decided| {
            let seconds = decided.answer.judgement.elapsed.as_secs_f64();
            (decided.answer.level.name(), seconds)
        });
        let _ = write!(
            xml,
            "  <testcase classname=\"lincheck {name}\" name=\"{file}\" time=\"{time:.6}\">"
        );
        let body = match &one.result {
            Err(error) => element("error", "unusable", error, ""),
            Ok(decided) => match &decided.answer.judgement.finding {
                Finding::Legal(_) => String::new(),
                Finding::Undecided { reason } => element("error", "undecided", reason, ""),
                Finding::Illegal { listing, explanation, .. } => {
                    let text = format!("{listing}\n{}", explanation.prose);
                    element("failure", "illegal", &explanation.summary, &text)
                }
            },
        };
        let _ = writeln!(xml, "{body}</testcase>");
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn element(element: &str, kind: &str, message: &str, text: &str) -> String {
    let (message, text) = (escape(message), escape(text));
    format!("<{element} type=\"{kind}\" message=\"{message}\">{text}</{element}>")
}

/// Without what XML reserves, and without control characters, which it cannot hold.
fn escape(text: &str) -> String {
    let printable = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = text.chars().filter(printable).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
