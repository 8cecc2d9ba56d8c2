//! A mailbox from a thread back to a task that is woken, not blocked.

use std::fmt;

use crate::queue::move_all;
use crate::sync::{Arc, Mutex, MutexGuard};

/// Makes a mailbox. `wake` is called after an item made it non-empty and after the poster is gone; it
/// must wake the reader even when that is just about to sleep (an eventfd, or a notify that keeps a
/// permit), must not block, and must not call back into the mailbox.
pub fn mailbox<T>(wake: impl Fn() + Send + Sync + 'static) -> (Poster<T>, Mailbox<T>) {
    let state = Mutex::new(State { items: Vec::new(), closed: false });
    let shared = Arc::new(Shared { state, wake: Box::new(wake) });
    (Poster { shared: Arc::clone(&shared) }, Mailbox { shared })
}

/// The posting end. Dropping it, also by a panic of its thread, closes the mailbox.
pub struct Poster<T> {
    shared: Arc<Shared<T>>,
}

/// The reading end.
pub struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
}

impl<T> fmt::Debug for Poster<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl<T> Poster<T> {
    /// Leaves an item. The mailbox holds at most what its poster was asked for: one completion per
    /// batch, so it needs no limit of its own.
    pub fn post(&self, item: T) {
        let mut state = self.shared.lock();
        state.items.push(item);
        let first = state.items.len() == 1;
        drop(state);
        if first {
            // With items in it already, the reader was woken for the first of them.
            (self.shared.wake)();
        }
    }
}

impl<T> Drop for Poster<T> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        (self.shared.wake)();
    }
}

impl<T> Mailbox<T> {
    /// Moves whatever is there behind what `items` holds. False when the poster is gone: nothing will
    /// come after this.
    pub fn drain(&self, items: &mut Vec<T>) -> bool {
        let mut state = self.shared.lock();
        move_all(&mut state.items, items);
        !state.closed
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no holder of this lock panics")
    }
}
