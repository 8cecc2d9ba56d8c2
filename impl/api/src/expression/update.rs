//! Update expressions.
//!
//! ```text
//! update   = clause { clause }                        each keyword once, in any order
//! clause   = SET path = value { , path = value } | REMOVE path { , path }
//!          | ADD path :value { , path :value } | DELETE path :value { , path :value }
//! value    = operand [ + operand | - operand ]
//! operand  = path | :value | if_not_exists ( path , operand ) | list_append ( operand , operand )
//! ```
//!
//! Functions inside each other wait on a stack of the parser's own, as in conditions.

use super::cursor::Cursor;
use super::placeholders::Placeholders;
use super::token::TokenKind;
use super::wording::Wrong;
use crate::ApiError;
use ringleader_item::limits::OPERATORS_MAX;
use ringleader_item::projection::first_clash;
use ringleader_item::{Action, AttributeValue, Path, UpdateProgram, ValueStep};

const MEMBER: &str = "UpdateExpression";
const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// Parses an update.
pub(crate) fn parse(
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<UpdateProgram, ApiError> {
    let invalid = |message| ApiError::validation(format!("Invalid {MEMBER}: {message}"));
    let cursor = Cursor::start(text, placeholders).map_err(invalid)?;
    let parser = Parser { cursor, actions: Vec::new(), operators: 0 };
    parser.update().map_err(invalid)
}

/// A function that waits for its operands.
enum Frame {
    /// `if_not_exists(path, ..`
    IfNotExists(Option<Path>),
    /// `list_append(..`, with the number of operands that are complete.
    ListAppend(u8),
}

struct Parser<'t, 'p, 'r> {
    cursor: Cursor<'t, 'p, 'r>,
    actions: Vec<Action>,
    operators: usize,
}

