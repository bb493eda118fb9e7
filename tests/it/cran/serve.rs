//! A server that answers one request with exactly the bytes it is told, then hangs up: real servers
//! are seldom so rude, so no server library lets a test do it.

use std::sync::{Arc, Mutex};

use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers every connection with `response`, head and body, and closes it. The address ends with `/`.
pub async fn always(response: Vec<u8>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&response).await;
            let _ = stream.shutdown().await;
        }
    });
    Url::parse(&format!("http://{address}/")).unwrap()
}

/// A whole answer with `status` (such as `200 OK`) and `body`.
pub fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    promising(status, body.len(), body)
}

/// An answer whose head promises `length` bytes.
pub fn promising(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A client as the daemon's is made, with a time-out that a test can wait for.
pub fn client() -> reqwest::Client {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().build().unwrap()
}

/// Answers one connection after the other with one of `responses`, and every later one with the last. The
/// requests that came stand in the list, each with its head.
pub async fn scripted(responses: Vec<Vec<u8>>) -> (Url, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    tokio::spawn(async move {
        let mut rest = responses.iter();
        let mut response = rest.next().unwrap();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).await.unwrap_or_default();
            heard.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).to_lowercase());
            let _ = stream.write_all(response).await;
            let _ = stream.shutdown().await;
            response = rest.next().unwrap_or(response);
        }
    });
    (Url::parse(&format!("http://{address}/")).unwrap(), asked)
}
