//! The replication group in a world: what its clients do, what it must keep, what may be forgotten.

mod describe;
mod members;
mod pull;
mod sessions;
mod state;
mod timed;

pub use members::Members;
pub(crate) use members::{is_changed, is_settled};
pub use timed::{Timed, a_majority_is_led, could_be_led};

use crate::clock::Clocks;
use crate::history::{History, Moment, Value};
use crate::node::{MARK_LOST_WRITE, Node, Outbox};
use crate::protocol::{Bounded, Kind, Property, Protocol, Snapshot};
use describe::{describe_event, describe_message, describe_node};
use ringleader_core::group::{
    self, AnnounceCommit, Answer, Ask, AtElection, Config, Group, Log, Message, Payload, Rename,
    Request, Timer, Told, Trim, invariant,
};
use ringleader_core::ids::{LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use ringleader_core::machine::{Effects, Input, Machine};
use ringleader_core::quorum::ReplicaSet;

/// Requests to read are numbered from here, those to write from 1.
const FIRST_READ: u64 = 100;
const EVERYTHING_APPLIED: &str = "every command is committed and applied everywhere";
/// Who leads at first, where links are cut.
const FIRST_LEADER: ReplicaId = ReplicaId(0);

/// The replication group within bounds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupProtocol {
    /// How many replicas.
    pub replicas: u8,
    /// The last term in which somebody may campaign.
    pub terms: u64,
    /// How many commands clients may ask for.
    pub commands: u8,
    /// How many commands one request may carry.
    pub commands_together: u8,
    /// How many reads. The history is kept only if there are any.
    pub reads: u8,
    /// Whether leaders' heartbeat timers fire. Safety needs none: nothing is ever lost for good.
    pub heartbeats: bool,
    /// What a new leader does first.
    pub at_election: AtElection,
    /// When followers learn that the commit index moved.
    pub announce_commit: AnnounceCommit,
    /// Most entries in one append.
    pub append_entries_max: u64,
    /// Most entries on their way to one peer. With 1 a leader sends nothing new to a peer before
    /// it acknowledged: no pipelining.
    pub inflight_entries_max: u64,
    /// Who takes part at first, and what changes.
    pub members: Members,
    /// Where logs may begin.
    pub trim: Trim,
    /// What a world about time adds.
    pub time: Timed,
    /// Which replicas hold a log and no state, as a bit mask: those with the highest ids, unless
    /// members change.
    pub log_replicas: u8,
    /// Which replicas may lose their disks, as a bit mask.
    pub mortal: u8,
    /// How often clients send a command again, or end their sessions.
    pub retries: u8,
}

/// What a node's host keeps for its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    /// Writes that end when their entry is applied.
    writes: Vec<(RequestId, LogIndex)>,
    /// Reads that wait for an index to be applied.
    reads: Vec<(RequestId, LogIndex)>,
    /// The last entry applied.
    applied: LogIndex,
    /// What the state machine holds, where logs do not hold everything.
    storage: state::Storage,
}

/// What a step tells the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client did something, or was answered.
    Client(Moment),
    /// A write was answered.
    Answered(Value),
    /// A replica came to know that entries are committed: those of its log, which begins after
    /// this one.
    Committed(LogIndex, Vec<invariant::Committed<Value>>),
    /// A client asked for a command.
    AskedToWrite,
    /// A client asked to read.
    AskedToRead,
    /// An operator asked for a change of the group.
    AskedToChange,
    /// A client asked for an eventual read.
    AskedToPeek,
    /// An eventual read was answered.
    Peeked {
        /// With what.
        value: Option<Value>,
        /// By the leader, as far as it knows.
        leads: bool,
    },
    /// A host asked for another leader.
    AskedToTransfer,
    /// A client sent a command again, or its session was to end.
    AskedAgain {
        /// Whether it was the end.
        expire: bool,
    },
    /// A leader ended a request without the state machine.
    Ended(RequestId, Answer),
}

