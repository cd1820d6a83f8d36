//! `hearback rules`: rules tried on what is there, and feeds that were set aside.

use super::commands::load;
use super::hearing;
use super::operator::{DATABASE, join, name, order, source_of};
use crate::app::{Outside, Response};
use crate::cli::rules::{self, Catch, EXAMPLES, Example, Feed, Line, Test, Trial, Tried, What};
use crate::cli::{self, Exit};
use crate::config::{Config, Terms};
use crate::domain::listen::{Listening, Rule, Scratch, is_to_us};
use crate::domain::{Author, Clock, Instant, Metrics, Post, PostKind, SourceName, SystemClock, Visibility};
use crate::store::Why;
use anyhow::Context as _;
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// `hearback rules`
pub(super) async fn run(what: What) -> anyhow::Result<Exit> {
    let config = match load(&what.reported().configured) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let json = what.reported().json;
    match what {
        What::Test(args) => test(&config, &args, json).await,
        What::Waiting(_) => waiting(&config, json).await,
        What::LetIn(feed) => decide(&config, feed, true, json).await,
        What::LeaveOut(feed) => decide(&config, feed, false, json).await,
    }
}

/// Tries the rules. Nothing is changed; a running process does not notice.
async fn test(config: &Config, args: &Test, json: bool) -> anyhow::Result<Exit> {
    if let Some(name) = &args.source
        && let Err(unknown) = source_of(config, name)
    {
        cli::complain(unknown);
        return Ok(Exit::Usage);
    }
    let listening = hearing::listening(config)?;
    let chosen = config.terms.iter();
    let chosen = chosen.filter(|terms| args.source.as_ref().is_none_or(|name| *name == terms.source));
    let chosen: Vec<&Terms> = chosen.collect();
    if let Some(file) = &args.texts {
        let texts = read(file)?;
        let lines: Vec<Line> = texts
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|text| Line {
                text: text.to_owned(),
                caught_by: caught_by(&listening, &chosen, text),
            })
            .collect();
        return Ok(rules::lines(&lines, json, &mut cli::output())?);
    }
    let store = join(config).await?;
    let mut trying = Trying::new(&listening, &chosen, args.days);
    let since = SystemClock.now() - TimeDelta::days(args.days.into());
    store
        .posts_since(since, |post, why| trying.take(&post, why))
        .await
        .context(DATABASE)?;
    store.close().await;
    Ok(rules::tried(&trying.trial, json, &mut cli::output())?)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("Cannot read the standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("Cannot read {}", file.display()))
}

/// The rules that catch a text, as if it had been found by each of the sources.
fn caught_by(listening: &Listening, chosen: &[&Terms], text: &str) -> Vec<String> {
    let mut scratch = Scratch::default();
    let of_source = |terms: &&Terms| {
        let caught = listening.caught(&found(&terms.source, text), &mut scratch);
        let caught = caught.into_iter().map(|rule| format!("{}/{rule}", terms.source));
        caught.collect::<Vec<_>>()
    };
    chosen.iter().flat_map(of_source).collect()
}

/// A text as a post of nobody known, who reaches everybody.
fn found(source: &str, text: &str) -> Post {
    Post {
        source: source.into(),
        id: "text".into(),
        conversation: "text".into(),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: "".into(),
            handle: String::new(),
            name: String::new(),
            followers: Some(i64::MAX),
            url: None,
        },
        text: text.to_owned(),
        created_at: Instant::UNIX_EPOCH,
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// A trial under way.
struct Trying<'a> {
    listening: &'a Listening,
    scratch: Scratch,
    places: BTreeMap<SourceName, usize>,
    trial: Trial,
}

impl<'a> Trying<'a> {
    fn new(listening: &'a Listening, chosen: &[&Terms], days: u16) -> Self {
        let catch = |rule: &Rule| Catch {
            rule: rule.name.clone(),
            ..Catch::default()
        };
        let tried = |terms: &&Terms| Tried {
            source: terms.source.clone(),
            rules: terms.matches.iter().map(catch).collect(),
            ..Tried::default()
        };
        let places = chosen.iter().enumerate();
        Self {
            listening,
            scratch: Scratch::default(),
            places: places
                .map(|(at, terms)| (SourceName::new(&terms.source), at))
                .collect(),
            trial: Trial {
                days,
                sources: chosen.iter().map(tried).collect(),
                ..Trial::default()
            },
        }
    }

    fn take(&mut self, post: &Post, why: Option<Why>) {
        let place = self.places.get(&post.source);
        let Some(tried) = place.and_then(|at| self.trial.sources.get_mut(*at)) else {
            return;
        };
        match why {
            None => self.trial.with_case += 1,
            Some(Why::Rules) => self.trial.passed_over += 1,
            // Of what was left out no words are kept, so nothing can be tried.
            Some(Why::Left) => return,
            Some(Why::Flood) => self.trial.waiting += 1,
        }
        tried.posts += 1;
        let caught = self.listening.caught(post, &mut self.scratch);
        match (is_to_us(post), caught.is_empty() && !tried.rules.is_empty()) {
            (true, _) => tried.to_us += 1,
            (false, true) => tried.missed += 1,
            (false, false) => tried.caught += 1,
        }
        if !is_to_us(post) && post.author.followers.is_none() && post.metrics.views == 0 {
            tried.without_reach += 1;
        }
        for catch in &mut tried.rules {
            if !caught.iter().any(|name| **name == *catch.rule) {
                continue;
            }
            catch.caught += 1;
            catch.alone += usize::from(caught.len() == 1);
            show(&mut catch.examples, post);
        }
    }
}

/// Keeps a post among the newest.
fn show(examples: &mut Vec<Example>, post: &Post) {
    let behind = examples.partition_point(|shown| shown.written >= post.created_at);
    if behind == EXAMPLES {
        return;
    }
    let example = Example {
        id: post.id.to_string(),
        written: post.created_at,
        at: post.created_at.format("%Y-%m-%d").to_string(),
        author: post.author.handle.clone(),
        url: post.url.clone(),
        text: post.text.clone(),
    };
    examples.insert(behind, example);
    examples.truncate(EXAMPLES);
}

/// Which feeds wait.
async fn waiting(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let store = join(config).await?;
    let feeds = store.all_waiting().await.context(DATABASE)?;
    store.close().await;
    let feeds: Vec<_> = feeds
        .into_iter()
        .map(|(source, posts)| (source.to_string(), posts))
        .collect();
    Ok(rules::waiting(&feeds, json, &mut cli::output())?)
}

/// Lets a feed in, or leaves it out; beside a running process, or without one.
async fn decide(config: &Config, feed: Feed, admit: bool, json: bool) -> anyhow::Result<Exit> {
    let Feed { source, by, .. } = feed;
    if let Err(unknown) = source_of(config, &source) {
        cli::complain(unknown);
        return Ok(Exit::Usage);
    }
    let Some(by) = name(by) else {
        cli::complain("hearback: this machine does not tell who you are; give your name with --by NAME");
        return Ok(Exit::Usage);
    };
    let guest = join(config).await?;
    let outside = Outside::Feed {
        source: SourceName::new(source),
        admit,
    };
    let (answer, _) = order(config, &guest, &outside, by).await?;
    guest.close().await;
    let (answer, done) = match answer {
        Response::Done(message) => (message.plain(), true),
        Response::Refused(message) => (message.plain(), false),
        Response::Ask(_) => ("The answer was a question; nothing changed.".to_owned(), false),
    };
    Ok(rules::decided(&answer, done, json, &mut cli::output())?)
}
