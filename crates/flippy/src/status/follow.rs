//! Statuses as they change.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use flippy_api::FlippyConfig;
use flippy_core::Timestamp;
use futures::{Stream, TryStreamExt as _};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};

use super::text;
use super::view::{Progress, StatusView};
use crate::exit::Failure;
use crate::live::{Line, Live};
use crate::refusal;
use crate::render::Look;
use crate::times::whole_second;

/// For whom changes are shown.
pub(super) enum Screen {
    /// One text that is drawn again.
    Live(Shown),
    /// One line for each change.
    Lines(BTreeMap<String, String>),
    /// One JSON object for each change.
    Json(BTreeMap<String, StatusView>),
}

/// The text that is on the terminal.
pub(super) struct Shown {
    live: Live,
    text: String,
}

impl Shown {
    fn draw(&mut self, text: String) {
        let lines: Vec<Line> =
            text.lines().chain(["(Ctrl-C ends it)"]).map(|line| Line::Text(line.to_owned())).collect();
        self.live.draw(&lines);
        self.text = text;
    }
}

/// Why following has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All are ready.
    Done,
    /// None goes on by itself, and some are stalled.
    Stalled,
    /// The time is over.
    TimeIsOver,
    /// Whoever looked has seen enough.
    Closed,
}

/// What is followed.
pub(super) struct Followed<'a> {
    pub(super) api: Api<DeserializeGuard<FlippyConfig>>,
    /// The only one of interest, if one was named.
    pub(super) name: Option<&'a str>,
    pub(super) server: &'a str,
    /// Whether to end once there is an outcome.
    pub(super) until_done: bool,
    pub(super) timeout: Option<Duration>,
}

impl Screen {
    pub(super) fn new(json: bool, look: Look) -> Self {
        match (json, look) {
            (true, _) => Self::Json(BTreeMap::new()),
            (_, Look::Plain) => Self::Lines(BTreeMap::new()),
            (_, Look::Terminal) => Self::Live(Shown { live: Live::new(), text: String::new() }),
        }
    }

    fn show(&mut self, views: &BTreeMap<String, StatusView>) -> Result<(), Stopped> {
        match self {
            Self::Live(live) => {
                let shown: Vec<StatusView> = views.values().cloned().collect();
                live.draw(text::text(&shown, Look::Terminal));
                Ok(())
            }
            Self::Lines(said) => {
                let now = whole_second(Timestamp::now());
                for (path, view) in views {
                    let line = text::line(view);
                    if said.get(path) != Some(&line) {
                        print(&format!("{now} {line}\n"))?;
                        said.insert(path.clone(), line);
                    }
                }
                let gone: Vec<String> = said.keys().filter(|path| !views.contains_key(*path)).cloned().collect();
                for path in gone {
                    said.remove(&path);
                    print(&format!("{now} {path} Deleted\n"))?;
                }
                Ok(())
            }
            Self::Json(said) => {
                for (path, view) in views {
                    if said.get(path) != Some(view) {
                        let json = serde_json::to_string(view)
                            .map_err(|error| Failure::error(format!("cannot write JSON: {error}")))?;
                        print(&(json + "\n"))?;
                        said.insert(path.clone(), view.clone());
                    }
                }
                said.retain(|path, _| views.contains_key(path));
                Ok(())
            }
        }
    }

    /// Leaves the last text on the terminal.
    fn finish(&mut self) {
        if let Self::Live(shown) = self {
            shown.live.clear();
            // Whole now. Whoever ended it does not read it any more, if this fails.
            let _ = print(&shown.text);
        }
    }
}

