//! One after the other: nothing starts while a restart that is waited for is under way. Where `MaxConcurrent` is set,
//! this is left for what goes first.

use super::budget::possible_waves;
use super::facts::name;
use super::under_way::under_way;
use super::{Case, Invariant, Objection};

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let one_after_the_other = possible_waves(case).all(|wave| case.wish.most(wave).is_none());
    let busy = under_way(case).find(|other| other.is_waited_for && (one_after_the_other || other.goes_first))?;
    let message = format!(
        "{} was being restarted, and is waited for (FlippyConfig {})",
        name(busy.resource, busy.key),
        case.wish.key
    );
    Some(Objection::new(Invariant::Serial, message))
}
