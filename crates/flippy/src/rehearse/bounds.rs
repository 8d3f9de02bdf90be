//! What an object may hold. A file can say anything, and a rehearsal must neither run out of memory nor out of numbers for it.

use serde_json::Value;

/// Bytes of all files together: a hundred thousand pods are one gigabyte as kubectl prints them.
pub(super) const MAX_BYTES: u64 = 8 << 30;
/// Bytes of one object. An API server takes one and a half megabytes; printed with indentation they are more.
pub(super) const MAX_OBJECT_BYTES: u64 = 16 << 20;
/// Objects that play a part.
pub(super) const MAX_OBJECTS: usize = 1_000_000;
/// Pods that all workloads together may ask for.
pub(super) const MAX_PODS: u64 = 300_000;
/// Kinds that play no part.
pub(super) const MAX_KINDS: usize = 1_000;
/// `FlippyConfig`s.
pub(super) const MAX_CONFIGS: usize = 1_000;
/// The longest name that Kubernetes knows.
const MAX_NAME: usize = 253;
/// Percentages beyond are no use to anybody.
const MAX_PERCENT: i64 = 100_000;

/// What is an object wherever it is there.
const OBJECTS: [&str; 16] = [
    "/metadata",
    "/spec",
    "/status",
    "/spec/template",
    "/spec/template/metadata",
    "/spec/template/metadata/labels",
    "/spec/template/metadata/annotations",
    "/spec/template/spec",
    "/spec/selector",
    "/spec/selector/matchLabels",
    "/spec/strategy",
    "/spec/strategy/rollingUpdate",
    "/spec/strategy/canary",
    "/spec/updateStrategy",
    "/spec/updateStrategy/rollingUpdate",
    "/spec/workloadRef",
];

/// What is a list of objects wherever it is there.
const LISTS: [&str; 8] = [
    "/metadata/ownerReferences",
    "/spec/containers",
    "/spec/initContainers",
    "/spec/template/spec/containers",
    "/spec/template/spec/initContainers",
    "/status/conditions",
    "/status/containerStatuses",
    "/status/initContainerStatuses",
];

/// `Deployment shop/cart`
///
/// # Errors
/// When it has no name, or one that no API server would take.
pub(super) fn name_of(object: &Value) -> Result<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&object["kind"]);
    let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
    let is_sound = |name: &str| {
        !name.is_empty()
            && name.len() <= MAX_NAME
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':'))
    };
    if name.is_empty() {
        return Err(format!("a {kind} has no metadata.name"));
    }
    if !is_sound(&name) {
        return Err(format!("{kind} {}: no API server would take this name", shortened(&name)));
    }
    if kind == "Namespace" {
        return Ok(format!("{kind} {name}"));
    }
    if namespace.is_empty() {
        return Err(format!("{kind} {name} has no metadata.namespace"));
    }
    if !is_sound(&namespace) {
        return Err(format!("{kind} {name}: no API server would take the namespace {}", shortened(&namespace)));
    }
    Ok(format!("{kind} {namespace}/{name}"))
}

fn shortened(text: &str) -> String {
    text.chars().take(60).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Whether an object has the shape of one, and every number in it is one that Kubernetes has: 32 bits, except generations.
///
/// # Errors
/// The field that is beyond.
pub(super) fn check(object: &Value) -> Result<(), String> {
    for path in OBJECTS {
        if object.pointer(path).is_some_and(|part| !part.is_object()) {
            return Err(format!("{} is no object", path[1..].replace('/', ".")));
        }
    }
    for path in LISTS {
        let is_sound = |list: &Value| list.as_array().is_some_and(|items| items.iter().all(Value::is_object));
        if object.pointer(path).is_some_and(|list| !is_sound(list)) {
            return Err(format!("{} is no list of objects", path[1..].replace('/', ".")));
        }
    }
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    if !(0..=1 << 53).contains(&generation) {
        return Err(format!("metadata.generation is {generation}, which it cannot have reached"));
    }
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas < 0) {
        return Err(format!("spec.replicas is {replicas}: there are no fewer than none"));
    }
    for (key, value) in object["metadata"]["annotations"].as_object().into_iter().flatten() {
        // Controllers count on from there.
        let counts = key.ends_with("/revision") || key.ends_with("/desired-replicas");
        if counts && value.as_str().is_some_and(|text| text.len() > 9) {
            return Err(format!("metadata.annotations[{key}] is no number that a controller would have written"));
        }
    }
    numbers(&object["spec"], "spec")?;
    let Some(status) = object["status"].as_object() else { return Ok(()) };
    for (field, value) in status.iter().filter(|(field, _)| *field != "observedGeneration") {
        numbers(value, &format!("status.{field}"))?;
    }
    let observed = &status.get("observedGeneration").and_then(Value::as_i64).unwrap_or(0);
    if (0..=1 << 53).contains(observed) {
        Ok(())
    } else {
        Err(format!("status.observedGeneration is {observed}, which it cannot have reached"))
    }
}

