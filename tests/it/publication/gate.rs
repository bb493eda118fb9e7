//! What stands before a service in these tests: it counts what comes in, and loses requests, answers and
//! connections where a test says so.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::sync::Notify;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    None,
    /// It is answered with this status, and the service never sees it.
    Status(u16),
    /// The connection ends in the middle of its body, and the service never sees it.
    Cut,
    /// The service does it, and the connection ends before the answer.
    LoseAnswer,
    /// Nothing happens any more before the service sees it: the moment of a kill.
    StopBefore,
    /// Nothing happens any more after the service did it.
    StopAfter,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With its query.
    pub path: String,
    /// How many bytes its body had.
    pub bytes: u64,
}

pub type Service =
    Arc<dyn Fn(http::Request<Bytes>) -> BoxFuture<'static, http::Response<Bytes>> + Send + Sync>;
type Rule = dyn Fn(usize, &str, &str) -> Fault + Send + Sync;

#[derive(Clone)]
pub struct Gate {
    pub address: SocketAddr,
    service: Service,
    seen: Arc<Mutex<Vec<Seen>>>,
    rule: Arc<Mutex<Box<Rule>>>,
    stopped: Arc<Notify>,
}

impl Gate {
    /// Stands before `service`, on an address of its own.
    pub async fn before(service: Service) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            service,
            seen: Arc::default(),
            rule: Arc::new(Mutex::new(Box::new(|_, _, _| Fault::None))),
            stopped: Arc::default(),
        };
        let router = Router::new().fallback(pass).with_state(gate.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        gate
    }

    /// From now on `rule` decides, by the number of the request since now, its method and its path.
    pub fn rule(&self, rule: impl Fn(usize, &str, &str) -> Fault + Send + Sync + 'static) {
        self.seen.lock().unwrap().clear();
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// From now on everything is answered.
    pub fn open(&self) {
        self.rule(|_, _, _| Fault::None);
    }

    /// What came in since the last rule.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The bytes of all bodies that came in since the last rule.
    pub fn bytes(&self) -> u64 {
        self.seen().iter().map(|seen| seen.bytes).sum()
    }

    /// Runs `work` until it ends or comes to a stop; what it came to, or nothing where it was killed there.
    pub async fn killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            came_to = work => Some(came_to),
            () = self.stopped.notified() => None,
        }
    }
}

async fn pass(State(gate): State<Gate>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let number = {
        let mut seen = gate.seen.lock().unwrap();
        seen.push(Seen { method: parts.method.to_string(), path: path.clone(), bytes: 0 });
        seen.len() - 1
    };
    let fault = (gate.rule.lock().unwrap())(number, parts.method.as_str(), &path);
    match fault {
        Fault::Status(code) => return StatusCode::from_u16(code).unwrap().into_response(),
        Fault::Cut => {
            let _first = body.into_data_stream().next().await;
            break_off()
        }
        Fault::StopBefore => {
            gate.stopped.notify_one();
            std::future::pending::<()>().await;
            break_off()
        }
        _ => {}
    }
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    if let Some(seen) = gate.seen.lock().unwrap().get_mut(number) {
        seen.bytes = bytes.len() as u64;
    }
    let mut answer = (gate.service)(http::Request::from_parts(parts, bytes)).await;
    // The body is whole here, however it came.
    answer.headers_mut().remove(http::header::TRANSFER_ENCODING);
    answer.headers_mut().remove(http::header::TRAILER);
    match fault {
        Fault::LoseAnswer => break_off(),
        Fault::StopAfter => {
            gate.stopped.notify_one();
            std::future::pending::<()>().await;
            break_off()
        }
        _ => answer.map(Body::from),
    }
}

/// Ends the connection without an answer: its task ends.
fn break_off() -> ! {
    std::panic::resume_unwind(Box::new("the connection ends"))
}

/// A service that is another process on this machine.
pub fn forward(to: SocketAddr) -> Service {
    let client = reqwest::Client::new();
    Arc::new(move |request| {
        let client = client.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let sent = client.request(parts.method, format!("http://{to}{path}")).headers(parts.headers);
            let answer = sent.body(body).send().await.expect("the service answers");
            let mut made = http::Response::builder().status(answer.status());
            *made.headers_mut().unwrap() = answer.headers().clone();
            made.body(answer.bytes().await.unwrap()).unwrap()
        })
    })
}
