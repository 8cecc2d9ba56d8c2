//! Key conditions: a condition that says one value for the partition key, and maybe a range for the
//! sort key. The language is that of conditions, and most of it is refused.

use super::condition;
use super::placeholders::Placeholders;
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
    let invalid = |message| ApiError::validation(format!("Invalid {MEMBER}: {message}"));
    let mut tests = BTreeMap::new();
    for step in condition.steps() {
        let predicate = match step {
            Step::Test(predicate) => predicate,
            Step::And => continue,
            Step::Or => return Err(invalid(operator("OR"))),
            Step::Not => return Err(invalid(operator("NOT"))),
        };
        let (attribute, wanted) = key_test(predicate).map_err(invalid)?;
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

fn operator(name: &str) -> String {
    format!("Invalid operator used in {MEMBER}: {name}")
}

fn key_test(predicate: &Predicate) -> Result<(String, KeyTest), String> {
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
                Comparator::NotEqual => return Err(operator("<>")),
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
        Predicate::Exists(_) => Err(operator("attribute_exists")),
        Predicate::NotExists(_) => Err(operator("attribute_not_exists")),
        Predicate::HasType { .. } => Err(operator("attribute_type")),
        Predicate::Contains { .. } => Err(operator("contains")),
        Predicate::In { .. } => Err(operator("IN")),
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
) -> Result<(&'e Path, [&'e AttributeValue; N]), String> {
    let nested = || format!("{MEMBER}s cannot contain nested operations");
    let path = match key {
        Operand::Path(path) => path,
        Operand::Value(_) => {
            return Err(format!("Invalid condition in {MEMBER}: No key attribute specified"));
        }
        Operand::Size(_) => return Err(nested()),
    };
    let mut found = Vec::with_capacity(N);
    for value in values {
        match value {
            Operand::Value(value) => found.push(value),
            Operand::Path(_) => {
                return Err(format!(
                    "Invalid condition in {MEMBER}: Multiple attribute names used in one condition"
                ));
            }
            Operand::Size(_) => return Err(nested()),
        }
    }
    let found = found.try_into().map_err(|_| nested())?;
    Ok((path, found))
}

fn attribute(path: &Path) -> Result<String, String> {
    if path.elements.is_empty() {
        Ok(path.root.clone())
    } else {
        Err(format!("{MEMBER}s cannot have conditions on nested attributes"))
    }
}
