//! The shape of the house, read off its sources: who may use whom, which words may stand where, how
//! long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a file is split.
const MOST_LINES: usize = 600;
/// Words the core must not know: it serves every platform and is served by every library.
const FOREIGN: [&str; 8] = [
    "slack", "discord", "mastodon", "bluesky", "serenity", "reqwest", "axum", "sqlx",
];
/// The parts that must not know them.
const CORE: [&str; 3] = ["domain", "command", "app"];

/// A source file below `src`.
struct Source {
    /// Its path, from `src` on.
    name: String,
    /// The module it is.
    module: Vec<String>,
    /// Its lines with their numbers, without the tests at its end.
    lines: Vec<(usize, String)>,
}

impl Source {
    fn part(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// The lines without comments, joined, and the number of the line at a byte of it.
    fn code(&self) -> (String, Vec<usize>) {
        let mut code = String::new();
        let mut numbers = Vec::new();
        for (number, line) in &self.lines {
            let line = if line.trim_start().starts_with("//") {
                ""
            } else {
                line
            };
            code.push_str(line);
            code.push('\n');
            numbers.resize(code.len(), *number);
        }
        (code, numbers)
    }
}

/// All production sources, by name.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let sources: Vec<_> = files.iter().filter_map(|file| source(&root, file)).collect();
    assert!(sources.len() > 20, "the sources were found");
    sources
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn source(root: &Path, file: &Path) -> Option<Source> {
    let name = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let mut module: Vec<String> = name
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    match module.last().map(String::as_str) {
        Some("tests") => return None,
        Some("mod") => drop(module.pop()),
        _ => {}
    }
    let text = fs::read_to_string(file).unwrap();
    Some(Source {
        name,
        module,
        lines: production(&text),
    })
}

/// The numbered lines up to the module of tests.
fn production(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = |at: &usize| {
        lines.get(*at).is_some_and(|line| *line == "#[cfg(test)]")
            && lines.get(at + 1).is_some_and(|line| line.starts_with("mod "))
    };
    let end = (0..lines.len()).find(tests).unwrap_or(lines.len());
    let numbered = lines.iter().take(end).enumerate();
    numbered.map(|(at, line)| (at + 1, (*line).to_owned())).collect()
}

/// A path into the crate, and the line it is written in.
type Use = (usize, Vec<String>);

/// All paths that a source has into the crate: `crate::…`, and `super::…` that leads out of its part.
fn uses(source: &Source) -> Vec<Use> {
    let (code, numbers) = source.code();
    let mut out = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !begins_a_path(&code, at) {
            continue;
        }
        for path in paths(&code[at + "crate::".len()..]) {
            match path.as_slice() {
                [part] => out.extend(through(part, &code, &numbers)),
                _ => out.push((numbers[at], path)),
            }
        }
    }
    for (at, _) in code.match_indices("super::") {
        if !begins_a_path(&code, at) {
            continue;
        }
        let ups = code[at..].split("::").take_while(|part| *part == "super").count();
        let base = &source.module[..source.module.len().saturating_sub(ups)];
        for path in paths(&code[at + ups * "super::".len()..]) {
            out.push((numbers[at], [base, &path].concat()));
        }
    }
    out
}

/// What a source uses of a part that it names as a whole: `use crate::config;` and `config::Slack`.
fn through(part: &str, code: &str, numbers: &[usize]) -> Vec<Use> {
    let mut out = Vec::new();
    let head = format!("{part}::");
    for (at, _) in code.match_indices(&head) {
        if begins_a_path(code, at) {
            out.extend(paths(&code[at..]).into_iter().map(|path| (numbers[at], path)));
        }
    }
    out
}

/// Whether what stands here is the first part of its path.
fn begins_a_path(code: &str, at: usize) -> bool {
    let before = code[..at].chars().next_back();
    before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':' | '$'))
}

/// The paths that begin here, with groups spread out: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return spread(group);
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut tails = match rest.strip_prefix("::") {
        Some(rest) if !rest.starts_with(['<', '*']) => paths(rest),
        _ => vec![Vec::new()],
    };
    // `a::{self, b}` is `a` and `a::b`.
    if !name.is_empty() && name != "self" {
        for tail in &mut tails {
            tail.insert(0, name.to_owned());
        }
    }
    tails
}

/// The paths of a group, up to its closing brace.
fn spread(group: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    out.extend(paths(&group[start..at]));
                }
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    out
}

/// What `app` hands out.
struct Doors {
    /// The names of its way in, for adapters.
    inbound: Vec<String>,
    /// The names of its reads, for pages.
    read: Vec<String>,
}

