//! The replication group's rules about time in a world: evidence, leases, transfers.
//!
//! Two kinds of worlds ask about them. Where clocks are *free*, anything may be late, and what is
//! asked is whether a lease is ever relied on too long. Where they are *prompt*, only links that are
//! cut stand in the way, and what is asked is whether a leader that is heard is left alone and one
//! that is not is replaced.

use super::{GroupProtocol, always, sometimes, unbroken};
use crate::clock::Clocks;
use crate::history::Value;
use crate::node::{Node, Outbox};
use crate::protocol::{Property, Snapshot};
use crate::world::{State, World};
use ringleader_core::group::{Group, Message, Request, Timing};
use ringleader_core::ids::{ReplicaId, RequestId, Tick};

/// What a world about time adds to the group's bounds. Off, nothing is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timed {
    /// The machine's rules about time.
    pub timing: Timing,
    /// What time does.
    pub clocks: Clocks,
    /// How long a follower waits for a leader, where clocks are prompt.
    pub election_timeout: Tick,
    /// A leader's heartbeat starts a round while it has started fewer than this in its term.
    pub rounds: u64,
    /// How often a replica may poll its peers in one term.
    pub polls: u64,
    /// How often a host may ask for another leader.
    pub transfers: u8,
    /// How many eventual reads clients may ask for.
    pub peeks: u8,
    /// Whether followers' clocks run at every rate, and not only at the fastest.
    pub every_rate: bool,
    /// Whether replica `k` alone campaigns for term `k + 1`, unless it is told to by a leader, and is
    /// asked there for command `k + 1`; the first alone is asked to read, and to renew its lease. In
    /// prompt worlds, only the first campaign is in turn.
    pub in_turn: bool,
    /// Whether links may be cut.
    pub cuts: bool,
}

impl Timed {
    /// No rule about time, no clock.
    pub const OFF: Self = Self {
        timing: Timing { evidence: None, quorum_timeout: None, lease: None },
        clocks: Clocks::Off,
        election_timeout: Tick(0),
        rounds: 0,
        polls: u64::MAX,
        transfers: 0,
        peeks: 0,
        every_rate: false,
        in_turn: false,
        cuts: false,
    };
}

/// Eventual reads are numbered from here.
pub(super) const FIRST_PEEK: u64 = 200;
/// Transfers are numbered from here.
const FIRST_TRANSFER: u64 = 300;

/// Whether a leader's heartbeat is worth its step: it repeats what may be lost, keeps followers
/// quiet, or starts a round. In prompt worlds the last term is where the story ends.
pub(super) fn may_beat(protocol: &GroupProtocol, machine: &Group<Value>) -> bool {
    let Timed { timing, clocks, rounds, .. } = protocol.time;
    let starts_a_round =
        timing.lease.is_some() && !machine.has_open_round() && machine.rounds() < rounds;
    let starts_a_round = starts_a_round && is_its_turn(protocol, machine, 1);
    let goes_on = !clocks.is_prompt() || machine.term().0 < protocol.terms;
    protocol.heartbeats && goes_on || starts_a_round
}

/// Whether a leader may be asked for what is meant for the leader of this term.
pub(super) fn is_its_turn(protocol: &GroupProtocol, machine: &Group<Value>, term: u8) -> bool {
    !protocol.time.in_turn || machine.term().0 == u64::from(term)
}

/// Whether a replica may campaign, or ask whether to, as far as the bounds go.
pub(super) fn may_campaign(protocol: &GroupProtocol, machine: &Group<Value>) -> bool {
    let Timed { polls, in_turn, cuts, .. } = protocol.time;
    let in_turn = in_turn && (!cuts || machine.term().0 == 0);
    let is_its_turn = u64::from(machine.id().0) == machine.term().0;
    machine.term().0 < protocol.terms && machine.polls() < polls && (!in_turn || is_its_turn)
}

