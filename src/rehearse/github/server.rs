//! The simulated GitHub on a socket: one request after another through checks, faults, limits and
//! the API, and connections that can be cut on purpose.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::faults::Effect;
use super::simulation::SimulatedGitHub;

/// The largest body of a request, in bytes: GitHub takes files of up to 40 MB, in Base64.
const LARGEST_BODY: usize = 60 << 20;

/// How long a request that meets [`Effect::Timeout`] is left without an answer, in real time.
const SILENCE: Duration = Duration::from_secs(600);

/// A simulated GitHub that is being served. Dropping it takes no further connections.
#[derive(Debug)]
pub struct Served {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    handle: JoinHandle<()>,
}

impl Served {
    /// The root of the API, as `https://api.github.com` is for GitHub: without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl SimulatedGitHub {
    /// Serves it on a free port of loopback, as HTTP/1, inside the present tokio runtime.
    ///
    /// # Errors
    /// Where no port can be bound.
    pub async fn serve(self: Arc<Self>) -> anyhow::Result<Served> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot bind a port on loopback")?;
        let address = listener.local_addr().context("cannot tell the port that was bound")?;
        let service =
            Router::new().fallback(handle).with_state(self).into_make_service_with_connect_info::<Wire>();
        let handle = tokio::spawn(async move {
            // axum's serve never ends by itself: it retries after errors on the socket.
            let _ended = axum::serve(Loopback(listener), service).await;
        });
        Ok(Served { address, handle })
    }
}

/// Takes one request from HTTP to HTTP.
async fn handle(
    State(github): State<Arc<SimulatedGitHub>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (answer, effect) = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => github.respond(&parts, &body),
        Err(error) => (Answer::violation(&format!("the body could not be read: {error}")), None),
    };
    if effect == Some(Effect::Timeout) {
        tokio::time::sleep(SILENCE).await;
    }
    if matches!(effect, Some(Effect::DropBefore | Effect::DropAfter | Effect::Timeout)) {
        wire.cut();
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let body = if effect == Some(Effect::Truncate) {
        response = response.header("content-length", answer.body.len());
        half_of(answer.body)
    } else {
        Body::from(answer.body)
    };
    response
        .body(body)
        .unwrap_or_else(|error| Response::new(Body::from(format!("malformed answer: {error}"))))
}

/// A body that breaks off in the middle.
fn half_of(mut body: Vec<u8>) -> Body {
    body.truncate(body.len() / 2);
    let parts = stream::unfold(Some(body), |left| async move {
        match left {
            Some(bytes) if !bytes.is_empty() => Some((Ok(Bytes::from(bytes)), Some(Vec::new()))),
            _ => {
                // The half that was sent has to reach the socket before the connection ends.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
        }
    });
    Body::from_stream(parts)
}

/// A listener whose connections can be cut.
struct Loopback(TcpListener);

impl Listener for Loopback {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are small and wait for nothing; a socket that refuses the option only is slower.
        let _slower = stream.set_nodelay(true);
        (Connection { stream, wire: Wire::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The handle by which a connection is cut: what is written afterwards fails, so hyper closes it.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<AtomicBool>);

impl Wire {
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Loopback>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        stream.io().wire.clone()
    }
}

/// A connection with its handle.
struct Connection {
    stream: TcpStream,
    wire: Wire,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wire.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
