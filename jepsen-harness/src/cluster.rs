//! Three nodes as three processes on this machine: started, killed, paused, cut, healed, stopped.

pub mod node;
mod ports;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ringleader_client::{Client, Outcome, Status};
use tokio::time::Instant;

use crate::proxy::{Link, Links};
use node::Node;

/// How many nodes a cluster has: one replication group of three.
pub const NODES: usize = 3;

/// How long a leader may take to appear once nothing is broken. Elections take a few timeouts of
/// 300 ms; the rest is for a loaded machine.
pub const RECOVERY_MAX: Duration = Duration::from_secs(15);

/// The program given as a node does not start as one.
#[derive(Debug)]
pub struct NotANode(PathBuf);

impl fmt::Display for NotANode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not start as a node", self.0.display())
    }
}

/// How clients reach the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Over connections of their own.
    Direct,
    /// Through links that can be broken as well.
    Links,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program of the node.
    pub server: PathBuf,
    /// Where everything that the nodes write goes.
    pub directory: PathBuf,
    /// How clients reach the nodes.
    pub access: Access,
    /// Whether nodes can be told to have a wrong clock or a bad disk.
    pub injection: Injection,
    /// How a leader makes sure of itself before a strong read.
    pub reads: Reads,
}

/// Whether nodes can be told to have faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// They are started as anybody would.
    Off,
    /// Each is started with a file that says which faults it has: at first none.
    On,
}

/// How a leader makes sure of itself before a strong read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// By its lease, which rests on the rates of clocks.
    Lease,
    /// By asking a majority each time.
    ReadIndex,
}

/// A running cluster. Dropping it kills its processes.
pub struct Cluster {
    nodes: Vec<Node>,
    links: Links,
    /// Between clients and nodes.
    client_links: Option<Links>,
    /// Servers that somebody else started; then there are no nodes of ours.
    foreign: Vec<SocketAddr>,
}

impl Cluster {
    /// Starts three nodes and waits until they agree on a leader.
    ///
    /// # Errors
    ///
    /// If the directory is not writable, a node does not start, or no leader appears.
    pub async fn start(setup: &Setup) -> Result<Self> {
        let addresses = ports::free(2 * NODES)?;
        let (apis, peers) = addresses.split_at(NODES);
        let links = Links::open(peers).await.context("cannot open a port for the links")?;
        let mut nodes = Vec::new();
        for id in 0..NODES {
            // Where this node dials the others: its own links, which only it uses.
            let dial = |to: usize| links.get(id, to).map_or(peers[to], Link::address);
            let group: Vec<SocketAddr> = (0..NODES).map(dial).collect();
            let node = Node::prepare(setup, id, apis[id], peers[id], &group)?;
            nodes.push(node);
        }
        let client_links = client_links(setup.access, apis).await?;
        let mut cluster = Self { nodes, links, client_links, foreign: Vec::new() };
        cluster.start_stopped().await.context(NotANode(setup.server.clone()))?;
        cluster.leader(RECOVERY_MAX).await?;
        Ok(cluster)
    }

    /// Servers that somebody else started. They can only be hurt on the way from the clients to them.
    ///
    /// # Errors
    ///
    /// If no port can be had for that way.
    pub async fn attach(endpoints: &[SocketAddr], access: Access) -> Result<Self> {
        let links = Links::open(&[]).await?;
        let client_links = client_links(access, endpoints).await?;
        Ok(Self { nodes: Vec::new(), links, client_links, foreign: endpoints.to_vec() })
    }

