//! The core task: the only place where a replica meets the world.

use crate::clock::Clock;
use crate::handle::{ChangeOutcome, Outcome, RefusedBecause};
use crate::limits::{
    INPUT_BATCH_MAX, LOG_BACKLOG_BYTES_MAX, LOG_BACKLOG_RECORDS_MAX, ROUTE_RETRY_INTERVAL,
};
use crate::link::Link;
use crate::log_thread::{Completion, LogThread};
use crate::requests::{Number, PeerRequest, Requests, Stage};
use crate::start::NodeError;
use ringleader_core::group::Change;
use ringleader_core::ids::{ReplicaId, RequestId, Tick};
use ringleader_replica::{
    Action, Event, Replica, ReplicatedState, Role, Status, StoredError, StoredRange, Timers,
};
use ringleader_replica::{Outcome as ReplicaOutcome, Refusal};
use ringleader_storage::wal::{Lsn, WriteError};
use ringleader_wire::Command;
use ringleader_wire::frame::{
    Answered, Forward, ForwardOutcome, ForwardRequest, Frame, Incarnation,
};
use ringleader_wire::limits::ANSWER_LENGTH_MAX;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// What reaches the core task, beside completions of the log and timers.
#[derive(Debug)]
pub(crate) enum Input {
    /// A client of this node asks.
    Request { request: ForwardRequest, reply: oneshot::Sender<Outcome> },
    /// A client of this node asks what its replica has applied, however old that is.
    ReadHere { query: Command, reply: oneshot::Sender<Outcome> },
    /// A peer's node spoke. No greeting is among the frames.
    Frames { from: ReplicaId, incarnation: Incarnation, frames: Vec<Frame> },
    /// The link to a peer broke.
    LinkDown(ReplicaId),
    /// Entries for a peer that lags could not be read from the log.
    Unreadable(StoredError),
    /// The log could not be trimmed.
    Untrimmed(WriteError),
    /// Who takes part is to change.
    Change { change: Change, reply: oneshot::Sender<ChangeOutcome> },
    /// Another replica is to lead. Dropped when this one does not lead any more, or must go on.
    HandOver { done: oneshot::Sender<()> },
    /// The node is to stop.
    Stop,
}

/// The core task's state.
pub(crate) struct Driver<S: ReplicatedState> {
    pub(crate) id: ReplicaId,
    pub(crate) incarnation: Incarnation,
    pub(crate) replica: Replica<S>,
    pub(crate) log: LogThread,
    pub(crate) links: BTreeMap<ReplicaId, Link>,
    pub(crate) stored_reads: mpsc::Sender<StoredRange>,
    /// Their clock counts from `started` on, and stands still while the machine is suspended.
    pub(crate) timers: Timers,
    pub(crate) started: Instant,
    pub(crate) status: Rc<Cell<Status>>,
    pub(crate) requests: Requests,
    pub(crate) clock: Clock,
    pub(crate) hand_over: Option<HandOver>,
    /// Changes of the group that were asked for here.
    pub(crate) changes: BTreeMap<Number, oneshot::Sender<ChangeOutcome>>,
    /// Below where the log may be trimmed.
    pub(crate) trims: watch::Sender<Lsn>,
    pub(crate) backlog: Backlog,
    /// When unsent requests are tried again.
    pub(crate) retry_at: Option<Instant>,
    /// The leader when requests were last tried.
    pub(crate) last_leader: Option<ReplicaId>,
    pub(crate) actions: Vec<Action>,
}

/// Records on their way to the disk.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    records: usize,
    bytes: usize,
}

impl Backlog {
    fn is_long(&self) -> bool {
        self.records >= LOG_BACKLOG_RECORDS_MAX || self.bytes >= LOG_BACKLOG_BYTES_MAX
    }
}

