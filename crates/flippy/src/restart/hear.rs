//! Listens to a campaign until it is over, and asks what it needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flippy_api::FlippyConfig;
use flippy_core::annotation::APPROVE_PREFIX;
use flippy_core::{PolicyName, Timestamp};
use flippy_operator::News;
use kube::ResourceExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::consent;
use super::ending::{Ending, Standing, standing};
use super::screen::{Farewell, Screen};
use crate::exit::Failure;
use crate::status::view::StatusView;

/// Time between two looks at what time alone changes.
const LOOK: Duration = Duration::from_millis(200);
/// Progress alone is told so often: a line for every pod would hide what matters.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Workloads named in the last words.
const MAX_NAMED: usize = 10;

/// What is known of the campaign.
pub(super) struct Listener<'a> {
    pub(super) screen: &'a mut Screen,
    pub(super) configs: BTreeMap<PolicyName, Heard>,
    /// Takes a config with an approval.
    pub(super) changes: mpsc::Sender<FlippyConfig>,
    /// Waves that are approved before anybody asks.
    pub(super) approve: &'a [String],
    /// Who approves.
    pub(super) user: Option<String>,
    pub(super) began: Instant,
    pub(super) restarted: BTreeSet<String>,
}

/// What is known of one config.
pub(super) struct Heard {
    config: FlippyConfig,
    told_at: Option<Instant>,
    /// It was told last what stands in `config`.
    is_told: bool,
    /// Since when it is over, if it stays like this.
    passes_since: Option<Instant>,
    /// Waves that nobody is asked about any more, with the answer.
    answers: BTreeMap<String, bool>,
}

impl Heard {
    pub(super) fn new(config: &FlippyConfig) -> Self {
        let config = FlippyConfig { status: None, ..config.clone() };
        Self { config, told_at: None, is_told: false, passes_since: None, answers: BTreeMap::new() }
    }

    fn view(&self) -> StatusView {
        StatusView::of(&self.config)
    }
}

/// A question that waits for its answer.
struct Question {
    config: PolicyName,
    wave: String,
    answer: oneshot::Receiver<bool>,
}

