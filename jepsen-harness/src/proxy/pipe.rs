//! One direction of one connection: cut into frames, each with its fate, delivered when due.
//!
//! What is known of the bytes is what the wire format promises (`ringleader-wire`, module `frame`):
//! 12 bytes of header, of which the first two are `RL`, the fourth is the kind of frame and the
//! fifth to eighth its payload's length. Everything else passes as it comes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Condition;
use crate::generator::Random;

const HEADER_LENGTH: usize = 12;
const MAGIC: &[u8] = b"RL";
/// Kinds of frames. A greeting opens a connection; without it there is none.
const GREETING: u8 = 1;
/// One replica to another.
const MESSAGE: u8 = 2;
/// No frame is longer; what claims to be is not one of ours.
const FRAME_LENGTH_MAX: usize = 16 << 20;

/// A frame that is overtaken, or comes a second time, is so much later, and up to twice as much.
const LATE: Duration = Duration::from_millis(5);

/// What happened to frames on the way in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates {
    pub(super) delayed: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) swapped: u64,
    pub(super) slowed: u64,
}

/// What is under way in one direction.
pub(super) struct Pipe {
    random: Random,
    /// The beginning of a frame whose end has not come yet.
    partial: Vec<u8>,
    /// Whether the first bytes were those of a frame; unknown before there are two.
    framed: Option<bool>,
    /// By when it is due and in which order it came.
    queue: BTreeMap<(Instant, u64), Vec<u8>>,
    queued_bytes: usize,
    arrived: u64,
    /// Nothing that keeps its order is due before what came before it.
    last_due: Option<Instant>,
    /// When the slow line has sent what it was given.
    line_free: Option<Instant>,
}

/// A connection that cannot lose a frame without losing everything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Pipe {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            partial: Vec::new(),
            framed: None,
            queue: BTreeMap::new(),
            queued_bytes: 0,
            arrived: 0,
            last_due: None,
            line_free: None,
        }
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// When the next piece is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Everything that is due by now, in order.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(first) = self.queue.first_entry() {
            if first.key().0 > now {
                break;
            }
            bytes.extend_from_slice(&first.remove());
        }
        self.queued_bytes -= bytes.len();
        bytes
    }

    /// Takes what arrived and decides what becomes of each whole frame in it.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        condition: &Condition,
        now: Instant,
    ) -> Result<Fates, Broken> {
        self.partial.extend_from_slice(bytes);
        let mut fates = Fates::default();
        while let Some(frame) = self.whole_frame() {
            self.decide(frame, condition, now, &mut fates)?;
        }
        Ok(fates)
    }

    /// The first whole frame; of a stream that is none of ours, whatever is there.
    fn whole_frame(&mut self) -> Option<Vec<u8>> {
        if self.framed.is_none() && self.partial.len() >= MAGIC.len() {
            self.framed = Some(self.partial.starts_with(MAGIC));
        }
        let length = match self.framed {
            Some(true) => match frame_length(&self.partial) {
                Some(length) if length > FRAME_LENGTH_MAX => {
                    self.framed = Some(false);
                    self.partial.len()
                }
                length => length?,
            },
            // A single byte is not yet known to be ours, but need not wait for the second.
            Some(false) | None => self.partial.len(),
        };
        if length == 0 || self.partial.len() < length {
            return None;
        }
        if self.framed.is_none() {
            // It has passed; what follows cannot be looked at any more.
            self.framed = Some(false);
        }
        let rest = self.partial.split_off(length);
        Some(std::mem::replace(&mut self.partial, rest))
    }

    fn decide(
        &mut self,
        frame: Vec<u8>,
        condition: &Condition,
        now: Instant,
        fates: &mut Fates,
    ) -> Result<(), Broken> {
        let kind = if self.framed == Some(true) { frame.get(3).copied() } else { None };
        if kind != Some(GREETING) && self.strikes(condition.lost) {
            fates.lost += 1;
            return if kind.is_some() { Ok(()) } else { Err(Broken) };
        }
        let mut due = now + condition.delay + self.up_to(condition.jitter);
        fates.delayed += u64::from(due > now);
        if let Some(rate) = condition.bytes_per_second {
            let sent = Duration::from_secs(1).mul_f64(length(&frame) / f64::from(rate.max(1)));
            let free = self.line_free.map_or(due, |free| free.max(due));
            fates.slowed += 1;
            due = free + sent;
            self.line_free = Some(due);
        }
        if kind == Some(MESSAGE) && self.strikes(condition.doubled) {
            fates.doubled += 1;
            let again = due + LATE + self.up_to(LATE);
            self.enqueue(again, frame.clone());
        }
        if kind == Some(MESSAGE) && self.strikes(condition.swapped) {
            fates.swapped += 1;
            let late = due + LATE + self.up_to(LATE);
            self.enqueue(late, frame);
            return Ok(());
        }
        due = self.last_due.map_or(due, |last| last.max(due));
        self.last_due = Some(due);
        self.enqueue(due, frame);
        Ok(())
    }

    fn enqueue(&mut self, due: Instant, frame: Vec<u8>) {
        self.queued_bytes += frame.len();
        self.queue.insert((due, self.arrived), frame);
        self.arrived += 1;
    }

    fn strikes(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.random.below(1_000) < u64::from(thousandths)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.below(most.saturating_add(1).max(1)))
    }
}

