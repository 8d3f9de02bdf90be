//! Just enough HTTP to ask a process on this machine for its health or its metrics, and to find it a port.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Ports that were free a moment ago, all different from each other.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    // All listeners are held until all ports are known: closed one by one, the same port could be handed out twice.
    let mut listeners = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Whether a plain-HTTP endpoint on 127.0.0.1 answers with status 200.
pub async fn is_ok(port: u16, path: &str) -> bool {
    get(port, path).await.is_ok()
}

/// The body that a plain-HTTP endpoint on 127.0.0.1 answers with. Any status but 200 is an error.
pub async fn get(port: u16, path: &str) -> Result<String> {
    let answer = timeout(LIMIT, exchange(port, path))
        .await
        .with_context(|| format!("port {port} did not answer GET {path} within {} s", LIMIT.as_secs()))??;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "port {port} answered GET {path} with {status}: {body}");
    Ok(body.to_owned())
}

async fn exchange(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // HTTP/1.0: the server closes when it has said everything, and sends no chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
