//! Decides one partition by several searches, each of which is right when it speaks.
//!
//! An *exact* search keeps all configurations, as long as they are few and take few steps. Most
//! histories need no other. Where they become too many, the others go on.
//!
//! A *narrow* search keeps only the cheapest configurations: what survives all events has a witness,
//! so *legal* is final. When it dies it goes back some events and goes on wider, further back and
//! wider each time it dies again, and narrow once more behind the hard place. If nothing was left
//! out since the first event, *illegal* is final.
//!
//! A *relaxed* search starts some events before the death from configurations that are at least
//! whatever could be there (every state, all pending operations met and available, no unknown
//! operation used), or treats frequent kinds of unknown operations as unlimited, or both. It can do
//! whatever the exact one can, so when it dies without having left anything out, *illegal* is final.
//! The narrow search survived all events before, so the return is the same.
//!
//! Some histories need more than any budget: the problem is NP-complete (Gibbons and Korach 1997,
//! theorem 4.1). Then the portfolio says undecided.

use super::automaton::{Automaton, Interned, Stepper};
use super::engine::WITNESS_STEPS_FIRST;
use super::engine::{Exhausted, Limits, Outcome, Pass, Placed, Search, Shortage};
use super::front::{Front, Width};
use super::rules::Rules;
use super::schedule::{Event, Schedule};
use crate::history::Operation;
use crate::meter::Share;
use crate::model::Model;

/// Configurations of the exact search.
const WIDTH_EXACT: usize = 4096;

/// Model steps for each event that the exact search may take, and some more for hard moments.
const STEPS_EXACT_PER_EVENT: u64 = 16;

/// See above.
const STEPS_EXACT_MORE: u64 = 1 << 19;

/// Configurations of the narrow search.
const WIDTH_NARROW: usize = 8;

/// Events between two checkpoints.
const STRIDE: usize = 32;

/// How far the first attempt to go on goes back, in events.
const BACK_FIRST: usize = 64;

/// By how much the next attempt goes further back, and is wider.
const GROWTH: usize = 4;

/// Configurations of a relaxed search.
const WIDTH_RELAXED: usize = 4096;

/// Model steps that relaxed searches may take beyond half of those of the others: most deaths are
/// no fault of the history.
const STEPS_RELAXED_FREE: u64 = 1 << 17;

/// From more states no relaxed search starts.
const STATES_RELAXED_MAX: u32 = 64;

/// Kinds of unknown operations with more members count as unlimited, by attempt.
const COUNTED_MAX: [usize; 4] = [0, 3, 8, 32];

/// Decides whether `operations`, all of one key, are linearizable, and counts the model steps.
#[must_use]
pub(crate) fn search<M: Model>(
    operations: &[Operation<M::Action>],
    model: &M,
    rules: Rules,
    limits: &Limits<'_>,
    memory: Share<'_>,
) -> (Outcome<M::State>, u64) {
    let (mut schedule, actions) = Schedule::new(operations, model);
    let quotient = if rules.quotient { model.quotient(operations) } else { None };
    let mut interned = Interned::new(model, actions, quotient);
    let manners = interned.manners();
    let known: Known<'_> = &mut interned;
    let automaton = Automaton::new(known, manners, operations.len());
    let kinds = std::mem::take(&mut schedule.kinds);
    let kinds = (kinds, std::mem::take(&mut schedule.offers));
    let memory = Some(memory);
    let (found, steps) = match schedule.pending_max {
        0..=64 => solve(Search::<_, 1>::new(automaton, kinds, rules, *limits, memory), &schedule),
        65..=256 => solve(Search::<_, 4>::new(automaton, kinds, rules, *limits, memory), &schedule),
        257..=4096 => {
            solve(Search::<_, 64>::new(automaton, kinds, rules, *limits, memory), &schedule)
        }
        _ => (Found::Undecided { operation: 0, reason: Shortage::Slots }, 0),
    };
    let outcome = match found {
        Found::Legal(order) => {
            let place = |(operation, event): (u32, u32)| Placed {
                position: operation as usize,
                point: moment(schedule.events[event as usize], operations),
            };
            Outcome::Legal(order.into_iter().map(place).collect())
        }
        Found::Illegal { operation, states } => Outcome::Illegal {
            position: operation as usize,
            states: states.into_iter().map(|state| interned.state(state).clone()).collect(),
        },
        Found::Undecided { operation, reason } => {
            Outcome::Undecided { position: operation as usize, reason }
        }
    };
    (outcome, steps)
}

/// The time of an event.
fn moment<A>(event: Event, operations: &[Operation<A>]) -> u64 {
    match event {
        Event::Call { operation } | Event::Offer { operation, .. } => {
            operations[operation as usize].invoked
        }
        Event::Return { operation } => operations[operation as usize]
            .returned
            .expect("only operations that returned have a return event"),
    }
}

