//! Condition expressions and what they mean for an item.
//!
//! A condition is a *program in postfix order*, not a tree of boxes: evaluation, drop and decoding
//! then need no recursion, so no expression and no peer can exhaust a stack, and a log entry's
//! condition is checked by one pass over its steps.
//!
//! Meaning, as on `DynamoDB`: `=` holds between equal values of one type; `<>` is its negation, so
//! it holds where an attribute is absent; the order comparisons hold only between two values of
//! one type among S, N and B. An absent item is an item without attributes.

use crate::limits::CONDITION_STEPS_MAX;
use crate::{AttributeValue, Item, PackedItem};
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A condition on an item.
///
/// Invariant: running the steps over an empty stack never pops an empty one and leaves one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedCondition")]
pub struct Condition {
    steps: Vec<Step>,
}

/// One step of a condition; truth values live on a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Pushes whether the predicate holds.
    Test(Predicate),
    /// Negates the top.
    Not,
    /// Replaces the two on top by their conjunction.
    And,
    /// Replaces the two on top by their disjunction.
    Or,
}

/// A statement about an item that is true or false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Predicate {
    /// `attribute_exists(path)`
    Exists(Path),
    /// `attribute_not_exists(path)`
    NotExists(Path),
    /// `left comparator right`
    Compare {
        /// What stands left of the comparator.
        left: Operand,
        /// How the two are compared.
        comparator: Comparator,
        /// What stands right of the comparator.
        right: Operand,
    },
    /// `attribute_type(path, type)`
    HasType {
        /// Where to look.
        path: Path,
        /// The type's name, see [`AttributeValue::type_name`].
        type_name: String,
    },
    /// `begins_with(operand, prefix)`, for texts and bytes
    BeginsWith {
        /// What may begin.
        operand: Operand,
        /// With what.
        prefix: Operand,
    },
    /// `contains(container, content)`: a part of a text or of bytes, an element of a set or a list
    Contains {
        /// What may contain.
        container: Operand,
        /// What it may contain.
        content: Operand,
    },
    /// `operand BETWEEN low AND high`, both included
    Between {
        /// What is compared.
        operand: Operand,
        /// The lower bound.
        low: Operand,
        /// The upper bound.
        high: Operand,
    },
    /// `operand IN (candidate, ..)`
    In {
        /// What is compared.
        operand: Operand,
        /// With what.
        candidates: Vec<Operand>,
    },
}

/// A comparison sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operand {
    /// What the item holds at a path.
    Path(Path),
    /// A value that the request gives.
    Value(AttributeValue),
    /// `size(path)`: bytes of a text or of bytes, elements of a set, a list or a map.
    Size(Path),
}

/// A place inside an item: `root.name[0]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path {
    /// The top-level attribute.
    pub root: String,
    /// The way down from there.
    pub elements: Vec<PathElement>,
}

/// One step down into a map or a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PathElement {
    /// `.name`
    Name(String),
    /// `[index]`
    Index(u32),
}

/// Why steps are not a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// More steps than any accepted expression has.
    #[error("a condition of {0} steps, at most {CONDITION_STEPS_MAX} are allowed")]
    TooLong(usize),
    /// An operator lacks an operand, or operands are left over.
    #[error("the steps of a condition do not form one expression")]
    Unbalanced,
}

/// A condition as it arrives, before its steps are counted.
#[derive(Deserialize)]
struct UncheckedCondition {
    steps: Vec<Step>,
}

impl TryFrom<UncheckedCondition> for Condition {
    type Error = ConditionError;

    fn try_from(unchecked: UncheckedCondition) -> Result<Self, ConditionError> {
        Self::new(unchecked.steps)
    }
}

impl Condition {
    /// Accepts steps that form exactly one expression.
    ///
    /// # Errors
    /// When they do not, or there are too many.
    pub fn new(steps: Vec<Step>) -> Result<Self, ConditionError> {
        if steps.len() > CONDITION_STEPS_MAX {
            return Err(ConditionError::TooLong(steps.len()));
        }
        let mut height = 0_usize;
        for step in &steps {
            let (needs, leaves) = match step {
                Step::Test(_) => (0, 1),
                Step::Not => (1, 1),
                Step::And | Step::Or => (2, 1),
            };
            height = height.checked_sub(needs).ok_or(ConditionError::Unbalanced)? + leaves;
        }
        if height == 1 { Ok(Self { steps }) } else { Err(ConditionError::Unbalanced) }
    }

