//! The machine of the tutorial: one server lends a lock, for a while, to clients that ask.

use ringleader_core::ids::{IoNumber, ReplicaId, Tick};
use ringleader_core::machine::{Effects, Input, Machine, Recovered};

/// How long a client may use the lock after asking for it, on its own clock.
pub const LEASE: u64 = 2;

/// What can be got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rules {
    /// Whether the lease starts when the client asks, and not when the answer arrives.
    pub from_asking: bool,
    /// How long the server waits before it lends the lock again, on its own clock.
    pub wait: u64,
}

/// Node 0 is the server, the others are clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lock {
    rules: Rules,
    /// Server: who has the lock, and when it may be lent again.
    lent: Option<(ReplicaId, Tick)>,
    /// Client: how often it has asked, and when the lease it asked for last would end.
    asked: (u8, Tick),
    /// Client: the lease ends then.
    held_until: Tick,
}

/// What they say. Requests are numbered: an old answer is not about a new request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    Ask(u8),
    Granted(u8),
}

impl Lock {
    /// Whether this client uses the lock at this time.
    pub fn holds(&self, now: Tick) -> bool {
        now < self.held_until
    }

    /// What it believes, for diagrams.
    pub fn in_words(&self, now: Tick) -> String {
        match self.lent {
            Some((to, until)) if now < until => {
                format!("lent to {} for {}", to.0, until.0 - now.0)
            }
            _ if self.holds(now) => format!("holds for {}", self.held_until.0 - now.0),
            _ => "-".to_owned(),
        }
    }

    /// How often it has asked.
    pub fn attempts(&self) -> u8 {
        self.asked.0
    }
}

impl Machine for Lock {
    type Config = Rules;
    type Message = Said;
    type Request = ();
    type Answer = ();
    type Timer = ();
    type Write = ();
    type Durable = ();
    type Ask = ();
    type Told = ();

    fn fold((): &mut (), (): &()) {}

    fn recover(rules: &Rules, _: Recovered<()>, _: Tick, _: &mut Effects<Self>) -> Self {
        Self { rules: *rules, lent: None, asked: (0, Tick(0)), held_until: Tick(0) }
    }

    fn step(&mut self, now: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        let after = |span: u64| Tick(now.0 + span);
        match input {
            // A client wants the lock.
            Input::Request { .. } => {
                self.asked = (self.asked.0 + 1, after(LEASE));
                effects.send(ReplicaId(0), Said::Ask(self.asked.0), IoNumber::NONE);
            }
            // The server lends it, if nobody else can still have it.
            Input::Receive { from, message: Said::Ask(attempt) } => {
                if self.lent.is_none_or(|(to, until)| to == from || until <= now) {
                    self.lent = Some((from, after(self.rules.wait)));
                    effects.send(from, Said::Granted(attempt), IoNumber::NONE);
                }
            }
            // The client has it.
            Input::Receive { message: Said::Granted(attempt), .. } => {
                if attempt == self.asked.0 {
                    let from_now = after(LEASE);
                    let until = if self.rules.from_asking { self.asked.1 } else { from_now };
                    self.held_until = self.held_until.max(until);
                }
            }
            Input::Timer(()) | Input::Persisted(_) | Input::Told(()) => {}
        }
    }

    fn rebase(&mut self, now: Tick, _: IoNumber) {
        let earlier = |time: &mut Tick| time.0 = time.0.saturating_sub(now.0);
        earlier(&mut self.asked.1);
        earlier(&mut self.held_until);
        if let Some((_, until)) = &mut self.lent {
            earlier(until);
        }
    }
}
