//! Error answers: which type, which status, which words. The texts are the API's own where it has
//! one; programs compare them.

use crate::value::push_item;
use ringleader_item::{PackedItem, Refusal};
use std::fmt;

/// A request that ends in an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    /// The stored item, for a failed condition that asked for it.
    item: Option<PackedItem>,
}

/// The types of error answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A parameter is wrong, alone or together with others.
    Validation,
    /// The body is not the JSON of this operation.
    Serialization,
    /// There is no such operation, or not here.
    UnknownOperation,
    /// There is no such table.
    ResourceNotFound,
    /// There is such a table already.
    ResourceInUse,
    /// The condition does not hold.
    ConditionalCheckFailed,
    /// The body is above 16 MB.
    RequestTooLarge,
    /// The outcome is unknown, or we failed.
    InternalServer,
    /// The request certainly had no effect; it may be sent again.
    ServiceUnavailable,
}

impl ErrorKind {
    /// The `__type` of the error document.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Validation => "com.amazon.coral.validate#ValidationException",
            Self::Serialization => "com.amazon.coral.service#SerializationException",
            Self::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Self::ResourceNotFound => "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            Self::ResourceInUse => "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
            Self::ConditionalCheckFailed => {
                "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
            }
            Self::RequestTooLarge => "com.amazon.coral.service#RequestEntityTooLargeException",
            Self::InternalServer => "com.amazonaws.dynamodb.v20120810#InternalServerError",
            Self::ServiceUnavailable => "com.amazon.coral.service#ServiceUnavailableException",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::RequestTooLarge => 413,
            Self::InternalServer => 500,
            Self::ServiceUnavailable => 503,
            Self::Validation
            | Self::Serialization
            | Self::UnknownOperation
            | Self::ResourceNotFound
            | Self::ResourceInUse
            | Self::ConditionalCheckFailed => 400,
        }
    }
}

impl ApiError {
    /// An error of a kind, in words.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), item: None }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Validation, message)
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Serialization, message)
    }

    /// A parameter that exists in the API and not here: refused, never ignored.
    pub(crate) fn unsupported(parameter: &str) -> Self {
        Self::validation(format!("The parameter {parameter} is not supported yet"))
    }

    /// A write that may or may not have taken effect, or may still take effect.
    #[must_use]
    pub fn outcome_unknown() -> Self {
        Self::new(ErrorKind::InternalServer, "The outcome of the request is unknown")
    }

    /// What the answer says about its type.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error document.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        // Capital M in the services' common layer, small m in DynamoDB's own answers.
        let member = match self.kind {
            ErrorKind::Serialization => "Message",
            ErrorKind::Validation
            | ErrorKind::UnknownOperation
            | ErrorKind::ResourceNotFound
            | ErrorKind::ResourceInUse
            | ErrorKind::ConditionalCheckFailed
            | ErrorKind::RequestTooLarge
            | ErrorKind::InternalServer
            | ErrorKind::ServiceUnavailable => "message",
        };
        let mut out = format!(
            r#"{{"__type":{},"{member}":{}"#,
            text(self.kind.type_name()),
            text(&self.message)
        );
        if let Some(item) = &self.item {
            out.push_str(r#","Item":"#);
            push_item(&mut out, item);
        }
        out.push('}');
        out.into_bytes()
    }
}

/// What a table refuses, in the API's words for a request that names one table.
impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TableNotFound(_) => {
                Self::new(ErrorKind::ResourceNotFound, "Requested resource not found")
            }
            Refusal::TableExists(name) => {
                Self::new(ErrorKind::ResourceInUse, format!("Table already exists: {name}"))
            }
            Refusal::ConditionFailed { old } => Self {
                item: old,
                ..Self::new(ErrorKind::ConditionalCheckFailed, "The conditional request failed")
            },
            Refusal::Key(error) => Self::validation(error.to_string()),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = self.kind.type_name().split_once('#').expect("every type has a namespace");
        write!(f, "{name}: {}", self.message)
    }
}

impl std::error::Error for ApiError {}
