//! The lemma of `docs/decisions/zones.md`, enumerated: on all small histories of registers with
//! distinct values, the zones' verdict is that of trying every order.
//!
//! All histories of up to four operations, and those of five that only read and write, are in every
//! run; `LINCHECK_EXHAUSTIVE=1` adds the rest of five: compare-and-sets and deletes.

use lincheck::replay::replay;
use lincheck::{
    Cell, CellAction, Condition, Operation, PutIfOutcome, Token, Verdict, check_by_zones,
};

/// The value of a register: the number of the operation that wrote it.
type State = Option<usize>;

/// Invocation and return of each operation.
type Times = Vec<(u64, Option<u64>)>;

/// Which operations precede each operation, and times that make it so.
type Order = (Vec<u8>, Times);

/// What an operation does, and to which operation's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Write,
    UnknownWrite,
    Delete,
    UnknownDelete,
    SwapAbsent,
    UnknownSwapAbsent,
    Swap(usize),
    UnknownSwap(usize),
    ReadAbsent,
    Read(usize),
}

/// An answer that the state does not allow.
struct Contradiction;

impl Kind {
    fn is_unknown(self) -> bool {
        use Kind::{UnknownDelete, UnknownSwap, UnknownSwapAbsent, UnknownWrite};
        matches!(self, UnknownWrite | UnknownDelete | UnknownSwap(_) | UnknownSwapAbsent)
    }

    /// Whether the value it names is one that another operation writes.
    fn is_of_a_write(self, kinds: &[Self]) -> bool {
        match self {
            Self::Read(of) | Self::Swap(of) | Self::UnknownSwap(of) => {
                !matches!(kinds[of], Self::Read(_) | Self::ReadAbsent | Self::Delete)
                    && kinds[of] != Self::UnknownDelete
            }
            Self::Write
            | Self::UnknownWrite
            | Self::Delete
            | Self::UnknownDelete
            | Self::SwapAbsent
            | Self::UnknownSwapAbsent
            | Self::ReadAbsent => true,
        }
    }

    /// Operation `at` writes the value of its own number.
    fn action(self, at: usize) -> CellAction {
        let key = Token::from(0);
        // Some near each other, some far away: the zones treat them differently.
        let value = |of: usize| Token::from([7, 1 << 40, 8, -1, i64::MAX][of]);
        let swap = |condition| CellAction::put_if(key, condition, value(at), PutIfOutcome::Applied);
        match self {
            Self::Write | Self::UnknownWrite => CellAction::put(key, value(at)),
            Self::Delete | Self::UnknownDelete => CellAction::delete(key),
            Self::SwapAbsent | Self::UnknownSwapAbsent => swap(Condition::Absent),
            Self::Swap(of) | Self::UnknownSwap(of) => swap(Condition::Equals(value(of))),
            Self::ReadAbsent => CellAction::get(key, None),
            Self::Read(of) => CellAction::get(key, Some(value(of))),
        }
    }

    /// The state afterwards, by rules of its own: zones use `Model::access` of the action.
    fn step(self, at: usize, state: State) -> Result<State, Contradiction> {
        let (legal, after) = match self {
            Self::Write | Self::UnknownWrite => (true, Some(at)),
            Self::Delete | Self::UnknownDelete => (true, None),
            Self::SwapAbsent | Self::UnknownSwapAbsent => (state.is_none(), Some(at)),
            Self::Swap(of) | Self::UnknownSwap(of) => (state == Some(of), Some(at)),
            Self::ReadAbsent => (state.is_none(), None),
            Self::Read(of) => (state == Some(of), state),
        };
        if legal { Ok(after) } else { Err(Contradiction) }
    }
}

/// Whether some order is legal: operations `left` to place, `before[x]` those that precede x.
fn is_legal(kinds: &[Kind], before: &[u8], left: u8, state: State) -> bool {
    let of = |at: usize| left & (1 << at) != 0;
    if (0..kinds.len()).all(|at| !of(at) || kinds[at].is_unknown()) {
        return true;
    }
    (0..kinds.len()).any(|at| {
        of(at)
            && before[at] & left == 0
            && kinds[at]
                .step(at, state)
                .is_ok_and(|after| is_legal(kinds, before, left & !(1 << at), after))
    })
}