/// What the world remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// What was ever taken for committed, by index.
    pub committed: Vec<invariant::Committed<Value>>,
    /// Commands asked for so far; command `k` is the `k`-th.
    pub commands: u8,
    /// Reads asked for so far.
    pub reads: u8,
    /// Changes asked for so far.
    pub changes: u8,
    /// Commands sent again so far.
    pub retries: u8,
    /// How many of those were to end the sessions.
    pub ends: u8,
    /// A write was answered that nobody had committed.
    pub answered_uncommitted: bool,
    /// Eventual reads asked for so far.
    pub peeks: u8,
    /// Transfers asked for so far.
    pub transfers: u8,
    /// An eventual read returned what nobody had committed.
    pub peeked_uncommitted: bool,
    /// An eventual read returned something at a replica that does not lead.
    pub peeked_at_a_follower: bool,
    /// What clients saw.
    pub history: History,
}

/// What is worked out once about a node.
#[derive(Debug)]
pub struct View {
    /// The log in memory, with every payload.
    log: Log<Value>,
    /// The term after a crash now.
    recovered_term: Term,
    /// The machine after a crash now.
    recovered: Group<Value>,
}

impl View {
    /// The term that this node will never go below, if it may crash.
    fn lasting_term(&self, machine: &Group<Value>, may_crash: bool) -> Term {
        if may_crash { machine.term().min(self.recovered_term) } else { machine.term() }
    }
}

impl Bounded for GroupProtocol {
    fn describe_bounds(&self) -> String {
        let Self { replicas, terms, commands, reads, .. } = self;
        format!("{replicas} replicas, {terms} terms, {commands} commands, {reads} reads")
    }
}

const MARKS: [&str; 6] = [
    "a crash lost a write on its way",
    "a follower replaced conflicting entries",
    "a follower objected to an append",
    "a leader was deposed with open requests",
    "an entry was committed before the leader's own write",
    "a candidate gave way to a leader of its term",
];
const _: () = assert!(MARK_LOST_WRITE == 0);

impl Protocol for GroupProtocol {
    type Machine = Group<Value>;
    type Host = Host;
    type Event = Event;
    type Ghost = Ghost;
    type View = View;

    fn nodes(&self) -> u8 {
        self.replicas
    }

    fn interchangeable(&self) -> u8 {
        // Configurations name replicas, in messages and in the history too.
        // Log replicas differ from the others, and there is one at most.
        if self.members.may_change() || self.mortal != 0 {
            0
        } else {
            self.replicas - u8::from(self.log_replicas != 0)
        }
    }

    fn config(&self, id: ReplicaId) -> Config {
        Config {
            id,
            voters: self.first_voters(),
            election_timeout: self.time.election_timeout,
            heartbeat_interval: Tick(u64::from(self.time.clocks.is_prompt())),
            append_entries_max: self.append_entries_max,
            inflight_entries_max: self.inflight_entries_max,
            at_election: self.at_election,
            announce_commit: self.announce_commit,
            timing: self.time.timing,
            trim: self.trim,
            log_replicas: self.log_only(),
        }
    }

    fn initial_ghost(&self) -> Ghost {
        Ghost::default()
    }

    fn on_ask(&self, node: &mut Node<Self>, ask: Ask<Value>, out: &mut Outbox<Self>) {
        match ask {
            Ask::AnswerFrom { id, index } => node.host.writes.push((id, index)),
            Ask::Apply { upto } => apply(self, node, upto, out),
            Ask::ReadReady { id, index } => {
                node.host.reads.push((id, index));
                answer_reads(node, out);
            }
            Ask::SendRange { to, term, prev, last, commit } => {
                let log = node.intended_disk().log;
                if holds(&log, prev) && holds(&log, last) {
                    let entries = log.entries_after(prev.index, last.index.0 - prev.index.0);
                    out.sends.push((to, Message::Append { term, prev, entries, commit }));
                }
            }
            Ask::SendSnapshot { to, term, mark, part } => {
                state::send(node, (to, term), (mark, part), out);
            }
            Ask::Stage { .. } | Ask::Install { .. } => state::receive(node, ask),
        }
    }

    fn on_answer(&self, id: RequestId, answer: Answer, out: &mut Outbox<Self>) {
        out.mark(3);
        out.events.push(Event::Ended(id, answer));
    }

