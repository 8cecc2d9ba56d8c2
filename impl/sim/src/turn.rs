//! A node's turn: what the driver of the server does with what is ready, in the same order.

use crate::fault::FaultKind;
use crate::network::Envelope;
use crate::node::{Process, STREAM, Started};
use crate::oracle::Violation;
use crate::plan::MS;
use crate::queue::Happening;
use crate::world::World;
use ringleader_core::group::invariant::promise_is_durable;
use ringleader_core::ids::{LogIndex, ReplicaId, Term};
use ringleader_replica::group_commit::write_group;
use ringleader_replica::{Action, Event, StateError};
use ringleader_storage::wal::WriteError;

/// Inputs that are looked at in one turn.
const BATCH_MAX: usize = 64;

/// A node that stopped because its storage failed is started again after this long.
const RESTART_AFTER: u64 = 300 * MS;

/// Why a turn ended early.
enum Stop {
    Broken(Violation),
    Storage(String),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl World {
    /// The process of a node, if it is still the one that was meant.
    pub(crate) fn process_of(&mut self, at: usize, incarnation: u32) -> Option<&mut Process> {
        let node = &mut self.nodes[at];
        node.process.as_deref_mut().filter(|_| node.incarnation == incarnation)
    }

    /// Starts a node that is down.
    pub(crate) fn start(&mut self, at: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[at];
        let id = node.id.0;
        let started = node.start(self.now)?;
        let incarnation = node.incarnation;
        self.tell(at, || match started {
            Started::Runs { .. } => format!("starts, process {incarnation}"),
            Started::Refused => "refuses to start: its log is damaged".to_owned(),
            Started::Failed => "does not start: its disk fails".to_owned(),
        });
        match started {
            Started::Runs { tree_rebuilt } => {
                self.counts[FaultKind::TreeDamage] += u64::from(tree_rebuilt);
                self.turn(at)
            }
            Started::Refused => {
                self.counts[FaultKind::LogDamage] += 1;
                Ok(())
            }
            Started::Failed => {
                self.nodes[at].note_disk_failure();
                self.queue.arrange(self.now + RESTART_AFTER, Happening::Starts { node: id });
                Ok(())
            }
        }
    }

    /// Lets a node do what is ready, unless it is down, paused or busy.
    pub(crate) fn turn(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.is_paused(now) {
            return Ok(());
        }
        let (id, incarnation) = (node.id.0, node.incarnation);
        let Some(mut process) = node.process.take() else { return Ok(()) };
        if now < process.busy_until {
            if !process.goes_on {
                process.goes_on = true;
                let what = Happening::GoesOn { node: id, incarnation };
                self.queue.arrange(process.busy_until, what);
            }
            self.nodes[at].process = Some(process);
            return Ok(());
        }
        let done = self.work(at, &mut process);
        self.nodes[at].process = Some(process);
        match done {
            Ok(began_to_lead) => {
                if began_to_lead {
                    self.on_new_leader(at)?;
                }
                self.arrange_wake(at);
                Ok(())
            }
            Err(Stop::Broken(violation)) => Err(violation),
            Err(Stop::Storage(error)) => self.storage_failed(at, &error),
        }
    }

    /// One turn. Returns whether the replica has just begun to lead.
    fn work(&mut self, at: usize, process: &mut Process) -> Result<bool, Stop> {
        let local = self.nodes[at].clock.read(self.now);
        let before = self.recorder.is_some().then(|| process.replica.status());
        let mut handled = 0;
        for written in process.completed.drain(..) {
            process.replica.step(local, written.into_event())?;
            handled += 1;
        }
        while handled < BATCH_MAX
            && let Some(event) = process.inbox.pop_front()
        {
            process.replica.step(local, event)?;
            handled += 1;
        }
        self.carry_out(at, process)?;
        while let Some(timer) = process.timers.take_due(local) {
            process.replica.step(local, Event::Timer(timer))?;
            handled += 1;
            self.carry_out(at, process)?;
        }
        self.steps += handled as u64;
        let mut leads = self.oracle.observe(process.replica.group(), &mut process.seen)?;
        let to_apply = process.replica.apply(local)?;
        leads |= self.oracle.observe(process.replica.group(), &mut process.seen)?;
        self.carry_out(at, process)?;
        self.begin_write(at, process);
        // What comes while it works is looked at in one go.
        process.busy_until = self.now + (handled as u64).div_ceil(4);
        if (to_apply || !process.inbox.is_empty()) && !process.goes_on {
            process.goes_on = true;
            let (node, incarnation) = (self.nodes[at].id.0, self.nodes[at].incarnation);
            let then = process.busy_until.max(self.now + 1);
            self.queue.arrange(then, Happening::GoesOn { node, incarnation });
        }
        if let Some(before) = before {
            let after = process.replica.status();
            if (before.term, before.role) != (after.term, after.role) {
                let text = format!("{:?} t{}", after.role, after.term.0).to_lowercase();
                self.tell_note(at, || text);
            }
            if before.commit != after.commit {
                self.tell_note(at, || format!("commit {}", after.commit.0));
            }
        }
        Ok(leads)
    }

    /// Carries out what the replica asks for.
    fn carry_out(&mut self, at: usize, process: &mut Process) -> Result<(), Stop> {
        let local = self.nodes[at].clock.read(self.now);
        let id = self.nodes[at].id;
        let mut actions = std::mem::take(&mut process.actions);
        process.replica.take_actions(&mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Send { to, message } => {
                    self.say(at, Envelope { from: id, to, message })?;
                }
                Action::SendStored(range) => {
                    let read = process.reader(range.to).read(&range);
                    let messages = read.map_err(|error| Stop::Storage(error.to_string()))?;
                    for message in messages {
                        self.say(at, Envelope { from: id, to: range.to, message })?;
                    }
                }
                Action::Log(record) => process.queued.push(record),
                Action::Reply { id, outcome } => self.reply(id, outcome),
                Action::Arm { timer, delay, jitter } => {
                    process.timers.arm(timer, delay, jitter, local);
                }
                Action::Disarm { timer } => process.timers.disarm(timer),
                Action::TrimLog { below } => unreachable!("no log is trimmed, up to {below}"),
                Action::Halted { invariant } => {
                    let detail = format!("node {} has stopped itself", id.0);
                    return Err(Violation::new(&format!("HALT: {invariant}"), detail).into());
                }
            }
        }
        process.actions = actions;
        Ok(())
    }