/// The length of the frame that these bytes begin with, as soon as its header is there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let payload = bytes.get(4..8)?.first_chunk::<4>()?;
    Some(HEADER_LENGTH + usize::try_from(u32::from_le_bytes(*payload)).unwrap_or(usize::MAX >> 1))
}

#[expect(clippy::cast_precision_loss, reason = "frames are far shorter than 2^52 bytes")]
fn length(frame: &[u8]) -> f64 {
    frame.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b'R', b'L', 1, kind];
        bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    fn pipe() -> Pipe {
        Pipe::new(Random::new(1))
    }

    /// What arrives in the end when these bytes are sent at once under a condition.
    fn sent(bytes: &[u8], condition: Condition) -> (Vec<u8>, Fates) {
        let (mut pipe, now) = (pipe(), Instant::now());
        let fates = pipe.push(bytes, &condition, now).unwrap();
        (pipe.take_due(now + Duration::from_hours(1)), fates)
    }

    fn messages(count: u8) -> Vec<u8> {
        let greeting = frame(GREETING, b"hello");
        let messages = (0..count).flat_map(|number| frame(MESSAGE, &[number]));
        greeting.into_iter().chain(messages).collect()
    }

    /// The numbers of the messages, in the order of their arrival.
    fn numbers(bytes: &[u8]) -> Vec<u8> {
        let messages = &bytes[HEADER_LENGTH + 5..];
        messages.chunks(HEADER_LENGTH + 1).map(|chunk| chunk[HEADER_LENGTH]).collect()
    }

    #[test]
    fn a_frame_in_pieces_passes_whole_and_a_strange_stream_as_it_comes() {
        let (mut pipe, now) = (pipe(), Instant::now());
        let bytes = frame(MESSAGE, b"payload");
        let (head, tail) = bytes.split_at(9);
        assert_eq!(pipe.push(head, &Condition::WHOLE, now), Ok(Fates::default()));
        assert_eq!(pipe.take_due(now), b"");
        assert_eq!(pipe.push(tail, &Condition::WHOLE, now), Ok(Fates::default()));
        assert_eq!(pipe.take_due(now), bytes);
        assert_eq!(sent(b"GET / HTTP/1.1", Condition::WHOLE).0, b"GET / HTTP/1.1");
        assert_eq!(sent(b"R", Condition::WHOLE).0, b"R");
    }

    #[test]
    fn losses_spare_the_greeting_and_close_what_is_not_ours() {
        let all = Condition { lost: 1_000, ..Condition::WHOLE };
        let (arrived, fates) = sent(&messages(5), all);
        assert_eq!((arrived, fates.lost), (frame(GREETING, b"hello"), 5));
        assert_eq!(pipe().push(b"GET", &all, Instant::now()), Err(Broken));
    }

    #[test]
    fn messages_come_twice_or_in_another_order_and_requests_do_not() {
        let twice = Condition { doubled: 1_000, ..Condition::WHOLE };
        let (arrived, fates) = sent(&messages(3), twice);
        let mut arrived = numbers(&arrived);
        arrived.sort_unstable();
        assert_eq!((arrived, fates.doubled), (vec![0, 0, 1, 1, 2, 2], 3));
        assert_eq!(sent(&frame(3, b"request"), twice).0, frame(3, b"request"));

        let mixed = Condition { swapped: 500, ..Condition::WHOLE };
        let (arrived, fates) = sent(&messages(40), mixed);
        let order = numbers(&arrived);
        assert!(!order.is_sorted() && fates.swapped > 5, "{order:?}");
        assert_eq!(order.len(), 40);
    }

    #[test]
    fn what_is_late_keeps_its_order_and_a_slow_line_takes_its_time() {
        let late = Condition {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(20),
            ..Condition::WHOLE
        };
        let (mut pipe, now) = (pipe(), Instant::now());
        assert_eq!(pipe.push(&messages(20), &late, now).unwrap().delayed, 21);
        assert_eq!(pipe.take_due(now + Duration::from_millis(19)), b"");
        let order = numbers(&pipe.take_due(now + Duration::from_millis(40)));
        assert!(order.is_sorted() && order.len() == 20, "{order:?}");

        let slow = Condition { bytes_per_second: Some(1_000), ..Condition::WHOLE };
        let mut pipe = Pipe::new(Random::new(1));
        pipe.push(&messages(20), &slow, now).unwrap();
        let bytes = pipe.take_due(now + Duration::from_millis(100)).len();
        assert!((80..=100).contains(&bytes), "{bytes} bytes in 100 ms");
        assert_eq!(pipe.queued_bytes(), messages(20).len() - bytes);
    }
}
