//! Mutexes under keys: who acquired it holds it, and only the holder releases it. Every mutex
//! starts free.

use crate::model::{Model, Nature};
use crate::token::Token;

/// Mutexes; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex;

/// One operation on one mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MutexAction {
    /// The mutex.
    pub key: Token,
    /// The client.
    pub process: u64,
    /// What was asked, and seen.
    pub call: MutexCall,
}

/// What was asked of a mutex, and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexCall {
    /// The client got it.
    Acquire,
    /// The client did not get it: it was held.
    Refused,
    /// The client gave it back.
    Release,
}

impl Model for Mutex {
    type Action = MutexAction;
    /// The holder.
    type State = Option<u64>;
    type Key = Token;

    fn key(&self, action: &MutexAction) -> Token {
        action.key
    }

    fn initial(&self) -> Option<u64> {
        None
    }

    fn step(&self, holder: &Option<u64>, action: &MutexAction) -> Option<Option<u64>> {
        match action.call {
            MutexCall::Acquire => holder.is_none().then_some(Some(action.process)),
            MutexCall::Refused => holder.is_some().then_some(*holder),
            MutexCall::Release => (*holder == Some(action.process)).then_some(None),
        }
    }

    fn nature(&self, action: &MutexAction) -> Nature {
        match action.call {
            MutexCall::Acquire | MutexCall::Release => Nature::Partial,
            MutexCall::Refused => Nature::Pure,
        }
    }
}
