//! Updates: what to change in an item, and the changing.
//!
//! Every value is computed from the item as it was before the update, then all places change at
//! once. The value of a SET is a *program in postfix order*, as conditions are: no expression and no
//! peer can exhaust a stack.
//!
//! Meaning, as on `DynamoDB`: a SET beyond the end of a list appends to it, several appends in the
//! order of their indexes; a REMOVE in a list closes the gap; ADD makes the number or the set if the
//! attribute is absent; DELETE of a set's last element removes the attribute; a place inside a map
//! or list that does not exist is an error.

use crate::condition::{Path, PathElement};
use crate::limits::{ITEM_SIZE_MAX, NESTING_MAX, OPERATORS_MAX, PATH_LENGTH_MAX, PATHS_MAX};
use crate::number::NumberError;
use crate::projection::{ProjectionError, relation};
use crate::{AttributeValue, Item, KeySchema, Projection};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What to change in an item.
///
/// Invariant: the places do not overlap, every value's steps leave one value, ADD has a number or a
/// set and DELETE a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Action>", into = "Vec<Action>")]
pub struct UpdateProgram {
    actions: Vec<Action>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// `SET path = value`
    Set {
        /// The place.
        path: Path,
        /// How to compute the value.
        value: Vec<ValueStep>,
    },
    /// `REMOVE path`
    Remove {
        /// The place.
        path: Path,
    },
    /// `ADD path :value`
    Add {
        /// The place.
        path: Path,
        /// A number to add, or a set to unite with.
        value: AttributeValue,
    },
    /// `DELETE path :value`
    Delete {
        /// The place.
        path: Path,
        /// A set of elements to remove.
        value: AttributeValue,
    },
}

/// One step of computing a value; values live on a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueStep {
    /// Pushes what the item holds at a path.
    Path(Path),
    /// Pushes a value that the request gives.
    Value(AttributeValue),
    /// `if_not_exists(path, top)`: replaces the top by what the item holds at the path, if anything.
    IfNotExists(Path),
    /// `list_append(below, top)`: replaces the two on top by their concatenation.
    ListAppend,
    /// `below + top`
    Plus,
    /// `below - top`
    Minus,
}

/// Why actions are not an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// More actions or steps than any accepted expression has.
    #[error(
        "an update of more than {PATHS_MAX} actions or {OPERATORS_MAX} operators, or with a path of \
         more than {PATH_LENGTH_MAX} elements"
    )]
    TooLong,
    /// Two places overlap or conflict.
    #[error("the places {0} and {1} of an update cannot stand together")]
    Places(usize, usize, ProjectionError),
    /// A step lacks an operand, or operands are left over.
    #[error("the steps of a value do not form one expression")]
    Unbalanced,
    /// ADD or DELETE with a value of a type that they do not know.
    #[error("a value of a wrong type")]
    Type,
}

/// Why an update cannot be done. Display is the text `DynamoDB` answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UpdateError {
    /// A value is computed from an attribute that is absent.
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    Absent,
    /// A value is computed from, or combined with, one of another type.
    #[error("An operand in the update expression has an incorrect data type")]
    Type,
    /// A place's map or list does not exist.
    #[error("The document path provided in the update expression is invalid for update")]
    Place,
    /// The place is a key attribute.
    #[error(
        "One or more parameter values were invalid: Cannot update attribute {0}. This attribute is \
         part of the key"
    )]
    Key(String),
    /// The item would be too large.
    #[error("Item size to update has exceeded the maximum allowed size")]
    TooLarge,
    /// The item would be nested too deeply.
    #[error("Nesting Levels have exceeded supported limits")]
    TooDeep,
    /// A sum is too large.
    #[error(
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    )]
    Overflow,
    /// A sum is too small and not zero.
    #[error(
        "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    )]
    Underflow,
    /// A sum has too many digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooPrecise,
}

impl From<NumberError> for UpdateError {
    fn from(error: NumberError) -> Self {
        match error {
            NumberError::Overflow => Self::Overflow,
            NumberError::Underflow => Self::Underflow,
            NumberError::TooPrecise(_) => Self::TooPrecise,
            NumberError::Empty | NumberError::Malformed(_) => Self::Type,
        }
    }
}

