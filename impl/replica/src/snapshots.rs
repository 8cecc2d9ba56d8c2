//! Checkpoints and snapshots: what the machine asks about the state machine's storage.
//!
//! ```text
//!  core                         Replica                            state
//!                               begin_checkpoint, by size     ──▶  durable beside what goes on
//!  Told::Checkpointed      ◀──  checkpointed                  ◀──
//!  Ask::SendSnapshot part  ──▶  SnapshotPart to the peer      ◀──  the checkpoint, part by part
//!  Ask::Stage part         ──▶                                ──▶  set aside
//!  Told::Staged            ◀──  after the last part, durable
//!  Ask::Install            ──▶  applied = the snapshot's end  ──▶  swapped
//! ```
//!
//! A leader that hears of a checkpoint lets the group trim its logs up to there. While a newcomer
//! catches up that would take from under it what comes after its snapshot, so the machine is told
//! later, up to a bound.
//!
//! Source: Ongaro & Ousterhout 2014, section 7; the rules are in `group/snapshot.rs` of the core.

use crate::replica::Replica;
use crate::state::{ReplicatedState, Staging, StateError, StateSnapshot};
use ringleader_core::group::{Flow, Message, SnapshotMark, Told};
use ringleader_core::ids::{LogIndex, ReplicaId, Term, Tick};
use ringleader_core::machine::Input;
use ringleader_wire::Command;
use std::collections::BTreeMap;

/// A snapshot on its way to a peer.
#[derive(Debug)]
struct Sending<N> {
    mark: SnapshotMark,
    snapshot: N,
    /// How many parts were read.
    parts: u32,
    /// The last one of them, and whether nothing follows it.
    part: (Command, bool),
}

impl<N: StateSnapshot> Sending<N> {
    fn begin(mark: SnapshotMark, mut snapshot: N) -> Result<Self, StateError> {
        let part = snapshot.next_part()?;
        Ok(Self { mark, snapshot, parts: 1, part })
    }

    /// Reads on up to a part. Nothing if there is none, or it is behind.
    fn part(&mut self, number: u32) -> Result<Option<(Command, bool)>, StateError> {
        while self.parts <= number && !self.part.1 {
            self.part = self.snapshot.next_part()?;
            self.parts += 1;
        }
        Ok((self.parts == number + 1).then(|| self.part.clone()))
    }
}

/// What a replica knows about checkpoints and snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots<N> {
    sending: BTreeMap<ReplicaId, Sending<N>>,
    /// The last checkpoint that the machine knows of.
    told: LogIndex,
    /// Bytes of commands applied since then.
    untold_bytes: usize,
    /// Bytes of commands applied since a checkpoint was begun.
    pub(crate) unbegun_bytes: usize,
}

impl<N> Snapshots<N> {
    pub(crate) fn new(checkpointed: LogIndex, unbegun_bytes: usize) -> Self {
        Self { sending: BTreeMap::new(), told: checkpointed, untold_bytes: 0, unbegun_bytes }
    }

    /// A command of so many bytes was applied.
    pub(crate) fn applied(&mut self, bytes: usize) {
        self.unbegun_bytes += bytes;
        self.untold_bytes += bytes;
    }
}

impl<S: ReplicatedState> Replica<S> {
    /// Begins a checkpoint when enough was applied, and passes on how far the last one is.
    pub(crate) fn poll_checkpoint(&mut self, now: Tick) -> Result<(), StateError> {
        if self.snapshots.unbegun_bytes >= self.tuning.checkpoint_bytes {
            self.snapshots.unbegun_bytes = 0;
            self.state.begin_checkpoint()?;
        }
        let index = self.state.checkpointed()?;
        let held_back = self.group.newcomer().is_some()
            && self.snapshots.untold_bytes < self.tuning.held_back_bytes;
        if index > self.snapshots.told && !held_back {
            self.note_told(index);
            self.feed(now, Input::Told(Told::Checkpointed(index)))?;
        }
        let group = &self.group;
        self.snapshots.sending.retain(|&peer, sending| {
            let end = sending.mark.end.index;
            group
                .progress(peer)
                .is_some_and(|it| matches!(it.flow, Flow::Snapshot { end: of, .. } if of == end))
        });
        Ok(())
    }

    fn note_told(&mut self, index: LogIndex) {
        self.snapshots.told = index;
        self.snapshots.untold_bytes = 0;
    }

    /// The machine wants a part of the state at `mark` sent. If that is not there any more, the
    /// machine learns what is, and begins anew.
    pub(crate) fn send_snapshot(
        &mut self,
        (to, term): (ReplicaId, Term),
        (mark, number): (SnapshotMark, u32),
    ) -> Result<(), StateError> {
        if self.snapshots.sending.get(&to).is_none_or(|it| it.mark != mark) {
            self.snapshots.sending.remove(&to);
            let newest = self.state.checkpointed()?;
            if newest == mark.end.index {
                let sending = Sending::begin(mark, self.state.snapshot()?)?;
                self.snapshots.sending.insert(to, sending);
            } else if newest > self.snapshots.told {
                self.note_told(newest);
                self.told.push_back(Told::Checkpointed(newest));
            }
        }
        let sending = self.snapshots.sending.get_mut(&to);
        if let Some((content, last)) = sending.map(|it| it.part(number)).transpose()?.flatten() {
            let (part, content) = (number, vec![content]);
            let message = Message::SnapshotPart { term, mark, part, last, content };
            self.outbox.push(to, message);
        } else {
            self.snapshots.sending.remove(&to);
            self.told.push_back(Told::Gone(to));
        }
        Ok(())
    }

    /// A part of the leader's state is to be set aside.
    pub(crate) fn stage(
        &mut self,
        (mark, part): (SnapshotMark, u32),
        (content, last): (&[Command], bool),
    ) -> Result<(), StateError> {
        let staged = match content {
            [content] => self.state.stage(part, content)?,
            _ => Staging::Refused, // Not from a correct peer.
        };
        match staged {
            Staging::Refused => self.told.push_back(Told::Failed(mark)),
            Staging::Done if last => {
                self.state.finish_staging(mark.end.index)?;
                self.told.push_back(Told::Staged(mark));
            }
            Staging::Done => {}
        }
        Ok(())
    }

    /// What is set aside is the state from here on.
    pub(crate) fn install(&mut self, mark: SnapshotMark) -> Result<(), StateError> {
        let index = mark.end.index;
        self.state.install(index)?;
        (self.applied, self.apply_upto) = (index, index);
        self.stored.begin_after(index);
        self.note_told(index);
        self.told.push_back(Told::Installed(index));
        Ok(())
    }
}
