//! Every restart carries `test`s on the uid and the generation that it was decided on.

use flippy_sim::Json;

use super::{Finding, Invariant};
use crate::record::Record;

pub(super) fn check(record: &Record<'_>) -> Vec<Finding> {
    let requests = record.history.requests.iter().filter(|request| Record::is_restart_request(request));
    requests
        .filter_map(|request| {
            let patch: Json = serde_json::from_slice(&request.body).unwrap_or_default();
            let tests = |path: &str| {
                let mut operations = patch.as_array().into_iter().flatten();
                operations.any(|one| one["op"] == "test" && one["path"] == path && !one["value"].is_null())
            };
            let unguarded = ["/metadata/uid", "/metadata/generation"].into_iter().find(|path| !tests(path))?;
            let key = &request.target.as_ref()?.3;
            Some(Finding {
                at: request.at,
                invariant: Invariant::Guard,
                message: format!("the patch of {key} does not test {unguarded}: {}", request.line),
                subject: key.name.to_string(),
            })
        })
        .collect()
}
