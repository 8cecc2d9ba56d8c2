//! Pure protocol state machines: inputs in, effects out.
