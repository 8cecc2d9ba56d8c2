//! Blocks in the order in which they can take effect.

use super::{Cluster, KeyState, NONE, Status, Swap};

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
    pub(super) fn new(clusters: &mut [Cluster], states: &mut [KeyState], swaps: &[Swap]) -> Self {
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
        Self { sorted: in_order(sorted) }
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

/// Fewer blocks are sorted by comparing.
const BUCKETS_MIN: usize = 256;

/// Sorts blocks: into buckets of equal spans of time first, which costs two walks where blocks are
/// spread evenly, as those of a recorded history are, and harms little where not.
fn in_order(blocks: Vec<Block>) -> Vec<Block> {
    let places = blocks.iter().map(|block| block.place);
    let (Some(least), Some(most)) = (places.clone().min(), places.max()) else { return blocks };
    let mut blocks = blocks;
    if blocks.len() < BUCKETS_MIN {
        blocks.sort_unstable();
        return blocks;
    }
    let buckets = blocks.len() as u64 / 4;
    let mut shift = 0;
    while (most - least) >> shift >= buckets {
        shift += 1;
    }
    let bucket = |block: &Block| {
        usize::try_from((block.place - least) >> shift).expect("fewer buckets than blocks")
    };
    // Where each bucket starts, and while it is being filled, where its next block goes.
    let mut starts = vec![0_u32; bucket_count(most - least, shift) + 1];
    for block in &blocks {
        starts[bucket(block) + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut sorted = vec![Block { place: 0, forward_and_cluster: 0 }; blocks.len()];
    for block in &blocks {
        let next = &mut starts[bucket(block)];
        sorted[*next as usize] = *block;
        *next += 1;
    }
    drop(blocks);
    let mut start = 0;
    for end in starts.into_iter().map(|end| end as usize) {
        if end > start + 1 {
            sorted[start..end].sort_unstable();
        }
        start = end;
    }
    sorted
}

fn bucket_count(span: u64, shift: u32) -> usize {
    usize::try_from(span >> shift).expect("fewer buckets than blocks") + 1
}

/// Gives the first cluster of each block the times of the whole block.
fn merge_swaps(clusters: &mut [Cluster], states: &mut [KeyState], swaps: &[Swap]) {
    let happened = |cluster: &Cluster| cluster.status == Status::Swap;
    let mut loose = swaps.iter().filter(|swap| happened(&clusters[swap.cluster as usize])).count();
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
fn refute_loose(clusters: &[Cluster], states: &mut [KeyState], swaps: &[Swap]) {
    let mut reached = vec![false; clusters.len()];
    let starts = clusters.iter().filter(|cluster| cluster.status == Status::Head);
    let starts = starts.map(|cluster| cluster.next).chain(states.iter().map(|state| state.next));
    for mut next in starts.collect::<Vec<_>>() {
        while next != NONE && !std::mem::replace(&mut reached[next as usize], true) {
            next = clusters[next as usize].next;
        }
    }
    for swap in swaps {
        let cluster = &clusters[swap.cluster as usize];
        if cluster.status == Status::Swap && !reached[swap.cluster as usize] {
            states[cluster.key as usize].refute();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_sorted_however_they_are_spread() {
        for count in [0, 1, 255, 256, 2_000_u32] {
            for spread in [0, 3, 10, 40, 63] {
                let block = |number: u32| {
                    let mixed = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    // Most of them in few places, some far away.
                    let place =
                        mixed >> (63 - if number.is_multiple_of(16) { spread } else { spread / 4 });
                    Block::new(number, place, place + u64::from(number % 2))
                };
                let blocks: Vec<Block> = (0..count).map(block).collect();
                let mut expected = blocks.clone();
                expected.sort_unstable();
                assert_eq!(in_order(blocks), expected, "{count} blocks, {spread}");
            }
        }
    }
}
