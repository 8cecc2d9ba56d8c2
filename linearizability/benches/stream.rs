//! Question: how many operations does the streaming check take per CPU second, and what does it keep?
//!
//! Workload: clients on 10 keys that always have an operation open, half reads, half writes of values
//! that are distinct or of a domain of five; outcomes known, or 1 % unknown for 20 operations' time. It is made
//! while it is checked; its own time is measured first and taken off. CPU time of one thread.
//! `cargo bench -p lincheck --bench stream`; an argument is the number of operations.

use generator::Random;
use lincheck::history::Event;
use lincheck::{Cell, CellAction, Stream, StreamVerdict, Token};
use stopwatch::cpu;

#[path = "../tests/generator/random.rs"]
mod generator;
mod stopwatch;

/// A run of clients against perfect registers.
struct Run {
    random: Random,
    cells: [Option<Token>; 10],
    /// What each client has open, if anything.
    open: Vec<Option<CellAction>>,
    /// The process that each client is now: a new one after an unknown outcome.
    processes: Vec<u64>,
    values: Option<u64>,
    unknown_per_thousand: u64,
    number: i64,
}

impl Run {
    /// A client goes on: its process, and what happens.
    fn next(&mut self) -> (u64, Event<CellAction>) {
        let client = usize::try_from(self.random.below(self.open.len() as u64)).expect("few");
        let process = self.processes[client];
        let Some(action) = self.open[client].take() else {
            let key = self.random.below(10);
            self.number += 1;
            let value =
                self.values.map_or(self.number, |values| self.random.below(values).cast_signed());
            let key = Token::from(key.cast_signed());
            let action = match self.random.below(2) {
                0 => CellAction::get(key, None),
                _ => CellAction::put(key, Token::from(value)),
            };
            self.open[client] = Some(action);
            return (process, Event::Invoke(action));
        };
        let Token::Number(key) = action.key else { unreachable!("keys are numbers") };
        let cell = &mut self.cells[usize::try_from(key).expect("few")];
        let done = match action.wrote() {
            Some(value) => {
                *cell = value;
                action
            }
            None => CellAction::get(action.key, *cell),
        };
        if self.random.below(1_000) < self.unknown_per_thousand {
            self.processes[client] += self.open.len() as u64;
            return (process, Event::Unknown);
        }
        (process, Event::Return(done))
    }
}

fn main() {
    let asked = std::env::args().find_map(|argument| argument.parse().ok());
    let operations: u64 = asked.unwrap_or(2_000_000);
    for (clients, values, unknown) in
        [(10, None, 0), (10, Some(5), 0), (100, None, 0), (10, None, 10), (10, Some(5), 10)]
    {
        let run = || Run {
            random: Random(7),
            cells: [None; 10],
            open: vec![None; clients],
            processes: (0..clients as u64).collect(),
            values,
            unknown_per_thousand: unknown,
            number: 0,
        };
        let mut alone = run();
        let start = cpu();
        let mut sum = 0;
        for _ in 0..operations * 2 {
            sum += alone.next().0;
        }
        std::hint::black_box(sum);
        let making = cpu().saturating_sub(start);

        let mut run = run();
        let expiry = (unknown > 0).then_some(20 * clients as u64);
        let mut stream = Stream::new(Cell, expiry);
        let start = cpu();
        let mut kept = 0;
        for time in 0..operations * 2 {
            let (process, event) = run.next();
            stream.event(process, time, 0, event).expect("clients do one thing at a time");
            if time % 10_000 == 0 {
                let load = stream.load();
                kept = kept.max(load.open + load.waiting + load.unknown);
            }
        }
        let verdict = stream.finish();
        let seconds = cpu().saturating_sub(start).saturating_sub(making).as_secs_f64();
        assert!(matches!(verdict, StreamVerdict::Legal), "{verdict:?}");
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let rate = operations as f64 / seconds / 1e6;
        println!(
            "{clients} clients, {values:?} values, {unknown} per thousand unknown: {rate:.2} M \
             operations per second, {kept} kept"
        );
    }
}
