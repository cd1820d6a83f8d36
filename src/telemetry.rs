//! Logs and metrics. A log line is one fact with its fields; what a person or a platform said is a
//! field, never part of the sentence, and secrets are of a type that cannot be printed.

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged, unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str = "hearback=info,warn";
/// Libraries that tell too much below this, payloads among it; a person who needs more names them.
const QUIET: [&str; 3] = ["slack_morphism", "serenity", "tungstenite"];
/// Upper ends of the buckets of every duration, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.002, 0.004, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts writing logs, to the standard error output. `directives` is the value of `RUST_LOG`.
///
/// # Errors
/// The directives are not sound, or logs are written already.
pub fn init(format: Format, directives: Option<&str>) -> anyhow::Result<()> {
    let filter = filter(directives)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Text => {
            let colour = std::io::stderr().is_terminal();
            registry.with(lines.with_ansi(colour)).try_init()
        }
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
    .context("Logs are written already")
}

fn filter(directives: Option<&str>) -> anyhow::Result<EnvFilter> {
    let told = directives.filter(|text| !text.trim().is_empty());
    let text = told.unwrap_or(DEFAULT_FILTER);
    let mut filter = EnvFilter::try_new(text)
        .with_context(|| format!("RUST_LOG is {text:?}; write it like {DEFAULT_FILTER:?}"))?;
    for name in QUIET.iter().filter(|name| !text.contains(*name)) {
        filter = filter.add_directive(format!("{name}=warn").parse().context("A constant directive")?);
    }
    Ok(filter)
}

/// Starts recording metrics; the handle renders them for `/metrics`.
///
/// # Errors
/// Metrics are recorded already.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("The buckets of durations")?
        .install_recorder()
        .context("Metrics are recorded already")?;
    describe();
    Ok(handle)
}

/// Says what each metric means.
fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("hearback_posts_total", "Posts taken in, by source.");
    describe_counter!(
        "hearback_unheard_total",
        "Posts that opened no case, by source and why: no rule caught them, or their feed was set aside."
    );
    describe_gauge!(
        "hearback_quota_limit",
        "The quota of a platform, in calls, as it last told, by source."
    );
    describe_gauge!("hearback_quota_left", "What is left of it, by source.");
    describe_gauge!(
        "hearback_allowance_limit",
        "What a source may use in a day or month, in units or money, by source."
    );
    describe_gauge!("hearback_allowance_used", "What it used of it, by source.");
    describe_counter!(
        "hearback_set_aside_total",
        "Posts that could not be understood or stored and were set aside, by source."
    );
    describe_counter!("hearback_commands_total", "Commands taken in, by chat.");
    describe_counter!(
        "hearback_slack_unsigned_total",
        "Requests to Slack's endpoint that Slack did not sign."
    );
    describe_counter!(
        "hearback_replies_total",
        "Steps of replies, by the state they came to."
    );
    describe_counter!(
        "hearback_effects_dead_total",
        "Messages to chats that were given up, because the chat refuses them for good."
    );
    describe_counter!(
        "hearback_doubles_mended_total",
        "Threads and messages that stood twice after a call without a certain end, and of which one went."
    );
    describe_counter!(
        "hearback_webhook_unproven_total",
        "Webhooks without a sound signature, by source."
    );
    describe_counter!(
        "hearback_spent_microdollars_total",
        "What reading and writing cost at list prices, in millionths of a US dollar, by source and what it was."
    );
    describe_histogram!(
        "hearback_commit_seconds",
        "How long a commit to the database takes."
    );
    describe_histogram!(
        "hearback_chat_call_seconds",
        "How long a call to a chat takes, by chat."
    );
    describe_gauge!("hearback_link_up", "Whether a connection stands: 1 or 0.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::default(None)]
    #[case::empty(Some(""))]
    #[case::told(Some("hearback=debug"))]
    fn libraries_that_tell_too_much_are_kept_quiet(#[case] directives: Option<&str>) {
        let filter = filter(directives).unwrap().to_string();
        for name in QUIET {
            assert!(filter.contains(&format!("{name}=warn")), "{filter}");
        }
    }

    #[test]
    fn a_library_that_is_named_may_speak() {
        let filter = filter(Some("warn,serenity=debug")).unwrap().to_string();
        assert!(
            filter.contains("serenity=debug") && !filter.contains("serenity=warn"),
            "{filter}"
        );
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        let error = filter(Some("hearback=loud")).unwrap_err().to_string();
        assert!(
            error.contains("RUST_LOG") && error.contains(DEFAULT_FILTER),
            "{error}"
        );
    }
}