    fn after_step(&self, before: &Group<Value>, node: &Node<Self>, out: &mut Outbox<Self>) {
        let after = &node.machine;
        timed::watch(self, (before, after), out);
        if let Err(broken) = invariant::replica_is_sound(after) {
            out.violate(broken);
        }
        // Against the disk itself, not against what the machine believes of it.
        let applied = after.applying();
        // While a snapshot is installed the log begins beyond the state.
        if !after.is_installing() && node.disk.log.term_at(applied) != after.log().term_at(applied)
        {
            out.violate("APPLY-1: what is applied is on the disk");
        }
        if after.is_leader() && node.disk.term != after.term() {
            out.violate("ELECTION-2: a leader's own vote is on the disk");
        }
        if after.commit() > before.commit() {
            let log = node.intended_disk().log;
            let entries = (1..=after.commit().0).filter_map(|index| log.entry(LogIndex(index)));
            let in_term = after.term();
            let committed = entries.map(|entry| invariant::Committed { entry, in_term }).collect();
            // Before what follows from it: an answer comes after the commit that allows it.
            out.events.insert(0, Event::Committed(log.start().index, committed));
        }
        let common = before.log().last().min(after.log().last());
        if after.log().last() < before.log().last()
            || before.log().term_at(common) != after.log().term_at(common)
        {
            out.mark(1);
        }
        if out.sends.iter().any(|(_, message)| matches!(message, Message::Rejected { .. })) {
            out.mark(2);
        }
        if after.is_leader() && after.commit() > after.durable_end() {
            out.mark(4);
        }
        if before.is_candidate()
            && !after.is_candidate()
            && !after.is_leader()
            && before.term() == after.term()
        {
            out.mark(5);
        }
    }

