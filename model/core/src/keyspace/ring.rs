//! The token ring: which node owns a token, and where a new node's tokens go.
//!
//! Nodes hold *ring tokens* on a circle of positions; a token of a key belongs to the next ring
//! token clockwise, the owner's own position included: node owns `(previous, own]`.
//!
//! ```text
//! A=1000 B=2000 C=3000     500 -> A   1500 -> B   2500 -> C   3500 -> A (wraps)
//! D=1500 joins             (1000, 1500] moves from B to D, and nothing else moves
//! ```
//!
//! Where a new node's tokens go is worked out from the ring, not drawn at random: each token cuts
//! the largest interval of whoever owns most for its weight, at the point that leaves it with its
//! fair share.
//!
//! Source: Karger et al. 1997 (consistent hashing); `DeCandia` et al. 2007, section 4.2 (tokens,
//! weights). The allocation is our own; random tokens are what sources describe.
//!
//! Invariants (tested, exhaustively on a ring of 16 positions):
//! * `RING-1` each token of a key has exactly one owner.
//! * `RING-2` a node that joins takes from others only what it then owns; one that leaves gives
//!   away only what it owned.
//! * `RING-3` a preference list names different nodes, in different zones while there are any.
//! * `RING-4` the ring depends on which tokens there are, not on the order in which they came.

use super::range::Token;
use crate::ids::ReplicaId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A circle of positions with ring tokens on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRing<N> {
    /// The last position; the next is 0 again.
    last: Token,
    /// The owner of each ring token.
    tokens: BTreeMap<Token, N>,
}

/// A stretch of positions with one owner: everything after `after`, up to and including `own`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval<N> {
    after: Token,
    own: Token,
    owner: N,
    /// How many positions it has; the whole circle if there is one token.
    size: u128,
}

/// A node of a ring of replicas.
pub type ReplicaRing = TokenRing<ReplicaId>;

impl<N: Copy + Ord> TokenRing<N> {
    /// An empty ring with positions from 0 to `last`.
    #[must_use]
    pub fn new(last: Token) -> Self {
        Self { last, tokens: BTreeMap::new() }
    }

    /// Gives a position to a node. If two want the same, the lower id has it, whoever came first.
    /// Returns whether this node has it now.
    pub fn insert(&mut self, token: Token, node: N) -> bool {
        if token > self.last {
            return false;
        }
        let owner = self.tokens.entry(token).or_insert(node);
        *owner = node.min(*owner);
        *owner == node
    }

    /// Takes every token of a node away. Positions that it had won from others stay empty.
    pub fn remove(&mut self, node: N) {
        self.tokens.retain(|_, owner| *owner != node);
    }

    /// Who owns a token: the next ring token clockwise. Nobody if the ring is empty.
    #[must_use]
    pub fn owner(&self, token: Token) -> Option<N> {
        self.clockwise(token).next()
    }

    /// The owners met on the way round from `token`, each as often as it has tokens.
    fn clockwise(&self, token: Token) -> impl Iterator<Item = N> {
        let from_here = self.tokens.range(token..);
        from_here.chain(self.tokens.range(..token)).map(|(_, owner)| *owner)
    }

    /// The first `count` different nodes on the way round from `token`; first those in different
    /// zones, then, if there are too few zones, the others in order.
    #[must_use]
    pub fn preference_list<Z: Ord>(
        &self,
        token: Token,
        count: usize,
        zone: impl Fn(N) -> Z,
    ) -> Vec<N> {
        let mut seen = BTreeSet::new();
        let nodes: Vec<N> = self.clockwise(token).filter(|node| seen.insert(*node)).collect();
        let mut zones = BTreeSet::new();
        let (mut list, rest): (Vec<N>, Vec<N>) =
            nodes.into_iter().partition(|node| zones.insert(zone(*node)));
        list.truncate(count);
        let missing = count - list.len();
        list.extend(rest.into_iter().take(missing));
        list
    }

    /// The ring tokens in the order of their positions.
    pub fn tokens(&self) -> impl Iterator<Item = (Token, N)> {
        self.tokens.iter().map(|(token, node)| (*token, *node))
    }

    /// How many positions each node owns, as a share of the circle.
    #[must_use]
    pub fn shares(&self) -> BTreeMap<N, f64> {
        let mut shares = BTreeMap::new();
        let whole = self.positions();
        for interval in self.intervals() {
            *shares.entry(interval.owner).or_insert(0.0) += as_f64(interval.size) / whole;
        }
        shares
    }

    /// Gives a new node of `weight` as many ring tokens as asked for, where they balance the
    /// ring best, and returns them. `weight_of` says the others' weights, in the same unit.
    ///
    /// Deterministic: the same ring, the same tokens. Fewer tokens come back only if the ring has
    /// fewer free positions.
    pub fn allocate(
        &mut self,
        node: N,
        tokens: usize,
        weight: u32,
        weight_of: impl Fn(N) -> u32,
    ) -> Vec<Token> {
        if self.tokens.is_empty() {
            return self.spread(node, tokens);
        }
        let mut load = Load::of(self, weight, &weight_of);
        let mut given = Vec::with_capacity(tokens);
        for left in (1..=tokens).rev() {
            let Some((interval, distance)) = load.next_cut(left, self.last) else { break };
            // The new node takes the beginning of the interval; its owner keeps the end.
            let token = wrap(interval.after, distance, self.last);
            self.tokens.insert(token, node);
            given.push(token);
        }
        given.sort_unstable();
        given
    }

