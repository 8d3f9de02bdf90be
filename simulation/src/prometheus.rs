//! A Prometheus server in memory: it answers as its day was drawn, and remembers what it was asked.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flippy_operator::Dialer;
use flippy_sim::SimCluster;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::scenario::{Mood, Moods};

const BUFFER_BYTES: usize = 16 * 1024;

/// The server.
#[derive(Clone)]
pub(crate) struct Prometheus {
    cluster: SimCluster,
    began_at: Timestamp,
    moods: Arc<Moods>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One question, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Which life asked.
    pub(crate) user: Arc<str>,
    /// The host that it asked: each gate of each config has its own.
    pub(crate) host: String,
    pub(crate) at: Timestamp,
    /// When whoever asked had the answer, or did not wait for it any more.
    pub(crate) answered_at: Timestamp,
    pub(crate) mood: Mood,
    /// Whether it was answered, whole, and as it must be for restarts to start.
    pub(crate) is_good: bool,
    /// Whether somebody waited until there was an answer, or a refusal.
    pub(crate) is_waited_for: bool,
}

impl Prometheus {
    pub(crate) fn new(cluster: &SimCluster, moods: Moods) -> Self {
        Self { cluster: cluster.clone(), began_at: cluster.now(), moods: Arc::new(moods), asked: Arc::default() }
    }

    /// The way of one life to it.
    pub(crate) fn dialer(&self, user: &str) -> Dialer {
        let (server, user): (Self, Arc<str>) = (self.clone(), user.into());
        Dialer::through(tower::service_fn(move |url: http::Uri| {
            let question = server.question(&user, url.host().unwrap_or_default());
            let server = server.clone();
            async move { server.connect(question) }
        }))
    }

    /// Everything that it was asked, in the order of the answers.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics holding it").clone()
    }

    fn question(&self, user: &Arc<str>, host: &str) -> Asked {
        let now = self.cluster.now();
        let mood = self.moods.at(now.duration_since(self.began_at));
        Asked {
            user: user.clone(),
            host: host.to_owned(),
            at: now,
            answered_at: now,
            mood,
            is_good: mood.is_good(host),
            is_waited_for: true,
        }
    }

    fn connect(self, question: Asked) -> io::Result<DuplexStream> {
        if question.mood == Mood::Refuses {
            self.note(question);
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (theirs, ours) = tokio::io::duplex(BUFFER_BYTES);
        tokio::spawn(async move {
            let is_waited_for = answer(ours, &question).await.is_some();
            self.note(Asked { is_good: question.is_good && is_waited_for, is_waited_for, ..question });
        });
        Ok(theirs)
    }

    fn note(&self, question: Asked) {
        let asked = Asked { answered_at: self.cluster.now(), ..question };
        self.asked.lock().expect("nobody panics holding it").push(asked);
    }
}

/// Reads the request, and answers it. `None`: whoever asked does not wait for it any more.
async fn answer(mut wire: DuplexStream, question: &Asked) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if wire.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    let (status, body) = match question.mood {
        Mood::Hangs => {
            while wire.read_u8().await.is_ok() {}
            return None;
        }
        Mood::Slow(milliseconds) => {
            let (mut theirs, mut ours) = tokio::io::split(wire);
            tokio::select! {
                biased;
                // What comes now is the end.
                _ = theirs.read_u8() => return None,
                () = tokio::time::sleep(Duration::from_millis(milliseconds)) => {}
            }
            return ours.write_all(&response(200, &Mood::Calm.body(&question.host))).await.ok();
        }
        Mood::Fails => (503, r#"{"status": "error", "errorType": "unavailable", "error": "out of order"}"#.to_owned()),
        mood => (200, mood.body(&question.host)),
    };
    let mut bytes = response(status, &body);
    if question.mood == Mood::BreaksOff {
        bytes.truncate(bytes.len() - 5);
    }
    wire.write_all(&bytes).await.ok()
}

fn response(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into()
}