impl TryFrom<Vec<Action>> for UpdateProgram {
    type Error = ProgramError;

    fn try_from(actions: Vec<Action>) -> Result<Self, ProgramError> {
        Self::new(actions)
    }
}

impl From<UpdateProgram> for Vec<Action> {
    fn from(program: UpdateProgram) -> Self {
        program.actions
    }
}

impl Action {
    /// Where it changes the item.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Set { path, .. }
            | Self::Remove { path }
            | Self::Add { path, .. }
            | Self::Delete { path, .. } => path,
        }
    }

    fn check(&self) -> Result<(), ProgramError> {
        match self {
            Self::Set { value, .. } => check_balance(value),
            Self::Remove { .. } | Self::Add { value: AttributeValue::N(_), .. } => Ok(()),
            Self::Add { value, .. } | Self::Delete { value, .. } => {
                if is_set(value) {
                    Ok(())
                } else {
                    Err(ProgramError::Type)
                }
            }
        }
    }
}

fn is_set(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_))
}

fn check_balance(steps: &[ValueStep]) -> Result<(), ProgramError> {
    let mut height = 0_usize;
    for step in steps {
        let needs = match step {
            ValueStep::Path(_) | ValueStep::Value(_) => 0,
            ValueStep::IfNotExists(_) => 1,
            ValueStep::ListAppend | ValueStep::Plus | ValueStep::Minus => 2,
        };
        height = height.checked_sub(needs).ok_or(ProgramError::Unbalanced)? + 1;
    }
    if height == 1 { Ok(()) } else { Err(ProgramError::Unbalanced) }
}

impl UpdateProgram {
    /// Accepts actions that form an update.
    ///
    /// # Errors
    /// When they do not, or there are too many.
    pub fn new(actions: Vec<Action>) -> Result<Self, ProgramError> {
        let operators = |action: &Action| match action {
            Action::Set { value, .. } => value.len(),
            Action::Remove { .. } | Action::Add { .. } | Action::Delete { .. } => 0,
        };
        // Each operator takes at most two operands, and an action without operators one value.
        let steps: usize = actions.iter().map(operators).sum();
        let deep = |action: &Action| action.path().elements.len() > PATH_LENGTH_MAX;
        if actions.len() > PATHS_MAX
            || steps > 2 * OPERATORS_MAX + actions.len()
            || actions.iter().any(deep)
        {
            return Err(ProgramError::TooLong);
        }
        let paths: Vec<_> = actions.iter().map(Action::path).collect();
        if let Some((first, second, error)) = clash(&paths) {
            return Err(ProgramError::Places(first, second, error));
        }
        actions.iter().try_for_each(Action::check)?;
        Ok(Self { actions })
    }

    /// The changes.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Whether a table with this key may run it: key attributes cannot be updated.
    ///
    /// # Errors
    /// With the first key attribute that it would change.
    pub fn check_key(&self, schema: &KeySchema) -> Result<(), UpdateError> {
        let is_key = |name: &str| {
            schema.partition.name == name
                || schema.sort.as_ref().is_some_and(|sort| sort.name == name)
        };
        match self.actions.iter().map(|action| &action.path().root).find(|root| is_key(root)) {
            Some(root) => Err(UpdateError::Key(root.clone())),
            None => Ok(()),
        }
    }

