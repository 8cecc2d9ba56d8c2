//! Connections from peers, on which this node only listens.

use crate::driver::Input;
use crate::limits::{
    ACCEPT_RETRY_DELAY, HELLO_TIMEOUT, INBOUND_CONNECTIONS_MAX, READ_BUFFER_BYTES,
};
use bytes::BytesMut;
use ringleader_core::ids::ReplicaId;
use ringleader_core::quorum::ReplicaSet;
use ringleader_wire::frame::{self, Frame, FrameError, Hello};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Why a connection was closed.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no greeting within {} ms", HELLO_TIMEOUT.as_millis())]
    Silent,
    #[error("the first frame is no greeting")]
    NoHello,
    #[error("replica {from} greets replica {to}, and this is replica {id} of its group")]
    Misdirected { from: u8, to: u8, id: u8 },
    #[error("the peer has opened another one")]
    Replaced,
    #[error("a second greeting")]
    SecondHello,
    #[error("this node is stopping")]
    Stopping,
}

/// The newest connection of each peer; who is replaced is told.
type Speakers = RefCell<BTreeMap<ReplicaId, Rc<Notify>>>;

/// Accepts connections of peers.
#[derive(Debug)]
pub(crate) struct Inbound {
    id: ReplicaId,
    /// Whose greetings are taken: those whose addresses this node knows, members or not.
    known: ReplicaSet,
    inputs: mpsc::Sender<Input>,
    speakers: Speakers,
}

impl Inbound {
    pub(crate) fn new(id: ReplicaId, known: ReplicaSet, inputs: mpsc::Sender<Input>) -> Self {
        Self { id, known, inputs, speakers: Speakers::default() }
    }

    /// Accepts until the node stops.
    pub(crate) async fn run(self, listener: TcpListener) {
        let inbound = Rc::new(self);
        // Dropped with this task, and all connections with it.
        let mut connections = JoinSet::new();
        while !inbound.inputs.is_closed() {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // No descriptors left, most likely: closing connections frees some.
                    tracing::warn!(%error, "cannot accept a connection from a peer");
                    sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            if connections.len() >= INBOUND_CONNECTIONS_MAX {
                tracing::warn!(%address, "too many connections on the peer port");
                continue;
            }
            let inbound = Rc::clone(&inbound);
            connections.spawn_local(async move {
                let closed = inbound.listen(stream).await;
                tracing::info!(%address, reason = %closed, "closed a connection on the peer port");
            });
        }
    }

    /// Hands on what a peer says, until the connection ends.
    async fn listen(&self, mut stream: TcpStream) -> Closed {
        let mut bytes = BytesMut::with_capacity(READ_BUFFER_BYTES);
        let hello = match timeout(HELLO_TIMEOUT, greeting(&mut stream, &mut bytes)).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(closed)) => return closed,
            Err(_) => return Closed::Silent,
        };
        let Hello { from, to, incarnation } = hello;
        if to != self.id || from == self.id || !self.known.contains(from) {
            let (from, to, id) = (from.0, to.0, self.id.0);
            return Closed::Misdirected { from, to, id };
        }
        let replaced = Rc::new(Notify::new());
        if let Some(earlier) = self.speakers.borrow_mut().insert(from, Rc::clone(&replaced)) {
            earlier.notify_one();
        }
        loop {
            let mut frames = Vec::new();
            while let Some(frame) = match frame::take(&mut bytes) {
                Ok(frame) => frame,
                Err(error) => return error.into(),
            } {
                match frame {
                    Frame::Hello(_) => return Closed::SecondHello,
                    Frame::Message(_) | Frame::Forward(_) | Frame::Answered(_) => {
                        frames.push(frame);
                    }
                }
            }
            if !frames.is_empty() {
                let input = Input::Frames { from, incarnation, frames };
                if self.inputs.send(input).await.is_err() {
                    return Closed::Stopping;
                }
            }
            tokio::select! {
                biased;
                () = replaced.notified() => return Closed::Replaced,
                read = read_some(&mut stream, &mut bytes) => if let Err(error) = read {
                    return error.into();
                },
            }
        }
    }
}

async fn greeting(stream: &mut TcpStream, bytes: &mut BytesMut) -> Result<Hello, Closed> {
    loop {
        match frame::take(bytes)? {
            Some(Frame::Hello(hello)) => return Ok(hello),
            Some(Frame::Message(_) | Frame::Forward(_) | Frame::Answered(_)) => {
                return Err(Closed::NoHello);
            }
            None => read_some(stream, bytes).await?,
        }
    }
}

/// Reads what is there; the end of the stream is an error.
async fn read_some(stream: &mut TcpStream, bytes: &mut BytesMut) -> io::Result<()> {
    bytes.reserve(READ_BUFFER_BYTES);
    if stream.read_buf(bytes).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
