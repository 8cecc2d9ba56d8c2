//! The connection to one peer, on which this node only speaks. It is opened again whenever it
//! breaks; messages may be lost, and a broken connection is reported, because requests that were
//! handed to it have an unknown fate.

use crate::driver::Input;
use crate::limits::{
    CONNECT_TIMEOUT, LINK_BUFFER_BYTES_MAX, RECONNECT_DELAY_MAX, RECONNECT_DELAY_MIN,
};
use ringleader_wire::frame::{self, Frame, Hello};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

/// The core's end of a link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Encoded frames that the socket has not taken. Empty while the link is down.
    buffer: RefCell<Vec<u8>>,
    up: Cell<bool>,
    /// There is something in the buffer.
    filled: Notify,
}

impl Link {
    /// A link, and what connects it and keeps at it.
    pub(crate) fn new(
        hello: Hello,
        address: String,
        inputs: mpsc::Sender<Input>,
    ) -> (Self, impl Future<Output = ()> + 'static) {
        let link = Self { shared: Rc::default() };
        let task = LinkTask { hello, address, inputs, shared: Rc::clone(&link.shared) };
        (link, task.run())
    }

    /// Whether a connection is open, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        self.shared.up.get()
    }

    /// Puts a frame into the buffer. False: it was dropped and will never arrive.
    pub(crate) fn push(&self, frame: &Frame) -> bool {
        let mut buffer = self.shared.buffer.borrow_mut();
        if !self.is_up() || buffer.len() >= LINK_BUFFER_BYTES_MAX {
            return false;
        }
        frame::encode_into(frame, &mut buffer);
        true
    }

    /// Lets the socket have what is in the buffer: once per batch, so that a batch is one write.
    pub(crate) fn flush(&self) {
        if !self.shared.buffer.borrow().is_empty() {
            self.shared.filled.notify_one();
        }
    }
}

struct LinkTask {
    hello: Hello,
    address: String,
    inputs: mpsc::Sender<Input>,
    shared: Rc<Shared>,
}

impl LinkTask {
    async fn run(self) {
        let peer = self.hello.to;
        let mut delay = RECONNECT_DELAY_MIN;
        let mut reported = false;
        loop {
            match self.connect().await {
                Ok(stream) => {
                    tracing::info!(peer = peer.0, address = %self.address, "connected to peer");
                    (delay, reported) = (RECONNECT_DELAY_MIN, false);
                    let (reader, writer) = stream.into_split();
                    self.shared.up.set(true);
                    let error = self.speak(reader, writer).await;
                    self.shared.up.set(false);
                    self.shared.buffer.borrow_mut().clear();
                    tracing::info!(peer = peer.0, %error, "lost the connection to peer");
                    if self.inputs.send(Input::LinkDown(peer)).await.is_err() {
                        return;
                    }
                }
                Err(error) if !reported => {
                    tracing::info!(peer = peer.0, address = %self.address, %error, "peer is down");
                    reported = true;
                }
                Err(_) => {}
            }
            if self.inputs.is_closed() {
                return;
            }
            sleep(delay).await;
            delay = (delay * 2).min(RECONNECT_DELAY_MAX);
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect(&self.address);
        let mut stream = timeout(CONNECT_TIMEOUT, connecting).await??;
        stream.set_nodelay(true)?;
        let mut hello = Vec::new();
        frame::encode_into(&Frame::Hello(self.hello), &mut hello);
        stream.write_all(&hello).await?;
        Ok(stream)
    }

    /// Writes what the buffer holds, until the connection breaks. The peer never speaks on it:
    /// whatever can be read is its end.
    async fn speak(&self, mut reader: OwnedReadHalf, mut writer: OwnedWriteHalf) -> io::Error {
        let mut spoken = Vec::new();
        let mut unexpected = [0; 1];
        loop {
            tokio::select! {
                () = self.shared.filled.notified() => {}
                read = reader.read(&mut unexpected) => return match read {
                    Ok(0) => io::Error::from(io::ErrorKind::ConnectionReset),
                    Ok(_) => io::Error::other("the peer spoke where it should listen"),
                    Err(error) => error,
                },
            }
            std::mem::swap(&mut spoken, &mut *self.shared.buffer.borrow_mut());
            if let Err(error) = writer.write_all(&spoken).await {
                return error;
            }
            spoken.clear();
            // One long burst must not keep its memory for ever.
            spoken.shrink_to(LINK_BUFFER_BYTES_MAX / 8);
            if self.inputs.is_closed() {
                return io::Error::other("this node is stopping");
            }
        }
    }
}
