//! Whom a reply points to: links and competitors.

use super::phrase::Index;
use super::text::{Scene, bare};
use super::{Care, Hit, Level};
use url::Url;

pub(super) fn link(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let unknown = |text: &&str| host(text).is_none_or(|host| !is_allowed(&host, &care.links));
    let links = scene.links.iter().filter(|link| !link.mail);
    let found = links.map(|link| scene.slice(&link.span)).find(unknown)?;
    let host = host(found).unwrap_or_default();
    if care.links.is_empty() {
        let why = "Make sure that this link leads where it should. Which hosts are ours is not \
                   configured (`links`).";
        return Some(Hit::new(found, why).at_most(Level::Hint));
    }
    let why = match host.as_str() {
        "" => "This link cannot be read as one.".to_owned(),
        host => format!("{host} is not among the hosts that we link to (`links`)."),
    };
    Some(Hit::new(found, why))
}

/// The host of a link, as a browser would go to it: in lower case, with what looks like another
/// alphabet's letters written out.
fn host(text: &str) -> Option<String> {
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("https://{text}"))
    };
    url.ok()?
        .host_str()
        .map(|host| host.trim_end_matches('.').to_lowercase())
}

/// Whether a host is one of these, or below one.
fn is_allowed(host: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| {
        let allowed = allowed.trim_matches('.').to_lowercase();
        let below = host
            .strip_suffix(&allowed)
            .is_some_and(|rest| rest.ends_with('.'));
        !allowed.is_empty() && (host == allowed || below)
    })
}

pub(super) fn competitor(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let ours = |name: &str| {
        let same = |handle: &&str| bare(handle) == bare(name);
        scene.draft.brand_handles.iter().any(same) || same(&scene.draft.author_handle)
    };
    let names: Vec<String> = care
        .competitors
        .iter()
        .filter(|name| !ours(name))
        .cloned()
        .collect();
    let named = Index::of(&names)
        .all(&scene.words)
        .into_iter()
        .map(|found| found.span);
    let mentioned = scene.mentions.iter().filter(|span| {
        let handle = scene.slice(span).trim_start_matches('@');
        !ours(handle) && names.iter().any(|name| is_of(handle, name))
    });
    let spans = named
        .chain(mentioned.cloned())
        .filter(|span| !scene.is_spared(span));
    let span = spans.min_by_key(|span| span.start)?;
    let why = "This names a competitor. Speak of what we can do.";
    Some(Hit::new(scene.slice(&span), why))
}

/// Whether a handle is a competitor's: their name, or their name with something behind it that begins
/// as a word ("AcmeHelp" and "acme_help" for "Acme", but not "acmetal").
fn is_of(handle: &str, name: &str) -> bool {
    let handle = handle.split('@').next().unwrap_or(handle);
    let name: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let Some(head) = handle.get(..name.len()) else {
        return false;
    };
    let next = handle.get(name.len()..).and_then(|rest| rest.chars().next());
    let ends = next.is_none_or(|c| c == '_' || c.is_uppercase() || c.is_numeric());
    !name.is_empty() && head.to_lowercase() == name.to_lowercase() && ends
}