/// What the portfolio found.
enum Found {
    /// Operations, and the events at which they take effect.
    Legal(Vec<(u32, u32)>),
    Illegal {
        operation: u32,
        states: Vec<u32>,
    },
    Undecided {
        operation: u32,
        reason: Shortage,
    },
}

/// States and actions of any model: one search for all of them is soon compiled.
type Known<'a> = &'a mut (dyn Stepper + 'a);

fn solve<const W: usize>(search: Search<'_, Known<'_>, W>, schedule: &Schedule) -> (Found, u64) {
    let front = Front::new(search.kinds.len(), search.rules.dominance);
    let mut portfolio = Portfolio {
        search,
        schedule,
        checkpoints: vec![front.clone()],
        front,
        is_exact: true,
        deepest: 0,
        level: 0,
        calm_after: 0,
        forget_at: WITNESS_STEPS_FIRST,
        relaxed: Relaxed { steps: 0, level: 0, event: usize::MAX },
    };
    let found = portfolio.run().unwrap_or_else(|Exhausted(reason)| {
        let event = schedule.events.get(portfolio.deepest.max(portfolio.front.event));
        let operation = match event.or(schedule.events.last()) {
            Some(
                Event::Call { operation }
                | Event::Return { operation }
                | Event::Offer { operation, .. },
            ) => *operation,
            None => 0,
        };
        Found::Undecided { operation, reason }
    });
    (found, portfolio.search.steps)
}

/// How a relaxed search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    /// It died, so the history is illegal.
    Dead,
    /// It did not, or left something out.
    Survived,
    /// It takes more than its part.
    TooDear,
}

/// What relaxed searches have tried.
struct Relaxed {
    /// Model steps that they took.
    steps: u64,
    level: usize,
    /// The death that they looked at.
    event: usize,
}

struct Portfolio<'a, S, const W: usize> {
    search: Search<'a, S, W>,
    schedule: &'a Schedule,
    front: Front<W>,
    /// Earlier fronts, the older the fewer.
    checkpoints: Vec<Front<W>>,
    /// Whether nothing has been left out yet, and that shall stay so.
    is_exact: bool,
    /// The furthest event at which the search died.
    deepest: usize,
    /// How often it died without getting further: how wide it is now.
    level: usize,
    /// Behind this event it becomes narrow again.
    calm_after: usize,
    /// At that many steps of witnesses, forget.
    forget_at: usize,
    relaxed: Relaxed,
}

