//! Random runs of a world, as the calls that its machines saw: whoever instantiates a machine
//! otherwise can make the same calls and compare.

use crate::node::{Call, Node};
use crate::protocol::Protocol;
use crate::world::World;
use ringleader_core::ids::ReplicaId;
use stateright::Model;

/// The calls of one run of so many steps, in order, each with the node whose machine was called.
/// The same seed gives the same run.
///
/// The world must tell states apart that differ only in names ([`crate::world::Bounds`]
/// `symmetry` off): a machine keeps its name for the whole run.
///
/// # Panics
///
/// If the world merges names.
pub fn walk<P: Protocol>(world: &World<P>, seed: u64, steps: usize) -> Vec<(ReplicaId, Call<P>)> {
    assert!(!world.bounds().symmetry, "in a world without names there is no one to follow");
    let protocol = world.protocol();
    let mut calls = Vec::new();
    for id in (0..protocol.nodes()).map(ReplicaId) {
        calls.extend(Node::start_noting(protocol, id).1.into_iter().map(|call| (id, call)));
    }
    let mut random = Random(seed);
    let mut state = world.init_states().remove(0);
    let mut actions = Vec::new();
    for _ in 0..steps {
        world.actions(&state, &mut actions);
        let mut next = None;
        while next.is_none() && !actions.is_empty() {
            let action = actions.swap_remove(random.below(actions.len()));
            next = world.next_state(&state, action.clone()).map(|next| (action, next));
        }
        let Some((action, next)) = next else { break };
        let fsync = world.fsync_of(&state, &action);
        for (id, what) in world.stimuli(&state, &action) {
            let node = world.nodes_of(&state)[usize::from(id.0)];
            let noted = node.after_noting(protocol, &what, fsync).1;
            calls.extend(noted.into_iter().map(|call| (id, call)));
        }
        state = next;
        actions.clear();
    }
    calls
}

/// Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", figure 17.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}
