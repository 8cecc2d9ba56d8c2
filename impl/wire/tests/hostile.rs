//! Bytes of strangers: no panic, no allocation beyond the limits, no wait for what cannot come.

use bytes::BytesMut;
use proptest::prelude::*;
use ringleader_core::group::Message;
use ringleader_core::ids::Term;
use ringleader_wire::codec;
use ringleader_wire::frame::{self, Frame, FrameError, HEADER_LENGTH};
use ringleader_wire::limits::FRAME_PAYLOAD_LENGTH_MAX;
use ringleader_wire::record;

fn vote() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode_into(&Frame::Message(Message::Vote { term: Term(4) }), &mut bytes);
    bytes
}

fn take(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    frame::take(&mut BytesMut::from(bytes))
}

#[test]
fn a_frame_is_refused_as_soon_as_it_cannot_be_one() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(take(bytes).unwrap_err().to_string(), expected);
    };
    check(b"GE", "a frame starts with [47, 45] instead of [52, 4c]");
    let mut bytes = vote();
    bytes[2] = 9;
    check(&bytes, "frame version 9 is not the supported 1");
    let mut bytes = vote();
    bytes[3] = 77;
    check(&bytes, "frame type 77 is unknown");
    let mut bytes = vote();
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    check(
        &bytes[..HEADER_LENGTH],
        "a frame of 4294967295 bytes is longer than the limit of 7340032",
    );
}

#[test]
fn a_frame_that_has_not_arrived_whole_is_waited_for() {
    let bytes = vote();
    for length in 0..bytes.len() {
        assert!(matches!(take(&bytes[..length]), Ok(None)), "{length} bytes");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = vote();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // A longer length makes the receiver wait: for at most one frame of the greatest length.
        assert!(!matches!(take(&changed), Ok(Some(_))), "bit {bit}");
    }
}

#[test]
fn a_length_inside_the_payload_allocates_nothing() {
    // An append that claims 2^60 entries in a few bytes.
    let mut bytes = vec![1, 1, 0, 0, 0];
    bytes.extend_from_slice(&5_u64.to_le_bytes());
    bytes.extend_from_slice(&(1_u64 << 60).to_le_bytes());
    assert!(record::decode(&bytes).is_err());
}

#[test]
fn bytes_after_a_value_are_an_error() {
    let bytes = codec::encode(&7_u32, 100).unwrap();
    assert_eq!(codec::decode::<u32>(&bytes, 100).unwrap(), 7);
    let longer = [&bytes[..], &[0]].concat();
    let error = codec::decode::<u32>(&longer, 100).unwrap_err();
    assert_eq!(error.to_string(), "1 bytes follow the value in its 5 bytes");
    let error = codec::decode::<u32>(&bytes, 3).unwrap_err();
    assert_eq!(error.to_string(), "4 bytes are more than the limit of 3");
}

#[test]
fn a_value_over_its_limit_is_not_encoded() {
    let error = codec::encode(&vec![0_u8; 100], 50).unwrap_err();
    assert_eq!(error.to_string(), "108 encoded bytes are more than the limit of 50");
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = record::decode(&bytes);
        let _ = record::decode_any(&bytes);
        let _ = take(&bytes);
        let _ = codec::decode::<Message<ringleader_wire::Command>>(&bytes, FRAME_PAYLOAD_LENGTH_MAX);
    }

    #[test]
    fn no_payload_with_a_good_checksum_makes_a_decoder_panic(
        kind in 1_u8..=4,
        payload in proptest::collection::vec(prop_oneof![Just(0_u8), 0..5_u8, any::<u8>()], 0..120),
    ) {
        let length = u32::try_from(payload.len()).unwrap();
        let mut bytes = vec![b'R', b'L', 1, kind];
        bytes.extend_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes), &payload);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&payload);
        if let Ok(Some(frame)) = take(&bytes) {
            let mut again = Vec::new();
            frame::encode_into(&frame, &mut again);
            prop_assert_eq!(take(&again).unwrap(), Some(frame));
        }
    }
}