impl Parser<'_, '_, '_> {
    fn update(mut self) -> Result<UpdateProgram, String> {
        let mut seen = [false; CLAUSES.len()];
        while !self.cursor.at_end() {
            let Some(clause) =
                (0..CLAUSES.len()).find(|&at| self.cursor.accept_keyword(CLAUSES[at]))
            else {
                return Err(self.cursor.syntax_error());
            };
            if std::mem::replace(&mut seen[clause], true) {
                self.cursor.mean(&Wrong::ClauseTwice(CLAUSES[clause]));
            }
            self.action(CLAUSES[clause])?;
            while self.cursor.accept_sign(",") {
                self.action(CLAUSES[clause])?;
            }
        }
        self.cursor.finish()?;
        if self.operators > OPERATORS_MAX {
            return Err(Wrong::TooManyOperators(self.operators).into());
        }
        let paths: Vec<Path> = self.actions.iter().map(|action| action.path().clone()).collect();
        if let Some((first, second, error)) = first_clash(&paths) {
            return Err(Wrong::Paths(first, second, error).into());
        }
        Ok(UpdateProgram::new(self.actions)
            .expect("the parser balances values, and their number and places were checked"))
    }

    fn action(&mut self, clause: &str) -> Result<(), String> {
        let path = self.cursor.path()?;
        let action = match clause {
            "SET" => {
                self.cursor.require_sign("=")?;
                let value = self.value()?;
                path.zip(value).map(|(path, value)| Action::Set { path, value })
            }
            "REMOVE" => path.map(|path| Action::Remove { path }),
            _ => {
                let value = self.placeholder()?;
                let value = value.filter(|value| self.allowed(clause, value));
                path.zip(value).map(|(path, value)| match clause {
                    "ADD" => Action::Add { path, value },
                    _ => Action::Delete { path, value },
                })
            }
        };
        self.actions.extend(action);
        Ok(())
    }

    /// Whether ADD or DELETE knows a value of this type.
    fn allowed(&mut self, clause: &str, value: &AttributeValue) -> bool {
        use AttributeValue::{Bs, N, Ns, Ss};
        let allowed =
            matches!(value, Ss(_) | Ns(_) | Bs(_)) || (clause == "ADD" && matches!(value, N(_)));
        if !allowed {
            self.cursor.mean(&Wrong::ClauseType(clause, long_type_name(value)));
        }
        allowed
    }

    /// `operand [ + operand | - operand ]`; `None` if it means nothing.
    fn value(&mut self) -> Result<Option<Vec<ValueStep>>, String> {
        let mut steps = Some(Vec::new());
        self.operand(&mut steps)?;
        for (sign, step) in [("+", ValueStep::Plus), ("-", ValueStep::Minus)] {
            if self.cursor.accept_sign(sign) {
                self.check_number(sign, steps.as_deref());
                let mut right = Some(Vec::new());
                self.operand(&mut right)?;
                self.check_number(sign, right.as_deref());
                self.operators += 1;
                steps = steps.zip(right).map(|(mut steps, right)| {
                    steps.extend(right);
                    steps.push(step);
                    steps
                });
                break;
            }
        }
        Ok(steps)
    }

    /// Appends the steps of an operand.
    fn operand(&mut self, steps: &mut Option<Vec<ValueStep>>) -> Result<(), String> {
        let mut frames: Vec<Frame> = Vec::new();
        loop {
            if let Some(name) = self.cursor.call() {
                frames.push(self.open(name)?);
                continue;
            }
            let mut step = self.leaf()?;
            // An operand is complete; with it maybe the functions that waited for it.
            loop {
                match (steps.as_mut(), step.take()) {
                    (Some(all), Some(step)) => all.push(step),
                    _ => *steps = None,
                }
                let Some(frame) = frames.pop() else { return Ok(()) };
                match frame {
                    Frame::ListAppend(0) => {
                        self.check_list(steps.as_deref());
                        self.cursor.require_sign(",")?;
                        frames.push(Frame::ListAppend(1));
                        break;
                    }
                    Frame::ListAppend(_) => {
                        self.check_list(steps.as_deref());
                        self.close("list_append")?;
                        step = Some(ValueStep::ListAppend);
                    }
                    Frame::IfNotExists(path) => {
                        self.close("if_not_exists")?;
                        step = path.map(ValueStep::IfNotExists);
                    }
                }
            }
        }
    }

    /// `name (`, for `if_not_exists` with the path and the comma.
    fn open(&mut self, name: &str) -> Result<Frame, String> {
        self.operators += 1;
        match name {
            "list_append" => {
                self.cursor.advance();
                self.cursor.require_sign("(")?;
                Ok(Frame::ListAppend(0))
            }
            "if_not_exists" => {
                self.cursor.advance();
                self.cursor.require_sign("(")?;
                if self.cursor.peek(0).is_some_and(|it| it.kind == TokenKind::ValuePlaceholder) {
                    return Err(Wrong::NoPath(name).into());
                }
                let path = self.cursor.path()?;
                if self.cursor.accept_sign(")") {
                    return Err(Wrong::OperandCount(name, 1).into());
                }
                self.cursor.require_sign(",")?;
                Ok(Frame::IfNotExists(path))
            }
            "attribute_exists"
            | "attribute_not_exists"
            | "attribute_type"
            | "begins_with"
            | "contains"
            | "size" => Err(Wrong::FunctionInUpdate(name).into()),
            _ => Err(Wrong::Function(name).into()),
        }
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        if self.cursor.peek(0).is_some_and(|token| token.text == ",") {
            return Err(Wrong::OperandCount(name, 3).into());
        }
        self.cursor.require_sign(")")
    }

    /// A path or a value.
    fn leaf(&mut self) -> Result<Option<ValueStep>, String> {
        let is_value = |kind| kind == TokenKind::ValuePlaceholder;
        if self.cursor.peek(0).is_some_and(|token| is_value(token.kind)) {
            return Ok(self.placeholder()?.map(ValueStep::Value));
        }
        Ok(self.cursor.path()?.map(ValueStep::Path))
    }

    fn placeholder(&mut self) -> Result<Option<AttributeValue>, String> {
        self.cursor.value()
    }

    /// The operand that was completed last, if it is a value, must be a number.
    fn check_number(&mut self, sign: &str, steps: Option<&[ValueStep]>) {
        let wrong = match steps.and_then(<[_]>::last) {
            Some(ValueStep::Value(AttributeValue::N(_))) => return,
            Some(ValueStep::Value(value)) => value.type_name(),
            Some(ValueStep::ListAppend) => "L",
            _ => return,
        };
        self.cursor.mean(&Wrong::OperandType(sign, wrong));
    }

    fn check_list(&mut self, steps: Option<&[ValueStep]>) {
        if let Some(ValueStep::Value(value)) = steps.and_then(<[_]>::last)
            && !matches!(value, AttributeValue::L(_))
        {
            self.cursor.mean(&Wrong::OperandType("list_append", value.type_name()));
        }
    }
}

/// The name of a type in the errors of ADD and DELETE.
fn long_type_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "STRING",
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::Bool(_) => "BOOLEAN",
        AttributeValue::Null => "NULL",
        AttributeValue::M(_) => "MAP",
        AttributeValue::L(_) => "LIST",
        AttributeValue::Ss(_) => "STRING_SET",
        AttributeValue::Ns(_) => "NUMBER_SET",
        AttributeValue::Bs(_) => "BINARY_SET",
    }
}
