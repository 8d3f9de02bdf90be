//! Names that somebody may have meant.

/// Names told at most: more are no help.
const MAX_NAMES: usize = 5;

/// The known names, nearest first, as a list of a few; `None` when none is known.
pub(crate) fn near(meant: &str, mut known: Vec<String>) -> Option<String> {
    // By the name alone: somebody who got the namespace wrong means the same name elsewhere.
    let name_of = |path: &str| path.rsplit_once('/').map_or(path, |(_, name)| name).to_owned();
    known.sort_by_cached_key(|path| (distance(meant, &name_of(path)), path.clone()));
    known.dedup();
    let more = known.len().saturating_sub(MAX_NAMES);
    known.truncate(MAX_NAMES);
    let names = known.join(", ");
    match (known.len(), more) {
        (0, _) => None,
        (_, 0) => Some(names),
        _ => Some(format!("{names} and {more} more")),
    }
}

/// How many letters to add, take away or change (Levenshtein). Names of Kubernetes objects have at most 253.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(253).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(253).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for column in 1..row.len() {
            let changed = diagonal + usize::from(letter != other[column - 1]);
            diagonal = row[column];
            row[column] = changed.min(row[column] + 1).min(row[column - 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_nearest_name_comes_first_whatever_its_namespace() {
        let known = names(&["a/checkout", "b/card", "shop/cart"]);
        assert_eq!(near("cart", known).as_deref(), Some("shop/cart, b/card, a/checkout"));
    }

    #[test]
    fn a_few_are_told_and_the_rest_counted() {
        let known = names(&["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(near("a", known).as_deref(), Some("a, b, c, d, e and 2 more"));
    }

    #[test]
    fn without_names_there_is_nothing_to_tell() {
        assert_eq!(near("a", Vec::new()), None);
    }
}