impl Doors {
    fn of(sources: &[Source]) -> Self {
        let app = sources.iter().find(|source| source.name == "app/mod.rs").unwrap();
        let (code, _) = app.code();
        let names = |module: &str| -> Vec<String> {
            let at = code.find(&format!("pub use {module}::")).unwrap() + "pub use ".len();
            paths(&code[at..])
                .into_iter()
                .filter_map(|path| path.last().cloned())
                .collect()
        };
        Self {
            inbound: names("inbound"),
            read: names("read"),
        }
    }

    /// Whether an adapter may use this name. The console is a chat whose window is ours: it reads.
    fn open(&self, adapter: &str, name: &String) -> bool {
        self.inbound.contains(name) || (adapter == "console" && self.read.contains(name))
    }
}

/// Whether a module may use a path. `None`: the path leads to no part of the house.
fn may(from: &[String], to: &[String], doors: &Doors) -> Option<bool> {
    let part = |path: &[String], at: usize| path.get(at).cloned().unwrap_or_default();
    let (here, there) = (part(from, 0), part(to, 0));
    let parts = [
        "adapter",
        "app",
        "cli",
        "command",
        "config",
        "domain",
        "port",
        "runtime",
        "store",
        "telemetry",
        "web",
    ];
    if !parts.contains(&there.as_str()) {
        return None;
    }
    let one_of = |known: &[&str]| known.contains(&there.as_str());
    Some(match here.as_str() {
        "adapter" if there == "adapter" => neighbours(from, to),
        // Only the section of its own.
        "adapter" if there == "config" => own_section(&part(from, 2), &part(to, 1)),
        "adapter" if there == "app" => doors.open(&part(from, 2), &part(to, 1)),
        _ if here == there => true,
        "domain" | "telemetry" => false,
        "command" | "port" | "store" | "config" => one_of(&["domain"]),
        "app" => one_of(&["domain", "command", "port", "store"]),
        "adapter" => one_of(&["domain", "command", "port"]),
        // How connections are is told by `/readyz`; nothing else of the adapters is known there.
        "web" if there == "adapter" => part(to, 1) == "link",
        "web" => one_of(&["app", "domain"]),
        // The command line shows what the others found out; only `runtime` builds.
        "cli" => one_of(&["adapter", "config", "domain", "runtime", "telemetry"]),
        "runtime" | "main" | "lib" => true,
        other => panic!("{other} has no rule"),
    })
}

/// An adapter uses itself and what all of them share; what is shared uses no adapter.
fn neighbours(from: &[String], to: &[String]) -> bool {
    let families = ["chat", "social"];
    let in_family = |path: &[String]| path.get(1).is_some_and(|name| families.contains(&name.as_str()));
    !in_family(to) || (in_family(from) && from.get(1..3) == to.get(1..3))
}

fn own_section(adapter: &str, item: &str) -> bool {
    let item = item.to_lowercase();
    item == adapter.replace('_', "") || (adapter == "webhook" && item == "idempotency")
}

/// Fails with all that was found.
#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn the_parts_use_each_other_in_one_direction() {
    let sources = sources();
    let doors = Doors::of(&sources);
    let mut found = Vec::new();
    let mut judged = 0;
    for source in &sources {
        for (line, path) in uses(source) {
            match may(&source.module, &path, &doors) {
                Some(true) => judged += 1,
                Some(false) => found.push(format!("src/{}:{line} uses {}", source.name, path.join("::"))),
                None => {}
            }
        }
    }
    assert!(judged > 50, "the uses were found: {judged}");
    none(
        &found,
        "the order of the parts is broken (see the head of src/lib.rs)",
    );
}

#[test]
fn the_rules_tell_right_from_wrong() {
    let doors = Doors {
        inbound: vec!["Inbound".to_owned()],
        read: vec!["Reader".to_owned()],
    };
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    let judge = |from: &str, to: &str| may(&path(from), &path(to), &doors);
    for (from, to) in [
        ("domain::case", "command::Verb"),
        ("store::cases", "app::Inbound"),
        ("app::act", "adapter::http"),
        ("adapter::chat::slack::socket", "adapter::chat::discord"),
        ("adapter::chat::slack", "config::Discord"),
        ("adapter::chat::slack", "app::Worker"),
        ("adapter::chat::slack", "app::Reader"),
        ("adapter::social::webhook", "store::Store"),
        ("adapter::http", "adapter::chat::slack"),
        ("web", "store::Store"),
    ] {
        assert_eq!(judge(from, to), Some(false), "{from} uses {to}");
    }
    for (from, to) in [
        ("adapter::chat::slack::socket", "adapter::chat::slack::api"),
        ("adapter::social::webhook", "config::Idempotency"),
        ("adapter::social::webhook", "app::Inbound"),
        ("adapter::chat::console", "app::Reader"),
        ("runtime", "store::Store"),
        ("store", "domain::Case"),
    ] {
        assert_eq!(judge(from, to), Some(true), "{from} uses {to}");
    }
    assert_eq!(judge("domain", "CaseNumber"), None);
}

