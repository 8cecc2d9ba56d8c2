//! Connections to the server, and what must be true of every answer whatever was asked.

use flate2::Crc;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Later than this an answer has not come: the server hangs. Far longer than anything takes on a
/// machine that has other things to do.
const DEADLINE: Duration = Duration::from_mins(2);

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        })?;
        Some(line.split_once(':')?.1.trim())
    }

    /// What is wrong with an answer to a request of the API, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        if !(200..500).contains(&self.status) {
            return Some(format!("status {}", self.status));
        }
        let mut checksum = Crc::new();
        checksum.update(&self.body);
        if self.header("x-amz-crc32") != Some(checksum.sum().to_string().as_str()) {
            return Some("its checksum is wrong".to_owned());
        }
        if self.header("x-amzn-requestid").is_none() {
            return Some("it has no request id".to_owned());
        }
        let is_text = self.header("content-encoding").is_none();
        if is_text && self.status != 200 && !self.body.starts_with(b"{\"__type\":\"com.amazon") {
            return Some("its error has no type".to_owned());
        }
        None
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What has come and was not looked at.
    come: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await;
        let stream = stream.expect("the server accepts in time").expect("the server accepts");
        stream.set_nodelay(true).expect("a socket takes it");
        Self { stream, come: Vec::new() }
    }

    /// Sends requests one behind the other, and reads so many answers meanwhile.
    ///
    /// # Errors
    /// With the answers that did come, if the connection ends or nothing comes any more.
    pub(crate) async fn exchange(
        &mut self,
        requests: &[u8],
        count: usize,
    ) -> Result<Vec<Answer>, (Vec<Answer>, String)> {
        let Self { stream, come } = self;
        let (mut from, mut to) = stream.split();
        let mut answers = Vec::with_capacity(count);
        let reading = async {
            while answers.len() < count {
                match take_answer(come) {
                    Some(answer) => answers.push(answer),
                    None => {
                        if from.read_buf(come).await.map_err(|error| error.to_string())? == 0 {
                            return Err("the server closed the connection".to_owned());
                        }
                    }
                }
            }
            Ok(())
        };
        let writing = async { to.write_all(requests).await.map_err(|error| error.to_string()) };
        let done = timeout(DEADLINE, async { tokio::try_join!(writing, reading) }).await;
        match done {
            Ok(Ok(_)) => Ok(answers),
            Ok(Err(error)) => Err((answers, error)),
            Err(_) => Err((answers, format!("nothing came for {} s", DEADLINE.as_secs()))),
        }
    }
}

/// Sends bytes on a connection of their own, says that no more will come, and returns what comes
/// back. A connection that is reset has answered what it has.
pub(crate) async fn send_alone(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut connection = Connection::open(address).await;
    let (mut from, mut to) = connection.stream.split();
    let mut come = Vec::new();
    let writing = async {
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let reading = async { while from.read_buf(&mut come).await.is_ok_and(|count| count > 0) {} };
    timeout(DEADLINE, async { tokio::join!(writing, reading) })
        .await
        .map_err(|_| format!("the connection was open after {} s", DEADLINE.as_secs()))?;
    Ok(come)
}

/// Takes the first answer, if all of it is there.
fn take_answer(come: &mut Vec<u8>) -> Option<Answer> {
    let end = come.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&come[..end]).into_owned();
    let mut answer = Answer { status: status_of(&head)?, head, body: Vec::new() };
    let length: usize = answer.header("content-length")?.parse().ok()?;
    let all = end + 4 + length;
    if come.len() < all {
        return None;
    }
    answer.body = come[end + 4..all].to_vec();
    come.drain(..all);
    Some(answer)
}

fn status_of(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// The statuses in what came back on a connection of its own.
pub(crate) fn statuses(come: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(come);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}
