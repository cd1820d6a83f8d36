//! Reads one section: asks for its keys, notes every problem, and takes what nobody asked for as
//! unknown. So the keys that are read are the keys that are known, and there is no second list.

use super::error::Problem;
use super::tree::{Node, Origin, Place, Table, Value};
use secrecy::SecretString;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

/// How alike a wrong and a right word must be for a suggestion (Jaro-Winkler).
const ALIKE: f64 = 0.8;
/// Values longer than this are not shown.
const SHOWN: usize = 60;

/// What is wrong with a value, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    message: String,
    suggestion: Option<String>,
}

impl Wrong {
    /// A problem with a mend.
    pub fn new(message: impl Into<String>, suggestion: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            suggestion: Some(suggestion.into()),
        }
    }

    /// A value of the wrong kind.
    pub fn kind(wanted: &str, node: &Node) -> Self {
        Self {
            message: format!("must be {wanted}, not {}", node.value.kind()),
            suggestion: None,
        }
    }
}

/// A value in quotes, unless it could be a secret in the wrong place.
pub(super) fn shown(text: &str) -> String {
    let secret = ["xoxb-", "xapp-", "whsec_", "@"]
        .iter()
        .any(|mark| text.contains(mark));
    if secret || text.chars().count() > SHOWN {
        "the value".to_owned()
    } else {
        format!("{text:?}")
    }
}

/// The known word most like this one, if one is like it.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the list of what is known.
#[must_use]
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known are {}", known.join(", ")),
    }
}

/// A word out of a fixed set.
pub(super) fn choice<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(Wrong::new(
        format!("{} is not known here", shown(text)),
        suggestion(text, &names),
    ))
}

/// A value that a key can hold.
pub(super) trait Read: Sized {
    /// Reads it.
    fn read(node: &Node) -> Result<Self, Wrong>;
}

impl Read for String {
    fn read(node: &Node) -> Result<Self, Wrong> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                Err(Wrong::new("is empty", "give it a value or leave the key out"))
            }
            Value::Text(text) => Ok(text.clone()),
            Value::Number(_) => Err(Wrong::new("must be text, not a number", "put it in quotes")),
            Value::Other(_) | Value::List(_) | Value::Table(_) => Err(Wrong::kind("text", node)),
        }
    }
}

impl Read for usize {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let number = match &node.value {
            Value::Number(number) => Some(*number),
            // A variable of the environment is always text.
            Value::Text(text) if matches!(node.place.origin, Origin::Environment(_)) => text.parse().ok(),
            Value::Text(_) | Value::Other(_) | Value::List(_) | Value::Table(_) => None,
        };
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| Wrong::new("must be a whole number", "write it without quotes, like 500"))
    }
}

impl Read for Duration {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let mend = "write it like \"10s\", \"2m\" or \"1h 30m\"";
        match &node.value {
            Value::Text(text) => humantime::parse_duration(text)
                .map_err(|_| Wrong::new(format!("{} is not a duration", shown(text)), mend)),
            Value::Number(_) | Value::Other(_) | Value::List(_) | Value::Table(_) => Err(Wrong::new(
                format!("must be a duration as text, not {}", node.value.kind()),
                mend,
            )),
        }
    }
}

impl Read for Url {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let text = String::read(node)?;
        let mend = "write it like \"https://care.example.com\"";
        // Nothing of the text is shown: it may be a token that came to stand in the wrong line.
        let url = Url::parse(&text).map_err(|_| Wrong::new("is not an address", mend))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(Wrong::new("must begin with https:// (or http://)", mend)),
        }
    }
}

impl Read for SocketAddr {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let text = String::read(node)?;
        text.parse().map_err(|_| {
            Wrong::new(
                format!("{} is not an address with a port", shown(&text)),
                "write it like \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for all interfaces",
            )
        })
    }
}

/// What reading brought to light.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// Each key that was asked for, with its section.
    pub asked: BTreeSet<(String, String)>,
}

