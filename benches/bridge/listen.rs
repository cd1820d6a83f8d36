//! Rules over a firehose: many rules of one source, asked about made-up posts on one core, beside an
//! automaton of the same words that does nothing but count.

use super::report::{Goal, Report};
use aho_corasick::{AhoCorasick, MatchKind};
use hearback::domain::listen::{Listening, Rule, Scratch};
use hearback::domain::{Author, Instant as At, Metrics, Post, PostKind, Visibility};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::hint::black_box;
use std::time::Instant;

/// Where the dice begin: the same posts and rules in every run.
const SEED: u64 = 20_261_126;
/// How many posts there are. They are asked about again and again.
const POSTS: usize = 20_000;
/// How often.
const ROUNDS: usize = 5;
/// Words that posts are mostly made of.
const COMMON: &[&str] = &[
    "the", "to", "my", "I", "and", "you", "is", "a", "it", "for", "your", "on", "in", "of", "have", "not",
    "this", "no", "been", "been", "me", "with", "was", "order", "can", "just", "why", "that", "still", "but",
    "get", "at", "are", "service", "do", "what", "been", "so", "from", "be", "help", "customer", "now",
    "phone", "when", "how", "all", "please", "will", "app", "email", "day", "time", "they", "account",
    "back", "if", "up", "there", "need", "out", "days", "today", "hours", "or", "Größe", "façade", "don’t",
    "can't",
];
/// Words of people who are unhappy; rules ask for them.
const UNHAPPY: &[&str] = &[
    "late",
    "refund",
    "broken",
    "never arrived",
    "cancelled",
    "worst",
    "waiting",
    "lost",
    "damaged",
    "rude",
    "overcharged",
    "scam",
    "no reply",
    "disappointed",
    "missing",
    "delayed",
    "useless",
    "charged twice",
    "unacceptable",
    "hung up",
    "does not work",
    "faulty",
    "rückerstattung",
    "remboursement",
    "退款",
    "возврат",
];
/// What stands at the end of a quarter of them.
const ENDS: &[&str] = &[
    "😡",
    "🙏",
    "…",
    "👎👎",
    "💔",
    "¿verdad?",
    "届かない",
    "где посылка",
    "#fail",
    "@someone",
    "https://t.co/abc",
];

/// Names that nobody has: `Tavolino`, `Kemura`.
fn names(dice: &mut StdRng, count: usize) -> Vec<String> {
    let parts = [
        "ta", "vo", "li", "ke", "mu", "ra", "sen", "dor", "fi", "bel", "nu", "xo", "pri", "gal", "zet", "cam",
    ];
    let name = |dice: &mut StdRng| {
        let length = dice.random_range(3..6);
        (0..length)
            .map(|_| *parts.choose(dice).unwrap_or(&"ta"))
            .collect::<String>()
    };
    (0..count).map(|_| name(dice)).collect()
}

fn pick<'a>(dice: &mut StdRng, list: &'a [&'a str]) -> &'a str {
    list.choose(dice).copied().unwrap_or("the")
}

/// Posts of about 160 letters: a quarter with letters and signs beyond ASCII, a twentieth with a name that
/// some rule asks for.
fn posts(dice: &mut StdRng, names: &[String]) -> Vec<Post> {
    let made = |n: usize| {
        let mut text = String::new();
        while text.len() < 150 {
            match dice.random_range(0..100) {
                0..3 => text += pick(dice, UNHAPPY),
                3..5 => text += names.choose(dice).map_or("", String::as_str),
                5..20 => text += &format!("w{}", dice.random_range(0..5_000)),
                _ => text += pick(dice, COMMON),
            }
            text.push(' ');
        }
        if dice.random_range(0..4) == 0 {
            text += pick(dice, ENDS);
        }
        post(n, text)
    };
    (0..POSTS).map(made).collect()
}

fn post(n: usize, text: String) -> Post {
    Post {
        source: "firehose".into(),
        id: n.to_string().into(),
        conversation: n.to_string().into(),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: format!("a{}", n % 9_000).into(),
            handle: format!("user{}", n % 9_000),
            name: "Somebody".to_owned(),
            followers: Some((n % 2_000) as i64),
            url: None,
        },
        text,
        created_at: At::UNIX_EPOCH,
        edited_at: None,
        deleted: false,
        lang: Some("en".to_owned()),
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// Rules as people write them: a name, words of unhappy people, words to leave out; every tenth with a
/// regex, every twentieth with a language or a reach.
fn rules(dice: &mut StdRng, names: &[String], count: usize) -> Vec<Rule> {
    let made = |n: usize| {
        let name = names.get(n % names.len()).cloned().unwrap_or_default();
        let some = |dice: &mut StdRng, least: usize| {
            let count = dice.random_range(least..least + 4);
            (0..count)
                .map(|_| pick(dice, UNHAPPY).to_owned())
                .collect::<Vec<_>>()
        };
        Rule {
            name: format!("r{n}"),
            all: if n.is_multiple_of(3) {
                Vec::new()
            } else {
                vec![name.clone()]
            },
            any: if n.is_multiple_of(3) {
                vec![format!("{name} care"), format!("#{name}"), format!("{name}*")]
            } else {
                some(dice, 3)
            },
            none: vec!["hiring".to_owned(), format!("{name} rocks")],
            regex: if n.is_multiple_of(10) {
                vec![format!(r"{name}\s+(order|parcel)?\s*#?\w+")]
            } else {
                Vec::new()
            },
            language: if n % 20 == 1 {
                vec!["en".to_owned()]
            } else {
                Vec::new()
            },
            min_reach: (n % 20 == 2).then_some(100),
            ..Rule::default()
        }
    };
    (0..count).map(made).collect()
}

/// Posts a second that `ask` is through with; the best of the rounds, as others work on the machine.
fn rate(posts: &[Post], mut ask: impl FnMut(&Post) -> usize) -> (f64, usize) {
    let mut best = f64::MAX;
    let mut found = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        found = posts.iter().map(&mut ask).sum();
        best = best.min(began.elapsed().as_secs_f64());
    }
    (posts.len() as f64 / best, black_box(found))
}

/// A thousand rules and ten thousand.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let mut dice = StdRng::seed_from_u64(SEED);
    let names = names(&mut dice, 4_000);
    let posts = posts(&mut dice, &names);
    let mut before = None;
    for (count, least) in [(1_000, 50_000.0), (10_000, 25_000.0)] {
        let rules = rules(&mut dice, &names, count);
        let listening = Listening::new([("firehose".into(), rules.as_slice())])
            .map_err(|(_, rule, fault)| anyhow::anyhow!("{rule}: {fault}"))?;
        let mut scratch = Scratch::default();
        let (measured, caught) = rate(&posts, |post| listening.caught(post, &mut scratch).len());
        anyhow::ensure!(
            caught > posts.len() / 1_000,
            "the rules catch something: {caught}"
        );
        let mut words: Vec<&str> = rules
            .iter()
            .flat_map(|rule| [&rule.all, &rule.any, &rule.none])
            .flatten()
            .map(|word| word.trim_end_matches('*'))
            .collect();
        words.sort_unstable();
        words.dedup();
        let plain = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&words)?;
        let (bare, _) = rate(&posts, |post| plain.find_overlapping_iter(&post.text).count());
        report.beside(
            &format!("{count} rules over a firehose, one core"),
            "posts/s",
            measured,
            bare,
            Goal::AtLeast(least),
        );
        if let Some(before) = before {
            report.beside(
                "ten times the rules",
                "posts/s",
                measured,
                before,
                Goal::AtLeast(0.0),
            );
        }
        before = Some(measured);
    }
    Ok(())
}
