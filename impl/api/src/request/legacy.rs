//! What requests used before there were expressions: `Expected`, `QueryFilter`, `ScanFilter`,
//! `KeyConditions` with `ConditionalOperator`, `AttributeUpdates`. Each is translated into what the
//! expressions become; the names are attributes, never paths.
//!
//! Source: developer guide, "Legacy conditional parameters". Where the guide does not say what holds
//! for an absent attribute, the translation decides: NE and `NOT_CONTAINS` hold.

use crate::ApiError;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::{
    Action, AttributeValue, Comparator, Condition, KeyCondition, KeyTest, Operand, Path, Predicate,
    Step, UpdateProgram, ValueStep,
};

const INVALID: &str = "One or more parameter values were invalid: ";
const TYPES: &str = "com.amazonaws.dynamodb.v20120810";

/// The legacy parameters that a request has, and how their conditions are combined.
pub(super) struct Legacy {
    present: Vec<&'static str>,
    operator: Option<String>,
    values: ValueReader,
}

/// Attributes and what is asked of each.
pub(super) type Comparisons = Vec<(String, Comparison)>;

/// What is asked of an attribute.
pub(super) struct Comparison {
    /// `Value`, only of `Expected`.
    value: Option<AttributeValue>,
    /// `Exists`, only of `Expected`.
    exists: Option<bool>,
    operator: Option<String>,
    values: Option<Vec<AttributeValue>>,
}

