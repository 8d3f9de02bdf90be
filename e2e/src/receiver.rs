//! A receiver of webhooks on 127.0.0.1, in this process.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How often the letters are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Takes whatever is posted to it, and answers each time the same. It is gone when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    letters: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that answers with this status.
    pub async fn start(status: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = letters.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // What is no letter is none.
                if let Ok(Ok(letter)) = tokio::time::timeout(Duration::from_secs(5), take(stream, status)).await {
                    kept.lock().expect("no holder panics").push(letter);
                }
            }
        });
        Ok(Self { port, letters, task })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// What was posted so far: of each letter the `event`.
    pub fn events(&self) -> Vec<String> {
        let letters = self.letters.lock().expect("no holder panics");
        letters.iter().map(|letter| letter["event"].as_str().unwrap_or("?").to_owned()).collect()
    }

    /// Waits until these events were posted, and no others.
    pub async fn told(&self, expected: &[&str], limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.events() != expected {
            if Instant::now() > deadline {
                bail!("told {:?} instead of {expected:?} within {} s", self.events(), limit.as_secs());
            }
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request, answers it, and returns its body.
async fn take(mut stream: TcpStream, status: u16) -> Result<Value> {
    let mut text = Vec::new();
    let body = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await?;
        text.extend_from_slice(&piece[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.context("a request without length")?;
            if body.len() >= length {
                break body.to_owned();
            }
        }
        if count == 0 {
            bail!("the request broke off");
        }
    };
    let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    Ok(serde_json::from_str(&body)?)
}