impl Listener<'_> {
    /// Listens until there is an ending. `hold` is cancelled by whoever does not want to go on.
    pub(super) async fn until_ended(
        &mut self,
        news: &mut mpsc::Receiver<News>,
        hold: &CancellationToken,
        deadline: Option<Instant>,
    ) -> Result<Ending, Failure> {
        let mut question: Option<Question> = None;
        loop {
            let time_is_over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = hold.cancelled() => return Ok(Ending::Interrupted),
                () = time_is_over => return Ok(Ending::TimedOut),
                answer = answered(&mut question) => self.note_answer(answer).await,
                heard = news.recv() => match heard {
                    Some(heard) => self.take(heard)?,
                    None => return Err(Failure::error("the campaign ended unexpectedly; please report it")),
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            self.approve_what_was_named().await;
            if let Some(ending) = self.ending() {
                return Ok(ending);
            }
            if question.is_none() {
                question = self.question();
            }
            if question.is_none() {
                self.draw();
            }
        }
    }

    /// Hears what is still said after everything was told to stop.
    pub(super) async fn until_silent(&mut self, news: &mut mpsc::Receiver<News>) -> Result<(), Failure> {
        while let Some(heard) = news.recv().await {
            self.take(heard)?;
        }
        Ok(())
    }

    /// Says how it ended.
    pub(super) fn say_farewell(&mut self, ending: Ending) -> Result<(), Failure> {
        let views: Vec<StatusView> = self.configs.values().map(Heard::view).collect();
        let under_way = self.under_way();
        let message = farewell(ending, &under_way, &views);
        self.screen.ended(&Farewell { ending, message, under_way, views: &views })
    }

    fn take(&mut self, heard: News) -> Result<(), Failure> {
        match heard {
            News::OfWorkload { workload, at, message, .. } => {
                self.restarted.insert(workload.to_string());
                self.screen.restarted(&workload, at, &message)
            }
            News::OfConfig { config, status } => {
                // Whatever was restarted before is in there.
                self.restarted.clear();
                let Some(known) = self.configs.get_mut(&config) else { return Ok(()) };
                let is_turn = flippy_api::turn_of(known.config.status.as_ref(), &status).is_some();
                known.config.status = Some(*status);
                known.is_told = false;
                let is_due = known.told_at.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY);
                if !is_turn && !is_due {
                    return Ok(());
                }
                (known.told_at, known.is_told) = (Some(Instant::now()), true);
                self.screen.progress(&known.view(), Timestamp::now())
            }
        }
    }

    /// What is still to be told, once it is due.
    fn draw(&mut self) {
        let views: Vec<StatusView> = self.configs.values().map(Heard::view).collect();
        self.screen.draw(&views, self.began.elapsed(), Timestamp::now());
        for known in self.configs.values_mut().filter(|known| known.config.status.is_some()) {
            if !known.is_told && known.told_at.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
                (known.told_at, known.is_told) = (Some(Instant::now()), true);
                // A reader that is gone does not end a campaign.
                let _ = self.screen.progress(&known.view(), Timestamp::now());
            }
        }
    }

    /// The ending, once nothing more happens by itself in any config.
    fn ending(&mut self) -> Option<Ending> {
        let mut worst = Ending::AllFresh;
        for known in self.configs.values_mut() {
            let standing = known.config.status.as_ref().map_or(Standing::GoesOn, standing);
            let ending = match standing {
                Standing::GoesOn => {
                    known.passes_since = None;
                    return None;
                }
                Standing::MayPass(ending, within) => {
                    let since = *known.passes_since.get_or_insert_with(Instant::now);
                    (since.elapsed() >= within).then_some(ending)?
                }
                Standing::Over(ending) => ending,
                Standing::Awaits(wave) => {
                    let is_refused = known.answers.get(&wave) == Some(&false);
                    // An approval that was given is acted on in a moment.
                    (is_refused || (!known.answers.contains_key(&wave) && !consent::can_ask()))
                        .then_some(Ending::AwaitingApproval)?
                }
            };
            worst = worst.max(ending);
        }
        Some(worst)
    }

    /// Asks about the first wave that waits for an answer.
    fn question(&mut self) -> Option<Question> {
        if !consent::can_ask() {
            return None;
        }
        let waiting = self.configs.iter().find_map(|(name, known)| match standing(known.config.status.as_ref()?) {
            Standing::Awaits(wave) if !known.answers.contains_key(&wave) => Some((name.clone(), wave)),
            _ => None,
        });
        let (config, wave) = waiting?;
        self.screen.clear();
        let view = self.configs.get(&config)?.view();
        let size = view.waves.iter().find(|known| known.name == wave).map_or(0, |known| known.total - known.fresh);
        let answer = consent::ask(&format!("FlippyConfig {config}: start wave {wave}, {size} workloads?"));
        Some(Question { config, wave, answer })
    }

    async fn note_answer(&mut self, (config, wave, is_yes): (PolicyName, String, bool)) {
        if let Some(known) = self.configs.get_mut(&config) {
            known.answers.insert(wave.clone(), is_yes);
        }
        if is_yes {
            self.approve(&config, &wave).await;
        }
    }

    async fn approve_what_was_named(&mut self) {
        let mut due = Vec::new();
        for (name, known) in &mut self.configs {
            let Some(status) = known.config.status.as_ref().filter(|status| status.campaign.is_some()) else {
                continue;
            };
            for wave in self.approve.iter().filter(|wave| status.waves.iter().any(|known| known.name == **wave)) {
                if known.answers.insert(wave.clone(), true).is_none() {
                    due.push((name.clone(), wave.clone()));
                }
            }
        }
        for (name, wave) in due {
            self.approve(&name, &wave).await;
        }
    }

    /// Puts the annotation on the config that `flippy approve` would put there.
    async fn approve(&mut self, config: &PolicyName, wave: &str) {
        let Some(known) = self.configs.get_mut(config) else { return };
        let Some(campaign) = known.config.status.as_ref().and_then(|status| status.campaign.clone()) else { return };
        let value = self.user.as_ref().map_or_else(|| campaign.clone(), |user| format!("{campaign} by {user}"));
        known.config.annotations_mut().insert(format!("{APPROVE_PREFIX}{wave}"), value);
        // Closed: it is over in a moment.
        let _ = self.changes.send(known.config.clone()).await;
    }

    /// Workloads whose restart is not known to be done.
    fn under_way(&self) -> Vec<String> {
        let statuses = self.configs.values().filter_map(|known| known.config.status.as_ref());
        let listed = statuses.flat_map(|status| status.in_flight.iter().map(|one| one.workload.clone()));
        listed.chain(self.restarted.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The answer, if a question is open; never otherwise.
async fn answered(question: &mut Option<Question>) -> (PolicyName, String, bool) {
    let Some(open) = question else { return std::future::pending().await };
    let is_yes = (&mut open.answer).await.unwrap_or(false);
    let Question { config, wave, .. } = question.take().expect("it was there a line ago");
    (config, wave, is_yes)
}

fn farewell(ending: Ending, under_way: &[String], views: &[StatusView]) -> String {
    let named = under_way.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = under_way.len().saturating_sub(MAX_NAMED);
    let rest = match (under_way.is_empty(), more) {
        (true, _) => "nothing is under way".to_owned(),
        (false, 0) => format!("still under way, and finishing by itself: {named}"),
        (false, more) => format!("still under way, and finishing by itself: {named} and {more} more"),
    };
    let again = "the same command goes on where this one stopped";
    match ending {
        Ending::AllFresh => "done: every workload in scope runs a wanted image".to_owned(),
        Ending::Blocked => "ended: what is left needs a person; see above".to_owned(),
        Ending::Failed => "ended: some restarts have failed; see above".to_owned(),
        Ending::Halted => {
            format!(
                "halted: too many restarts have failed; look at them, then add --retry to try them again, or --resume to leave them; {again}"
            )
        }
        Ending::AwaitingApproval => {
            let waiting = |view: &StatusView| {
                let waves = view.waves.iter().filter(|wave| wave.state == "AwaitingApproval");
                waves.map(|wave| wave.name.clone()).collect::<Vec<_>>()
            };
            let waves = views.iter().flat_map(waiting).collect::<Vec<_>>().join(", ");
            format!("ended: a wave waits for approval ({waves}): approve it with --approve WAVE; {again}")
        }
        Ending::TimedOut => format!("not done in time; {rest}; {again}"),
        Ending::Interrupted => format!("interrupted: nothing more starts; {rest}; {again}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_who_interrupts_is_told_what_is_under_way_and_how_to_go_on() {
        let text = farewell(Ending::Interrupted, &["Deployment shop/cart".to_owned()], &[]);
        assert!(text.contains("finishing by itself: Deployment shop/cart; the same command goes on"), "{text}");
        assert!(farewell(Ending::Interrupted, &[], &[]).contains("nothing is under way"));
    }

    #[test]
    fn many_that_are_under_way_are_counted() {
        let many: Vec<String> = (0..12).map(|number| format!("w{number:02}")).collect();
        assert!(farewell(Ending::TimedOut, &many, &[]).contains("w09 and 2 more"));
    }
}
