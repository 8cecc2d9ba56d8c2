//! Every interleaving of a few operations on two or three threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringleader-handoff --release`. A lost wake-up shows as a
//! deadlock, which loom reports.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use ringleader_handoff::{BatchQueue, PushError, mailbox};

#[test]
fn two_pushers_and_a_taker_lose_nothing_and_keep_each_order() {
    loom::model(|| {
        let queue = BatchQueue::new(8);
        let pushers: Vec<_> = [vec![10, 11], vec![20]]
            .into_iter()
            .map(|items| {
                let queue = queue.clone();
                thread::spawn(move || {
                    for item in items {
                        queue.push(item).unwrap();
                    }
                })
            })
            .collect();
        let mut taken = Vec::new();
        while taken.len() < 3 {
            assert!(queue.take(&mut taken));
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let of = |tens: i32| taken.iter().copied().filter(|item| item / 10 == tens).collect();
        let (first, second): (Vec<_>, Vec<_>) = (of(1), of(2));
        assert_eq!((first, second), (vec![10, 11], vec![20]));
    });
}

#[test]
fn a_close_wakes_the_taker_and_keeps_what_was_accepted() {
    loom::model(|| {
        let queue = BatchQueue::new(8);
        let pusher = {
            let queue = queue.clone();
            thread::spawn(move || usize::from(queue.push(1).is_ok()))
        };
        let closer = {
            let queue = queue.clone();
            thread::spawn(move || queue.close())
        };
        let mut taken = Vec::new();
        while queue.take(&mut taken) {}
        assert_eq!(taken.len(), pusher.join().unwrap(), "accepted and taken agree");
        closer.join().unwrap();
        assert_eq!(queue.push(2), Err(PushError::Closed(2)));
    });
}

/// A waker that keeps a permit: what an eventfd or tokio's `Notify` does.
struct Permit {
    given: loom::sync::Mutex<bool>,
    changed: loom::sync::Condvar,
}

impl Permit {
    fn new() -> Arc<Self> {
        let (given, changed) = (loom::sync::Mutex::new(false), loom::sync::Condvar::new());
        Arc::new(Self { given, changed })
    }

    fn give(&self) {
        *self.given.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut given = self.given.lock().unwrap();
        while !*given {
            given = self.changed.wait(given).unwrap();
        }
        *given = false;
    }
}

#[test]
fn a_reader_that_sleeps_between_drains_sees_every_post_and_the_end() {
    loom::model(|| {
        let permit = Permit::new();
        let (poster, mailbox) = mailbox({
            let permit = Arc::clone(&permit);
            move || permit.give()
        });
        let log_thread = thread::spawn(move || {
            poster.post(1);
            poster.post(2);
        });
        let mut items = Vec::new();
        while mailbox.drain(&mut items) {
            permit.wait();
        }
        assert_eq!(items, [1, 2]);
        log_thread.join().unwrap();
    });
}

#[test]
fn a_core_and_its_log_thread_complete_every_write() {
    loom::model(|| {
        let queue = BatchQueue::new(8);
        let permit = Permit::new();
        let (poster, mailbox) = mailbox({
            let permit = Arc::clone(&permit);
            move || permit.give()
        });
        let writes = Arc::new(AtomicUsize::new(0));
        let log_thread = {
            let (queue, writes) = (queue.clone(), Arc::clone(&writes));
            thread::spawn(move || {
                let mut batch = Vec::new();
                while queue.take(&mut batch) {
                    writes.fetch_add(1, Ordering::Relaxed);
                    poster.post(batch.drain(..).max());
                }
            })
        };
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        let mut done = Vec::new();
        while done.last() != Some(&Some(2)) {
            assert!(mailbox.drain(&mut done), "the log thread is alive");
            if done.last() != Some(&Some(2)) {
                permit.wait();
            }
        }
        queue.close();
        log_thread.join().unwrap();
        assert!((1..=2).contains(&writes.load(Ordering::Relaxed)), "one or two group commits");
    });
}
