//! Every request that is open on this node: who waits for it, and where it is.

use crate::handle::{Outcome, RefusedBecause};
use crate::limits::{CLIENT_REQUESTS_MAX, LEADERLESS_MAX, REQUEST_TIMEOUT};
use ringleader_core::ids::ReplicaId;
use ringleader_wire::frame::{ForwardRequest, Incarnation};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Names a request among those of one process.
pub(crate) type Number = u64;

/// Where a request of this node's own clients is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No leader has it: it may be sent, or refused for good.
    Unsent,
    /// This node's replica has it.
    Here,
    /// It was handed to the link to this peer, which may have received it.
    Sent(ReplicaId),
}

/// A request of this node's own clients.
#[derive(Debug)]
pub(crate) struct ClientRequest {
    pub(crate) request: ForwardRequest,
    pub(crate) stage: Stage,
    since: Instant,
    reply: oneshot::Sender<Outcome>,
}

impl ClientRequest {
    /// What its client is told if nothing more is heard of it.
    fn without_answer(&self) -> Outcome {
        match (&self.request, self.stage) {
            (_, Stage::Unsent) => Outcome::Refused(RefusedBecause::NoLeader),
            (ForwardRequest::Write(_), Stage::Here | Stage::Sent(_)) => Outcome::Unknown,
            (ForwardRequest::Read(_), Stage::Here | Stage::Sent(_)) => {
                Outcome::Refused(RefusedBecause::TimedOut)
            }
        }
    }
}

/// A request that a peer handed to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerRequest {
    pub(crate) from: ReplicaId,
    pub(crate) incarnation: Incarnation,
    pub(crate) number: Number,
}

/// The open requests of a node.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: Number,
    clients: BTreeMap<Number, ClientRequest>,
    peers: BTreeMap<Number, PeerRequest>,
    /// Requests to be sent as soon as there is somebody to send them to. Some may have ended.
    unsent: Vec<Number>,
    /// Client requests by age, oldest first. Some may have ended.
    by_age: VecDeque<(Instant, Number)>,
}

impl Requests {
    /// Opens a client's request, or refuses it.
    pub(crate) fn open(
        &mut self,
        request: ForwardRequest,
        reply: oneshot::Sender<Outcome>,
        now: Instant,
    ) -> Option<Number> {
        if self.clients.len() >= CLIENT_REQUESTS_MAX {
            // Whoever asked may be gone already.
            let _ = reply.send(Outcome::Refused(RefusedBecause::Overloaded));
            return None;
        }
        let number = self.next();
        let stage = Stage::Unsent;
        self.clients.insert(number, ClientRequest { request, stage, since: now, reply });
        self.by_age.push_back((now, number));
        Some(number)
    }

    /// Opens a peer's request. The replica bounds how many there are.
    pub(crate) fn open_for(&mut self, peer: PeerRequest) -> Number {
        let number = self.next();
        self.peers.insert(number, peer);
        number
    }

    /// A number that no request of this process has had.
    pub(crate) fn next(&mut self) -> Number {
        self.last += 1;
        self.last
    }

    pub(crate) fn client(&mut self, number: Number) -> Option<&mut ClientRequest> {
        self.clients.get_mut(&number)
    }

    /// Ends a peer's request.
    pub(crate) fn take_peer(&mut self, number: Number) -> Option<PeerRequest> {
        self.peers.remove(&number)
    }

    /// Ends a client's request. One that has ended already, by a timeout, stays so.
    pub(crate) fn end(&mut self, number: Number, outcome: Outcome) {
        if let Some(client) = self.clients.remove(&number) {
            // Whoever asked may be gone.
            let _ = client.reply.send(outcome);
        }
    }

