//! How tests speak to the translation: a body in, a typed request or the words of a refusal out.

use ringleader_api::{Answer, ApiError, Place, Request, parse};
use ringleader_item::{IndexName, TableName};

pub(crate) fn request(operation: &str, body: &str) -> Result<Request, ApiError> {
    parse(&format!("DynamoDB_20120810.{operation}"), body.as_bytes())
}

/// The request that a body becomes, taken out of its variant.
macro_rules! read {
    ($operation:ident, $body:expr) => {
        match dialogue::request(stringify!($operation), $body) {
            Ok(ringleader_api::Request::$operation(request)) => request,
            other => panic!("{} gave {other:?}", $body),
        }
    };
}

pub(crate) fn refused(operation: &str, body: &str) -> String {
    match request(operation, body) {
        Ok(request) => panic!("{body} was accepted as {request:?}"),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn body(answer: &Answer) -> String {
    String::from_utf8(answer.encode(&Place::default())).unwrap()
}

pub(crate) fn name(text: &str) -> TableName {
    TableName::new(text).unwrap()
}

pub(crate) fn index(text: &str) -> IndexName {
    IndexName::new(text).unwrap()
}
pub(crate) use read;
