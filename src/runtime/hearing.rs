//! What is heard of the sources, from the configuration.

use crate::app::Hearing;
use crate::config::Config;
use crate::domain::SourceName;
use crate::domain::listen::Listening;

/// The rules and guards of all sources.
///
/// # Errors
/// A rule says something that cannot be looked for; the configuration was read, so it does not.
pub(super) fn of(config: &Config) -> anyhow::Result<Hearing> {
    let guarded = config.terms.iter();
    let guarded = guarded.filter_map(|terms| Some((SourceName::new(&terms.source), terms.flood?)));
    Ok(Hearing {
        listening: listening(config)?,
        floods: guarded.collect(),
        keeps: !config.listen.keep.is_zero(),
    })
}

/// The rules of all sources.
pub(super) fn listening(config: &Config) -> anyhow::Result<Listening> {
    let rules = config.terms.iter();
    let rules = rules.map(|terms| (SourceName::new(&terms.source), terms.matches.as_slice()));
    Listening::new(rules)
        .map_err(|(source, rule, fault)| anyhow::anyhow!("[[source]] {source}, rule {rule}: {fault}"))
}
