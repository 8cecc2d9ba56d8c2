//! What the checker has to know about the lock: who there is, what clients do, what must hold.

use crate::lock::{Lock, Rules};
use ringleader_checker::clock::Clocks;
use ringleader_checker::node::{Fsync, Node};
use ringleader_checker::protocol::{Kind, Property, Protocol};
use ringleader_checker::world::Bounds;
use ringleader_core::ids::{ReplicaId, RequestId};

/// One server and two clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockService {
    pub rules: Rules,
}

/// What this world cannot show: nobody crashes, writes, or waits for a timer.
pub const UNREACHABLE: [&str; 5] =
    ["hear", "persist", "crash", "timer", "a crash lost a write on its way"];

pub fn bounds() -> Bounds {
    Bounds { crashes: 0, fsync: Fsync::Immediate, collect: false, symmetry: false }
}

impl Protocol for LockService {
    type Machine = Lock;
    type Host = ();
    type Event = ();
    type Ghost = ();
    type View = ();

    fn nodes(&self) -> u8 {
        3
    }

    fn config(&self, _: ReplicaId) -> Rules {
        self.rules
    }

    fn initial_ghost(&self) {}

    fn view(&self, _: &Node<Self>) {}

    /// While one clock advances by 1, another may advance by 2.
    fn clocks(&self) -> Clocks {
        Clocks::Free { fastest: 2, pauses: 0, longest: 8 }
    }

    /// Each client asks at most twice.
    fn requests(&self, (): &(), node: &Node<Self>) -> Vec<(RequestId, ())> {
        let asks = node.id != ReplicaId(0) && node.machine.attempts() < 2;
        if asks { vec![(RequestId(0), ())] } else { Vec::new() }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property {
                name: "at most one client holds the lock",
                kind: Kind::Always,
                holds: |_, it| it.nodes.iter().filter(|it| it.machine.holds(it.now())).count() <= 1,
            },
            Property {
                name: "the second client gets its turn",
                kind: Kind::Sometimes,
                holds: |_, it| it.nodes[2].machine.holds(it.nodes[2].now()),
            },
        ]
    }

    fn describe_request(&self, (): &()) -> String {
        "client: lock".to_owned()
    }

    fn describe_node(&self, node: &Node<Self>) -> String {
        node.machine.in_words(node.now())
    }
}
