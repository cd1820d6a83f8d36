//! What each rule minds and what it lets pass.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn draft(text: &str) -> Draft<'_> {
    Draft {
        text,
        audience: Audience::Public,
        post: "My parcel is late and nobody answers me.",
        post_lang: None,
        kind: Kind::Question,
        conversation: &[],
        author_handle: "ann",
        brand_handles: &["brandcare"],
        first_reply: false,
    }
}

fn care() -> Care {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Care {
        refund_limit: 50,
        links: words(&["brand.example"]),
        competitors: words(&["Acme", "@otherhelp", "Dr. Foster"]),
        contacts: words(&["help@brand.example", "@care.brand.example", "+49 30 9876543"]),
        allowed: words(&["Hell Let Loose"]),
        ..Care::default()
    }
}

/// What one rule minds in a draft.
fn found_in(rule: Rule, draft: &Draft<'_>) -> Option<Finding> {
    let findings = examine(draft, &care());
    findings.into_iter().find(|finding| finding.rule == rule)
}

/// What one rule minds in a public reply.
fn found(rule: Rule, text: &str) -> Option<String> {
    found_in(rule, &draft(text)).map(|finding| finding.found)
}

#[track_caller]
fn minds(rule: Rule, text: &str, words: &str) {
    assert_eq!(found(rule, text).as_deref(), Some(words), "{rule} in {text:?}");
}

#[track_caller]
fn passes(rule: Rule, text: &str) {
    assert_eq!(found(rule, text), None, "{rule} in {text:?}");
}

#[rstest]
#[case("How DARE you speak to us like that?", "How DARE you")]
#[case("Please stop complaining, it does not help.", "stop complaining")]
#[case("We don’t care what you think.", "We don’t care")]
#[case("We're sick of this.", "We're sick of")]
#[case("You are being ridiculous.", "You are being ridiculous")]
#[case("This is absolutely ridiculous!", "This is absolutely ridiculous")]
#[case("What a waste of time.", "waste of time")]
#[case("Beruhigen Sie sich!", "Beruhigen Sie sich")]
#[case("Calmez-vous.", "Calmez-vous")]
#[case("Cállate ya.", "Cállate")]
fn anger_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Anger, text, words);
}

#[rstest]
#[case("We care about this, and we'd love to help.")]
#[case("Sorry to hear your phone is acting up. Does it stop when you restart it?")]
#[case("We do care. You can reach us any time.")]
#[case("You asked us \"who cares\"? No: tell us more.")]
#[case("Whoever you talk to: people like to help.")]
#[case("If the error does not go away, you will talk to someone who cares.")]
#[case("We hate you're having trouble.")]
fn calm_words_pass(#[case] text: &str) {
    if text.contains("who cares") {
        let post = Draft {
            post: "Who cares about your customers?",
            ..draft(text)
        };
        assert_eq!(found_in(Rule::Anger, &post), None);
    } else {
        passes(Rule::Anger, text);
    }
}

#[rstest]
#[case("You should've read the terms.", "You should've read")]
#[case("That is your own fault.", "your own fault")]
#[case(
    "If you had actually read our mail, you would know.",
    "If you had actually read"
)]
#[case("As we already said, it is on its way.", "As we already said")]
#[case("You didn't bother to call.", "You didn't bother")]
#[case("No one else has complained about this.", "No one else has complained")]
#[case("You must have deleted it yourself.", "You must have deleted")]
#[case("Selbst schuld.", "Selbst schuld")]
#[case("C’est de votre faute.", "C’est de votre faute")]
#[case("Es su culpa.", "Es su culpa")]
fn blame_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Blame, text, words);
}

#[rstest]
#[case("It is not your fault at all.")]
#[case("You should have received an e-mail from us by now.")]
#[case("You must have an account to do this.")]
#[case("If you did not follow the steps, please try them. Your claim is being looked at.")]
#[case("Make sure that nobody else has access. You might have read about it.")]
#[case("Let us know if you don't know how to reset it.")]
#[case("If you already told us, please say so again in private.")]
#[case("We will see what went wrong on our side. Should have been faster, we know.")]
fn no_blame_passes(#[case] text: &str) {
    passes(Rule::Blame, text);
}

