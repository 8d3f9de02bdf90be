//! How much is accepted and how much is said: a config may be written by somebody hostile.

/// Entries of any list or map in a spec. More is a mistake or an attack, and every pass would pay for it.
pub(crate) const MAX_ENTRIES: usize = 1000;
/// Characters of an image reference, as in `flippy_core::ImageRef`.
pub(crate) const MAX_IMAGE_LENGTH: usize = 1024;
/// Characters of a `Type`, name or namespace: Kubernetes has no longer ones.
pub(crate) const MAX_NAME_LENGTH: usize = 253;
/// Characters of an `ApiVersion`: a group is a DNS subdomain, a version a DNS label.
pub(crate) const MAX_API_VERSION_LENGTH: usize = 253 + 1 + 63;
/// Waves of one config: each workload asks them in turn.
pub(crate) const MAX_WAVES: usize = 16;
/// Characters of the name of a wave: with `approve-` before it, the name of an annotation has at most 63.
pub(crate) const MAX_WAVE_NAME_LENGTH: usize = 40;
/// Labels, or expressions, of one selector.
pub(crate) const MAX_REQUIREMENTS: usize = 20;
/// Values of one expression.
pub(crate) const MAX_SELECTOR_VALUES: usize = 100;
/// Characters of the key of a label, prefix and all.
pub(crate) const MAX_LABEL_KEY_LENGTH: usize = 317;
/// Characters of the value of a label.
pub(crate) const MAX_LABEL_VALUE_LENGTH: usize = 63;
/// Sources of images of one config: each is watched.
pub(crate) const MAX_SOURCES: usize = 16;
/// Characters of a template of an image, as in `flippy_core::Template`, and of a registry.
pub(crate) const MAX_TEMPLATE_LENGTH: usize = 1024;
/// Windows of one config: each pass asks all of them.
pub(crate) const MAX_WINDOWS: usize = 10;
/// Characters of a schedule, a duration or the name of a time zone.
pub(crate) const MAX_TIME_LENGTH: usize = 128;
/// Gates of one config: each is asked again and again.
pub(crate) const MAX_GATES: usize = 10;
/// Notifications of one config: each is told of every turn.
pub(crate) const MAX_NOTIFICATIONS: usize = 10;
/// Characters of the name of a gate or a notification, which is a label of a metric.
pub(crate) const MAX_ENTRY_NAME_LENGTH: usize = 63;
/// Characters of an address.
pub(crate) const MAX_URL_LENGTH: usize = 2048;
/// Characters of a query. Encoded, it must fit into the line of a request.
pub(crate) const MAX_QUERY_LENGTH: usize = 4096;
/// Bytes of certificates in PEM: ten authorities are about half of that.
pub(crate) const MAX_CA_BUNDLE_LENGTH: usize = 32 << 10;
/// Longest `MinReadySeconds`: a day.
pub(crate) const MAX_READY_SECONDS: i64 = 24 * 3600;
/// Problems that are told of one spec. Whoever corrects them learns of the next ones.
pub(crate) const MAX_PROBLEMS: usize = 20;
/// Characters of a message about one field.
pub(crate) const MAX_FIELD_MESSAGE_LENGTH: usize = 300;
/// Characters of a message in a status: it is no log.
pub(crate) const MAX_STATUS_MESSAGE_LENGTH: usize = 1024;
/// Entries of a list in a status.
pub(crate) const MAX_LISTED: usize = 50;

/// The text on one line and cut to so many characters, the last of them an ellipsis.
pub(crate) fn one_line(text: &str, max_length: usize) -> String {
    // Nearly every text, in each pass. Without an early end, which a compiler does not turn into a comparison of many bytes at once.
    let is_plain = || text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    if text.len() <= max_length && is_plain() {
        return text.to_owned();
    }
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = characters.by_ref().take(max_length).collect();
    if characters.next().is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_stays_as_it_is() {
        assert_eq!(one_line("größe", 5), "größe");
    }

    #[test]
    fn a_text_that_does_not_fit_ends_in_an_ellipsis_and_is_as_long_as_allowed() {
        assert_eq!(one_line("größen", 5), "größ…");
    }

    #[test]
    fn line_breaks_become_blanks() {
        assert_eq!(one_line("a\nb\r\tc", 10), "a b  c");
    }
}
