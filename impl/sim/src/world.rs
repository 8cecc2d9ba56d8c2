//! A run: nodes, network and clients under one event queue, on one thread.
//!
//! Three phases. *Faults*: whatever the plan holds happens while clients work. *Quorum*: a majority of
//! nodes is healed and the others are not; within a bound, clients must be served. *Scan*: every item
//! is read, and what was read, what clients were told and what the replicas hold must fit together.

use crate::client::{self, Client, Ended, History, Next, PATIENCE, named_by, request_id};
use crate::digest::Digest;
use crate::fault::{FaultCounts, FaultKind};
use crate::network::{Envelope, Network};
use crate::node::{Damage, ELECTION_TIMEOUT, Node};
use crate::oracle::{Oracle, Violation};
use crate::plan::{MS, OperationKind, Plan};
use crate::queue::{Happening, Queue, Slots};
use crate::random::Random;
use crate::report::Report;
use crate::story::{self, Recorder};
use ringleader_core::group::Group;
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::{Event, Outcome};
use std::hash::Hash;

/// What a run may take before it counts as one that does not end: with 600 operations, most take some
/// 9,000 events.
const EVENTS_MAX: u64 = 500_000;
/// And so much more for each operation.
const EVENTS_PER_OPERATION_MAX: u64 = 500;

/// After the heal, clients are served within so many election timeouts: a leader that is cut off
/// notices, clients time out once or twice, and a few elections may fail.
const HEALED_MAX: u64 = 50 * ELECTION_TIMEOUT;

/// How often the phases are looked at.
const LOOKS_EVERY: u64 = 50 * MS;

/// Operations of each client in the phase in which they must succeed.
const HEALED_OPERATIONS: u64 = 3;

/// Whole logs are compared after so many events.
const GROUP_CHECK_EVERY: u64 = 8_192;

/// Who asks for the table.
pub(crate) const MAKER: u8 = 255;
/// Who asks leaders to let others lead.
pub(crate) const OPERATOR: u8 = 254;

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Faults,
    /// A quorum is healed; operations since this record must succeed.
    Quorum {
        first: usize,
        deadline: u64,
    },
    /// The same, for the reads of all items.
    Scan {
        first: usize,
        deadline: u64,
    },
    /// Nobody asks for anything any more.
    Settling {
        until: u64,
    },
    Over,
}

/// A run under way.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: u64,
    pub(crate) queue: Queue,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    envelopes: Slots<Envelope>,
    answers: Slots<(u8, u32, Outcome)>,
    pub(crate) clients: Vec<Client>,
    pub(crate) history: History,
    pub(crate) oracle: Oracle,
    pub(crate) counts: FaultCounts,
    pub(crate) phase: Phase,
    /// Whom clients ask.
    pub(crate) reachable: Vec<u8>,
    /// Whether there is a table.
    table_made: bool,
    pub(crate) asked_by_us: u32,
    pub(crate) digest: Digest,
    pub(crate) events: u64,
    pub(crate) steps: u64,
    pub(crate) random: Random,
    pub(crate) recorder: Option<Recorder>,
}

impl World {
    pub(crate) fn new(plan: &Plan, recorder: Option<Recorder>) -> Self {
        let (seed, nodes) = (plan.seed, plan.nodes);
        Self {
            now: 0,
            queue: Queue::default(),
            nodes: (0..nodes).map(|number| Node::new(plan, number)).collect(),
            network: Network::new(seed, nodes, plan.network),
            envelopes: Slots::default(),
            answers: Slots::default(),
            clients: (0..plan.clients).map(|id| Client::new(seed, id)).collect(),
            history: History::new(),
            oracle: Oracle::new(ReplicaSet::first(nodes)),
            counts: FaultCounts::default(),
            phase: Phase::Faults,
            reachable: (0..nodes).collect(),
            table_made: false,
            asked_by_us: 0,
            digest: Digest::new(),
            events: 0,
            steps: 0,
            random: Random::fork(seed, 2),
            recorder,
            plan: plan.clone(),
        }
    }