#[rstest]
#[case("PLEASE READ OUR WEBSITE first.", "PLEASE READ OUR WEBSITE")]
#[case("What do you want?!?!", "?!?!")]
#[case("Stop it!!!!", "!!!!")]
#[case("NEIN, DAS GEHT SO NICHT", "NEIN, DAS GEHT SO NICHT")]
fn shouting_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Shouting, text, words);
}

#[rstest]
#[case("We support USB, HDMI and VGA.")]
#[case("THANK YOU so much!")]
#[case("Welcome aboard!!!")]
#[case("@ALLCAPS_PERSON_HERE thanks for the NASA and FAQ link.")]
#[case("See https://brand.example/READ/OUR/TERMS/NOW please")]
fn normal_voices_pass(#[case] text: &str) {
    passes(Rule::Shouting, text);
}

#[test]
fn a_calmer_wording_is_offered_for_capitals() {
    let finding = found_in(Rule::Shouting, &draft("PLEASE READ OUR WEBSITE")).unwrap();
    assert_eq!(finding.better.as_deref(), Some("Please read our website"));
}

#[rstest]
#[case("That was a shit day.", "shit")]
#[case("Oh sh1t, sorry.", "sh1t")]
#[case("What the f*** happened", "f***")]
#[case("F**king hell", "F**king")]
#[case("a fuuuuck-up", "fuuuuck-up")]
#[case("Don't be an a$$hole", "a$$hole")]
#[case("WTF happened there?", "WTF")]
#[case("So eine Scheiße", "Scheiße")]
#[case("Putain, désolé", "Putain")]
#[case("Vaya mierda", "mierda")]
#[case("ｓｈｉｔ happens", "ｓｈｉｔ")]
fn profanity_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Profanity, text, words);
}

#[rstest]
#[case("Hello from Scunthorpe, Mr. Cockburn and Ms. Hancock.")]
#[case("Please assess the class A55 phone, Dick.")]
#[case("How fickle. Une salopette, un bâtard, un cono para Kike.")]
#[case("Our game Hell Let Loose is back, what the Hell Let Loose team says.")]
#[case("@shithead99 Thanks for writing.")]
#[case("Mail s***@example.com is masked, as is **** 1111.")]
#[case("Use *this* or **that**. Now 50% off*")]
fn clean_words_pass(#[case] text: &str) {
    passes(Rule::Profanity, text);
}

#[test]
fn the_customers_handle_is_a_name() {
    let named = Draft {
        author_handle: "@fuck_delays",
        ..draft("Hi fuck_delays, thanks for writing.")
    };
    assert_eq!(found_in(Rule::Profanity, &named), None);
}

#[rstest]
#[case("Yeah, right.", "Yeah, right")]
#[case("Nice try 🙄", "Nice try")]
#[case("We are on it 🙄", "🙄")]
#[case("Thanks, Sherlock.", "Thanks, Sherlock")]
#[case("Great idea /s", "/s")]
#[case("We have seen your “issue”.", "issue")]
#[case("LMAO ok", "LMAO")]
#[case("Your so-called problem", "so-called problem")]
fn sarcasm_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Sarcasm, text, words);
}

#[rstest]
#[case("You are right, and we are on it.")]
#[case("Visit the Genius Bar near you, Karen.")]
#[case("Thanks for noticing! Have you tried Google Chrome?")]
#[case("Use whatever device you like, with or without /settings.")]
#[case("Go to your \"Settings\" and/or restart.")]
fn honest_words_pass(#[case] text: &str) {
    passes(Rule::Sarcasm, text);
}

#[rstest]
#[case("We're not responsible for delays.", "not responsible")]
#[case("It's not our problem.", "It's not our problem")]
#[case("That is out of our hands.", "out of our hands")]
#[case("There is nothing we can do.", "There is nothing we can do")]
#[case("We cannot be held liable.", "cannot be held liable")]
#[case("Das ist nicht unser Problem.", "nicht unser Problem")]
#[case("Nous ne sommes pas responsables.", "Nous ne sommes pas responsables")]
#[case("No somos responsables.", "No somos responsables")]
fn sending_away_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::NotResponsible, text, words);
}

