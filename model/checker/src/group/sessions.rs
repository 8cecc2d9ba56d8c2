//! Client sessions in a world: commands that are sent again, and sessions that expire.
//!
//! Two sessions are open from the start: odd commands are attempts of one, even ones of the other, each
//! numbered by itself. What the state machine makes of the committed entries is worked out by the core's
//! own judgement; what it must have made of them is counted here.

use super::{Event, Ghost, GroupProtocol, always, sometimes};
use crate::history::Value;
use crate::node::Node;
use crate::protocol::Property;
use ringleader_core::group::session::{Attempt, Judgement, SessionId, Sessions};
use ringleader_core::group::{Payload, Request};
use ringleader_core::ids::{LogIndex, RequestId};

/// Commands that are sent again are numbered from here.
const FIRST_RETRY: u64 = 500;
/// The command that ends both sessions.
pub(super) const EXPIRE: Value = 200;

/// The commands that a client may send again, to whoever leads: with the same number. And the end of
/// the sessions.
pub(super) fn requests(
    protocol: &GroupProtocol,
    ghost: &Ghost,
    node: &Node<GroupProtocol>,
) -> Vec<(RequestId, Request<Value>)> {
    let mut requests = Vec::new();
    if node.machine.is_leader() && ghost.retries < protocol.retries {
        let id = RequestId(FIRST_RETRY + u64::from(ghost.retries));
        let again = (1..=ghost.commands).map(Request::Write);
        requests.extend(again.map(|request| (id, request)));
        if ghost.ends == 0 && ghost.commands > 0 {
            requests.push((id, Request::Write(EXPIRE)));
        }
    }
    requests
}

/// The event of having asked for a command once more; nothing if it is the first time.
pub(super) fn invoked(id: RequestId, request: &Request<Value>) -> Option<Vec<Event>> {
    let again = id.0 >= FIRST_RETRY;
    again.then(|| vec![Event::AskedAgain { expire: *request == Request::Write(EXPIRE) }])
}

/// What the state machine executes of the committed entries, in order; and how many attempts it
/// answers *unknown*.
fn executed(ghost: &Ghost) -> (Vec<Value>, usize) {
    let mut sessions = Sessions::default();
    let ids: [SessionId; 2] = [sessions.open(LogIndex(0)), sessions.open(LogIndex(1))];
    let (mut executed, mut unknown) = (Vec::new(), 0);
    for (index, committed) in (2..).map(LogIndex).zip(&ghost.committed) {
        match committed.entry.payload {
            Payload::Command(EXPIRE) => sessions.expire(index),
            Payload::Command(value) => {
                let (id, attempt) = (ids[usize::from(value % 2)], Attempt(value.into()));
                sessions.used(index, id);
                match sessions.judge(id, attempt) {
                    Judgement::Execute => {
                        sessions.executed(index, id, attempt, value);
                        executed.push(value);
                    }
                    Judgement::Repeat(_) => {}
                    Judgement::Unknown => unknown += 1,
                }
            }
            Payload::NoOp | Payload::Members(_) => {}
        }
    }
    (executed, unknown)
}

/// What must hold where commands are sent again.
pub(super) fn properties() -> Vec<Property<GroupProtocol>> {
    vec![
        always("SESSION-1", |_, it| {
            let (executed, _) = executed(it.ghost);
            executed.iter().enumerate().all(|(at, value)| !executed[..at].contains(value))
        }),
        always("SESSION-2", |_, it| {
            let is_end = |payload: &Payload<Value>| *payload == Payload::Command(EXPIRE);
            let end = it.ghost.committed.iter().position(|one| is_end(&one.entry.payload));
            let before = end.unwrap_or(it.ghost.committed.len());
            executed(it.ghost).0.len() <= before
                && executed(it.ghost).0.iter().all(|value| {
                    let command = Payload::Command(*value);
                    it.ghost.committed[..before].iter().any(|one| one.entry.payload == command)
                })
        }),
        sometimes("a command was committed twice", |_, it| {
            let payloads: Vec<_> =
                it.ghost.committed.iter().map(|one| &one.entry.payload).collect();
            let twice = |(at, payload): (usize, &&Payload<Value>)| {
                matches!(payload, Payload::Command(_)) && payloads[..at].contains(payload)
            };
            payloads.iter().enumerate().any(twice)
        }),
        sometimes("an attempt was answered unknown", |_, it| executed(it.ghost).1 > 0),
    ]
}
