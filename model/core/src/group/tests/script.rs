//! The language of the stories: one command per line, and a transcript of what comes of it.
//!
//! ```text
//! option L       before all else: append L | in-flight L | wait | at-once | replicas N
//!                | evidence T | quorum T | lease T (clocks may differ by a third)
//! log N: 1 1 4   before all else: replica N starts with entries of these terms
//! term N T       before all else: replica N starts in term T
//! timeout N      the election timer of replica N fires; likewise `heartbeat N`, `quorum N`, and
//!                `give-up N` for a transfer
//! pass T         every clock advances by T; `pass T N`: that of N
//! write N x      a client asks N to write x; `read N r`: to read, and calls that read r;
//!                `peek N r`: to read what is there
//! transfer N M t the host of N asks, calling that t, that M lead
//! option L       before all else: append L | in-flight L | wait | at-once | trim | replicas N |
//!                log-replica N, and
//!                newcomers N: so many more that are no members yet
//! log N: 1 1 4   before all else: replica N starts with entries of these terms
//! term N T       before all else: replica N starts in term T
//! timeout N      the election timer of replica N fires; `heartbeat N`: the other one
//! write N x      a client asks N to write x; `read N r`: to read, and calls that read r
//! add N>M x      asks N to let M take part, and calls that change x; `add-log N>M x`, `remove N>M x`
//! persist N      all I/Os of N become durable; `persist N I`: those up to number I
//! deliver N>M    the oldest message on its way arrives; `.. last`: the newest; `.. all`: each that
//!                is on its way now; `.. again`: the oldest, and a copy stays
//! drop N>M       all messages on their way are lost
//! crash N        N loses what is not durable and starts again
//! checkpoint N   the state machine of N will survive crashes as it is now
//! applied N      the state machine of N has applied what it was asked to; its log may forget it
//! stored N       the storage of N holds what N has applied, and N hears of it (and see `option trim`)
//! staged N       N hears that it has a snapshot, durably; `installed N`: that its state is that one
//! settle         all disks and the network come to rest; no timer fires; nothing is recorded
//! status N       what N knows
//! ```

