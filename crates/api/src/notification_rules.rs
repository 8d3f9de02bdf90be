//! What the API server refuses of `Notifications`.

use serde_json::{Value, json};

use crate::bounds::{MAX_CA_BUNDLE_LENGTH, MAX_ENTRY_NAME_LENGTH, MAX_NAME_LENGTH, MAX_NOTIFICATIONS, MAX_URL_LENGTH};
use crate::rules::{at, rule};

/// Adds bounds and rules to the schema of `spec`.
pub(crate) fn add(spec: &mut Value) {
    at(spec, "Notifications").insert("maxItems".to_owned(), json!(MAX_NOTIFICATIONS));
    for (path, max_length, pattern) in [
        ("Notifications[].Name", MAX_ENTRY_NAME_LENGTH, Some("^[-._a-zA-Z0-9]*$")),
        ("Notifications[].Webhook.URL", MAX_URL_LENGTH, Some(r"^$|^https?://[^/?#@\s]+([/?][^#\s]*)?$")),
        ("Notifications[].Webhook.URLSecret.Name", MAX_NAME_LENGTH, None),
        ("Notifications[].Webhook.URLSecret.Key", MAX_NAME_LENGTH, None),
        ("Notifications[].Webhook.CABundle", MAX_CA_BUNDLE_LENGTH, None),
    ] {
        let schema = at(spec, path);
        schema.insert("maxLength".to_owned(), json!(max_length));
        schema.extend(pattern.map(|pattern| ("pattern".to_owned(), json!(pattern))));
    }
    at(spec, "Notifications[].Webhook.Format").insert("enum".to_owned(), json!(["", "JSON", "Slack"]));
    rule(spec, "Notifications[]", "has(self.Webhook)", "a notification needs a Webhook, with URL or URLSecret");
    let has_one = "(has(self.URL) && self.URL != '') != has(self.URLSecret)";
    rule(spec, "Notifications[].Webhook", has_one, "Webhook needs either URL or URLSecret");
    let is_named = "has(self.Name) && has(self.Key) && self.Name != '' && self.Key != ''";
    rule(spec, "Notifications[].Webhook.URLSecret", is_named, "URLSecret needs Name and Key");
}
