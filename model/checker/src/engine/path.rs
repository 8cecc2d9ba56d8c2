//! A shortest path to a state that a search met: the search again, this time with parents.

use super::Explore;
use super::fingerprint::{Fingerprint, Width};
use super::found::Found;
use super::level::{Level, Writer};
use super::run::Step;
use super::table::{Table, stripe_of};

/// A shortest way to the state with this fingerprint.
///
/// # Panics
///
/// If no state has it.
pub(super) fn to<E: Explore>(explore: &E, width: Width, target: Fingerprint) -> Vec<Step> {
    let chain = match width {
        Width::Narrow => ancestors::<E, 2, 1>(explore, width, target),
        Width::Wide => ancestors::<E, 4, 2>(explore, width, target),
    };
    walk(explore, width, &chain)
}

/// The fingerprints from an initial state to the target.
fn ancestors<E: Explore, const W: usize, const K: usize>(
    explore: &E,
    width: Width,
    target: Fingerprint,
) -> Vec<Fingerprint> {
    let mut family = Family::<W, K>(Table::new());
    let mut worker = explore.worker(width);
    let mut found = Found::default();
    let (mut current, mut next) = (Level::default(), Level::default());
    explore.start(&mut worker, &mut found);
    family.keep_new(explore, &mut worker, &mut found, None, &mut Writer::new(&current));
    while family.0.get(Family::<W, K>::key(target)).is_none() {
        assert!(current.count() > 0, "the state was met before, and so it is met again");
        let mut writer = Writer::new(&next);
        while let Some(chunk) = current.take() {
            for state in chunk.states() {
                let (parent, packed) = split(state.expect("was packed here"));
                explore.expand(&mut worker, packed, &mut found);
                family.keep_new(explore, &mut worker, &mut found, Some(parent), &mut writer);
            }
        }
        drop(writer);
        std::mem::swap(&mut current, &mut next);
    }
    family.chain(target)
}

/// A waiting state is packed behind its fingerprint.
fn join(fingerprint: Fingerprint) -> Vec<u8> {
    fingerprint.0.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn split(state: &[u8]) -> (Fingerprint, &[u8]) {
    let (words, packed) = state.split_at(size_of::<Fingerprint>());
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| words[8 * at + byte]));
    (Fingerprint([word(0), word(1)]), packed)
}

/// Every state and its parent: a slot holds both fingerprints. An initial state is its own parent.
struct Family<const W: usize, const K: usize>(Table<W, K>);

impl<const W: usize, const K: usize> Family<W, K> {
    fn key(it: Fingerprint) -> [u64; K] {
        std::array::from_fn(|word| it.0[word])
    }

    fn keep_new<'w, E: Explore>(
        &mut self,
        explore: &'w E,
        worker: &mut E::Worker<'w>,
        found: &mut Found,
        parent: Option<Fingerprint>,
        writer: &mut Writer<'_>,
    ) {
        for (at, entry) in found.entries.iter().enumerate() {
            let mine = Self::key(entry.fingerprint);
            let its = Self::key(parent.unwrap_or(entry.fingerprint));
            let slot = |word: usize| if word < K { mine[word] } else { its[word - K] };
            let slot = std::iter::once(std::array::from_fn(slot));
            let mut is_new = false;
            self.0.insert(stripe_of(mine[0]), slot, |_| is_new = true);
            if is_new {
                let mut state = join(entry.fingerprint);
                explore.finish(worker, found.raw_of(at), &mut state);
                writer.push(&state);
            }
        }
        found.clear();
    }

    fn chain(&self, target: Fingerprint) -> Vec<Fingerprint> {
        let mut chain = vec![target];
        loop {
            let last = *chain.last().expect("begins with the target");
            let slot = self.0.get(Self::key(last)).expect("every ancestor was inserted");
            let word = |word: usize| if word < K { slot[K + word] } else { 0 };
            let parent = Fingerprint(std::array::from_fn(word));
            if parent == last {
                chain.reverse();
                return chain;
            }
            chain.push(parent);
        }
    }
}

/// Walks along the fingerprints, and notes which action leads from each to the next.
fn walk<E: Explore>(explore: &E, width: Width, chain: &[Fingerprint]) -> Vec<Step> {
    let mut worker = explore.worker(width);
    let mut found = Found::default();
    explore.start(&mut worker, &mut found);
    let mut steps: Vec<Step> = Vec::new();
    let mut before: Option<Vec<u8>> = None;
    for wanted in chain {
        let at = found.entries.iter().position(|entry| entry.fingerprint == *wanted);
        let at = at.expect("each is a successor of the one before");
        if let Some(packed) = before.take() {
            steps.push(Step { packed, place: found.entries[at].place });
        }
        let mut packed = Vec::new();
        explore.finish(&mut worker, found.raw_of(at), &mut packed);
        found.clear();
        explore.expand(&mut worker, &packed, &mut found);
        before = Some(packed);
    }
    steps
}
