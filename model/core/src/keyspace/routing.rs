//! A request router: finds the owner of a key, and tries again where it is sent.
//!
//! A router remembers nothing that correctness needs. What it believes may be old; whoever does
//! not own the key refuses, and says who does. A write keeps its number through every attempt, so
//! that it takes effect once.
//!
//! Source: Elhemali et al., USENIX ATC 2022, section 6.1. Differences from the source: no service
//! keeps the map for routers; they learn it from those who refuse.
//!
//! Invariants: `MAP-1`, `MAP-2` of [`super::partition_map`]; `REDIRECT-1` a
//! request is redirected once for each change, and at most twice where nothing changes any more.

use super::partition_map::{Assignment, Epoch, PartitionMap};
use super::range::Token;
use crate::ids::{IoNumber, ReplicaId, RequestId, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

/// Who a router is, and what it believes when it starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterConfig {
    /// This router.
    pub id: ReplicaId,
    /// May be as old as the first map there was.
    pub map: PartitionMap,
    /// Ask again after so long.
    pub retry_interval: Tick,
}

/// What a client does to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Access<V> {
    /// Replaces the value.
    Put(V),
    /// Reads it.
    Get,
}

/// What routers and owners say to each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Message<V> {
    /// "As owner of `token` since `epoch`, do this; it is my request `number`."
    Do {
        /// Which of the router's requests. Numbers of one router grow, also over its restarts.
        number: u64,
        /// What the router believes.
        epoch: Epoch,
        /// The key.
        token: Token,
        /// What to do.
        access: Access<V>,
    },
    /// "Your request `number` is done; the value is, or was replaced by, this."
    Done {
        /// Which request.
        number: u64,
        /// The value read or written.
        value: Option<V>,
    },
    /// "I do not own that in that epoch. I know these."
    Refused {
        /// Which request.
        number: u64,
        /// What is known about the token; may be nothing.
        known: Option<Assignment>,
    },
    /// "You own this now: here is what is in it."
    Install(super::split::Parcel<V>),
    /// "What you sent me for `epoch` is on my disk."
    Installed {
        /// The assignment that was installed.
        assignment: Assignment,
    },
}

/// What a client asks a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request<V> {
    /// The key.
    pub token: Token,
    /// What to do.
    pub access: Access<V>,
}

/// How a request ends: with the value read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answer<V> {
    /// The value; nothing if the key has none.
    pub value: Option<V>,
}

/// The timer of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Some request waits.
    Retry,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Open<V> {
    id: RequestId,
    request: Request<V>,
    /// How often it was sent elsewhere.
    redirects: u8,
}

/// A request router. See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Router<V> {
    config: RouterConfig,
    map: PartitionMap,
    /// In the order of arrival. Of those on one token only the first is on its way: an owner tells
    /// repeated writes by their numbers, which must reach it in order.
    open: Vec<Open<V>>,
}

impl<V: Clone + Debug + Eq + Ord + Hash> Machine for Router<V> {
    type Config = RouterConfig;
    type Message = Message<V>;
    type Request = Request<V>;
    type Answer = Answer<V>;
    type Timer = Timer;
    type Write = ();
    type Durable = ();
    type Ask = ();
    type Told = ();

    fn fold((): &mut (), (): &()) {}

    fn recover(config: &RouterConfig, _: Recovered<()>, _: Tick, _: &mut Effects<Self>) -> Self {
        Self { config: config.clone(), map: config.map.clone(), open: Vec::new() }
    }

    fn step(&mut self, _: Tick, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Request { id, request } => self.on_request(id, request, effects),
            Input::Receive { message, .. } => match message {
                Message::Done { number, value } => self.on_done(number, value, effects),
                Message::Refused { number, known } => self.on_refused(number, known, effects),
                // Not for a router.
                Message::Do { .. } | Message::Install(_) | Message::Installed { .. } => {}
            },
            Input::Timer(Timer::Retry) => self.on_retry(effects),
            Input::Persisted(_) | Input::Told(()) => {}
        }
    }

    fn rebase(&mut self, _: Tick, _: IoNumber) {}
}

impl<V: Clone + Debug + Eq + Ord + Hash> Router<V> {
    fn on_request(&mut self, id: RequestId, request: Request<V>, effects: &mut Effects<Self>) {
        if self.open.is_empty() {
            self.arm_retry(effects);
        }
        let token = request.token;
        self.open.push(Open { id, request, redirects: 0 });
        if self.first_on(token).is_some_and(|it| it.id == id) {
            self.forward(token, effects);
        }
    }

    fn on_done(&mut self, number: u64, value: Option<V>, effects: &mut Effects<Self>) {
        let Some(position) = self.position(number) else { return };
        let Open { id, request, .. } = self.open.remove(position);
        effects.push(Effect::Answer { id, answer: Answer { value }, after: IoNumber::NONE });
        if self.open.is_empty() {
            effects.push(Effect::Disarm { timer: Timer::Retry });
        }
        self.forward(request.token, effects);
    }

    /// Somebody does not own the key. If they know better than we do, we ask there; if not, the
    /// owner is on its way to its new home, and we ask again later.
    fn on_refused(&mut self, number: u64, known: Option<Assignment>, effects: &mut Effects<Self>) {
        let is_news = known.is_some_and(|it| self.map.learn(it));
        let Some(position) = self.position(number).filter(|_| is_news) else { return };
        let open = &mut self.open[position];
        open.redirects = open.redirects.saturating_add(1);
        let token = open.request.token;
        self.forward(token, effects);
    }