    /// The item after the update, given the one before; without one it starts as its key.
    ///
    /// # Errors
    /// When a value cannot be computed, a place does not exist, or the result is too large or too
    /// deep.
    pub fn apply(&self, before: Option<&Item>, key: &Item) -> Result<Item, UpdateError> {
        let absent = Item::new();
        let old = before.unwrap_or(&absent);
        let mut after = before.unwrap_or(key).clone();
        // Places in the order of their indexes, so that appends to a list come in that order; what
        // is removed last, and from the back, moves no place that is still to come.
        let mut actions: Vec<_> = self.actions.iter().collect();
        actions.sort_by_key(|action| action.path());
        for action in &actions {
            let (path, value) = match action {
                Action::Set { path, value } => (path, Some(evaluate(value, old)?)),
                Action::Add { path, value } => (path, Some(sum(path.resolve(old), value)?)),
                Action::Delete { path, value } => match path.resolve(old) {
                    Some(set) => match difference(set, value)? {
                        Some(rest) => (path, Some(rest)),
                        None => continue,
                    },
                    None => (path, None),
                },
                // Its place is one of the item before, not one that another action appends.
                Action::Remove { path } => (path, None),
            };
            let place = Place::find(&mut after, path)?;
            if let Some(value) = value {
                if path.elements.len() + depth(&value) > NESTING_MAX {
                    return Err(UpdateError::TooDeep);
                }
                place.set(value);
            }
        }
        for action in actions.into_iter().rev() {
            let emptied = match action {
                Action::Remove { .. } => true,
                Action::Delete { path, value } => match path.resolve(old) {
                    Some(set) => difference(set, value)?.is_none(),
                    None => false,
                },
                Action::Set { .. } | Action::Add { .. } => false,
            };
            if emptied {
                let exists = action.path().resolve(old).is_some();
                let place = Place::find(&mut after, action.path())?;
                if exists {
                    place.remove();
                }
            }
        }
        if after.size() > ITEM_SIZE_MAX {
            return Err(UpdateError::TooLarge);
        }
        Ok(after)
    }

    /// The updated parts of an item, of the one before or the one after.
    #[must_use]
    pub fn updated_parts(&self, item: &Item) -> Item {
        let paths: Vec<Path> = self.actions.iter().map(|action| action.path().clone()).collect();
        // The places of an update fit a projection: both have the same rules.
        Projection::new(&paths).map(|parts| parts.apply(item)).unwrap_or_default()
    }
}

/// Two paths that cannot stand together, as `(earlier, later)`; of several pairs the one whose later
/// path comes first. Sorting brings such paths side by side: all paths between a path and one inside
/// it are inside it as well.
pub(crate) fn clash(paths: &[&Path]) -> Option<(usize, usize, ProjectionError)> {
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|&at| (paths[at], at));
    order
        .windows(2)
        .filter_map(|pair| {
            let error = relation(paths[pair[0]], paths[pair[1]])?;
            Some((pair[0].min(pair[1]), pair[0].max(pair[1]), error))
        })
        .min_by_key(|&(first, second, _)| (second, first))
}

/// Lists and maps inside each other.
fn depth(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::M(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        AttributeValue::L(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        AttributeValue::S(_)
        | AttributeValue::N(_)
        | AttributeValue::B(_)
        | AttributeValue::Bool(_)
        | AttributeValue::Null
        | AttributeValue::Ss(_)
        | AttributeValue::Ns(_)
        | AttributeValue::Bs(_) => 0,
    }
}

type Computed<'a> = Result<Cow<'a, AttributeValue>, UpdateError>;

/// Runs a value's program. An absent operand is an error only where somebody needs it.
fn evaluate(steps: &[ValueStep], item: &Item) -> Result<AttributeValue, UpdateError> {
    const BALANCED: &str = "a value's steps were balanced when the update was built";
    let mut stack: Vec<Computed<'_>> = Vec::new();
    for step in steps {
        let value = match step {
            ValueStep::Path(path) => {
                path.resolve(item).map(Cow::Borrowed).ok_or(UpdateError::Absent)
            }
            ValueStep::Value(value) => Ok(Cow::Borrowed(value)),
            ValueStep::IfNotExists(path) => {
                let otherwise = stack.pop().expect(BALANCED);
                path.resolve(item).map_or(otherwise, |value| Ok(Cow::Borrowed(value)))
            }
            ValueStep::ListAppend | ValueStep::Plus | ValueStep::Minus => {
                let right = stack.pop().expect(BALANCED);
                let left = stack.pop().expect(BALANCED);
                left.and_then(|left| combine(step, left, right?))
            }
        };
        stack.push(value);
    }
    Ok(stack.pop().expect(BALANCED)?.into_owned())
}

fn combine<'a>(
    step: &ValueStep,
    left: Cow<'a, AttributeValue>,
    right: Cow<'a, AttributeValue>,
) -> Computed<'a> {
    let value = match (step, left.as_ref(), right.as_ref()) {
        (ValueStep::Plus, AttributeValue::N(left), AttributeValue::N(right)) => {
            AttributeValue::N(left.plus(*right)?)
        }
        (ValueStep::Minus, AttributeValue::N(left), AttributeValue::N(right)) => {
            AttributeValue::N(left.plus(right.negated())?)
        }
        (ValueStep::ListAppend, AttributeValue::L(_), AttributeValue::L(_)) => {
            let (AttributeValue::L(mut list), AttributeValue::L(more)) =
                (left.into_owned(), right.into_owned())
            else {
                unreachable!("both are lists, as the pattern above says");
            };
            list.extend(more);
            AttributeValue::L(list)
        }
        _ => return Err(UpdateError::Type),
    };
    Ok(Cow::Owned(value))
}

