//! Question: what do a million transactions cost?
//!
//! Workload: transactions of four accesses to 100,000 keys, half of them reads, by 100 clients that
//! overlap; versions are known. Once as it was executed, and with one damage of each class in its
//! middle. The time is that of the process on its processors, and is for tables, order, replay
//! and the cycle; making the history is not in it. Peak memory is that of the whole process, the
//! history included. Noise: 10 % between runs on a quiet machine.
//!
//! `cargo bench -p lincheck --bench transactions`

use std::fs;

use lincheck::levels::transactions::{Access, Action, RealTime, Transactions, Verdict, check};
use rustix::time::{ClockId, clock_gettime};

#[path = "../tests/generator/random.rs"]
mod random;

use random::Random;

const TRANSACTIONS: u64 = 1_000_000;
const KEYS: u64 = 100_000;
const CLIENTS: u64 = 100;

/// What is put into the middle of the history.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    None,
    /// Two transactions write two keys in opposite orders.
    WriteCycle,
    /// Two transactions read what the other wrote.
    InformationCycle,
    /// A transaction sees one write of another and misses an earlier one of it.
    ReadSkew,
    /// Two transactions read both keys and write one each.
    WriteSkew,
    /// A read of an old version, long after the next one was written.
    StaleRead,
}

fn main() {
    for damage in [
        Damage::None,
        Damage::WriteCycle,
        Damage::InformationCycle,
        Damage::ReadSkew,
        Damage::WriteSkew,
        Damage::StaleRead,
    ] {
        let history = generate(damage);
        for real_time in [RealTime::Respected, RealTime::Ignored] {
            let start = cpu_seconds();
            let verdict = check(&history, real_time);
            let seconds = cpu_seconds() - start;
            let told = match verdict {
                Verdict::Legal(order) => format!("legal, {} in order", order.len()),
                Verdict::Illegal(anomalies) => {
                    let worst = &anomalies[0];
                    format!("illegal, {}, {} edges", worst.class.name(), worst.evidence.len())
                }
                Verdict::Undecided { .. } => "undecided".to_owned(),
            };
            println!("{damage:?} {real_time:?}: {seconds:.3} s, {} MB peak, {told}", peak_mb());
        }
    }
}

fn generate(damage: Damage) -> Transactions {
    let mut random = Random(7);
    let keys = usize::try_from(KEYS + 2).expect("few keys");
    let mut versions = vec![0_u64; keys];
    let count = usize::try_from(TRANSACTIONS).expect("few transactions");
    let mut history = Transactions::with_capacity(count + 4, 4 * count + 16);
    let access = |key: u64, version, action| {
        let key = u32::try_from(key).expect("few keys");
        Access { version, key, action }
    };
    for at in 0..TRANSACTIONS {
        let process = u32::try_from(at % CLIENTS).expect("few clients");
        let line = u32::try_from(at).expect("few transactions");
        // Executed at its invocation, a hundred at a time.
        let invoked = at * 10;
        let returned = invoked + 10 * (CLIENTS - 1) - random.below(400);
        let drawn = [(); 4].map(|()| (random.below(KEYS), random.below(2) == 0));
        let accesses = drawn.map(|(key, read)| {
            let version = &mut versions[usize::try_from(key).expect("few keys")];
            *version += u64::from(!read);
            access(key, *version, if read { Action::Read } else { Action::Write })
        });
        history.push((process, line), (invoked, returned), accesses);
        if at == TRANSACTIONS / 2 {
            plant(damage, &mut |accesses| {
                let two =
                    accesses.map(|(key, version, action)| access(KEYS + key, version, action));
                history.push((1_000, line), (invoked, returned), two);
            });
            if damage == Damage::StaleRead {
                let late = returned + 1;
                let read = [access(KEYS, 0, Action::Read), access(KEYS + 1, 0, Action::Read)];
                history.push((1_001, line), (late, late + 1), read);
            }
        }
    }
    history
}

/// Two accesses to two fresh keys for each damaged transaction.
fn plant(damage: Damage, push: &mut impl FnMut([(u64, u64, Action); 2])) {
    use Action::{Read, Write};
    let pairs = match damage {
        Damage::None => return,
        Damage::WriteCycle => [[(0, 1, Write), (1, 2, Write)], [(0, 2, Write), (1, 1, Write)]],
        Damage::InformationCycle => [[(0, 1, Write), (1, 1, Read)], [(0, 1, Read), (1, 1, Write)]],
        Damage::ReadSkew => [[(0, 1, Write), (1, 1, Write)], [(0, 0, Read), (1, 1, Read)]],
        Damage::WriteSkew => [[(0, 0, Read), (1, 1, Write)], [(0, 1, Write), (1, 0, Read)]],
        Damage::StaleRead => [[(0, 1, Write), (1, 1, Write)], [(0, 1, Read), (1, 1, Read)]],
    };
    pairs.into_iter().for_each(push);
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a process lives less than 2^52 seconds")]
    let seconds = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    seconds
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1024
}