    /// `ELECTION-2`: whatever is said, the disk holds.
    fn say(&mut self, at: usize, envelope: Envelope) -> Result<(), Violation> {
        if !promise_is_durable(self.nodes[at].durable(), envelope.to, &envelope.message) {
            let detail = format!("node {at} says {:?}", envelope.message);
            return Err(Violation::new("ELECTION-2", detail));
        }
        self.send(envelope)
    }

    /// Starts a write of everything that waits, unless one is in flight.
    fn begin_write(&mut self, at: usize, process: &mut Process) {
        if process.flight.is_some() || process.queued.is_empty() {
            return;
        }
        process.flight = Some(std::mem::take(&mut process.queued));
        let node = &mut self.nodes[at];
        let (latency, slowed) = node.write_latency(self.now, self.plan.disk);
        self.counts[FaultKind::SlowDisk] += u64::from(slowed);
        let what = Happening::Written { node: node.id.0, incarnation: node.incarnation };
        self.queue.arrange(self.now + latency, what);
    }

    /// The write in flight ends: only now the disk is asked for it, so that a crash before may have
    /// any part of it.
    pub(crate) fn written(&mut self, at: usize, incarnation: u32) -> Result<(), Violation> {
        if self.process_of(at, incarnation).is_none() {
            return Ok(());
        }
        let node = &mut self.nodes[at];
        let process = node.process.as_mut().expect("looked up above");
        let flight = process.flight.take().expect("a write that ends was in flight");
        let first_operation = node.log_disk.operations();
        match write_group(&mut process.wal, STREAM, &flight) {
            Ok(written) => {
                let lengths = flight.iter().map(|record| record.bytes.len());
                let places = written.positions.iter().copied().zip(lengths).collect();
                process.completed.push(written);
                node.keep(&flight, places);
                self.turn(at)
            }
            Err(error) => {
                let kind = if matches!(error, WriteError::DiskFull { .. }) {
                    FaultKind::DiskFull
                } else {
                    node.failed_operation_since(first_operation)
                };
                self.counts[kind] += 1;
                node.leave_in_doubt(flight);
                self.storage_failed(at, &error.to_string())
            }
        }
    }

    /// The storage of a node failed: its process ends, as in production. Somebody starts it again.
    pub(crate) fn storage_failed(&mut self, at: usize, error: &str) -> Result<(), Violation> {
        let node = &mut self.nodes[at];
        if !node.expects_disk_failure() {
            let detail = format!("node {at} stopped, and nothing was wrong with its disk: {error}");
            return Err(Violation::new("STORAGE", detail));
        }
        node.note_disk_failure();
        self.tell(at, || format!("stops: {error}"));
        let node = &mut self.nodes[at];
        node.end();
        let what = Happening::Starts { node: node.id.0 };
        self.queue.arrange(self.now + RESTART_AFTER, what);
        self.break_connections(at);
        Ok(())
    }

    /// Has the event queue wake a node for its next timer.
    pub(crate) fn arrange_wake(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else { return };
        let Some(due) = process.timers.next() else { return };
        let when = node.clock.when(due).max(now + 1);
        // One that comes earlier looks again.
        if process.wakes_at.is_none_or(|at| at > when) {
            process.wakes_at = Some(when);
            let what = Happening::Wakes { node: node.id.0, incarnation: node.incarnation };
            self.queue.arrange(when, what);
        }
    }

    /// `LEASE-1`: while an earlier leader may read alone, nobody begins to lead a later term.
    fn on_new_leader(&mut self, at: usize) -> Result<(), Violation> {
        let term_of = |at: usize| self.nodes[at].group().map(ringleader_core::group::Group::term);
        let Some(term) = term_of(at) else { return Ok(()) };
        for (other, node) in self.nodes.iter().enumerate() {
            let Some(group) = node.group().filter(|it| it.is_leader() && it.term() < term) else {
                continue;
            };
            if group.holds_lease(node.clock.read(self.now)) {
                let (old, new): (Term, Term) = (group.term(), term);
                return Err(Violation::new(
                    "LEASE-1",
                    format!(
                        "node {at} leads term {}, node {other} reads alone in {}",
                        new.0, old.0
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Adds a step to the story.
    pub(crate) fn tell(&mut self, at: usize, what: impl FnOnce() -> String) {
        if let Some(recorder) = &mut self.recorder {
            recorder.step(self.nodes[at].id.0, None, what(), false);
        }
    }

    fn tell_note(&mut self, at: usize, what: impl FnOnce() -> String) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(self.nodes[at].id.0, what());
        }
    }
}

/// A replica in a few words.
pub(crate) fn describe(id: ReplicaId, process: Option<&Process>) -> String {
    let Some(process) = process else { return format!("node {} is down", id.0) };
    let status = process.replica.status();
    let (LogIndex(commit), LogIndex(last)) = (status.commit, status.last);
    let role = format!("{:?}", status.role).to_lowercase();
    format!("node {} {role} t{} commit {commit} of {last}", id.0, status.term.0)
}
