//! Keeps the rules of this workspace that no compiler checks: who may import whom, what a source
//! file must have and must not say, which links, commands and tables must be true.
//!
//! Needs nothing but the checkout. Each rule is a function from what it looks at to a list of
//! complaints; it is tried twice, on the checkout and, so that we know it can fail, on a bad
//! example.

mod checkout;
mod commands;
mod documents;
mod imports;
mod mutants;
mod packages;
mod source;
mod words;

/// Fails with everything there is to complain about, not with the first of it.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Fails unless there is exactly one complaint and it says `about`.
fn assert_one(complaints: &[String], about: &str) {
    assert_eq!(complaints.len(), 1, "expected one complaint about {about:?}: {complaints:#?}");
    assert!(complaints[0].contains(about), "expected {about:?} in {:?}", complaints[0]);
}
