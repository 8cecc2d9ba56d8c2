//! The faults of a plan, as they come and go.

use crate::client::request_id;
use crate::fault::FaultKind;
use crate::node::Damage;
use crate::oracle::Violation;
use crate::plan::{Fault, MS, Target};
use crate::queue::Happening;
use crate::world::{OPERATOR, Phase, World};
use ringleader_core::ids::ReplicaId;
use ringleader_replica::Event;

impl World {
    /// A fault of the plan begins, unless faults are over.
    pub(crate) fn begin_fault(&mut self, number: u32) -> Result<(), Violation> {
        if self.phase != Phase::Faults {
            return Ok(());
        }
        let fault = self.plan.faults[number as usize].fault;
        match fault {
            Fault::Cut { nodes, span } => {
                self.network.cut(nodes, true);
                self.ends_after(number, span);
                let side = (0..self.plan.nodes).filter(|node| nodes >> node & 1 == 1);
                let side: Vec<u8> = side.collect();
                self.tell(usize::from(side[0]), || format!("cut off: {side:?}"));
            }
            Fault::OneWayCut { from, to, span } => {
                self.network.cut_one_way(from, to, true);
                self.ends_after(number, span);
                self.tell(usize::from(from), || format!("is not heard by node {to}"));
            }
            Fault::Kill { node, span } => {
                if let Some(at) = self.running(node) {
                    self.counts[FaultKind::Kill] += 1;
                    self.tell(at, || "is killed".to_owned());
                    self.bring_down(at, span);
                }
            }
            Fault::PowerLoss { node, span } => {
                if let Some(at) = self.running(node) {
                    self.counts[FaultKind::PowerLoss] += 1;
                    self.cut_power(at, span);
                }
            }
            Fault::AllDown { span } => {
                self.counts[FaultKind::AllDown] += 1;
                for at in 0..self.nodes.len() {
                    let later = self.random.below(300 * MS);
                    if self.nodes[at].process.is_some() {
                        self.cut_power(at, span + later);
                    }
                }
            }
            Fault::Pause { node, span } => {
                if let Some(at) = self.running(node) {
                    self.nodes[at].paused_until = self.now + span;
                    self.ends_after(number, span);
                    self.tell(at, || "stands still".to_owned());
                }
            }
            Fault::ClockRate { node, rate } => {
                let at = usize::from(node);
                self.counts[FaultKind::ClockRate] += 1;
                self.nodes[at].set_rate(self.now, rate);
                self.arrange_wake(at);
                self.tell(at, || format!("clock at {} %", rate / 10_000));
            }
            Fault::SlowDisk { node, extra, span } => {
                if let Some(at) = self.running(node) {
                    self.nodes[at].slow = (extra, self.now + span);
                    self.tell(at, || format!("disk slower by {} ms", extra / MS));
                }
            }
            Fault::LogError { node, operation } => {
                if let Some(at) = self.running(node) {
                    self.nodes[at].fail_log(operation);
                    self.tell(at, || "log's disk is about to fail".to_owned());
                }
            }
            Fault::DiskFull { node, span } => {
                if let Some(at) = self.running(node) {
                    self.nodes[at].fill(true);
                    self.ends_after(number, span);
                    self.tell(at, || "disk full".to_owned());
                }
            }
            Fault::LogDamage { node } => {
                let at = usize::from(node);
                self.nodes[at].damage = Damage::Log;
                if self.nodes[at].process.is_some() {
                    self.cut_power(at, 100 * MS);
                }
            }
            Fault::TreeDamage { node } => {
                if let Some(at) = self.running(node) {
                    self.nodes[at].damage = Damage::Tree;
                    self.cut_power(at, 100 * MS);
                }
            }
            Fault::TreeError { node, operation } => return self.tree_error(node, operation),
            Fault::CrashInCheckpoint { node, operation } => {
                self.crash_in_checkpoint(node, operation);
            }
            Fault::Checkpoint { node } => {
                if let Some(at) = self.running(node)
                    && let Err(error) = self.checkpoint(at)
                {
                    return self.storage_failed(at, &error);
                }
            }
            Fault::Transfer => return self.transfer(),
        }
        Ok(())
    }

    fn tree_error(&mut self, node: Target, operation: u64) -> Result<(), Violation> {
        let Some(at) = self.running(node) else { return Ok(()) };
        self.nodes[at].fail_tree(operation);
        if let Err(error) = self.checkpoint(at) {
            self.counts[FaultKind::TreeError] += 1;
            return self.storage_failed(at, &error);
        }
        Ok(())
    }

