//! Ranges and enumerations of single parameters. All violations of a request are told in one
//! answer: `2 validation errors detected: Value 'x' at 'returnValues' failed to satisfy ..; ..`.

use crate::ApiError;

/// The service reports so many violations and no more.
const REPORTED_MAX: usize = 10;

/// The violations found so far.
#[derive(Default)]
pub(crate) struct Constraints {
    violations: Vec<String>,
}

impl Constraints {
    fn require(&mut self, holds: bool, value: &str, at: &str, rule: impl FnOnce() -> String) {
        if !holds && self.violations.len() < REPORTED_MAX {
            let rule = rule();
            self.violations
                .push(format!("Value {value} at '{at}' failed to satisfy constraint: {rule}"));
        }
    }

    pub(crate) fn present<T>(&mut self, at: &str, value: Option<&T>) {
        self.require(value.is_some(), "null", at, || "Member must not be null".into());
    }

    pub(crate) fn one_of(&mut self, at: &str, value: Option<&str>, allowed: &[&str]) {
        let Some(value) = value else { return };
        self.require(allowed.contains(&value), &format!("'{value}'"), at, || {
            format!("Member must satisfy enum value set: [{}]", allowed.join(", "))
        });
    }

    pub(crate) fn length(&mut self, at: &str, shown: &str, length: usize, min: usize, max: usize) {
        let shown = format!("'{shown}'");
        self.require(length >= min, &shown, at, || {
            format!("Member must have length greater than or equal to {min}")
        });
        self.require(length <= max, &shown, at, || {
            format!("Member must have length less than or equal to {max}")
        });
    }

    pub(crate) fn at_least(&mut self, at: &str, value: Option<i64>, min: i64) {
        let Some(value) = value else { return };
        self.require(value >= min, &format!("'{value}'"), at, || {
            format!("Member must have value greater than or equal to {min}")
        });
    }

    /// All violations as one error.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        let all = self.violations.join("; ");
        Err(ApiError::validation(format!("{count} validation {errors} detected: {all}")))
    }
}