fn numbers(value: &Value, path: &str) -> Result<(), String> {
    match value {
        Value::Number(number) => {
            let fits = number.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
            // Floating-point numbers are nobody's count.
            if fits || number.is_f64() {
                Ok(())
            } else {
                Err(format!("{path} is {number}, which has more than 32 bits"))
            }
        }
        Value::String(text) => match text.strip_suffix('%') {
            Some(digits) if digits.parse::<i64>().is_ok_and(|percent| !(0..=MAX_PERCENT).contains(&percent)) => {
                Err(format!("{path} is {text}, which is no sensible share"))
            }
            _ => Ok(()),
        },
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| numbers(item, &format!("{path}[{at}]")))
        }
        Value::Object(fields) => {
            fields.iter().try_for_each(|(field, value)| numbers(value, &format!("{path}.{field}")))
        }
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

/// How many pods workloads ask for.
///
/// # Errors
/// When that is more than can be played; the message names the largest.
pub(super) fn check_pods<'a>(workloads: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    let (mut total, mut largest) = (0_u64, (0_u64, String::new()));
    for workload in workloads {
        let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
        total += wanted;
        if wanted > largest.0 {
            largest = (wanted, name_of(workload).unwrap_or_default());
        }
    }
    if total <= MAX_PODS {
        return Ok(());
    }
    Err(format!(
        "its workloads ask for {total} pods, {} of them {}: no more than {MAX_PODS} can be played",
        largest.0, largest.1
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_that_kubernetes_could_not_hold_is_named_with_its_field() {
        let object = json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 9_000_000_000_i64}}}});
        assert_eq!(
            check(&object),
            Err("spec.strategy.rollingUpdate.maxSurge is 9000000000, which has more than 32 bits".to_owned())
        );
        assert!(check(&json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "99999999%"}}}})).is_err());
        assert!(check(&json!({"metadata": {"generation": -1}})).is_err());
        assert!(check(&json!({"metadata": {"annotations": {"a.io/revision": "9223372036854775807"}}})).is_err());
        assert!(check(&json!({"status": {"observedGeneration": 1_i64 << 60}})).is_err());
        assert_eq!(
            check(&json!({"spec": {"replicas": 3, "selector": {}}, "status": {"observedGeneration": 7}})),
            Ok(())
        );
    }

    #[test]
    fn an_object_is_named_by_kind_namespace_and_name() {
        let pod =
            |namespace: &str, name: &str| json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": name}});
        assert_eq!(name_of(&pod("shop", "cart-1")), Ok("Pod shop/cart-1".to_owned()));
        assert_eq!(name_of(&pod("", "cart-1")), Err("Pod cart-1 has no metadata.namespace".to_owned()));
        assert!(name_of(&pod("shop", "<script>")).is_err());
        assert!(name_of(&pod("shop", "")).is_err());
        assert_eq!(
            name_of(&json!({"kind": "Namespace", "metadata": {"name": "shop"}})),
            Ok("Namespace shop".to_owned())
        );
    }

    #[test]
    fn more_pods_than_can_be_played_are_refused_with_the_workload_that_asks_for_them() {
        let workload =
            json!({"kind": "Deployment", "metadata": {"namespace": "a", "name": "b"}, "spec": {"replicas": 2_000_000}});
        let error = check_pods([&workload].into_iter()).expect_err("there are too many");
        assert!(error.contains("2000000 of them Deployment a/b"), "{error}");
    }
}
