//! What the searches say they hold is what the allocator gave them: `--max-memory` rests on it.

#![allow(unsafe_code, reason = "an allocator that counts is one, and it only passes calls on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use generator::{Mix, Shape, generate};
use lincheck::{Budget, Cell, CellAction, Operation, check_and_count};

#[path = "generator/mod.rs"]
mod generator;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came; the counts touch no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let held = HELD.fetch_add(size, Ordering::Relaxed) + size - layout.size();
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Bytes for each operation that nobody counts: its copy, narrowed, its place in the order, the list of its
/// key, and what sorts them.
const UNCOUNTED: usize = 300;

#[test]
fn what_is_counted_is_what_is_held() {
    let tells = Mix::Registers { swaps_percent: 10, tells: true };
    let distinct = Shape { values: None, mix: tells, ..Shape::ambiguous(50_000, 50, 300) };
    for (name, shape, at_least) in [
        ("scarce unknown writes", Shape::ambiguous(20_000, 20, 10), 8 << 20),
        ("many configurations", Shape::ambiguous(10_000, 40, 20), 8 << 20),
        ("zones", distinct, 1 << 20),
    ] {
        let history: Vec<Operation<CellAction>> = generate(&shape, 7);
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let (_, cost) = check_and_count(&history, &Cell, &Budget::steps(3_000_000));
        let held = PEAK.load(Ordering::Relaxed) - before;
        let counted = usize::try_from(cost.peak_bytes).expect("a machine holds less");
        assert!(counted >= at_least, "{name}: {counted} bytes are too few to see anything");
        let least = held.saturating_sub(UNCOUNTED * shape.operations);
        let told = format!("{name}: {counted} bytes are counted, {held} were held");
        assert!((least..=held).contains(&counted), "{told}");
    }
}
