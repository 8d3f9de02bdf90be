//! Restart tokens and marks: what is written is what is read; anything else counts as no mark.

use flippy_core::{RestartMark, RestartToken, Timestamp};
use proptest::prelude::*;

use crate::common::at;

#[test]
fn a_token_reads_as_it_is_written() {
    let token = RestartToken { hash: "fd3f0cf6bd6f".into(), attempt: 12 };
    assert_eq!(token.to_string(), "fd3f0cf6bd6f-12");
    assert_eq!("fd3f0cf6bd6f-12".parse(), Ok(token));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", "-", "-1", "abc", "abc-", "abc-0", "abc-x", "abc--1x", "abc-4294967296", "abc- 1"] {
        let refusal = text.parse::<RestartToken>().unwrap_err();
        assert!(refusal.to_string().contains(&format!("`{text}`")), "{refusal}");
    }
}

#[test]
fn a_mark_needs_a_token_and_a_time() {
    assert!(RestartMark::parse("abc-1", "2026-01-05T22:00:00Z", None).is_some());
    assert!(RestartMark::parse("abc", "2026-01-05T22:00:00Z", None).is_none());
    assert!(RestartMark::parse("abc-1", "yesterday", None).is_none());
}

#[test]
fn a_note_of_being_unhealthy_before_is_about_one_restart_only() {
    let unhealthy_before = |note| RestartMark::parse("abc-2", "2026-01-05T22:00:00Z", note).unwrap().unhealthy_before;
    assert!(unhealthy_before(Some("abc-2")));
    assert!(!unhealthy_before(Some("abc-1")));
    assert!(!unhealthy_before(None));
}

#[test]
fn the_time_of_a_mark_keeps_its_instant_through_text() {
    let mark = RestartMark::parse("abc-1", &at(7).to_string(), None).unwrap();
    assert_eq!(mark.at, at(7));
}

proptest! {
    #[test]
    fn every_token_survives_being_written_and_read(hash in "[a-z0-9-]{0,12}[a-z0-9]", attempt in 1..u32::MAX) {
        let token = RestartToken { hash: hash.into(), attempt };
        prop_assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn no_annotation_makes_it_panic(token in any::<String>(), time in any::<String>(), note in any::<Option<String>>()) {
        let mark = RestartMark::parse(&token, &time, note.as_deref());
        prop_assert!(mark.is_none() || time.parse::<Timestamp>().is_ok());
    }
}