impl Legacy {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let operator = fields.owned("ConditionalOperator")?;
        Ok(Self { present: Vec::new(), operator, values: ValueReader::default() })
    }

    /// Remembers that the request has a parameter.
    pub(super) fn note(&mut self, parameter: &'static str, present: bool) {
        if present {
            self.present.push(parameter);
        }
    }

    /// `Expected`
    pub(super) fn expected(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> Result<Option<Comparisons>, ApiError> {
        self.comparisons(fields, "Expected", "ExpectedAttributeValue")
    }

    /// `QueryFilter`, `ScanFilter` or `KeyConditions`
    pub(super) fn conditions(
        &mut self,
        fields: &mut Fields<'_>,
        parameter: &'static str,
    ) -> Result<Option<Comparisons>, ApiError> {
        self.comparisons(fields, parameter, "Condition")
    }

    fn comparisons(
        &mut self,
        fields: &mut Fields<'_>,
        parameter: &'static str,
        type_name: &str,
    ) -> Result<Option<Comparisons>, ApiError> {
        let Some(members) = fields.map(parameter, &format!("{TYPES}.{type_name}"))? else {
            return Ok(None);
        };
        self.note(parameter, true);
        let mut comparisons = Vec::with_capacity(members.len());
        for (name, json) in members {
            let mut fields = Fields::of(json, type_name)?;
            let value = fields.take("Value").map(|json| self.values.value(json, 0)).transpose()?;
            let values = fields.list("AttributeValueList")?.map(|list| {
                list.into_iter().map(|json| self.values.value(json, 0)).collect::<Result<_, _>>()
            });
            let comparison = Comparison {
                value,
                exists: fields.boolean("Exists")?,
                operator: fields.owned("ComparisonOperator")?,
                values: values.transpose()?,
            };
            comparisons.push((name.into_owned(), comparison));
        }
        Ok(Some(comparisons))
    }

    /// `AttributeUpdates`, translated once the values are known to be valid.
    pub(super) fn updates(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> Result<Option<Vec<AttributeUpdate>>, ApiError> {
        const PARAMETER: &str = "AttributeUpdates";
        let Some(members) = fields.map(PARAMETER, &format!("{TYPES}.AttributeValueUpdate"))? else {
            return Ok(None);
        };
        self.note(PARAMETER, true);
        let mut updates = Vec::with_capacity(members.len());
        for (name, json) in members {
            let mut fields = Fields::of(json, "AttributeValueUpdate")?;
            let value = fields.take("Value").map(|json| self.values.value(json, 0)).transpose()?;
            let action = fields.owned("Action")?;
            updates.push(AttributeUpdate { name: name.into_owned(), action, value });
        }
        Ok(Some(updates))
    }

    /// Expressions and legacy parameters do not go together.
    pub(super) fn check_mixture(&self, expressions: &[(&str, bool)]) -> Result<(), ApiError> {
        let used: Vec<&str> =
            expressions.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
        let mut legacy = self.present.clone();
        if self.operator.is_some() {
            legacy.push("ConditionalOperator");
        }
        if used.is_empty() || legacy.is_empty() {
            return Ok(());
        }
        Err(ApiError::validation(format!(
            "Can not use both expression and non-expression parameters in the same request: \
             Non-expression parameters: {{{}}} Expression parameters: {{{}}}",
            legacy.join(", "),
            used.join(", ")
        )))
    }

    /// A conditional operator needs conditions; the values must be valid.
    pub(super) fn check_operator(&mut self, conditions: Option<usize>) -> Result<(), ApiError> {
        if self.operator.is_some() && conditions.unwrap_or(0) == 0 {
            return Err(ApiError::validation(format!(
                "{INVALID}ConditionalOperator cannot be used without Filter or Expected"
            )));
        }
        std::mem::take(&mut self.values).check()
    }

    /// Whether one condition suffices.
    pub(super) fn or(&self) -> bool {
        self.operator.as_deref() == Some("OR")
    }
}

/// The condition that all comparisons hold, or with `or` that one does; none without comparisons.
pub(super) fn condition(comparisons: Comparisons, or: bool) -> Result<Option<Condition>, ApiError> {
    let mut steps = Vec::with_capacity(2 * comparisons.len());
    for (at, (name, comparison)) in comparisons.into_iter().enumerate() {
        steps.extend(comparison.steps(&name)?);
        if at > 0 {
            steps.push(if or { Step::Or } else { Step::And });
        }
    }
    if steps.is_empty() {
        return Ok(None);
    }
    let too_long = |error: ringleader_item::condition::ConditionError| {
        ApiError::validation(format!("{INVALID}{error}"))
    };
    Condition::new(steps).map(Some).map_err(too_long)
}

impl Comparison {
    fn steps(self, name: &str) -> Result<Vec<Step>, ApiError> {
        let path = || Path::attribute(name);
        let wrong =
            |what: &str| ApiError::validation(format!("{INVALID}{what} for Attribute: {name}"));
        let Some(operator) = self.operator else {
            if self.values.is_some() {
                return Err(wrong("AttributeValueList can only be used with a ComparisonOperator"));
            }
            return match (self.exists, self.value) {
                (Some(false), None) => Ok(vec![Step::Test(Predicate::NotExists(path()))]),
                (Some(false), Some(_)) => Err(wrong("Value cannot be used when Exists is false")),
                (_, Some(value)) => Ok(vec![compare(name, Comparator::Equal, value)]),
                (Some(true), None) => Err(wrong("Value must be provided when Exists is true")),
                (None, None) => Err(wrong("Value must be provided when Exists is null")),
            };
        };
        if self.value.is_some() || self.exists.is_some() {
            return Err(wrong("Value or Exists cannot be used with ComparisonOperator"));
        }
        let values = check_values(&operator, self.values.unwrap_or_default())?;
        let operand = || Operand::Path(path());
        let mut given = values.into_iter().map(Operand::Value);
        let mut next = || given.next().expect("their number was checked");
        let predicate = match operator.as_str() {
            "NULL" => Predicate::NotExists(path()),
            "NOT_NULL" => Predicate::Exists(path()),
            "BEGINS_WITH" => Predicate::BeginsWith { operand: operand(), prefix: next() },
            "CONTAINS" | "NOT_CONTAINS" => {
                Predicate::Contains { container: operand(), content: next() }
            }
            "BETWEEN" => Predicate::Between { operand: operand(), low: next(), high: next() },
            "IN" => Predicate::In { operand: operand(), candidates: given.collect() },
            sign => {
                Predicate::Compare { left: operand(), comparator: comparator(sign), right: next() }
            }
        };
        let negated = (operator == "NOT_CONTAINS").then_some(Step::Not);
        Ok(std::iter::once(Step::Test(predicate)).chain(negated).collect())
    }

    fn key_test(self) -> Result<KeyTest, ApiError> {
        let operator = self.operator.unwrap_or_default();
        let values = check_values(&operator, self.values.unwrap_or_default())?;
        let mut given = values.into_iter();
        let mut next = || given.next().expect("their number was checked");
        Ok(match operator.as_str() {
            "EQ" => KeyTest::Equal(next()),
            "LT" => KeyTest::Less(next()),
            "LE" => KeyTest::LessOrEqual(next()),
            "GT" => KeyTest::Greater(next()),
            "GE" => KeyTest::GreaterOrEqual(next()),
            "BETWEEN" => KeyTest::Between { low: next(), high: next() },
            "BEGINS_WITH" => KeyTest::BeginsWith(next()),
            _ => {
                return Err(ApiError::validation(
                    "Attempted conditional constraint is not an indexable operation",
                ));
            }
        })
    }
}

/// The key condition of `KeyConditions`.
pub(super) fn key_condition(comparisons: Comparisons) -> Result<KeyCondition, ApiError> {
    if !(1..=2).contains(&comparisons.len()) {
        return Err(ApiError::validation("Conditions can be of length 1 or 2 only"));
    }
    let test = |(name, comparison): (String, Comparison)| Ok((name, comparison.key_test()?));
    Ok(KeyCondition { tests: comparisons.into_iter().map(test).collect::<Result<_, ApiError>>()? })
}

fn compare(name: &str, comparator: Comparator, value: AttributeValue) -> Step {
    let left = Operand::Path(Path::attribute(name));
    Step::Test(Predicate::Compare { left, comparator, right: Operand::Value(value) })
}

fn comparator(operator: &str) -> Comparator {
    match operator {
        "NE" => Comparator::NotEqual,
        "LT" => Comparator::Less,
        "LE" => Comparator::LessOrEqual,
        "GT" => Comparator::Greater,
        "GE" => Comparator::GreaterOrEqual,
        _ => Comparator::Equal,
    }
}

/// Number and types of the values that an operator takes.
fn check_values(
    operator: &str,
    values: Vec<AttributeValue>,
) -> Result<Vec<AttributeValue>, ApiError> {
    use AttributeValue::{B, N, S};
    let count_fits = match operator {
        "NULL" | "NOT_NULL" => values.is_empty(),
        "BETWEEN" => values.len() == 2,
        "IN" => !values.is_empty(),
        _ => values.len() == 1,
    };
    if !count_fits {
        return Err(ApiError::validation(format!(
            "{INVALID}Invalid number of argument(s) for the {operator} ComparisonOperator"
        )));
    }
    let allowed = |value: &AttributeValue| match operator {
        "EQ" | "NE" => true,
        "BEGINS_WITH" => matches!(value, S(_) | B(_)),
        _ => matches!(value, S(_) | N(_) | B(_)),
    };
    if let Some(value) = values.iter().find(|value| !allowed(value)) {
        return Err(ApiError::validation(format!(
            "{INVALID}ComparisonOperator {operator} is not valid for {} AttributeValue type",
            value.type_name()
        )));
    }
    if values.iter().any(|value| value.type_name() != values[0].type_name()) {
        return Err(ApiError::validation(format!(
            "{INVALID}AttributeValues inside AttributeValueList must be of same type"
        )));
    }
    let reversed = match values.as_slice() {
        [S(low), S(high)] => low > high,
        [N(low), N(high)] => low > high,
        [B(low), B(high)] => low > high,
        _ => false,
    };
    if operator == "BETWEEN" && reversed {
        return Err(ApiError::validation(
            "The BETWEEN condition was provided a range where the lower bound is greater than the \
             upper bound",
        ));
    }
    Ok(values)
}

/// What is to be done with an attribute.
pub(super) struct AttributeUpdate {
    name: String,
    action: Option<String>,
    value: Option<AttributeValue>,
}

/// The update of `AttributeUpdates`.
pub(super) fn update(updates: Vec<AttributeUpdate>) -> Result<UpdateProgram, ApiError> {
    let actions = updates.into_iter().map(AttributeUpdate::action);
    let too_long = |error| ApiError::validation(format!("{INVALID}{error}"));
    UpdateProgram::new(actions.collect::<Result<_, _>>()?).map_err(too_long)
}

impl AttributeUpdate {
    fn action(self) -> Result<Action, ApiError> {
        use AttributeValue::{Bs, N, Ns, Ss};
        let path = Path::attribute(&self.name);
        let unsupported = |what: &str, value: &AttributeValue| {
            let type_name = value.type_name();
            let message = format!("{INVALID}{what} is not supported for the type {type_name}");
            Err(ApiError::validation(message))
        };
        match (self.action.as_deref().unwrap_or("PUT"), self.value) {
            ("DELETE", None) => Ok(Action::Remove { path }),
            ("DELETE", Some(value @ (Ss(_) | Ns(_) | Bs(_)))) => Ok(Action::Delete { path, value }),
            ("DELETE", Some(value)) => unsupported("DELETE action with value", &value),
            (_, None) => Err(ApiError::validation(format!(
                "{INVALID}Only DELETE action is allowed when no attribute value is specified"
            ))),
            ("ADD", Some(value @ (N(_) | Ss(_) | Ns(_) | Bs(_)))) => {
                Ok(Action::Add { path, value })
            }
            ("ADD", Some(value)) => unsupported("ADD action", &value),
            (_, Some(value)) => Ok(Action::Set { path, value: vec![ValueStep::Value(value)] }),
        }
    }
}