impl<S: Stepper, const W: usize> Portfolio<'_, S, W> {
    fn run(&mut self) -> Result<Found, Exhausted> {
        let end = self.schedule.events.len();
        loop {
            let target = (self.front.event / STRIDE + 1) * STRIDE;
            let width = self.width();
            let pass =
                self.search.advance(self.schedule, &mut self.front, target.min(end), width)?;
            if pass == Pass::Dead {
                if let Some(found) = self.died()? {
                    return Ok(found);
                }
                continue;
            }
            if self.front.event == end {
                return Ok(self.legal());
            }
            if self.is_exact && !self.may_stay_exact() {
                self.is_exact = false;
                self.front.exact = false;
                let weights = &self.search.weights;
                self.front.now.keep_cheapest(WIDTH_NARROW, weights);
            }
            if self.level > 0 && self.front.event > self.calm_after {
                self.level = 0;
            }
            self.checkpoint()?;
        }
    }

    /// Whether the exact search is worth what it takes.
    fn may_stay_exact(&self) -> bool {
        let worth = self.front.event as u64 * STEPS_EXACT_PER_EVENT + STEPS_EXACT_MORE;
        self.front.exact && self.search.steps <= worth
    }

    fn width(&self) -> Width {
        if self.is_exact {
            return Width::of(WIDTH_EXACT);
        }
        let factor = GROWTH.checked_pow(u32::try_from(self.level).unwrap_or(u32::MAX));
        factor.map_or(Width::ALL, |factor| Width::of(WIDTH_NARROW.saturating_mul(factor)))
    }

    fn legal(&mut self) -> Found {
        let (_, survivor) = self.front.now.iter().next().expect("an empty front is dead");
        let automaton = &self.search.automaton;
        let order = self
            .search
            .witnesses
            .order(survivor.trace, self.schedule, |action| automaton.nature(action));
        Found::Legal(order)
    }

    /// Keeps the front, and fewer of the older ones.
    fn checkpoint(&mut self) -> Result<(), Exhausted> {
        let now = self.front.event;
        self.checkpoints.retain(|old| {
            let number = old.event / STRIDE;
            let worth = if number == 0 { usize::MAX } else { 16 << number.trailing_zeros() };
            (now - old.event) / STRIDE <= worth
        });
        self.checkpoints.push(self.front.clone());
        let witnesses = &mut self.search.witnesses;
        if witnesses.len() > self.forget_at {
            let fronts = self.checkpoints.iter_mut().chain([&mut self.front]);
            let tips = fronts.flat_map(|front| front.now.iter_mut());
            witnesses.forget_unneeded(tips.map(|configuration| &mut configuration.trace));
            self.forget_at = WITNESS_STEPS_FIRST.max(witnesses.len() * 2);
        }
        let bytes: usize = self.checkpoints.iter().map(Front::bytes).sum();
        self.search.bytes_elsewhere = bytes + self.front.bytes() + self.schedule.bytes();
        self.search.look()
    }

    /// Nothing survives the next return: for good, or goes back.
    fn died(&mut self) -> Result<Option<Found>, Exhausted> {
        let event = self.front.event;
        if self.front.exact {
            return Ok(Some(self.illegal()));
        }
        self.is_exact = false;
        self.deepest = self.deepest.max(event);
        self.level += 1;
        if self.is_dead_relaxed(event)? {
            return Ok(Some(self.illegal()));
        }
        let shift = GROWTH.saturating_pow(u32::try_from(self.level - 1).unwrap_or(u32::MAX));
        let back = BACK_FIRST.saturating_mul(shift);
        let to = event.saturating_sub(back);
        let keep = self.checkpoints.partition_point(|old| old.event <= to).max(1);
        self.checkpoints.truncate(keep);
        self.front = self.checkpoints[keep - 1].clone();
        self.calm_after = self.calm_after.max(event + BACK_FIRST);
        Ok(None)
    }

    /// What is known when nothing survives the next return.
    fn illegal(&self) -> Found {
        let mut states: Vec<u32> =
            self.front.now.iter().map(|(_, configuration)| configuration.state).collect();
        states.sort_unstable();
        states.dedup();
        match self.schedule.events[self.front.event] {
            Event::Return { operation }
            | Event::Call { operation }
            | Event::Offer { operation, .. } => Found::Illegal { operation, states },
        }
    }

    /// Whether relaxed searches die at the same event: near ones from any state, and ones from the
    /// start with unlimited unknown operations.
    fn is_dead_relaxed(&mut self, event: usize) -> Result<bool, Exhausted> {
        if self.relaxed.event != event {
            self.relaxed = Relaxed { level: 0, event, ..self.relaxed };
        }
        let level = self.relaxed.level;
        let Some(counted_max) = COUNTED_MAX.get(level).copied() else { return Ok(false) };
        // With endless states unlimited operations would go on for ever.
        let Some(states) = self.search.automaton.all_states(STATES_RELAXED_MAX) else {
            return Ok(false);
        };
        let counted = self.search.offers.iter().map(|offers| offers.len() <= counted_max);
        self.search.counted = counted.collect();
        self.search.records = false;
        let before = self.search.steps;
        let others = before - self.relaxed.steps;
        let end = (others / 2 + STEPS_RELAXED_FREE).saturating_sub(self.relaxed.steps) + before;
        let tried = self.relaxed_passes(event, level, states, end);
        self.relaxed.steps += self.search.steps - before;
        self.search.records = true;
        self.search.counted.fill(true);
        let tried = tried?;
        if tried != Tried::TooDear {
            self.relaxed.level += 1;
        }
        Ok(tried == Tried::Dead)
    }

    fn relaxed_passes(
        &mut self,
        event: usize,
        level: usize,
        states: u32,
        end: u64,
    ) -> Result<Tried, Exhausted> {
        let back = (BACK_FIRST * GROWTH * GROWTH) << (2 * level);
        let near = self.checkpoints.partition_point(|old| old.event + back <= event).max(1) - 1;
        let mut front = self.checkpoints[near].clone();
        if front.event > 0 {
            front.relax(states);
            let tried = self.relaxed_pass(front, event, end)?;
            if tried != Tried::Survived {
                return Ok(tried);
            }
        }
        // From the start it takes as long as the whole search did so far: not at the first death.
        if level == 0 && event > back {
            return Ok(Tried::Survived);
        }
        let start = Front::new(self.search.kinds.len(), self.search.rules.dominance);
        self.relaxed_pass(start, event, end)
    }

    fn relaxed_pass(
        &mut self,
        mut front: Front<W>,
        event: usize,
        end: u64,
    ) -> Result<Tried, Exhausted> {
        front.exact = true;
        let width = Width::of(WIDTH_RELAXED);
        while front.event <= event {
            let until = (front.event + STRIDE).min(event + 1);
            if self.search.advance(self.schedule, &mut front, until, width)? == Pass::Dead {
                return Ok(if front.exact { Tried::Dead } else { Tried::Survived });
            }
            if !front.exact {
                return Ok(Tried::Survived);
            }
            if self.search.steps > end {
                return Ok(Tried::TooDear);
            }
        }
        Ok(Tried::Survived)
    }
}