/// What ADD leaves.
fn sum(old: Option<&AttributeValue>, more: &AttributeValue) -> Result<AttributeValue, UpdateError> {
    use AttributeValue::{Bs, N, Ns, Ss};
    let Some(old) = old else { return Ok(more.clone()) };
    Ok(match (old, more) {
        (N(old), N(more)) => N(old.plus(*more)?),
        (Ss(old), Ss(more)) => Ss(old | more),
        (Ns(old), Ns(more)) => Ns(old | more),
        (Bs(old), Bs(more)) => Bs(old | more),
        _ => return Err(UpdateError::Type),
    })
}

/// What DELETE leaves, if anything.
fn difference(
    old: &AttributeValue,
    less: &AttributeValue,
) -> Result<Option<AttributeValue>, UpdateError> {
    use AttributeValue::{Bs, Ns, Ss};
    fn rest<T: Ord + Clone>(
        old: &BTreeSet<T>,
        less: &BTreeSet<T>,
        wrap: fn(BTreeSet<T>) -> AttributeValue,
    ) -> Option<AttributeValue> {
        let rest = old - less;
        (!rest.is_empty()).then(|| wrap(rest))
    }
    Ok(match (old, less) {
        (Ss(old), Ss(less)) => rest(old, less, Ss),
        (Ns(old), Ns(less)) => rest(old, less, Ns),
        (Bs(old), Bs(less)) => rest(old, less, Bs),
        _ => return Err(UpdateError::Type),
    })
}

/// Where a path leads in an item that is being changed.
enum Place<'i> {
    Entry(&'i mut BTreeMap<String, AttributeValue>, &'i str),
    Element(&'i mut Vec<AttributeValue>, usize),
}

impl<'i> Place<'i> {
    fn find(item: &'i mut Item, path: &'i Path) -> Result<Self, UpdateError> {
        let mut place = Place::Entry(item.attributes_mut(), &path.root);
        for element in &path.elements {
            let value = match place {
                Place::Entry(map, name) => map.get_mut(name),
                Place::Element(list, index) => list.get_mut(index),
            };
            place = match (value.ok_or(UpdateError::Place)?, element) {
                (AttributeValue::M(map), PathElement::Name(name)) => Place::Entry(map, name),
                (AttributeValue::L(list), PathElement::Index(index)) => {
                    Place::Element(list, usize::try_from(*index).unwrap_or(usize::MAX))
                }
                _ => return Err(UpdateError::Place),
            };
        }
        Ok(place)
    }

    fn set(self, value: AttributeValue) {
        match self {
            Self::Entry(map, name) => {
                map.insert(name.to_owned(), value);
            }
            Self::Element(list, index) => match list.get_mut(index) {
                Some(element) => *element = value,
                None => list.push(value),
            },
        }
    }

    fn remove(self) {
        match self {
            Self::Entry(map, name) => {
                map.remove(name);
            }
            Self::Element(list, index) => {
                list.remove(index);
            }
        }
    }
}