    /// No leader has this request: it will be tried again.
    pub(crate) fn postpone(&mut self, number: Number) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.stage = Stage::Unsent;
            self.unsent.push(number);
        }
    }

    /// The requests to try (again).
    pub(crate) fn take_unsent(&mut self) -> Vec<Number> {
        std::mem::take(&mut self.unsent)
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The link to a peer broke: what it was handed may have arrived. A write is unknown, a read
    /// is tried again.
    pub(crate) fn link_broke(&mut self, peer: ReplicaId) {
        let sent = |(_, client): &(&Number, &ClientRequest)| client.stage == Stage::Sent(peer);
        let numbers: Vec<Number> = self.clients.iter().filter(sent).map(|(&it, _)| it).collect();
        for number in numbers {
            match self.clients.get(&number).map(|client| &client.request) {
                Some(ForwardRequest::Read(_)) => self.postpone(number),
                Some(ForwardRequest::Write(_)) | None => self.end(number, Outcome::Unknown),
            }
        }
    }

    /// When a request must next be looked at because it has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.by_age.front().map(|&(since, _)| since + REQUEST_TIMEOUT)
    }

    /// Ends requests that have waited long enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(since, number)) = self.by_age.front()
            && since + REQUEST_TIMEOUT <= now
        {
            self.by_age.pop_front();
            self.end_without_answer(number);
        }
        for number in std::mem::take(&mut self.unsent) {
            match self.clients.get(&number) {
                Some(client) if client.since + LEADERLESS_MAX <= now => {
                    self.end_without_answer(number);
                }
                Some(_) => self.unsent.push(number),
                None => {}
            }
        }
        self.forget_ended();
    }

    /// Ends the memory of requests that ended in time.
    fn forget_ended(&mut self) {
        while let Some((_, number)) = self.by_age.front()
            && !self.clients.contains_key(number)
        {
            self.by_age.pop_front();
        }
    }

    fn end_without_answer(&mut self, number: Number) {
        if let Some(client) = self.clients.get(&number) {
            let outcome = client.without_answer();
            self.end(number, outcome);
        }
    }

    /// The node stops: ends every request of a client.
    pub(crate) fn end_all(&mut self) {
        for number in self.clients.keys().copied().collect::<Vec<_>>() {
            self.end_without_answer(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringleader_wire::Command;
    use std::time::Duration;

    const LEADER: ReplicaId = ReplicaId(1);

    /// A node with one write and one read in a stage.
    struct Case {
        requests: Requests,
        start: Instant,
        write: oneshot::Receiver<Outcome>,
        read: oneshot::Receiver<Outcome>,
    }

    fn case(stage: Stage) -> Case {
        let mut requests = Requests::default();
        let start = Instant::now();
        let (reply, write) = oneshot::channel();
        let command = Command::default();
        let first = requests.open(ForwardRequest::Write(command.clone()), reply, start).unwrap();
        let (reply, read) = oneshot::channel();
        let second = requests.open(ForwardRequest::Read(command), reply, start).unwrap();
        for number in [first, second] {
            match stage {
                Stage::Unsent => requests.postpone(number),
                Stage::Here | Stage::Sent(_) => requests.client(number).unwrap().stage = stage,
            }
        }
        Case { requests, start, write, read }
    }

    #[test]
    fn a_write_on_a_broken_link_is_unknown_and_a_read_is_tried_again() {
        let mut case = case(Stage::Sent(LEADER));
        case.requests.link_broke(ReplicaId(2));
        assert!(case.write.try_recv().is_err());
        case.requests.link_broke(LEADER);
        assert_eq!(case.write.try_recv().unwrap(), Outcome::Unknown);
        assert!(case.read.try_recv().is_err());
        assert_eq!(case.requests.take_unsent(), [2]);
    }

    #[test]
    fn what_no_leader_saw_is_refused_for_good() {
        let mut case = case(Stage::Unsent);
        case.requests.expire(case.start + LEADERLESS_MAX - Duration::from_millis(1));
        assert!(case.write.try_recv().is_err());
        case.requests.expire(case.start + LEADERLESS_MAX);
        let refused = Outcome::Refused(RefusedBecause::NoLeader);
        assert_eq!(case.write.try_recv().unwrap(), refused);
        assert_eq!(case.read.try_recv().unwrap(), refused);
    }

    #[test]
    fn what_a_leader_may_have_seen_times_out_as_unknown() {
        for stage in [Stage::Here, Stage::Sent(LEADER)] {
            let mut case = case(stage);
            case.requests.expire(case.start + LEADERLESS_MAX);
            assert!(case.write.try_recv().is_err());
            case.requests.expire(case.start + REQUEST_TIMEOUT);
            assert_eq!(case.write.try_recv().unwrap(), Outcome::Unknown);
            let timed_out = Outcome::Refused(RefusedBecause::TimedOut);
            assert_eq!(case.read.try_recv().unwrap(), timed_out);
        }
    }

    #[test]
    fn there_is_room_for_a_bounded_number_of_requests() {
        let mut requests = Requests::default();
        let open = |requests: &mut Requests| {
            let (reply, answer) = oneshot::channel();
            let read = ForwardRequest::Read(Command::default());
            (requests.open(read, reply, Instant::now()), answer)
        };
        let answers: Vec<_> = (0..CLIENT_REQUESTS_MAX).map(|_| open(&mut requests)).collect();
        let (refused, mut answer) = open(&mut requests);
        assert_eq!(refused, None);
        let overloaded = Outcome::Refused(RefusedBecause::Overloaded);
        assert_eq!(answer.try_recv().unwrap(), overloaded);
        requests.end(1, Outcome::Unknown);
        assert!(open(&mut requests).0.is_some());
        drop(answers);
    }
}
