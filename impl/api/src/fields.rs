//! Typed access to the members of a request. A wrong JSON type is a `SerializationException` in
//! the words of the service; `null` is the same as absent; of a repeated member the last counts.

use crate::ApiError;
use crate::constraint::Violations;
use crate::json::Json;
use crate::shape;
use std::borrow::Cow;

/// Names and what stands under them.
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// The members of a JSON object, taken out one by one.
pub(crate) struct Fields<'a> {
    members: Members<'a>,
    violations: Violations,
}

impl<'a> Fields<'a> {
    /// The members of a structure of the given type.
    pub(crate) fn of(json: Json<'a>, type_name: &str) -> Result<Self, ApiError> {
        match json {
            Json::Object(members) => Ok(Self { members, violations: Violations::default() }),
            Json::List(_) => Err(unrecognized_collection(&format!(
                "class com.amazonaws.dynamodb.v20120810.{type_name}"
            ))),
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
                Err(ApiError::serialization("Unexpected value type in payload"))
            }
        }
    }

    /// The members of an operation's input, and which constraints they violate.
    pub(crate) fn of_input(operation: &str, json: Json<'a>) -> Result<Self, ApiError> {
        let violations = Violations::of(shape::input(operation), &json);
        let fields = Self::of(json, &format!("{operation}Input"))?;
        Ok(Self { violations, ..fields })
    }

    /// Refuses a request that violates constraints; called once everything of interest was taken,
    /// since a wrong JSON type comes before every violation.
    pub(crate) fn check_constraints(&mut self) -> Result<(), ApiError> {
        self.violations.check()
    }

    /// Takes a member that is there and not `null`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.members.iter().rposition(|(member, _)| member == name)?;
        let value = std::mem::replace(&mut self.members[at].1, Json::Null);
        (value != Json::Null).then_some(value)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, ApiError> {
        self.take(name).map(text).transpose()
    }

    /// A text that outlives the request's bytes.
    pub(crate) fn owned(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.text(name)?.map(Cow::into_owned))
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.take(name).as_ref().map(boolean).transpose()
    }

    pub(crate) fn long(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        self.take(name).as_ref().map(long).transpose()
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(json) = self.take(name) else { return Ok(None) };
        if let Json::Integer(value) = json {
            Ok(Some(value))
        } else {
            Err(scalar_mismatch(&json, "Integer"))
        }
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(elements) = self.list(name)? else { return Ok(None) };
        let texts = elements.into_iter().map(|json| text(json).map(Cow::into_owned));
        texts.collect::<Result<_, _>>().map(Some)
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Json<'a>>>, ApiError> {
        self.take(name).map(|json| list(json, "java.util.List")).transpose()
    }

    pub(crate) fn map(
        &mut self,
        name: &str,
        value_type: &str,
    ) -> Result<Option<Members<'a>>, ApiError> {
        self.take(name).map(|json| map(json, value_type)).transpose()
    }

    pub(crate) fn structure(
        &mut self,
        name: &str,
        type_name: &str,
    ) -> Result<Option<Fields<'a>>, ApiError> {
        self.take(name).map(|json| Fields::of(json, type_name)).transpose()
    }
}

fn unrecognized_collection(type_name: &str) -> ApiError {
    ApiError::serialization(format!("Unrecognized collection type {type_name}"))
}

fn structure_not_expected() -> ApiError {
    ApiError::serialization("Start of structure or map found where not expected")
}

fn scalar_mismatch(json: &Json<'_>, type_name: &str) -> ApiError {
    match json {
        Json::List(_) => unrecognized_collection(&format!("class java.lang.{type_name}")),
        Json::Object(_) => structure_not_expected(),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
            let found = json.token_name();
            ApiError::serialization(format!("{found} cannot be converted to {type_name}"))
        }
    }
}

pub(crate) fn text(json: Json<'_>) -> Result<Cow<'_, str>, ApiError> {
    if let Json::Text(text) = json { Ok(text) } else { Err(scalar_mismatch(&json, "String")) }
}

pub(crate) fn boolean(json: &Json<'_>) -> Result<bool, ApiError> {
    match json {
        Json::Bool(value) => Ok(*value),
        Json::Text(_) => Err(ApiError::serialization("Unexpected token received from parser")),
        Json::Null | Json::Integer(_) | Json::Decimal(_) | Json::List(_) | Json::Object(_) => {
            Err(scalar_mismatch(json, "Boolean"))
        }
    }
}

fn long(json: &Json<'_>) -> Result<i64, ApiError> {
    if let Json::Integer(value) = json { Ok(*value) } else { Err(scalar_mismatch(json, "Long")) }
}

pub(crate) fn list<'a>(json: Json<'a>, type_name: &str) -> Result<Vec<Json<'a>>, ApiError> {
    match json {
        Json::List(elements) => Ok(elements),
        Json::Object(_) => Err(structure_not_expected()),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
            Err(ApiError::serialization(format!("Unexpected field type, expected {type_name}")))
        }
    }
}

pub(crate) fn map<'a>(json: Json<'a>, value_type: &str) -> Result<Members<'a>, ApiError> {
    match json {
        Json::Object(members) => Ok(members),
        Json::List(_) => {
            Err(unrecognized_collection(&format!("java.util.Map<java.lang.String, {value_type}>")))
        }
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
            Err(ApiError::serialization("Unexpected field type"))
        }
    }
}
