//! scratch
fn main() {
    use ringleader_checker::{catalog, search::*};
    let names: Vec<String> = std::env::args().skip(1).collect();
    for e in catalog::quick() {
        if !names.is_empty() && !names.contains(&e.name.to_owned()) {
            continue;
        }
        let r = e.check(None, Options::default(), &mut |p| eprintln!("{} {}", p.states, p.depth));
        println!(
            "{} states {} transitions {} depth {} {:?}",
            e.name, r.states, r.transitions, r.depth, r.elapsed
        );
        println!("  {:?}", r.coverage);
        match r.verdict {
            Verdict::Violated { property, trace } => {
                println!("{property}\n{}", ringleader_trace::diagram::text(&trace));
            }
            v => println!("  {v:?}"),
        }
    }
}
