//! Several machines in one state: a world whose nodes run one of two protocols that speak to each
//! other, such as routers and owners.
//!
//! The pair is itself a machine. Each node's configuration says which of the two it runs; inputs
//! that are meant for the other are dropped, as a machine drops what no correct peer sends.

use ringleader_core::ids::{IoNumber, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};

/// One of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Either<A, B> {
    /// Of the first kind.
    First(A),
    /// Of the second kind.
    Second(B),
}

/// What the disk of a node holds, whichever machine it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Both<A, B> {
    /// What the first machine wrote.
    pub first: A,
    /// What the second machine wrote.
    pub second: B,
}

impl<A: Machine, B: Machine<Message = A::Message>> Machine for Either<A, B> {
    type Config = Either<A::Config, B::Config>;
    type Message = A::Message;
    type Request = Either<A::Request, B::Request>;
    type Answer = Either<A::Answer, B::Answer>;
    type Timer = Either<A::Timer, B::Timer>;
    type Write = Either<A::Write, B::Write>;
    type Durable = Both<A::Durable, B::Durable>;
    type Ask = Either<A::Ask, B::Ask>;
    type Told = Either<A::Told, B::Told>;

    fn fold(durable: &mut Self::Durable, write: &Self::Write) {
        match write {
            Either::First(write) => A::fold(&mut durable.first, write),
            Either::Second(write) => B::fold(&mut durable.second, write),
        }
    }

    fn recover(
        config: &Self::Config,
        disk: Recovered<Self::Durable>,
        now: Tick,
        effects: &mut Effects<Self>,
    ) -> Self {
        let Recovered { durable: Both { first, second }, checkpointed, wiped } = disk;
        match config {
            Either::First(config) => {
                let mut own = Effects::new();
                let disk = Recovered { durable: first, checkpointed, wiped };
                let machine = A::recover(config, disk, now, &mut own);
                own.drain().for_each(|effect| effects.push(of_first(effect)));
                Self::First(machine)
            }
            Either::Second(config) => {
                let mut own = Effects::new();
                let disk = Recovered { durable: second, checkpointed, wiped };
                let machine = B::recover(config, disk, now, &mut own);
                own.drain().for_each(|effect| effects.push(of_second(effect)));
                Self::Second(machine)
            }
        }
    }

    fn step(&mut self, now: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        match self {
            Self::First(machine) => {
                let Some(input) = for_first(input) else { return };
                let mut own = Effects::new();
                machine.step(now, input, &mut own);
                own.drain().for_each(|effect| effects.push(of_first(effect)));
            }
            Self::Second(machine) => {
                let Some(input) = for_second(input) else { return };
                let mut own = Effects::new();
                machine.step(now, input, &mut own);
                own.drain().for_each(|effect| effects.push(of_second(effect)));
            }
        }
    }

    fn rebase(&mut self, now: Tick, io: IoNumber) {
        match self {
            Self::First(machine) => machine.rebase(now, io),
            Self::Second(machine) => machine.rebase(now, io),
        }
    }
}

impl<A, B> Either<A, B> {
    /// The first kind, if it is that.
    pub fn first(&self) -> Option<&A> {
        match self {
            Self::First(it) => Some(it),
            Self::Second(_) => None,
        }
    }

    /// The second kind, if it is that.
    pub fn second(&self) -> Option<&B> {
        match self {
            Self::First(_) => None,
            Self::Second(it) => Some(it),
        }
    }
}

fn for_first<A: Machine, B: Machine<Message = A::Message>>(
    input: Input<Either<A, B>>,
) -> Option<Input<A>> {
    Some(match input {
        Input::Timer(Either::First(timer)) => Input::Timer(timer),
        Input::Request { id, request: Either::First(request) } => Input::Request { id, request },
        Input::Told(Either::First(told)) => Input::Told(told),
        Input::Receive { from, message } => Input::Receive { from, message },
        Input::Persisted(io) => Input::Persisted(io),
        Input::Timer(_) | Input::Request { .. } | Input::Told(_) => return None,
    })
}

fn for_second<A: Machine, B: Machine<Message = A::Message>>(
    input: Input<Either<A, B>>,
) -> Option<Input<B>> {
    Some(match input {
        Input::Timer(Either::Second(timer)) => Input::Timer(timer),
        Input::Request { id, request: Either::Second(request) } => Input::Request { id, request },
        Input::Told(Either::Second(told)) => Input::Told(told),
        Input::Receive { from, message } => Input::Receive { from, message },
        Input::Persisted(io) => Input::Persisted(io),
        Input::Timer(_) | Input::Request { .. } | Input::Told(_) => return None,
    })
}

fn of_first<A: Machine, B: Machine<Message = A::Message>>(
    effect: Effect<A>,
) -> Effect<Either<A, B>> {
    match effect {
        Effect::Write { io, write } => Effect::Write { io, write: Either::First(write) },
        Effect::Send { to, message, after } => Effect::Send { to, message, after },
        Effect::Answer { id, answer, after } => {
            Effect::Answer { id, answer: Either::First(answer), after }
        }
        Effect::Arm { timer, delay, jitter } => {
            Effect::Arm { timer: Either::First(timer), delay, jitter }
        }
        Effect::Disarm { timer } => Effect::Disarm { timer: Either::First(timer) },
        Effect::Ask(ask) => Effect::Ask(Either::First(ask)),
        Effect::Halt { invariant } => Effect::Halt { invariant },
    }
}

fn of_second<A: Machine, B: Machine<Message = A::Message>>(
    effect: Effect<B>,
) -> Effect<Either<A, B>> {
    match effect {
        Effect::Write { io, write } => Effect::Write { io, write: Either::Second(write) },
        Effect::Send { to, message, after } => Effect::Send { to, message, after },
        Effect::Answer { id, answer, after } => {
            Effect::Answer { id, answer: Either::Second(answer), after }
        }
        Effect::Arm { timer, delay, jitter } => {
            Effect::Arm { timer: Either::Second(timer), delay, jitter }
        }
        Effect::Disarm { timer } => Effect::Disarm { timer: Either::Second(timer) },
        Effect::Ask(ask) => Effect::Ask(Either::Second(ask)),
        Effect::Halt { invariant } => Effect::Halt { invariant },
    }
}
