//! The network: delays, losses, repetitions, messages that overtake others, cuts in one direction or
//! both. Links keep the order of messages unless one is held back on purpose.

use crate::fault::{FaultCounts, FaultKind};
use crate::oracle::Violation;
use crate::plan::{self, MS};
use crate::random::Random;
use bytes::BytesMut;
use ringleader_core::group::Message;
use ringleader_core::ids::ReplicaId;
use ringleader_wire::Command;
use ringleader_wire::frame::{self, Frame};

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    pub(crate) message: Message<Command>,
}

/// One in so many messages goes through its encoded form also where no bit flips.
const ENCODED_EVERY: u64 = 64;

/// All links.
pub(crate) struct Network {
    pub(crate) plan: plan::Network,
    nodes: u8,
    /// How many cuts each link is under, and of which kind: one way, both ways.
    cuts: Vec<(u32, u32)>,
    /// When the last message of each link arrives.
    last: Vec<u64>,
    random: Random,
}

impl Network {
    pub(crate) fn new(seed: u64, nodes: u8, plan: plan::Network) -> Self {
        let links = usize::from(nodes) * usize::from(nodes);
        let random = Random::fork(seed, 50);
        Self { plan, nodes, cuts: vec![(0, 0); links], last: vec![0; links], random }
    }

    fn link(&self, from: u8, to: u8) -> usize {
        usize::from(from) * usize::from(self.nodes) + usize::from(to)
    }

    /// Cuts one direction of a link, or ends such a cut.
    pub(crate) fn cut_one_way(&mut self, from: u8, to: u8, begins: bool) {
        let link = self.link(from, to);
        count(&mut self.cuts[link].0, begins);
    }

    /// Cuts all links between the nodes whose bits are set and the others, or ends such a cut.
    pub(crate) fn cut(&mut self, side: u8, begins: bool) {
        for from in 0..self.nodes {
            for to in 0..self.nodes {
                if (side >> from & 1) != (side >> to & 1) {
                    let link = self.link(from, to);
                    count(&mut self.cuts[link].1, begins);
                }
            }
        }
    }

    /// Nothing is lost any more, and nothing cut.
    pub(crate) fn heal(&mut self) {
        self.cuts.fill((0, 0));
        self.plan = plan::Network { loss: 0, duplicate: 0, reorder: 0, corrupt: 0, ..self.plan };
    }

    /// When a message arrives: never, once or twice.
    ///
    /// # Errors
    /// When its encoded form does not say the same, or a damaged form is accepted.
    pub(crate) fn send(
        &mut self,
        now: u64,
        envelope: &Envelope,
        counts: &mut FaultCounts,
    ) -> Result<[Option<u64>; 2], Violation> {
        let link = self.link(envelope.from.0, envelope.to.0);
        let (one_way, both) = self.cuts[link];
        let random = &mut self.random;
        if one_way > 0 || both > 0 {
            let kind = if both > 0 { FaultKind::Cut } else { FaultKind::OneWayCut };
            counts[kind] += 1;
            return Ok([None, None]);
        }
        if random.chance(self.plan.loss) {
            counts[FaultKind::Loss] += 1;
            return Ok([None, None]);
        }
        let corrupt = random.chance(self.plan.corrupt);
        if corrupt || random.below(ENCODED_EVERY) == 0 {
            encoded(envelope, corrupt, random)?;
        }
        if corrupt {
            counts[FaultKind::Corrupt] += 1;
            return Ok([None, None]);
        }
        let delay = self.plan.delay.draw(random);
        let first = if random.chance(self.plan.reorder) {
            counts[FaultKind::Reorder] += 1;
            now + delay + random.below(40 * MS)
        } else {
            self.last[link] = self.last[link].max(now + delay);
            self.last[link]
        };
        let second = random.chance(self.plan.duplicate).then(|| {
            counts[FaultKind::Duplicate] += 1;
            first + random.below(60 * MS)
        });
        Ok([Some(first), second])
    }
}

fn count(cuts: &mut u32, begins: bool) {
    *cuts = if begins { *cuts + 1 } else { cuts.saturating_sub(1) };
}

/// Takes a message through its encoded form; with a flipped bit it must be refused.
fn encoded(envelope: &Envelope, corrupt: bool, random: &mut Random) -> Result<(), Violation> {
    let frame = Frame::Message(envelope.message.clone());
    let mut bytes = Vec::new();
    frame::encode_into(&frame, &mut bytes);
    if corrupt {
        let at = random.index(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    let mut stream = BytesMut::from(&bytes[..]);
    match frame::take(&mut stream) {
        // The length grew: the stream waits for what never comes.
        Err(_) | Ok(None) if corrupt => Ok(()),
        Ok(Some(taken)) if !corrupt && taken == frame => Ok(()),
        other => {
            let detail = format!("{:?} became {other:?}", envelope.message);
            Err(Violation::new("WIRE", detail))
        }
    }
}
