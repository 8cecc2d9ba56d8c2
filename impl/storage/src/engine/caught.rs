//! Panics of a library as errors, for work on bytes that nobody has checked yet.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Does some work; what a panic in it says is an error, and is not printed.
///
/// # Errors
/// The first line of what a panic said.
///
/// Whatever the work has under its hands may be half done after a panic: it must not be used again.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CATCHING.get() {
                report(panic);
            }
        }));
    });
    let outer = CATCHING.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    done.map_err(|panic| said(panic.as_ref()))
}

/// The first line of what a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("it cannot be read").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_says_is_an_error_of_one_line() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| panic!("page {} is\nnot there", 7)), Err::<(), _>("page 7 is".into()));
        let nested = caught(|| caught(|| panic!("inside")).map_err(|it: String| it + " it"));
        assert_eq!(nested, Ok(Err::<(), _>("inside it".into())));
    }
}
