//! The layers of a configuration as one tree in which every value knows where it was written. Serde
//! stops at the first error and forgets positions across layers; this tree does neither.

use super::error::Problem;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// What a variable of ours begins with.
const PREFIX: &str = "hearback__";

/// Who wrote a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The defaults that are compiled in.
    Default,
    /// A file.
    File(Arc<str>),
    /// A variable of the environment.
    Environment(Arc<str>),
    /// The command line.
    CommandLine,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// By whom.
    pub origin: Origin,
    /// In which line.
    pub line: Option<usize>,
}

impl Place {
    /// A place without a line.
    pub fn of(origin: Origin) -> Self {
        Self { origin, line: None }
    }

    /// The file's name, as people read it.
    pub fn file(&self) -> String {
        match &self.origin {
            Origin::Default => "default.toml".to_owned(),
            Origin::File(name) => name.to_string(),
            Origin::Environment(variable) => format!("environment variable {variable}"),
            Origin::CommandLine => "command line".to_owned(),
        }
    }

    /// A problem at this place.
    pub fn problem(&self, key: &str, message: String, suggestion: Option<String>) -> Problem {
        Problem {
            file: self.file(),
            line: self.line,
            key: key.to_owned(),
            message,
            suggestion,
        }
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The value.
    pub value: Value,
    /// Its place.
    pub place: Place,
}

/// Keys and what they hold.
pub(super) type Table = BTreeMap<String, Node>;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Something no key of ours takes, by name.
    Other(&'static str),
    /// A list.
    List(Vec<Node>),
    /// A section.
    Table(Table),
}

impl Value {
    /// What it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Other(name) => name,
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
        }
    }
}

/// Reads TOML. Errors name the line, never its content, which may be a secret.
pub(super) fn parse(text: &str, origin: &Origin) -> Result<Table, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let reader = Reader { text, origin };
        return Ok(reader.table(document.get_ref()));
    }
    let problem = |error: &toml::de::Error| {
        let place = Place {
            origin: origin.clone(),
            line: error.span().map(|span| line(text, span.start)),
        };
        let message = format!("not valid TOML: {}", error.message().replace('\n', ", "));
        let mend = "text stands in quotes, a key as `key = \"value\"`, a section as `[section]`";
        place.problem("", message, Some(mend.to_owned()))
    };
    Err(errors.iter().map(problem).collect())
}

/// The line of a byte, counted from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    text: &'a str,
    origin: &'a Origin,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> Place {
        Place {
            origin: self.origin.clone(),
            line: Some(line(self.text, at)),
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let key: &toml::Spanned<toml::de::DeString<'_>> = key;
            let node = Node {
                value: self.value(value.get_ref()),
                place: self.place(key.span().start),
            };
            (key.get_ref().to_string(), node)
        };
        table.iter().map(entry).collect()
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number that is too large"), Value::Number),
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Boolean(_) => Value::Other("true or false"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => {
                let item = |item: &toml::Spanned<DeValue<'_>>| Node {
                    value: self.value(item.get_ref()),
                    place: self.place(item.span().start),
                };
                Value::List(items.iter().map(item).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

/// Lays `over` on `base`: sections key by key, everything else whole.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, node) in over {
        match base.get_mut(&key) {
            Some(Node {
                value: Value::Table(old),
                place,
            }) if matches!(node.value, Value::Table(_)) => {
                *place = node.place;
                if let Value::Table(new) = node.value {
                    merge(old, new);
                }
            }
            _ => {
                base.insert(key, node);
            }
        }
    }
}

/// Lays the variables of the environment on `base`. An empty one counts as not set.
pub(super) fn overlay(
    base: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) {
    let mut ours: Vec<(Vec<Step>, String, String)> = variables
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((steps(&name)?, name, value)))
        .collect();
    // By number, so that entry 2 is added before entry 10.
    ours.sort();
    for (path, name, value) in ours {
        let place = Place::of(Origin::Environment(name.into()));
        let key = path
            .iter()
            .map(|step| step.1.as_str())
            .collect::<Vec<_>>()
            .join(".");
        let leaf = Node {
            value: Value::Text(value),
            place: place.clone(),
        };
        if let Err(message) = put_in_table(base, &path, leaf) {
            let mend = "write HEARBACK__SECTION__KEY, or HEARBACK__SOURCE__0__KEY for a list";
            problems.push(place.problem(&key, message, Some(mend.to_owned())));
        }
    }
}

/// A part of a variable's name: its number, if it is one, and its text.
type Step = (usize, String);

fn steps(variable: &str) -> Option<Vec<Step>> {
    let lower = variable.to_ascii_lowercase();
    let path = lower.strip_prefix(PREFIX)?;
    let step = |text: &str| (text.parse().unwrap_or(usize::MAX), text.to_owned());
    Some(path.split("__").map(step).collect())
}

fn put_in_table(table: &mut Table, path: &[Step], leaf: Node) -> Result<(), String> {
    let Some(((_, key), rest)) = path.split_first() else {
        return Ok(());
    };
    if key.is_empty() {
        return Err("a part of the name is empty".to_owned());
    }
    let fresh = || container(rest, &leaf);
    let child = table.entry(key.clone()).or_insert_with(fresh);
    put(child, rest, leaf)
}

fn put(node: &mut Node, path: &[Step], leaf: Node) -> Result<(), String> {
    let Some(((index, text), rest)) = path.split_first() else {
        *node = leaf;
        return Ok(());
    };
    match &mut node.value {
        Value::Table(table) => put_in_table(table, path, leaf),
        Value::List(items) => {
            if *index == items.len() {
                items.push(container(rest, &leaf));
            }
            let entries = items.len();
            match items.get_mut(*index) {
                Some(item) => put(item, rest, leaf),
                None => Err(format!(
                    "{text:?} is no place in a list of {entries}; they are counted from 0, without gaps"
                )),
            }
        }
        Value::Text(_) | Value::Number(_) | Value::Other(_) => {
            Err(format!("there is no {text:?} inside {}", node.value.kind()))
        }
    }
}

/// What must stand where `rest` goes on.
fn container(rest: &[Step], leaf: &Node) -> Node {
    let value = match rest.first() {
        Some((usize::MAX, _)) | None => Value::Table(Table::new()),
        Some(_) => Value::List(Vec::new()),
    };
    Node {
        value,
        place: leaf.place.clone(),
    }
}
