//! A template that makes one image reference of a document: text, and fields of the document between braces.

use std::fmt;

use thiserror::Error;

/// Characters of a template.
const MAX_LENGTH: usize = 1024;
/// Fields in one template, and steps in the path of one field.
const MAX_STEPS: usize = 32;

/// For example `{.global.hub}/{.global.proxy.image}:{.global.tag}`.
///
/// A small part of `JSONPath` as `kubectl` knows it: a path is made of `.name` and `['any name']`, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template(Box<[Piece]>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Text(Box<str>),
    Field(FieldPath),
}

/// Where in a document a field is: names of maps, from the outermost on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Box<[Box<str>]>);

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateParseError {
    /// Nobody needs one so long.
    #[error("is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// Too many fields, or a field too far inside.
    #[error("has more than {MAX_STEPS} fields, or a field with more than {MAX_STEPS} steps")]
    TooManySteps,
    /// It would make the same image of every document.
    #[error("names no field of the document: write for example {{.global.hub}}/proxyv2:{{.global.tag}}")]
    NoField,
    /// Braces do not match.
    #[error("has a {0} without its counterpart: each field stands between one pair of braces")]
    Braces(char),
    /// What stands between two braces is no path.
    #[error("`{{{0}}}` is not a path: write .name or ['name'], one after the other, for example {{.global.tag}}")]
    Path(String),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// When braces do not match, or something else than a path stands between them.
    pub fn parse(text: &str) -> Result<Self, TemplateParseError> {
        let text = text.trim();
        if text.chars().count() > MAX_LENGTH {
            return Err(TemplateParseError::TooLong);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            if rest[at..].starts_with('}') {
                return Err(TemplateParseError::Braces('}'));
            }
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].into()));
            }
            let (path, after) = field(&rest[at + 1..])?;
            pieces.push(Piece::Field(path));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        let fields = pieces.iter().filter(|piece| matches!(piece, Piece::Field(_))).count();
        match fields {
            0 => Err(TemplateParseError::NoField),
            1..=MAX_STEPS => Ok(Self(pieces.into())),
            _ => Err(TemplateParseError::TooManySteps),
        }
    }

    /// Fills it in. `look_up` finds what a document has at a path.
    ///
    /// # Errors
    /// The first that `look_up` returns.
    pub fn fill<E>(&self, mut look_up: impl FnMut(&FieldPath) -> Result<String, E>) -> Result<String, E> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Field(path) => filled.push_str(&look_up(path)?),
            }
        }
        Ok(filled)
    }
}

/// A path up to its closing brace, which may stand in a quoted name, too, and what follows.
fn field(text: &str) -> Result<(FieldPath, &str), TemplateParseError> {
    let wrong = || match text.split_once('}') {
        Some((path, _)) => TemplateParseError::Path(path.to_owned()),
        None => TemplateParseError::Braces('{'),
    };
    let mut steps: Vec<Box<str>> = Vec::new();
    let mut rest = text;
    while !rest.starts_with('}') {
        let (name, after) = step(rest).ok_or_else(wrong)?;
        steps.push(name.into());
        rest = after;
        if steps.len() > MAX_STEPS {
            return Err(TemplateParseError::TooManySteps);
        }
    }
    if steps.is_empty() { Err(wrong()) } else { Ok((FieldPath(steps.into()), &rest[1..])) }
}

/// One `.name` or `['name']`, and what follows.
fn step(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))?;
        rest.split_at(end)
    } else {
        let quoted = text.strip_prefix('[')?;
        let quote = quoted.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (name, rest) = quoted[1..].split_once(quote)?;
        (name, rest.strip_prefix(']')?)
    };
    (!name.is_empty()).then_some((name, rest))
}

impl FieldPath {
    /// Names of maps, from the outermost on; at least one.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.steps() {
            if step.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')) {
                // What was written between quotes of one kind holds none of that kind.
                let quote = if step.contains('\'') { '"' } else { '\'' };
                write!(f, "[{quote}{step}{quote}]")?;
            } else {
                write!(f, ".{step}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Field(path) => write!(f, "{{{path}}}")?,
            }
        }
        Ok(())
    }
}
