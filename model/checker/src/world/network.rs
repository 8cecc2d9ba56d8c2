//! The network of a world: what is on its way between each two nodes.
//!
//! The messages between two nodes, both directions together, are a *bundle*, and a bundle has a
//! number. What a step does to the bundle between two nodes depends on the two and on nothing else,
//! so that it is worked out once.

use super::explore::{Desk, Unnumbered};
use super::{NODES_MAX, World};
use crate::protocol::Protocol;

/// Pairs of nodes.
pub(super) const LINKS_MAX: usize = NODES_MAX * (NODES_MAX - 1) / 2;

/// What is on its way between each two nodes, by [`link`]: the numbers of bundles.
pub(super) type Links = [u32; LINKS_MAX];

/// The number of the bundle without messages.
pub(super) const EMPTY: u32 = 0;

/// In the key of a message that may be spent: its sender's name, where its state does not matter.
const BY_NAME: u32 = 1 << 31;

/// Where the bundle between two nodes stands: the links among fewer nodes come first.
pub(super) fn link(one: u8, other: u8) -> usize {
    let (low, high) = (usize::from(one.min(other)), usize::from(one.max(other)));
    high * (high - 1) / 2 + low
}

/// What a bundle holds for a message between two nodes: the message's number, and which of the two
/// it goes to. So a bundle says nothing of names, and between any two nodes equal messages make
/// equal bundles.
pub(super) fn bundled(message: u32, from: u8, to: u8) -> u32 {
    message << 1 | u32::from(from > to)
}

impl<P: Protocol> World<P> {
    /// Sender, receiver and number of each message.
    pub(super) fn deliveries(
        &self,
        links: &Links,
    ) -> impl Iterator<Item = (u8, u8, u32)> + use<'_, P> {
        let count = self.protocol.nodes();
        let pairs = (0..count).flat_map(|high| (0..high).map(move |low| (low, high)));
        pairs.zip(*links).flat_map(|((low, high), bundle)| {
            let messages = self.bundles.get(bundle).iter();
            messages.map(
                move |&it| {
                    if it & 1 == 0 { (low, high, it >> 1) } else { (high, low, it >> 1) }
                },
            )
        })
    }

    pub(super) fn is_relevant(
        &self,
        desk: &mut Desk<'_, P>,
        message: u32,
        (low, high): (u32, u32),
        may_crash: bool,
    ) -> bool {
        let (from, to) = if message & 1 == 0 { (low, high) } else { (high, low) };
        let said = self.messages.get(message >> 1);
        let sender = if self.protocol.sender_matters(said) {
            from
        } else {
            BY_NAME | u32::from(self.nodes.get(from).id.0)
        };
        let key = [message >> 1, sender, to, u32::from(may_crash)];
        if let Some(known) = desk.relevance.get(&key) {
            return known;
        }
        let about = |number: u32| (self.nodes.get(number), self.view(number));
        let relevant = self.protocol.is_relevant(about(from), said, about(to), may_crash);
        desk.relevance.put(key, relevant);
        relevant
    }

    /// What is on its way between two nodes once more was sent: without what is spent. Under equal
    /// keys there are equal bundles, nodes and crashes.
    pub(super) fn carry(
        &self,
        desk: &mut Desk<'_, P>,
        (bundle, sent): (u32, u32),
        (low, high): (u32, u32),
        (may_crash, key): (bool, [u32; 3]),
    ) -> Result<u32, Unnumbered> {
        if bundle == EMPTY && sent == EMPTY {
            return Ok(EMPTY);
        }
        if !desk.is_bare() {
            if let Some(known) = desk.carried.get(&key) {
                return Ok(known);
            }
            let carried = self.work_out_carry(desk, (bundle, sent), (low, high), may_crash)?;
            desk.carried.put(key, carried);
            return Ok(carried);
        }
        let key = [bundle, sent << 1 | u32::from(may_crash), low, high];
        let known = self.carried.get(&key).map(|known| *known);
        if let Some(known) = known {
            return Ok(known);
        }
        let carried = self.work_out_carry(desk, (bundle, sent), (low, high), may_crash)?;
        self.carried.insert(key, carried);
        Ok(carried)
    }

    #[cold]
    fn work_out_carry(
        &self,
        desk: &mut Desk<'_, P>,
        (bundle, sent): (u32, u32),
        ends: (u32, u32),
        may_crash: bool,
    ) -> Result<u32, Unnumbered> {
        let mut stays =
            |it: u32| !self.bounds.collect || self.is_relevant(desk, it, ends, may_crash);
        let before = self.bundles.get(bundle);
        let left = before.iter().copied().filter(|&it| stays(it));
        let mut messages = Vec::with_capacity(before.len() + 4);
        messages.extend(left);
        let is_smaller = messages.len() < before.len();
        let news = self.bundles.get(sent).iter().copied().filter(|it| !before.contains(it));
        messages.extend(news.filter(|&it| stays(it)));
        if !is_smaller && messages.len() == before.len() {
            return Ok(bundle);
        }
        messages.sort_unstable();
        self.bundle_number(desk, messages.into())
    }

    /// A bundle without one of its messages.
    pub(super) fn taken_from(
        &self,
        desk: &mut Desk<'_, P>,
        bundle: u32,
        message: u32,
    ) -> Result<u32, Unnumbered> {
        // No other entry of this cache looks like this: no node has that number.
        let key = [bundle, message, u32::MAX];
        if let Some(known) = desk.carried.get(&key) {
            return Ok(known);
        }
        let left = self.bundles.get(bundle).iter().copied().filter(|&it| it != message);
        let left = self.bundle_number(desk, left.collect())?;
        desk.carried.put(key, left);
        Ok(left)
    }

    pub(super) fn bundle_number(
        &self,
        desk: &Desk<'_, P>,
        bundle: Box<[u32]>,
    ) -> Result<u32, Unnumbered> {
        match self.bundles.find(&bundle) {
            Some(number) => Ok(number),
            None => desk.may_number().map(|()| self.bundles.number(bundle)),
        }
    }

    /// The number of the same messages with the two nodes exchanged.
    pub(super) fn flipped(&self, desk: &mut Desk<'_, P>, bundle: u32) -> Result<u32, Unnumbered> {
        if let Some(&known) = desk.flipped.get(bundle as usize)
            && known != EMPTY
        {
            return Ok(known);
        }
        let flipped = self.shared_flipped(desk, bundle)?;
        if !desk.is_bare() {
            let length = desk.flipped.len().max(bundle as usize + 1);
            desk.flipped.resize(length, EMPTY);
            desk.flipped[bundle as usize] = flipped;
        }
        Ok(flipped)
    }

    #[cold]
    fn shared_flipped(&self, desk: &Desk<'_, P>, bundle: u32) -> Result<u32, Unnumbered> {
        if let Some(known) = self.known.flipped.get(bundle as usize) {
            return Ok(*known);
        }
        let mut messages: Vec<u32> = self.bundles.get(bundle).iter().map(|it| it ^ 1).collect();
        messages.sort_unstable();
        let flipped = self.bundle_number(desk, messages.into())?;
        Ok(*self.known.flipped.get_or_fill(bundle as usize, || flipped))
    }
}
