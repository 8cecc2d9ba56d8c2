//! The network between the nodes: one TCP proxy per directed link, which can be cut, stalled,
//! slowed, made to lose, repeat and reorder, and healed. This needs no privilege and no packet
//! filter.
//!
//! Node `i` dials node `j` through its own link `i -> j` and only sends on it, so a link that is
//! broken alone is a one-way fault. A *cut* closes the link's connections and every new one at
//! once. A *stalled* link keeps its connections and holds back what is sent on them; healed, it
//! delivers all of it, long after the protocol has moved on. The rest is in [`Condition`].

mod condition;
mod pipe;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::generator::Random;
pub use condition::Condition;
use pipe::{Fates, Pipe};

/// So much may be under way in one direction of one connection; a sender of more has to wait.
const UNDER_WAY_MAX: usize = 4 << 20;

/// One directed link: listens where one node dials, connects to where the other one listens.
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    target: SocketAddr,
    /// What was imposed on it and not lifted yet.
    imposed: Mutex<BTreeMap<u64, Condition>>,
    /// All of that together.
    condition: watch::Sender<Condition>,
    counters: Counters,
}

/// What a link has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections closed by a cut.
    pub dropped: u64,
    /// Connections refused while cut.
    pub refused: u64,
    /// Bytes carried, both ways.
    pub carried: u64,
    /// Bytes held back by a stall; they count as carried when they are.
    pub held_back: u64,
    /// Frames that were delayed.
    pub delayed: u64,
    /// Frames that never arrived.
    pub lost: u64,
    /// Messages that arrived twice.
    pub doubled: u64,
    /// Messages that later ones overtook.
    pub swapped: u64,
    /// Frames that waited for a slow line.
    pub slowed: u64,
}

impl Traffic {
    fn each(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            dropped: with(self.dropped, other.dropped),
            refused: with(self.refused, other.refused),
            carried: with(self.carried, other.carried),
            held_back: with(self.held_back, other.held_back),
            delayed: with(self.delayed, other.delayed),
            lost: with(self.lost, other.lost),
            doubled: with(self.doubled, other.doubled),
            swapped: with(self.swapped, other.swapped),
            slowed: with(self.slowed, other.slowed),
        }
    }
}

#[derive(Default)]
struct Counters(Mutex<Traffic>);

impl Counters {
    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, fates: Fates) {
        let mut traffic = self.lock();
        traffic.delayed += fates.delayed;
        traffic.lost += fates.lost;
        traffic.doubled += fates.doubled;
        traffic.swapped += fates.swapped;
        traffic.slowed += fates.slowed;
    }
}

impl State {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Condition>)) {
        let mut imposed = self.imposed.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut imposed);
        let together = imposed.values().fold(Condition::WHOLE, |sum, one| sum.and(*one));
        self.condition.send_replace(together);
    }
}

impl Link {
    /// Opens a link to `target` on a free port of this machine.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn open(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let state = Arc::new(State {
            target,
            imposed: Mutex::default(),
            condition: watch::Sender::new(Condition::WHOLE),
            counters: Counters::default(),
        });
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Where to dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the link, or heals it, whatever else was imposed on it.
    pub fn set(&self, condition: Condition) {
        self.state.change(|imposed| {
            imposed.clear();
            imposed.insert(0, condition);
        });
    }

    /// What the link has seen so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        *self.state.counters.lock()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.set(Condition::CUT);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = 0;
    loop {
        // A failed accept (too many open files, a connection reset before it was taken) concerns
        // that connection only.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        if state.condition.borrow().cut {
            state.counters.lock().refused += 1;
        } else {
            connections += 1;
            tokio::spawn(carry(stream, Arc::clone(&state), connections));
        }
    }
}

