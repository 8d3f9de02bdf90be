//! When restarts may start: `spec.Windows`, and what is not understood there or in `spec.Strategy`.

use anyhow::{Result, ensure};
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::config::{MESH, wanting};
use crate::outcome::{condition_because, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        nothing_is_restarted_inside_a_denied_window_until_it_is_taken_away,
        nothing_is_restarted_outside_the_allowed_windows_until_one_is_open,
        nothing_is_restarted_that_is_not_expected_to_finish_before_the_window_ends,
        windows_that_no_restart_fits_into_are_said_to_need_a_person,
        a_schedule_and_a_time_zone_that_do_not_exist_are_reported_with_their_path_and_value,
    ],
    // The simulation does not validate custom resources.
    real: [the_api_server_refuses_what_is_no_limit_no_schedule_and_no_duration_and_names_the_field],
}

fn within(s: &Scenario, windows: &Value) -> Value {
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["Windows"] = windows.clone();
    spec
}

async fn two_stale_workloads(s: &Scenario) -> Result<Vec<WorkloadRef>> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b"].map(Workload::deployment)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    Ok(workloads)
}

/// Waits until the answer to the present spec is that no restart may start for this reason, and checks that none did.
async fn forbidden(s: &Scenario, reason: &str) -> Result<()> {
    let status = condition_because(s, MESH, "RestartsAllowed", reason).await?;
    assert_eq!(condition(&status, "RestartsAllowed").expect("it was just read")["status"], "False");
    assert_eq!(condition(&status, "Stalled").expect("it is always there")["status"], "False", "time alone ends it");
    assert_eq!(status["workloads"]["restart"], 2, "{status}");
    let restarted = s.requests()?.restarts().names();
    ensure!(restarted.is_empty(), "restarted: {restarted:?}");
    Ok(())
}

