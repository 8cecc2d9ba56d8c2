//! What the group does, told five ways: stories as transcripts, the paper sentence by sentence,
//! laws over arbitrary inputs, the log against a dumb twin, and long random runs.

extern crate std;

mod broken;
mod laws;
mod log_twin;
mod paper;
mod promises;
mod pull;
mod random;
mod script;
mod stories;
mod world;
