//! A queue from one or several threads to one that takes everything at once.

use std::fmt;

use crate::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Items on their way to a thread that handles all that is ready as one batch. Clones are the same
/// queue.
pub struct BatchQueue<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Signalled when the queue stops being empty, and when it closes.
    ready: Condvar,
    /// Most items that may wait.
    capacity: usize,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
}

/// Why an item was not accepted; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError<T> {
    /// As many items wait as may wait.
    Full(T),
    /// The queue was closed.
    Closed(T),
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the queue is full"),
            Self::Closed(_) => f.write_str("the queue is closed"),
        }
    }
}

impl<T: fmt::Debug> std::error::Error for PushError<T> {}

impl<T> Clone for BatchQueue<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for BatchQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchQueue")
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}

impl<T> BatchQueue<T> {
    /// An empty queue in which at most `capacity` items wait.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let state = Mutex::new(State { items: Vec::new(), closed: false });
        Self { shared: Arc::new(Shared { state, ready: Condvar::new(), capacity }) }
    }

    /// Adds an item. Never waits.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn push(&self, item: T) -> Result<(), PushError<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(PushError::Closed(item));
        }
        if state.items.len() >= self.shared.capacity {
            return Err(PushError::Full(item));
        }
        state.items.push(item);
        let first = state.items.len() == 1;
        drop(state);
        if first {
            // With items in it already, whoever waits was signalled for the first of them.
            self.shared.ready.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something, and moves all of it behind what `batch` holds. False when
    /// the queue is closed and empty. One thread takes.
    ///
    /// # Panics
    /// When another thread panicked while it held the lock; nothing under it can.
    pub fn take(&self, batch: &mut Vec<T>) -> bool {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return false;
            }
            state = self.shared.ready.wait(state).expect("no holder of this lock panics");
        }
        move_all(&mut state.items, batch);
        true
    }

    /// Moves whatever is there behind what `batch` holds, without waiting.
    pub fn try_take(&self, batch: &mut Vec<T>) {
        move_all(&mut self.lock().items, batch);
    }

    /// Refuses further items and wakes the taker, which first gets what was accepted.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.shared.state.lock().expect("no holder of this lock panics")
    }
}

/// Swaps where it can, so that both sides keep an allocated vector.
pub(crate) fn move_all<T>(from: &mut Vec<T>, into: &mut Vec<T>) {
    if into.is_empty() {
        std::mem::swap(from, into);
    } else {
        into.append(from);
    }
}
