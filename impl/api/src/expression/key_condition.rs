//! Key conditions: a condition that says one value for the partition key, and maybe a range for the
//! sort key. The language is that of conditions, and most of it is refused.

use super::condition;
use super::placeholders::Placeholders;
use super::wording::Wrong;
use crate::ApiError;
use ringleader_item::{
    AttributeValue, Comparator, KeyCondition, KeyTest, Operand, Path, Predicate, Step,
};
use std::collections::BTreeMap;

const MEMBER: &str = "KeyConditionExpression";

/// Parses a key condition.
pub(crate) fn parse(
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<KeyCondition, ApiError> {
    let condition = condition::parse(MEMBER, text, placeholders)?;
    let invalid = |wrong: &Wrong<'_>| ApiError::validation(format!("Invalid {MEMBER}: {wrong}"));
    let mut tests = BTreeMap::new();
    for step in condition.steps() {
        let predicate = match step {
            Step::Test(predicate) => predicate,
            Step::And => continue,
            Step::Or => return Err(invalid(&Wrong::KeyOperator("OR"))),
            Step::Not => return Err(invalid(&Wrong::KeyOperator("NOT"))),
        };
        let (attribute, wanted) = key_test(predicate).map_err(|wrong| invalid(&wrong))?;
        if tests.insert(attribute, wanted).is_some() {
            return Err(ApiError::validation(format!(
                "{MEMBER}s must only contain one condition per key"
            )));
        }
    }
    if tests.len() > 2 {
        return Err(ApiError::validation("Conditions can be of length 1 or 2 only"));
    }
    Ok(KeyCondition { tests })
}

fn key_test(predicate: &Predicate) -> Result<(String, KeyTest), Wrong<'static>> {
    match predicate {
        Predicate::Compare { left, comparator, right } => {
            let (path, value, comparator) = match (left, right) {
                (Operand::Value(value), Operand::Path(path)) => (path, value, flipped(*comparator)),
                (left, right) => {
                    let (path, [value]) = key_and_values(left, [right])?;
                    (path, value, *comparator)
                }
            };
            let value = value.clone();
            let test = match comparator {
                Comparator::Equal => KeyTest::Equal(value),
                Comparator::Less => KeyTest::Less(value),
                Comparator::LessOrEqual => KeyTest::LessOrEqual(value),
                Comparator::Greater => KeyTest::Greater(value),
                Comparator::GreaterOrEqual => KeyTest::GreaterOrEqual(value),
                Comparator::NotEqual => return Err(Wrong::KeyOperator("<>")),
            };
            Ok((attribute(path)?, test))
        }
        Predicate::Between { operand, low, high } => {
            let (path, [low, high]) = key_and_values(operand, [low, high])?;
            let (low, high) = (low.clone(), high.clone());
            Ok((attribute(path)?, KeyTest::Between { low, high }))
        }
        Predicate::BeginsWith { operand, prefix } => {
            let (path, [prefix]) = key_and_values(operand, [prefix])?;
            Ok((attribute(path)?, KeyTest::BeginsWith(prefix.clone())))
        }
        Predicate::Exists(_) => Err(Wrong::KeyOperator("attribute_exists")),
        Predicate::NotExists(_) => Err(Wrong::KeyOperator("attribute_not_exists")),
        Predicate::HasType { .. } => Err(Wrong::KeyOperator("attribute_type")),
        Predicate::Contains { .. } => Err(Wrong::KeyOperator("contains")),
        Predicate::In { .. } => Err(Wrong::KeyOperator("IN")),
    }
}

fn flipped(comparator: Comparator) -> Comparator {
    match comparator {
        Comparator::Less => Comparator::Greater,
        Comparator::LessOrEqual => Comparator::GreaterOrEqual,
        Comparator::Greater => Comparator::Less,
        Comparator::GreaterOrEqual => Comparator::LessOrEqual,
        Comparator::Equal | Comparator::NotEqual => comparator,
    }
}

/// The key is a path, everything else is a value.
fn key_and_values<'e, const N: usize>(
    key: &'e Operand,
    values: [&'e Operand; N],
) -> Result<(&'e Path, [&'e AttributeValue; N]), Wrong<'static>> {
    let path = match key {
        Operand::Path(path) => path,
        Operand::Value(_) => {
            return Err(Wrong::NoKey);
        }
        Operand::Size(_) => return Err(Wrong::NestedInKey),
    };
    let mut found = Vec::with_capacity(N);
    for value in values {
        match value {
            Operand::Value(value) => found.push(value),
            Operand::Path(_) => {
                return Err(Wrong::TwoKeys);
            }
            Operand::Size(_) => return Err(Wrong::NestedInKey),
        }
    }
    let found = found.try_into().map_err(|_| Wrong::NestedInKey)?;
    Ok((path, found))
}

fn attribute(path: &Path) -> Result<String, Wrong<'static>> {
    if path.elements.is_empty() { Ok(path.root.clone()) } else { Err(Wrong::PathInKey) }
}
