//! A server in front of another one that passes on what it is asked, except where it is told to misbehave.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How an answer goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The server answers with this status.
    Status(&'static str),
    /// The connection ends after so many bytes of the answer.
    Cut(usize),
    /// The stream ends well after so many bytes of the body, as one does whose maker failed: its length was
    /// not told before.
    Ends(usize),
    /// One byte is another one.
    Flipped,
    /// The connection ends without an answer.
    HangsUp,
}

/// What it was told and asked.
#[derive(Default)]
struct Told {
    faults: Vec<(String, Fault)>,
    asked: Vec<String>,
}

/// The server; it stops with the runtime of its test.
#[derive(Clone)]
pub struct Meddler {
    address: std::net::SocketAddr,
    told: Arc<Mutex<Told>>,
}

impl Meddler {
    /// In front of `upstream`, a host with its port.
    pub async fn before(upstream: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let meddler = Self { address: listener.local_addr().unwrap(), told: Arc::default() };
        let told = meddler.told.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = told.clone();
                // Whoever hangs up early ends only its own answer.
                tokio::spawn(async move { answer(stream, upstream, &told).await });
            }
        });
        meddler
    }

    /// The address of `path` at it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on what has `part` in its address goes wrong.
    pub fn meddle(&self, part: &str, fault: Fault) {
        self.told.lock().unwrap().faults.push((part.to_owned(), fault));
    }

    /// From now on everything goes well.
    pub fn behave(&self) {
        self.told.lock().unwrap().faults.clear();
    }

    /// The paths of what was asked for since the last look, in order.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.told.lock().unwrap().asked);
        asked.sort();
        asked
    }
}

async fn answer(
    mut stream: TcpStream,
    upstream: std::net::SocketAddr,
    told: &Mutex<Told>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let fault = {
        let mut told = told.lock().unwrap();
        let fault = told.faults.iter().find(|(part, _)| path.contains(part)).map(|(_, fault)| fault.clone());
        told.asked.push(path);
        fault
    };
    let whole = match &fault {
        Some(Fault::HangsUp) => return Ok(()),
        Some(Fault::Status(status)) => {
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
        }
        _ => fetched(&head, upstream).await?,
    };
    let body = whole.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    let whole = match fault {
        Some(Fault::Cut(length)) => whole[..whole.len().min(body + length)].to_vec(),
        Some(Fault::Ends(length)) => {
            let end = whole.len().min(body + length);
            [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &whole[body..end]].concat()
        }
        Some(Fault::Flipped) => {
            let mut whole = whole;
            *whole.last_mut().unwrap() ^= 1;
            whole
        }
        _ => whole,
    };
    stream.write_all(&whole).await?;
    stream.shutdown().await
}

/// What the server behind answers.
async fn fetched(head: &str, upstream: std::net::SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut behind = TcpStream::connect(upstream).await?;
    // HTTP/1.0, so that no body comes in chunks.
    let head = head.replacen(" HTTP/1.1\r\n", " HTTP/1.0\r\n", 1);
    behind.write_all(head.as_bytes()).await?;
    let mut whole = Vec::new();
    behind.read_to_end(&mut whole).await?;
    Ok(String::from_utf8_lossy(&whole[..8])
        .replace("1.0", "1.1")
        .into_bytes()
        .into_iter()
        .chain(whole[8..].iter().copied())
        .collect())
}