/// Follows until there is an outcome, if one is waited for, or until Ctrl-C.
pub(super) async fn follow(followed: Followed<'_>, mut screen: Screen) -> Result<Ended, Failure> {
    let selector = followed.name.map_or_else(watcher::Config::default, |name| {
        watcher::Config::default().fields(&format!("metadata.name={name}"))
    });
    let changes = watcher(followed.api.clone(), selector).default_backoff();
    let changes = std::pin::pin!(changes);
    let limit = async {
        match followed.timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        outcome = until_outcome(changes, &followed, &mut screen) => outcome,
        () = limit => Ok(Ended::TimeIsOver),
        _ = tokio::signal::ctrl_c() => Ok(Ended::Closed),
    };
    screen.finish();
    match outcome {
        Ok(ended) => Ok(ended),
        Err(Stopped::Closed) => Ok(Ended::Closed),
        Err(Stopped::Failed(failure)) => Err(failure),
    }
}

async fn until_outcome(
    mut changes: impl Stream<Item = watcher::Result<Event<DeserializeGuard<FlippyConfig>>>> + Unpin,
    followed: &Followed<'_>,
    screen: &mut Screen,
) -> Result<Ended, Stopped> {
    let mut views: BTreeMap<String, StatusView> = BTreeMap::new();
    let mut listed: Option<BTreeMap<String, StatusView>> = None;
    let mut is_known = false;
    let mut said_error = String::new();
    loop {
        let event = match changes.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Ended::Closed),
            Err(error) => {
                let failure = cannot_watch(&error, followed.server)?;
                if failure != said_error {
                    eprintln!("note: {failure}; it is tried again");
                    said_error = failure;
                }
                continue;
            }
        };
        match event {
            Event::Init => listed = Some(BTreeMap::new()),
            Event::InitApply(config) => {
                listed.get_or_insert_default().extend(view(config));
            }
            Event::InitDone => {
                views = listed.take().unwrap_or_default();
                is_known = true;
                said_error.clear();
                // A terminal shows it anyway.
                if views.is_empty() && !matches!(screen, Screen::Live(_)) {
                    eprintln!("note: there is no FlippyConfig; waiting for one");
                }
            }
            Event::Apply(config) => views.extend(view(config)),
            Event::Delete(config) => {
                views.remove(&path(&config));
            }
        }
        if !is_known {
            continue;
        }
        screen.show(&views)?;
        if followed.name.is_some() && views.is_empty() {
            return Err(Failure::error("the FlippyConfig was deleted").into());
        }
        if followed.until_done
            && let Some(ended) = outcome_of(&views)
        {
            return Ok(ended);
        }
    }
}

/// Why it ends now, once nothing goes on by itself any more.
fn outcome_of(views: &BTreeMap<String, StatusView>) -> Option<Ended> {
    let goes_on = |view: &StatusView| matches!(view.progress, Progress::UnderWay | Progress::Unknown);
    if views.values().any(goes_on) {
        return None;
    }
    let is_stalled = views.values().any(|view| view.progress == Progress::Stalled);
    Some(if is_stalled { Ended::Stalled } else { Ended::Done })
}

fn view(config: DeserializeGuard<FlippyConfig>) -> Option<(String, StatusView)> {
    let view = StatusView::of(&config.0.ok()?);
    Some((view.path(), view))
}

fn path(config: &DeserializeGuard<FlippyConfig>) -> String {
    format!("{}/{}", config.namespace().unwrap_or_default(), config.name_any())
}

/// What does not get better by itself is an error; the rest is tried again.
fn cannot_watch(error: &watcher::Error, server: &str) -> Result<String, Failure> {
    let cause = match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => cause,
        other => return Ok(format!("cannot follow the FlippyConfigs: {other}")),
    };
    match cause {
        kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404) => Err(refusal::failure(cause, server)),
        cause => Ok(format!("cannot follow the FlippyConfigs at {server}: {}", refusal::chain(cause))),
    }
}

/// An early end.
enum Stopped {
    Failed(Failure),
    /// Whoever read it has seen enough (`| head`).
    Closed,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn print(text: &str) -> Result<(), Stopped> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Stopped::Closed,
        _ => Failure::error(format!("cannot write the output: {error}")).into(),
    })
}
