//! The words in which expressions are refused, all in one table. They are the service's own;
//! programs compare them.

use super::cursor::display;
use crate::value::push_value;
use ringleader_item::projection::ProjectionError;
use ringleader_item::{AttributeValue, Path};
use std::fmt::{self, Display};

/// What is wrong with an expression.
pub(super) enum Wrong<'a> {
    /// No words at all.
    Empty,
    /// More bytes than an expression may have.
    TooLong(usize),
    /// More operators and functions than an expression may have.
    TooManyOperators(usize),
    /// A word that cannot stand where it stands, and its neighbours.
    Syntax { token: &'a str, near: &'a str },
    /// Parentheses around parentheses.
    Parentheses,
    /// A name that must be written with a placeholder.
    Reserved(&'a str),
    /// `#name` without a meaning.
    UndefinedName(&'a str),
    /// `:value` without a meaning.
    UndefinedValue(&'a str),
    /// A path of so many elements.
    PathTooLong(usize),
    /// A list index beyond what a list can have.
    Index(&'a str),
    /// Two paths of which one is inside the other, or that take a place for two things.
    Paths(&'a Path, &'a Path, ProjectionError),
    /// No function has this name.
    Function(&'a str),
    /// A function that yields a truth value where a value is needed, or the other way round.
    FunctionHere(&'a str),
    /// A function of updates in a condition.
    FunctionInCondition(&'a str),
    /// A function of conditions in an update.
    FunctionInUpdate(&'a str),
    /// A function with so many operands.
    OperandCount(&'a str, usize),
    /// A function that takes a path and got something else.
    NoPath(&'a str),
    /// An operator or a function that does not take values of this type.
    OperandType(&'a str, &'a str),
    /// ADD or DELETE with a value of this type.
    ClauseType(&'a str, &'a str),
    /// `attribute_type` with a text that names no type, and those that do.
    TypeName(&'a str, &'a [&'a str]),
    /// A path compared with itself.
    SameOperand(&'a str, &'a Path),
    /// Bounds of BETWEEN of two types.
    BoundTypes(&'a AttributeValue, &'a AttributeValue),
    /// Bounds of BETWEEN in the wrong order.
    BoundOrder(&'a AttributeValue, &'a AttributeValue),
    /// IN with so many candidates.
    TooManyCandidates(usize),
    /// The same clause twice.
    ClauseTwice(&'a str),
    /// An operator that keys cannot be found with.
    KeyOperator(&'a str),
    /// A key condition without a key.
    NoKey,
    /// A key compared with another attribute.
    TwoKeys,
    /// A key condition with `size`.
    NestedInKey,
    /// A key condition on a part of an attribute.
    PathInKey,
}

impl From<Wrong<'_>> for String {
    fn from(wrong: Wrong<'_>) -> Self {
        wrong.to_string()
    }
}

impl Display for Wrong<'_> {
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KEYS: &str = "KeyConditionExpression";
        match self {
            Self::Empty => f.write_str("The expression can not be empty;"),
            Self::TooLong(size) => write!(
                f,
                "Expression size has exceeded the maximum allowed size; expression size: {size}"
            ),
            Self::TooManyOperators(count) => {
                write!(f, "The expression contains too many operators; operator count: {count}")
            }
            Self::Syntax { token, near } => {
                write!(f, "Syntax error; token: \"{token}\", near: \"{near}\"")
            }
            Self::Parentheses => f.write_str("The expression has redundant parentheses;"),
            Self::Reserved(word) => {
                write!(f, "Attribute name is a reserved keyword; reserved keyword: {word}")
            }
            Self::UndefinedName(name) => write!(
                f,
                "An expression attribute name used in the document path is not defined; attribute \
                 name: {name}"
            ),
            Self::UndefinedValue(value) => write!(
                f,
                "An expression attribute value used in expression is not defined; attribute value: \
                 {value}"
            ),
            Self::PathTooLong(length) => write!(
                f,
                "The document path has too many nesting elements; nesting levels: {length}"
            ),
            Self::Index(digits) => {
                write!(f, "List index is not within the allowable range; index: [{digits}]")
            }
            Self::Paths(first, second, error) => write!(
                f,
                "Two document paths {} with each other; must remove or rewrite one of these paths; \
                 path one: {}, path two: {}",
                if *error == ProjectionError::Conflict { "conflict" } else { "overlap" },
                display(first),
                display(second)
            ),
            Self::Function(name) => write!(f, "Invalid function name; function: {name}"),
            Self::FunctionHere(name) => write!(
                f,
                "The function is not allowed to be used this way in an expression; function: {name}"
            ),
            Self::FunctionInCondition(name) => {
                write!(f, "The function is not allowed in a condition expression; function: {name}")
            }
            Self::FunctionInUpdate(name) => {
                write!(f, "The function is not allowed in an update expression; function: {name}")
            }
            Self::OperandCount(name, count) => write!(
                f,
                "Incorrect number of operands for operator or function; operator or function: \
                 {name}, number of operands: {count}"
            ),
            Self::NoPath(name) => write!(
                f,
                "Operator or function requires a document path; operator or function: {name}"
            ),
            Self::OperandType(operator, found) => write!(
                f,
                "Incorrect operand type for operator or function; operator or function: {operator}, \
                 operand type: {found}"
            ),
            Self::ClauseType(clause, found) => write!(
                f,
                "Incorrect operand type for operator or function; operator: {clause}, operand type: \
                 {found}, typeSet: ALLOWED_FOR_{clause}_OPERAND"
            ),
            Self::TypeName(name, valid) => write!(
                f,
                "Invalid attribute type name found; type: {name}, valid types: {{{}}}",
                valid.join(",")
            ),
            Self::SameOperand(operator, path) => write!(
                f,
                "The first operand must be distinct from the remaining operands for this operator \
                 or function; operator: {operator}, first operand: {}",
                display(path)
            ),
            Self::BoundTypes(low, high) => {
                write_bounds(f, "same data type for lower and upper bounds", low, high)
            }
            Self::BoundOrder(low, high) => {
                let rule = "upper bound to be greater than or equal to lower bound";
                write_bounds(f, rule, low, high)
            }
            Self::TooManyCandidates(count) => write!(
                f,
                "The IN operator is provided with too many operands; number of operands: {count}"
            ),
            Self::ClauseTwice(clause) => {
                write!(f, "The \"{clause}\" section can only be used once in an update expression;")
            }
            Self::KeyOperator(name) => write!(f, "Invalid operator used in {KEYS}: {name}"),
            Self::NoKey => write!(f, "Invalid condition in {KEYS}: No key attribute specified"),
            Self::TwoKeys => write!(
                f,
                "Invalid condition in {KEYS}: Multiple attribute names used in one condition"
            ),
            Self::NestedInKey => write!(f, "{KEYS}s cannot contain nested operations"),
            Self::PathInKey => {
                write!(f, "{KEYS}s cannot have conditions on nested attributes")
            }
        }
    }
}

fn write_bounds(
    f: &mut fmt::Formatter<'_>,
    rule: &str,
    low: &AttributeValue,
    high: &AttributeValue,
) -> fmt::Result {
    let shown = |value: &AttributeValue| {
        let mut out = String::new();
        push_value(&mut out, value);
        format!("AttributeValue: {}", out.replace('"', ""))
    };
    write!(
        f,
        "The BETWEEN operator requires {rule}; lower bound operand: {}, upper bound operand: {}",
        shown(low),
        shown(high)
    )
}
