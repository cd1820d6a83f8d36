//! The documentation and the reader know the same keys, with the same defaults.

use super::*;
use std::collections::BTreeSet;

/// The whole of `default.toml`, with its examples as settings; without one of the examples that
/// exclude each other.
fn uncommented() -> String {
    let setting = |line: &&str| {
        let example = line.strip_prefix('#').unwrap_or(line);
        !example.starts_with([' ', '-']) && !example.is_empty()
    };
    let lines = DEFAULTS.lines().filter(setting);
    let lines = lines.map(|line| line.strip_prefix('#').unwrap_or(line));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace("\"whsec_…\"", "\"whsec_MDEyMzQ1Njc4OWFiY2RlZg==\"")
}

/// The same, without the files that secrets could stand in.
fn everything() -> (String, Config, Findings) {
    let text: Vec<String> = uncommented()
        .lines()
        .filter(|line| !line.contains("_file = "))
        .map(str::to_owned)
        .collect();
    let text = text.join("\n");
    let origin = Origin::File("default.toml".into());
    let table = tree::parse(&text, &origin).unwrap();
    let mut findings = Findings::default();
    let config = read(&table, &Place::of(origin), Purpose::Serve, &mut findings);
    assert_eq!(findings.problems, [], "the examples are sound");
    (text, config.unwrap(), findings)
}

/// Section and key of all that is written in a table.
fn keys(kind: &str, table: &Table, out: &mut BTreeSet<(String, String)>) {
    let platform = table.get("platform").map(|node| &node.value);
    let kind = match platform {
        Some(Value::Text(platform)) => format!("{kind}:{platform}"),
        _ => kind.to_owned(),
    };
    for (key, node) in table {
        out.insert((kind.clone(), key.clone()));
        match &node.value {
            Value::Table(inner) => keys(key, inner, out),
            Value::List(items) => {
                for item in items {
                    if let Value::Table(inner) = &item.value {
                        keys(key, inner, out);
                    }
                }
            }
            Value::Text(_) | Value::Number(_) | Value::Other(_) => {}
        }
    }
}

#[test]
fn every_key_is_documented() {
    let (_, _, findings) = everything();
    let mut documented = BTreeSet::new();
    let table = tree::parse(&uncommented(), &Origin::Default).unwrap();
    keys("", &table, &mut documented);
    // What every platform has is asked for before the platform is known.
    let of_any = |(kind, key): &(String, String)| Some((kind.split_once(':')?.0.to_owned(), key.clone()));
    let common: Vec<_> = documented.iter().filter_map(of_any).collect();
    documented.extend(common);
    let missing: Vec<_> = findings.asked.difference(&documented).collect();
    assert!(missing.is_empty(), "default.toml does not explain {missing:?}");
}

#[test]
fn what_holds_when_a_key_is_left_out_is_what_the_documentation_says() {
    let (_, told, _) = everything();
    let left_out = Config::from_toml(
        "least.toml",
        r#"
        [slack]
        bot_token = "xoxb-1"
        app_token = "xapp-1"
        channel = "C1"
        [discord]
        token = "t"
        guild = "1"
        channel = "2"
        [[source]]
        name = "fedi"
        platform = "mastodon"
        url = "https://mastodon.example"
        access_token = "t"
        [[source]]
        name = "sky"
        platform = "bluesky"
        identifier = "shop.bsky.social"
        password = "p"
        [[source]]
        name = "shop"
        platform = "webhook"
        secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
        [[access]]
        slack_group = "S1"
        roles = ["agent"]
        "#,
        Purpose::Serve,
    )
    .unwrap();
    let defaults = |config: &Config| {
        let slack = config.slack.as_ref().unwrap().api_url.clone();
        let discord = config.discord.as_ref().unwrap().api_url.clone();
        let [
            Source::Mastodon(fedi),
            Source::Bluesky(sky),
            Source::Webhook(shop),
        ] = &config.sources[..]
        else {
            panic!("{:?}", config.sources)
        };
        let sky = (sky.url.clone(), sky.search.clone(), sky.poll);
        let fedi = (fedi.hashtags.clone(), fedi.search.clone(), fedi.poll);
        let reply = format!(
            "{:?} {:?} {:?}",
            config.reply, config.server.listen, config.server.allow_private_hosts
        );
        let care = Care {
            words: Default::default(),
            ..config.care.clone()
        };
        assert_eq!(care, Care::default());
        (slack, discord, fedi, sky, shop.idempotency, shop.limit, reply)
    };
    assert_eq!(defaults(&told), defaults(&left_out));
}