/// This leader gives way to a peer.
#[derive(Debug)]
pub(crate) struct HandOver {
    to: ReplicaId,
    /// Dropped at the end of it.
    _done: oneshot::Sender<()>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

impl<S: ReplicatedState> Driver<S> {
    /// Runs until the node is stopped or its storage fails.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> Result<(), NodeError> {
        let mut batch = Vec::with_capacity(INPUT_BATCH_MAX);
        let mut sleep = Box::pin(sleep_until(Instant::now()));
        self.carry_out();
        let ended = loop {
            let to_apply = self.replica.apply(self.clock.now())?;
            self.finish_batch()?;
            // The sleep is moved only when it would end too late; if too early, it starts again.
            let deadline = self.next_deadline();
            if deadline.is_some_and(|at| at < sleep.deadline()) || sleep.is_elapsed() {
                sleep.as_mut().reset(deadline.unwrap_or_else(far_away));
            }
            tokio::select! {
                biased;
                () = self.log.completed() => {}
                count = inputs.recv_many(&mut batch, INPUT_BATCH_MAX), if !self.backlog.is_long() => {
                    if count == 0 {
                        break Ok(());
                    }
                }
                () = &mut sleep => {}
                () = tokio::task::yield_now(), if to_apply => {}
            }
            while batch.len() < INPUT_BATCH_MAX
                && !self.backlog.is_long()
                && let Ok(input) = inputs.try_recv()
            {
                batch.push(input);
            }
            match self.handle(&mut batch) {
                Ok(Flow::GoOn) => {}
                Ok(Flow::Stop) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.requests.end_all();
        // After a failure of the storage nothing more may be written to it.
        ended?;
        self.replica.checkpoint()?;
        Ok(())
    }

    fn handle(&mut self, batch: &mut Vec<Input>) -> Result<Flow, NodeError> {
        self.take_completions()?;
        for input in batch.drain(..) {
            match input {
                Input::Request { request, reply } => {
                    let number = self.requests.open(request, reply, Instant::now());
                    if let Some(number) = number {
                        self.route(number)?;
                    }
                }
                Input::ReadHere { query, reply } => {
                    let request = ForwardRequest::Read(query.clone());
                    if let Some(number) = self.requests.open(request, reply, Instant::now()) {
                        self.read_here(number, query)?;
                    }
                }
                Input::Frames { from, incarnation, frames } => {
                    for frame in frames {
                        self.on_frame(from, incarnation, frame)?;
                    }
                }
                Input::LinkDown(peer) => {
                    self.requests.link_broke(peer);
                    self.hand_over.take_if(|it| it.to == peer);
                }
                Input::HandOver { done } => self.begin_hand_over(done)?,
                Input::Unreadable(error) => return Err(error.into()),
                Input::Untrimmed(error) => return Err(error.into()),
                Input::Change { change, reply } => self.begin_change(change, reply)?,
                Input::Stop => return Ok(Flow::Stop),
            }
        }
        // After the inputs: a timer that they arm again has not fired.
        let now = Instant::now();
        self.carry_out();
        while let Some(timer) = self.timers.take_due(self.timer_time(now)) {
            self.replica.step(self.clock.now(), Event::Timer(timer))?;
            self.carry_out();
        }
        Ok(Flow::GoOn)
    }

    fn take_completions(&mut self) -> Result<(), NodeError> {
        let mut completions = Vec::new();
        let alive = self.log.drain(&mut completions);
        for completion in completions {
            match completion {
                Completion::Durable(written) => {
                    self.backlog.records -= written.positions.len();
                    self.backlog.bytes -= written.bytes;
                    self.replica.step(self.clock.now(), written.into_event())?;
                }
                Completion::Failed(error) => return Err(error.into()),
            }
        }
        if alive { Ok(()) } else { Err(NodeError::LogThreadGone) }
    }

    fn on_frame(
        &mut self,
        from: ReplicaId,
        incarnation: Incarnation,
        frame: Frame,
    ) -> Result<(), NodeError> {
        match frame {
            Frame::Message(message) => {
                self.replica.step(self.clock.now(), Event::Receive { from, message })?;
            }
            Frame::Forward(Forward { incarnation: of, id, request }) if of == incarnation => {
                let number = self.requests.open_for(PeerRequest { from, incarnation, number: id });
                self.ask_replica(number, request)?;
            }
            Frame::Answered(Answered { incarnation: of, id, outcome })
                if of == self.incarnation =>
            {
                self.on_answered(from, id, outcome);
            }
            // To or from a process that has ended, or a greeting, which is not handed on.
            Frame::Forward(_) | Frame::Answered(_) | Frame::Hello(_) => {}
        }
        Ok(())
    }

    /// The leader's node has answered, or says that it does not lead.
    fn on_answered(&mut self, from: ReplicaId, number: Number, outcome: ForwardOutcome) {
        // An answer counts only from where the request was sent to last.
        let stage = self.requests.client(number).map(|client| client.stage);
        if stage != Some(Stage::Sent(from)) {
            return;
        }
        match outcome {
            ForwardOutcome::Done(answer) => self.requests.end(number, Outcome::Done(answer)),
            ForwardOutcome::NotLeader { .. } => self.requests.postpone(number),
            ForwardOutcome::Refused => {
                self.requests.end(number, Outcome::Refused(RefusedBecause::LeaderBusy));
            }
            ForwardOutcome::Unknown => self.requests.end(number, Outcome::Unknown),
        }
    }

    /// Hands a client's request to this replica if it leads, or to the leader's node.
    fn route(&mut self, number: Number) -> Result<(), NodeError> {
        let leader = self.replica.leader();
        let halted = self.replica.status().role == Role::Halted;
        let Some(client) = self.requests.client(number) else { return Ok(()) };
        let request = client.request.clone();
        if leader == Some(self.id) || halted {
            client.stage = Stage::Here;
            return self.ask_replica(number, request);
        }
        let incarnation = self.incarnation;
        let forward = Frame::Forward(Forward { incarnation, id: number, request });
        match leader.and_then(|leader| self.links.get(&leader).map(|link| (leader, link))) {
            Some((leader, link)) if link.push(&forward) => client.stage = Stage::Sent(leader),
            Some(_) | None => self.requests.postpone(number),
        }
        Ok(())
    }

    /// Has this replica answer a query from what it has applied. Should it not, the request goes on
    /// as a strong read, which is an eventual one as well.
    fn read_here(&mut self, number: Number, query: Command) -> Result<(), NodeError> {
        if let Some(client) = self.requests.client(number) {
            client.stage = Stage::Here;
        }
        let id = RequestId(number);
        Ok(self.replica.step(self.clock.now(), Event::ReadEventual { id, query })?)
    }

    fn ask_replica(&mut self, number: Number, request: ForwardRequest) -> Result<(), NodeError> {
        let id = RequestId(number);
        let event = match request {
            ForwardRequest::Write(command) => Event::Write { id, command },
            ForwardRequest::Read(query) => Event::Read { id, query },
        };
        Ok(self.replica.step(self.clock.now(), event)?)
    }

    /// Only a leader changes its group: whoever asks elsewhere is told who that is.
    fn begin_change(
        &mut self,
        change: Change,
        reply: oneshot::Sender<ChangeOutcome>,
    ) -> Result<(), NodeError> {
        let number = self.requests.next();
        self.changes.insert(number, reply);
        let id = RequestId(number);
        Ok(self.replica.step(self.clock.now(), Event::Change { id, change })?)
    }

    /// The replica has ended a request, of a client or of a peer.
    fn on_reply(&mut self, number: Number, outcome: ReplicaOutcome) {
        if let Some(reply) = self.changes.remove(&number) {
            // Whoever asked may be gone.
            let _ = reply.send(outcome.into());
            return;
        }
        if let Some(peer) = self.requests.take_peer(number) {
            self.answer_peer(peer, outcome);
            return;
        }
        match outcome {
            ReplicaOutcome::Done(answer) => self.requests.end(number, Outcome::Done(answer)),
            ReplicaOutcome::NotLeader { .. } => self.requests.postpone(number),
            ReplicaOutcome::Refused(refusal) => {
                self.requests.end(number, Outcome::Refused(refusal.into()));
            }
            ReplicaOutcome::Unknown => self.requests.end(number, Outcome::Unknown),
            // Nobody waits for a leader to begin to give way, only for the end of it.
            ReplicaOutcome::GivesWay => {}
        }
    }

    /// Has the peer lead that holds most of the log, of those that can be spoken to.
    fn begin_hand_over(&mut self, done: oneshot::Sender<()>) -> Result<(), NodeError> {
        let reachable = self.links.iter().filter(|(_, link)| link.is_up()).map(|(&id, _)| id);
        let held = |&peer: &ReplicaId| self.replica.group().progress(peer).map(|it| it.matched);
        let Some(to) = reachable.filter(|peer| held(peer).is_some()).max_by_key(held) else {
            return Ok(());
        };
        self.hand_over = Some(HandOver { to, _done: done });
        let id = RequestId(self.requests.next());
        tracing::info!(to = to.0, "handing over");
        Ok(self.replica.step(self.clock.now(), Event::Transfer { id, to })?)
    }

    fn answer_peer(&mut self, peer: PeerRequest, outcome: ReplicaOutcome) {
        let outcome = match outcome {
            ReplicaOutcome::Done(answer) if answer.len() <= ANSWER_LENGTH_MAX => {
                ForwardOutcome::Done(answer)
            }
            ReplicaOutcome::Done(answer) => {
                let length = answer.len();
                tracing::error!(length, limit = ANSWER_LENGTH_MAX, "an answer is too long to send");
                ForwardOutcome::Unknown
            }
            ReplicaOutcome::NotLeader { leader } => ForwardOutcome::NotLeader { leader },
            ReplicaOutcome::Refused(
                Refusal::Overloaded
                | Refusal::TooLong
                | Refusal::Halted(_)
                | Refusal::NoTransfer
                | Refusal::Change(_),
            ) => ForwardOutcome::Refused,
            ReplicaOutcome::Unknown => ForwardOutcome::Unknown,
            ReplicaOutcome::GivesWay => unreachable!("no peer asks for a transfer"),
        };
        let PeerRequest { from, incarnation, number } = peer;
        let answered = Frame::Answered(Answered { incarnation, id: number, outcome });
        if let Some(link) = self.links.get(&from) {
            // An answer that is dropped leaves the request unknown, on the node that asked.
            link.push(&answered);
        }
    }

    /// Carries out what the replica asks for. Replies may lead to new events, and these to more.
    fn carry_out(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        self.replica.take_actions(&mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Send { to, message } => {
                    if let Some(link) = self.links.get(&to) {
                        // A message may be lost.
                        link.push(&Frame::Message(message));
                    }
                }
                Action::SendStored(range) => {
                    // So may one that is not read.
                    let _ = self.stored_reads.try_send(range);
                }
                Action::Log(record) => {
                    self.backlog.records += 1;
                    self.backlog.bytes += record.bytes.len();
                    self.log.push(record);
                }
                Action::Reply { id, outcome } => self.on_reply(id.0, outcome),
                Action::Arm { timer, delay, jitter } => {
                    let now = self.timer_time(Instant::now());
                    self.timers.arm(timer, delay, jitter, now);
                }
                Action::Disarm { timer } => self.timers.disarm(timer),
                Action::TrimLog { below } => drop(self.trims.send_replace(below)),
                Action::Halted { invariant } => {
                    tracing::error!(invariant, "this replica has stopped: an invariant is broken");
                    self.timers.disarm_all();
                }
            }
        }
        self.actions = actions;
    }

