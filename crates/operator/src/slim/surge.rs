//! Whether an update strategy brings up new pods before it takes old ones away.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What `maxSurge` and `maxUnavailable` of a Deployment are when absent, in per cent (k8s.io/api apps/v1
/// `RollingUpdateDeployment`).
const DEFAULT_PERCENT: i64 = 25;

/// Whether a rolling Deployment has at least as many pods available all the time as it should have: shares of `maxSurge`
/// are rounded up, shares of `maxUnavailable` down, and where that makes both nothing, one pod may go (k8s.io/kubernetes
/// `pkg/controller/deployment/util`, `ResolveFenceposts`).
pub(super) fn takes_nothing_away(
    max_surge: Option<&IntOrString>,
    max_unavailable: Option<&IntOrString>,
    replicas: i64,
) -> bool {
    let surge = number(max_surge, replicas, true);
    let unavailable = number(max_unavailable, replicas, false);
    // What cannot be read is not trusted to be harmless.
    surge.is_some_and(|surge| surge > 0) && unavailable == Some(0)
}

/// A `DaemonSet` may have a `maxSurge` only where its `maxUnavailable` is 0; absent is 0 (k8s.io/kubernetes
/// `pkg/apis/apps/validation`, `ValidateRollingUpdateDaemonSet`). Shares are rounded up, so any share but none surges.
pub(super) fn daemon_set_surges(max_surge: Option<&IntOrString>) -> bool {
    max_surge.is_some_and(|max_surge| number(Some(max_surge), 100, true).is_some_and(|surge| surge > 0))
}

fn number(value: Option<&IntOrString>, of: i64, round_up: bool) -> Option<i64> {
    let percent = match value {
        Some(IntOrString::Int(count)) => return Some(i64::from(*count)),
        Some(IntOrString::String(share)) => share.strip_suffix('%')?.parse::<u32>().ok()?.into(),
        None => DEFAULT_PERCENT,
    };
    let hundredfold = of.checked_mul(percent)?;
    Some(if round_up { hundredfold.checked_add(99)?.div_euclid(100) } else { hundredfold.div_euclid(100) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(max_surge: &str, max_unavailable: &str, replicas: i64) -> bool {
        let value = |text: &str| match text.parse() {
            Ok(count) => IntOrString::Int(count),
            Err(_) => IntOrString::String(text.to_owned()),
        };
        takes_nothing_away(Some(&value(max_surge)), Some(&value(max_unavailable)), replicas)
    }

    #[test]
    fn a_deployment_takes_nothing_away_if_it_surges_and_may_lose_none() {
        assert!(deployment("1", "0", 3));
        assert!(deployment("1%", "0%", 1));
        assert!(!deployment("1", "1", 3));
        assert!(!deployment("0", "1", 3));
        assert!(!deployment("", "0", 3));
    }

    #[test]
    fn shares_are_of_the_replicas_and_the_default_spares_small_deployments() {
        assert!(deployment("25%", "25%", 3));
        assert!(!deployment("25%", "25%", 4));
        assert!(takes_nothing_away(None, None, 3));
        assert!(!takes_nothing_away(None, None, 4));
    }

    #[test]
    fn where_both_shares_come_to_nothing_one_pod_goes() {
        assert!(!deployment("0%", "10%", 3));
    }

    #[test]
    fn a_daemon_set_that_surges_takes_nothing_away() {
        assert!(daemon_set_surges(Some(&IntOrString::Int(1))));
        assert!(daemon_set_surges(Some(&IntOrString::String("5%".to_owned()))));
        assert!(!daemon_set_surges(Some(&IntOrString::String("0%".to_owned()))));
        assert!(!daemon_set_surges(Some(&IntOrString::Int(0))));
        assert!(!daemon_set_surges(None));
    }
}
