//! Error answers: which type, which status, which words. The texts are the API's own where it has
//! one; programs compare them.

use crate::value::{push_item, push_list, push_text};
use ringleader_item::{CancellationReason, PackedItem, Refusal, TableChangeError};
use std::fmt;

/// A request that ends in an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    detail: Detail,
}

/// What an error document tells beside type and words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Detail {
    Nothing,
    /// The stored item, for a failed condition that asked for it.
    Item(PackedItem),
    /// Why a transaction was cancelled, for each of its parts.
    Reasons(Vec<CancellationReason>),
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
    /// Too many tables, indexes or changes at once.
    LimitExceeded,
    /// The items of one partition key are too large together.
    ItemCollectionSizeLimitExceeded,
    /// A part of the transaction failed; nothing was done.
    TransactionCanceled,
    /// A transaction works on the item.
    TransactionConflict,
    /// A transaction with the same token is not finished.
    TransactionInProgress,
    /// A transaction with the same token asked for something else.
    IdempotentParameterMismatch,
    /// More than the table's throughput.
    ProvisionedThroughputExceeded,
    /// More than the server can take.
    Throttling,
    /// The request is not signed.
    MissingAuthenticationToken,
    /// The signature lacks a part.
    IncompleteSignature,
    /// Nobody has this access key.
    UnrecognizedClient,
    /// The signature is wrong, or too old, or of a time to come.
    InvalidSignature,
    /// Whoever signed may not do this.
    AccessDenied,
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
            Self::LimitExceeded => "com.amazonaws.dynamodb.v20120810#LimitExceededException",
            Self::ItemCollectionSizeLimitExceeded => {
                "com.amazonaws.dynamodb.v20120810#ItemCollectionSizeLimitExceededException"
            }
            Self::TransactionCanceled => {
                "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
            }
            Self::TransactionConflict => {
                "com.amazonaws.dynamodb.v20120810#TransactionConflictException"
            }
            Self::TransactionInProgress => {
                "com.amazonaws.dynamodb.v20120810#TransactionInProgressException"
            }
            Self::IdempotentParameterMismatch => {
                "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
            }
            Self::ProvisionedThroughputExceeded => {
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
            }
            Self::Throttling => "com.amazon.coral.availability#ThrottlingException",
            Self::MissingAuthenticationToken => {
                "com.amazon.coral.service#MissingAuthenticationTokenException"
            }
            Self::IncompleteSignature => "com.amazon.coral.service#IncompleteSignatureException",
            Self::UnrecognizedClient => "com.amazon.coral.service#UnrecognizedClientException",
            Self::InvalidSignature => "com.amazon.coral.service#InvalidSignatureException",
            Self::AccessDenied => "com.amazon.coral.service#AccessDeniedException",
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
            | Self::ConditionalCheckFailed
            | Self::LimitExceeded
            | Self::ItemCollectionSizeLimitExceeded
            | Self::TransactionCanceled
            | Self::TransactionConflict
            | Self::TransactionInProgress
            | Self::IdempotentParameterMismatch
            | Self::ProvisionedThroughputExceeded
            | Self::Throttling
            | Self::MissingAuthenticationToken
            | Self::IncompleteSignature
            | Self::UnrecognizedClient
            | Self::InvalidSignature
            | Self::AccessDenied => 400,
        }
    }
}

impl ApiError {
    /// An error of a kind, in words.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: Detail::Nothing }
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

