//! The network between the nodes: one TCP proxy per directed link, which can be cut, stalled and
//! healed. This needs no privilege and no packet filter.
//!
//! Node `i` dials node `j` through its own link `i -> j` and only sends on it, so a link that is
//! broken alone is a one-way fault. A *cut* closes the link's connections and every new one at
//! once. A *stalled* link keeps its connections and holds back what is sent on them; healed, it
//! delivers all of it, long after the protocol has moved on.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One directed link: listens where one node dials, connects to where the other one listens.
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    target: SocketAddr,
    condition: watch::Sender<Condition>,
    dropped: AtomicU64,
    refused: AtomicU64,
    carried: AtomicU64,
    held_back: AtomicU64,
}

/// What a link does with what is sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Carries it.
    Whole,
    /// Closes its connections, and every new one.
    Cut,
    /// Keeps it until healed.
    Stalled,
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
            condition: watch::Sender::new(Condition::Whole),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            carried: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
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

    /// Breaks or heals the link.
    pub fn set(&self, condition: Condition) {
        self.state.condition.send_replace(condition);
    }

    /// What the link has seen so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            dropped: self.state.dropped.load(Ordering::Relaxed),
            refused: self.state.refused.load(Ordering::Relaxed),
            carried: self.state.carried.load(Ordering::Relaxed),
            held_back: self.state.held_back.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.set(Condition::Cut);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        // A failed accept (too many open files, a connection reset before it was taken) concerns
        // that connection only.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        if *state.condition.borrow() == Condition::Cut {
            state.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            tokio::spawn(carry(stream, Arc::clone(&state)));
        }
    }
}

/// Carries one connection until either side closes it or the link is cut.
async fn carry(from: TcpStream, state: Arc<State>) {
    let mut condition = state.condition.subscribe();
    let both_ways = async {
        let to = TcpStream::connect(state.target).await?;
        // A proxy that waits to fill its packets would be a slower network than the one it plays.
        from.set_nodelay(true)?;
        to.set_nodelay(true)?;
        let (from_read, from_write) = from.into_split();
        let (to_read, to_write) = to.into_split();
        tokio::select! {
            result = pump(from_read, to_write, &state) => result,
            result = pump(to_read, from_write, &state) => result,
        }
    };
    tokio::select! {
        biased;
        _ = condition.wait_for(|now| *now == Condition::Cut) => {
            state.dropped.fetch_add(1, Ordering::Relaxed);
        }
        // How it ended is for the two nodes to find out: both their connections close here.
        _ended = both_ways => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> io::Result<()> {
    let mut condition = state.condition.subscribe();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        if *condition.borrow() == Condition::Stalled {
            state.held_back.fetch_add(length as u64, Ordering::Relaxed);
        }
        if condition.wait_for(|now| *now != Condition::Stalled).await.is_err() {
            // The link is gone.
            return Ok(());
        }
        to.write_all(&chunk[..length]).await?;
        state.carried.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// All links of a cluster, by who dials whom.
pub struct Links {
    links: BTreeMap<(usize, usize), Link>,
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
        Ok(Self { links })
    }

    /// The link that `from` dials to reach `to`; none to itself.
    #[must_use]
    pub fn get(&self, from: usize, to: usize) -> Option<&Link> {
        self.links.get(&(from, to))
    }

    /// Breaks the links that `chosen` picks and remembers what these had seen before.
    pub fn set(&self, condition: Condition, chosen: impl Fn(usize, usize) -> bool) -> Broken {
        let mut before = Vec::new();
        for (&(from, to), link) in &self.links {
            if chosen(from, to) {
                link.set(condition);
                before.push(((from, to), link.traffic()));
            }
        }
        Broken { before }
    }

    /// What happened on broken links since they were broken.
    #[must_use]
    pub fn since(&self, broken: &Broken) -> Traffic {
        let mut sum = Traffic::default();
        for ((from, to), before) in &broken.before {
            let Some(link) = self.get(*from, *to) else { continue };
            let now = link.traffic();
            sum.dropped += now.dropped - before.dropped;
            sum.refused += now.refused - before.refused;
            sum.carried += now.carried - before.carried;
            sum.held_back += now.held_back - before.held_back;
        }
        sum
    }

    /// Heals every link.
    pub fn heal(&self) {
        for link in self.links.values() {
            link.set(Condition::Whole);
        }
    }
}

/// Which links were broken, and what they had seen before.
pub struct Broken {
    before: Vec<((usize, usize), Traffic)>,
}