#[rstest]
#[case("We are responsible for this, and we will fix it.")]
#[case("You will not be held responsible for charges you did not make.")]
#[case("Is there anything else we can do?")]
fn taking_care_passes(#[case] text: &str) {
    passes(Rule::NotResponsible, text);
}

#[rstest]
#[case("We guarantee it arrives tomorrow.", "We guarantee")]
#[case("This will never happen again.", "will never happen again")]
#[case("We accept full responsibility.", "We accept full responsibility")]
#[case("We may take legal action.", "We may take legal action")]
#[case("You're entitled to compensation.", "You're entitled to compensation")]
#[case("Wir garantieren Ihnen das.", "Wir garantieren Ihnen")]
#[case("Nous vous promettons que oui.", "Nous vous promettons que")]
#[case("Te prometemos una respuesta.", "Te prometemos")]
fn binding_words_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::LegalPromise, text, words);
}

#[rstest]
#[case("We can't guarantee a date.")]
#[case("A date is not guaranteed.")]
#[case("Disputes are sometimes settled in court; see our legal pages.")]
#[case("Your warranty covers this.")]
fn careful_words_pass(#[case] text: &str) {
    passes(Rule::LegalPromise, text);
}

#[rstest]
#[case("We'll refund you in full.", "We'll refund")]
#[case("We will refund €80.", "We will refund")]
#[case(
    "We have issued a full refund of 1.250,00 EUR",
    "We have issued a full refund"
)]
#[case("You will get your money back.", "You will get your money back")]
#[case("We'll refund $20. We will also refund $300.", "We will also refund")]
#[case("Wir erstatten Ihnen den Kaufpreis.", "Wir erstatten Ihnen")]
#[case(
    "Wir werden Ihnen das Geld gerne erstatten.",
    "Wir werden Ihnen das Geld gerne erstatten"
)]
#[case("Nous vous remboursons demain.", "Nous vous remboursons")]
#[case("Le devolveremos su dinero.", "Le devolveremos su")]
fn money_is_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Refund, text, words);
}

#[rstest]
#[case("We will refund $50.")]
#[case("We'll refund 49,99 € today.")]
#[case("You can ask for a refund here: https://brand.example/refunds")]
#[case("We can't refund this, sorry.")]
#[case("Refunds take three to five days.")]
#[case("To get your money back, request a refund of your order.")]
#[case("Tell us when you have received a refund.")]
fn small_or_no_money_passes(#[case] text: &str) {
    passes(Rule::Refund, text);
}

#[test]
fn the_reason_names_the_amount() {
    let why = |text: &str| found_in(Rule::Refund, &draft(text)).unwrap().why;
    assert_eq!(
        why("We will refund 120 dollars."),
        "This promises 120; more than 50 needs a second pair of eyes."
    );
    assert_eq!(
        why("We will refund you."),
        "This promises money in writing, without saying how much."
    );
}

#[rstest]
#[case("Your card 4111 1111 1111 1111 was charged.", "**** 1111")]
#[case("Card 4111111111111111.", "**** 1111")]
#[case("Amex 3782-822463-10005", "**** 0005")]
#[case("4111 1111 1111 1111 12/2027", "**** 1111")]
fn card_numbers_are_minded_and_masked(#[case] text: &str, #[case] words: &str) {
    minds(Rule::CardNumber, text, words);
    let private = Draft {
        audience: Audience::Private,
        ..draft(text)
    };
    let finding = found_in(Rule::CardNumber, &private).unwrap();
    assert_eq!(finding.level, Level::Approve);
    let digits = text.chars().filter(char::is_ascii_digit).collect::<String>();
    for finding in examine(&draft(text), &care()) {
        let shown = format!("{finding:?}");
        assert!(
            !shown.contains("4111 1111") && !shown.contains(&digits),
            "{shown}"
        );
    }
}