    fn on_send(
        &self,
        from: &Node<Self>,
        to: ReplicaId,
        message: &Message<Value>,
    ) -> Option<&'static str> {
        let durable = invariant::promise_is_durable(&from.disk, to, message);
        let broken =
            (!durable).then_some("ELECTION-2: a promise is durable before anybody can see it");
        broken.or_else(|| timed::on_send(from, to, message))
    }

    fn remember(&self, ghost: &mut Ghost, _: ReplicaId, event: &Event) {
        match event {
            Event::AskedToWrite => ghost.commands += 1,
            Event::AskedToRead => ghost.reads += 1,
            Event::AskedToChange => ghost.changes += 1,
            Event::AskedToPeek => ghost.peeks += 1,
            Event::AskedToTransfer => ghost.transfers += 1,
            Event::Peeked { value, leads } => {
                let committed = |value: Value| {
                    let command = Payload::Command(value);
                    ghost.committed.iter().any(|it| it.entry.payload == command)
                };
                ghost.peeked_uncommitted |= value.is_some_and(|value| !committed(value));
                ghost.peeked_at_a_follower |= value.is_some() && !leads;
            }
            Event::AskedAgain { expire } => {
                ghost.retries += 1;
                ghost.ends += u8::from(*expire);
            }
            Event::Client(moment) => {
                if self.reads > 0 {
                    ghost.history.push(*moment);
                }
            }
            Event::Committed(start, entries) => {
                let known = ghost.committed.len() - usize::try_from(start.0).expect("a short log");
                ghost.committed.extend(entries.iter().skip(known).cloned());
            }
            Event::Answered(value) => {
                let command = Payload::Command(*value);
                let committed = ghost.committed.iter().any(|it| it.entry.payload == command);
                ghost.answered_uncommitted |= !committed;
            }
            // The history keeps such an operation open: it may have happened, or not.
            Event::Ended(..) => {}
        }
    }

    fn may_fire(&self, machine: &Group<Value>, timer: Timer) -> bool {
        match timer {
            Timer::Election => !machine.is_leader() && timed::may_campaign(self, machine),
            Timer::Heartbeat => machine.is_leader() && timed::may_beat(self, machine),
            Timer::Quorum | Timer::Transfer => machine.is_leader(),
        }
    }

    fn requests(&self, ghost: &Ghost, node: &Node<Self>) -> Vec<(RequestId, Request<Value>)> {
        let mut requests = Vec::new();
        if node.machine.is_leader() {
            let first = ghost.commands + 1;
            if first <= self.commands && timed::is_its_turn(self, &node.machine, first) {
                requests.push((RequestId(u64::from(first)), Request::Write(first)));
            }
            for last in first + 1..=self.commands.min(ghost.commands + self.commands_together) {
                let together = Request::WriteAll((first..=last).collect());
                requests.push((RequestId(u64::from(first)), together));
            }
            if ghost.reads < self.reads && timed::is_its_turn(self, &node.machine, 1) {
                requests.push((RequestId(FIRST_READ + u64::from(ghost.reads)), Request::Read));
            }
        }
        requests.extend(members::requests(self, ghost, node));
        requests.extend(timed::requests(self, (ghost.peeks, ghost.transfers), node));
        requests.extend(sessions::requests(self, ghost, node));
        requests
    }

    fn invoked(&self, id: RequestId, request: &Request<Value>) -> Vec<Event> {
        if let Some(again) = sessions::invoked(id, request) {
            return again;
        }
        let asked =
            |id, value| [Event::AskedToWrite, Event::Client(Moment::WriteInvoked(id, value))];
        match request {
            Request::Write(value) => asked(id, *value).into(),
            Request::WriteAll(values) => {
                let ids = (id.0..).map(RequestId);
                ids.zip(values).flat_map(|(id, &value)| asked(id, value)).collect()
            }
            Request::Read => vec![Event::AskedToRead, Event::Client(Moment::ReadInvoked(id))],
            Request::ReadEventual => vec![Event::AskedToPeek],
            Request::Transfer { .. } => vec![Event::AskedToTransfer],
            Request::Change(_) => members::invoked(),
        }
    }

    fn view(&self, node: &Node<Self>) -> View {
        let recovered = node.recovered_machine(self);
        let recovered_term = recovered.term();
        View { log: node.intended_disk().log, recovered_term, recovered }
    }

    /// Each rule forgets what the receiver will ignore in this state and in every later one, a
    /// crash included: terms and votes never go back once they are durable, and `matched` never
    /// does within a term.
    fn is_relevant(
        &self,
        (from, _): (&Node<Self>, &View),
        message: &Message<Value>,
        (to, view): (&Node<Self>, &View),
        may_crash: bool,
    ) -> bool {
        let machine = &to.machine;
        let lasting = view.lasting_term(machine, may_crash);
        let term = message.term();
        if term != lasting {
            // A crash may take the receiver back below the message's term, or it is not there yet.
            return term > lasting;
        }
        match message {
            Message::RequestVote { .. } => {
                // Of its two lives, now and after a crash, those that are in the message's term.
                let lives = [Some(machine), may_crash.then_some(&view.recovered)];
                let mut lives = lives.into_iter().flatten().filter(|life| life.term() == term);
                let takes_notice = |life: &Group<Value>| {
                    let answered = life.vote() == Some(from.id);
                    // That a vote is given once is for the machine to say.
                    let voted = life.vote().is_some() && ignores(life, from.id, message);
                    !answered && !voted
                };
                lives.any(takes_notice)
            }
            Message::Vote { .. } => {
                machine.term() == term && machine.votes().is_some_and(|it| !it.contains(from.id))
            }
            Message::Append { prev, entries, commit, .. } => {
                append_is_relevant((from, to, view), (*prev, entries, *commit), may_crash)
            }
            Message::Appended { matched, .. } => {
                machine.progress(from.id).is_some_and(|peer| peer.matched < *matched)
            }
            Message::Rejected { prev, .. } => {
                machine.progress(from.id).is_some_and(|peer| peer.matched < *prev)
            }
            // Between rounds nothing is awaited. That a later round will not count it is for the
            // machine to say, not for us to assume.
            Message::Confirmed { round, .. } => {
                let between_rounds = machine.is_leader() && !machine.has_open_round();
                between_rounds || machine.awaits_confirmation(from.id, *round)
            }
            Message::Confirm { round, .. } => {
                may_crash
                    || machine.leader() != Some(from.id)
                    || from.machine.awaits_confirmation(to.id, *round)
            }
            // A poll that is over may still be counted for a later one: that it is not is for the
            // machine to say.
            Message::PreVote { poll, .. } => {
                !machine.is_asking() || machine.awaits_agreement(from.id, *poll)
            }
            Message::RequestPreVote { poll, .. } => from.machine.awaits_agreement(to.id, *poll),
            Message::TakeOver { .. } | Message::NewerTerm { .. } => true,
            Message::Checkpointed { .. }
            | Message::Trim { .. }
            | Message::SnapshotPart { .. }
            | Message::Staged { .. } => state::is_relevant(from, message, (to, view), may_crash),
            Message::Refused { .. } | Message::Pull { .. } | Message::Pulled { .. } => {
                pull::is_relevant(from, message, to)
            }
        }
    }

    fn sender_matters(&self, message: &Message<Value>) -> bool {
        !matches!(
            message,
            Message::RequestVote { .. }
                | Message::Vote { .. }
                | Message::Appended { .. }
                | Message::Rejected { .. }
                | Message::Confirmed { .. }
        )
    }

    fn clocks(&self) -> Clocks {
        self.time.clocks
    }

    /// A follower's clock only ends what it promised, and a promise only makes it ignore what the
    /// network may lose anyway: ending it sooner adds to what may happen.
    fn may_be_slow(&self, node: &Node<Self>) -> bool {
        self.time.every_rate || node.machine.is_leader()
    }

    /// Only who may be reading alone is worth a pause.
    fn may_pause(&self, node: &Node<Self>) -> bool {
        node.machine.holds_lease(node.now())
    }

    fn cuts_links(&self) -> bool {
        self.time.cuts
    }

    /// While all is well with the first leader: links to followers between its first entry and its
    /// first heartbeat, links to itself at any time.
    fn may_cut(&self, node: &Node<Self>) -> bool {
        let machine = &node.machine;
        let early = machine.is_leader() || machine.commit() == LogIndex::ZERO;
        machine.leader() == Some(FIRST_LEADER) && early
    }

    fn rename_request(
        &self,
        request: &Request<Value>,
        name: &dyn Fn(ReplicaId) -> ReplicaId,
    ) -> Request<Value> {
        match request {
            Request::Transfer { to } => Request::Transfer { to: name(*to) },
            // Where members change, names matter: nobody is renamed.
            Request::Change(_)
            | Request::Write(_)
            | Request::WriteAll(_)
            | Request::Read
            | Request::ReadEventual => request.clone(),
        }
    }

    fn is_hearsay(&self, message: &Message<Value>) -> bool {
        !self.time.clocks.is_prompt() && matches!(message, Message::NewerTerm { .. })
    }

    /// Stands for [`Message::NewerTerm`], whose only effect is that its receiver learns of a
    /// durable term. More than the protocol does: it may be learned without having asked.
    fn hearsay(&self, from: &Node<Self>, to: &Node<Self>) -> Option<Message<Value>> {
        let machine = &to.machine;
        let acts_on_term = machine.is_leader() || machine.is_candidate() || machine.is_asking();
        let hearsay = !self.time.clocks.is_prompt();
        let term = from.disk.term;
        let learns = hearsay && acts_on_term && term > machine.term();
        learns.then_some(Message::NewerTerm { term })
    }

    fn rename(&self, node: &Node<Self>, name: &dyn Fn(ReplicaId) -> ReplicaId) -> Node<Self> {
        let pending = node.pending.iter().map(|write| write.rename(name)).collect();
        let (machine, disk) = (node.machine.rename(name), node.disk.rename(name));
        let mut renamed = node.renamed(machine, disk, pending, name);
        renamed.host.storage = node.host.storage.rename(name);
        renamed
    }

    fn after_crash(&self, node: &Node<Self>) -> (Host, LogIndex) {
        state::after_crash(node)
    }

    fn has_chores(&self) -> bool {
        self.trim == Trim::BelowEveryCheckpoint || self.mortal != 0
    }

    fn chores(&self, node: &Node<Self>) -> Vec<u8> {
        state::chores(self, node)
    }

    fn do_chore(&self, node: &mut Node<Self>, chore: u8, out: &mut Outbox<Self>) {
        state::do_chore(self, node, chore, out);
    }

    fn describe_chore(&self, chore: u8) -> String {
        state::describe_chore(chore)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            always("ELECTION-1", |_, it| {
                let group: Vec<_> = it.nodes.iter().map(|node| &node.machine).collect();
                invariant::at_most_one_leader_per_term(&group)
            }),
            always("ELECTION-2", |_, it| unbroken(it, |name| name.starts_with("ELECTION-2"))),
            always("LOG-4", |_, it| {
                let pairs = it.views.iter().enumerate();
                pairs.into_iter().all(|(i, a)| {
                    it.views[i + 1..].iter().all(|b| invariant::logs_match(&a.log, &b.log))
                })
            }),
            always("COMMIT-1", |protocol, it| {
                let voters = ReplicaSet::first(protocol.replicas);
                let log = |id: ReplicaId| it.nodes[usize::from(id.0)].disk.log.clone();
                invariant::committed_are_durable(&it.ghost.committed, voters, log)
            }),
            always("COMMIT-2", |_, it| {
                it.nodes.iter().zip(&it.views).filter(|(node, _)| node.machine.is_leader()).all(
                    |(node, view)| {
                        let term = node.machine.term();
                        invariant::leader_is_complete(&it.ghost.committed, term, &view.log)
                    },
                )
            }),
            always("COMMIT-3", |_, it| {
                it.nodes.iter().zip(&it.views).all(|(node, view)| {
                    let commit = node.machine.commit();
                    invariant::commits_agree(&it.ghost.committed, commit, &view.log)
                }) && unbroken(it, |name| name.starts_with("COMMIT-3"))
            }),
            always("APPLY-1", |_, it| unbroken(it, |name| name.starts_with("APPLY-1"))),
            always("ANSWER-1", |_, it| !it.ghost.answered_uncommitted),
            always("MACHINE", |_, it| {
                let named = ["ELECTION-2", "COMMIT-3", "APPLY-1", "MEMBER", "SNAPSHOT", "PULL"];
                let named: Vec<_> = named.into_iter().chain(timed::NAMES).collect();
                unbroken(it, |name| !named.iter().any(|it| name.starts_with(it)))
            }),
            sometimes("a leader in the last term", |protocol, it| {
                let last = |node: &&Node<Self>| {
                    node.machine.is_leader() && node.machine.term().0 == protocol.terms
                };
                it.nodes.iter().any(last)
            }),
            sometimes(EVERYTHING_APPLIED, |protocol, it| {
                let everything = LogIndex(u64::from(protocol.commands));
                let has_all = |node: &Node<Self>| {
                    node.machine.is_log_replica() || node.machine.applying() >= everything
                };
                it.nodes.iter().all(|node| has_all(node))
            }),
        ];
        if self.members.may_change() {
            properties.retain(|it| it.name != "COMMIT-1" && !it.name.starts_with("every command"));
            properties.extend(members::properties(self));
        }
        if self.trim == Trim::BelowEveryCheckpoint {
            properties.extend(state::properties());
        }
        if self.mortal != 0 {
            properties.retain(|it| it.name != "COMMIT-1" && !it.name.starts_with("every command"));
            properties.extend(state::survival());
        }
        if self.retries > 0 {
            properties.extend(sessions::properties());
        }
        if self.log_replicas != 0 {
            properties.extend(pull::properties());
        }
        if self.terms > 1 && self.replicas > 1 {
            properties.push(sometimes("two leaders at once, in different terms", |_, it| {
                it.nodes.iter().filter(|node| node.machine.is_leader()).count() > 1
            }));
        }
        if self.commands > 1 && self.terms > 1 {
            properties.push(sometimes("commits in two terms", |_, it| {
                let first = it.ghost.committed.first();
                it.ghost.committed.iter().any(|one| Some(one.in_term) != first.map(|it| it.in_term))
            }));
        }
        if self.reads > 0 {
            properties.push(always("READ-1", |_, it| it.ghost.history.is_linearizable()));
            properties.push(sometimes("a read returned a written value", |_, it| {
                it.ghost.history.read_something()
            }));
        }
        properties.extend(timed::properties(self));
        if self.time.in_turn {
            // Nobody leads on to announce the last commit.
            properties.retain(|it| it.name != EVERYTHING_APPLIED);
        }
        properties
    }

    fn marks(&self) -> &'static [&'static str] {
        &MARKS
    }

    fn describe_message(&self, message: &Message<Value>) -> String {
        describe_message(message)
    }

    fn describe_request(&self, request: &Request<Value>) -> String {
        match request {
            Request::Write(value) => format!("client: write {value}"),
            Request::WriteAll(values) => format!("client: write {values:?}"),
            Request::Read => "client: read".to_owned(),
            Request::ReadEventual => "client: read whatever is there".to_owned(),
            Request::Transfer { to } => format!("host: let {} lead", to.0),
            Request::Change(change) => members::describe_change(*change),
        }
    }

    fn describe_event(&self, event: &Event) -> Option<String> {
        describe_event(event)
    }

    fn describe_timer(&self, timer: Timer) -> String {
        match timer {
            Timer::Election => "no leader heard: campaigns".to_owned(),
            Timer::Heartbeat => "heartbeat".to_owned(),
            Timer::Quorum => "no majority heard".to_owned(),
            Timer::Transfer => "the transfer takes too long".to_owned(),
        }
    }

    fn describe_node(&self, node: &Node<Self>) -> String {
        describe_node(node)
    }
}

