//! The ringleader binary: configuration and wiring.
