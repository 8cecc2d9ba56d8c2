//! Who may import whom. The table is a design decision: an edge that is missing here is missing
//! on purpose, and adding one takes a page in `docs/decisions`.

use crate::packages::{Graph, metadata, package};
use crate::{assert_none, assert_one};
use cargo_metadata::{DependencyKind, Metadata};
use std::collections::BTreeSet;

/// A package, and what it may import from the workspace.
struct Rule {
    package: &'static str,
    imports: &'static [&'static str],
    /// What it must not reach, not even through others.
    never: &'static [&'static str],
}

const CORE: &str = "ringleader-core";
const TRACE: &str = "ringleader-trace";
const CHECKER: &str = "ringleader-checker";
const WIRE: &str = "ringleader-wire";
const STORAGE: &str = "ringleader-storage";
const ITEM: &str = "ringleader-item";
const TABLE: &str = "ringleader-table";
const REPLICA: &str = "ringleader-replica";
const SIM: &str = "ringleader-sim";
const HANDOFF: &str = "ringleader-handoff";
const NODE: &str = "ringleader-node";
const API: &str = "ringleader-api";
const CLIENT: &str = "ringleader-client";
const SERVER: &str = "ringleader";
const LINCHECK: &str = "lincheck";
const HARNESS: &str = "jepsen-harness";

const RULES: [Rule; 16] = [
    Rule { package: CORE, imports: &[], never: &["tokio", "rand", "getrandom"] },
    // An oracle that shares code with the accused proves little.
    Rule { package: LINCHECK, imports: &[], never: &["tokio"] },
    Rule { package: TRACE, imports: &[CORE], never: &["tokio"] },
    Rule { package: CHECKER, imports: &[CORE, TRACE, LINCHECK], never: &["tokio"] },
    Rule { package: WIRE, imports: &[CORE], never: &["tokio"] },
    Rule { package: STORAGE, imports: &[CORE], never: &["tokio", "bincode"] },
    Rule { package: ITEM, imports: &[CORE], never: &IO },
    Rule { package: TABLE, imports: &[CORE, STORAGE, ITEM], never: &["tokio", "bincode", API] },
    Rule { package: REPLICA, imports: &[CORE, TRACE, WIRE, STORAGE], never: &["tokio", TABLE] },
    Rule {
        package: SIM,
        imports: &[CORE, TRACE, WIRE, STORAGE, REPLICA, TABLE, ITEM, LINCHECK],
        never: &["tokio"],
    },
    Rule { package: HANDOFF, imports: &[], never: &["tokio"] },
    Rule {
        package: NODE,
        imports: &[CORE, TRACE, WIRE, STORAGE, REPLICA, HANDOFF],
        never: &[TABLE, API, "stateright"],
    },
    Rule { package: API, imports: &[CORE, ITEM], never: &IO },
    Rule { package: CLIENT, imports: &[API, ITEM, WIRE], never: &[STORAGE, NODE, SERVER] },
    Rule {
        package: SERVER,
        imports: &[CORE, TRACE, WIRE, STORAGE, ITEM, TABLE, REPLICA, HANDOFF, NODE, API, CLIENT],
        never: &[CHECKER, LINCHECK, SIM, "stateright"],
    },
    Rule {
        package: HARNESS,
        imports: &[CLIENT, LINCHECK],
        never: &[CHECKER, SERVER, NODE, REPLICA, STORAGE, TABLE, CORE],
    },
];

/// What a package brings in that reads files, opens sockets or waits.
const IO: [&str; 6] = ["tokio", "mio", "socket2", "hyper", "redb", STORAGE];

/// The only packages with an event loop: the node, who listens and who dials. The machines, their
/// interpreter, the storage and the checkers run without one.
const MAY_REACH_TOKIO: [&str; 4] = [NODE, SERVER, CLIENT, HARNESS];

fn complaints(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for package in &graph.ours {
        let Some(rule) = RULES.iter().find(|rule| rule.package == package) else {
            found.push(format!("{package} is not in the import table"));
            continue;
        };
        let direct = graph.needs.get(package).into_iter().flatten();
        for import in direct.filter(|it| graph.ours.contains(*it)) {
            if !rule.imports.contains(&import.as_str()) {
                found.push(format!("{package} must not import {import}"));
            }
        }
        let reached = graph.reached_from(package);
        let no_tokio = !MAY_REACH_TOKIO.contains(&rule.package);
        let never = rule.never.iter().chain(no_tokio.then_some(&"tokio"));
        for name in never.copied().collect::<BTreeSet<&str>>() {
            if let Some(through) = reached.get(name) {
                found
                    .push(format!("{package} must never reach {name}, but does through {through}"));
            }
        }
    }
    found
}

/// Core takes nothing but serde, if asked to. Core and lincheck take no package of the workspace
/// even for their tests.
fn complaints_about_pure_packages(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for name in [CORE, LINCHECK] {
        let package = package(metadata, name).expect("a package of this workspace");
        for dependency in &package.dependencies {
            let (kind, what) = (dependency.kind, &dependency.name);
            if dependency.path.is_some() {
                found.push(format!(
                    "{name} must not take {what} from the workspace, not even in tests"
                ));
            }
            let optional_serde =
                what == "serde" && dependency.optional && !dependency.uses_default_features;
            if name == CORE && kind != DependencyKind::Development && !optional_serde {
                found.push(format!("{name} must not depend on {what}"));
            }
        }
    }
    found
}

/// bincode is a detail of the wire format: no other package names it.
fn complaints_about_bincode(graph: &Graph) -> Vec<String> {
    let names = |it: &&String| graph.needs.get(*it).is_some_and(|needs| needs.contains("bincode"));
    let others = graph.ours.iter().filter(names).filter(|it| *it != WIRE);
    others.map(|it| format!("{it} must leave bincode to {WIRE}")).collect()
}

#[test]
fn packages_import_only_what_the_table_allows() {
    assert_none(&complaints(&Graph::of(&metadata())));
}

#[test]
fn core_and_lincheck_stand_alone() {
    assert_none(&complaints_about_pure_packages(&metadata()));
}

#[test]
fn only_wire_knows_bincode() {
    assert_none(&complaints_about_bincode(&Graph::of(&metadata())));
}

#[test]
fn a_new_edge_is_noticed() {
    assert_one(
        &complaints(&Graph::parse(
            "ringleader-wire -> ringleader-core\n ringleader-core -> ringleader-wire",
        )),
        "ringleader-core must not import ringleader-wire",
    );
    assert_one(&complaints(&Graph::parse("ringleader-new ->")), "not in the import table");
}

#[test]
fn a_forbidden_package_is_noticed_through_others() {
    let graph = "ringleader-storage -> pool
                 ringleader-replica -> ringleader-storage";
    let mut graph = Graph::parse(graph);
    graph.needs.insert("pool".to_owned(), ["tokio".to_owned()].into());
    let found = complaints(&graph);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|it| it.ends_with("must never reach tokio, but does through pool")));
}

#[test]
fn a_second_user_of_bincode_is_noticed() {
    assert_one(
        &complaints_about_bincode(&Graph::parse("ringleader-storage -> bincode")),
        "leave bincode",
    );
}

#[test]
fn every_rule_is_about_another_package() {
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.package).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
}
