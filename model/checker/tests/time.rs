//! Worlds with clocks: what makes them small loses nothing, and they reach what they are about.

use ringleader_checker::catalog::{self, Entry};
use ringleader_checker::group::{GroupProtocol, Timed};
use ringleader_checker::node::Node;
use ringleader_checker::protocol::Protocol;
use ringleader_checker::world::{Bounds, World};
use ringleader_core::group::{Drift, Lease, Timing};
use ringleader_core::ids::Tick;
use ringleader_core::quorum::ReplicaSet;
use stateright::Model;
use std::collections::{BTreeSet, HashSet, VecDeque};

fn entry(name: &str) -> Entry {
    catalog::quick().into_iter().find(|entry| entry.name == name).expect("is in the catalogue")
}

/// What is seen of every state, and how many states there are.
fn explore<T: Ord>(
    world: &World<GroupProtocol>,
    see: impl Fn(&World<GroupProtocol>, &<World<GroupProtocol> as Model>::State) -> T,
) -> (BTreeSet<T>, usize) {
    let mut known: HashSet<_> = world.init_states().into_iter().collect();
    let mut open: VecDeque<_> = known.iter().cloned().collect();
    let mut seen = BTreeSet::new();
    let mut actions = Vec::new();
    while let Some(state) = open.pop_front() {
        seen.insert(see(world, &state));
        world.actions(&state, &mut actions);
        for action in actions.drain(..) {
            if let Some(next) = world.next_state(&state, action)
                && known.insert(next.clone())
            {
                open.push_back(next);
            }
        }
    }
    (seen, known.len())
}

/// Followers whose clocks are always fast reach what followers at every rate reach.
#[test]
fn fast_followers_lose_nothing() {
    let protocol = entry("lease").world().protocol().clone();
    let drift = Drift { parts: 1, of: 3 };
    let lease = Some(Lease { span: Tick(1), drift });
    let timing = Timing { lease, ..Timing::default() };
    let states = |every_rate| {
        let time = Timed { timing, every_rate, ..protocol.time };
        let world = World::new(
            GroupProtocol { time, ..protocol.clone() },
            *entry("lease").world().bounds(),
        );
        explore(&world, |world, state| {
            let nodes = world.nodes_of(state).into_iter();
            let describe = |node: &Node<GroupProtocol>| {
                let holds = node.machine.holds_lease(node.now());
                (world.protocol().describe_node(node), holds)
            };
            let mut nodes: Vec<_> = nodes.map(describe).collect();
            nodes.sort_unstable();
            nodes
        })
    };
    let ((fast, few), (every, many)) = (states(false), states(true));
    assert_eq!(fast, every);
    assert!(few < many, "nothing is gained");
}

/// The prompt worlds cut every one of the 64 sets of one-way links between three nodes.
#[test]
fn every_set_of_one_way_cuts_is_reached() {
    let world = World::new(
        entry("churn").world().protocol().clone(),
        Bounds { ..*entry("churn").world().bounds() },
    );
    let deaf = |world: &World<GroupProtocol>, state: &_| -> Vec<ReplicaSet> {
        world.nodes_of(state).into_iter().map(Node::deaf_to).collect()
    };
    assert_eq!(explore(&world, deaf).0.len(), 64);
}
