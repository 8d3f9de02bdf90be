//! What the API server refuses on its own, so that a mistake is an answer to `kubectl apply`.
//!
//! Everything refused here is refused at conversion too. The API server asks only about what a request changes
//! (KEP-4008), so an object from before these rules can still be labelled, and its status written.

use serde_json::{Map, Value, json};

use crate::bounds::{
    MAX_API_VERSION_LENGTH, MAX_ENTRIES, MAX_IMAGE_LENGTH, MAX_LABEL_KEY_LENGTH, MAX_LABEL_VALUE_LENGTH,
    MAX_NAME_LENGTH, MAX_READY_SECONDS, MAX_REQUIREMENTS, MAX_SELECTOR_VALUES, MAX_SOURCES, MAX_TEMPLATE_LENGTH,
    MAX_TIME_LENGTH, MAX_WAVE_NAME_LENGTH, MAX_WAVES, MAX_WINDOWS,
};
use crate::{gate_rules, notification_rules};

/// Without a bound the API server has to assume the worst of what a rule costs.
const LISTS: [&str; 5] =
    ["ImageList", "Preconditions", "RestartObjects", "PostFilterRestarts", "ProcessFilter.Containers"];
const MAPS: [&str; 3] = ["ProcessFilter.PodLabels", "ProcessFilter.Labels", "ProcessFilter.Annotations"];
/// Where one workload is named.
const WORKLOADS: [&str; 3] = ["Preconditions[].K8S", "PostFilterRestarts[].K8S", "ProcessFilter.PreProcessRestart"];

const SAY_IMAGE: &str = "write an image reference, for example docker.io/istio/proxyv2:1.30.4";
const SAY_WORKLOAD: &str = "name one workload: Type, Name and Namespace are all needed";
const SAY_TYPE: &str = "Type must be Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController \
                        (case does not matter)";

const SAY_OBJECT: &str = "Type must be Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController \
                          (case does not matter), or have an ApiVersion";
const SAY_API_VERSION: &str = "ApiVersion must be GROUP/VERSION, for example apps.kruise.io/v1alpha1";

/// As Go's `time.ParseDuration` reads it, but not negative.
pub(crate) const DURATION: &str = r"^\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";

const SAY_LIMIT: &str = "write a number of workloads from 1 on, or a percentage, for example \"5%\"";
const SAY_FAILURES: &str = "write a number of workloads from 0 on, or a percentage, for example \"10%\"";
const SAY_WAVE_NAME: &str = "a wave needs a Name of lower-case letters, digits and dashes, for example canary";
const SAY_REST: &str = "rest is the wave of what no other wave takes; choose another name";
const SAY_UNIQUE: &str = "each wave needs a name of its own";
const SAY_EXPRESSION: &str = "an expression needs a key and an operator";
const SAY_VALUES: &str = "In and NotIn need values, Exists and DoesNotExist must have none";
const SAY_MIRROR: &str = "a mirror needs From and To, for example docker.io and mirror.example.com/docker";
const SAY_SOURCE: &str = "a source needs a ConfigMap with Name and Key";
const SAY_WINDOW: &str = "a window needs Type, Schedule and Duration";

/// Adds bounds and rules to the schema of `spec`.
pub(crate) fn add(spec: &mut Value) {
    for list in LISTS {
        at(spec, list).insert("maxItems".to_owned(), json!(MAX_ENTRIES));
    }
    for map in MAPS {
        at(spec, map).insert("maxProperties".to_owned(), json!(MAX_ENTRIES));
    }
    for workload in WORKLOADS {
        for field in ["Type", "Name", "Namespace"] {
            at(spec, &format!("{workload}.{field}")).insert("maxLength".to_owned(), json!(MAX_NAME_LENGTH));
        }
    }
    at(spec, "RestartObjects[].Type").insert("maxLength".to_owned(), json!(MAX_NAME_LENGTH));
    at(spec, "ImageList[]").insert("maxLength".to_owned(), json!(MAX_IMAGE_LENGTH));

    add_limits(spec, "Strategy");
    add_limits(spec, "Strategy.Waves[]");
    add_images(spec);
    add_pace(spec);
    add_waves(spec);
    gate_rules::add(spec);
    notification_rules::add(spec);
    rule(spec, "ImageList[]", "self.trim() != ''", SAY_IMAGE);
    let is_named = format!("{} && {} && {}", given("self.Type"), given("self.Name"), given("self.Namespace"));
    // A precondition that cannot be checked must not count as met. What cannot be restarted first is merely skipped, as
    // in the original, and so not refused.
    rule(spec, "Preconditions[]", "has(self.K8S)", SAY_WORKLOAD);
    rule(spec, "Preconditions[].K8S", &is_named, SAY_WORKLOAD);
    let is_known_type = format!("!{} || {}", given("self.Type"), is_known("self.Type"));
    rule(spec, "Preconditions[].K8S", &is_known_type, SAY_TYPE);
    let one_is_known = format!("has(object.Type) && ({} || {})", is_known("object.Type"), given("object.ApiVersion"));
    rule(spec, "RestartObjects", &format!("self.size() == 0 || self.exists(object, {one_is_known})"), SAY_OBJECT);
    let version = at(spec, "RestartObjects[].ApiVersion");
    version.insert("maxLength".to_owned(), json!(MAX_API_VERSION_LENGTH));
    rule(spec, "RestartObjects[]", &format!("!{} || {}", given("self.ApiVersion"), is_api_version()), SAY_API_VERSION);
}

