//! Serializes core messages and log records; frames; limits.
