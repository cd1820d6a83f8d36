//! Configurations that load, and what is said about those that do not.

use hearback::cli::check;
use hearback::cli::{Command, Configured, Exit, Reported};
use hearback::config::{Approval, Config, ConfigError, Idempotency, Purpose, Source};
use hearback::domain::Role;
use hearback::domain::care::{Care, Level, Rule};
use insta::assert_snapshot;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::time::Duration;

/// A sound configuration, to add to.
const SOUND: &str = r#"
[slack]
bot_token = "xoxb-1"
app_token = "xapp-1"
channel = "C1"
[[source]]
name = "fedi"
platform = "mastodon"
url = "https://mastodon.example"
access_token = "t"
[[access]]
slack_group = "S1"
roles = ["agent"]
"#;

/// What is said about a text over the defaults.
fn problems(text: &str) -> String {
    let text = text.trim_start_matches('\n');
    let said = Config::from_toml("c.toml", text, Purpose::Serve).unwrap_err();
    without_platforms(&said.to_string())
}

/// What is said, without the list of all platforms, which grows.
fn without_platforms(said: &str) -> String {
    let lines = said.lines().map(|line| match line.split_once("nown are ") {
        Some((head, list)) if head.contains(".platform: ") => {
            let (known, more) = list.split_at(list.find(';').unwrap_or(list.len()));
            assert!(known.split(", ").any(|platform| platform == "mastodon"), "{line}");
            format!("{head}nown are …{more}")
        }
        Some(_) | None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is said about a text added to a sound one, from its first line on.
fn added(text: &str) -> String {
    problems(&format!("{}{}", text.trim_start_matches('\n'), SOUND))
}

/// Loads a file of this text with these variables.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), variables)
}

#[test]
fn the_least_configuration_takes_the_defaults() {
    let config = load(SOUND, &[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database.url.expose_secret(), "sqlite:hearback.db");
    assert_eq!(config.reply.hold, Duration::from_secs(10));
    assert_eq!(config.reply.approval, Approval::Flagged);
    let slack = config.slack.unwrap();
    assert_eq!(slack.api_url.as_str(), "https://slack.com/api");
    assert!(slack.signing_secret.is_none() && config.discord.is_none());
    assert_eq!(config.sources[0].name(), "fedi");
}

#[test]
fn the_example_loads() {
    let config = load(include_str!("../../config/example.toml"), &[]).unwrap();
    assert_eq!(config.agents.len(), 2);
    assert_eq!(config.teams[0].members, ["Grace"]);
}

#[test]
fn the_demo_needs_nothing() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = Config::demo(listen, Path::new("/tmp/100% a b?c#d")).unwrap();
    assert_eq!(config.server.listen, listen);
    assert_eq!(
        config.database.url.expose_secret(),
        "sqlite:/tmp/100% a b?c#d/hearback.db"
    );
    assert_eq!(config.reply.hold, Duration::from_secs(5));
    assert!(matches!(&config.sources[..], [Source::Playground(square)] if square.name == "square"));
    let roles: Vec<_> = config
        .agents
        .iter()
        .map(|agent| (agent.name.as_str(), agent.roles.as_slice()))
        .collect();
    assert_eq!(
        roles,
        [
            ("Ada", &[Role::Agent][..]),
            ("Grace", &[Role::Lead, Role::Approver][..])
        ]
    );
    assert_eq!(config.teams[0].name, "managers");
}

#[test]
fn the_environment_is_laid_over_the_file() {
    let config = load(
        SOUND,
        &[
            ("HEARBACK__SLACK__BOT_TOKEN", "xoxb-env"),
            ("hearback__reply__hold", "0s"),
            ("HEARBACK__SLACK__SIGNING_SECRET", ""),
            ("HEARBACK__SOURCE__0__HASHTAGS", "acme, acmefail"),
            ("HEARBACK__SOURCE__1__NAME", "shop"),
            ("HEARBACK__SOURCE__1__PLATFORM", "webhook"),
            ("HEARBACK__SOURCE__1__SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="),
            ("HEARBACK__SOURCE__1__IDEMPOTENCY", "key"),
            ("HEARBACK__SOURCE__1__LIMIT", "500"),
            ("HEARBACK__AGENT__0__NAME", "Ada"),
            ("HEARBACK__AGENT__0__SLACK", "U1"),
            ("HEARBACK__AGENT__0__ROLES", "agent,lead"),
            ("HEARBACK_TEST_REQUIRE", "postgres"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    let slack = config.slack.unwrap();
    assert_eq!(slack.bot_token.expose_secret(), "xoxb-env");
    assert!(slack.signing_secret.is_none());
    assert_eq!(config.reply.hold, Duration::ZERO);
    let [Source::Mastodon(fedi), Source::Webhook(shop)] = &config.sources[..] else {
        panic!("{:?}", config.sources)
    };
    assert_eq!(fedi.hashtags, ["acme", "acmefail"]);
    assert_eq!((shop.idempotency, shop.limit), (Idempotency::Key, 500));
    assert_eq!(config.agents[0].roles, [Role::Agent, Role::Lead]);
}

#[test]
fn eleven_sources_may_come_from_the_environment() {
    let mut variables = Vec::new();
    for index in 1..12 {
        variables.push((format!("HEARBACK__SOURCE__{index}__NAME"), format!("s{index}")));
        variables.push((
            format!("HEARBACK__SOURCE__{index}__PLATFORM"),
            "webhook".to_owned(),
        ));
        let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==".to_owned();
        variables.push((format!("HEARBACK__SOURCE__{index}__SECRET"), secret));
    }
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let config = load(SOUND, &variables).unwrap();
    let names: Vec<_> = config.sources.iter().map(Source::name).collect();
    assert_eq!(names.len(), 12);
    assert_eq!(names[11], "s11");
}

#[test]
fn a_wrong_variable_is_named() {
    let error = load(
        SOUND,
        &[
            ("HEARBACK__SLACK__BOT_TOKN", "xoxb-2"),
            ("HEARBACK__SOURCE__2__NAME", "shop"),
            ("HEARBACK__SLACK__CHANNEL__ID", "C2"),
            ("HEARBACK__REPLY", "fast"),
            ("HEARBACK____X", "1"),
        ],
    )
    .unwrap_err();
    assert_snapshot!(error, @r#"
    environment variable HEARBACK__REPLY: reply: must be a section, not text; write it as `[reply]` with its keys below
    environment variable HEARBACK__SLACK__BOT_TOKN: slack.bot_tokn: is not a known key; did you mean "bot_token"?
    environment variable HEARBACK__SLACK__CHANNEL__ID: slack.channel.id: there is no "id" inside text; write HEARBACK__SECTION__KEY, or HEARBACK__SOURCE__0__KEY for a list
    environment variable HEARBACK__SOURCE__2__NAME: source.2.name: "2" is no place in a list of 1; they are counted from 0, without gaps; write HEARBACK__SECTION__KEY, or HEARBACK__SOURCE__0__KEY for a list
    environment variable HEARBACK____X: .x: a part of the name is empty; write HEARBACK__SECTION__KEY, or HEARBACK__SOURCE__0__KEY for a list
    "#);
}

#[test]
fn a_secret_can_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "xoxb-from-file\n").unwrap();
    let text = SOUND.replace("bot_token = \"xoxb-1\"", &format!("bot_token_file = {file:?}"));
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.slack.unwrap().bot_token.expose_secret(), "xoxb-from-file");

    let url = folder.path().join("url");
    std::fs::write(&url, "postgres://u:p@h/d\r\n").unwrap();
    let config = load(SOUND, &[("HEARBACK__DATABASE__URL_FILE", url.to_str().unwrap())]).unwrap();
    assert_eq!(config.database.url.expose_secret(), "postgres://u:p@h/d");
}

#[test]
fn a_secret_of_the_environment_counts_in_whichever_form_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "xoxb-from-file\n").unwrap();
    let file = file.to_str().unwrap();
    let token = |text: &str, variables: &[(&str, &str)]| {
        let slack = load(text, variables).unwrap().slack.unwrap();
        slack.bot_token.expose_secret().to_owned()
    };
    let in_file = SOUND.replace("bot_token = \"xoxb-1\"", &format!("bot_token_file = {file:?}"));
    assert_eq!(
        token(&in_file, &[("HEARBACK__SLACK__BOT_TOKEN", "xoxb-2")]),
        "xoxb-2"
    );
    assert_eq!(
        token(SOUND, &[("HEARBACK__SLACK__BOT_TOKEN_FILE", file)]),
        "xoxb-from-file"
    );
}

#[test]
fn a_secret_cannot_stand_in_two_places() {
    assert_snapshot!(problems(&SOUND.replace("app_token", "bot_token_file = \"/x\"\napp_token")), @"c.toml:3: slack.bot_token_file: `bot_token` is given as well; keep one of `bot_token` and `bot_token_file`");
}

#[test]
fn a_secrets_file_that_cannot_be_read_is_named() {
    let text = SOUND.replace("bot_token = \"xoxb-1\"", "bot_token_file = \"/does/not/exist\"");
    assert_snapshot!(problems(&text), @r#"c.toml:2: slack.bot_token_file: "/does/not/exist" cannot be read: No such file or directory (os error 2); name a file that this process may read"#);
}

#[test]
fn everything_wrong_is_told_at_once() {
    assert_snapshot!(problems(r#"
[server]
listen = "localhost"
allow_private_hosts = ["127.0.0.1", "media.internal:9000", "::1", "[::1]:80", "http://media.internal", "a:b", 10]
[database]
url = "mysql://root:hunter2@db/x"
[reply]
hold = "soon"
approval = "allways"
timeout = 20
settle = "0 parsecs"
[slak]
bot_token = "x"
[discord]
tocken = "t"
guild = "Acme"
channel = 1100000000000000001
public_key = "abc"
api_url = "discord.com"
"#), @r#"
    c.toml:2: server.listen: "localhost" is not an address with a port; write it like "127.0.0.1:8080", or "0.0.0.0:8080" for all interfaces
    c.toml:3: server.allow_private_hosts: is no host; write it like "media.internal", "127.0.0.1" or "127.0.0.1:9000"
    c.toml:3: server.allow_private_hosts: is no host; write it like "media.internal", "127.0.0.1" or "127.0.0.1:9000"
    c.toml:3: server.allow_private_hosts: must be text, not a number; put it in quotes
    c.toml:5: database.url: begins neither with sqlite: nor with postgres://; write "sqlite:hearback.db" or "postgres://user:password@host/name"
    c.toml:7: reply.hold: "soon" is not a duration; write it like "10s", "2m" or "1h 30m"
    c.toml:8: reply.approval: "allways" is not known here; did you mean "always"?
    c.toml:9: reply.timeout: must be a duration as text, not a number; write it like "10s", "2m" or "1h 30m"
    c.toml:10: reply.settle: "0 parsecs" is not a duration; write it like "10s", "2m" or "1h 30m"
    c.toml:11: slak: is not a known key; did you mean "slack"?
    c.toml:14: discord.tocken: is not a known key; did you mean "token"?
    c.toml:15: discord.guild: is not a Discord id; an id is digits only: turn on Developer Mode in Discord, then right-click and "Copy ID"
    c.toml:16: discord.channel: must be text, not a number; put it in quotes
    c.toml:17: discord.public_key: is not 64 hexadecimal digits; copy the Public Key from "General Information"
    c.toml:18: discord.api_url: is not an address; write it like "https://care.example.com"
    c.toml: there is neither an [[agent]] nor an [[access]], so nobody may answer; add an [[agent]] with `name`, `roles` and an id in a chat, or an [[access]]
    c.toml: there is no source, so nothing to hear; add a section [[source]]
    "#);
}

#[test]
fn slack_says_which_token_goes_where() {
    assert_snapshot!(problems(r##"
[slack]
bot_token = "xapp-1"
app_token = "xoxb-1"
channel = "#care"
[[source]]
name = "fedi"
platform = "mastodon"
url = "https://mastodon.example"
access_token = "t"
"##), @r#"
    c.toml:2: slack.bot_token: must begin with xoxb-; copy the Bot User OAuth Token from "OAuth & Permissions"
    c.toml:3: slack.app_token: must begin with xapp-; make an app-level token with connections:write in "Basic Information"
    c.toml:4: slack.channel: is a name, not an id; take the id, like C0123456789, from the end of the channel's "About" page
    c.toml: there is neither an [[agent]] nor an [[access]], so nobody may answer; add an [[agent]] with `name`, `roles` and an id in a chat, or an [[access]]
    "#);
    assert_snapshot!(problems(r#"
[[source]]
name = "fedi"
platform = "mastodon"
url = "https://mastodon.example"
access_token = "t"
[slack]
bot_token = "xoxb-1"
"#), @r#"
    c.toml:6: slack.channel: is missing from [slack]; add `channel = "C0123456789"`
    c.toml:6: slack: has neither app_token nor signing_secret, so nothing can be heard; add `app_token = "xapp-…"` for Socket Mode or `signing_secret = "…"` for HTTP
    c.toml: there is neither an [[agent]] nor an [[access]], so nobody may answer; add an [[agent]] with `name`, `roles` and an id in a chat, or an [[access]]
    "#);
}

#[test]
fn the_sources_of_metas_networks_are_checked() {
    let told = added(
        r#"
[[source]]
name = "a"
platform = "facebook"
page_id = "shop"
access_token = "EAA G"
poll = "10s"
[[source]]
name = "b"
platform = "instagram"
access_token = "t"
app_secret = "s"
verify_token = "v"
[[source]]
name = "c"
platform = "threads"
access_token = "t"
app_secret = "s"
verify_token = "v"
search = ["a", "b", "c", "d"]
"#,
    );
    for line in [
        r#"source[0].page_id: is no id; write the number"#,
        r#"source[0].access_token: has a space or a line end in it"#,
        r#"source[0].app_secret: is missing"#,
        r#"source[0].verify_token: is missing"#,
        r#"source[0].poll: would ask more often than Meta allows"#,
        r#"source[1].account_id: is missing"#,
        r#"source[2].search: would be searched for more often than the 2200 times a day that Threads allows; write poll = "158s""#,
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert_eq!(
        told.lines().filter(|line| line.contains("source[")).count(),
        7,
        "{told}"
    );
}

#[test]
fn a_source_is_checked_by_its_platform() {
    assert_snapshot!(added(r##"
[[source]]
name = "Old Shop"
platform = "webhook"
secret = "hunter2"
idempotency = "lookup"
limit = 0
hashtags = ["x"]
[[source]]
name = "b"
platform = "webhook"
secret = "whsec_c2hvcnQ="
reply_url = "ftp://shop.example"
[[source]]
name = "c"
platform = "masterdon"
whatever = 1
[[source]]
name = "d"
platform = "myspace"
[[source]]
name = "e"
[[source]]
name = "f"
platform = "playground"
[[source]]
name = "g"
platform = "mastodon"
access_tokn = "t"
url = "mastodon.example"
hashtags = ["#acme", 3]
poll = "0s"
[[source]]
name = "h"
platform = "bluesky"
identifier = "@shop.example"
password = "abcd-efgh "
poll = "1s"
url = "bsky.social"
[[source]]
name = "i"
platform = "bluesky"
"##), @r#"
    c.toml:2: source[0].name: "Old Shop" cannot stand in an address; use lower-case letters, digits, - and _, beginning with a letter or digit
    c.toml:4: source[0].secret: must begin with whsec_; make one with: echo "whsec_$(openssl rand -base64 32)"
    c.toml:5: source[0].idempotency: "lookup" needs lookup_url; add `lookup_url = "https://shop.example/replies/lookup"`, or write "key" or "none"
    c.toml:6: source[0].limit: allows no reply at all; write it like 10000
    c.toml:7: source[0].hashtags: is not a known key; known are platform, name, flood, match, secret, secret_file, reply_url, lookup_url, idempotency, limit, approval
    c.toml:11: source[1].secret: has 5 bytes, fewer than 16; make one with: echo "whsec_$(openssl rand -base64 32)"
    c.toml:12: source[1].reply_url: must begin with https:// (or http://); write it like "https://care.example.com"
    c.toml:15: source[2].platform: "masterdon" is not a known platform; did you mean "mastodon"? Known are …
    c.toml:19: source[3].platform: "myspace" is not a known platform; known are …; any other system can come in by "webhook"
    c.toml:20: source[4].platform: is missing from [[source]]; add `platform = "mastodon"`
    c.toml:24: source[5].platform: "playground" is only for `hearback demo`; known are …
    c.toml:28: source[6].access_tokn: is not a known key; did you mean "access_token"?
    c.toml:29: source[6].url: is not an address; write it like "https://care.example.com"
    c.toml:30: source[6].hashtags: must be text, not a number; put it in quotes
    c.toml:30: source[6].hashtags: has a # in it; write the tags without #
    c.toml:31: source[6].poll: would ask more often than servers allow; write "15s" or more; the stream tells of posts at once
    c.toml:35: source[7].identifier: begins with @; write the handle as it stands behind the @, for example "shop.bsky.social"
    c.toml:36: source[7].password: has a space or a line end around it; copy it again
    c.toml:37: source[7].poll: would ask more often than the network allows; write "5s" or more
    c.toml:38: source[7].url: is not an address; write it like "https://care.example.com"
    c.toml:39: source[8].identifier: is missing from [[source]]; add `identifier = "shop.bsky.social"`
    c.toml:39: source[8].password: is missing from [[source]]; add `password = "xxxx-xxxx-xxxx-xxxx"` or `password_file = "/run/secrets/password"`
    "#);
}

#[test]
fn people_and_teams_must_fit_together() {
    assert_snapshot!(added(r#"
[[agent]]
name = "Ada"
slack = "U1"
roles = ["agnet", "lead"]
[[agent]]
name = "ada"
slack = "U1"
slack_team = "T2"
roles = []
[[agent]]
name = "Grace"
discord = "grace#1234"
[[agent]]
name = "Linus"
slack = "U1"
roles = ["agent"]
[[access]]
roles = ["agent"]
[[access]]
slack_group = "S1"
discord_role = "2"
roles = ["agent"]
[[team]]
name = "managers"
members = ["Grcae", "Ada", "Zoe"]
[[team]]
name = "managers"
"#), @r#"
    c.toml:4: agent[0].roles: "agnet" is not known here; did you mean "agent"?
    c.toml:6: agent[1].name: "ada" is given in line 2; give every [[agent]] its own
    c.toml:9: agent[1].roles: gives no role; name at least one of viewer, agent, approver, lead, admin
    c.toml:10: agent[2].roles: is missing from [[agent]]; add `roles = ["agent"]`
    c.toml:10: agent[2]: no chat that is configured knows this agent, who could do nothing; add a section [discord] for `discord`, or a `console_password`
    c.toml:12: agent[2].discord: is not a Discord id; an id is digits only: turn on Developer Mode in Discord, then right-click and "Copy ID"
    c.toml:15: agent[3].slack: "U1" is given in line 3; give every [[agent]] its own
    c.toml:17: access[0]: names no group; give each [[access]] exactly one of `slack_group` and `discord_role`
    c.toml:19: access[1]: names two groups; give each [[access]] exactly one of `slack_group` and `discord_role`
    c.toml:21: access[1].discord_role: there is no [discord] to find it in; add a section [discord], or leave `discord_role` out
    c.toml:25: team[0].members: "Grcae" is no agent; did you mean "Grace"?
    c.toml:25: team[0].members: "Zoe" is no agent; add an [[agent]] with name = "Zoe"
    c.toml:26: team[1]: has neither a channel nor members, so an escalation would reach nobody; add `members`, `slack_channel`, `discord_channel` or `helpdesk`
    c.toml:27: team[1].name: "managers" is given in line 24; give every [[team]] its own
    "#);
}

#[test]
fn nothing_to_mirror_to_and_nothing_to_hear() {
    let error = Config::load(None, std::iter::empty()).unwrap_err();
    assert_snapshot!(error, @r"
    (no --config): there is no chat, so nothing to mirror to; add a section [slack] or [discord], or a `console_password` to an [[agent]]
    (no --config): there is no source, so nothing to hear; add a section [[source]]
    ");
}

#[test]
fn a_section_must_be_a_section() {
    assert_snapshot!(problems("slack = 1\nsource = \"fedi\"\nagent = [\"Ada\"]\nteam = {}"), @r"
    c.toml:1: slack: must be a section, not a number; write it as `[slack]` with its keys below
    c.toml:2: source: must be a list of sections, not text; write each as `[[source]]` with its keys below
    c.toml:3: agent[0]: must be a section, not text; write each as `[[agent]]` with its keys below
    c.toml:4: team: must be a list of sections, not a section; write each as `[[team]]` with its keys below
    ");
}

#[test]
fn broken_toml_names_the_line_but_not_its_content() {
    let text = "[slack]\nbot_token = xoxb-secret-token\napp_token = \"xapp-secret\n[[source]\n";
    let said = problems(text);
    assert!(!said.contains("secret"), "{said}");
    assert_snapshot!(said, @r#"
    c.toml:2: not valid TOML: string values must be quoted, expected literal string; text stands in quotes, a key as `key = "value"`, a section as `[section]`
    c.toml:3: not valid TOML: invalid basic string, expected `"`; text stands in quotes, a key as `key = "value"`, a section as `[section]`
    c.toml:4: not valid TOML: unclosed array table, expected `]`; text stands in quotes, a key as `key = "value"`, a section as `[section]`
    "#);
}

#[test]
fn no_message_shows_a_secret() {
    let secret = "hunter2-hunter2";
    let text = format!(
        r#"
        [database]
        url = "{secret}"
        [slack]
        bot_token = "{secret}"
        app_token = "{secret}"
        channel = "xoxb-{secret}"
        api_url = "user:{secret}@slack.com"
        [discord]
        token = "two {secret}"
        [[source]]
        name = "a"
        platform = "webhook"
        secret = "{secret}"
        [[source]]
        name = "b"
        platform = "webhook"
        secret = "whsec_{secret}"
        "#
    );
    let error = load(&text, &[]).unwrap_err();
    assert!(error.problems.len() >= 7, "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(!serde_json::to_string(&error).unwrap().contains("hunter2"));
    for told in ["hunter2-hunter2", "hunter2:secret", "https//hunter2"] {
        let swapped = SOUND.replace("https://mastodon.example", told);
        let error = load(&swapped, &[]).unwrap_err().to_string();
        assert!(
            error.contains("source[0].url") && !error.contains("hunter2"),
            "{error}"
        );
    }
    let config = load(&SOUND.replace("xoxb-1", "xoxb-hunter2"), &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_token_that_was_copied_with_something_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    for crept_in in ["abc def", "abc\n\n", " abc", "abc\t", "\n", "  "] {
        std::fs::write(&file, crept_in).unwrap();
        let text = SOUND.replace("access_token = \"t\"", &format!("access_token_file = {file:?}"));
        let error = load(&text, &[]).unwrap_err().to_string();
        assert!(
            error.contains("source[0].access_token_file"),
            "{crept_in:?}: {error}"
        );
    }
    assert_snapshot!(problems(&SOUND.replace("\"t\"", "\"two words\"")), @"c.toml:9: source[0].access_token: has a space or a line end in it; copy it again");
    let url = "[database]\nurl = \"postgres://h/d\\nsslmode=x\"\n";
    assert_snapshot!(added(url), @r#"c.toml:2: database.url: has a line end in it; write "sqlite:hearback.db" or "postgres://user:password@host/name""#);
}

#[test]
fn durations_are_bounded() {
    assert_snapshot!(added(r#"
[reply]
hold = "61m"
timeout = "1h"
settle = "9000000000000h"
[[source]]
name = "g"
platform = "mastodon"
url = "https://mastodon.example"
access_token = "t"
poll = "2d"
"#), @r#"
    c.toml:2: reply.hold: is longer than 1h, the most that makes sense here; write at most "1h"
    c.toml:3: reply.timeout: is longer than 50s, the most that makes sense here; write at most "50s"
    c.toml:4: reply.settle: is longer than 1h, the most that makes sense here; write at most "1h"
    c.toml:10: source[0].poll: is longer than 1h, the most that makes sense here; write at most "1h"
    "#);
    let text = format!("[reply]\nhold = \"1h\"\ntimeout = \"50s\"\nsettle = \"1h\"\n{SOUND}");
    assert_eq!(load(&text, &[]).unwrap().reply.hold, Duration::from_secs(3600));
}

#[test]
fn somebody_has_to_be_able_to_answer() {
    let nobody = SOUND.split("[[access]]").next().unwrap();
    assert_snapshot!(problems(nobody), @"c.toml: there is neither an [[agent]] nor an [[access]], so nobody may answer; add an [[agent]] with `name`, `roles` and an id in a chat, or an [[access]]");
    assert_snapshot!(problems(&format!("agent = []\n{nobody}")), @"c.toml: there is neither an [[agent]] nor an [[access]], so nobody may answer; add an [[agent]] with `name`, `roles` and an id in a chat, or an [[access]]");
}

#[test]
fn an_agent_whom_no_chat_can_know_is_told() {
    let agents = "[[agent]]\nname = \"Ada\"\nroles = [\"agent\"]\n\
                  [[agent]]\nname = \"Grace\"\ndiscord = \"5\"\nroles = [\"agent\"]\n\
                  [[agent]]\nname = \"Linus\"\ndiscord = \"6\"\nslack = \"U6\"\nroles = [\"agent\"]\n\
                  [[agent]]\nname = \"Mary\"\nconsole_password = \"sixteen letters!\"\nroles = [\"agent\"]\n";
    assert_snapshot!(added(agents), @"
    c.toml:1: agent[0]: no chat that is configured knows this agent, who could do nothing; add `slack`, `discord` or `console_password`
    c.toml:4: agent[1]: no chat that is configured knows this agent, who could do nothing; add a section [discord] for `discord`, or a `console_password`
    ");
}

#[test]
fn what_is_named_in_a_chat_needs_that_chat() {
    let team = "[[team]]\nname = \"managers\"\nslack_channel = \"C2\"\ndiscord_channel = \"3\"\n\
                [[access]]\ndiscord_role = \"4\"\nroles = [\"lead\"]\n";
    assert_snapshot!(added(team), @"
    c.toml:4: team[0].discord_channel: there is no [discord] to find it in; add a section [discord], or leave `discord_channel` out
    c.toml:6: access[0].discord_role: there is no [discord] to find it in; add a section [discord], or leave `discord_role` out
    ");
    let discord = "[discord]\ntoken = \"t\"\nguild = \"1\"\nchannel = \"2\"\n";
    assert!(load(&format!("{discord}{team}{SOUND}"), &[]).is_ok());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/does/not/exist.toml")), std::iter::empty()).unwrap_err();
    assert_snapshot!(error, @"/does/not/exist.toml: cannot be read: No such file or directory (os error 2); name a file that this process may read");
}

/// Runs `hearback check` on a text.
fn run_check(text: &str, json: bool) -> (Exit, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let configured = Configured {
        config: Some(path.clone()),
    };
    let mut out = Vec::new();
    let exit = check::run(&Reported { configured, json }, std::iter::empty(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    (exit, text.replace(path.to_str().unwrap(), "c.toml"))
}

#[test]
fn check_praises_a_sound_configuration() {
    let (exit, text) = run_check(SOUND, false);
    assert_eq!(exit, Exit::Done);
    assert_snapshot!(text, @"The configuration is sound: cases from fedi go to Slack; 0 agents, 1 group, 0 teams.");
    let (exit, json) = run_check(SOUND, true);
    assert_eq!(exit, Exit::Done);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({ "ok": true, "problems": [] }));
}

#[test]
fn check_tells_people_and_programs_what_is_wrong() {
    let text = SOUND.replace("channel", "chanel");
    let (exit, said) = run_check(&text, false);
    assert_eq!(exit, Exit::Usage);
    assert_snapshot!(said, @r#"
    c.toml:5: slack.chanel: is not a known key; did you mean "channel"?
    1 problem.
    "#);
    let (exit, json) = run_check(&text, true);
    assert_eq!(exit, Exit::Usage);
    assert_snapshot!(json, @r#"
    {
      "ok": false,
      "problems": [
        {
          "file": "c.toml",
          "line": 5,
          "key": "slack.chanel",
          "message": "is not a known key",
          "suggestion": "did you mean \"channel\"?"
        }
      ]
    }
    "#);
}

#[test]
fn the_command_line_of_each_command() {
    use clap::Parser as _;
    let parse = |line: &str| hearback::cli::Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
    let Ok(Command::Demo(demo)) = parse("hearback demo") else {
        panic!()
    };
    assert_eq!(demo.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(demo.data, Path::new("./hearback-data"));
    assert!(!demo.no_sample);
    assert!(
        matches!(parse("hearback demo --listen 0.0.0.0:1 --data d --no-sample --log json"), Ok(Command::Demo(d)) if d.no_sample)
    );
    assert!(matches!(parse("hearback serve --config c.toml"), Ok(Command::Serve(c)) if c.config.is_some()));
    assert!(matches!(parse("hearback doctor --config c.toml --json"), Ok(Command::Doctor(r)) if r.json));
    assert!(
        matches!(parse("hearback manifest discord --app 7"), Ok(Command::Manifest(m)) if m.app == Some(7))
    );
    for wrong in [
        "hearback",
        "hearback serve --confg c",
        "hearback manifest irc",
        "hearback demo --listen x",
    ] {
        assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = Config::from_toml("c.toml", &text, Purpose::Serve);
    }

    #[test]
    fn no_almost_sound_text_panics(cut in 0..SOUND.len(), with in "[\\[\\]=\"'.#\\n a-z0-9_éß{},-]{0,12}") {
        let mut text = SOUND.to_owned();
        text.insert_str(cut, &with);
        if let Err(error) = Config::from_toml("c.toml", &text, Purpose::Serve) {
            prop_assert!(!error.problems.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(error.problems.iter().all(|p| p.line.is_none_or(|line| (1..=lines).contains(&line))));
        }
    }

    #[test]
    fn no_environment_panics(
        path in "(server|slack|source|source__0|agent__0|x|__|1){1,3}(__[a-z0-9_]{0,6}){0,3}",
        value in "\\PC{0,8}",
    ) {
        let name = format!("HEARBACK__{path}");
        let _ = Config::load(None, std::iter::once((name, value)));
    }
}

#[test]
fn rules_of_care_are_set_one_by_one() {
    let text = r#"
    [care]
    refund_limit = 80
    links = ["help.example.com"]
    contacts = ["@example.com", "+1 555 010 0199"]
    [care.rules]
    sarcasm = "off"
    [care.words]
    anger = ["get lost"]
    "#;
    let over = [
        ("HEARBACK__CARE__RULES__BLAME", "approve"),
        ("HEARBACK__CARE__COMPETITORS", "Acme, @acmehelp"),
    ];
    let care = load(&format!("{text}{SOUND}"), &over).unwrap().care;
    let expected = {
        let mut care = Care {
            refund_limit: 80,
            links: vec!["help.example.com".to_owned()],
            contacts: vec!["@example.com".to_owned(), "+1 555 010 0199".to_owned()],
            competitors: vec!["Acme".to_owned(), "@acmehelp".to_owned()],
            words: [(Rule::Anger, vec!["get lost".to_owned()])].into(),
            ..Care::default()
        };
        care.levels.set(Rule::Sarcasm, Level::Off);
        care.levels.set(Rule::Blame, Level::Approve);
        care
    };
    assert_eq!(care, expected);
}

#[test]
fn a_rule_or_a_level_of_care_that_is_not_known_is_told() {
    assert_snapshot!(added(r#"
[care]
links = ["https://example.com/help"]
contacts = ["Bob"]
competitors = ["!"]
refund_limit = "50"
[care.rules]
angr = "hint"
blame = "aprove"
sarcasm = false
[care.words]
shouting = ["LOUD"]
"#), @r#"
    c.toml:2: care.links: "https://example.com/help" is no host; write the host alone, like "help.example.com"; all below it is allowed too
    c.toml:3: care.contacts: "Bob" is neither an e-mail address nor a telephone number; write it like "help@example.com", "@example.com" or "+1 555 010 0199"
    c.toml:4: care.competitors: "!" has neither a letter nor a digit; write a word or a phrase
    c.toml:5: care.refund_limit: must be a whole number; write it without quotes, like 500
    c.toml:7: care.rules.angr: is not a known key; did you mean "anger"?
    c.toml:8: care.rules.blame: "aprove" is not known here; did you mean "approve"?
    c.toml:9: care.rules.sarcasm: must be a level, not true or false; write "off", "hint", "confirm" or "approve"
    c.toml:11: care.words.shouting: is not a known key; known are anger, blame, profanity, sarcasm, not_responsible, legal_promise, refund, placeholder, apology
    "#);
}

#[test]
fn a_mistyped_key_is_told_once_and_not_as_missing_too() {
    assert_snapshot!(problems(&SOUND.replace("bot_token", "bot_toke")), @r#"c.toml:2: slack.bot_toke: is not a known key; did you mean "bot_token"?"#);
    assert_snapshot!(problems(&SOUND.replace("platform =", "platfrom =")), @r#"c.toml:7: source[0].platfrom: is not a known key; did you mean "platform"?"#);
    assert_snapshot!(problems(&SOUND.replace("roles =", "role =")), @r#"c.toml:12: access[0].role: is not a known key; did you mean "roles"?"#);
    assert_snapshot!(problems(&SOUND.replace("[\"agent\"]", "[\"agnet\"]")), @r#"c.toml:12: access[0].roles: "agnet" is not known here; did you mean "agent"?"#);
}

#[test]
fn rules_of_sources_are_read_and_what_is_wrong_is_told_with_its_place() {
    let sound = format!(
        r#"{SOUND}
        [[source]]
        name = "news"
        platform = "mastodon"
        url = "https://mastodon.example"
        access_token = "t"
        flood = 50
        [[source.match]]
        name = "late"
        all = "acme"
        any = ["late", "delay*"]
        regex = 'order\s+\d+'
        language = "en"
        min_reach = 100
        not_authors = ["@bot"]
        [[source.match]]
        name = "lost"
        any = ["lost"]
        "#
    );
    let config = load(&sound, &[]).unwrap();
    let [fedi, news] = &config.terms[..] else {
        panic!("{:?}", config.terms)
    };
    assert_eq!((fedi.matches.len(), fedi.flood), (0, Some(20)));
    assert_eq!((news.source.as_str(), news.flood), ("news", Some(50)));
    let late = &news.matches[0];
    assert_eq!(
        (late.all.as_slice(), late.any.len()),
        (&["acme".to_owned()][..], 2)
    );
    assert_eq!(
        (late.min_reach, news.matches[1].name.as_str()),
        (Some(100), "lost")
    );

    let wrong = SOUND.replace(
        "[[access]]",
        r#"[[source.match]]
any = ["late"]
[[source.match]]
name = "Late Ones"
any = ["a*b", "*"]
regex = "refund("
language = "english"
[[source.match]]
name = "late"
[[source.match]]
name = "late"
anny = ["x"]
[[access]]"#,
    );
    assert_snapshot!(problems(&wrong), @r###"
    c.toml:10: source[0].match[0].name: is missing from [[source.match]]; add `name = "late"`
    c.toml:13: source[0].match[1].name: "Late Ones" cannot be a label; use small letters, digits, - and _, like "late-parcels"
    c.toml:14: source[0].match[1].any: "a*b" has a * inside: it stands for the rest of a word at the beginning or the end of a phrase; write "refund*", or use `regex`
    c.toml:14: source[0].match[1].any: "*" has no letter, digit or sign to look for; write a word or a phrase, like "late" or "never arrived"
    c.toml:15: source[0].match[1].regex: "refund(" is no regular expression (unclosed group); see https://docs.rs/regex/latest/regex/#syntax; in TOML write it in 'single quotes'
    c.toml:16: source[0].match[1].language: "english" is no language; write its tag, like "en" or "pt"
    c.toml:17: source[0].match[2]: asks for nothing, so it would catch everything; add `any = ["acme"]`, or leave the rules out to hear everything
    c.toml:19: source[0].match[3]: asks for nothing, so it would catch everything; add `any = ["acme"]`, or leave the rules out to hear everything
    c.toml:19: source[0].match: "late" is given already; give every [[source.match]] of a source its own name
    c.toml:21: source[0].match[3].anny: is not a known key; did you mean "any"?
    "###);
}