#[rstest]
#[case("Card 4111 1111 1111 1112")]
#[case("Number 1234567890123456")]
#[case("Call between 10 11 12 13 14 15 16 17")]
#[case("https://brand.example/4111111111111111")]
fn other_numbers_are_no_cards(#[case] text: &str) {
    passes(Rule::CardNumber, text);
}

#[rstest]
#[case("Is ann.smith@mail.example yours?", "ann.smith@mail.example")]
#[case("Write to mailto:boss@brand.example", "boss@brand.example")]
fn addresses_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::EmailAddress, text, words);
}

#[rstest]
#[case("Write to HELP@brand.example or team@care.brand.example.")]
#[case("@ann@social.example thanks, @brandcare")]
#[case("Look @ this")]
fn handles_and_our_own_addresses_pass(#[case] text: &str) {
    passes(Rule::EmailAddress, text);
}

#[rstest]
#[case("Call Bob at (555) 010-0199.", "(555) 010-0199")]
#[case("Try 1-555-010-0199 now", "1-555-010-0199")]
#[case("His number: +44 7700 900123", "+44 7700 900123")]
#[case("Ruf 0171 / 555 01 23 an", "0171 / 555 01 23")]
#[case("Appelez 06 12 34 56 78", "06 12 34 56 78")]
#[case("Text 5550100199 please", "5550100199")]
fn telephone_numbers_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::PhoneNumber, text, words);
}

#[rstest]
#[case("Call 1-800-555-0199 or 0800 555 0199, or 030 9876543.")]
#[case("Open 09.00 - 18.00, from 01-04-2027 10:30 on.")]
#[case("Version 10.0.19041.1052 of 2027-02-01")]
#[case("1-800-MY-BRAND")]
#[case("Between 100 and 200 of 3000 people.")]
fn hotlines_dates_and_versions_pass(#[case] text: &str) {
    passes(Rule::PhoneNumber, text);
}

#[rstest]
#[case("Your order number is 482133.", "482133")]
#[case("Order #A-48213 has shipped.", "A-48213")]
#[case("Booking reference X7K2PQ", "X7K2PQ")]
#[case("See 123-4567890-1234567", "123-4567890-1234567")]
#[case("Track 1Z999AA10123456784", "1Z999AA10123456784")]
#[case("Track RR123456785DE", "RR123456785DE")]
#[case("Ihre Bestellnummer lautet 5512345", "5512345")]
#[case("It is 20938475610", "20938475610")]
fn numbers_of_orders_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::OrderNumber, text, words);
}

#[rstest]
#[case("Your order of 2027-02-01 is on its way.")]
#[case("Your case number is 482133.")]
#[case("Error 0x80070005 and article HT201412")]
#[case("In order to help 15000 people")]
#[case("Your order comes in 2027.")]
fn other_numbers_are_no_orders(#[case] text: &str) {
    passes(Rule::OrderNumber, text);
}

#[test]
fn what_the_customer_wrote_is_theirs() {
    let told = Draft {
        conversation: &["order no. 48-2133"],
        ..draft("Your order number 482133 is on its way.")
    };
    assert_eq!(found_in(Rule::OrderNumber, &told), None);
}

#[rstest]
#[case(Rule::EmailAddress, "We wrote to ann@mail.example.")]
#[case(Rule::PhoneNumber, "We called +44 7700 900123.")]
#[case(Rule::OrderNumber, "Your order number is 482133.")]
#[case(Rule::Competitor, "Acme does this better.")]
fn in_private_it_weighs_less(#[case] rule: Rule, #[case] text: &str) {
    let level = |audience| {
        let draft = Draft {
            audience,
            ..draft(text)
        };
        found_in(rule, &draft).unwrap().level
    };
    assert_eq!(level(Audience::Public), Level::Confirm);
    assert_eq!(level(Audience::Private), Level::Hint);
}

#[rstest]
#[case(Rule::EmailAddress, "We wrote to Ann@mail.example.")]
#[case(Rule::PhoneNumber, "We called +44 7700 900123.")]
fn in_private_what_the_customer_told_is_no_news(#[case] rule: Rule, #[case] text: &str) {
    let told = Draft {
        audience: Audience::Private,
        post: "I am ann@mail.example, +44 7700 900 123",
        ..draft(text)
    };
    assert_eq!(found_in(rule, &told), None);
    let public = Draft {
        audience: Audience::Public,
        ..told
    };
    assert!(found_in(rule, &public).is_some(), "everybody reads it");
}

