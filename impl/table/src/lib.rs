//! The replicated state machine of a partition: applies committed commands to an engine.
