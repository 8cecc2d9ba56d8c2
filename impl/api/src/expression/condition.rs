//! Condition expressions.
//!
//! ```text
//! condition  = condition OR condition | condition AND condition | NOT condition
//!            | ( condition ) | function ( operand, .. ) | operand comparator operand
//!            | operand BETWEEN operand AND operand | operand IN ( operand, .. )
//! operand    = path | :value | size ( path )
//! path       = name { . name | [ digits ] }        name = word | #name
//! ```
//!
//! NOT binds tighter than AND, AND tighter than OR. The parser is an operator-precedence parser
//! with its own stack, not a recursive one, so 4 KB of parentheses cost 4 KB.

use super::cursor::Cursor;
use super::placeholders::Placeholders;
use super::token::TokenKind;
use super::wording::Wrong;
use crate::ApiError;
use ringleader_item::limits::{IN_OPERANDS_MAX, OPERATORS_MAX};
use ringleader_item::{AttributeValue, Comparator, Condition, Operand, Path, Predicate, Step};

/// Parses a condition. `member` is the parameter's name in error texts.
pub(crate) fn parse(
    member: &str,
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Condition, ApiError> {
    Cursor::start(text, placeholders)
        .and_then(|cursor| Parser::new(cursor).condition())
        .map_err(|message| ApiError::validation(format!("Invalid {member}: {message}")))
}

/// What waits on the parser's stack for its right operand or its closing parenthesis. The order is
/// that of binding strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Parenthesis,
    Or,
    And,
    Not,
}

/// A function of the language. The one that yields a number is part of the operands.
#[derive(Clone, Copy)]
enum Function {
    Exists,
    NotExists,
    HasType,
    BeginsWith,
    Contains,
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "attribute_exists" => Self::Exists,
            "attribute_not_exists" => Self::NotExists,
            "attribute_type" => Self::HasType,
            "begins_with" => Self::BeginsWith,
            "contains" => Self::Contains,
            _ => return None,
        })
    }

    fn operand_count(self) -> usize {
        match self {
            Self::Exists | Self::NotExists => 1,
            Self::HasType | Self::BeginsWith | Self::Contains => 2,
        }
    }
}

const TYPE_NAMES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

struct Parser<'t, 'p, 'r> {
    cursor: Cursor<'t, 'p, 'r>,
    pending: Vec<Pending>,
    /// Where the parentheses in `pending` stand.
    open: Vec<usize>,
    /// Where the group that was closed last starts and ends.
    closed: Option<(usize, usize)>,
    steps: Vec<Step>,
}

impl<'t, 'p, 'r> Parser<'t, 'p, 'r> {
    fn new(cursor: Cursor<'t, 'p, 'r>) -> Self {
        Self { cursor, pending: Vec::new(), open: Vec::new(), closed: None, steps: Vec::new() }
    }

    fn condition(mut self) -> Result<Condition, String> {
        loop {
            self.operand_side()?;
            if !self.operator_side()? {
                break;
            }
        }
        self.cursor.finish()?;
        if self.steps.len() > OPERATORS_MAX {
            return Err(Wrong::TooManyOperators(self.steps.len()).into());
        }
        Ok(Condition::new(self.steps).expect("the parser balances steps and bounds their number"))
    }

    /// Everything up to and including the next predicate: opening parentheses and NOTs.
    fn operand_side(&mut self) -> Result<(), String> {
        loop {
            let at = self.cursor.position();
            if self.cursor.accept_sign("(") {
                self.pending.push(Pending::Parenthesis);
                self.open.push(at);
            } else if self.cursor.accept_keyword("NOT") {
                self.pending.push(Pending::Not);
            } else {
                return self.predicate();
            }
        }
    }

    /// What follows a predicate: closing parentheses, then AND, OR (true) or the end (false).
    fn operator_side(&mut self) -> Result<bool, String> {
        loop {
            if self.cursor.at_end() {
                self.reduce(Pending::Or);
                let closed = self.pending.is_empty();
                return if closed { Ok(false) } else { Err(self.cursor.syntax_error()) };
            }
            let at = self.cursor.position();
            let operator = if self.cursor.accept_keyword("AND") {
                Pending::And
            } else if self.cursor.accept_keyword("OR") {
                Pending::Or
            } else if self.cursor.accept_sign(")") {
                self.reduce(Pending::Or);
                self.close(at)?;
                continue;
            } else {
                return Err(self.cursor.syntax_error());
            };
            self.reduce(operator);
            self.pending.push(operator);
            return Ok(true);
        }
    }