    fn crash_in_checkpoint(&mut self, node: Target, operation: u64) {
        let Some(at) = self.running(node) else { return };
        self.nodes[at].tree_disk.crash_after(operation);
        if self.checkpoint(at).is_err() {
            self.counts[FaultKind::CrashInCheckpoint] += 1;
            self.cut_power(at, 100 * MS);
        } else {
            // It asked its disk for less.
            self.nodes[at].tree_disk.restart();
        }
    }

    /// A fault of the plan ends, unless the heal has ended it.
    pub(crate) fn end_fault(&mut self, number: u32) -> Result<(), Violation> {
        if self.phase != Phase::Faults {
            return Ok(());
        }
        match self.plan.faults[number as usize].fault {
            Fault::Cut { nodes, .. } => self.network.cut(nodes, false),
            Fault::OneWayCut { from, to, .. } => self.network.cut_one_way(from, to, false),
            Fault::Pause { .. } => {
                // Whoever that was: those whose time has come go on.
                for at in 0..self.nodes.len() {
                    let node = &mut self.nodes[at];
                    if node.paused_until == self.now {
                        node.paused_until = 0;
                        if node.process.is_some() {
                            self.counts[FaultKind::Pause] += 1;
                        }
                        self.tell(at, || "goes on".to_owned());
                        self.turn(at)?;
                        self.arrange_wake(at);
                    }
                }
            }
            Fault::DiskFull { .. } => {
                for node in &mut self.nodes {
                    node.fill(false);
                }
            }
            Fault::Kill { .. }
            | Fault::PowerLoss { .. }
            | Fault::AllDown { .. }
            | Fault::ClockRate { .. }
            | Fault::SlowDisk { .. }
            | Fault::LogError { .. }
            | Fault::LogDamage { .. }
            | Fault::TreeDamage { .. }
            | Fault::TreeError { .. }
            | Fault::Checkpoint { .. }
            | Fault::CrashInCheckpoint { .. }
            | Fault::Transfer => {}
        }
        Ok(())
    }

    fn ends_after(&mut self, number: u32, span: u64) {
        self.queue.arrange(self.now + span, Happening::Ends { number });
    }

    /// The node that a fault hits, if it runs.
    fn running(&self, target: Target) -> Option<usize> {
        let at = match target {
            Target::Node(node) => usize::from(node),
            Target::Leader => self.leader()?,
        };
        self.nodes[at].process.is_some().then_some(at)
    }

    /// Ends the process of a node, and has it start again after a while.
    fn bring_down(&mut self, at: usize, span: u64) {
        if self.nodes[at].end() {
            self.counts[FaultKind::CrashInWrite] += 1;
        }
        self.nodes[at].paused_until = 0;
        let node = self.nodes[at].id.0;
        self.queue.arrange(self.now + span, Happening::Starts { node });
        self.break_connections(at);
    }

    fn cut_power(&mut self, at: usize, span: u64) {
        self.tell(at, || "loses power".to_owned());
        self.bring_down(at, span);
        let loss = self.nodes[at].lose_power();
        self.counts[FaultKind::LostWrites] += u64::from(loss.lost > 0);
        self.counts[FaultKind::TornWrite] += u64::from(loss.lost > 0 && loss.kept > 0);
    }

    /// Has a node make its state durable, which stalls it.
    fn checkpoint(&mut self, at: usize) -> Result<(), String> {
        let stall = self.nodes[at].random.between(MS, 40 * MS);
        let now = self.now;
        let Some(process) = &mut self.nodes[at].process else { return Ok(()) };
        process.busy_until = now + stall;
        let done = process.replica.checkpoint().map_err(|error| error.to_string());
        let words = if done.is_ok() { "makes its state durable" } else { "fails to" };
        self.tell(at, || words.to_owned());
        done
    }

    /// Asks the leader to let another one lead.
    fn transfer(&mut self) -> Result<(), Violation> {
        let Some(at) = self.leader() else { return Ok(()) };
        let others = self.nodes.len() - 1;
        let to = (at + 1 + self.random.index(others)) % self.nodes.len();
        self.asked_by_us += 1;
        let to = ReplicaId(u8::try_from(to).expect("few nodes"));
        let id = request_id(OPERATOR, self.asked_by_us);
        if let Some(process) = &mut self.nodes[at].process {
            process.inbox.push_back(Event::Transfer { id, to });
        }
        self.tell(at, || format!("is to let node {} lead", to.0));
        self.turn(at)
    }
}
