//! `Windows`: when restarts may start.

use flippy_core::{Schedule, ScheduleParseError, SignedDuration, TimeZone, Window, WindowKind};

use crate::bounds::MAX_TIME_LENGTH;
use crate::duration::parse_duration;
use crate::problem::Problem;
use crate::spec;

const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(720);

/// Reads the window at a path, or says everything that is wrong with it.
pub(crate) fn window(spec: &spec::Window, path: &str, problems: &mut Vec<Problem>) -> Option<Window> {
    let mut wrong = |field: &str, message: String| problems.push(Problem::new(format!("{path}.{field}"), &message));
    let kind = kind(&spec.r#type).map_err(|message| wrong("Type", message));
    let schedule = schedule(&spec.schedule).map_err(|message| wrong("Schedule", message));
    let duration = duration(&spec.duration).map_err(|message| wrong("Duration", message));
    let time_zone = time_zone(&spec.time_zone).map_err(|message| wrong("TimeZone", message));
    Some(Window { kind: kind.ok()?, schedule: schedule.ok()?, duration: duration.ok()?, time_zone: time_zone.ok()? })
}

fn kind(text: &str) -> Result<WindowKind, String> {
    match text {
        "Allow" => Ok(WindowKind::Allow),
        "Deny" => Ok(WindowKind::Deny),
        other => Err(format!("is `{other}`; write Allow or Deny")),
    }
}

fn schedule(text: &str) -> Result<Schedule, String> {
    if text.chars().count() > MAX_TIME_LENGTH {
        return Err(format!("is longer than {MAX_TIME_LENGTH} characters; write several windows"));
    }
    text.parse().map_err(|error: ScheduleParseError| error.to_string())
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    if text.chars().count() > MAX_TIME_LENGTH {
        return Err(format!("is longer than {MAX_TIME_LENGTH} characters; write for example 6h"));
    }
    let duration = SignedDuration::try_from(parse_duration(text)?).ok();
    let duration = duration.filter(|duration| (SHORTEST..=LONGEST).contains(duration));
    duration.ok_or_else(|| format!("is `{text}`; write from 1m to 720h"))
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    if text.is_empty() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(text)
        .map_err(|_| format!("is `{text}`; write the IANA name of a time zone, for example Europe/Paris"))
}