    /// Closes the innermost group with the parenthesis that stands at `at`.
    fn close(&mut self, at: usize) -> Result<(), String> {
        let (Some(_), Some(start)) = (self.pending.pop(), self.open.pop()) else {
            self.cursor.retreat();
            return Err(self.cursor.syntax_error());
        };
        if self.closed == Some((start + 1, at - 1)) {
            self.cursor.mean(&Wrong::Parentheses);
        }
        self.closed = Some((start, at));
        Ok(())
    }

    /// Emits pending operators that bind at least as tightly as `weakest`.
    fn reduce(&mut self, weakest: Pending) {
        while let Some(pending) = self.pending.pop_if(|top| *top >= weakest) {
            self.steps.push(match pending {
                Pending::Not => Step::Not,
                Pending::And => Step::And,
                Pending::Or => Step::Or,
                Pending::Parenthesis => unreachable!("weaker than every operator"),
            });
        }
    }

    fn predicate(&mut self) -> Result<(), String> {
        let predicate = match self.cursor.call() {
            Some(name) if name != "size" => self.function(name)?,
            _ => self.comparison()?,
        };
        // An expression with an error of meaning has no steps that anybody will run, but its
        // shape must stay whole until the end of the text.
        let predicate = predicate.unwrap_or(Predicate::Exists(Path::attribute("")));
        self.steps.push(Step::Test(predicate));
        Ok(())
    }

    /// `name ( operand, .. )`
    fn function(&mut self, name: &str) -> Result<Option<Predicate>, String> {
        self.cursor.advance();
        let operands = self.operand_list()?;
        let Some(function) = Function::named(name) else {
            self.cursor.mean(&match name {
                "if_not_exists" | "list_append" => Wrong::FunctionInCondition(name),
                _ => Wrong::Function(name),
            });
            return Ok(None);
        };
        if operands.len() != function.operand_count() {
            self.cursor.mean(&Wrong::OperandCount(name, operands.len()));
            return Ok(None);
        }
        let Some(operands) = operands.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut operands = operands.into_iter();
        let mut next = || operands.next().expect("the operands were counted");
        Ok(match function {
            Function::Exists => self.only_path(name, next()).map(Predicate::Exists),
            Function::NotExists => self.only_path(name, next()).map(Predicate::NotExists),
            Function::HasType => {
                let path = self.only_path(name, next());
                let type_name = self.type_name(&next());
                let parts = path.zip(type_name);
                parts.map(|(path, type_name)| Predicate::HasType { path, type_name })
            }
            Function::BeginsWith => {
                let (operand, prefix) = (next(), next());
                let allowed = |value: &AttributeValue| {
                    matches!(value, AttributeValue::S(_) | AttributeValue::B(_))
                };
                self.check_types(name, &[&operand, &prefix], allowed);
                self.check_distinct(name, &operand, &[&prefix]);
                Some(Predicate::BeginsWith { operand, prefix })
            }
            Function::Contains => {
                let (container, content) = (next(), next());
                self.check_distinct(name, &container, &[&content]);
                Some(Predicate::Contains { container, content })
            }
        })
    }

    /// `( operand, .. )`; what means nothing is `None`.
    fn operand_list(&mut self) -> Result<Vec<Option<Operand>>, String> {
        self.cursor.require_sign("(")?;
        let mut operands = vec![self.operand()?];
        while self.cursor.accept_sign(",") {
            operands.push(self.operand()?);
        }
        self.cursor.require_sign(")")?;
        Ok(operands)
    }

    fn only_path(&mut self, name: &str, operand: Operand) -> Option<Path> {
        if let Operand::Path(path) = operand {
            return Some(path);
        }
        self.cursor.mean(&Wrong::NoPath(name));
        None
    }

    fn type_name(&mut self, operand: &Operand) -> Option<String> {
        const NAME: &str = "attribute_type";
        self.cursor.mean(&match operand {
            Operand::Value(AttributeValue::S(name)) if TYPE_NAMES.contains(&name.as_str()) => {
                return Some(name.clone());
            }
            Operand::Value(AttributeValue::S(name)) => Wrong::TypeName(name, &TYPE_NAMES),
            Operand::Value(value) => Wrong::OperandType(NAME, value.type_name()),
            Operand::Path(_) | Operand::Size(_) => Wrong::OperandType(NAME, "path"),
        });
        None
    }

