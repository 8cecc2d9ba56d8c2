//! What those who supervise a node ask it.
//!
//! | path | 200 says | otherwise |
//! |---|---|---|
//! | `GET /livez` | the thread that serves requests runs, and the replica has not stopped | 503: look why it stopped |
//! | `GET /readyz` | requests that come here have a leader to go to | 503: send clients elsewhere meanwhile |

use hyper::StatusCode;
use ringleader_replica::{Role, Status};

const STOPPED: (StatusCode, &str) =
    (StatusCode::SERVICE_UNAVAILABLE, "the replica has stopped: an invariant is broken");

/// Whether the replica works at all.
pub(super) fn live(status: &Status) -> (StatusCode, &'static str) {
    match status.role {
        Role::Halted => STOPPED,
        Role::Leader | Role::Candidate | Role::Follower => (StatusCode::OK, "live"),
    }
}

/// Whether requests that come here have a leader to go to.
pub(super) fn ready(status: &Status) -> (StatusCode, &'static str) {
    match (status.role, status.leader) {
        (Role::Halted, _) => STOPPED,
        (_, None) => (StatusCode::SERVICE_UNAVAILABLE, "no leader is known"),
        (Role::Leader | Role::Candidate | Role::Follower, Some(_)) => (StatusCode::OK, "ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringleader_core::ids::{LogIndex, ReplicaId, Term};
    use ringleader_core::quorum::ReplicaSet;

    fn of(role: Role, leader: Option<u8>) -> (u16, u16) {
        let status = Status {
            term: Term(3),
            role,
            leader: leader.map(ReplicaId),
            commit: LogIndex(1),
            applied: LogIndex(1),
            last: LogIndex(1),
            start: LogIndex(0),
            voters: ReplicaSet::first(3),
        };
        (live(&status).0.as_u16(), ready(&status).0.as_u16())
    }

    #[test]
    fn live_is_who_has_not_stopped_and_ready_who_knows_a_leader() {
        assert_eq!(of(Role::Leader, Some(0)), (200, 200));
        assert_eq!(of(Role::Follower, Some(1)), (200, 200));
        assert_eq!(of(Role::Follower, None), (200, 503));
        assert_eq!(of(Role::Candidate, None), (200, 503));
        assert_eq!(of(Role::Halted, None), (503, 503));
    }
}