    /// The steps in postfix order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the condition holds for what is stored under a key; unpacks only what it looks at.
    #[must_use]
    pub fn holds_packed(&self, stored: Option<&PackedItem>) -> bool {
        let Some(stored) = stored else { return self.holds(None) };
        let roots: Vec<&str> = self.roots().collect();
        self.holds(Some(&stored.unpack_only(&|name| roots.contains(&name))))
    }

    /// The top-level attributes that the condition looks at.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.paths().map(|path| path.root.as_str())
    }

    /// Every path that the condition looks at.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.steps.iter().flat_map(|step| match step {
            Step::Test(predicate) => predicate.paths(),
            Step::Not | Step::And | Step::Or => Vec::new(),
        })
    }

    /// Whether the condition holds for an item, or for none.
    #[must_use]
    pub fn holds(&self, stored: Option<&Item>) -> bool {
        let absent = Item::new();
        let item = stored.unwrap_or(&absent);
        let mut stack = Vec::with_capacity(self.steps.len());
        let pop_two = |stack: &mut Vec<bool>| (pop(stack), pop(stack));
        for step in &self.steps {
            let value = match step {
                Step::Test(predicate) => predicate.holds(item),
                Step::Not => !pop(&mut stack),
                Step::And => matches!(pop_two(&mut stack), (true, true)),
                Step::Or => !matches!(pop_two(&mut stack), (false, false)),
            };
            stack.push(value);
        }
        pop(&mut stack)
    }
}

fn pop(stack: &mut Vec<bool>) -> bool {
    stack.pop().expect("a condition's steps were balanced when it was built")
}

impl Predicate {
    fn paths(&self) -> Vec<&Path> {
        let operands: Vec<&Operand> = match self {
            Self::Exists(path) | Self::NotExists(path) | Self::HasType { path, .. } => {
                return vec![path];
            }
            Self::Compare { left, right, .. } => vec![left, right],
            Self::BeginsWith { operand, prefix } => vec![operand, prefix],
            Self::Contains { container, content } => vec![container, content],
            Self::Between { operand, low, high } => vec![operand, low, high],
            Self::In { operand, candidates } => {
                std::iter::once(operand).chain(candidates).collect()
            }
        };
        operands.into_iter().filter_map(Operand::path).collect()
    }

    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(path) => path.resolve(item).is_some(),
            Self::NotExists(path) => path.resolve(item).is_none(),
            Self::Compare { left, comparator, right } => {
                comparator.holds(left.resolve(item).as_deref(), right.resolve(item).as_deref())
            }
            Self::HasType { path, type_name } => {
                path.resolve(item).is_some_and(|value| value.type_name() == type_name)
            }
            Self::BeginsWith { operand, prefix } => {
                both(operand, prefix, item).is_some_and(|(value, prefix)| begins(&value, &prefix))
            }
            Self::Contains { container, content } => both(container, content, item)
                .is_some_and(|(container, content)| contains(&container, &content)),
            Self::Between { operand, low, high } => {
                let (value, low, high) =
                    (operand.resolve(item), low.resolve(item), high.resolve(item));
                Comparator::GreaterOrEqual.holds(value.as_deref(), low.as_deref())
                    && Comparator::LessOrEqual.holds(value.as_deref(), high.as_deref())
            }
            Self::In { operand, candidates } => {
                let value = operand.resolve(item);
                candidates.iter().any(|candidate| {
                    Comparator::Equal.holds(value.as_deref(), candidate.resolve(item).as_deref())
                })
            }
        }
    }
}

impl Comparator {
    /// The sign as it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn holds(self, left: Option<&AttributeValue>, right: Option<&AttributeValue>) -> bool {
        let equal = || left.is_some() && left == right;
        let ordered = |wanted: fn(Ordering) -> bool| {
            left.zip(right).and_then(|(left, right)| order(left, right)).is_some_and(wanted)
        };
        match self {
            Self::Equal => equal(),
            Self::NotEqual => !equal(),
            Self::Less => ordered(Ordering::is_lt),
            Self::LessOrEqual => ordered(Ordering::is_le),
            Self::Greater => ordered(Ordering::is_gt),
            Self::GreaterOrEqual => ordered(Ordering::is_ge),
        }
    }
}

