//! Blocks in the order in which they can take effect.

use super::{Cluster, KeyState, NONE, Status};

/// The blocks of all keys, sorted.
pub(super) struct Blocks {
    pub(super) sorted: Vec<Block>,
}

/// A block: a cluster, and those of the compare-and-sets that follow it.
///
/// The order is that of the proof: a block takes its place at the earlier one of `first` and
/// `last`, and where two share it, the one without two operations that exclude each other comes
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    /// The earlier one of `first` and `last`.
    pub(super) place: u64,
    /// Whether `first` is before `last`, and the number of the first cluster.
    forward_and_cluster: u32,
}

const FORWARD: u32 = 1 << 31;

impl Block {
    fn new(cluster: u32, first: u64, last: u64) -> Self {
        let forward = if first < last { FORWARD } else { 0 };
        Self { place: first.min(last), forward_and_cluster: forward | cluster }
    }

    pub(super) const fn cluster(self) -> u32 {
        self.forward_and_cluster & !FORWARD
    }
}

impl Blocks {
    /// Makes blocks of clusters and sorts them; what contradicts itself makes its key illegal.
    pub(super) fn new(clusters: &mut [Cluster], states: &mut [KeyState], swaps: &[u32]) -> Self {
        if !swaps.is_empty() {
            merge_swaps(clusters, states, swaps);
        }
        let heads = clusters.iter().filter(|cluster| cluster.status == Status::Head).count();
        let mut sorted = Vec::with_capacity(heads);
        for (cluster, number) in clusters.iter().zip(0..) {
            if cluster.status == Status::Head {
                sorted.push(Block::new(number, cluster.first, cluster.last));
            }
        }
        sorted.sort_unstable();
        Self { sorted }
    }

    pub(super) fn bytes(&self) -> usize {
        self.sorted.capacity() * size_of::<Block>()
    }

    /// Looks for two blocks that must each come before the other.
    pub(super) fn scan(&self, clusters: &[Cluster], states: &mut [KeyState]) {
        for block in &self.sorted {
            let cluster = &clusters[block.cluster() as usize];
            let state = &mut states[cluster.key as usize];
            if cluster.first < state.reach {
                state.refute();
            }
            if block.forward_and_cluster & FORWARD != 0 {
                state.reach = state.reach.max(cluster.last);
            }
        }
    }
}

/// Gives the first cluster of each block the times of the whole block.
fn merge_swaps(clusters: &mut [Cluster], states: &mut [KeyState], swaps: &[u32]) {
    let happened = |cluster: &Cluster| cluster.status == Status::Swap;
    let mut loose = swaps.iter().filter(|swap| happened(&clusters[**swap as usize])).count();
    for head in 0..clusters.len() {
        let Cluster { first, last, next, key, status, .. } = clusters[head];
        if status == Status::Head && next != NONE {
            let (whole, length) = follow(clusters, (first, last), next);
            loose = loose.saturating_sub(length);
            match whole {
                Some((first, last)) => (clusters[head].first, clusters[head].last) = (first, last),
                None => states[key as usize].refute(),
            }
        }
    }
    for state in states.iter_mut().filter(|state| state.next != NONE) {
        let (whole, length) = follow(clusters, (u64::MAX, state.reach), state.next);
        loose = loose.saturating_sub(length);
        match whole {
            Some((_, last)) => state.reach = last,
            None => state.refute(),
        }
    }
    if loose > 0 {
        refute_loose(clusters, states, swaps);
    }
}

/// The earliest return and the latest invocation of a block that goes on with cluster `next`, if
/// its parts can follow each other; and how many those are.
fn follow(
    clusters: &[Cluster],
    (mut first, mut last): (u64, u64),
    mut next: u32,
) -> (Option<(u64, u64)>, usize) {
    let (mut length, mut possible) = (0, true);
    // No circle: each compare-and-set found one value only.
    while next != NONE {
        let cluster = &clusters[next as usize];
        possible &= cluster.first >= last;
        first = first.min(cluster.first);
        last = last.max(cluster.last);
        next = cluster.next;
        length += 1;
    }
    (possible.then_some((first, last)), length)
}

/// A compare-and-set that no block leads to found a value that came, in the end, from itself: its
/// key is illegal.
fn refute_loose(clusters: &[Cluster], states: &mut [KeyState], swaps: &[u32]) {
    let mut reached = vec![false; clusters.len()];
    let starts = clusters.iter().filter(|cluster| cluster.status == Status::Head);
    let starts = starts.map(|cluster| cluster.next).chain(states.iter().map(|state| state.next));
    for mut next in starts.collect::<Vec<_>>() {
        while next != NONE && !std::mem::replace(&mut reached[next as usize], true) {
            next = clusters[next as usize].next;
        }
    }
    for swap in swaps {
        let cluster = &clusters[*swap as usize];
        if cluster.status == Status::Swap && !reached[*swap as usize] {
            states[cluster.key as usize].refute();
        }
    }
}
