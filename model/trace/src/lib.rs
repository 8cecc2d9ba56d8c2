//! Traces of machines: format, replay, sequence diagrams.
