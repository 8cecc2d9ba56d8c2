//! What a leader does of its own accord: it has global indexes follow, long tasks go on, and expired
//! items removed. The state machine says what is next; this has it committed. Whoever proposes, and
//! however often, the commands have no effect beyond what is due.

use crate::limits::UPKEEP_INTERVAL;
use crate::service::unix_ms;
use crate::state::ReadAnswer;
use ringleader_node::{Handle, Outcome};
use ringleader_replica::Role;
use ringleader_table::{Command, Found, Read};
use ringleader_wire::codec;
use ringleader_wire::limits::{ANSWER_LENGTH_MAX, COMMAND_LENGTH_MAX};
use tokio::time::sleep;

/// Proposes what is due, for ever.
pub(crate) async fn run(node: Handle) {
    loop {
        let worked = node.status().role == Role::Leader && step(&node).await;
        if !worked {
            sleep(UPKEEP_INTERVAL).await;
        }
    }
}

/// Has the next command committed. False if there was nothing to do, or it did not work.
async fn step(node: &Handle) -> bool {
    let read = Read::Upkeep { now_unix_s: unix_ms() / 1_000 };
    let Ok(query) = codec::encode(&read, COMMAND_LENGTH_MAX) else { return false };
    let Outcome::Done(answer) = node.read_eventual(query.into()).await else { return false };
    let found = codec::decode(answer.as_bytes(), ANSWER_LENGTH_MAX);
    let Ok(ReadAnswer::Found(found)) = found else { return false };
    let Found::Upkeep(Some(command)) = *found else { return false };
    propose(node, &command).await
}

async fn propose(node: &Handle, command: &Command) -> bool {
    let Ok(encoded) = codec::encode(command, COMMAND_LENGTH_MAX) else { return false };
    matches!(node.write(encoded.into()).await, Outcome::Done(_))
}