    fn on_retry(&mut self, effects: &mut Effects<Self>) {
        for token in self.open.iter().map(|it| it.request.token).collect::<Vec<_>>() {
            self.forward(token, effects);
        }
        if !self.open.is_empty() {
            self.arm_retry(effects);
        }
    }

    /// Sends the first request on a token to whoever is believed to own it.
    fn forward(&self, token: Token, effects: &mut Effects<Self>) {
        let Some(open) = self.first_on(token) else { return };
        let Assignment { epoch, home, .. } = self.map.find(token);
        let access = open.request.access.clone();
        let message = Message::Do { number: open.id.0, epoch, token, access };
        effects.send(home, message, IoNumber::NONE);
    }

    fn first_on(&self, token: Token) -> Option<&Open<V>> {
        self.open.iter().find(|it| it.request.token == token)
    }

    /// The request with this number, if it is on its way.
    fn position(&self, number: u64) -> Option<usize> {
        let position = self.open.iter().position(|it| it.id.0 == number)?;
        let token = self.open[position].request.token;
        self.first_on(token).filter(|it| it.id.0 == number).map(|_| position)
    }

    fn arm_retry(&self, effects: &mut Effects<Self>) {
        let delay = self.config.retry_interval;
        effects.push(Effect::Arm { timer: Timer::Retry, delay, jitter: delay });
    }

    /// What this router believes.
    #[must_use]
    pub fn map(&self) -> &PartitionMap {
        &self.map
    }

    /// The most redirects of a request that is still open.
    #[must_use]
    pub fn redirects_max(&self) -> u8 {
        self.open.iter().map(|it| it.redirects).max().unwrap_or(0)
    }

    /// Whether an answer to this request would count.
    #[must_use]
    pub fn awaits(&self, number: u64) -> bool {
        self.position(number).is_some()
    }

    /// How many requests are open.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::partition_map::PartitionId;
    use super::super::range::KeyRange;
    use super::*;

    type One = Router<u8>;

    fn step(router: &mut One, input: Input<One>) -> Vec<Effect<One>> {
        let mut effects = Effects::new();
        router.step(Tick(0), input, &mut effects);
        effects.drain().collect()
    }

    /// Everything belongs to one partition, at home on node 0.
    fn router() -> One {
        let map = PartitionMap::of_one(PartitionId(1), ReplicaId(0));
        let config = RouterConfig { id: ReplicaId(9), map, retry_interval: Tick(10) };
        One::recover(&config, Recovered::default(), Tick(0), &mut Effects::new())
    }

    fn get(router: &mut One, id: u64, token: u128) -> Vec<Effect<One>> {
        let request = Request { token: Token(token), access: Access::Get };
        step(router, Input::Request { id: RequestId(id), request })
    }

    fn hears(router: &mut One, message: Message<u8>) -> Vec<Effect<One>> {
        step(router, Input::Receive { from: ReplicaId(0), message })
    }

    /// To whom, and in which epoch, requests go.
    fn sent(effects: &[Effect<One>]) -> Vec<(u8, u64, u64)> {
        let send = |effect: &Effect<One>| {
            let Effect::Send { to, message: Message::Do { number, epoch, .. }, .. } = effect else {
                return None;
            };
            Some((to.0, *number, epoch.0))
        };
        effects.iter().filter_map(send).collect()
    }

    #[test]
    fn a_router_that_knows_less_is_told_and_asks_there() {
        let mut router = router();
        let first = router.map().find(Token(5));
        assert_eq!(sent(&get(&mut router, 7, 5)), [(0, 7, first.epoch.0)]);
        assert_eq!((router.open_requests(), router.redirects_max()), (1, 0));
        let now = Assignment { epoch: first.epoch.next(), home: ReplicaId(3), ..first };
        let refused = |known| Message::Refused { number: 7, known };
        assert_eq!(sent(&hears(&mut router, refused(Some(now)))), [(3, 7, now.epoch.0)]);
        assert_eq!((router.map().find(Token(5)), router.redirects_max()), (now, 1));
        // What is no news sends nobody anywhere: a loop of two owners that point at each other ends.
        for known in [Some(first), Some(now), None] {
            assert_eq!(hears(&mut router, refused(known)), []);
        }
        assert_eq!(router.redirects_max(), 1);
        assert_eq!(router.map().find(Token(5)).range, KeyRange::EVERYTHING);
    }

    #[test]
    fn of_those_on_one_key_only_the_first_is_on_its_way() {
        let mut router = router();
        let epoch = router.map().find(Token(5)).epoch.0;
        get(&mut router, 1, 5);
        assert_eq!(sent(&get(&mut router, 2, 5)), []);
        assert_eq!(sent(&get(&mut router, 3, 6)), [(0, 3, epoch)]);
        assert_eq!((router.open_requests(), router.awaits(1), router.awaits(2)), (3, true, false));
        // An answer that nobody waits for.
        assert_eq!(hears(&mut router, Message::Done { number: 2, value: None }), []);
        let done = hears(&mut router, Message::Done { number: 1, value: Some(9) });
        let answer = Answer { value: Some(9) };
        assert!(done.contains(&Effect::Answer { id: RequestId(1), answer, after: IoNumber::NONE }));
        assert_eq!((sent(&done), router.open_requests()), ([(0, 2, epoch)].to_vec(), 2));
        let again = step(&mut router, Input::Timer(Timer::Retry));
        assert_eq!(sent(&again), [(0, 2, epoch), (0, 3, epoch)]);
        hears(&mut router, Message::Done { number: 2, value: None });
        let last = hears(&mut router, Message::Done { number: 3, value: None });
        assert_eq!(last.last(), Some(&Effect::Disarm { timer: Timer::Retry }));
        assert_eq!(router.open_requests(), 0);
    }
}
