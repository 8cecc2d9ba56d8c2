//! Which guarantee holds for which (N, R, W) and mode: every cell explored to its end.
//!
//! One search per cell finds the shortest way to break each guarantee: breadth first, level by
//! level, on one thread, with whole states compared and not fingerprints.

use crate::narrate::narrate;
use crate::node::Fsync;
use crate::protocol::Kind;
use crate::quorum::{Asked, Client, QuorumProtocol};
use crate::quorum_history::Guarantee;
use crate::world::{Action, Bounds, State, World};
use ringleader_core::ids::ReplicaId;
use ringleader_core::leaderless::quorum::{
    ForeignEpoch, Order, Placement, Repair, Ring, RingEpoch,
};
use ringleader_trace::Trace;
use rustc_hash::FxHashMap;
use stateright::Model;
use std::fmt::Write as _;

/// How reads and writes are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Reads repair nothing.
    NoRepair,
    /// Reads send what they found to the copies that are behind, and do not wait.
    Asynchronous,
    /// Reads wait until W copies hold what they found.
    Blocking,
    /// That, and writes first ask R copies for the highest stamp (Attiya, Bar-Noy & Dolev 1995;
    /// Lynch & Shvartsman 1997).
    AskFirst,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoRepair, Self::Asynchronous, Self::Blocking, Self::AskFirst];

    /// In a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRepair => "no repair",
            Self::Asynchronous => "asynchronous repair",
            Self::Blocking => "write-back",
            Self::AskFirst => "ABD",
        }
    }

    /// How a write with these quorums is asked for.
    #[must_use]
    pub fn write(self, r: u8, w: u8) -> Asked {
        let order = match self {
            Self::NoRepair | Self::Asynchronous | Self::Blocking => Order::OwnCounter,
            Self::AskFirst => Order::AskFirst { r },
        };
        Asked::Write { w, order }
    }

    /// How a read with these quorums is asked for.
    #[must_use]
    pub fn read(self, r: u8, w: u8) -> Asked {
        let repair = match self {
            Self::NoRepair => Repair::None,
            Self::Asynchronous => Repair::Asynchronous,
            Self::Blocking | Self::AskFirst => Repair::Blocking { w },
        };
        Asked::Read { r, repair }
    }
}

/// Who writes and who reads in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clients {
    /// One writes and reads, or writes twice; another reads twice.
    OneWriter,
    /// Two write, each through a coordinator of its own, and then read.
    TwoWriters,
}

impl Clients {
    /// The guarantees that their programs can contradict, from the strongest: of two writers
    /// nobody reads twice.
    fn guarantees(self) -> impl Iterator<Item = Guarantee> {
        let reads_twice = self == Self::OneWriter;
        let all = Guarantee::ALL.into_iter();
        all.filter(move |it| reads_twice || *it != Guarantee::MonotonicReads)
    }

    /// In a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneWriter => "one writer",
            Self::TwoWriters => "two writers",
        }
    }
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// How many copies.
    pub n: u8,
    /// How many are read.
    pub r: u8,
    /// How many are written.
    pub w: u8,
    /// Which copies count.
    pub placement: Placement,
    /// Who writes and who reads.
    pub clients: Clients,
    /// How reads and writes are done.
    pub mode: Mode,
}

/// The parts of the table, in its order. A second writer in a sloppy quorum could only take more
/// away.
pub const PARTS: [(Placement, Clients); 3] = [
    (Placement::Strict, Clients::OneWriter),
    (Placement::Strict, Clients::TwoWriters),
    (Placement::Sloppy, Clients::OneWriter),
];

/// All cells with at most `copies_max` copies, part by part and row by row.
#[must_use]
pub fn cells(copies_max: u8) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (placement, clients) in PARTS {
        for n in 1..=copies_max {
            for (r, w) in (1..=n).flat_map(|r| (1..=n).map(move |w| (r, w))) {
                cells.extend(Mode::ALL.map(|mode| Cell { n, r, w, placement, clients, mode }));
            }
        }
    }
    cells
}

/// What became of one guarantee.
#[derive(Debug)]
pub enum Outcome {
    /// No state within the bounds contradicts it.
    Holds,
    /// This does, and nothing shorter.
    Broken(Trace),
}

/// What became of one cell.
#[derive(Debug)]
pub struct Explored {
    /// Which.
    pub cell: Cell,
    /// How many states were visited, over all programs of clients.
    pub states: usize,
    /// The guarantees that its clients can contradict, from the strongest.
    pub outcomes: Vec<(Guarantee, Outcome)>,
}

