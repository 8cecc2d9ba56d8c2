//! Free ports that stay free while a node is down.
//!
//! A port of the ephemeral range may become the *source* port of any connection on this machine
//! while its node is dead, and then the node cannot come back; worse, a client that dials it can
//! be connected to itself. So ports are taken from below that range.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::generator::Random;

/// Ports tried are `FIRST..FIRST + COUNT`; the ephemeral range begins at 32768 on Linux, at 49152
/// elsewhere.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
const _: () = assert!(FIRST + COUNT < 32_768);

/// This many different free addresses on the loopback interface.
pub(super) fn free(count: usize) -> Result<Vec<SocketAddr>> {
    // Two runs that start at the same time must not try the same ports in the same order.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = u64::from(now.subsec_nanos()) << 32 | u64::from(std::process::id());
    let mut random = Random::new(seed);
    // Held until all are found, so that no port is found twice.
    let mut held: Vec<TcpListener> = Vec::new();
    for _ in 0..COUNT {
        if held.len() == count {
            break;
        }
        let offset = u16::try_from(random.below(u64::from(COUNT))).expect("below a u16");
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + offset)));
    }
    if held.len() < count {
        bail!("only {} of {count} ports are free in {FIRST}..{}", held.len(), FIRST + COUNT);
    }
    Ok(held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_distinct_and_below_the_ephemeral_range() {
        let addresses = super::free(20).unwrap();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 20);
        assert!(addresses.iter().all(|address| address.port() < 32_768));
    }
}
