//! `POST /ringleader/members?add=3`: changes who takes part in the group.
//!
//! Requests of this kind are not signed. They are taken from this machine only: whoever may run
//! programs here may stop the node as well.

use hyper::{Request, StatusCode};
use ringleader_core::group::Change;
use ringleader_core::ids::ReplicaId;
use ringleader_core::quorum::ReplicaSet;
use ringleader_node::{ChangeOutcome, Handle};
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Whoever asks is told after so long that it was begun: to catch up may take hours.
const WAIT: Duration = Duration::from_secs(20);

/// How a change stands.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    /// `done`, `begun`, `refused`, `not leader`, `unknown`, or `not understood`.
    outcome: &'static str,
    /// Why, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Who leads, as far as this node knows.
    leader: Option<u8>,
}

/// Begins what the query of the request says, and waits a while.
pub(super) async fn answer<B>(
    node: &Handle,
    request: &Request<B>,
    from: IpAddr,
) -> (StatusCode, String) {
    let document = |outcome, reason| Document {
        version: 1,
        outcome,
        reason,
        leader: node.status().leader.map(|it| it.0),
    };
    let (status, document) = if !from.is_loopback() {
        let reason = "the members are changed from the node's own machine".to_owned();
        (StatusCode::FORBIDDEN, document("refused", Some(reason)))
    } else if let Some(change) = request.uri().query().and_then(change_in) {
        tracing::info!(?change, "asked to change the members");
        match timeout(WAIT, node.change(change)).await {
            Err(_) => (StatusCode::ACCEPTED, document("begun", None)),
            Ok(ChangeOutcome::Done) => (StatusCode::OK, document("done", None)),
            Ok(ChangeOutcome::NotLeader { .. }) => {
                (StatusCode::MISDIRECTED_REQUEST, document("not leader", None))
            }
            Ok(ChangeOutcome::Refused(why)) => {
                (StatusCode::CONFLICT, document("refused", Some(why.to_string())))
            }
            Ok(ChangeOutcome::Unknown) => {
                (StatusCode::INTERNAL_SERVER_ERROR, document("unknown", None))
            }
        }
    } else {
        let reason = format!("a query of add=ID or remove=ID with an id below {}", ReplicaSet::IDS);
        (StatusCode::BAD_REQUEST, document("not understood", Some(reason)))
    };
    (status, serde_json::to_string(&document).expect("numbers and names are JSON"))
}

/// The change that a query asks for.
fn change_in(query: &str) -> Option<Change> {
    let (verb, id) = query.split_once('=')?;
    let id = id.parse().ok().filter(|&id| id < ReplicaSet::IDS).map(ReplicaId)?;
    match verb {
        "add" => Some(Change::Add(id)),
        "remove" => Some(Change::Remove(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_change() {
        assert_eq!(change_in("add=3"), Some(Change::Add(ReplicaId(3))));
        assert_eq!(change_in("remove=0"), Some(Change::Remove(ReplicaId(0))));
        for query in ["", "add", "add=", "add=64", "add=-1", "add=3&remove=1", "swap=1"] {
            assert_eq!(change_in(query), None, "{query}");
        }
    }
}