    /// An operation or a combination that exists in the API and not here: refused, never ignored.
    #[must_use]
    pub fn not_supported(what: &str) -> Self {
        Self::validation(format!("{what} is not supported yet"))
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
        let mut out = String::from(r#"{"__type":"#);
        push_text(&mut out, self.kind.type_name());
        if let Detail::Reasons(reasons) = &self.detail {
            out.push_str(r#","CancellationReasons":"#);
            push_list(&mut out, reasons, push_reason);
        }
        // Capital M in the services' common layer, small m in DynamoDB's own answers.
        let capital =
            matches!(self.kind, ErrorKind::Serialization | ErrorKind::TransactionCanceled);
        out.push_str(if capital { r#","Message":"# } else { r#","message":"# });
        push_text(&mut out, &self.message);
        if let Detail::Item(item) = &self.detail {
            out.push_str(r#","Item":"#);
            push_item(&mut out, item);
        }
        out.push('}');
        out.into_bytes()
    }
}

const CONDITION_FAILED: &str = "The conditional request failed";

fn push_reason(out: &mut String, reason: &CancellationReason) {
    out.push_str(r#"{"Code":"#);
    push_text(out, reason.code());
    let message = match reason {
        CancellationReason::None => None,
        CancellationReason::ConditionalCheckFailed { .. } => Some(CONDITION_FAILED),
        CancellationReason::ItemCollectionSizeLimitExceeded => Some("Collection size exceeded."),
        CancellationReason::TransactionConflict => Some("Transaction is ongoing for the item."),
        CancellationReason::ValidationError(message) => Some(message.as_str()),
    };
    if let Some(message) = message {
        out.push_str(r#","Message":"#);
        push_text(out, message);
    }
    if let CancellationReason::ConditionalCheckFailed { item: Some(item) } = reason {
        out.push_str(r#","Item":"#);
        push_item(out, item);
    }
    out.push('}');
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
                detail: old.map_or(Detail::Nothing, Detail::Item),
                ..Self::new(ErrorKind::ConditionalCheckFailed, CONDITION_FAILED)
            },
            Refusal::Key(error) => Self::validation(error.to_string()),
            Refusal::Update(error) => Self::validation(error.to_string()),
            Refusal::Read(error) => Self::validation(error.to_string()),
            Refusal::Change(error) => {
                let kind = if matches!(error, TableChangeError::IndexNotFound(_)) {
                    ErrorKind::ResourceNotFound
                } else if matches!(
                    error,
                    TableChangeError::TooManyIndexes | TableChangeError::OneIndexAtATime
                ) {
                    ErrorKind::LimitExceeded
                } else {
                    ErrorKind::Validation
                };
                Self::new(kind, error.to_string())
            }
            Refusal::TableBusy(name) => Self::new(
                ErrorKind::ResourceInUse,
                format!("Attempt to change a resource which is still in use: Table: {name}"),
            ),
            Refusal::DeletionProtected(_) => Self::validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable \
                 deletion protection first.",
            ),
            Refusal::TransactionCancelled(reasons) => Self::cancelled(reasons),
            Refusal::TransactionInProgress => Self::new(
                ErrorKind::TransactionInProgress,
                "The transaction with the given request token is already in progress.",
            ),
            Refusal::TokenReused => Self::new(
                ErrorKind::IdempotentParameterMismatch,
                "The request uses the same client token as a previous, but non-identical request.",
            ),
            Refusal::ItemCollectionTooLarge => {
                Self::new(ErrorKind::ItemCollectionSizeLimitExceeded, "Collection size exceeded.")
            }
            Refusal::NotSupported(what) => Self::not_supported(&what),
            Refusal::DuplicateKeys => {
                Self::validation("Provided list of item keys contains duplicates")
            }
            Refusal::DuplicateParts => Self::validation(
                "Transaction request cannot include multiple operations on one item",
            ),
            Refusal::TransactionTooLarge => {
                Self::validation("Transaction size has exceeded the maximum allowed size")
            }
        }
    }
}

impl ApiError {
    fn cancelled(reasons: Vec<CancellationReason>) -> Self {
        let codes: Vec<_> = reasons.iter().map(CancellationReason::code).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let detail = Detail::Reasons(reasons);
        Self { detail, ..Self::new(ErrorKind::TransactionCanceled, message) }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = self.kind.type_name().split_once('#').expect("every type has a namespace");
        write!(f, "{name}: {}", self.message)
    }
}

impl std::error::Error for ApiError {}