/// All ways in which operations can follow each other: `before[x]` is a set for each x. Made from
/// every order of invocations and returns; only *returned before invoked* counts, so each relation
/// is kept once, with times in which neighbouring invocations and returns are equal.
fn intervals(unknown: &[bool]) -> Vec<Order> {
    fn go(
        now: u64,
        invoked: u8,
        returned: u8,
        times: &mut Times,
        unknown: &[bool],
        found: &mut Vec<Order>,
    ) {
        let count = unknown.len();
        let all = (1_u8 << count) - 1;
        let open: u8 = invoked
            & !returned
            & (0..count).filter(|at| !unknown[*at]).fold(0, |set, at| set | 1 << at);
        if invoked == all && open == 0 {
            let before = (0..count)
                .map(|at| {
                    (0..count)
                        .filter(|other| times[*other].1.is_some_and(|end| end < times[at].0))
                        .fold(0, |set, other| set | 1 << other)
                })
                .collect();
            found.push((before, times.clone()));
            return;
        }
        // A moment: some operations are invoked, at least one, then some return; none need.
        for calls in 0..=all {
            if calls & invoked != 0 || (calls == 0 && invoked != all) {
                continue;
            }
            let invoked = invoked | calls;
            for at in (0..count).filter(|at| calls & (1 << at) != 0) {
                times[at].0 = now;
            }
            let known = (0..count).filter(|at| !unknown[*at]).fold(0, |set, at| set | 1 << at);
            let open = invoked & !returned & known;
            for returns in 0..=all {
                // Without a return in between, the next calls could have come at this moment.
                if returns & !open != 0 || (returns == 0 && (invoked != all || open != 0)) {
                    continue;
                }
                if invoked == all && returns != open {
                    continue; // nobody is invoked afterwards: all may return now
                }
                for at in (0..count).filter(|at| returns & (1 << at) != 0) {
                    times[at].1 = Some(now);
                }
                go(now + 10, invoked, returned | returns, times, unknown, found);
                for at in (0..count).filter(|at| returns & (1 << at) != 0) {
                    times[at].1 = None;
                }
            }
        }
    }
    let mut found = Vec::new();
    go(10, 0, 0, &mut vec![(0, None); unknown.len()], unknown, &mut found);
    found.sort();
    found.dedup_by(|one, other| one.0 == other.0);
    found
}

/// Which kinds are enumerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variety {
    ReadsAndWrites,
    All,
}

/// Every choice of kinds, up to the order of kinds that name no other operation.
fn kinds(count: usize, variety: Variety) -> Vec<Vec<Kind>> {
    let mut choices = vec![Kind::Write, Kind::UnknownWrite, Kind::ReadAbsent];
    choices.extend((0..count).map(Kind::Read));
    if variety == Variety::All {
        choices.extend([Kind::Delete, Kind::UnknownDelete]);
        choices.extend([Kind::SwapAbsent, Kind::UnknownSwapAbsent]);
        choices.extend((0..count).flat_map(|of| [Kind::Swap(of), Kind::UnknownSwap(of)]));
    }
    let sort = |kind: Kind| std::mem::discriminant(&kind);
    let rank = |kind: Kind| choices.iter().position(|choice| sort(*choice) == sort(kind));
    let mut all = vec![Vec::new()];
    for at in 0..count {
        let longer = |start: &Vec<Kind>| {
            let start = start.clone();
            let least = start.last().copied();
            let fits = move |kind: &Kind| {
                let names_itself = matches!(kind, Kind::Swap(of) | Kind::UnknownSwap(of) | Kind::Read(of) if *of == at);
                !names_itself && least.is_none_or(|least| rank(least) <= rank(*kind))
            };
            choices
                .iter()
                .copied()
                .filter(fits)
                .map(move |kind| [start.as_slice(), &[kind]].concat())
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// How many histories there were.
#[derive(Debug, Default)]
struct Counts {
    all: u64,
    illegal: u64,
    left_to_search: u64,
}

/// Compares on all histories of that many operations.
fn compare(count: usize, variety: Variety) -> Counts {
    let mut counts = Counts::default();
    let mut by_unknown = std::collections::HashMap::new();
    let mut kinds = kinds(count, variety);
    if count == 5 {
        // Reads of what nobody writes are in the smaller ones.
        kinds.retain(|kinds| kinds.iter().all(|kind| kind.is_of_a_write(kinds)));
    }
    for kinds in kinds {
        let unknown: Vec<bool> = kinds.iter().map(|kind| kind.is_unknown()).collect();
        let orders = by_unknown.entry(unknown.clone()).or_insert_with(|| intervals(&unknown));
        for (before, times) in orders.iter() {
            let history: Vec<Operation<CellAction>> = (0..count)
                .map(|at| Operation::new(at as u64, kinds[at].action(at), times[at].0, times[at].1))
                .collect();
            let expected = is_legal(&kinds, before, (1 << count) - 1, None);
            match check_by_zones(&history, &Cell) {
                Some(Verdict::Legal(legal)) => {
                    assert!(expected, "legal by zones: {kinds:?} {history:#?}");
                    assert_eq!(replay(&history, &legal.order), Ok(()), "{history:#?}");
                }
                Some(Verdict::Illegal(_)) => {
                    assert!(!expected, "illegal by zones: {kinds:?} {history:#?}");
                }
                Some(Verdict::Undecided(_)) | None => counts.left_to_search += 1,
            }
            counts.all += 1;
            counts.illegal += u64::from(!expected);
        }
    }
    println!("{count} operations, {variety:?}: {counts:?}");
    counts
}

#[test]
fn zones_agree_with_trying_every_order_on_all_small_histories() {
    let mut runs = vec![
        (1, Variety::All),
        (2, Variety::All),
        (3, Variety::All),
        (4, Variety::All),
        (5, Variety::ReadsAndWrites),
    ];
    if std::env::var_os("LINCHECK_EXHAUSTIVE").is_some() {
        runs.push((5, Variety::All));
    }
    for (count, variety) in runs {
        let Counts { all, illegal, left_to_search } = compare(count, variety);
        assert!(illegal * 10 >= all * 3 || count == 1, "{illegal} illegal of {all}");
        assert!(all - illegal >= all / 50, "{illegal} illegal of {all}");
        // Only reads of absence after a delete may be left.
        assert!(left_to_search * 50 <= all, "{left_to_search} left of {all}");
        assert!(variety == Variety::All || left_to_search == 0, "{left_to_search} left of {all}");
    }
}
