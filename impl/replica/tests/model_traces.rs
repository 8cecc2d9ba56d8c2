//! The model's machine and the server's are one: random runs of every model of the group, with the
//! model's one-byte commands, are made again by the type that the server runs, with commands of
//! bytes, and every effect is compared. Messages and writes go through their encoded forms on the
//! way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringleader_checker::catalog;
use ringleader_checker::group::GroupProtocol;
use ringleader_checker::node::Call;
use ringleader_checker::protocol::Protocol;
use ringleader_checker::walk::walk;
use ringleader_core::group::{Group, Message, Write};
use ringleader_core::ids::{ReplicaId, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};
use ringleader_wire::{Command, codec, record};
use std::collections::BTreeMap;

type Model = Group<u8>;
type Production = Group<Command>;

/// How many runs of each model.
const RUNS: u64 = 1_000;
const STEPS: usize = 80;

/// A command of the server that says the same. Longer than the model's, as commands are.
fn bytes(command: u8) -> Command {
    Command::new(vec![command; 1 + usize::from(command) * 7])
}

fn message(message: Message<u8>) -> Message<Command> {
    let message = message.map(&mut bytes);
    let encoded = codec::encode(&message, 1 << 16).unwrap();
    let decoded: Message<Command> = codec::decode(&encoded, 1 << 16).unwrap();
    assert_eq!(decoded, message);
    decoded
}

fn write(write: Write<u8>) -> Write<Command> {
    let write = write.map(&mut bytes);
    let decoded = record::decode(&record::encode(&write)).unwrap();
    assert_eq!(decoded, write);
    decoded
}

fn input(input: Input<Model>) -> Input<Production> {
    match input {
        Input::Timer(timer) => Input::Timer(timer),
        Input::Receive { from, message: said } => Input::Receive { from, message: message(said) },
        Input::Request { id, request } => Input::Request { id, request: request.map(&mut bytes) },
        Input::Persisted(io) => Input::Persisted(io),
        Input::Told(told) => Input::Told(told),
    }
}

fn effect(effect: Effect<Model>) -> Effect<Production> {
    match effect {
        Effect::Write { io, write: it } => Effect::Write { io, write: write(it) },
        Effect::Send { to, message: said, after } => {
            Effect::Send { to, message: message(said), after }
        }
        Effect::Answer { id, answer, after } => Effect::Answer { id, answer, after },
        Effect::Arm { timer, delay, jitter } => Effect::Arm { timer, delay, jitter },
        Effect::Disarm { timer } => Effect::Disarm { timer },
        Effect::Ask(ask) => Effect::Ask(ask.map(&mut bytes)),
        Effect::Halt { invariant } => Effect::Halt { invariant },
    }
}

/// Makes the calls of one run again. Returns how many there were.
fn again(protocol: &GroupProtocol, calls: Vec<(ReplicaId, Call<GroupProtocol>)>) -> usize {
    let mut machines: BTreeMap<ReplicaId, Production> = BTreeMap::new();
    let count = calls.len();
    for (id, call) in calls {
        let mut happened = Effects::new();
        let expected = match call {
            Call::Recover { disk, checkpointed, wiped, effects } => {
                let durable = disk.map(&mut bytes);
                let disk = Recovered { durable, checkpointed, wiped };
                let config = protocol.config(id);
                let machine = Production::recover(&config, disk, Tick(0), &mut happened);
                machines.insert(id, machine);
                effects
            }
            Call::Step { now, input: it, effects } => {
                let shown = format!("{it:?}");
                machines.get_mut(&id).unwrap().step(now, input(it), &mut happened);
                let expected: Vec<_> = effects.iter().cloned().map(effect).collect();
                assert_eq!(happened.as_slice(), expected, "{id:?} after {shown}");
                effects
            }
            Call::Rebase { now, io } => {
                machines.get_mut(&id).unwrap().rebase(now, io);
                Vec::new()
            }
        };
        let expected: Vec<_> = expected.into_iter().map(effect).collect();
        assert_eq!(happened.as_slice(), expected, "{id:?}");
    }
    count
}

#[test]
fn random_runs_of_every_model_are_the_servers_too() {
    for entry in catalog::quick() {
        let world = entry.world_with_names();
        let calls = |seed| again(world.protocol(), walk(&world, seed, STEPS));
        let total: usize = (0..RUNS).map(calls).sum();
        let least = usize::try_from(RUNS).unwrap() * 8;
        assert!(total > least, "{}: {total} calls in {RUNS} runs say little", entry.name);
    }
}