/// Applies what is committed: answers the writes among it, and the reads that waited for it.
fn apply(
    protocol: &GroupProtocol,
    node: &mut Node<GroupProtocol>,
    upto: LogIndex,
    out: &mut Outbox<GroupProtocol>,
) {
    let log = node.intended_disk().log;
    if protocol.trim == Trim::BelowEveryCheckpoint {
        node.host.storage.apply(&log, (node.host.applied, upto));
    }
    node.host.applied = upto;
    let writes = std::mem::take(&mut node.host.writes);
    for (id, index) in writes {
        if index > upto {
            node.host.writes.push((id, index));
            continue;
        }
        if let Some(Payload::Command(value)) = log.payload(index) {
            out.events.push(Event::Answered(*value));
        }
        out.events.push(Event::Client(Moment::WriteReturned(id)));
    }
    answer_reads(node, out);
    out.tell.push_back(Told::Applied(upto));
}

/// Whether a machine takes no notice of a message.
fn ignores(machine: &Group<Value>, from: ReplicaId, message: &Message<Value>) -> bool {
    let (mut after, mut effects) = (machine.clone(), Effects::new());
    after.step(Tick(0), Input::Receive { from, message: message.clone() }, &mut effects);
    after == *machine && effects.as_slice().is_empty()
}