/// A section that is being read.
pub(super) struct Section<'a> {
    /// Its path, for example `slack` or `source[0]`; empty for the whole.
    path: String,
    /// Its kind: the path without the index, and with the variant after a colon.
    kind: String,
    table: &'a Table,
    place: &'a Place,
    asked: Vec<String>,
    findings: &'a mut Findings,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub fn root(table: &'a Table, place: &'a Place, findings: &'a mut Findings) -> Self {
        Self {
            path: String::new(),
            kind: String::new(),
            table,
            place,
            asked: Vec::new(),
            findings,
        }
    }

    /// Whether a key is there, sound or not. For secrets the file counts as well.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key) || self.table.contains_key(&format!("{key}_file"))
    }

    /// The node of a key, now asked for.
    pub fn node(&mut self, key: &str) -> Option<&'a Node> {
        self.asked.push(key.to_owned());
        self.findings.asked.insert((self.kind.clone(), key.to_owned()));
        self.table.get(key)
    }

    /// Notes a problem at a key, or at the section if the key is not there.
    pub fn wrong(&mut self, key: &str, wrong: Wrong) {
        let place = self.table.get(key).map_or(self.place, |node| &node.place);
        self.wrong_at(place, key, wrong);
    }

    /// Notes a problem at a place.
    pub fn wrong_at(&mut self, place: &Place, key: &str, wrong: Wrong) {
        let problem = place.problem(&self.path_of(key), wrong.message, wrong.suggestion);
        self.findings.problems.push(problem);
    }

    /// Notes a duration that is longer than makes sense.
    pub fn at_most(&mut self, key: &str, duration: Duration, most: Duration) {
        if duration > most {
            let most = humantime::format_duration(most);
            let message = format!("is longer than {most}, the most that makes sense here");
            self.wrong(key, Wrong::new(message, format!("write at most \"{most}\"")));
        }
    }

    /// Notes a problem where `wrong` says so.
    pub fn check(&mut self, key: &str, sound: Result<(), Wrong>) {
        if let Err(wrong) = sound {
            self.wrong(key, wrong);
        }
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// The section's head, as it stands in a file.
    fn head(&self) -> String {
        let names = self.head_of("");
        match self.path.ends_with(']') {
            true => format!("[[{names}]]"),
            false => format!("[{names}]"),
        }
    }

    /// The path of a key without the places in lists: `source.match`.
    fn head_of(&self, key: &str) -> String {
        let path = self.path_of(key);
        let part = |part: &str| part.split('[').next().unwrap_or(part).to_owned();
        let names: Vec<String> = path.split('.').map(part).collect();
        names.join(".")
    }

    /// Notes that a key is missing.
    pub fn missing(&mut self, key: &str, example: &str) {
        let message = self.is_missing();
        self.wrong(key, Wrong::new(message, format!("add `{key} = {example}`")));
    }

    /// Reads a value. `None`: it is not there, or a problem was noted.
    pub fn get<T: Read>(&mut self, key: &str) -> Option<T> {
        match T::read(self.node(key)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(key, wrong);
                None
            }
        }
    }

    /// Reads a value that has to be there.
    pub fn need<T: Read>(&mut self, key: &str, example: &str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.missing(key, example);
        }
        self.get(key)
    }

    /// Reads a list, in a variable of the environment with commas between. `None`: it is not there.
    pub fn list<T: Read>(&mut self, key: &str) -> Option<Vec<T>> {
        let node = self.node(key)?;
        let Some(items) = items(node) else {
            let mut wrong = Wrong::kind("a list", node);
            wrong.suggestion = Some("write it like [\"one\", \"two\"]".to_owned());
            self.wrong(key, wrong);
            return None;
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items.iter() {
            match T::read(item) {
                Ok(value) => out.push(value),
                Err(wrong) => self.wrong_at(&item.place, key, wrong),
            }
        }
        Some(out)
    }

    /// Reads a list of texts, in which a single one needs no brackets. Empty where it is not there.
    pub fn words(&mut self, key: &str) -> Vec<String> {
        let alone = |node: &Node| matches!((&node.value, &node.place.origin), (Value::Text(_), origin) if !matches!(origin, Origin::Environment(_)));
        if self.table.get(key).is_some_and(alone) {
            return self.get(key).into_iter().collect();
        }
        self.list(key).unwrap_or_default()
    }

    /// Reads a secret, or the file that `KEY_file` names. No message shows its value.
    pub fn secret(&mut self, key: &str, sound: fn(&str) -> Result<(), Wrong>) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        let (plain, file) = (self.node(key), self.node(&file_key));
        let default = |node: &Node| node.place.origin == Origin::Default;
        let set = |node: &Node| matches!(node.place.origin, Origin::Environment(_));
        let (at, text) = match (plain, file) {
            (None, None) => return None,
            // The environment lies over the file: what it gives counts, in whichever of the two forms.
            (Some(plain), Some(file)) if set(plain) && !set(file) => (key, String::read(plain)),
            (Some(plain), Some(file)) if set(file) && !set(plain) => (file_key.as_str(), secret_file(file)),
            (Some(plain), Some(file)) if !default(plain) && !default(file) => {
                let mend = format!("keep one of `{key}` and `{file_key}`");
                self.wrong(&file_key, Wrong::new(format!("`{key}` is given as well"), mend));
                return None;
            }
            (plain, Some(file)) if plain.is_none_or(default) => (file_key.as_str(), secret_file(file)),
            (Some(plain), _) => (key, String::read(plain)),
            (None, Some(file)) => (file_key.as_str(), secret_file(file)),
        };
        match text.and_then(|text| sound(&text).map(|()| text)) {
            Ok(text) => Some(text.into()),
            Err(wrong) => {
                self.wrong(at, wrong);
                None
            }
        }
    }

    /// Reads a secret that has to be there.
    pub fn need_secret(
        &mut self,
        key: &str,
        example: &str,
        sound: fn(&str) -> Result<(), Wrong>,
    ) -> Option<SecretString> {
        if !self.has(key) {
            self.missing(
                key,
                &format!("{example}` or `{key}_file = \"/run/secrets/{key}\""),
            );
        }
        self.secret(key, sound)
    }

    /// Reads a section inside, whole.
    pub fn one<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Option<T> {
        let node = self.node(key)?;
        let Value::Table(table) = &node.value else {
            let mend = format!("write it as `[{key}]` with its keys below");
            let wrong = Wrong::new(format!("must be a section, not {}", node.value.kind()), mend);
            self.wrong(key, wrong);
            return None;
        };
        self.inner(self.path_of(key), key, table, &node.place, read)
    }

    /// Reads the sections of a list, each whole.
    pub fn each<T>(&mut self, key: &str, read: impl FnMut(&mut Section<'_>) -> Option<T>) -> Vec<T> {
        let found = self.each_placed(key, read).into_iter();
        found.map(|(value, _)| value).collect()
    }

    /// The same, with the place of each.
    pub fn each_placed<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Vec<(T, Place)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let mend = format!("write each as `[[{}]]` with its keys below", self.head_of(key));
        let Value::List(items) = &node.value else {
            let message = format!("must be a list of sections, not {}", node.value.kind());
            self.wrong(key, Wrong::new(message, mend));
            return Vec::new();
        };
        let mut out = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let name = format!("{key}[{index}]");
            if let Value::Table(table) = &item.value {
                let read = self.inner(self.path_of(&name), key, table, &item.place, &mut read);
                out.extend(read.map(|value| (value, item.place.clone())));
            } else {
                let message = format!("must be a section, not {}", item.value.kind());
                self.wrong_at(&item.place, &name, Wrong::new(message, mend.clone()));
            }
        }
        out
    }

    fn inner<T>(
        &mut self,
        path: String,
        kind: &str,
        table: &Table,
        place: &Place,
        read: impl FnOnce(&mut Section<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut section = Section {
            path,
            kind: kind.to_owned(),
            table,
            place,
            asked: Vec::new(),
            findings: self.findings,
        };
        let out = read(&mut section);
        section.finish();
        out
    }

    /// From here on the section is one of several variants.
    pub fn variant(&mut self, name: &str) {
        self.kind = format!("{}:{name}", self.kind);
    }

    /// Takes the keys that were not asked for as known, as there is nothing to compare them with; but
    /// not those that look like a key that is missing.
    pub fn forgive(&mut self) {
        let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let missing = |near: &str| !self.table.contains_key(near);
        let mistyped = |key: &str| nearest(key, known.iter().copied()).is_some_and(missing);
        let forgiven: Vec<String> = self.table.keys().filter(|key| !mistyped(key)).cloned().collect();
        self.asked.extend(forgiven);
    }

    /// Notes what nobody asked for.
    pub fn finish(mut self) {
        let asked = std::mem::take(&mut self.asked);
        let known: Vec<&str> = asked.iter().map(String::as_str).collect();
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            if let Some(near) = nearest(key, known.iter().copied()) {
                self.found(near);
            }
            self.wrong(key, Wrong::new("is not a known key", suggestion(key, &known)));
        }
    }

    /// Takes back that a key is missing: it is there, mistyped, and that is told where it stands.
    fn found(&mut self, key: &str) {
        let (path, message) = (self.path_of(key), self.is_missing());
        self.findings
            .problems
            .retain(|problem| problem.key != path || problem.message != message);
    }

    fn is_missing(&self) -> String {
        format!("is missing from {}", self.head())
    }
}

/// The items of a list; a variable of the environment has commas between them.
pub(super) fn items(node: &Node) -> Option<Cow<'_, [Node]>> {
    match (&node.value, &node.place.origin) {
        (Value::List(items), _) => Some(Cow::Borrowed(items)),
        (Value::Text(text), Origin::Environment(_)) => {
            let item = |text: &str| Node {
                value: Value::Text(text.trim().to_owned()),
                place: node.place.clone(),
            };
            Some(text.split(',').map(item).collect())
        }
        _ => None,
    }
}

/// Reads the file that holds a secret; one line end at its end is not part of it.
fn secret_file(node: &Node) -> Result<String, Wrong> {
    let path = String::read(node)?;
    let mut text = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("{path:?} cannot be read: {error}");
        Wrong::new(message, "name a file that this process may read")
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(Wrong::new(format!("{path:?} is empty"), "put the secret in it"));
    }
    Ok(text)
}