    /// Hands on what the batch led to: one buffer per peer, replies, the status.
    fn finish_batch(&mut self) -> Result<(), NodeError> {
        self.carry_out();
        let now = Instant::now();
        self.retry_unsent(now)?;
        self.requests.expire(now);
        for link in self.links.values() {
            link.flush();
        }
        let (before, status) = (self.status.get(), self.replica.status());
        if (before.term, before.role, before.leader) != (status.term, status.role, status.leader) {
            let (term, leader) = (status.term.0, status.leader.map(|it| it.0));
            tracing::info!(term, leader, role = ?status.role, "role");
        }
        self.hand_over.take_if(|_| status.role != Role::Leader);
        self.status.set(status);
        Ok(())
    }

    /// Tries requests that no leader has: when the leader changes, and every now and then.
    fn retry_unsent(&mut self, now: Instant) -> Result<(), NodeError> {
        if !self.requests.has_unsent() {
            self.retry_at = None;
            return Ok(());
        }
        let leader = self.replica.leader();
        let due = self.retry_at.is_some_and(|at| at <= now);
        if due || leader != self.last_leader {
            self.last_leader = leader;
            self.retry_at = None;
            for number in self.requests.take_unsent() {
                self.route(number)?;
            }
            self.carry_out();
        }
        if self.requests.has_unsent() && self.retry_at.is_none() {
            self.retry_at = Some(now + ROUTE_RETRY_INTERVAL);
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        let timer = self.timers.next().map(|at| self.started + Duration::from_micros(at.0));
        let deadlines = [timer, self.retry_at, self.requests.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// A moment on the clock of the timers.
    fn timer_time(&self, now: Instant) -> Tick {
        let elapsed = now.saturating_duration_since(self.started).as_micros();
        Tick(u64::try_from(elapsed).expect("a node does not run for 500,000 years"))
    }
}

/// A sleep that nothing needs.
fn far_away() -> Instant {
    Instant::now() + Duration::from_hours(1)
}