    /// `operand comparator operand`, BETWEEN or IN.
    fn comparison(&mut self) -> Result<Option<Predicate>, String> {
        let left = self.operand()?;
        if self.cursor.accept_keyword("BETWEEN") {
            return self.between(left);
        }
        if self.cursor.accept_keyword("IN") {
            return self.within(left);
        }
        let comparator = match self.cursor.peek(0).map(|token| token.text) {
            Some("=") => Comparator::Equal,
            Some("<>") => Comparator::NotEqual,
            Some("<") => Comparator::Less,
            Some("<=") => Comparator::LessOrEqual,
            Some(">") => Comparator::Greater,
            Some(">=") => Comparator::GreaterOrEqual,
            _ => return Err(self.cursor.syntax_error()),
        };
        self.cursor.advance();
        let right = self.operand()?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        let sign = comparator.sign();
        if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            self.check_types(sign, &[&left, &right], is_ordered);
        }
        self.check_distinct(sign, &left, &[&right]);
        Ok(Some(Predicate::Compare { left, comparator, right }))
    }

    /// What follows `operand BETWEEN`.
    fn between(&mut self, operand: Option<Operand>) -> Result<Option<Predicate>, String> {
        let low = self.operand()?;
        if !self.cursor.accept_keyword("AND") {
            return Err(self.cursor.syntax_error());
        }
        let high = self.operand()?;
        let (Some(operand), Some(low), Some(high)) = (operand, low, high) else {
            return Ok(None);
        };
        self.check_types("BETWEEN", &[&operand, &low, &high], is_ordered);
        self.check_distinct("BETWEEN", &operand, &[&low, &high]);
        if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
            self.check_bounds(low, high);
        }
        Ok(Some(Predicate::Between { operand, low, high }))
    }

    fn check_bounds(&mut self, low: &AttributeValue, high: &AttributeValue) {
        self.cursor.mean(&match (low, high) {
            (low, high) if low.type_name() != high.type_name() => Wrong::BoundTypes(low, high),
            (AttributeValue::S(low), AttributeValue::S(high)) if low <= high => return,
            (AttributeValue::N(low), AttributeValue::N(high)) if low <= high => return,
            (AttributeValue::B(low), AttributeValue::B(high)) if low <= high => return,
            _ => Wrong::BoundOrder(low, high),
        });
    }

    /// What follows `operand IN`.
    fn within(&mut self, operand: Option<Operand>) -> Result<Option<Predicate>, String> {
        let candidates = self.operand_list()?;
        if candidates.len() > IN_OPERANDS_MAX {
            self.cursor.mean(&Wrong::TooManyCandidates(candidates.len()));
        }
        let candidates = candidates.into_iter().collect::<Option<Vec<_>>>();
        let (Some(operand), Some(candidates)) = (operand, candidates) else { return Ok(None) };
        self.check_distinct("IN", &operand, &candidates.iter().collect::<Vec<_>>());
        Ok(Some(Predicate::In { operand, candidates }))
    }

    /// A path, a value or a size; `None` if it means nothing.
    fn operand(&mut self) -> Result<Option<Operand>, String> {
        if let Some(function) = self.cursor.call() {
            return self.size(function);
        }
        let Some(token) = self.cursor.peek(0) else { return Err(self.cursor.syntax_error()) };
        if token.kind != TokenKind::ValuePlaceholder {
            return Ok(self.cursor.path()?.map(Operand::Path));
        }
        Ok(self.cursor.value()?.map(Operand::Value))
    }

    /// `size ( path )`: the one function that stands for a value. Its operand is not a function,
    /// so this does not recurse.
    fn size(&mut self, function: &str) -> Result<Option<Operand>, String> {
        if function != "size" {
            // Not remembered but told at once: to read on would be to recurse.
            return Err(match Function::named(function) {
                Some(_) => Wrong::FunctionHere(function),
                None => Wrong::Function(function),
            }
            .into());
        }
        self.cursor.advance();
        self.cursor.require_sign("(")?;
        let is_value =
            self.cursor.peek(0).is_some_and(|token| token.kind == TokenKind::ValuePlaceholder);
        if is_value {
            self.cursor.advance();
            self.cursor.mean(&Wrong::NoPath("size"));
            self.cursor.require_sign(")")?;
            return Ok(None);
        }
        let path = self.cursor.path()?;
        self.cursor.require_sign(")")?;
        Ok(path.map(Operand::Size))
    }

    /// Values of other types than the operator takes; what a path leads to is not known yet.
    fn check_types(
        &mut self,
        operator: &str,
        operands: &[&Operand],
        allowed: fn(&AttributeValue) -> bool,
    ) {
        for operand in operands {
            if let Operand::Value(value) = operand
                && !allowed(value)
            {
                self.cursor.mean(&Wrong::OperandType(operator, value.type_name()));
            }
        }
    }

    /// A path compared with itself is a mistake.
    fn check_distinct(&mut self, operator: &str, first: &Operand, others: &[&Operand]) {
        if let Operand::Path(path) = first
            && others.contains(&first)
        {
            self.cursor.mean(&Wrong::SameOperand(operator, path));
        }
    }
}

fn is_ordered(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_))
}