async fn nothing_is_restarted_inside_a_denied_window_until_it_is_taken_away(s: &Scenario) -> Result<()> {
    let workloads = two_stale_workloads(s).await?;
    let _operator = s.operator().await?;
    // Each begins when the last one ends.
    let always = json!({"Type": "Deny", "Schedule": "0 * * * *", "Duration": "1h"});
    s.config(s.system(), MESH, within(s, &json!([always]))).await?;
    forbidden(s, "OutsideWindow").await?;
    // Another one does not help, whatever it allows.
    let allowed = json!({"Type": "Allow", "Schedule": "0 0 * * *", "Duration": "48h"});
    s.config(s.system(), MESH, within(s, &json!([allowed, always]))).await?;
    forbidden(s, "OutsideWindow").await?;

    s.config(s.system(), MESH, within(s, &json!([allowed]))).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn nothing_is_restarted_outside_the_allowed_windows_until_one_is_open(s: &Scenario) -> Result<()> {
    let workloads = two_stale_workloads(s).await?;
    let _operator = s.operator().await?;
    let in_half_a_year = (s.now().to_zoned(TimeZone::UTC).month() + 5) % 12 + 1;
    let far = json!({"Type": "Allow", "Schedule": format!("0 22 10 {in_half_a_year} *"), "Duration": "6h"});
    s.config(s.system(), MESH, within(s, &json!([far]))).await?;
    forbidden(s, "OutsideWindow").await?;

    let open = json!({"Type": "Allow", "Schedule": "0 0 * * *", "Duration": "48h", "TimeZone": "Asia/Tokyo"});
    s.config(s.system(), MESH, within(s, &json!([far, open]))).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn nothing_is_restarted_that_is_not_expected_to_finish_before_the_window_ends(s: &Scenario) -> Result<()> {
    let workloads = two_stale_workloads(s).await?;
    let _operator = s.operator().await?;
    // One to two hours are left of it, less than a restart has to stay ready; the next one is long enough.
    let begun = (s.now().to_zoned(TimeZone::UTC).hour() + 23) % 24;
    let window = json!({"Type": "Allow", "Schedule": format!("0 {begun} * * *"), "Duration": "3h"});
    let mut spec = within(s, &json!([window]));
    spec["Strategy"] = json!({"MinReadySeconds": 2 * 3600});
    s.config(s.system(), MESH, spec).await?;
    forbidden(s, "WindowEnds").await?;

    s.config(s.system(), MESH, within(s, &json!([window]))).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn windows_that_no_restart_fits_into_are_said_to_need_a_person(s: &Scenario) -> Result<()> {
    let workloads = two_stale_workloads(s).await?;
    let _operator = s.operator().await?;
    let short = json!({"Type": "Allow", "Schedule": "0,30 * * * *", "Duration": "1m"});
    s.config(s.system(), MESH, within(s, &json!([short]))).await?;
    let status = condition_because(s, MESH, "Stalled", "WindowsTooShort").await?;
    assert_eq!(condition(&status, "RestartsAllowed").expect("it is always there")["reason"], "WindowsTooShort");
    let restarted = s.requests()?.restarts().names();
    ensure!(restarted.is_empty(), "restarted: {restarted:?}");

    let open = json!({"Type": "Allow", "Schedule": "0 0 * * *", "Duration": "48h"});
    s.config(s.system(), MESH, within(s, &json!([short, open]))).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn a_schedule_and_a_time_zone_that_do_not_exist_are_reported_with_their_path_and_value(
    s: &Scenario,
) -> Result<()> {
    let _operator = s.operator().await?;
    let windows = json!([
        {"Type": "Allow", "Schedule": "0 25 * * *", "Duration": "1h"},
        {"Type": "Allow", "Schedule": "0 22 * * *", "Duration": "1h", "TimeZone": "Mars/Olympus"},
    ]);
    s.config(s.system(), MESH, within(s, &windows)).await?;

    let status = ready_because(s, MESH, "InvalidSpec").await?;
    let ready = condition(&status, "Ready").expect("it was just read");
    assert_eq!(ready["status"], "False");
    let message = ready["message"].as_str().unwrap_or_default();
    for part in ["spec.Windows[0].Schedule", "`0 25 * * *`", "spec.Windows[1].TimeZone", "`Mars/Olympus`"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    Ok(())
}

async fn the_api_server_refuses_what_is_no_limit_no_schedule_and_no_duration_and_names_the_field(
    s: &Scenario,
) -> Result<()> {
    let window = |field: &str, value: &str| {
        let mut window = json!({"Type": "Allow", "Schedule": "0 22 * * *", "Duration": "1h"});
        window[field] = json!(value);
        json!({"Windows": [window]})
    };
    let bad = [
        ("spec.Strategy.MaxConcurrent", "many", json!({"Strategy": {"MaxConcurrent": "many"}})),
        ("spec.Strategy.MaxConcurrent", "a number of workloads from 1 on", json!({"Strategy": {"MaxConcurrent": 0}})),
        ("spec.Strategy.MaxConcurrentPerNamespace", "101%", json!({"Strategy": {"MaxConcurrentPerNamespace": "101%"}})),
        ("spec.Strategy.MaxFailures", "from 0 on", json!({"Strategy": {"MaxFailures": -1}})),
        ("spec.Strategy.OnFailure", "Panic", json!({"Strategy": {"OnFailure": "Panic"}})),
        ("spec.Strategy.MinInterval", "soon", json!({"Strategy": {"MinInterval": "soon"}})),
        ("spec.Strategy.MinReadySeconds", "86401", json!({"Strategy": {"MinReadySeconds": 86401}})),
        ("spec.Strategy.SingleReplica", "Keep", json!({"Strategy": {"SingleReplica": "Keep"}})),
        ("spec.Windows[0].Type", "Maybe", window("Type", "Maybe")),
        ("spec.Windows[0].Schedule", "22:00", window("Schedule", "22:00")),
        ("spec.Windows[0].Duration", "-1h", window("Duration", "-1h")),
        ("spec.Windows[0]", "needs Type, Schedule and Duration", json!({"Windows": [{"Type": "Allow"}]})),
    ];
    for (path, value, pace) in bad {
        let mut spec = wanting(s, &[NEW_IMAGE]);
        spec.as_object_mut().expect("it is one").extend(pace.as_object().expect("it is one").clone());
        let refused = s.config(s.system(), MESH, spec).await;
        let Err(refused) = refused else { panic!("{pace} was accepted") };
        let message = format!("{refused:#}");
        assert!(message.contains(&format!("{path}: ")) && message.contains(value), "{pace}: {message}");
    }
    Ok(())
}
