//! What people type, and what comes of it.

use hearback::command::{Command, LabelChange, parse_options, parse_text, schema};
use hearback::domain::CaseNumber;
use rstest::rstest;

#[rstest]
#[case("claim 12", None, "Some(CaseNumber(12)) Claim")]
#[case("claim #12", None, "Some(CaseNumber(12)) Claim")]
#[case("12 claim", None, "Some(CaseNumber(12)) Claim")]
#[case("#12", None, "Some(CaseNumber(12)) Show")]
#[case("Claim", Some(3), "None Claim")]
#[case("claim 12", Some(3), "Some(CaseNumber(12)) Claim")]
#[case(
    "reply 12 3 days  ago —\n“so”",
    None,
    "Some(CaseNumber(12)) Reply { text: [\"3 days  ago —\\n“so”\"] }"
)]
#[case("reply 3 days --now", Some(3), "None Reply { text: [\"3 days --now\"] }")]
#[case(
    "escalate 12 managers very angry",
    None,
    "Some(CaseNumber(12)) Escalate { team: None, text: [\"managers very angry\"] }"
)]
#[case("escalate", Some(3), "None Escalate { team: None, text: [] }")]
#[case(
    "assign 12 <@U123|ada>",
    None,
    "Some(CaseNumber(12)) Assign { who: UserRef(\"U123\") }"
)]
#[case("assign me", Some(3), "None Assign { who: UserRef(\"me\") }")]
#[case("snooze 2h", Some(3), "None Snooze { duration: 7200s }")]
#[case("priority 12 urgent", None, "Some(CaseNumber(12)) Priority { level: Urgent }")]
#[case("search 500 error", None, "None Search { text: [\"500 error\"] }")]
#[case("search 500", Some(3), "None Search { text: [\"500\"] }")]
#[case("resolve", Some(3), "None Resolve { outcome: [] }")]
fn typed(#[case] text: &str, #[case] implied: Option<i64>, #[case] expected: &str) {
    let parsed = parse_text(text, implied.map(CaseNumber)).unwrap();
    assert_eq!(format!("{:?} {:?}", parsed.case, parsed.command), expected);
}

#[test]
fn labels_go_on_and_off() {
    let parsed = parse_text("label +Refund -angry #vip", Some(CaseNumber(1))).unwrap();
    let on = |name: &str| LabelChange::Add(name.to_owned());
    let labels = vec![on("refund"), LabelChange::Remove("angry".to_owned()), on("vip")];
    assert_eq!(parsed.command, Command::Label { labels });
}

#[test]
fn words_are_taken_to_the_last_character() {
    for text in ["so  it\n\n  is.  \n", "\"quoted\" -- --help"] {
        let parsed = parse_text(&format!("reply {text}"), Some(CaseNumber(1))).unwrap();
        assert_eq!(
            parsed.command,
            Command::Reply {
                text: vec![text.to_owned()]
            }
        );
    }
    assert!(parse_text("reply  \n ", Some(CaseNumber(1))).is_err());
}

#[test]
fn what_is_unclear_is_explained() {
    let say = |text: &str| parse_text(text, Some(CaseNumber(1))).unwrap_err().to_string();
    insta::assert_snapshot!(say("clam"), @r"
    Unrecognized command 'clam'.
    A similar command exists: 'claim'.
    `help` lists the commands.
    ");
    insta::assert_snapshot!(say("priority hihg"), @"
    Invalid value 'hihg' for '<LEVEL>'.
    [possible values: low, normal, high, urgent]
    A similar value exists: 'high'.
    Usage: `priority LEVEL`
    ");
    insta::assert_snapshot!(say("snooze soon"), @"
    Invalid value 'soon' for '<DURATION>': write it like `30m`, `2h` or `1d`
    Usage: `snooze DURATION`
    ");
    insta::assert_snapshot!(say("reply"), @"
    Something is missing.
    Usage: `reply TEXT`
    ");
}

#[test]
fn options_and_text_mean_the_same() {
    let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let same = |verb: &str, options: &[(&str, &str)], text: &str| {
        assert_eq!(
            parse_options(verb, &given(options)),
            parse_text(text, None),
            "{text}"
        );
    };
    same("claim", &[("case", "12")], "claim 12");
    same(
        "reply",
        &[("case", "12"), ("text", "-- so  it is")],
        "reply 12 -- so  it is",
    );
    // A team given by itself is meant as one; in a text only the directory knows where its name ends.
    let named = parse_options(
        "escalate",
        &given(&[
            ("team", "Customer Success"),
            ("reason", "-- angry"),
            ("case", "12"),
        ]),
    );
    let Command::Escalate { team, text } = named.unwrap().command else {
        panic!("it is read as another verb");
    };
    assert_eq!(
        (team.as_deref(), text),
        (Some("Customer Success"), vec!["-- angry".to_owned()])
    );
    same(
        "assign",
        &[("case", "12"), ("who", "Ada Lovelace")],
        "assign 12 @Ada Lovelace",
    );
    same("label", &[("case", "12"), ("labels", "+a -b")], "label 12 +a -b");
    same(
        "priority",
        &[("case", "12"), ("level", "high")],
        "priority 12 high",
    );
    same("assign", &[("case", "12"), ("who", "<@7>")], "assign 12 <@7>");
    same("queue", &[], "queue");
}

#[test]
fn every_verb_has_help_and_fits_option_based_chats() {
    let verbs = schema();
    assert!(verbs.len() <= 25);
    for verb in &verbs {
        assert!((1..=100).contains(&verb.about.chars().count()), "{}", verb.name);
        let optional = verb
            .options
            .iter()
            .position(|option| !option.required)
            .unwrap_or(usize::MAX);
        let required_last = verb
            .options
            .iter()
            .rposition(|option| option.required)
            .unwrap_or(0);
        assert!(
            required_last <= optional,
            "{}: required options come first",
            verb.name
        );
        for option in &verb.options {
            assert!(
                (1..=100).contains(&option.about.chars().count()),
                "{} {}",
                verb.name,
                option.name
            );
        }
    }
    insta::assert_snapshot!(hearback::command::help(None), @"
    `claim` — Take the case: you answer it
    `release` — Give the case back, so that somebody else can take it
    `assign WHO` — Give the case to somebody
    `reply TEXT` — Answer in public, where the customer wrote
    `dm TEXT` — Answer in private, where the network can
    `answered ADDRESS` — Say that you answered by hand, and where
    `note TEXT` — Leave a note for your colleagues; the customer never sees it
    `escalate [TEAM] [REASON]` — Hand the case to a team, with the reason
    `approve` — Agree to the reply that waits for somebody else's yes
    `reject [REASON]` — Send the reply that waits for approval back to its author
    `cancel` — Take back the reply that is waiting to be published
    `resolve [OUTCOME]` — Close the case
    `reopen` — Open a resolved or snoozed case again
    `snooze DURATION` — Put the case off; it comes back by itself
    `priority LEVEL` — Say how urgent the case is
    `kind KIND` — Say what the case is about
    `label ±NAME…` — Put labels on and take them off
    `show` — Show the case
    `history` — Show everything that happened to the case
    `queue` — List the open cases, the oldest first
    `mine` — List your open cases
    `search TEXT` — Find cases by words in their posts
    `pause [REASON]` — Stop publishing at once: nothing goes out until somebody resumes
    `resume` — Let publishing go on
    `help [VERB]` — List the commands, or explain one
    ");
    insta::assert_snapshot!(hearback::command::help(Some("priority")), @"
    `priority LEVEL` — Say how urgent the case is
    LEVEL: How urgent (low, normal, high, urgent)
    ");
}
