//! The bytes on disk and on the network, pinned: a node must read what an older one wrote.

use bytes::BytesMut;
use ringleader_core::group::{Durable, Entry, Log, Membership, Message, Payload, Write};
use ringleader_core::ids::{LogEnd, LogIndex, ReplicaId, Term};
use ringleader_wire::frame::{
    Answered, Forward, ForwardOutcome, ForwardRequest, Frame, Hello, Incarnation,
};
use ringleader_wire::record::Logged;
use ringleader_wire::{Command, frame, record};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn entries() -> Vec<Entry<Command>> {
    vec![
        Entry { term: Term(2), payload: Payload::NoOp },
        Entry { term: Term(3), payload: Payload::Command(Command::new(&b"put"[..])) },
    ]
}

#[test]
fn records_have_these_bytes() {
    let check = |write: Write<Command>, expected: &str| {
        let bytes = record::encode(&write);
        assert_eq!(hex(&bytes), expected.replace(' ', ""), "{write:?}");
        assert_eq!(record::decode(&bytes).unwrap(), write);
    };
    check(
        Write::Ballot { term: Term(7), vote: Some(ReplicaId(2)) },
        "01 00000000 0700000000000000 01 02",
    );
    check(Write::Ballot { term: Term(8), vote: None }, "01 00000000 0800000000000000 00");
    check(
        Write::Append { after: LogIndex(5), entries: entries() },
        "01 01000000 0500000000000000 0200000000000000 0200000000000000 00000000 \
         0300000000000000 01000000 0300000000000000 707574",
    );
}

#[test]
fn a_base_has_these_bytes_and_no_commands() {
    let mut log = Log::default();
    let members = Membership::default();
    log.append(Entry { term: Term(1), payload: Payload::Members(members) });
    for entry in entries() {
        log.append(entry);
    }
    log.release(LogIndex(2));
    log.trim(LogIndex(1));
    let bytes = record::encode_base(Durable { term: Term(3), vote: None, log: log.clone() });
    let expected = "02 0300000000000000 00 \
         0100000000000000 0100000000000000 \
         0200000000000000 0200000000000000 0200000000000000 0300000000000000 0300000000000000 \
         0200000000000000 0100000000000000 01000000 0000000000000000 \
         0100000000000000 0100000000000000 0000000000000000 0000000000000000";
    assert_eq!(hex(&bytes), expected.replace(' ', ""));
    let log = log.map(&mut |_| Command::default());
    let base = Durable { term: Term(3), vote: None, log };
    assert_eq!(record::decode_any(&bytes).unwrap(), Logged::Base(base));
    // A write is one whichever way it is read.
    let write = Write::Ballot { term: Term(8), vote: None };
    assert_eq!(record::decode_any(&record::encode(&write)).unwrap(), Logged::Write(write));
}

#[test]
fn frames_have_these_bytes() {
    let check = |frame: Frame, expected: &str| {
        let mut bytes = Vec::new();
        frame::encode_into(&frame, &mut bytes);
        assert_eq!(hex(&bytes), expected.replace(' ', ""), "{frame:?}");
        let mut arrived = BytesMut::from(&bytes[..]);
        assert_eq!(frame::take(&mut arrived).unwrap(), Some(frame));
        assert!(arrived.is_empty());
    };
    let incarnation = Incarnation(9);
    check(
        Frame::Hello(Hello { from: ReplicaId(1), to: ReplicaId(2), incarnation }),
        "524c 01 01 0a000000 190f497e 01020900000000000000",
    );
    check(
        Frame::Message(Message::Vote { term: Term(4) }),
        "524c 01 02 0c000000 43b1425e 010000000400000000000000",
    );
    let prev = LogEnd { term: Term(1), index: LogIndex(4) };
    let append = Message::Append { term: Term(3), prev, entries: entries(), commit: LogIndex(3) };
    check(
        Frame::Message(append),
        "524c 01 02 4f000000 5f983e5e 02000000030000000000000001000000 \
         00000000040000000000000002000000 \
         00000000020000000000000000000000 \
         03000000000000000100000003000000 \
         000000007075740300000000000000",
    );
    let request = ForwardRequest::Write(Command::new(&b"put"[..]));
    check(
        Frame::Forward(Forward { incarnation, id: 6, request }),
        "524c 01 03 1f000000 06f5e691 09000000000000000600000000000000 \
         000000000300000000000000707574",
    );
    let outcome = ForwardOutcome::NotLeader { leader: Some(ReplicaId(0)) };
    check(
        Frame::Answered(Answered { incarnation, id: 6, outcome }),
        "524c 01 04 16000000 c675f1ea 09000000000000000600000000000000 \
         010000000100",
    );
}

#[test]
fn every_message_survives_the_way() {
    let (term, index) = (Term(3), LogIndex(8));
    let end = LogEnd { term, index };
    let messages = [
        Message::RequestVote { term, log_end: end, by_transfer: true },
        Message::RequestPreVote { term, poll: 2, log_end: end },
        Message::PreVote { term, poll: 2 },
        Message::TakeOver { term },
        Message::Vote { term },
        Message::Append { term, prev: end, entries: Vec::new(), commit: index },
        Message::Appended { term, matched: index },
        Message::Rejected { term, prev: index, hint: LogIndex(1) },
        Message::Confirm { term, round: 5 },
        Message::Confirmed { term, round: 5 },
        Message::NewerTerm { term },
    ];
    let mut bytes = Vec::new();
    for message in &messages {
        frame::encode_into(&Frame::Message(message.clone()), &mut bytes);
    }
    let mut arrived = BytesMut::from(&bytes[..]);
    for message in messages {
        assert_eq!(frame::take(&mut arrived).unwrap(), Some(Frame::Message(message)));
    }
    assert_eq!(frame::take(&mut arrived).unwrap(), None);
}