    /// The first node's tokens, evenly.
    fn spread(&mut self, node: N, tokens: usize) -> Vec<Token> {
        let count = u128::try_from(tokens).unwrap_or(u128::MAX).min(self.last.0).max(1);
        let step = self.last.0 / count;
        let given: Vec<Token> = (0..count).map(|nth| Token(step * nth)).collect();
        self.tokens.extend(given.iter().map(|token| (*token, node)));
        given
    }

    fn intervals(&self) -> impl Iterator<Item = Interval<N>> {
        let last = self.tokens.keys().next_back().copied().unwrap_or_default();
        let mut after = last;
        self.tokens.iter().map(move |(own, owner)| {
            let (from, own) = (core::mem::replace(&mut after, *own), *own);
            let size = if from < own {
                own.0 - from.0
            } else {
                // The circle of all 128-bit positions has one more than fits.
                (self.last.0 - from.0 + own.0).saturating_add(1)
            };
            Interval { after: from, own, owner: *owner, size }
        })
    }

    fn positions(&self) -> f64 {
        as_f64(self.last.0) + 1.0
    }
}

/// Who owns how much, while tokens are given to a new node.
struct Load<N> {
    /// How much the new node still lacks.
    lacking: u128,
    /// How much each owner has for each unit of its weight.
    owners: BTreeSet<(u128, N)>,
    /// What each owner has: its weight, how much, and where.
    holdings: BTreeMap<N, Holding<N>>,
}

/// What one owner has.
struct Holding<N> {
    weight: u128,
    size: u128,
    intervals: Vec<Interval<N>>,
}

impl<N: Copy + Ord> Load<N> {
    fn of(ring: &TokenRing<N>, weight: u32, weight_of: &impl Fn(N) -> u32) -> Self {
        let mut holdings: BTreeMap<N, Holding<N>> = BTreeMap::new();
        for interval in ring.intervals() {
            let holding = holdings.entry(interval.owner).or_insert_with(|| Holding {
                weight: u128::from(weight_of(interval.owner).max(1)),
                size: 0,
                intervals: Vec::new(),
            });
            holding.size = holding.size.saturating_add(interval.size);
            holding.intervals.push(interval);
        }
        let weight = u128::from(weight.max(1));
        let all: u128 = holdings.values().map(|it| it.weight).sum::<u128>() + weight;
        // Divided first: the product would not fit. What is lost is less than one in 2^96.
        let lacking = ring.last.0 / all * weight;
        let owners = holdings.iter().map(|(node, it)| (it.size / it.weight, *node)).collect();
        Self { lacking, owners, holdings }
    }

    /// Where the next of `left` tokens goes: the interval that it cuts, and how much it takes.
    /// Nothing if no owner can give anything away.
    fn next_cut(&mut self, left: usize, last: Token) -> Option<(Interval<N>, u128)> {
        let share = self.lacking / u128::try_from(left).unwrap_or(u128::MAX);
        let able = |holding: &Holding<N>| holding.intervals.iter().any(|it| it.size > 1);
        let &(key, owner) = self.owners.iter().rev().find(|it| able(&self.holdings[&it.1]))?;
        let holding = self.holdings.get_mut(&owner)?;
        let largest = holding.intervals.iter_mut().max_by_key(|it| (it.size, it.own))?;
        let cut = *largest;
        // At least one position is taken, and at least one stays.
        let taken = share.clamp(1, cut.size - 1);
        largest.after = wrap(cut.after, taken, last);
        largest.size -= taken;
        holding.size -= taken;
        self.owners.remove(&(key, owner));
        self.owners.insert((holding.size / holding.weight, owner));
        self.lacking = self.lacking.saturating_sub(taken);
        Some((cut, taken))
    }
}

/// The position `distance` after `from`, on a circle that ends with `last`.
fn wrap(from: Token, distance: u128, last: Token) -> Token {
    let to_end = last.0 - from.0;
    Token(if distance <= to_end { from.0 + distance } else { distance - to_end - 1 })
}

/// The nearest number that a float can be: for shares, which are shown and not decided by.
fn as_f64(number: u128) -> f64 {
    let high = u32::try_from(number >> 96).unwrap_or(u32::MAX);
    let middle = u64::try_from(number >> 32 & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    let low = u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX);
    let halves = [u32::try_from(middle >> 32), u32::try_from(middle & u64::from(u32::MAX))];
    let [upper, lower] = halves.map(|it| f64::from(it.unwrap_or(u32::MAX)));
    let unit = 4_294_967_296.0;
    ((f64::from(high) * unit + upper) * unit + lower) * unit + f64::from(low)
}

#[cfg(test)]
mod tests;