/// Carries one connection until either side closes it or the link is cut.
async fn carry(from: TcpStream, state: Arc<State>, number: u64) {
    let mut condition = state.condition.subscribe();
    let both_ways = async {
        let to = TcpStream::connect(state.target).await?;
        // A proxy that waits to fill its packets would be a slower network than the one it plays.
        from.set_nodelay(true)?;
        to.set_nodelay(true)?;
        let (from_read, from_write) = from.into_split();
        let (to_read, to_write) = to.into_split();
        tokio::select! {
            result = pump(from_read, to_write, &state, 2 * number) => result,
            result = pump(to_read, from_write, &state, 2 * number + 1) => result,
        }
    };
    tokio::select! {
        biased;
        _ = condition.wait_for(|now| now.cut) => state.counters.lock().dropped += 1,
        // How it ended is for the two nodes to find out: both their connections close here.
        _ended = both_ways => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    seed: u64,
) -> io::Result<()> {
    let mut watched = state.condition.subscribe();
    let mut chunk = vec![0; 16 * 1024];
    let mut pipe = Pipe::new(Random::new(seed));
    loop {
        let condition = *watched.borrow_and_update();
        let due = if condition.stalled { None } else { pipe.next_due() };
        tokio::select! {
            biased;
            changed = watched.changed() => if changed.is_err() {
                // The link is gone.
                return Ok(());
            },
            () = wait_until(due) => {}
            read = from.read(&mut chunk), if pipe.queued_bytes() < UNDER_WAY_MAX => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                let fates = pipe.push(&chunk[..length], &condition, Instant::now());
                let Ok(fates) = fates else {
                    let mut traffic = state.counters.lock();
                    traffic.lost += 1;
                    return Ok(());
                };
                if condition != Condition::WHOLE {
                    state.counters.tell(fates);
                }
                if condition.stalled {
                    state.counters.lock().held_back += length as u64;
                }
            }
        }
        if !watched.borrow().stalled {
            let bytes = pipe.take_due(Instant::now());
            if !bytes.is_empty() {
                to.write_all(&bytes).await?;
                state.counters.lock().carried += bytes.len() as u64;
            }
        }
    }
}

/// Until then; without a time, for ever.
async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Links by who dials whom.
pub struct Links {
    links: BTreeMap<(usize, usize), Link>,
    next: AtomicU64,
}

/// A condition that holds on some links, and what these had seen before.
pub struct Imposed {
    number: u64,
    before: Vec<((usize, usize), Traffic)>,
}

impl Links {
    /// Opens a link for every ordered pair of these peer addresses.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn open(peers: &[SocketAddr]) -> io::Result<Self> {
        let mut links = BTreeMap::new();
        for from in 0..peers.len() {
            for (to, target) in peers.iter().enumerate().filter(|(to, _)| *to != from) {
                links.insert((from, to), Link::open(*target).await?);
            }
        }
        Ok(Self { links, next: AtomicU64::new(1) })
    }

    /// Opens a link to each of these addresses, for whoever is outside: `(i, i)` leads to the `i`th.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn outside(targets: &[SocketAddr]) -> io::Result<Self> {
        let mut links = BTreeMap::new();
        for (to, target) in targets.iter().enumerate() {
            links.insert((to, to), Link::open(*target).await?);
        }
        Ok(Self { links, next: AtomicU64::new(1) })
    }

    /// The link that `from` dials to reach `to`; between nodes none to itself.
    #[must_use]
    pub fn get(&self, from: usize, to: usize) -> Option<&Link> {
        self.links.get(&(from, to))
    }

    /// Imposes a condition on the links that `chosen` picks, beside what already holds there.
    pub fn impose(&self, condition: Condition, chosen: impl Fn(usize, usize) -> bool) -> Imposed {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut before = Vec::new();
        for (&(from, to), link) in &self.links {
            if chosen(from, to) {
                before.push(((from, to), link.traffic()));
                link.state.change(|imposed| {
                    imposed.insert(number, condition);
                });
            }
        }
        Imposed { number, before }
    }

    /// What happened on these links since the condition was imposed.
    #[must_use]
    pub fn since(&self, imposed: &Imposed) -> Traffic {
        let mut sum = Traffic::default();
        for ((from, to), before) in &imposed.before {
            let Some(link) = self.get(*from, *to) else { continue };
            sum = sum.each(link.traffic().each(*before, |now, then| now - then), |a, b| a + b);
        }
        sum
    }

    /// Takes a condition back, and only this one.
    pub fn lift(&self, imposed: &Imposed) {
        for ((from, to), _) in &imposed.before {
            let Some(link) = self.get(*from, *to) else { continue };
            link.state.change(|conditions| {
                conditions.remove(&imposed.number);
            });
        }
    }

    /// Heals every link.
    pub fn heal(&self) {
        for link in self.links.values() {
            link.set(Condition::WHOLE);
        }
    }
}
