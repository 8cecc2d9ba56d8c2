//! The same promises on real threads, and the limits.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ringleader_handoff::{BatchQueue, PushError, mailbox};

#[test]
fn what_arrived_while_the_taker_was_busy_is_one_batch() {
    let queue = BatchQueue::new(10);
    for item in 0..5 {
        queue.push(item).unwrap();
    }
    let mut batch = Vec::new();
    assert!(queue.take(&mut batch));
    assert_eq!(batch, [0, 1, 2, 3, 4]);
}

#[test]
fn a_full_queue_gives_the_item_back_and_goes_on_after_a_take() {
    let queue = BatchQueue::new(2);
    queue.push('a').unwrap();
    queue.push('b').unwrap();
    assert_eq!(queue.push('c'), Err(PushError::Full('c')));
    let mut batch = vec!['_'];
    queue.try_take(&mut batch);
    assert_eq!(batch, ['_', 'a', 'b'], "behind what the batch held");
    queue.push('c').unwrap();
}

#[test]
fn a_closed_queue_hands_out_the_rest_and_then_ends() {
    let queue = BatchQueue::new(2);
    queue.push(1).unwrap();
    queue.close();
    assert_eq!(queue.push(2), Err(PushError::Closed(2)));
    let mut batch = Vec::new();
    assert!(queue.take(&mut batch));
    assert!(!queue.take(&mut batch));
    assert_eq!(batch, [1]);
}

#[test]
fn many_threads_lose_nothing() {
    const PUSHERS: usize = 4;
    const ITEMS: usize = 10_000;
    let queue = BatchQueue::new(usize::MAX);
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let queue = queue.clone();
            thread::spawn(move || {
                for item in 0..ITEMS {
                    queue.push((pusher, item)).unwrap();
                }
            })
        })
        .collect();
    let mut taken = Vec::new();
    while taken.len() < PUSHERS * ITEMS {
        assert!(queue.take(&mut taken));
    }
    for pusher in pushers {
        pusher.join().unwrap();
    }
    for pusher in 0..PUSHERS {
        let items = taken.iter().filter(|(of, _)| *of == pusher).map(|(_, item)| *item);
        assert!(items.eq(0..ITEMS), "the items of thread {pusher} in their order");
    }
}

#[test]
fn a_mailbox_wakes_once_per_drained_batch_and_reports_a_dead_poster() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let (poster, mailbox) = mailbox({
        let wakes = Arc::clone(&wakes);
        move || {
            wakes.fetch_add(1, Ordering::Relaxed);
        }
    });
    poster.post(1);
    poster.post(2);
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "the second post finds it non-empty");
    let mut items = Vec::new();
    assert!(mailbox.drain(&mut items));
    poster.post(3);
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
    thread::spawn(move || {
        let _poster = poster;
        panic!("a log thread dies (this panic is the test's subject)");
    })
    .join()
    .unwrap_err();
    assert!(!mailbox.drain(&mut items), "nothing will come any more");
    assert_eq!(items, [1, 2, 3]);
    assert_eq!(wakes.load(Ordering::Relaxed), 3, "and the reader was told to look");
}
