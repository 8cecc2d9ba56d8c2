//! The effect interpreter: runs a core machine over a log and a state machine, sans I/O.