fn add_images(spec: &mut Value) {
    at(spec, "ImageMirrors").insert("maxItems".to_owned(), json!(flippy_core::MAX_MIRRORS));
    at(spec, "ImageSources").insert("maxItems".to_owned(), json!(MAX_SOURCES));
    for field in ["ImageMirrors[].From", "ImageMirrors[].To", "ImageSources[].ConfigMap.Template"] {
        at(spec, field).insert("maxLength".to_owned(), json!(MAX_TEMPLATE_LENGTH));
    }
    for field in ["Namespace", "Name", "Key"] {
        at(spec, &format!("ImageSources[].ConfigMap.{field}")).insert("maxLength".to_owned(), json!(MAX_NAME_LENGTH));
    }
    rule(spec, "ImageMirrors[]", &format!("{} && {}", given("self.From"), given("self.To")), SAY_MIRROR);
    rule(spec, "ImageSources[]", "has(self.ConfigMap)", SAY_SOURCE);
    rule(spec, "ImageSources[].ConfigMap", &format!("{} && {}", given("self.Name"), given("self.Key")), SAY_SOURCE);
}

fn add_limits(spec: &mut Value, parent: &str) {
    for (field, percent, rule_of_number, say) in [
        ("MaxConcurrent", "^(100|[1-9][0-9]?)%$", "self >= 1", SAY_LIMIT),
        ("MaxConcurrentPerNamespace", "^(100|[1-9][0-9]?)%$", "self >= 1", SAY_LIMIT),
        ("MaxFailures", "^(100|[1-9]?[0-9])%$", "self >= 0", SAY_FAILURES),
    ] {
        let path = format!("{parent}.{field}");
        let schema = at(spec, &path);
        let description = schema.remove("description");
        schema.clear();
        schema.extend(description.map(|description| ("description".to_owned(), description)));
        schema.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
        schema.insert("anyOf".to_owned(), json!([{"type": "integer"}, {"type": "string"}]));
        schema.insert("pattern".to_owned(), json!(percent));
        schema.insert("maxLength".to_owned(), json!(4));
        rule(spec, &path, &format!("type(self) == string || {rule_of_number}"), say);
    }
}

fn add_pace(spec: &mut Value) {
    for (path, values) in [
        ("Strategy.OnFailure", json!(["", "Halt", "Continue"])),
        ("Strategy.SingleReplica", json!(["", "Restart", "Hold"])),
        ("Strategy.DisruptionBudgets", json!(["", "Respect", "Ignore"])),
        ("DriftDetection", json!(["", "Images", "Injection"])),
        ("MissingSidecar", json!(["", "Ignore", "Restart"])),
        ("Strategy.Method", json!(["", "Auto", "Patch", "Evict"])),
        ("Windows[].Type", json!(["Allow", "Deny"])),
    ] {
        at(spec, path).insert("enum".to_owned(), values);
    }
    let ready = at(spec, "Strategy.MinReadySeconds");
    ready.insert("minimum".to_owned(), json!(0));
    ready.insert("maximum".to_owned(), json!(MAX_READY_SECONDS));
    at(spec, "Windows").insert("maxItems".to_owned(), json!(MAX_WINDOWS));
    for path in ["Strategy.MinInterval", "Windows[].Schedule", "Windows[].Duration", "Windows[].TimeZone"] {
        at(spec, path).insert("maxLength".to_owned(), json!(MAX_TIME_LENGTH));
    }
    at(spec, "Strategy.MinInterval").insert("pattern".to_owned(), json!(format!("^$|{DURATION}")));
    at(spec, "Windows[].Duration").insert("pattern".to_owned(), json!(DURATION));
    at(spec, "Windows[].Schedule").insert("pattern".to_owned(), json!(r"^\s*(\S+\s+){4}\S+\s*$"));
    rule(spec, "Windows[]", "has(self.Type) && has(self.Schedule) && has(self.Duration)", SAY_WINDOW);
}

