//! Verdicts, the table that shows them, and the exit codes they become.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// What one part of a run came to. The order is that of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As promised.
    Holds,
    /// Says nothing: too few operations, a fault without effect, a search that gave up.
    Void,
    /// A promise is broken.
    Violated,
}

impl Verdict {
    /// The exit code of a program that came to this verdict.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Violated => 1,
            Self::Void => 3,
        }
    }

    /// The word in tables and documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Void => "void",
            Self::Violated => "violated",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One line of a verdict table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What was judged.
    pub part: String,
    /// What it came to.
    pub verdict: Verdict,
    /// The figures behind it, or what went wrong.
    pub detail: String,
}

impl Row {
    /// A line of a verdict table.
    pub fn new(part: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { part: part.into(), verdict, detail: detail.into() }
    }
}

/// The verdict of several parts together: the worst of them. Nothing judged is void.
#[must_use]
pub fn overall(rows: &[Row]) -> Verdict {
    rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Void)
}

/// The table as text.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.part.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let detail = row.detail.lines().next().unwrap_or_default();
        writeln!(text, "  {:width$}  {:8}  {detail}", row.part, row.verdict)
            .expect("a string takes everything");
    }
    text
}

/// The rows as a JUnit document, for machines that collect test results.
#[must_use]
pub fn junit(suite: &str, rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        escape(suite),
        rows.len(),
        count(Verdict::Violated),
        count(Verdict::Void),
    );
    for row in rows {
        let (open, close) = match row.verdict {
            Verdict::Holds => ("<system-out>", "</system-out>"),
            Verdict::Violated => ("<failure>", "</failure>"),
            Verdict::Void => ("<skipped/><system-out>", "</system-out>"),
        };
        writeln!(
            text,
            "  <testcase name=\"{}\">{open}{}{close}</testcase>",
            escape(&row.part),
            escape(&row.detail)
        )
        .expect("a string takes everything");
    }
    text.push_str("</testsuite>\n");
    text
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Not allowed in XML 1.0 at all, not even escaped.
            control if control.is_control() && !matches!(control, '\n' | '\t') => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number with a comma between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides() {
        let rows = |verdicts: &[Verdict]| -> Vec<Row> {
            verdicts.iter().map(|verdict| Row::new("part", *verdict, "")).collect()
        };
        assert_eq!(overall(&rows(&[Verdict::Holds, Verdict::Holds])), Verdict::Holds);
        assert_eq!(overall(&rows(&[Verdict::Holds, Verdict::Void])), Verdict::Void);
        assert_eq!(
            overall(&rows(&[Verdict::Void, Verdict::Violated, Verdict::Holds])),
            Verdict::Violated
        );
        assert_eq!(overall(&[]), Verdict::Void);
        assert_eq!(Verdict::Violated.exit_code(), 1);
        assert_eq!(Verdict::Void.exit_code(), 3);
    }

    #[test]
    fn the_table_is_aligned() {
        let rows = [
            Row::new("history", Verdict::Holds, "41,000 operations"),
            Row::new("all faults had an effect", Verdict::Void, "one did not\nmore"),
        ];
        assert_eq!(
            table(&rows),
            "  history                   holds     41,000 operations\n  \
             all faults had an effect  void      one did not\n"
        );
    }

    #[test]
    fn junit_counts_and_escapes() {
        let text = junit("verify", &[Row::new("a<b", Verdict::Violated, "x & \u{1b}y")]);
        assert!(text.contains("tests=\"1\" failures=\"1\" skipped=\"0\""), "{text}");
        assert!(text.contains("name=\"a&lt;b\"><failure>x &amp; y</failure>"), "{text}");
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
