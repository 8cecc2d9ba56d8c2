//! A free port for a process that is told its port.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

/// A port that is free now, below the ephemeral range: no connection takes it before the process
/// does, and tests that run side by side seldom try the same.
pub(crate) fn free() -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::process::id().wrapping_mul(7_919).wrapping_add(now.subsec_micros());
    (0..1_000)
        .map(|attempt: u32| {
            4_000 + u16::try_from((seed.wrapping_add(attempt * 31)) % 6_000).unwrap()
        })
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("one of a thousand ports is free")
}