#[rstest]
#[case(
    "Look at https://evil.example/brand.example",
    "https://evil.example/brand.example"
)]
#[case("https://brand.example@evil.example/", "https://brand.example@evil.example/")]
#[case("https://notbrand.example", "https://notbrand.example")]
#[case("https://brаnd.example/", "https://brаnd.example/")]
#[case("See bit.ly/abc", "bit.ly/abc")]
fn unknown_links_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Link, text, words);
}

#[rstest]
#[case("See https://BRAND.example/help and https://www.brand.example.")]
#[case("We see.Thanks for telling us, e.g. tomorrow.It works.in time")]
fn our_links_and_missing_spaces_pass(#[case] text: &str) {
    passes(Rule::Link, text);
}

#[test]
fn without_a_list_a_link_is_a_hint() {
    let care = Care::default();
    let findings = examine(&draft("See https://brand.example"), &care);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].rule, findings[0].level), (Rule::Link, Level::Hint));
}

#[rstest]
#[case("Go to ACME, they can help.", "ACME")]
#[case("Ask @AcmeHelp", "@AcmeHelp")]
#[case("Ask @otherhelp@social.example", "@otherhelp@social.example")]
#[case("Try #Acme", "Acme")]
#[case("Ask Dr. Foster", "Dr. Foster")]
fn competitors_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Competitor, text, words);
}

#[rstest]
#[case("We like acmetal and @acmetal, and any dr. There is a foster.")]
#[case("@brandcare is us")]
fn others_may_be_named(#[case] text: &str) {
    passes(Rule::Competitor, text);
}

#[rstest]
#[case("Hi {name}, thanks!", "{name}")]
#[case("Hi {{ customer.first }}", "{{ customer.first }}")]
#[case("Dear [NAME]", "[NAME]")]
#[case("About [order number]:", "[order number]")]
#[case("About <order>:", "<order>")]
#[case("Hello %FIRST_NAME%", "%FIRST_NAME%")]
#[case("Order XXX is late", "XXX")]
#[case("Dear …", "Dear …")]
#[case("Dear ..., hello", "Dear .")]
#[case("Hi , thanks", "Hi ,")]
#[case("TODO: ask Bob", "TODO")]
#[case("Lorem ipsum dolor", "Lorem ipsum")]
#[case("Your number is ____.", "____")]
fn placeholders_are_minded(#[case] text: &str, #[case] words: &str) {
    minds(Rule::Placeholder, text, words);
}

#[rstest]
#[case("Hi, thanks. Dear Ann, hello … Oh dear, sorry.")]
#[case("We <3 you [1/2] [EN] 50% off, 20% more")]
#[case("Your card ends in XXXX 1234 or XXX-1234, xxx")]
#[case("See [our order page](https://brand.example/order)")]
#[case("Todo va a salir bien y TODO llegará mañana a tu casa, gracias por esperar.")]
#[case("T___T we know. You can update your name here.")]
fn filled_in_words_pass(#[case] text: &str) {
    passes(Rule::Placeholder, text);
}

const GERMAN: &str = "Mein Paket ist seit drei Wochen unterwegs und niemand antwortet mir.";
const ENGLISH: &str = "We are sorry about your parcel and will find out where it is today.";