/// The order of two values, if they are of one type and that type has an order.
fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Two operands' values, if both have one.
fn both<'a>(
    left: &'a Operand,
    right: &'a Operand,
    item: &'a Item,
) -> Option<(Cow<'a, AttributeValue>, Cow<'a, AttributeValue>)> {
    left.resolve(item).zip(right.resolve(item))
}

fn begins(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(text), AttributeValue::S(prefix)) => text.starts_with(prefix),
        (AttributeValue::B(bytes), AttributeValue::B(prefix)) => bytes.starts_with(prefix),
        _ => false,
    }
}

fn contains(container: &AttributeValue, content: &AttributeValue) -> bool {
    match (container, content) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => {
            part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::Ss(set), AttributeValue::S(element)) => set.contains(element),
        (AttributeValue::Ns(set), AttributeValue::N(element)) => set.contains(element),
        (AttributeValue::Bs(set), AttributeValue::B(element)) => set.contains(element),
        (AttributeValue::L(list), element) => list.contains(element),
        _ => false,
    }
}

/// What `size` counts; a number, a truth value and null have no size.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) => Some(text.len()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::Ss(set) => Some(set.len()),
        AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => None,
    }
}

impl Operand {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) | Self::Size(path) => Some(path),
            Self::Value(_) => None,
        }
    }

    fn resolve<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, AttributeValue>> {
        match self {
            Self::Path(path) => path.resolve(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => {
                let size = u64::try_from(size(path.resolve(item)?)?).ok()?;
                Some(Cow::Owned(size.into()))
            }
        }
    }
}

impl Path {
    /// A path to a top-level attribute.
    #[must_use]
    pub fn attribute(name: &str) -> Self {
        Self { root: name.to_owned(), elements: Vec::new() }
    }

