//! The rules that make the search small, each of which can be switched off.

/// Which rules a search uses; see the [search](super) for what each says. All of them by default.
///
/// The verdict does not depend on them: without one a search is a second opinion about those that
/// remain, and slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Rules {
    /// Rule 1: a write that does not change the state is met.
    pub eager_writes: bool,
    /// Rule 2: a constant write hides pending total operations.
    pub hiding: bool,
    /// Rule 3: drop what something kept is at least; without it, only what is equal.
    pub dominance: bool,
    /// Rule 4: of equal operations, the one with the earliest return first, unknown ones last.
    pub earliest_first: bool,
    /// Rule 5: no constant write after an idle step.
    pub idle_steps: bool,
    /// Rule 6: an unknown compare-and-set rather than an unknown write.
    pub weakest_first: bool,
    /// Rule 7: no step that changes nothing.
    pub no_loops: bool,
    /// What the model does before the search: [`Model::narrow`](crate::Model::narrow).
    pub narrow: bool,
    /// States that the model calls indistinguishable are one:
    /// [`Model::quotient`](crate::Model::quotient).
    pub quotient: bool,
}

impl Rules {
    /// All rules.
    pub const ALL: Self = Self {
        eager_writes: true,
        hiding: true,
        dominance: true,
        earliest_first: true,
        idle_steps: true,
        weakest_first: true,
        no_loops: true,
        narrow: true,
        quotient: true,
    };

    /// No rule: plain just-in-time linearization.
    pub const NONE: Self = Self {
        eager_writes: false,
        hiding: false,
        dominance: false,
        earliest_first: false,
        idle_steps: false,
        weakest_first: false,
        no_loops: false,
        narrow: false,
        quotient: false,
    };
}

impl Default for Rules {
    fn default() -> Self {
        Self::ALL
    }
}
