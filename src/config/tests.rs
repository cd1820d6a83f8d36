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
    let platform = table.get("platform").or_else(|| table.get("system"));
    let platform = platform.map(|node| &node.value);
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
    for key in ["name", "system", "url"] {
        documented.insert(("helpdesk".to_owned(), key.to_owned()));
    }
    let missing: Vec<_> = findings.asked.difference(&documented).collect();
    assert!(missing.is_empty(), "default.toml does not explain {missing:?}");
}

/// The source of a platform.
macro_rules! of {
    ($config:expr, $platform:ident) => {{
        let found = $config.sources.iter().find_map(|source| match source {
            Source::$platform(section) => Some(section),
            _ => None,
        });
        found.expect(concat!("a source of ", stringify!($platform)))
    }};
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
        name = "forum"
        platform = "discourse"
        url = "https://forum.example"
        api_key = "k"
        api_username = "help"
        [[source]]
        name = "hub"
        platform = "github"
        token = "t"
        repositories = ["acme/app"]
        [[source]]
        name = "lemmy"
        platform = "lemmy"
        url = "https://lemmy.example"
        username = "shop"
        password = "p"
        [[source]]
        name = "snoo"
        platform = "reddit"
        client_id = "c"
        client_secret = "s"
        username = "shop_help"
        password = "p"
        [[source]]
        name = "so"
        platform = "stackexchange"
        site = "stackoverflow"
        key = "k"
        tags = ["acme"]
        [[source]]
        name = "tg"
        platform = "telegram"
        token = "1:a"
        [[source]]
        name = "ios"
        platform = "app-store"
        issuer_id = "i"
        key_id = "k"
        private_key = "-----BEGIN PRIVATE KEY-----"
        app_id = "1"
        [[source]]
        name = "maps"
        platform = "google-business"
        client_id = "c"
        client_secret = "s"
        account_id = "1"
        location_id = "2"
        [[source]]
        name = "play"
        platform = "google-play"
        service_account_key = '{"client_email": "a", "private_key": "b"}'
        package_name = "com.example.shop"
        [[source]]
        name = "trust"
        platform = "trustpilot"
        api_key = "k"
        api_secret = "s"
        business_unit_id = "u"
        business_user_id = "b"
        [[source]]
        name = "page"
        platform = "facebook"
        page_id = "1"
        access_token = "t"
        app_secret = "s"
        verify_token = "v"
        [[source]]
        name = "tube"
        platform = "youtube"
        client_id = "c"
        client_secret = "s"
        channel_id = "UC1"
        [[source]]
        name = "insta"
        platform = "instagram"
        account_id = "1"
        access_token = "t"
        app_secret = "s"
        verify_token = "v"
        [[source]]
        name = "threads"
        platform = "threads"
        access_token = "t"
        app_secret = "s"
        verify_token = "v"
        [[source]]
        name = "x"
        platform = "x"
        access_token = "t"
        [[source]]
        name = "org"
        platform = "linkedin"
        organization = "urn:li:organization:2414183"
        access_token = "t"
        [[source]]
        name = "clips"
        platform = "tiktok"
        business_id = "b"
        access_token = "t"
        [[source]]
        name = "letters"
        platform = "email"
        imap_url = "imaps://mail.example"
        username = "help@shop.example"
        password = "p"
        [[source]]
        name = "alerts"
        platform = "rss"
        feed = "https://blog.example/feed.xml"
        [[source]]
        name = "shop"
        platform = "webhook"
        secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
        [[access]]
        slack_group = "S1"
        roles = ["agent"]
        [[helpdesk]]
        name = "desk"
        system = "zendesk"
        url = "https://shop.zendesk.com"
        email = "bot@shop.example"
        api_token = "t"
        [[helpdesk]]
        name = "fresh"
        system = "freshdesk"
        url = "https://shop.freshdesk.com"
        email = "bot@shop.example"
        api_key = "t"
        "#,
        Purpose::Serve,
    )
    .unwrap();
    let defaults = |config: &Config| {
        let slack = config.slack.as_ref().unwrap().api_url.clone();
        let discord = config.discord.as_ref().unwrap().api_url.clone();
        let ios = of!(config, AppStore);
        let sky = of!(config, Bluesky);
        let forum = of!(config, Discourse);
        let page = of!(config, Facebook);
        let hub = of!(config, GitHub);
        let maps = of!(config, GoogleBusiness);
        let play = of!(config, GooglePlay);
        let lemmy = of!(config, Lemmy);
        let fedi = of!(config, Mastodon);
        let snoo = of!(config, Reddit);
        let so = of!(config, StackExchange);
        let tg = of!(config, Telegram);
        let trust = of!(config, Trustpilot);
        let shop = of!(config, Webhook);
        let tube = of!(config, YouTube);
        let insta = of!(config, Instagram);
        let threads = of!(config, Threads);
        let x = of!(config, X);
        let org = of!(config, LinkedIn);
        let clips = of!(config, TikTok);
        let letters = of!(config, Email);
        let alerts = of!(config, Rss);
        let sky = (sky.url.clone(), sky.search.clone(), sky.poll);
        let snoo = (
            snoo.url.clone(),
            snoo.subreddits.clone(),
            snoo.search.clone(),
            snoo.poll,
        );
        let so = (so.url.clone(), so.search.clone(), so.answers, so.poll);
        let page = (page.url.clone(), page.poll);
        let reviews = [
            (ios.url.clone(), ios.poll),
            (maps.url.clone(), maps.poll),
            (play.url.clone(), play.poll),
            (trust.url.clone(), trust.poll),
        ];
        let tube = (tube.url.clone(), tube.daily_quota, tube.poll);
        let hub = (
            hub.url.clone(),
            hub.discussions.clone(),
            hub.search.clone(),
            hub.poll,
        );
        let insta = (insta.url.clone(), insta.poll);
        let threads = (threads.url.clone(), threads.search.clone(), threads.poll);
        let fedi = (fedi.hashtags.clone(), fedi.search.clone(), fedi.poll);
        let x = (
            x.url.clone(),
            x.search.clone(),
            x.direct_messages,
            x.summoned_only,
            x.poll,
        );
        let org = (org.url.clone(), org.version.clone(), org.poll);
        let clips = (clips.url.clone(), clips.videos, clips.poll);
        let reply = format!(
            "{:?} {:?} {:?}",
            config.reply,
            config.server.listen,
            (&config.server.allow_private_hosts, &config.media)
        );
        let care = Care {
            words: Default::default(),
            ..config.care.clone()
        };
        assert_eq!(care, Care::default());
        let polls = |desk: &Helpdesk| match desk {
            Helpdesk::Zendesk { poll, .. } | Helpdesk::Freshdesk { poll, .. } => Some(*poll),
            Helpdesk::Webhook { .. } => None,
        };
        let desks: Vec<_> = config.helpdesks.iter().filter_map(polls).collect();
        // `url` stands in for a server only where one is meant.
        let alerts = (alerts.own.clone(), alerts.poll);
        let letters = (
            letters.folder.clone(),
            letters.from.clone(),
            letters.sent_copy,
            letters.alerts.clone(),
            letters.poll,
        );
        let (forum, lemmy) = (
            (forum.search.clone(), forum.poll),
            (lemmy.search.clone(), lemmy.poll),
        );
        let boards = (alerts, clips, forum, hub, lemmy, snoo, so, tube);
        let accounts = (letters, fedi, page, org, x, insta, threads, sky, tg.url.clone());
        let shop = (shop.idempotency, shop.limit);
        ((slack, discord, desks), (reviews, boards, accounts, shop), reply)
    };
    assert_eq!(defaults(&told), defaults(&left_out));
}

#[test]
fn the_example_shows_every_platform() {
    let text = include_str!("../../config/example.toml");
    let config = Config::from_toml("example.toml", text, Purpose::Serve).unwrap();
    let shown: BTreeSet<_> = config.sources.iter().map(Source::platform).collect();
    assert_eq!(shown, source::PLATFORMS.iter().copied().collect());
}