/// An append of the receiver's own term is spent when the receiver holds its entries for good,
/// knows its commit index for good, and its leader knows that they are held: in one term a log
/// only grows, and so does `matched`.
fn append_is_relevant(
    (from, to, view): (&Node<GroupProtocol>, &Node<GroupProtocol>, &View),
    (prev, entries, commit): (LogEnd, &[group::Entry<Value>], LogIndex),
    may_crash: bool,
) -> bool {
    let verified = LogIndex(prev.index.0 + entries.len() as u64);
    let end_term = entries.last().map_or(prev.term, |entry| entry.term);
    let term_held = |log: &Log<Value>| log.term_at(verified);
    let on_disk = !may_crash || term_held(&to.disk.log) == Some(end_term);
    let held = on_disk && term_held(&view.log) == Some(end_term);
    // The commit index is volatile. So is the leader's name, but it only helps clients.
    let known_commit = if may_crash { LogIndex::ZERO } else { to.machine.commit() };
    let knows_leader = may_crash || to.machine.leader() == Some(from.id);
    let taught = commit.min(verified) <= known_commit && knows_leader;
    let awaited = from.machine.progress(to.id).is_some_and(|peer| peer.matched < verified);
    !held || !taught || awaited
}

fn answer_reads(node: &mut Node<GroupProtocol>, out: &mut Outbox<GroupProtocol>) {
    let applied = node.host.applied;
    let (ready, waiting): (Vec<_>, Vec<_>) =
        std::mem::take(&mut node.host.reads).into_iter().partition(|&(_, index)| index <= applied);
    node.host.reads = waiting;
    if ready.is_empty() {
        return;
    }
    let log = node.intended_disk().log;
    let value = (1..=applied.0).rev().find_map(|index| match log.payload(LogIndex(index)) {
        Some(Payload::Command(value)) => Some(*value),
        Some(Payload::NoOp | Payload::Members(_)) | None => None,
    });
    let leads = node.machine.is_leader();
    let returned = |(id, _)| {
        if timed::is_peek(id) {
            Event::Peeked { value, leads }
        } else {
            Event::Client(Moment::ReadReturned(id, value))
        }
    };
    out.events.extend(ready.into_iter().map(returned));
}

fn holds(log: &Log<Value>, end: LogEnd) -> bool {
    log.term_at(end.index) == Some(end.term)
}

/// Whether no node broke an invariant whose name is meant.
fn unbroken(it: &Snapshot<'_, GroupProtocol>, is_meant: impl Fn(&str) -> bool) -> bool {
    !it.nodes.iter().filter_map(|node| node.violation).any(is_meant)
}

type Predicate = fn(&GroupProtocol, &Snapshot<'_, GroupProtocol>) -> bool;

fn always(name: &'static str, holds: Predicate) -> Property<GroupProtocol> {
    Property { name, kind: Kind::Always, holds }
}

fn sometimes(name: &'static str, holds: Predicate) -> Property<GroupProtocol> {
    Property { name, kind: Kind::Sometimes, holds }
}