use super::world::{Event, World, config, disk};
use crate::group::{
    AnnounceCommit, Answer, AtElection, Change, ChangeRefusal, Config, Drift, Entry, Flow, Lease,
    Log, Membership, Message, Payload, Request, SnapshotMark, Timer, Trim, Write,
};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use crate::quorum::ReplicaSet;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A story that is being told.
pub(super) struct Stage {
    config: Config,
    terms: BTreeMap<u8, u64>,
    logs: BTreeMap<u8, Vec<u64>>,
    world: Option<World<char>>,
    newcomers: u8,
    /// What the client calls each request; requests are numbered as they come.
    names: Vec<String>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let (terms, logs) = (BTreeMap::new(), BTreeMap::new());
        Self { config: config(), terms, logs, world: None, newcomers: 0, names: Vec::new() }
    }

    /// Carries out one command, and says what came of it.
    pub(super) fn command(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split([' ', '>', ':']).filter(|it| !it.is_empty()).collect();
        let number = |position: usize| words[position].parse::<u64>().expect(line);
        match words[0] {
            "option" => return self.option(words[1], words.get(2).map(|it| it.parse().unwrap())),
            "log" => {
                let terms = words[2..].iter().map(|it| it.parse().expect(line)).collect();
                self.logs.insert(words[1].parse().expect(line), terms);
                return Vec::new();
            }
            "term" => {
                self.terms.insert(words[1].parse().expect(line), number(2));
                return Vec::new();
            }
            _ => {}
        }
        let of_replica = words.get(1).filter(|_| words[0] != "pass");
        let id = of_replica.map_or(ReplicaId(0), |it| ReplicaId(it.parse().expect(line)));
        let nodes = u8::try_from(self.config.voters.size()).unwrap() + self.newcomers;
        let open = || open(&self.config, nodes, &self.terms, &self.logs);
        let world = self.world.get_or_insert_with(open);
        match words[0] {
            "timeout" => world.fire(id, Timer::Election),
            "heartbeat" => world.fire(id, Timer::Heartbeat),
            "quorum" => world.fire(id, Timer::Quorum),
            "give-up" => world.fire(id, Timer::Transfer),
            "pass" => {
                let clocks = (0..world.nodes.len()).map(|id| id as u64);
                let one = words.get(2).map(|_| number(2));
                for id in clocks.filter(|&id| one.is_none_or(|one| one == id)) {
                    world.pass(ReplicaId(u8::try_from(id).unwrap()), number(1));
                }
            }
            "write" | "read" | "peek" | "transfer" => {
                let request = RequestId(self.names.len() as u64);
                self.names.push(words[words.len() - 1].to_string());
                let asks = match words[0] {
                    "write" => Request::Write(words[2].chars().next().unwrap()),
                    "read" => Request::Read,
                    "peek" => Request::ReadEventual,
                    _ => Request::Transfer { to: ReplicaId(words[2].parse().expect(line)) },
                };
                world.ask(id, request, asks);
            }
            "add" | "add-log" | "remove" => {
                let request = RequestId(self.names.len() as u64);
                self.names.push(words[3].to_string());
                let replica = ReplicaId(words[2].parse().expect(line));
                let change = match words[0] {
                    "add" => Change::Add(replica),
                    "add-log" => Change::AddLog(replica),
                    _ => Change::Remove(replica),
                };
                world.ask(id, request, Request::Change(change));
            }
            "persist" => {
                let all = world.unpersisted(id).expect("something to persist");
                world.persist(id, words.get(2).map_or(all, |_| IoNumber(number(2))));
            }
            "deliver" => {
                let to = ReplicaId(words[2].parse().expect(line));
                deliver(world, id, to, words.get(3).copied());
            }
            "drop" => {
                let to = ReplicaId(words[2].parse().expect(line));
                world.network.retain(|it| it.from != id || it.to != to);
            }
            "crash" => world.crash(id),
            "checkpoint" => world.checkpoint(id),
            "applied" => world.report_applied(id),
            "stored" => {
                world.checkpoint(id);
                world.report_applied(id);
                world.report_checkpoint(id);
            }
            "staged" => world.report_staged(id),
            "installed" => world.report_installed(id),
            "settle" => {
                world.settle();
                world.events.clear();
            }
            "status" => return status(world, id),
            other => panic!("no command {other}"),
        }
        let events: Vec<_> = world.events.drain(..).collect();
        events.into_iter().map(|(id, event)| self.describe(id, event)).collect()
    }

    fn option(&mut self, name: &str, value: Option<u64>) -> Vec<String> {
        assert!(self.world.is_none(), "options come first");
        match (name, value) {
            ("append", Some(value)) => self.config.append_entries_max = value,
            ("in-flight", Some(value)) => self.config.inflight_entries_max = value,
            ("replicas", Some(value)) => {
                self.config.voters = ReplicaSet::first(u8::try_from(value).unwrap());
            }
            ("evidence", Some(span)) => self.config.timing.evidence = Some(Tick(span)),
            ("quorum", Some(span)) => self.config.timing.quorum_timeout = Some(Tick(span)),
            ("lease", Some(span)) => {
                let drift = Drift { parts: 1, of: 3 };
                self.config.timing.lease = Some(Lease { span: Tick(span), drift });
            }
            ("newcomers", Some(value)) => self.newcomers = u8::try_from(value).unwrap(),
            ("trim", None) => self.config.trim = Trim::BelowEveryCheckpoint,
            ("log-replica", Some(id)) => {
                let id = ReplicaId(u8::try_from(id).unwrap());
                self.config.log_replicas = self.config.log_replicas.with(id);
            }
            ("wait", None) => self.config.at_election = AtElection::Wait,
            ("at-once", None) => self.config.announce_commit = AnnounceCommit::AtOnce,
            other => panic!("no option {other:?}"),
        }
        Vec::new()
    }

    fn describe(&self, id: ReplicaId, event: Event<char>) -> String {
        let id = id.0;
        let name = |request: RequestId| &self.names[usize::try_from(request.0).unwrap()];
        match event {
            Event::Writes(io, Write::Ballot { term, vote }) => {
                format!("{id} writes #{} ballot: {}, vote {}", io.0, said(term), replica(vote))
            }
            Event::Writes(io, Write::Append { after, entries }) => {
                format!("{id} writes #{} log after {}: {}", io.0, after.0, list(&entries))
            }
            Event::Writes(io, Write::Trim { upto }) => {
                format!("{id} writes #{} log begins after {}", io.0, upto.0)
            }
            Event::Writes(io, Write::Install { mark }) => {
                format!("{id} writes #{} log begins with {}", io.0, named(&mark))
            }
            Event::Stages(mark, part) => {
                format!("{id} sets aside part {part} of {}", named(&mark))
            }
            Event::Installs(mark) => format!("{id} swaps its state for {}", named(&mark)),
            Event::Holds(io, to, message) => {
                format!("{id} holds until #{}, to {}: {}", io.0, to.0, speak(&message))
            }
            Event::Sends(to, message) => format!("{id}>{} {}", to.0, speak(&message)),
            Event::Refuses(request, Answer::NotLeader { leader }) => {
                format!("{id} answers {}: not leader, that is {}", name(request), replica(leader))
            }
            Event::Refuses(request, Answer::Unknown) => {
                format!("{id} answers {}: unknown", name(request))
            }
            Event::Refuses(request, Answer::GivesWay) => {
                format!("{id} answers {}: gives way", name(request))
            }
            Event::Refuses(request, Answer::Refused) => {
                format!("{id} answers {}: refused", name(request))
            }
            Event::Refuses(request, Answer::ChangeRefused(why)) => {
                let why = match why {
                    ChangeRefusal::NothingCommitted => "nothing of this term is committed",
                    ChangeRefusal::AnotherChange => "another change is not committed",
                    ChangeRefusal::NoChange => "it is so already",
                    ChangeRefusal::TooFewCopies => "too few of the others hold what is committed",
                };
                format!("{id} answers {}: no change, {why}", name(request))
            }
            Event::Applies(index, payload) => {
                format!("{id} applies {}: {}", index.0, carried(&payload))
            }
            Event::Answers(request, index) => {
                format!("{id} answers {}: applied at {}", name(request), index.0)
            }
            Event::Reads(request, index) => {
                format!("{id} answers {}: the state at {}", name(request), index.0)
            }
            Event::SendsRange(to, prev, last) => {
                format!("{id} reads its disk for {}: after {} up to {}", to.0, end(prev), end(last))
            }
            Event::Leads(term) => format!("{id} leads {}", said(term)),
            Event::Halts(invariant) => format!("{id} halts: {invariant}"),
        }
    }
}