impl Cell {
    /// What the clients do: programs that are explored one after another.
    fn programs(self) -> Vec<Vec<Client>> {
        let Self { n, r, w, placement, clients, mode } = self;
        let (write, read) = (mode.write(r, w), mode.read(r, w));
        // The coordinators come after the owners.
        let first = |script| Client { node: n, script };
        let second = |script| Client { node: n + 1, script };
        match (clients, placement) {
            (Clients::OneWriter, Placement::Strict) => vec![
                vec![first(vec![write, read]), second(vec![read, read])],
                vec![first(vec![write, write]), second(vec![read, read])],
            ],
            (Clients::OneWriter, Placement::Sloppy) => vec![
                vec![first(vec![write, read])],
                vec![first(vec![write]), second(vec![read, read])],
            ],
            (Clients::TwoWriters, _) => vec![
                vec![first(vec![write, read]), second(vec![write])],
                vec![first(vec![write, read]), second(vec![write, read])],
            ],
        }
    }

    /// The register of this cell with these clients.
    #[must_use]
    pub fn protocol(self, clients: Vec<Client>) -> QuorumProtocol {
        let retries = match self.placement {
            Placement::Strict => 0,
            Placement::Sloppy => 1,
        };
        QuorumProtocol {
            nodes: self.n + 2,
            rings: vec![ring(1, self.n, 2)],
            knows: Vec::new(),
            rings_are_found: false,
            placement: self.placement,
            foreign_epoch: ForeignEpoch::Refuse,
            retries,
            retries_max: u8::MAX,
            reserved_at_once: 1,
            clients,
            claims: Guarantee::ALL.to_vec(),
        }
    }

    /// Explores it to its end.
    #[must_use]
    pub fn explore(self) -> Explored {
        let outcomes = self.clients.guarantees().map(|it| (it, Outcome::Holds)).collect();
        let mut explored = Explored { cell: self, states: 0, outcomes };
        let programs = self.programs();
        for clients in programs {
            explored.add(self.protocol(clients));
        }
        explored
    }
}

impl Explored {
    /// Explores one program of clients, and keeps the shortest way to break each guarantee.
    fn add(&mut self, protocol: QuorumProtocol) {
        let bounds = Bounds { crashes: 0, fsync: Fsync::Immediate, collect: true, symmetry: true };
        let world = World::new(protocol, bounds);
        let search = Search::run(&world);
        self.states += search.states.len();
        for (guarantee, outcome) in &mut self.outcomes {
            let mut names = world.property_names().iter();
            let bit = names.position(|it| it.0 == guarantee.name());
            let Some(&state) = bit.and_then(|bit| search.broken.get(&bit)) else { continue };
            let path = search.path(state);
            let is_shorter = match outcome {
                Outcome::Holds => true,
                Outcome::Broken(known) => path.len() < known.steps.len(),
            };
            if is_shorter {
                *outcome = Outcome::Broken(narrate(&world, "quorum", guarantee.name(), &path));
            }
        }
    }

    /// Whether a guarantee holds.
    #[must_use]
    pub fn holds(&self, guarantee: Guarantee) -> bool {
        self.outcomes
            .iter()
            .any(|(it, outcome)| *it == guarantee && matches!(outcome, Outcome::Holds))
    }

    /// The strongest guarantees that hold: those that no other one that holds implies.
    #[must_use]
    pub fn strongest(&self) -> Vec<Guarantee> {
        let holds = |it| self.holds(it);
        if holds(Guarantee::Linearizable) {
            return vec![Guarantee::Linearizable];
        }
        let mut strongest = Vec::new();
        if holds(Guarantee::Regular) {
            strongest.push(Guarantee::Regular);
        } else if holds(Guarantee::ReadYourWrites) {
            strongest.push(Guarantee::ReadYourWrites);
        }
        if holds(Guarantee::MonotonicReads) {
            strongest.push(Guarantee::MonotonicReads);
        }
        if strongest.is_empty() && holds(Guarantee::Eventual) {
            strongest.push(Guarantee::Eventual);
        }
        strongest
    }

    /// The guarantee that comes next, and the shortest way to break it: the weakest of those
    /// that do not hold.
    #[must_use]
    pub fn next_stronger(&self) -> Option<(Guarantee, &Trace)> {
        self.outcomes.iter().rev().find_map(|(guarantee, outcome)| match outcome {
            Outcome::Holds => None,
            Outcome::Broken(trace) => Some((*guarantee, trace)),
        })
    }