#[rstest]
#[case(GERMAN, None, ENGLISH, Some(Level::Confirm))]
#[case(GERMAN, Some("en"), ENGLISH, None)]
#[case(
    GERMAN,
    Some("de"),
    "Das tut uns leid. Wir sehen sofort nach, wo Ihr Paket ist.",
    None
)]
#[case("Hilfe!", Some("de-DE"), ENGLISH, Some(Level::Hint))]
#[case("Hilfe!", None, ENGLISH, None)]
#[case(GERMAN, None, "Ok!", None)]
#[case(GERMAN, None, "@ann https://brand.example/a/long/link/in/english/words", None)]
#[case(
    "荷物がまだ届いていません。誰も返事をしてくれません。",
    None,
    ENGLISH,
    Some(Level::Confirm)
)]
fn another_language_is_minded(
    #[case] post: &str,
    #[case] post_lang: Option<&str>,
    #[case] text: &str,
    #[case] level: Option<Level>,
) {
    let draft = Draft {
        post,
        post_lang,
        ..draft(text)
    };
    let finding = found_in(Rule::Language, &draft);
    assert_eq!(
        finding.as_ref().map(|finding| finding.level),
        level,
        "{finding:?}"
    );
}

#[test]
fn a_language_that_the_customer_used_before_is_theirs() {
    let spoken = Draft {
        post: GERMAN,
        conversation: &[
            "Sorry, I can also write to you in English. Where is my parcel, and why does nobody answer my questions?",
        ],
        ..draft(ENGLISH)
    };
    assert_eq!(found_in(Rule::Language, &spoken), None);
}

#[rstest]
#[case(
    Kind::Complaint,
    true,
    "Which size do you need?",
    Some("We are sorry about this.")
)]
#[case(
    Kind::Complaint,
    true,
    "Bitte schreiben Sie uns noch, wohin wir das Paket ursprünglich liefern sollten.",
    Some("Das tut uns leid.")
)]
#[case(Kind::Complaint, true, "Apologies! Which size do you need?", None)]
#[case(Kind::Complaint, true, "Das tut uns leid.", None)]
#[case(Kind::Complaint, true, "Nous sommes désolés.", None)]
#[case(Kind::Complaint, false, "Which size do you need?", None)]
#[case(Kind::Question, true, "Which size do you need?", None)]
fn a_complaint_is_met_with_regret(
    #[case] kind: Kind,
    #[case] first_reply: bool,
    #[case] text: &str,
    #[case] better: Option<&str>,
) {
    let draft = Draft {
        kind,
        first_reply,
        ..draft(text)
    };
    let finding = found_in(Rule::Apology, &draft);
    assert_eq!(
        finding.as_ref().and_then(|finding| finding.better.as_deref()),
        better
    );
    assert!(finding.is_none_or(|finding| finding.level == Level::Hint));
}

#[rstest]
#[case("You wrote \"your own fault\": we see it differently.")]
#[case("You wrote “YOUR OWN FAULT, STUPID COMPANY”: we see it differently.")]
#[case("> Your own fault, stupid company\nWe see it differently.")]
fn the_customers_words_in_quotes_are_spared(#[case] text: &str) {
    let quoting = Draft {
        post: "Your own fault, stupid company!",
        ..draft(text)
    };
    let findings = examine(&quoting, &care());
    assert_eq!(findings, [], "{text}");
    let other = examine(&draft(text), &care());
    assert!(
        !other.is_empty(),
        "somebody else's words in quotes are the agent's: {text}"
    );
}

#[test]
fn levels_are_obeyed_and_sort_the_findings() {
    let text = "SHUT UP ALREADY PLEASE, it is your own fault. We guarantee that. {name}";
    let mut care = care();
    let rules = |care: &Care| -> Vec<(Rule, Level)> {
        let findings = examine(&draft(text), care);
        findings
            .iter()
            .map(|finding| (finding.rule, finding.level))
            .collect()
    };
    assert_eq!(
        rules(&care),
        [
            (Rule::LegalPromise, Level::Approve),
            (Rule::Anger, Level::Confirm),
            (Rule::Blame, Level::Confirm),
            (Rule::Shouting, Level::Confirm),
            (Rule::Placeholder, Level::Confirm),
        ]
    );
    care.levels.set(Rule::Blame, Level::Approve);
    care.levels.set(Rule::Shouting, Level::Hint);
    care.levels.set(Rule::LegalPromise, Level::Off);
    assert_eq!(
        rules(&care),
        [
            (Rule::Blame, Level::Approve),
            (Rule::Anger, Level::Confirm),
            (Rule::Placeholder, Level::Confirm),
            (Rule::Shouting, Level::Hint),
        ]
    );
}