    /// Runs to the end, or to the first broken promise.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        self.begin()?;
        while let Some((at, what)) = self.queue.next() {
            self.now = at;
            self.events += 1;
            self.happen(what)?;
            if self.events.is_multiple_of(GROUP_CHECK_EVERY) {
                self.oracle.check_group(&self.nodes)?;
            }
            if self.phase == Phase::Over {
                break;
            }
            let most = EVENTS_MAX + self.plan.operations.len() as u64 * EVENTS_PER_OPERATION_MAX;
            if self.events > most {
                let detail = format!("{most} events, and {:?}", self.phase);
                return Err(Violation::new("END", detail));
            }
        }
        self.check_end()
    }

    fn begin(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            self.nodes[node].make()?;
            self.start(node)?;
        }
        for (number, planned) in (0..).zip(&self.plan.faults) {
            self.queue.arrange(planned.at, Happening::Fault { number });
        }
        for client in &mut self.clients {
            let id = client.id;
            let own = self.plan.operations.iter().filter(move |it| it.client == id);
            client.give(own.map(|it| (it.at, it.key, it.kind)));
        }
        for client in 0..self.clients.len() {
            self.arrange_client(client);
        }
        self.queue.arrange(LOOKS_EVERY, Happening::Looks);
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Result<(), Violation> {
        self.digest.add(self.now);
        match what {
            Happening::Arrives { slot } => self.arrive(slot),
            Happening::GoesOn { node, incarnation } => {
                self.digest.add(1 << 8 | u64::from(node));
                let at = usize::from(node);
                if let Some(process) = self.process_of(at, incarnation) {
                    process.goes_on = false;
                    return self.turn(at);
                }
                Ok(())
            }
            Happening::Wakes { node, incarnation } => {
                self.digest.add(2 << 8 | u64::from(node));
                let (at, now) = (usize::from(node), self.now);
                if let Some(process) = self.process_of(at, incarnation) {
                    // An earlier wake has taken its place if it is not the one that is due.
                    if process.wakes_at == Some(now) {
                        process.wakes_at = None;
                        return self.turn(at);
                    }
                }
                Ok(())
            }
            Happening::Written { node, incarnation } => {
                self.digest.add(3 << 8 | u64::from(node));
                self.written(usize::from(node), incarnation)
            }
            Happening::Asks { client, attempt } => {
                self.digest.add(4 << 8 | u64::from(client));
                self.ask(usize::from(client), attempt);
                Ok(())
            }
            Happening::Asked { client, attempt, node } => {
                self.digest.add(5 << 8 | u64::from(client));
                self.asked(client, attempt, usize::from(node))
            }
            Happening::Answered { slot } => {
                let (client, attempt, outcome) = self.answers.take(slot);
                self.digest.add(6 << 8 | u64::from(client));
                self.answered(client, attempt, &outcome)
            }
            Happening::GivesUp { client, attempt } => {
                if self.clients[usize::from(client)].attempt == attempt {
                    self.answered(client, attempt, &Outcome::Unknown)?;
                }
                Ok(())
            }
            Happening::Fault { number } => {
                self.digest.add(7 << 8);
                self.begin_fault(number)
            }
            Happening::Ends { number } => {
                self.digest.add(8 << 8);
                self.end_fault(number)
            }
            Happening::Starts { node } => {
                let at = usize::from(node);
                let node = &self.nodes[at];
                if node.process.is_none() && !node.is_lost && self.is_wanted(at) {
                    self.start(at)?;
                }
                Ok(())
            }
            Happening::Looks => self.look(),
        }
    }

    /// Whether a node that is down comes back: after the heal, only those of the quorum do.
    fn is_wanted(&self, at: usize) -> bool {
        self.phase == Phase::Faults || self.reachable.iter().any(|&it| usize::from(it) == at)
    }

    fn arrive(&mut self, slot: u32) -> Result<(), Violation> {
        let Envelope { from, to, message } = self.envelopes.take(slot);
        message.hash(&mut self.digest);
        let at = usize::from(to.0);
        let Some(process) = &mut self.nodes[at].process else { return Ok(()) };
        if let Some(recorder) = &mut self.recorder {
            let (what, dull) = story::words(&message);
            recorder.step(to.0, Some(from.0), what, dull);
        }
        process.inbox.push_back(Event::Receive { from, message });
        self.turn(at)
    }

    /// Hands a message to the network.
    pub(crate) fn send(&mut self, envelope: Envelope) -> Result<(), Violation> {
        let [first, second] = self.network.send(self.now, &envelope, &mut self.counts)?;
        if let Some(at) = second {
            let slot = self.envelopes.put(envelope.clone());
            self.queue.arrange(at, Happening::Arrives { slot });
        }
        if let Some(at) = first {
            let slot = self.envelopes.put(envelope);
            self.queue.arrange(at, Happening::Arrives { slot });
        }
        Ok(())
    }

    /// Has a client begin or try again when it wants to.
    fn arrange_client(&mut self, at: usize) {
        let client = &self.clients[at];
        if let Next::Asks(when) = client.next(self.now) {
            let what = Happening::Asks { client: client.id, attempt: client.attempt };
            self.queue.arrange(when, what);
        }
    }

    fn ask(&mut self, at: usize, attempt: u32) {
        if self.clients[at].attempt != attempt {
            return;
        }
        let id = self.clients[at].id;
        if !self.table_made {
            let what = Happening::Asks { client: id, attempt };
            self.queue.arrange(self.now + 20 * MS, what);
            return;
        }
        let client = &mut self.clients[at];
        let Some(node) = client.ask(self.now, &self.reachable, &mut self.history) else { return };
        let attempt = client.attempt;
        let delay = 30 + self.random.below(300);
        self.queue.arrange(self.now + delay, Happening::Asked { client: id, attempt, node });
        self.queue.arrange(self.now + PATIENCE, Happening::GivesUp { client: id, attempt });
    }

    fn asked(&mut self, client: u8, attempt: u32, at: usize) -> Result<(), Violation> {
        let asking = &self.clients[usize::from(client)];
        let Some(event) = asking.request(attempt) else { return Ok(()) };
        let node = &mut self.nodes[at];
        let Some(process) = &mut node.process else {
            // Nobody listens: it has had no effect.
            self.answer(client, attempt, Outcome::NotLeader { leader: None });
            return Ok(());
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.step(node.id.0, None, asking.describe(&self.history), false);
        }
        process.inbox.push_back(event);
        self.turn(at)
    }

    /// Sends an answer on its way.
    pub(crate) fn answer(&mut self, client: u8, attempt: u32, outcome: Outcome) {
        let slot = self.answers.put((client, attempt, outcome));
        let delay = 30 + self.random.below(300);
        self.queue.arrange(self.now + delay, Happening::Answered { slot });
    }

    fn answered(&mut self, id: u8, attempt: u32, outcome: &Outcome) -> Result<(), Violation> {
        match id {
            MAKER => {
                self.table_made |= matches!(outcome, Outcome::Done(_));
                return Ok(());
            }
            OPERATOR => return Ok(()),
            _ => {}
        }
        let client = &mut self.clients[usize::from(id)];
        let (now, nodes) = (self.now, &self.reachable);
        let next = client.hear(now, attempt, outcome, nodes, &mut self.history)?;
        let attempt = client.attempt;
        if let Next::Asks(when) = next {
            self.queue.arrange(when, Happening::Asks { client: id, attempt });
        }
        Ok(())
    }

    /// The process of a node has ended: whoever waits for it learns that, and nothing more.
    pub(crate) fn break_connections(&mut self, at: usize) {
        let node = self.nodes[at].id.0;
        for client in 0..self.clients.len() {
            if let Some(attempt) = self.clients[client].waits_for(node) {
                self.answer(self.clients[client].id, attempt, Outcome::Unknown);
            }
        }
    }

    fn look(&mut self) -> Result<(), Violation> {
        self.queue.arrange(self.now + LOOKS_EVERY, Happening::Looks);
        if !self.table_made {
            return self.make_table();
        }
        let idle = self.clients.iter().all(Client::is_idle);
        match self.phase {
            Phase::Faults if idle => self.heal(),
            Phase::Quorum { deadline, .. } | Phase::Scan { deadline, .. }
                if self.now > deadline =>
            {
                self.oracle.check_group(&self.nodes)?;
                let all: Vec<_> = self.nodes.iter().map(Node::describe).collect();
                Err(Violation::new(
                    "LIVENESS",
                    format!(
                        "nodes {:?} are healed and have not served all clients within {} s: {}",
                        self.reachable,
                        HEALED_MAX / (1000 * MS),
                        all.join("; ")
                    ),
                ))
            }
            Phase::Quorum { first, deadline } if idle => {
                if self.all_done(first) {
                    let first = self.history.records.len();
                    self.phase = Phase::Scan { first, deadline };
                    self.ask_for_all_items();
                } else {
                    let first = self.history.records.len();
                    self.phase = Phase::Quorum { first, deadline };
                    self.ask_healed();
                }
                Ok(())
            }
            Phase::Scan { first, deadline } if idle => {
                if self.all_done(first) {
                    self.phase = Phase::Settling { until: self.now + 2 * ELECTION_TIMEOUT };
                } else {
                    let first = self.history.records.len();
                    self.phase = Phase::Scan { first, deadline };
                    self.ask_for_all_items();
                }
                Ok(())
            }
            Phase::Settling { until } if self.now >= until => {
                self.phase = Phase::Over;
                Ok(())
            }
            Phase::Faults
            | Phase::Quorum { .. }
            | Phase::Scan { .. }
            | Phase::Settling { .. }
            | Phase::Over => Ok(()),
        }
    }

    fn all_done(&self, first: usize) -> bool {
        self.history.records[first..].iter().all(|it| it.ended == Ended::Done)
    }

    /// Whoever leads is asked for the table; it may be there already.
    fn make_table(&mut self) -> Result<(), Violation> {
        if self.now > HEALED_MAX && self.phase == Phase::Faults {
            // Faults that come before the table can keep it from being made: then without them.
            self.clients.iter_mut().for_each(Client::forget_plans);
            self.heal()?;
        }
        let Some(at) = self.leader() else { return Ok(()) };
        self.asked_by_us += 1;
        let (id, command) =
            (request_id(MAKER, self.asked_by_us), self.history.words.create_table());
        if let Some(process) = &mut self.nodes[at].process {
            process.inbox.push_back(Event::Write { id, command });
        }
        self.turn(at)
    }

    /// The running node that leads the latest term.
    pub(crate) fn leader(&self) -> Option<usize> {
        let leads = |node: &&Node| node.group().is_some_and(Group::is_leader);
        let term = |node: &&Node| node.group().map(Group::term);
        let leader = self.nodes.iter().filter(leads).max_by_key(term)?;
        Some(usize::from(leader.id.0))
    }

    /// Faults end for a majority of the nodes, and go on for ever for the others.
    fn heal(&mut self) -> Result<(), Violation> {
        self.oracle.check_group(&self.nodes)?;
        let mut quorum: Vec<u8> = Vec::new();
        let mut candidates: Vec<u8> =
            self.nodes.iter().filter(|it| !it.is_lost).map(|it| it.id.0).collect();
        while quorum.len() <= usize::from(self.plan.nodes) / 2 {
            assert!(!candidates.is_empty(), "a plan damages one log at most");
            quorum.push(candidates.swap_remove(self.random.index(candidates.len())));
        }
        quorum.sort_unstable();
        self.network.heal();
        let side = quorum.iter().fold(0, |side, &node| side | 1 << node);
        self.network.cut(side, true);
        let first = self.history.records.len();
        self.phase = Phase::Quorum { first, deadline: self.now + HEALED_MAX };
        self.reachable = quorum;
        for at in 0..self.nodes.len() {
            if self.is_wanted(at) {
                self.heal_node(at)?;
            } else if self.random.chance(500_000) && self.nodes[at].process.is_some() {
                self.nodes[at].end();
                self.break_connections(at);
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.step(self.reachable[0], None, format!("healed: {:?}", self.reachable), false);
        }
        self.ask_healed();
        Ok(())
    }

    fn heal_node(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let node = &mut self.nodes[at];
        node.lift_disk_faults();
        node.slow = (0, 0);
        node.damage = Damage::Nothing;
        let was_paused = node.is_paused(now);
        node.paused_until = 0;
        if node.process.is_none() {
            return self.start(at);
        }
        if was_paused {
            self.counts[FaultKind::Pause] += 1;
        }
        self.turn(at)
    }

    fn ask_healed(&mut self) {
        let keys = u64::from(self.plan.keys);
        for at in 0..self.clients.len() {
            let begin = self.now + 10 * MS;
            let random = &mut self.random;
            let operations: Vec<_> = (0..HEALED_OPERATIONS)
                .map(|number| {
                    let key = u8::try_from(random.below(keys)).expect("few items");
                    let kinds = [OperationKind::Put, OperationKind::Get, OperationKind::PutIfSeen];
                    (begin, key, kinds[usize::try_from(number).expect("three")])
                })
                .collect();
            self.clients[at].give(operations.into_iter());
            self.arrange_client(at);
        }
    }

    fn ask_for_all_items(&mut self) {
        let clients = self.clients.len();
        for at in 0..clients {
            let keys = (0..self.plan.keys).filter(|&key| usize::from(key) % clients == at);
            let begin = self.now;
            self.clients[at].give(keys.map(|key| (begin, key, OperationKind::Get)));
            self.arrange_client(at);
        }
    }

    /// A reply of a node's replica, on its way to whoever asked.
    pub(crate) fn reply(&mut self, id: ringleader_core::ids::RequestId, outcome: Outcome) {
        let (client, attempt) = named_by(id);
        self.answer(client, attempt, outcome);
    }

    /// What the run came to.
    pub(crate) fn report(&self, violation: Option<Violation>) -> Report {
        let ended = |wanted: Ended| {
            self.history.records.iter().filter(|it| it.ended == wanted).count() as u64
        };
        Report {
            seed: self.plan.seed,
            digest: std::hash::Hasher::finish(&self.digest),
            events: self.events,
            steps: self.steps,
            virtual_ms: self.now / MS,
            done: ended(Ended::Done),
            failed: ended(Ended::Failed),
            unknown: ended(Ended::Unknown) + ended(Ended::Open),
            terms: self.oracle.terms() as u64,
            faults: self.counts,
            violation,
        }
    }

    /// What a client was at, for the story.
    pub(crate) fn words_of(&self, record: usize) -> String {
        client::words(&self.history.records[record].action)
    }
}
