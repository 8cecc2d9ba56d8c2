//! Drawings of a run: latency and throughput over time, with the faults as bands behind them.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::statistics::{BUCKET_NS, Bucket, float, percentile};
use crate::nemesis::FaultReport;

/// The drawing's size and where its axes are, in its own units.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 986.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 246.0;
/// Names of faults stand in two rows above the drawing.
const NAME_ROW: f64 = 14.0;
/// About the width of a letter of such a name.
const LETTER: f64 = 6.6;
/// Two rows of marks below the latency chart, and the time axis below them.
const MARK_ROW: f64 = 13.0;

/// Latencies are drawn on a logarithmic scale from 0.1 ms to 10 s.
const DECADE_FIRST: f64 = -1.0;
const DECADES: f64 = 5.0;

/// Seconds to horizontal position.
struct Time {
    seconds: f64,
}

impl Time {
    fn of(buckets: &[Bucket]) -> Self {
        Self { seconds: seconds((buckets.len().max(1) as u64) * BUCKET_NS) }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn x_ns(&self, ns: u64) -> f64 {
        self.x(seconds(ns))
    }

    /// The left edge of a bucket.
    fn x_bucket(&self, index: usize) -> f64 {
        self.x_ns(index as u64 * BUCKET_NS)
    }

    fn axis(&self, y: f64) -> Markup {
        let step = [1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 300.0];
        let step = step.into_iter().find(|step| self.seconds / step <= 14.0).unwrap_or(600.0);
        let count = whole(self.seconds / step);
        html! {
            @for tick in 0..=count {
                @let at = f64::from(tick) * step;
                @let x = self.x(at);
                line class="tick" x1=(px(x)) x2=(px(x)) y1=(px(y)) y2=(px(y + 4.0)) {}
                text class="label" x=(px(x)) y=(px(y + 16.0)) text-anchor="middle" { (at) " s" }
            }
        }
    }
}

/// Latency over time: p50 and p99 per 100 ms, and marks for what failed or is unknown.
pub(super) fn latency(buckets: &[Bucket], faults: &[FaultReport]) -> Markup {
    let time = Time::of(buckets);
    let marks_top = BOTTOM + 8.0;
    let axis = marks_top + 2.0 * MARK_ROW + 2.0;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (axis + 24.0) } role="img" aria-label="latency over time" {
            (bands(&time, faults, axis))
            @for decade in 0..=whole(DECADES) {
                @let power = DECADE_FIRST + f64::from(decade);
                @let y = latency_y(10_f64.powf(power));
                line class="grid" x1=(LEFT) x2=(RIGHT) y1=(px(y)) y2=(px(y)) {}
                text class="label" x=(LEFT - 8.0) y=(px(y + 4.0)) text-anchor="end" {
                    (decade_name(power))
                }
            }
            @for (class, percent) in [("p99", 99), ("p50", 50)] {
                path class=(class) d=(latency_path(buckets, &time, percent)) {}
            }
            (marks(&time, buckets, marks_top, "failed", |bucket| bucket.failed))
            (marks(&time, buckets, marks_top + MARK_ROW, "unknown", |bucket| bucket.unknown))
            (time.axis(axis))
        }
    }
}

/// Operations per second over time, by how they ended.
pub(super) fn throughput(buckets: &[Bucket], faults: &[FaultReport]) -> Markup {
    let time = Time::of(buckets);
    let per_second = 1e9 / float(BUCKET_NS);
    let all = |bucket: &Bucket| bucket.acknowledged() + bucket.failed + bucket.unknown;
    let most = float(buckets.iter().map(all).max().unwrap_or(0).max(1)) * per_second;
    let step = round_step(most / 4.0);
    let top = (most / step).ceil() * step;
    let y = |rate: f64| BOTTOM - (BOTTOM - TOP) * rate / top;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (BOTTOM + 28.0) } role="img"
            aria-label="operations per second over time" {
            (bands(&time, faults, BOTTOM))
            @for line in 0..=whole(top / step) {
                @let rate = f64::from(line) * step;
                line class="grid" x1=(LEFT) x2=(RIGHT) y1=(px(y(rate))) y2=(px(y(rate))) {}
                text class="label" x=(LEFT - 8.0) y=(px(y(rate) + 4.0)) text-anchor="end" { (rate) }
            }
            @for (index, bucket) in buckets.iter().enumerate() {
                @let (left, right) = (time.x_bucket(index), time.x_bucket(index + 1));
                @for (class, from, count) in stacked(bucket) {
                    @if count > 0 {
                        @let (from, to) = (float(from) * per_second, float(from + count) * per_second);
                        rect class=(class) x=(px(left)) width=(px((right - left - 0.4).max(0.5)))
                            y=(px(y(to))) height=(px(y(from) - y(to))) {
                            title { (count) " " (class) " at " (tenths(index)) " s" }
                        }
                    }
                }
            }
            line class="axis" x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
            (time.axis(BOTTOM))
        }
    }
}