/// Eventual reads of any node, and transfers to each of a leader's peers.
pub(super) fn requests(
    protocol: &GroupProtocol,
    (peeks, transfers): (u8, u8),
    node: &Node<GroupProtocol>,
) -> Vec<(RequestId, Request<Value>)> {
    let machine = &node.machine;
    let mut requests = Vec::new();
    if peeks < protocol.time.peeks {
        requests.push((RequestId(FIRST_PEEK + u64::from(peeks)), Request::ReadEventual));
    }
    let may_transfer = machine.is_leader() && machine.gives_way_to().is_none();
    // The peer campaigns in the next term, which must be within the bounds.
    if may_transfer && transfers < protocol.time.transfers && machine.term().0 < protocol.terms {
        let id = RequestId(FIRST_TRANSFER + u64::from(transfers));
        let others = machine.voters().iter().filter(|&to| to != node.id);
        requests.extend(others.map(|to| (id, Request::Transfer { to })));
    }
    requests
}

/// Whether a request is an eventual read.
pub(super) fn is_peek(id: RequestId) -> bool {
    (FIRST_PEEK..FIRST_TRANSFER).contains(&id.0)
}

/// Looks at a step: campaigns that nobody agreed to, writes by a leader that gives way.
pub(super) fn watch(
    protocol: &GroupProtocol,
    (before, after): (&Group<Value>, &Group<Value>),
    out: &mut Outbox<GroupProtocol>,
) {
    let Timed { timing, transfers, .. } = protocol.time;
    let campaigns = after.is_candidate() && after.term() > before.term();
    // Where hosts ask for transfers, a campaign may begin without a poll.
    if campaigns && timing.evidence.is_some() && transfers == 0 && !before.is_asking() {
        out.violate("PREVOTE-2: a campaign that no leader asked for begins with a poll");
    }
    let gave_way = before.gives_way_to().is_some();
    if gave_way && after.is_leader() && after.log().last() > before.log().last() {
        out.violate("TRANSFER-1: a leader that gives way takes no writes");
    }
}

/// What `from` says would break a rule.
pub(super) fn on_send(
    from: &Node<GroupProtocol>,
    to: ReplicaId,
    message: &Message<Value>,
) -> Option<&'static str> {
    let machine = &from.machine;
    let agrees = matches!(message, Message::PreVote { .. });
    if agrees && (machine.is_leader() || machine.hears_leader(from.now())) {
        return Some("PREVOTE-1: who agrees to a campaign hears no leader, and leads nothing");
    }
    let matched = machine.progress(to).map(|peer| peer.matched);
    let gives_way = matches!(message, Message::TakeOver { .. });
    if gives_way && matched != Some(machine.log().last()) {
        return Some("TRANSFER-1: who is told to campaign holds the whole log");
    }
    None
}

/// What must hold because of time, and what some state must show.
pub(super) fn properties(protocol: &GroupProtocol) -> Vec<Property<GroupProtocol>> {
    let Timed { timing, clocks, transfers, peeks, .. } = protocol.time;
    let mut properties = Vec::new();
    if timing.lease.is_some() {
        properties.push(always("LEASE-1", |_, it| {
            let holders = it.nodes.iter().filter(|node| node.machine.holds_lease(node.now()));
            holders.into_iter().all(|holder| !leads_later(it, holder.machine.term().0))
        }));
        properties.push(sometimes("a lease holds", |_, it| {
            it.nodes.iter().any(|node| node.machine.holds_lease(node.now()))
        }));
        properties.push(sometimes(
            "a leader's lease is over, and somebody leads later",
            |_, it| {
                let over = |node: &&&Node<GroupProtocol>| {
                    let (machine, now) = (&node.machine, node.now());
                    machine.is_leader() && machine.rounds() > 0 && !machine.holds_lease(now)
                };
                it.nodes.iter().filter(over).any(|node| leads_later(it, node.machine.term().0))
            },
        ));
    }
    if timing.evidence.is_some() {
        properties
            .push(always("PREVOTE-1", |_, it| unbroken(it, |it| it.starts_with("PREVOTE-1"))));
        properties
            .push(always("PREVOTE-2", |_, it| unbroken(it, |it| it.starts_with("PREVOTE-2"))));
        properties.push(sometimes("a replica asks whether to campaign", |_, it| {
            it.nodes.iter().any(|node| node.machine.is_asking())
        }));
        if clocks.is_prompt() {
            properties.push(always("CHURN-1", |_, it| !is_churned(it)));
        }
    }
    if transfers > 0 {
        properties
            .push(always("TRANSFER-1", |_, it| unbroken(it, |it| it.starts_with("TRANSFER-1"))));
        properties.push(sometimes("a leader gives way, and another leads", |_, it| {
            let gives_way = |node: &&&Node<GroupProtocol>| node.machine.gives_way_to().is_some();
            it.nodes.iter().filter(gives_way).any(|node| leads_later(it, node.machine.term().0))
        }));
    }
    if peeks > 0 {
        properties.push(always("READ-2", |_, it| !it.ghost.peeked_uncommitted));
        properties.push(sometimes("an eventual read of a follower", |_, it| {
            it.ghost.peeked_at_a_follower
        }));
    }
    properties
}

