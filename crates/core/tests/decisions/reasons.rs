//! The closed list of reasons is closed.

use std::collections::BTreeSet;

use flippy_core::REASONS;

/// Everything that gives reasons, as text: what is not covered by a case here is covered all the same.
const SOURCES: [(&str, &str); 12] = [
    ("verdict", include_str!("../../src/verdict.rs")),
    ("foresight", include_str!("../../src/foresight.rs")),
    ("custom rollout", include_str!("../../src/custom_rollout.rs")),
    ("status", include_str!("../../src/status.rs")),
    ("left alone", include_str!("../../src/left_alone.rs")),
    ("disruption", include_str!("../../src/disruption.rs")),
    ("waves", include_str!("../../src/waves.rs")),
    ("events of waves", include_str!("../../../api/src/wave_status.rs")),
    ("plan view", include_str!("../../../flippy/src/plan/view.rs")),
    ("decide", include_str!("../../../operator/src/decide.rs")),
    ("notify", include_str!("../../../operator/src/notify.rs")),
    ("driver", include_str!("../../../operator/src/driver.rs")),
];

/// Words with a capital that are no reasons: types of conditions, values, verdicts, states of what goes first, of waves and of
/// gates, kinds.
const OTHERS: [&str; 31] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "RestartsAllowed",
    "True",
    "False",
    "Normal",
    "Warning",
    "Fresh",
    "Restart",
    "InFlight",
    "Converging",
    "Blocked",
    "Futile",
    "Failed",
    "Idle",
    "Missing",
    "Due",
    "Done",
    "Pending",
    "Running",
    "Soaking",
    "Shut",
    "NotAsked",
    "Pod",
    "Node",
    "Job",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "ReplicationController",
];

/// String literals that are one word with a capital.
fn words(source: &str) -> BTreeSet<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let literals = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    let is_word = |text: &&str| {
        text.starts_with(|letter: char| letter.is_ascii_uppercase())
            && text.len() > 1
            && text.chars().all(|letter| letter.is_ascii_alphabetic())
    };
    literals.filter(is_word).collect()
}

#[test]
fn every_reason_that_is_given_is_in_the_list() {
    let listed: BTreeSet<&str> = REASONS.iter().map(|reason| reason.word).collect();
    for (name, source) in SOURCES {
        let missing: Vec<&str> =
            words(source).into_iter().filter(|word| !listed.contains(word) && !OTHERS.contains(word)).collect();
        assert!(
            missing.is_empty(),
            "{name} gives reasons that crates/core/src/reason.rs does not explain: {missing:?}"
        );
    }
}

#[test]
fn every_reason_in_the_list_is_given_by_something() {
    let given: BTreeSet<&str> = SOURCES.iter().flat_map(|(_, source)| words(source)).collect();
    let stray: Vec<&str> = REASONS.iter().map(|reason| reason.word).filter(|word| !given.contains(word)).collect();
    assert_eq!(stray, [""; 0], "nothing gives these");
}

#[test]
fn each_reason_is_listed_once_with_a_place_a_meaning_and_a_remedy() {
    let words: BTreeSet<&str> = REASONS.iter().map(|reason| reason.word).collect();
    assert_eq!(words.len(), REASONS.len());
    for reason in REASONS {
        assert!(!reason.places.is_empty(), "{}", reason.word);
        assert!(reason.meaning.ends_with('.') && reason.remedy.ends_with('.'), "{}", reason.word);
    }
}