    /// The shortest way to break one guarantee, if there is one.
    #[must_use]
    pub fn counterexample(&self, guarantee: Guarantee) -> Option<&Trace> {
        self.outcomes.iter().find_map(|(it, outcome)| match outcome {
            Outcome::Broken(trace) if *it == guarantee => Some(trace),
            Outcome::Broken(_) | Outcome::Holds => None,
        })
    }

    /// "regular; linearizable falls in 12".
    #[must_use]
    pub fn describe(&self) -> String {
        let strongest = self.strongest();
        let names: Vec<_> = strongest.iter().map(|it| it.words()).collect();
        let holds = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        match self.next_stronger() {
            None => holds,
            Some((guarantee, trace)) => {
                format!("{holds}; {} falls in {}", guarantee.words(), trace.steps.len())
            }
        }
    }
}

/// The table as Markdown: a row per (N, R, W), a column per mode, a part per heading.
#[must_use]
pub fn markdown(explored: &[Explored]) -> String {
    let mut text = String::new();
    for (placement, clients) in PARTS {
        let placed = match placement {
            Placement::Strict => "Strict",
            Placement::Sloppy => "Sloppy",
        };
        let _ = writeln!(text, "### {placed} quorum, {}\n", clients.name());
        let modes: Vec<_> = Mode::ALL.iter().map(|it| it.name()).collect();
        let _ = writeln!(text, "| N R W | {} |", modes.join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(modes.len()));
        let part = explored
            .iter()
            .filter(|it| (it.cell.placement, it.cell.clients) == (placement, clients));
        let rows: Vec<&Explored> = part.collect();
        for row in rows.chunks(Mode::ALL.len()) {
            let Cell { n, r, w, .. } = row[0].cell;
            let cells: Vec<_> = row.iter().map(|it| it.describe()).collect();
            let _ = writeln!(text, "| {n} {r} {w} | {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    text
}

/// A ring of `owners` nodes from 0 on, with so many stand-ins after them.
#[must_use]
pub fn ring(epoch: u64, owners: u8, stand_ins: u8) -> Ring {
    Ring {
        epoch: RingEpoch(epoch),
        owners: (0..owners).map(ReplicaId).collect(),
        stand_ins: (owners..owners + stand_ins).map(ReplicaId).collect(),
    }
}

/// A breadth-first search that goes on after violations.
#[derive(Default)]
struct Search {
    states: Vec<State>,
    parents: Vec<Option<(u32, Action)>>,
    /// The first state that violates each property, by the property's number.
    broken: FxHashMap<usize, u32>,
}

impl Search {
    fn run(world: &World<QuorumProtocol>) -> Self {
        let mut search = Self::default();
        let mut numbers: FxHashMap<State, u32> = FxHashMap::default();
        let initial = world.init_states();
        for state in initial {
            search.add(world, &mut numbers, state, None);
        }
        let mut next = 0;
        let mut actions = Vec::new();
        while let Some(state) = search.states.get(next).cloned() {
            world.actions(&state, &mut actions);
            for action in actions.drain(..) {
                if let Some(after) = world.next_state(&state, action.clone()) {
                    let from = u32::try_from(next).expect("fewer than 2^32 states");
                    search.add(world, &mut numbers, after, Some((from, action)));
                }
            }
            next += 1;
        }
        search
    }

    fn add(
        &mut self,
        world: &World<QuorumProtocol>,
        numbers: &mut FxHashMap<State, u32>,
        state: State,
        parent: Option<(u32, Action)>,
    ) {
        if numbers.contains_key(&state) {
            return;
        }
        let number = u32::try_from(self.states.len()).expect("fewer than 2^32 states");
        for (bit, (_, kind)) in world.property_names().iter().enumerate() {
            if *kind == Kind::Always && !world.holds(&state, bit) {
                self.broken.entry(bit).or_insert(number);
            }
        }
        numbers.insert(state.clone(), number);
        self.states.push(state);
        self.parents.push(parent);
    }

    fn path(&self, mut state: u32) -> Vec<Action> {
        let mut path = Vec::new();
        while let Some((parent, action)) = &self.parents[state as usize] {
            path.push(action.clone());
            state = *parent;
        }
        path.reverse();
        path
    }
}