fn open(
    config: &Config,
    nodes: u8,
    terms: &BTreeMap<u8, u64>,
    logs: &BTreeMap<u8, Vec<u64>>,
) -> World<char> {
    World::with_nodes(config, nodes, |ReplicaId(id)| {
        let log = logs.get(&id).map_or(&[][..], Vec::as_slice);
        let entries: Vec<_> = log.iter().map(|&term| (term, letter(term))).collect();
        let term = terms.get(&id).copied().or(log.last().copied()).unwrap_or_default();
        disk(term, &entries)
    })
}

/// What an entry carries that was there before the story began.
fn letter(term: u64) -> char {
    char::from(b'a' + u8::try_from(term).unwrap() - 1)
}

fn deliver(world: &mut World<char>, from: ReplicaId, to: ReplicaId, which: Option<&str>) {
    let oldest = world.oldest(from, to).expect("a message to deliver");
    match which {
        None => world.deliver(oldest, false),
        Some("again") => world.deliver(oldest, true),
        Some("last") => {
            let last = world.network.iter().rposition(|it| it.from == from && it.to == to);
            world.deliver(last.unwrap_or(oldest), false);
        }
        Some("all") => {
            let on_the_way = |it: &&_| {
                let it: &super::world::Envelope<char> = it;
                it.from == from && it.to == to
            };
            let count = world.network.iter().filter(on_the_way).count();
            for _ in 0..count {
                let oldest = world.oldest(from, to).expect("counted");
                world.deliver(oldest, false);
            }
        }
        Some(other) => panic!("deliver {other}?"),
    }
}

