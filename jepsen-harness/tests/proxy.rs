//! A link carries until it is cut, carries nothing while it is cut, and carries again when healed;
//! and its counters say so, because a fault without a measured effect voids a run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jepsen_harness::proxy::{Condition, Link, Links, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A listener that returns whatever it is sent.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // A cut resets the connection under us: that is the subject of the test.
                let _reset = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn echoes(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 5];
    stream.write_all(b"hello").await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && &answer == b"hello"
}

/// Whether a fresh connection through the link works.
async fn reaches(address: SocketAddr) -> bool {
    match TcpStream::connect(address).await {
        Ok(mut stream) => echoes(&mut stream).await,
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_cut_closes_connections_and_refuses_new_ones_until_healed() {
    let link = Link::open(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    assert!(echoes(&mut stream).await);
    assert_eq!(link.traffic(), Traffic { carried: 10, ..Traffic::default() });

    link.set(Condition::CUT);
    assert!(!echoes(&mut stream).await, "the open connection was closed");
    assert!(!reaches(link.address()).await, "a new one is closed at once");
    assert_eq!(
        link.traffic(),
        Traffic { dropped: 1, refused: 1, carried: 10, ..Traffic::default() }
    );

    link.set(Condition::WHOLE);
    assert!(reaches(link.address()).await);
    assert!(!echoes(&mut stream).await, "healing does not revive what was closed");
}

#[tokio::test]
async fn a_cut_of_one_direction_leaves_the_other() {
    let peers = [echo().await, echo().await, echo().await];
    let links = Links::open(&peers).await.unwrap();
    let at = |from, to| links.get(from, to).unwrap().address();
    assert!(links.get(1, 1).is_none(), "a node does not dial itself through the network");

    let cut = links.impose(Condition::CUT, |from, _| from == 0);
    assert!(!reaches(at(0, 1)).await && !reaches(at(0, 2)).await, "node 0 is mute");
    assert!(reaches(at(1, 0)).await && reaches(at(2, 0)).await, "and still hears");
    assert!(reaches(at(1, 2)).await);
    assert_eq!(links.since(&cut), Traffic { dropped: 0, refused: 2, ..Traffic::default() });

    links.heal();
    assert!(reaches(at(0, 1)).await);
    assert!(links.since(&cut).carried > 0);
}

#[tokio::test]
async fn a_stalled_link_delivers_late_what_it_held_back() {
    let link = Link::open(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    assert!(echoes(&mut stream).await);

    link.set(Condition::STALLED);
    stream.write_all(b"world").await.unwrap();
    // The link has it, and does not pass it on.
    while link.traffic().held_back < 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(link.traffic(), Traffic { carried: 10, held_back: 5, ..Traffic::default() });

    link.set(Condition::WHOLE);
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"world", "the connection lives and nothing is lost");
}

#[tokio::test]
async fn a_link_to_nobody_closes_its_connections() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let link = Link::open(gone).await.unwrap();
    assert!(!reaches(link.address()).await);
    assert_eq!(link.traffic(), Traffic::default(), "this is no cut");
}

#[tokio::test]
async fn conditions_of_two_faults_are_taken_back_one_by_one() {
    let peers = [echo().await, echo().await];
    let links = Links::open(&peers).await.unwrap();
    let link = links.get(0, 1).unwrap();
    let cut = links.impose(Condition::CUT, |from, _| from == 0);
    let late = Condition { delay: Duration::from_millis(30), ..Condition::WHOLE };
    let late = links.impose(late, |_, _| true);
    assert!(!reaches(link.address()).await);

    links.lift(&cut);
    let start = Instant::now();
    assert!(reaches(link.address()).await);
    assert!(start.elapsed() >= Duration::from_millis(60), "there and back");
    assert!(links.since(&late).delayed >= 2);

    links.lift(&late);
    let before = links.since(&late).delayed;
    assert!(reaches(link.address()).await);
    assert_eq!(links.since(&late).delayed, before);
}
