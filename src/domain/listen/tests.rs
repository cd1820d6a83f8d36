//! What rules catch, and what they let by.

use super::*;
use crate::domain::{Author, Instant, Metrics};
use rstest::rstest;

fn post(text: &str) -> Post {
    Post {
        source: "fedi".into(),
        id: "p1".into(),
        conversation: "p1".into(),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: "u1".into(),
            handle: "Ann@shop.example".to_owned(),
            name: "Ann".to_owned(),
            followers: None,
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

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn words_of(name: &str, list: &[&str]) -> Rule {
    Rule {
        name: name.to_owned(),
        any: words(list),
        ..Rule::default()
    }
}

fn one(rule: Rule) -> Listening {
    Listening::new([("fedi".into(), &[rule][..])]).unwrap()
}

fn catches(rule: Rule, post: &Post) -> bool {
    matches!(one(rule).judge(post, &mut Scratch::default()), Heard::Caught(_))
}

#[rstest]
#[case::word("late", "My parcel is LATE!", true)]
#[case::part_of_a_word("late", "A plate of cake", false)]
#[case::part_of_a_word_behind("late", "It came later", false)]
#[case::with_a_handle("late", "by @late_shop", false)]
#[case::accents("creme", "Crème brûlée", true)]
#[case::accents_in_the_rule("Crème", "CREME", true)]
#[case::phrase("never arrived", "it never\n  arrived.", true)]
#[case::phrase_apart("never arrived", "never ever arrived", false)]
#[case::the_rest_of_a_word("refund*", "no refunds here", true)]
#[case::the_beginning_of_a_word("*lieferung", "Expresslieferung fehlt", true)]
#[case::possessive("acme", "ACME’s service", true)]
#[case::hashtag("#acme", "so #ACME", true)]
#[case::other_hashtag("#acme", "so #AcmeFan", false)]
#[case::signs("c++", "I like C++, too", true)]
#[case::emoji("😡", "why 😡😡", true)]
#[case::umlaut_at_the_edge("gro", "groß", false)]
#[case::chinese("退款", "我要退款谢谢", true)]
#[case::japanese("返金", "早く返金してください", true)]
#[case::latin_in_japanese("iphone", "新しいiPhoneが届かない", true)]
#[case::korean("배송", "배송이 너무 늦어요", true)]
#[case::thai("คืนเงิน", "ขอคืนเงินด้วย", true)]
#[case::russian("возврат", "Где мой ВОЗВРАТ?", true)]
#[case::part_of_a_russian_word("мой", "моя мойка", false)]
#[case::hindi("पैसे", "मेरे पैसे वापस", true)]
#[case::part_of_a_hindi_word("पैस", "मेरे पैसे वापस", false)]
#[case::arabic("إعادة", "أريد اعاده المبلغ", true)]
#[case::hebrew("החזר", "אני רוצה הֶחְזֵר", true)]
fn words_are_found_as_people_read_them(#[case] word: &str, #[case] text: &str, #[case] found: bool) {
    assert_eq!(
        catches(words_of("r", &[word]), &post(text)),
        found,
        "{word:?} in {text:?}"
    );
}

#[test]
fn all_that_a_rule_asks_must_hold() {
    let rule = Rule {
        name: "r".to_owned(),
        all: words(&["acme", "parcel"]),
        any: words(&["late", "lost"]),
        none: words(&["hiring"]),
        regex: words(&[r"\b\d{5}\b", r"order no"]),
        ..Rule::default()
    };
    assert!(catches(rule.clone(), &post("Acme parcel late: 12345")));
    assert!(catches(rule.clone(), &post("ORDER NO 7, Acme lost my parcel")));
    for (missing, text) in [
        ("all", "parcel late 12345"),
        ("any", "acme parcel 12345"),
        ("none", "acme parcel late 12345, hiring"),
        ("regex", "acme parcel late 123456"),
    ] {
        assert!(!catches(rule.clone(), &post(text)), "{missing}");
    }
}

#[test]
fn a_rule_without_words_is_asked_about_every_post() {
    let rule = |regex: &str| Rule {
        name: "r".to_owned(),
        regex: words(&[regex]),
        ..Rule::default()
    };
    assert!(catches(rule(r"[a-z]+\d{3}"), &post("Abc123")));
    assert!(!catches(rule(r"[a-z]+\d{3}"), &post("abc12")));
    assert!(catches(rule(r"Rückgabe\s+\w+"), &post("rückgabe abgelehnt")));
    let quiet = Rule {
        name: "r".to_owned(),
        none: words(&["acme"]),
        ..Rule::default()
    };
    assert!(catches(quiet.clone(), &post("something else")));
    assert!(!catches(quiet, &post("Acme again")));
    assert_eq!(one(rule(r"[a-z]+\d{3}")).restless(), 1);
    assert_eq!(one(rule("refund")).restless(), 0);
}

#[rstest]
#[case::as_told(&["de"], Some("de-AT"), "kaputt", true)]
#[case::another(&["de"], Some("en"), "broken", false)]
#[case::cannot_be_told(&["de"], None, "kaputt", true)]
#[case::as_it_reads(&["de"], None, "Das Paket ist leider schon wieder nicht angekommen", true)]
#[case::not_as_it_reads(&["en"], None, "Das Paket ist leider schon wieder nicht angekommen", false)]
#[case::the_text_counts_more(&["de"], Some("en"), "Das Paket ist leider schon wieder nicht angekommen", true)]
#[case::one_of(&["fr", "no"], Some("nb"), "hei", true)]
#[case::that_nobody_detects(&["eu"], Some("eu"), "kaixo", true)]
fn languages_are_told(
    #[case] wanted: &[&str],
    #[case] lang: Option<&str>,
    #[case] text: &str,
    #[case] found: bool,
) {
    let rule = Rule {
        name: "r".to_owned(),
        language: words(wanted),
        ..Rule::default()
    };
    let post = Post {
        lang: lang.map(str::to_owned),
        ..post(text)
    };
    assert_eq!(catches(rule, &post), found);
}

#[test]
fn reach_is_followers_or_views_and_nobody_where_neither_is_told() {
    let rule = Rule {
        min_reach: Some(1_000),
        ..words_of("r", &["acme"])
    };
    let mut post = post("acme");
    assert!(!catches(rule.clone(), &post));
    post.author.followers = Some(1_000);
    assert!(catches(rule.clone(), &post));
    post.author.followers = Some(999);
    assert!(!catches(rule.clone(), &post));
    post.metrics.views = 5_000;
    assert!(catches(rule, &post));
}

#[test]
fn authors_are_known_by_handle_or_id() {
    let rule = |authors: &[&str], not: &[&str]| Rule {
        authors: words(authors),
        not_authors: words(not),
        ..words_of("r", &["acme"])
    };
    let post = post("acme");
    for known in ["@ann@shop.example", "ANN@shop.example", "u1"] {
        assert!(catches(rule(&[known], &[]), &post), "{known}");
        assert!(!catches(rule(&[], &[known]), &post), "{known}");
    }
    assert!(!catches(rule(&["bob"], &[]), &post));
    assert!(catches(rule(&[], &["bob"]), &post));
}

#[test]
fn what_is_written_to_us_is_heard_unless_every_rule_turns_its_author_away() {
    let deny = |name: &str, authors: &[&str]| Rule {
        not_authors: words(authors),
        ..words_of(name, &["acme"])
    };
    let mut scratch = Scratch::default();
    let kinds = [
        PostKind::Mention,
        PostKind::Comment,
        PostKind::Review,
        PostKind::Message,
    ];
    for kind in kinds {
        let post = Post {
            kind,
            ..post("hello")
        };
        assert_eq!(
            one(words_of("r", &["acme"])).judge(&post, &mut scratch),
            Heard::ToUs
        );
        assert_eq!(one(deny("r", &["u1"])).judge(&post, &mut scratch), Heard::No);
        let rules = [deny("a", &["u1"]), deny("b", &["u2"])];
        let two = Listening::new([("fedi".into(), &rules[..])]).unwrap();
        assert_eq!(two.judge(&post, &mut scratch), Heard::ToUs);
    }
    let quiet = Post {
        visibility: Visibility::Private,
        ..post("hello")
    };
    assert_eq!(
        one(words_of("r", &["acme"])).judge(&quiet, &mut scratch),
        Heard::ToUs
    );
}

#[test]
fn every_source_has_its_own_rules_and_all_that_catch_are_told_in_order() {
    let fedi = [
        words_of("late", &["late", "delay*"]),
        words_of("brand", &["acme"]),
        words_of("lost", &["lost"]),
    ];
    let sky = [words_of("acme", &["acme"])];
    let listening = Listening::new([
        ("fedi".into(), &fedi[..]),
        ("sky".into(), &sky[..]),
        ("shop".into(), &[][..]),
    ])
    .unwrap();
    let mut scratch = Scratch::default();
    let mut of = |source: &str, text: &str| {
        let post = Post {
            source: source.into(),
            ..post(text)
        };
        listening.judge(&post, &mut scratch)
    };
    let caught = |names: &[&str]| Heard::Caught(names.iter().map(|name| Arc::from(*name)).collect());
    assert_eq!(
        of("fedi", "Acme: delayed, late, late"),
        caught(&["late", "brand"])
    );
    assert_eq!(of("sky", "Acme: delayed, late, late"), caught(&["acme"]));
    assert_eq!(of("sky", "late"), Heard::No);
    assert_eq!(of("shop", "anything"), Heard::Everything);
    assert_eq!(of("fedi", "nothing of note"), Heard::No);
    assert!(listening.is_choosy(&"sky".into()) && !listening.is_choosy(&"shop".into()));
}

/// The automaton and the regexes' keys only save work: what is caught is what a search for each word by
/// itself finds.
mod against_a_plain_search {
    use super::*;
    use proptest::prelude::*;

    fn found(needle: &str, text: &str) -> bool {
        let needle = Needle::parse(needle).unwrap();
        let text = fold::folded(text);
        let begins = |at: &usize| {
            let rest = text.get(*at..);
            rest.is_some_and(|rest| rest.starts_with(&needle.text))
        };
        (0..text.len()).filter(begins).any(|at| {
            let end = at + needle.text.len();
            (!needle.begins || !is_inside(&text, at)) && (!needle.ends || !is_inside(&text, end))
        })
    }

    fn holds(rule: &Rule, text: &str) -> bool {
        let regex = |regex: &String| Pattern::parse(regex).unwrap().regex.is_match(text);
        rule.all.iter().all(|word| found(word, text))
            && (rule.any.is_empty() || rule.any.iter().any(|word| found(word, text)))
            && !rule.none.iter().any(|word| found(word, text))
            && (rule.regex.is_empty() || rule.regex.iter().any(regex))
    }

    fn some() -> impl Strategy<Value = Vec<String>> {
        let word = "[*]?[abé ]{0,2}[ab退é][ab]{0,2}[*]?";
        proptest::collection::vec(word, 0..3)
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let regex = prop_oneof![
            "[ab]{1,3}[+?]?",
            Just(r"b\d+".to_owned()),
            Just(r"(aa|bb)a".to_owned()),
            Just(r"\bÉa".to_owned())
        ];
        let rule = (some(), some(), some(), proptest::collection::vec(regex, 0..2));
        let rule = rule.prop_map(|(all, any, none, regex)| Rule {
            name: "r".to_owned(),
            all,
            any,
            none,
            regex,
            ..Rule::default()
        });
        proptest::collection::vec(rule, 1..6)
    }

    proptest! {
        #[test]
        fn nothing_is_missed_and_nothing_invented(rules in rules(), text in "[abAé退 1.E\u{301}]{0,24}") {
            let rules: Vec<Rule> = rules
                .into_iter()
                .enumerate()
                .map(|(at, rule)| Rule { name: at.to_string(), ..rule })
                .collect();
            let wanted: Vec<String> = rules
                .iter()
                .filter(|rule| holds(rule, &text))
                .map(|rule| rule.name.clone())
                .collect();
            let listening = Listening::new([("fedi".into(), &rules[..])]).unwrap();
            let caught = listening.caught(&post(&text), &mut Scratch::default());
            let caught: Vec<String> = caught.iter().map(|name| name.to_string()).collect();
            prop_assert_eq!(caught, wanted);
        }
    }
}
