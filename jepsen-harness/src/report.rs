//! The report of a run: one HTML file that needs nothing else, verdict first.

pub mod statistics;

mod chart;

use std::fs;
use std::io;
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::nemesis::{Effect, FaultReport};
use crate::run::Outcome;
use crate::verdict::{Row, Verdict, grouped, overall};
use statistics::{
    Bucket, WINDOW_NS, Window, buckets, float, latencies_ns, longest_silence_ns, percentile,
    windows, writes_again_ns,
};

/// What a report shows.
pub struct Report<'a> {
    /// The headline.
    pub title: &'a str,
    /// How to do it again.
    pub command: &'a str,
    /// What everything random followed from.
    pub seed: u64,
    /// The verdict of each part.
    pub rows: &'a [Row],
    /// Drawings of what went wrong, with a headline each.
    pub diagrams: &'a [(String, String)],
    /// The cluster run, if there was one.
    pub outcome: Option<&'a Outcome>,
}

/// Writes a report.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(path: &Path, report: &Report<'_>) -> io::Result<()> {
    fs::write(path, page(report).into_string())
}

/// The whole page.
#[must_use]
pub fn page(report: &Report<'_>) -> Markup {
    let verdict = overall(report.rows);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.title) ": " (verdict) }
                style { (PreEscaped(include_str!("report/style.css"))) }
            }
            body {
                main {
                    header {
                        h1 { (report.title) " " (pill(verdict)) }
                        p class="sub" { "seed " (report.seed) }
                    }
                    @if let Some(outcome) = report.outcome { (figures(outcome)) }
                    (verdicts(report.rows))
                    @for (headline, drawing) in report.diagrams {
                        section {
                            h2 { (headline) }
                            pre { (drawing) }
                        }
                    }
                    @if let Some(outcome) = report.outcome {
                        (charts(outcome))
                        (availability(outcome))
                        (faults(outcome))
                    }
                    (again(report))
                }
            }
        }
    }
}

fn pill(verdict: Verdict) -> Markup {
    html! { span class={ "pill " (verdict) } { (verdict) } }
}

fn verdicts(rows: &[Row]) -> Markup {
    html! {
        section {
            h2 { "Verdict" }
            div class="scroll" {
                table {
                    thead { tr { th { "part" } th { "verdict" } th { "figures" } } }
                    tbody {
                        @for row in rows {
                            tr { td { (row.part) } td { (pill(row.verdict)) } td { (row.detail) } }
                        }
                    }
                }
            }
        }
    }
}

/// The few numbers that everybody asks for first.
fn figures(outcome: &Outcome) -> Markup {
    let buckets = buckets(&outcome.lines);
    let latencies = latencies_ns(&buckets);
    let counts = outcome.counts;
    let all = counts.acknowledged + counts.failed + counts.unknown;
    let share = |part: u64| format!("{:.2} %", 100.0 * float(part) / float(all.max(1)));
    let latency = |percent| percentile(&latencies, percent).map_or("none".into(), milliseconds);
    let figures = [
        (grouped(counts.acknowledged), "operations acknowledged"),
        (latency(50), "median latency"),
        (latency(99), "p99 latency, faults included"),
        (share(counts.unknown), "of all operations unknown"),
        (share(counts.failed), "of all operations failed"),
        (outcome.faults.len().to_string(), "faults"),
    ];
    html! {
        section class="figures" {
            @for (number, name) in figures {
                div class="figure" { b { (number) } span { (name) } }
            }
        }
    }
}

fn charts(outcome: &Outcome) -> Markup {
    let buckets: Vec<Bucket> = buckets(&outcome.lines);
    html! {
        section {
            h2 { "Latency of acknowledged operations" }
            (chart::latency(&buckets, &outcome.faults))
            (legend(&[("p50", "p50 per 100 ms"), ("p99", "p99 per 100 ms")]))
        }
        section {
            h2 { "Operations per second" }
            (chart::throughput(&buckets, &outcome.faults))
            (legend(&[
                ("acknowledged", "acknowledged"),
                ("unknown", "unknown"),
                ("failed", "failed, certainly without effect"),
                ("kill", "killed"),
                ("pause", "paused"),
                ("cut", "cut or a bad link"),
                ("clock", "clock"),
                ("disk", "disk"),
            ]))
        }
    }
}

/// The share of acknowledged operations, window by window.
fn availability(outcome: &Outcome) -> Markup {
    let windows = windows(&outcome.lines);
    let share = |window: &Window| 100.0 * float(window.acknowledged) / float(window.ended.max(1));
    let seconds = WINDOW_NS / 1_000_000_000;
    html! {
        section {
            h2 { "Availability per " (seconds) " s" }
            div class="scroll" {
                table {
                    thead { tr {
                        th class="number" { "from" } th class="number" { "ended" }
                        th class="number" { "acknowledged" }
                    } }
                    tbody {
                        @for (at, window) in windows.iter().enumerate() {
                            tr {
                                td class="number" { (at as u64 * seconds) " s" }
                                td class="number" { (grouped(window.ended)) }
                                td class="number" { (format!("{:.2} %", share(window))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn legend(entries: &[(&str, &str)]) -> Markup {
    html! {
        p class="legend" {
            @for (colour, name) in entries {
                span { i style={ "background: var(--" (colour) ")" } {} (name) }
            }
        }
    }
}

fn faults(outcome: &Outcome) -> Markup {
    let silence = |fault: &FaultReport| {
        longest_silence_ns(&outcome.lines, fault.start_ns, fault.recovered_ns)
    };
    let again = |fault: &FaultReport| {
        writes_again_ns(&outcome.lines, fault.end_ns).map_or("never".to_owned(), milliseconds)
    };
    html! {
        section {
            h2 { "Faults" }
            @if outcome.faults.is_empty() { p class="sub" { "None." } } @else {
                div class="scroll" {
                    table {
                        thead {
                            tr {
                                th { "fault" } th class="number" { "at" } th class="number" { "held" }
                                th class="number" { "one leader again after" }
                                th class="number" { "writes again after" }
                                th class="number" { "longest silence" } th { "measured effect" }
                            }
                        }
                        tbody {
                            @for fault in &outcome.faults {
                                tr {
                                    td { (fault.title()) }
                                    td class="number" { (milliseconds(fault.start_ns)) }
                                    td class="number" { (milliseconds(fault.end_ns - fault.start_ns)) }
                                    td class="number" {
                                        (milliseconds(fault.recovered_ns - fault.end_ns))
                                    }
                                    td class="number" { (again(fault)) }
                                    td class="number" { (milliseconds(silence(fault))) }
                                    td {
                                        @match &fault.effect {
                                            Effect::Measured(text) => (text),
                                            Effect::None(text) => {
                                                (pill(Verdict::Void)) " " (text)
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn again(report: &Report<'_>) -> Markup {
    html! {
        section {
            h2 { "Once more" }
            pre { (report.command) }
            @if let Some(outcome) = report.outcome {
                @for played in &outcome.played {
                    @let name = played.history.file_name().unwrap_or_default().to_string_lossy();
                    pre { "cargo lincheck check " (played.kind.question().arguments()) " " (name) }
                }
                p class="sub" {
                    "Beside this file: the histories, " code { "node-N.log" } ", "
                    code { "node-N.toml" } ", " code { "data-N" } "."
                }
            }
        }
        footer { "ringleader " (env!("CARGO_PKG_VERSION")) }
    }
}

fn milliseconds(ns: u64) -> String {
    if ns >= 1_000_000_000 {
        format!("{:.2} s", float(ns) / 1e9)
    } else {
        format!("{:.1} ms", float(ns) / 1e6)
    }
}