/// The names of invariants that a step or a message of these rules may break.
pub(super) const NAMES: [&str; 3] = ["PREVOTE-1", "PREVOTE-2", "TRANSFER-1"];

fn leads_later(it: &Snapshot<'_, GroupProtocol>, term: u64) -> bool {
    it.nodes.iter().any(|node| node.machine.is_leader() && node.machine.term().0 > term)
}

/// `CHURN-1`: nobody campaigns in a later term while a majority hears its leader; and as long as no
/// link is cut, the first leader leads on.
fn is_churned(it: &Snapshot<'_, GroupProtocol>) -> bool {
    let whole = it.nodes.iter().all(|node| node.deaf_to().size() == 0);
    if whole && it.nodes.iter().any(|node| node.machine.term().0 > 1) {
        return true;
    }
    let campaigns_above = |term: u64| {
        it.nodes.iter().any(|node| node.machine.is_candidate() && node.machine.term().0 > term)
    };
    let leaders = it.nodes.iter().filter(|node| node.machine.is_leader());
    leaders.into_iter().any(|leader| {
        let (term, id) = (leader.machine.term(), leader.id);
        let hears = |node: &&&Node<GroupProtocol>| {
            let machine = &node.machine;
            let follows = machine.term() == term && machine.leader() == Some(id);
            follows && machine.hears_leader(node.now())
        };
        let hearing = it.nodes.iter().filter(hears).count();
        2 * hearing > it.nodes.len() && campaigns_above(term.0)
    })
}

/// Where links are cut: a leader has committed in its own term, and a majority that it can talk
/// with both ways has applied all that it holds.
#[must_use]
pub fn a_majority_is_led(world: &World<GroupProtocol>, state: &State) -> bool {
    let nodes = world.nodes_of(state);
    nodes.iter().filter(|node| node.machine.is_leader()).any(|leader| {
        let log = leader.machine.log();
        let holds_all = |node: &&Node<GroupProtocol>| {
            talk(leader, node) && node.machine.applying() == log.last()
        };
        let led = nodes.iter().copied().filter(|node| holds_all(node)).count();
        log.term_at(log.last()) == Some(leader.machine.term()) && 2 * led > nodes.len()
    })
}

/// Whether some node can talk both ways with a majority, and the last term and the last poll are
/// untouched.
#[must_use]
pub fn could_be_led(world: &World<GroupProtocol>, state: &State) -> bool {
    let nodes = world.nodes_of(state);
    let protocol = world.protocol();
    let reaches = |node: &Node<GroupProtocol>| {
        2 * nodes.iter().filter(|other| talk(node, other)).count() > nodes.len()
    };
    let within = |node: &&Node<GroupProtocol>| {
        node.machine.term().0 < protocol.terms && node.machine.polls() < protocol.time.polls
    };
    nodes.iter().all(within) && nodes.iter().any(|node| reaches(node))
}

/// Whether what each says reaches the other.
fn talk(one: &Node<GroupProtocol>, other: &Node<GroupProtocol>) -> bool {
    !one.deaf_to().contains(other.id) && !other.deaf_to().contains(one.id)
}