/// The parts of a throughput column from the bottom up: name, start and count.
fn stacked(bucket: &Bucket) -> [(&'static str, u64, u64); 3] {
    let acknowledged = bucket.acknowledged();
    [
        ("acknowledged", 0, acknowledged),
        ("unknown", acknowledged, bucket.unknown),
        ("failed", acknowledged + bucket.unknown, bucket.failed),
    ]
}

/// The faults: a band while one holds, a lighter one until the cluster has recovered.
fn bands(time: &Time, faults: &[FaultReport], bottom: f64) -> Markup {
    let top = TOP - 4.0;
    html! {
        @for (fault, (x, y)) in faults.iter().zip(name_places(time, faults)) {
            @let (start, end) = (time.x_ns(fault.start_ns), time.x_ns(fault.end_ns));
            @let recovered = time.x_ns(fault.recovered_ns);
            g class={ "fault " (family(&fault.kind)) } {
                title { (fault.title()) }
                rect class="band" x=(px(start)) y=(top) width=(px(end - start))
                    height=(px(bottom - top)) {}
                rect class="recovery" x=(px(end)) y=(top) width=(px(recovered - end))
                    height=(px(bottom - top)) {}
                text class="name" x=(px(x)) y=(px(y)) { (fault.title()) }
            }
        }
    }
}

/// Where the names of the faults stand: above their bands, in the upper row where the lower one
/// has no room, and never beyond the right edge.
fn name_places(time: &Time, faults: &[FaultReport]) -> Vec<(f64, f64)> {
    let lower = TOP - 10.0;
    // Where the last name of the lower row ends.
    let mut taken = 0.0;
    let place = |fault: &FaultReport| {
        let width = LETTER * float(fault.title().chars().count() as u64);
        let x = time.x_ns(fault.start_ns).min(WIDTH - width);
        if x < taken {
            taken = 0.0;
            return (x, lower - NAME_ROW);
        }
        taken = x + width;
        (x, lower)
    };
    faults.iter().map(place).collect()
}

/// Kinds that share a colour.
fn family(kind: &str) -> &'static str {
    if ["kill", "restart", "rolling"].iter().any(|stem| kind.starts_with(stem)) {
        "kill"
    } else if kind.starts_with("pause") {
        "pause"
    } else if kind.contains("clock") {
        "clock"
    } else if ["disk", "sync", "log", "tree", "power"].iter().any(|part| kind.contains(part)) {
        "disk"
    } else {
        "cut"
    }
}

/// A row of marks, one per bucket that has something to mark, darker where there is more.
fn marks(
    time: &Time,
    buckets: &[Bucket],
    top: f64,
    class: &str,
    count: impl Fn(&Bucket) -> u64,
) -> Markup {
    html! {
        text class="label" x=(LEFT - 8.0) y=(px(top + 9.0)) text-anchor="end" { (class) }
        line class="grid" x1=(LEFT) x2=(RIGHT) y1=(px(top + 5.0)) y2=(px(top + 5.0)) {}
        @for (index, bucket) in buckets.iter().enumerate().filter(|(_, one)| count(one) > 0) {
            @let (left, right) = (time.x_bucket(index), time.x_bucket(index + 1));
            @let opacity = (0.35 + float(count(bucket)) / 20.0).min(1.0);
            rect class=(class) x=(px(left)) width=(px((right - left).max(1.0))) y=(px(top))
                height="10" rx="1" fill-opacity=(px(opacity)) {
                title { (count(bucket)) " " (class) " at " (tenths(index)) " s" }
            }
        }
    }
}

/// A line through the percentiles, broken where nothing was acknowledged.
fn latency_path(buckets: &[Bucket], time: &Time, percent: usize) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for (index, bucket) in buckets.iter().enumerate() {
        let Some(latency_ns) = percentile(&bucket.latencies_ns, percent) else {
            pen_down = false;
            continue;
        };
        let x = f64::midpoint(time.x_bucket(index), time.x_bucket(index + 1));
        let y = latency_y(float(latency_ns) / 1e6);
        // A lone bucket becomes a dot: a line of no length with round caps.
        let (command, dot) = if pen_down { ('L', "") } else { ('M', "h0") };
        write!(path, "{command}{x:.1} {y:.1}{dot}").expect("a string takes everything");
        pen_down = true;
    }
    path
}

fn latency_y(ms: f64) -> f64 {
    let share = (ms.log10() - DECADE_FIRST) / DECADES;
    BOTTOM - (BOTTOM - TOP) * share.clamp(0.0, 1.0)
}

fn decade_name(power: f64) -> String {
    if power < 3.0 {
        format!("{} ms", 10_f64.powf(power))
    } else {
        format!("{} s", 10_f64.powf(power - 3.0))
    }
}

/// A round number of about this size: 1, 2 or 5 with zeros.
fn round_step(size: f64) -> f64 {
    let power = 10_f64.powf(size.max(1.0).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power);
    round.into_iter().find(|step| *step >= size).unwrap_or(power)
}

fn seconds(ns: u64) -> f64 {
    float(ns) / 1e9
}

fn tenths(bucket: usize) -> String {
    format!("{}.{}", bucket / 10, bucket % 10)
}

/// Positions with two digits: finer than any screen.
fn px(value: f64) -> String {
    format!("{value:.2}")
}

/// A small non-negative count of ticks as an integer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of grid lines are small and not negative; `as` saturates"
)]
fn whole(count: f64) -> u32 {
    count.floor() as u32
}