    /// Starts every node that does not run, all at once, and waits until each is ready.
    ///
    /// # Errors
    ///
    /// If one does not become ready.
    pub async fn start_stopped(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if !node.runs() {
                node.spawn()?;
            }
        }
        for node in &mut self.nodes {
            node.ready().await?;
        }
        Ok(())
    }

    /// Where clients connect, by node.
    #[must_use]
    pub fn apis(&self) -> Vec<SocketAddr> {
        let link = |id| self.client_links.as_ref().and_then(|links| links.get(id, id));
        let own = self.nodes.iter().map(Node::api);
        let all = own.chain(self.foreign.iter().copied()).enumerate();
        all.map(|(id, api)| link(id).map_or(api, Link::address)).collect()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.nodes.len() + self.foreign.len()
    }

    /// One node.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn node(&mut self, id: usize) -> &mut Node {
        &mut self.nodes[id]
    }

    /// The network between the nodes.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The network between the clients and the nodes, if it goes through links.
    #[must_use]
    pub fn client_links(&self) -> Option<&Links> {
        self.client_links.as_ref()
    }

    /// Heals every link.
    pub fn heal_links(&self) {
        self.links.heal();
        self.client_links.iter().for_each(Links::heal);
    }

    /// What every node says of itself; `None` where one does not answer.
    pub async fn statuses(&self) -> Vec<Option<Status>> {
        let mut statuses = Vec::new();
        for node in &self.nodes {
            statuses.push(node.status().await);
        }
        statuses
    }

    /// Waits until a majority agrees on a leader that says so itself, and returns it.
    ///
    /// # Errors
    ///
    /// If there is none within `patience`.
    pub async fn leader(&self, patience: Duration) -> Result<usize> {
        self.agreed(patience, NODES / 2 + 1).await
    }

    /// Waits until all nodes agree on a leader.
    ///
    /// # Errors
    ///
    /// If they do not within `patience`.
    pub async fn settled(&self, patience: Duration) -> Result<usize> {
        self.agreed(patience, NODES).await
    }

    async fn agreed(&self, patience: Duration, voices: usize) -> Result<usize> {
        if self.nodes.is_empty() {
            // Who leads foreign servers is their own affair.
            return Ok(0);
        }
        let deadline = Instant::now() + patience;
        loop {
            let statuses = self.statuses().await;
            if let Some(leader) = leader_by(&statuses, voices) {
                return Ok(leader);
            }
            if Instant::now() >= deadline {
                let ms = patience.as_millis();
                bail!("no leader on {voices} nodes within {ms} ms; {}", describe(&statuses));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Nodes that ended although nobody killed them, and how.
    pub fn deserters(&mut self) -> Vec<String> {
        self.nodes.iter_mut().filter_map(Node::deserted).collect()
    }

    /// The files in which the nodes' logs are.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(|node| node.log().to_owned()).collect()
    }

    /// Asks every node to stop and waits for it; says which did not end with exit code 0.
    ///
    /// # Errors
    ///
    /// If a node had to be killed or ended badly.
    pub async fn stop(mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.terminate()?;
        }
        for node in &mut self.nodes {
            node.ended().await?;
        }
        Ok(())
    }
}

async fn client_links(access: Access, apis: &[SocketAddr]) -> Result<Option<Links>> {
    match access {
        Access::Direct => Ok(None),
        Access::Links => {
            let links = Links::outside(apis).await;
            Ok(Some(links.context("cannot open a port for clients")?))
        }
    }
}

/// The leader of the highest term in sight, if it claims so itself and `voices` nodes, itself
/// included, name it in that same term.
fn leader_by(statuses: &[Option<Status>], voices: usize) -> Option<usize> {
    let term = statuses.iter().flatten().map(|status| status.term).max()?;
    let of_term = |status: &&Status| status.term == term;
    let leader =
        statuses.iter().flatten().filter(of_term).find(|status| status.role == "leader")?;
    let followers =
        statuses.iter().flatten().filter(of_term).filter(|one| one.leader == Some(leader.id));
    if followers.count() < voices {
        return None;
    }
    usize::try_from(leader.id).ok()
}

fn describe(statuses: &[Option<Status>]) -> String {
    let one = |(id, status): (usize, &Option<Status>)| match status {
        Some(status) => format!("node {id} is {} in term {}", status.role, status.term),
        None => format!("node {id} does not answer"),
    };
    statuses.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// Asks one node for its status, once.
pub(crate) async fn status_of(api: SocketAddr, patience: Duration) -> Option<Status> {
    match Client::new(api, patience).status().await {
        Outcome::Ok(status) => Some(status),
        Outcome::ConditionFailed { .. } | Outcome::Refused(_) | Outcome::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: u64, term: u64, role: &str, leader: Option<u64>) -> Status {
        let role = role.into();
        Status { id, term, role, leader, commit: 0, applied: 0, last: 0, faults: None }
    }

    #[test]
    fn a_leader_needs_its_own_claim_and_enough_voices() {
        let follower = Some(status(0, 3, "follower", Some(1)));
        let leader = Some(status(1, 3, "leader", Some(1)));
        let old = Some(status(2, 2, "leader", Some(2)));
        let two = [follower.clone(), leader.clone(), old];
        assert_eq!(leader_by(&two, 2), Some(1), "the old leader of term 2 has no say");
        assert_eq!(leader_by(&two, 3), None);
        let candidate = Some(status(2, 4, "candidate", None));
        let unelected = [follower, leader, candidate];
        assert_eq!(leader_by(&unelected, 2), None, "a newer term has no leader yet");
        assert_eq!(leader_by(&[None, None, None], 2), None);
    }
}
