//! Why evaluating a command or a read ends early.

use crate::TableError;
use ringleader_item::Refusal;

/// A refusal, which is an answer, or a failure of the engine, which ends the replica.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    Refused(Refusal),
    Failed(TableError<E>),
}

impl<E> From<Refusal> for Stop<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E> From<TableError<E>> for Stop<E> {
    fn from(error: TableError<E>) -> Self {
        Self::Failed(error)
    }
}

impl<E> Stop<E> {
    /// The refusal as a value, the failure as an error.
    pub(crate) fn refusal(self) -> Result<Refusal, TableError<E>> {
        match self {
            Self::Refused(refusal) => Ok(refusal),
            Self::Failed(error) => Err(error),
        }
    }
}