    /// What an item holds at this path.
    #[must_use]
    pub fn resolve<'a>(&self, item: &'a Item) -> Option<&'a AttributeValue> {
        self.elements.iter().try_fold(item.get(&self.root)?, |value, element| {
            match (value, element) {
                (AttributeValue::M(map), PathElement::Name(name)) => map.get(name),
                (AttributeValue::L(list), PathElement::Index(index)) => {
                    list.get(usize::try_from(*index).ok()?)
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Operand {
        Operand::Path(Path::attribute(name))
    }

    fn compare(left: Operand, comparator: Comparator, right: Operand) -> Step {
        Step::Test(Predicate::Compare { left, comparator, right })
    }

    fn holds(steps: Vec<Step>, item: Option<&Item>) -> bool {
        Condition::new(steps).unwrap().holds(item)
    }

    #[test]
    fn comparisons_hold_only_between_like_types() {
        use Comparator::*;
        let item = Item::from([("n", 5_u64.into()), ("s", "b".into()), ("t", true.into())]);
        let number = |n: u64| Operand::Value(n.into());
        let text = |s: &str| Operand::Value(s.into());
        let cases = [
            (path("n"), Equal, number(5), true),
            (path("n"), Equal, text("5"), false),
            (path("n"), NotEqual, text("5"), true),
            (path("n"), NotEqual, number(5), false),
            (path("n"), Less, number(6), true),
            (path("n"), Less, text("6"), false),
            (path("n"), GreaterOrEqual, number(5), true),
            (path("s"), Greater, text("a"), true),
            (path("s"), LessOrEqual, text("b"), true),
            (path("t"), LessOrEqual, Operand::Value(true.into()), false),
            (path("t"), Equal, Operand::Value(true.into()), true),
            (path("none"), Equal, number(5), false),
            (path("none"), NotEqual, number(5), true),
            (path("none"), Less, number(5), false),
            (path("none"), Equal, path("none2"), false),
            (number(1), Less, number(2), true),
        ];
        for (left, comparator, right, expected) in cases {
            let step = compare(left.clone(), comparator, right.clone());
            assert_eq!(
                holds(vec![step], Some(&item)),
                expected,
                "{left:?} {comparator:?} {right:?}"
            );
        }
    }

    #[test]
    fn functions_know_their_types() {
        let list = AttributeValue::L(vec![1_u64.into(), "x".into()]);
        let item = Item::from([
            ("s", "text".into()),
            ("b", AttributeValue::B(vec![1, 2, 3])),
            ("n", 5_u64.into()),
            ("l", list),
            ("ss", AttributeValue::Ss(["a".to_owned(), "b".to_owned()].into())),
            ("ns", AttributeValue::Ns([5_u64.into()].into())),
        ]);
        let text = |text: &str| Operand::Value(text.into());
        let number = |number: u64| Operand::Value(number.into());
        let bytes = |bytes: &[u8]| Operand::Value(AttributeValue::B(bytes.to_vec()));
        let begins = |operand, prefix| Predicate::BeginsWith { operand, prefix };
        let contains = |container, content| Predicate::Contains { container, content };
        let between = |operand, low, high| Predicate::Between { operand, low, high };
        let has_type = |name: &str, type_name: &str| Predicate::HasType {
            path: Path::attribute(name),
            type_name: type_name.into(),
        };
        let size_is = |name: &str, size: u64| Predicate::Compare {
            left: Operand::Size(Path::attribute(name)),
            comparator: Comparator::Equal,
            right: Operand::Value(size.into()),
        };
        let within = |operand, candidates: &[Operand]| Predicate::In {
            operand,
            candidates: candidates.to_vec(),
        };
        let cases = [
            (begins(path("s"), text("te")), true),
            (begins(path("s"), text("ex")), false),
            (begins(path("b"), bytes(&[1, 2])), true),
            (begins(path("n"), text("5")), false),
            (begins(path("none"), text("")), false),
            (contains(path("s"), text("ex")), true),
            (contains(path("b"), bytes(&[2, 3])), true),
            (contains(path("b"), bytes(&[3, 2])), false),
            (contains(path("l"), number(1)), true),
            (contains(path("l"), text("1")), false),
            (contains(path("ss"), text("b")), true),
            (contains(path("ss"), text("c")), false),
            (contains(path("ns"), number(5)), true),
            (contains(path("n"), number(5)), false),
            (between(path("n"), number(5), number(6)), true),
            (between(path("n"), number(6), number(9)), false),
            (between(path("n"), number(1), text("9")), false),
            (within(path("n"), &[text("5"), number(5)]), true),
            (within(path("n"), &[text("5")]), false),
            (within(path("none"), &[path("none2")]), false),
            (has_type("ss", "SS"), true),
            (has_type("s", "N"), false),
            (size_is("s", 4), true),
            (size_is("b", 3), true),
            (size_is("l", 2), true),
            (size_is("ns", 1), true),
            (size_is("n", 1), false),
        ];
        for (predicate, expected) in cases {
            assert_eq!(predicate.holds(&item), expected, "{predicate:?}");
            let condition = Condition::new(vec![Step::Test(predicate)]).unwrap();
            assert_eq!(condition.holds_packed(Some(&PackedItem::pack(&item))), expected);
        }
    }

    #[test]
    fn paths_lead_through_maps_and_lists() {
        let list = AttributeValue::L(vec![1_u64.into(), "x".into()]);
        let item = Item::from([("a", AttributeValue::M([("b".to_owned(), list)].into()))]);
        let at = |elements: &[PathElement]| Path { root: "a".into(), elements: elements.to_vec() };
        let name = |name: &str| PathElement::Name(name.into());
        assert_eq!(at(&[name("b"), PathElement::Index(1)]).resolve(&item), Some(&"x".into()));
        assert_eq!(at(&[name("b"), PathElement::Index(2)]).resolve(&item), None);
        assert_eq!(at(&[name("b"), name("c")]).resolve(&item), None);
        assert_eq!(at(&[PathElement::Index(0)]).resolve(&item), None);
    }

    #[test]
    fn an_absent_item_has_no_attributes() {
        let exists = || Step::Test(Predicate::Exists(Path::attribute("pk")));
        let absent = || Step::Test(Predicate::NotExists(Path::attribute("pk")));
        assert!(holds(vec![absent()], None));
        assert!(!holds(vec![exists()], None));
        assert!(holds(vec![exists(), Step::Not], None));
        assert!(holds(vec![exists(), absent(), Step::Or], None));
        assert!(!holds(vec![exists(), absent(), Step::And], None));
    }

    #[test]
    fn steps_that_are_no_expression_are_refused() {
        let test = || Step::Test(Predicate::Exists(Path::attribute("a")));
        let cases = [vec![], vec![Step::Not], vec![test(), Step::And], vec![test(), test()]];
        for steps in cases {
            assert_eq!(Condition::new(steps), Err(ConditionError::Unbalanced));
        }
        let long: Vec<_> = core::iter::once(test()).chain((0..700).map(|_| Step::Not)).collect();
        assert_eq!(Condition::new(long), Err(ConditionError::TooLong(701)));
    }
}