#[test]
fn a_team_adds_words_of_its_own() {
    let mut care = care();
    care.words.insert(Rule::Blame, vec!["user mistake*".to_owned()]);
    care.words
        .insert(Rule::Apology, vec!["our heart goes out".to_owned()]);
    let mut own = draft("That looks like a User-Mistake. Our heart goes out to you.");
    let findings = examine(&own, &care);
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].rule, findings[0].found.as_str()),
        (Rule::Blame, "User-Mistake")
    );
    own.kind = Kind::Complaint;
    own.first_reply = true;
    assert_eq!(
        examine(&own, &care).len(),
        1,
        "the team's words count as an apology"
    );
}

#[test]
fn keys_are_the_words_of_the_wire() {
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.word());
    }
    for level in Level::ALL {
        assert_eq!(serde_json::to_value(level).unwrap(), level.word());
    }
    assert!(Rule::ALL.is_sorted() && Level::ALL.is_sorted());
}

#[test]
fn every_line_of_the_books_can_be_read() {
    let books = [
        include_str!("words/anger.txt"),
        include_str!("words/apology.txt"),
        include_str!("words/blame.txt"),
        include_str!("words/legal_promise.txt"),
        include_str!("words/not_responsible.txt"),
        include_str!("words/placeholder.txt"),
        include_str!("words/profanity.txt"),
        include_str!("words/refund.txt"),
        include_str!("words/sarcasm.txt"),
    ];
    for line in books.iter().flat_map(|book| book.lines()) {
        if line.starts_with(['#', '>']) {
            continue;
        }
        let mut depth = 0_i32;
        for c in line.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            assert!(
                (0..=1).contains(&depth),
                "groups stand beside each other, not inside: {line}"
            );
        }
        assert_eq!(depth, 0, "{line}");
    }
}

/// Words that make the rules speak, among anything.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "\\PC{0,12}",
        "[0-9 ().+-]{0,24}",
        proptest::sample::select(vec![
            "you should've read",
            "SHUT UP NOW PLEASE",
            "f**k",
            "“stupid”",
            "\"",
            "> your fault\n",
            "we will refund $",
            "4111 1111 1111 1111",
            "a@b.example",
            "@ann@b.example",
            "https://x.example/é",
            "order no. ",
            "{name}",
            "[NAME",
            "Dear …",
            "___",
            "%a_b%",
            "/s",
            "🙄",
            "İSTANBUL",
            "ß",
            "\u{301}",
            "we ",
            "not ",
            "!!!!",
            "{",
            "<",
            "XXX",
            "TODO",
            "ﬁ",
            "’",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_breaks_it(
        text in text(), post in text(), handle in "\\PC{0,8}", own in "\\PC{0,12}", private in any::<bool>(),
        lang in proptest::option::of("\\PC{0,4}"),
    ) {
        let mut care = care();
        care.words.insert(Rule::Anger, vec![own.clone()]);
        care.allowed.push(handle.clone());
        care.competitors.push(own);
        care.contacts.push(handle.clone());
        let conversation = [handle.as_str()];
        let draft = Draft {
            post: &post,
            post_lang: lang.as_deref(),
            kind: Kind::Complaint,
            first_reply: true,
            audience: if private { Audience::Private } else { Audience::Public },
            author_handle: &handle,
            conversation: &conversation,
            ..draft(&text)
        };
        let findings = examine(&draft, &care);
        prop_assert_eq!(&findings, &examine(&draft, &care), "the same again");
        for finding in &findings {
            let there = finding.rule == Rule::CardNumber || text.contains(&finding.found);
            prop_assert!(there, "{:?} is not in {:?}", finding, text);
            prop_assert!(finding.level != Level::Off);
            prop_assert!(finding.found.chars().count() <= 80);
        }
        let order: Vec<_> = findings.iter().map(|finding| (std::cmp::Reverse(finding.level), finding.rule)).collect();
        prop_assert!(order.windows(2).all(|two| two[0] < two[1]), "sorted, each rule once: {:?}", order);
    }
}
