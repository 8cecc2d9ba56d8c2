//! Condition expressions.
//!
//! ```text
//! condition  = condition OR condition | condition AND condition | NOT condition
//!            | ( condition ) | function ( path ) | operand comparator operand
//! operand    = path | :value
//! path       = name { . name | [ digits ] }        name = word | #name
//! ```
//!
//! NOT binds tighter than AND, AND tighter than OR. The parser is an operator-precedence parser
//! with its own stack, not a recursive one, so 4 KB of parentheses cost 4 KB.
//!
//! Errors of syntax come before errors of meaning anywhere in the text, so the first of the latter
//! is remembered until the end of the text is reached.

use super::placeholders::Placeholders;
use super::token::{Token, TokenKind, tokens};
use crate::ApiError;
use ringleader_item::limits::{EXPRESSION_SIZE_MAX, OPERATORS_MAX};
use ringleader_item::{
    AttributeValue, Comparator, Condition, Operand, Path, PathElement, Predicate, Step,
};

/// Parses a condition. `member` is the parameter's name in error texts.
pub(crate) fn parse(
    member: &str,
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Condition, ApiError> {
    Parser::new(text, placeholders)
        .condition()
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

struct Parser<'t, 'p, 'r> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    next: usize,
    placeholders: &'p mut Placeholders<'r>,
    pending: Vec<Pending>,
    steps: Vec<Step>,
    /// The first error of meaning.
    meaning: Option<String>,
}

impl<'t, 'p, 'r> Parser<'t, 'p, 'r> {
    fn new(text: &'t str, placeholders: &'p mut Placeholders<'r>) -> Self {
        let tokens = if text.len() > EXPRESSION_SIZE_MAX { Vec::new() } else { tokens(text) };
        Self {
            text,
            tokens,
            next: 0,
            placeholders,
            pending: Vec::new(),
            steps: Vec::new(),
            meaning: None,
        }
    }

    fn condition(mut self) -> Result<Condition, String> {
        if self.text.len() > EXPRESSION_SIZE_MAX {
            return Err(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                self.text.len()
            ));
        }
        if self.tokens.is_empty() {
            return Err("The expression can not be empty;".into());
        }
        loop {
            self.operand_side()?;
            if !self.operator_side()? {
                break;
            }
        }
        if let Some(message) = self.meaning {
            return Err(message);
        }
        if self.steps.len() > OPERATORS_MAX {
            return Err(format!(
                "The expression contains too many operators; operator count: {}",
                self.steps.len()
            ));
        }
        Ok(Condition::new(self.steps).expect("the parser balances steps and bounds their number"))
    }

    /// Everything up to and including the next predicate: opening parentheses and NOTs.
    fn operand_side(&mut self) -> Result<(), String> {
        loop {
            if self.accept_sign("(") {
                self.pending.push(Pending::Parenthesis);
            } else if self.accept_keyword("NOT") {
                self.pending.push(Pending::Not);
            } else {
                return self.predicate();
            }
        }
    }

    /// What follows a predicate: closing parentheses, then AND, OR (true) or the end (false).
    fn operator_side(&mut self) -> Result<bool, String> {
        loop {
            if self.next == self.tokens.len() {
                self.reduce(Pending::Or);
                return if self.pending.is_empty() { Ok(false) } else { Err(self.syntax_error()) };
            }
            let operator = if self.accept_keyword("AND") {
                Pending::And
            } else if self.accept_keyword("OR") {
                Pending::Or
            } else if self.accept_sign(")") {
                self.reduce(Pending::Or);
                if self.pending.pop().is_none() {
                    self.next -= 1;
                    return Err(self.syntax_error());
                }
                continue;
            } else {
                return Err(self.syntax_error());
            };
            self.reduce(operator);
            self.pending.push(operator);
            return Ok(true);
        }
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
        let is_call = self.peek(0).is_some_and(|token| token.kind == TokenKind::Word)
            && self.peek(1).is_some_and(|token| token.text == "(");
        let predicate = if is_call { self.function()? } else { self.comparison()? };
        // An expression with an error of meaning has no steps that anybody will run, but its
        // shape must stay whole until the end of the text.
        let predicate = predicate.unwrap_or(Predicate::Exists(Path::attribute("")));
        self.steps.push(Step::Test(predicate));
        Ok(())
    }

    /// `name ( operand, .. )`
    fn function(&mut self) -> Result<Option<Predicate>, String> {
        let name = self.tokens[self.next].text;
        self.next += 2;
        let mut operands = Vec::new();
        loop {
            operands.push(self.operand()?);
            if self.accept_sign(")") {
                break;
            }
            if !self.accept_sign(",") {
                return Err(self.syntax_error());
            }
        }
        let build = match name {
            "attribute_exists" => Predicate::Exists,
            "attribute_not_exists" => Predicate::NotExists,
            "attribute_type" | "begins_with" | "contains" | "size" => {
                self.mean(format!("The function {name} is not supported yet"));
                return Ok(None);
            }
            _ => {
                self.mean(format!("Invalid function name; function: {name}"));
                return Ok(None);
            }
        };
        if operands.len() != 1 {
            self.mean(format!(
                "Incorrect number of operands for operator or function; operator or function: \
                 {name}, number of operands: {}",
                operands.len()
            ));
            return Ok(None);
        }
        Ok(match operands.pop().flatten() {
            Some(Operand::Path(path)) => Some(build(path)),
            Some(Operand::Value(_)) => {
                self.mean(format!(
                    "Operator or function requires a document path; operator or function: {name}"
                ));
                None
            }
            None => None,
        })
    }

    /// `operand comparator operand`
    fn comparison(&mut self) -> Result<Option<Predicate>, String> {
        let left = self.operand()?;
        let comparator = match self.peek(0).map(|token| token.text) {
            Some("=") => Comparator::Equal,
            Some("<>") => Comparator::NotEqual,
            Some("<") => Comparator::Less,
            Some("<=") => Comparator::LessOrEqual,
            Some(">") => Comparator::Greater,
            Some(">=") => Comparator::GreaterOrEqual,
            Some(word) if is_keyword(word, "BETWEEN") || is_keyword(word, "IN") => {
                return Err(format!("The operator {} is not supported yet", word.to_uppercase()));
            }
            _ => return Err(self.syntax_error()),
        };
        self.next += 1;
        let right = self.operand()?;
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        self.check_comparable(comparator, &[&left, &right]);
        if left == right && matches!(left, Operand::Path(_)) {
            let Operand::Path(path) = &left else { return Ok(None) };
            self.mean(format!(
                "The first operand must be distinct from the remaining operands for this operator \
                 or function; operator: {}, first operand: {}",
                comparator.sign(),
                display(path)
            ));
        }
        Ok(Some(Predicate::Compare { left, comparator, right }))
    }

    /// A value of a type without order cannot stand beside `<`.
    fn check_comparable(&mut self, comparator: Comparator, operands: &[&Operand]) {
        if matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            return;
        }
        for operand in operands {
            if let Operand::Value(value) = operand
                && !matches!(
                    value,
                    AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_)
                )
            {
                self.mean(format!(
                    "Incorrect operand type for operator or function; operator or function: {}, \
                     operand type: {}",
                    comparator.sign(),
                    value.type_name()
                ));
            }
        }
    }

    /// A path or a value; `None` if its placeholder is not defined.
    fn operand(&mut self) -> Result<Option<Operand>, String> {
        let Some(token) = self.peek(0) else { return Err(self.syntax_error()) };
        if token.kind != TokenKind::ValuePlaceholder {
            return Ok(self.path()?.map(Operand::Path));
        }
        self.next += 1;
        let value = self.placeholders.value(token.text).cloned();
        if value.is_none() {
            self.mean(format!(
                "An expression attribute value used in expression is not defined; attribute \
                 value: {}",
                token.text
            ));
        }
        Ok(value.map(Operand::Value))
    }

    fn path(&mut self) -> Result<Option<Path>, String> {
        let mut path = self.name()?.map(|root| Path { root, elements: Vec::new() });
        loop {
            let element = if self.accept_sign(".") {
                self.name()?.map(PathElement::Name)
            } else if self.accept_sign("[") {
                let index = self.index()?;
                if !self.accept_sign("]") {
                    return Err(self.syntax_error());
                }
                index.map(PathElement::Index)
            } else {
                return Ok(path);
            };
            path = path.zip(element).map(|(mut path, element)| {
                path.elements.push(element);
                path
            });
        }
    }

    fn name(&mut self) -> Result<Option<String>, String> {
        let Some(token) = self.peek(0) else { return Err(self.syntax_error()) };
        match token.kind {
            TokenKind::Word if !KEYWORDS.iter().any(|word| is_keyword(token.text, word)) => {
                self.next += 1;
                Ok(Some(token.text.to_owned()))
            }
            TokenKind::NamePlaceholder => {
                self.next += 1;
                let name = self.placeholders.name(token.text).map(str::to_owned);
                if name.is_none() {
                    self.mean(format!(
                        "An expression attribute name used in the document path is not defined; \
                         attribute name: {}",
                        token.text
                    ));
                }
                Ok(name)
            }
            TokenKind::Word
            | TokenKind::ValuePlaceholder
            | TokenKind::Digits
            | TokenKind::Sign
            | TokenKind::Unknown => Err(self.syntax_error()),
        }
    }

    fn index(&mut self) -> Result<Option<u32>, String> {
        let Some(token) = self.peek(0).filter(|token| token.kind == TokenKind::Digits) else {
            return Err(self.syntax_error());
        };
        self.next += 1;
        let index = token.text.parse().ok();
        if index.is_none() {
            self.mean(format!(
                "List index is not within the allowable range; index: [{}]",
                token.text
            ));
        }
        Ok(index)
    }

    fn mean(&mut self, message: String) {
        self.meaning.get_or_insert(message);
    }

    fn peek(&self, ahead: usize) -> Option<Token<'t>> {
        self.tokens.get(self.next + ahead).copied()
    }

    fn accept_sign(&mut self, sign: &str) -> bool {
        let found = self.peek(0).is_some_and(|token| token.text == sign);
        self.next += usize::from(found);
        found
    }

    fn accept_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek(0).is_some_and(|token| is_keyword(token.text, keyword));
        self.next += usize::from(found);
        found
    }

    /// The next word is not what it must be.
    fn syntax_error(&self) -> String {
        let token = self.peek(0).map_or("<EOF>", |token| token.text);
        let start = self.next.saturating_sub(1).min(self.tokens.len() - 1);
        let end = (self.next + 2).min(self.tokens.len());
        let near = self.tokens[start..end].iter().map(|token| token.text);
        let near = near.collect::<Vec<_>>().join(" ");
        format!("Syntax error; token: \"{token}\", near: \"{near}\"")
    }
}

const KEYWORDS: [&str; 5] = ["AND", "OR", "NOT", "BETWEEN", "IN"];

fn is_keyword(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

/// A path as the service prints it: `[a, b, [0]]`.
fn display(path: &Path) -> String {
    let mut names = vec![path.root.clone()];
    names.extend(path.elements.iter().map(|element| match element {
        PathElement::Name(name) => name.clone(),
        PathElement::Index(index) => format!("[{index}]"),
    }));
    format!("[{}]", names.join(", "))
}