fn add_waves(spec: &mut Value) {
    const WAVE: &str = "Strategy.Waves[]";
    at(spec, "Strategy.Waves").insert("maxItems".to_owned(), json!(MAX_WAVES));
    at(spec, &format!("{WAVE}.Name")).insert("maxLength".to_owned(), json!(MAX_WAVE_NAME_LENGTH));
    rule(spec, WAVE, "has(self.Name) && self.Name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')", SAY_WAVE_NAME);
    rule(spec, WAVE, "!has(self.Name) || self.Name != 'rest'", SAY_REST);
    let is_unique = "self.all(one, !has(one.Name) || self.exists_one(two, has(two.Name) && two.Name == one.Name))";
    rule(spec, "Strategy.Waves", is_unique, SAY_UNIQUE);
    let percent = at(spec, &format!("{WAVE}.Percent"));
    percent.insert("minimum".to_owned(), json!(1));
    percent.insert("maximum".to_owned(), json!(100));
    at(spec, &format!("{WAVE}.Approval")).insert("enum".to_owned(), json!(["", "Automatic", "Manual"]));
    let soak = at(spec, &format!("{WAVE}.Soak"));
    soak.insert("maxLength".to_owned(), json!(MAX_TIME_LENGTH));
    soak.insert("pattern".to_owned(), json!(format!("^$|{DURATION}")));
    for selector in ["NamespaceSelector", "WorkloadSelector"] {
        let path = format!("{WAVE}.{selector}");
        at(spec, &format!("{path}.matchLabels")).insert("maxProperties".to_owned(), json!(MAX_REQUIREMENTS));
        at(spec, &format!("{path}.matchExpressions")).insert("maxItems".to_owned(), json!(MAX_REQUIREMENTS));
        let expression = format!("{path}.matchExpressions[]");
        at(spec, &format!("{expression}.key")).insert("maxLength".to_owned(), json!(MAX_LABEL_KEY_LENGTH));
        let operators = json!(["In", "NotIn", "Exists", "DoesNotExist"]);
        at(spec, &format!("{expression}.operator")).insert("enum".to_owned(), operators);
        at(spec, &format!("{expression}.values")).insert("maxItems".to_owned(), json!(MAX_SELECTOR_VALUES));
        at(spec, &format!("{expression}.values[]")).insert("maxLength".to_owned(), json!(MAX_LABEL_VALUE_LENGTH));
        rule(spec, &expression, "has(self.key) && self.key != '' && has(self.operator)", SAY_EXPRESSION);
        let takes_values =
            "!has(self.operator) || (self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)";
        rule(spec, &expression, takes_values, SAY_VALUES);
    }
}

fn given(field: &str) -> String {
    format!("(has({field}) && {field}.trim() != '')")
}

fn is_known(field: &str) -> String {
    format!(
        "{field}.trim().lowerAscii() in ['deployment', 'statefulset', 'daemonset', 'argorollout', 'replicaset', \
         'replicationcontroller']"
    )
}

/// What `Kind::named` takes for one, except that it looks at the length of each part.
fn is_api_version() -> String {
    let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    format!("self.ApiVersion.trim().matches('^({label}([.]{label})*/)?[a-z]([-a-z0-9]*[a-z0-9])?$')")
}

pub(crate) fn rule(spec: &mut Value, path: &str, rule: &str, message: &str) {
    let rules = at(spec, path).entry("x-kubernetes-validations").or_insert_with(|| json!([]));
    rules.as_array_mut().expect("rules are a list").push(json!({"rule": rule, "message": message}));
}

/// The schema of a field, for example `Preconditions[].K8S`.
pub(crate) fn at<'a>(spec: &'a mut Value, path: &str) -> &'a mut Map<String, Value> {
    let mut schema = spec;
    for step in path.split('.') {
        let field = step.trim_end_matches("[]");
        schema = &mut schema["properties"][field];
        if step.ends_with("[]") {
            schema = &mut schema["items"];
        }
    }
    schema.as_object_mut().expect("the path is one of the schema: a test makes it")
}
