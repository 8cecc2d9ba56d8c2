//! What cargo knows about this workspace: packages, what they need, what they build.
//!
//! Resolved for this machine's platform only and without a network: what `cargo test --workspace`
//! had to download is enough. Who builds a single package of a fresh checkout lacks the others', and
//! only then the network is asked.

use crate::checkout;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Everything about the workspace.
pub(crate) fn metadata() -> Metadata {
    let platform = platform();
    let describe = |access: &str| {
        let options = [access, "--filter-platform", &platform].map(str::to_owned);
        let mut command = MetadataCommand::new();
        command.manifest_path(checkout::root().join("Cargo.toml")).other_options(options);
        command.exec()
    };
    describe("--frozen")
        .or_else(|_| describe("--locked"))
        .expect("Cargo.lock fits the manifests, and their packages can be had")
}

fn platform() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc speaks UTF-8");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// Who needs whom, by name, tests and benchmarks aside.
#[derive(Default)]
pub(crate) struct Graph {
    /// The packages of the workspace.
    pub(crate) ours: BTreeSet<String>,
    /// What each package needs, ours and foreign ones alike.
    pub(crate) needs: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// The graph of the checkout.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let name = |id: &PackageId| metadata[id].name.to_string();
        let ours = metadata.workspace_members.iter().map(name).collect();
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let resolved = metadata.resolve.as_ref().expect("cargo resolved the workspace");
        for node in &resolved.nodes {
            let shipped = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|it| it.kind != DependencyKind::Development)
            });
            needs.entry(name(&node.id)).or_default().extend(shipped.map(|it| name(&it.pkg)));
        }
        Self { ours, needs }
    }

    /// A graph that exists only in a test: `a -> b c` per line.
    pub(crate) fn parse(lines: &str) -> Self {
        let mut graph = Self::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (from, to) = line.split_once("->").expect("an arrow");
            let to = to.split_whitespace().map(str::to_owned).collect();
            graph.ours.insert(from.trim().to_owned());
            graph.needs.insert(from.trim().to_owned(), to);
        }
        graph
    }

    /// Everything that a package needs, however indirectly, and through whom.
    pub(crate) fn reached_from<'a>(&'a self, package: &'a str) -> BTreeMap<&'a str, &'a str> {
        let mut through: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = vec![package];
        while let Some(from) = open.pop() {
            for (to, from) in self.needs_of(from) {
                if through.insert(to, from).is_none() {
                    open.push(to);
                }
            }
        }
        through
    }

    fn needs_of<'a>(&'a self, from: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.needs.get(from).into_iter().flatten().map(move |to| (to.as_str(), from))
    }
}

/// A package of the workspace.
pub(crate) fn package<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a Package> {
    metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == name)
}