#[test]
fn uses_are_read_with_groups_and_supers() {
    let text = "use crate::config::{self, Idempotency}; type S = config::Slack;\n\
                use crate::{app::Inbound, domain::{Card, message::Span}};\n\
                // use crate::store::Store;\n\
                fn f(x: super::super::store::Store) { crate::port::call::<u8>() }\n\
                #[cfg(test)]\nmod tests { use crate::web; }";
    let source = Source {
        name: "adapter/http.rs".to_owned(),
        module: vec!["adapter".to_owned(), "http".to_owned()],
        lines: production(text),
    };
    let read: Vec<String> = uses(&source)
        .iter()
        .map(|(line, path)| format!("{line} {}", path.join("::")))
        .collect();
    let expected = [
        "1 config::Slack",
        "1 config::Idempotency",
        "2 app::Inbound",
        "2 domain::Card",
        "2 domain::message::Span",
        "4 port::call",
        "4 store::Store",
    ];
    assert_eq!(read, expected);
}

#[test]
fn the_core_names_no_platform_and_no_library_of_the_border() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| CORE.contains(&source.part())) {
        for (number, line) in &source.lines {
            let lower = line.to_lowercase();
            for word in FOREIGN.iter().filter(|word| lower.contains(**word)) {
                found.push(format!("src/{}:{number} says {word}", source.name));
            }
        }
    }
    none(&found, "the core must not know these words, not even in comments");
}

#[test]
fn no_file_is_too_long() {
    let long = |source: &&Source| source.lines.len() > MOST_LINES;
    let found: Vec<String> = sources()
        .iter()
        .filter(long)
        .map(|source| format!("src/{}: {} lines", source.name, source.lines.len()))
        .collect();
    none(&found, "split these files (tests do not count)");
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut found = Vec::new();
    for source in sources() {
        let (code, numbers) = source.code();
        for (at, _) in code.match_indices(".unwrap()") {
            let line = code[..at].rsplit('\n').next().unwrap().trim_start();
            // A constant's is judged by the compiler.
            if ["const ", "pub const ", "pub(super) const "]
                .iter()
                .any(|head| line.starts_with(head))
            {
                continue;
            }
            found.push(format!("src/{}:{}", source.name, numbers[at]));
        }
    }
    none(&found, "handle these");
}

#[test]
fn no_network_is_asked_to_remove_anything() {
    let mut found = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| source.name.starts_with("adapter/social/"))
    {
        let (code, numbers) = source.code();
        for call in ["Method::DELETE", "client.delete(", "http.delete("] {
            for (at, _) in code.match_indices(call) {
                found.push(format!("src/{}:{}: {call}", source.name, numbers[at]));
            }
        }
    }
    none(&found, "a customer's words are never removed");
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = include_str!("../../Cargo.toml");
    let mut section = "";
    let mut counted = BTreeMap::new();
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.contains('=') && !line.starts_with('#') {
            *counted.entry(section).or_insert(0) += 1;
            if !line.contains(" # ") {
                found.push(line.to_owned());
            }
        }
    }
    assert_eq!(counted.len(), 2, "dependencies and dev-dependencies: {counted:?}");
    none(&found, "say at the end of the line what each is for");
}

#[test]
fn every_metric_is_explained() {
    let readme = include_str!("../../README.md");
    let telemetry = include_str!("../../src/telemetry.rs");
    let mut counted = 0;
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.name != "telemetry.rs") {
        let (code, numbers) = source.code();
        for call in ["metrics::counter!(", "metrics::gauge!(", "metrics::histogram!("] {
            for (at, _) in code.match_indices(call) {
                let name = code[at..].split('"').nth(1).unwrap();
                counted += 1;
                for (text, place) in [(telemetry, "src/telemetry.rs"), (readme, "README.md")] {
                    if !text.contains(name) {
                        found.push(format!(
                            "src/{}:{} {name}: not in {place}",
                            source.name, numbers[at]
                        ));
                    }
                }
            }
        }
    }
    assert!(counted > 5, "the metrics were found: {counted}");
    none(&found, "say what these metrics mean");
}