fn status(world: &World<char>, id: ReplicaId) -> Vec<String> {
    let node = &world.nodes[usize::from(id.0)];
    let replica = &node.replica;
    let role = match (replica.is_leader(), replica.is_candidate(), replica.leader()) {
        (true, ..) => "leads".to_string(),
        (_, true, _) => "campaigns".to_string(),
        _ if replica.is_asking() => "asks its peers".to_string(),
        (.., leader) => format!("follows {}", self::replica(leader)),
    };
    let (term, log) = (said(replica.term()), &node.memory);
    let (commit, applying) = (replica.commit().0, replica.applying().0);
    let (durable, entries) = (replica.durable_end().0, list_log(log));
    let mut lines = Vec::from([format!(
        "{id} {role} in {term}: {entries}, durable {durable}, commit {commit}, applied {applying}",
        id = id.0,
    )]);
    for peer in (0..ReplicaSet::IDS).map(ReplicaId) {
        if let Some(progress) = replica.progress(peer) {
            let flow = match progress.flow {
                Flow::Stream => "streams",
                Flow::Probe => "probes",
                Flow::Snapshot { .. } => "sends the state",
            };
            let (matched, next) = (progress.matched.0, progress.next.0);
            lines.push(format!("  {flow} to {}: matched {matched}, next {next}", peer.0));
        }
    }
    lines
}

fn list_log(log: &Log<char>) -> String {
    let entries =
        (log.start().index.0 + 1..=log.last().0).filter_map(|index| log.entry(LogIndex(index)));
    list(&entries.collect::<Vec<_>>())
}

fn list(entries: &[Entry<char>]) -> String {
    let entry = |it: &Entry<char>| format!("{}/t{}", carried(&it.payload), it.term.0);
    format!("[{}]", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
}

fn carried(payload: &Payload<char>) -> String {
    match payload {
        Payload::NoOp => "no-op".to_string(),
        Payload::Command(command) => command.to_string(),
        Payload::Members(members) => said_members(*members),
    }
}

fn named(mark: &SnapshotMark) -> String {
    format!("the state at {} with {}", end(mark.end), said_members(mark.members))
}

fn said_members(members: Membership) -> String {
    let voters = members.voters.iter().map(|it| it.0.to_string());
    let logs = members.log_replicas.iter().map(|it| format!(" log {}", it.0));
    format!("{{{}{}}}", voters.collect::<Vec<_>>().join(","), logs.collect::<String>())
}

fn replica(id: Option<ReplicaId>) -> String {
    id.map_or("nobody".to_string(), |id| id.0.to_string())
}

fn said(term: Term) -> String {
    format!("t{}", term.0)
}

fn end(end: LogEnd) -> String {
    format!("{}/t{}", end.index.0, end.term.0)
}

fn speak(message: &Message<char>) -> String {
    let term = said(message.term());
    match message {
        Message::RequestVote { log_end, by_transfer, .. } => {
            let told = if *by_transfer { ", told to" } else { "" };
            format!("{term} request-vote, log ends at {}{told}", end(*log_end))
        }
        Message::RequestPreVote { poll, log_end, .. } => {
            format!("{term} request-pre-vote {poll}, log ends at {}", end(*log_end))
        }
        Message::PreVote { poll, .. } => format!("{term} pre-vote {poll}"),
        Message::TakeOver { .. } => format!("{term} take-over"),
        Message::Vote { .. } => format!("{term} vote"),
        Message::Append { prev, entries, commit, .. } => {
            format!("{term} append after {}: {}, commit {}", end(*prev), list(entries), commit.0)
        }
        Message::Appended { matched, .. } => format!("{term} appended {}", matched.0),
        Message::Rejected { prev, hint, .. } => {
            format!("{term} rejected after {}, try after {}", prev.0, hint.0)
        }
        Message::Confirm { round, .. } => format!("{term} confirm round {round}"),
        Message::Confirmed { round, .. } => format!("{term} confirmed round {round}"),
        Message::NewerTerm { .. } => format!("{term} newer-term"),
        Message::Checkpointed { index, .. } => format!("{term} checkpointed {}", index.0),
        Message::Trim { end: upto, .. } => format!("{term} trim up to {}", end(*upto)),
        Message::SnapshotPart { mark, part, last, content, .. } => {
            let content: String = content.iter().collect();
            let last = if *last { ", the last" } else { "" };
            format!("{term} part {part} of {}: {content}{last}", named(mark))
        }
        Message::Refused { log_end, .. } => {
            format!("{term} refused, log ends at {}", end(*log_end))
        }
        Message::Pull { after, .. } => format!("{term} pull after {}", end(*after)),
        Message::Pulled { prev, entries, log_end, .. } => {
            let (prev, log_end) = (end(*prev), end(*log_end));
            format!("{term} pulled after {prev}: {}, log ends at {log_end}", list(entries))
        }
        Message::Staged { end, parts, .. } => {
            format!("{term} staged {parts} parts of the state at {}", end.0)
        }
    }
}
