//! scratch
use ringleader_checker::{group::*, node::*, protocol::*, world::*};
use stateright::Model;
use std::collections::*;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let p = GroupProtocol {
        replicas: 3,
        terms: a[0],
        commands: a[1] as u8,
        reads: a[3] as u8,
        heartbeats: false,
        at_election: ringleader_core::group::AtElection::Wait,
        append_entries_max: 64,
        inflight_entries_max: a[6],
    };
    let w = World::new(
        p,
        Bounds {
            crashes: a[2] as u8,
            fsync: if a[4] > 0 {
                Fsync::OwnStep { pending_max: a[4] as usize }
            } else {
                Fsync::Immediate
            },
            collect: a[5] != 0,
            symmetry: a[7] != 0,
        },
    );
    let mut seen = HashSet::new();
    let mut q: VecDeque<State> = w.init_states().into();
    for s in &q {
        seen.insert(s.clone());
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut full: BTreeMap<String, usize> = BTreeMap::new();
    let mut proj = HashSet::new();
    let mut dump = 0;
    while let Some(s) = q.pop_front() {
        proj.insert(
            w.nodes_of(&s).iter().map(|n| w.protocol().describe_node(n)).collect::<Vec<_>>(),
        );
        for e in w.network_of(&s) {
            let d = w.protocol().describe_message(&e.message);
            *kinds.entry(d.split(' ').next().unwrap().to_owned()).or_default() += 1;
            *full.entry(format!("{}->{} {d}", e.from.0, e.to.0)).or_default() += 1;
        }
        if seen.len() > 100000 && dump < 5 && seen.len() % 1000 == 7 {
            dump += 1;
            for n in w.nodes_of(&s) {
                println!("{}", w.protocol().describe_node(n));
            }
            for e in w.network_of(&s) {
                println!(
                    "      {}->{} {}",
                    e.from.0,
                    e.to.0,
                    w.protocol().describe_message(&e.message)
                );
            }
        }
        let mut acts = vec![];
        w.actions(&s, &mut acts);
        for x in acts {
            if let Some(n) = w.next_state(&s, x) {
                if seen.insert(n.clone()) {
                    q.push_back(n);
                }
            }
        }
    }
    println!("{} projections {}", seen.len(), proj.len());
    for (k, v) in kinds {
        println!("{k} {:.2}", v as f64 / seen.len() as f64);
    }
    let mut f: Vec<_> = full.into_iter().collect();
    f.sort_by_key(|x| std::cmp::Reverse(x.1));
    for (k, v) in f.into_iter().filter(|x| x.0.starts_with("0->1")).take(40) {
        println!("{k} {:.3}", v as f64 / seen.len() as f64);
    }
}
