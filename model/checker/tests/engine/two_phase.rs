//! Two-phase commit, after the TLA+ specification of Lamport (Gray & Lamport, "Consensus on
//! Transaction Commit", 2006, section 3), whose numbers of states are well known. Differences: none.
//!
//! Messages are a set; a resource manager may decide alone to abort until it prepared.

use ringleader_checker::packed::Packed;
use stateright::{Model, Property};

/// So many resource managers.
pub(crate) struct TwoPhaseCommit {
    pub(crate) managers: u8,
}

/// What a resource manager is doing; the order makes sorting a renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coordinator {
    Waiting,
    Committed,
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    coordinator: Coordinator,
    /// Commit and abort were announced.
    announced: [bool; 2],
    /// By manager: what it does, whether it said that it is prepared, whether the coordinator heard.
    managers: Vec<(Manager, bool, bool)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Hear(usize),
    Commit,
    Abort,
    Prepare(usize),
    GiveUp(usize),
    ObeyCommit(usize),
    ObeyAbort(usize),
}

/// Managers are interchangeable: sorted, they are the same.
pub(crate) fn sorted(state: &State) -> State {
    let mut state = state.clone();
    state.managers.sort_unstable();
    state
}

/// How many states a sorted one stands for: the arrangements of its managers.
pub(crate) fn orbit_size(state: &State) -> u64 {
    let factorial = |n: usize| (1..=n as u64).product::<u64>();
    let groups = state.managers.chunk_by(|a, b| a == b);
    groups.fold(factorial(state.managers.len()), |size, group| size / factorial(group.len()))
}

impl Model for TwoPhaseCommit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let managers = vec![(Manager::Working, false, false); usize::from(self.managers)];
        vec![State { coordinator: Coordinator::Waiting, announced: [false; 2], managers }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let waits = state.coordinator == Coordinator::Waiting;
        if waits && state.managers.iter().all(|(_, _, heard)| *heard) {
            actions.push(Action::Commit);
        }
        if waits {
            actions.push(Action::Abort);
        }
        for (manager, (does, said, _)) in state.managers.iter().enumerate() {
            if waits && *said {
                actions.push(Action::Hear(manager));
            }
            if *does == Manager::Working {
                actions.extend([Action::Prepare(manager), Action::GiveUp(manager)]);
            }
            if state.announced[0] {
                actions.push(Action::ObeyCommit(manager));
            }
            if state.announced[1] {
                actions.push(Action::ObeyAbort(manager));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Hear(manager) => next.managers[manager].2 = true,
            Action::Commit => {
                next.coordinator = Coordinator::Committed;
                next.announced[0] = true;
            }
            Action::Abort => {
                next.coordinator = Coordinator::Aborted;
                next.announced[1] = true;
            }
            Action::Prepare(manager) => {
                next.managers[manager].0 = Manager::Prepared;
                next.managers[manager].1 = true;
            }
            Action::GiveUp(manager) | Action::ObeyAbort(manager) => {
                next.managers[manager].0 = Manager::Aborted;
            }
            Action::ObeyCommit(manager) => next.managers[manager].0 = Manager::Committed,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes("all commit", |_, state: &State| {
                state.managers.iter().all(|it| it.0 == Manager::Committed)
            }),
            Property::sometimes("all abort", |_, state: &State| {
                state.managers.iter().all(|it| it.0 == Manager::Aborted)
            }),
            Property::always("nobody aborts what another commits", |_, state: &State| {
                let does = |what| state.managers.iter().any(|it| it.0 == what);
                !(does(Manager::Committed) && does(Manager::Aborted))
            }),
        ]
    }
}

impl Packed for State {
    fn pack(&self, bytes: &mut Vec<u8>) {
        let [commit, abort] = self.announced.map(u8::from);
        bytes.push(self.coordinator as u8 | commit << 2 | abort << 3);
        let byte = |(does, said, heard): &(Manager, bool, bool)| {
            *does as u8 | u8::from(*said) << 2 | u8::from(*heard) << 3
        };
        bytes.extend(self.managers.iter().map(byte));
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        let flags = |byte: u8| [byte & 4 != 0, byte & 8 != 0];
        let coordinator = match first & 3 {
            0 => Coordinator::Waiting,
            1 => Coordinator::Committed,
            2 => Coordinator::Aborted,
            _ => return None,
        };
        let manager = |&byte: &u8| {
            let [said, heard] = flags(byte);
            let does = [Manager::Working, Manager::Prepared, Manager::Committed, Manager::Aborted];
            (does[usize::from(byte & 3)], said, heard)
        };
        let managers = rest.iter().map(manager).collect();
        Some(Self { coordinator, announced: flags(first), managers })
    }
}
