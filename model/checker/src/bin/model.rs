//! scratch
fn main() {
    use ringleader_checker::{group::*, node::*, protocol::*, world::*};
    use stateright::{Checker, Model};
    let a: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let p = GroupProtocol {
        replicas: 3,
        terms: a[0],
        commands: a[1] as u8,
        reads: a[3] as u8,
        heartbeats: false,
        at_election: ringleader_core::group::AtElection::Wait,
        append_entries_max: 64, inflight_entries_max: a[6] };
    let w = World::new(
        p,
        Bounds {
            crashes: a[2] as u8,
            fsync: if a[4] > 0 { Fsync::OwnStep { pending_max: a[4] as usize } } else { Fsync::Immediate }, collect: a[5] != 0, symmetry: a[7] != 0 },
    );
    let t = std::time::Instant::now();
    let c = w.checker().threads(2).spawn_bfs().join();
    println!(
        "{} unique {} total depth {} {:?} interned {:?}",
        c.unique_state_count(),
        c.state_count(),
        c.max_depth(),
        t.elapsed(),
        c.model().interned()
    );
    println!("{:?}", c.model().coverage());
    for (n, k) in c.model().property_names() {
        let d = c.discovery(n);
        if (*k == Kind::Always) == d.is_some() {
            println!("BAD {n}");
        }
        if *k == Kind::Always {
            if let Some(path) = d {
                for (s, a) in path.into_vec() {
                    for n in c.model().nodes_of(&s) {
                        println!("   {}", c.model().protocol().describe_node(n));
                    }
                    if let Some(a) = a {
                        println!("{:?}", c.model().stimulus(&s, &a));
                    }
                }
            }
        }
    }
}
