use super::*;
use crate::domain::{Agent, EventId, Instant};
use chrono::DateTime;

fn at(second: i64) -> Instant {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn card(status: &str, words: &str) -> Card {
    let press = Press::Ask {
        case: CaseNumber(3),
        verb: "reply".to_owned(),
    };
    let message = Message::default()
        .with(Part::Heading(vec![Span::Text("#3 · Town Square".to_owned())]))
        .with(Part::Quote(words.to_owned()))
        .with(Part::Fields(vec![(
            "Status".to_owned(),
            vec![Span::Text(status.to_owned())],
        )]))
        .with(Part::Buttons(vec![Button {
            label: "Reply".to_owned(),
            press,
            style: Style::Primary,
        }]));
    Card {
        title: format!("#3 · Ann: {words}"),
        status: status.to_owned(),
        message,
    }
}

#[test]
fn what_strangers_wrote_is_text_and_isolated() {
    let message = Message::default()
        .with(Part::Line(vec![
            Span::Strong("<b>Ann</b>\u{202E}".to_owned()),
            Span::Link {
                label: "<img>".to_owned(),
                url: "javascript:alert(1)".to_owned(),
            },
            Span::Link {
                label: "original".to_owned(),
                url: "https://shop.example/?a=1&b=\"2\"".to_owned(),
            },
        ]))
        .with(Part::Quote(
            "</blockquote><script>alert(1)</script>\nשלום".to_owned(),
        ));
    let html = answer(&message).into_string();
    assert_eq!(
        html,
        "<div class=\"message\"><p><strong><bdi>&lt;b&gt;Ann&lt;/b&gt;⟦U+202E⟧</bdi></strong>\
         <bdi>&lt;img&gt;</bdi> (<bdi>javascript:alert(1)</bdi>)\
         <a href=\"https://shop.example/?a=1&amp;b=&quot;2&quot;\" target=\"_blank\" \
         rel=\"noopener noreferrer nofollow\"><bdi>original</bdi></a></p>\
         <blockquote dir=\"auto\">&lt;/blockquote&gt;&lt;script&gt;alert(1)&lt;/script&gt;\nשלום</blockquote></div>"
    );
}

#[test]
fn a_thread_has_its_card_what_followed_and_the_way_back() {
    let entry = |id, by, message| Entry {
        id: EventId(id),
        at: at(id),
        by,
        message,
        attached: Vec::new(),
    };
    let ada = By::Agent {
        agent: Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        },
        chat: "console".into(),
    };
    let small = Message {
        parts: vec![Part::Small(vec![Span::Text("Ada has the case now.".to_owned())])],
    };
    let media = |url: &str, mime: &str, alt: &str| Media {
        url: url.to_owned(),
        mime: mime.to_owned(),
        alt: alt.to_owned(),
        poster: None,
    };
    let view = ThreadView {
        card: card("claimed", "Where is my box?"),
        attached: vec![
            media("https://a.example/1.png", "image/png", "\"><script>"),
            media("https://a.example/2.mp4", "video/mp4", "A film"),
            media("javascript:alert(1)", "image/png", ""),
        ],
        entries: vec![
            entry(7, ada, small),
            entry(9, By::Author, Message::line("Ann wrote again")),
        ],
        held_until: Some(at(10)),
    };
    struct Nothing;
    #[async_trait::async_trait]
    impl crate::port::Pictures for Nothing {
        async fn get(&self, _: &str) -> Result<crate::port::Picture, crate::port::NoPicture> {
            Err(crate::port::NoPicture::Never("none".to_owned()))
        }
    }
    let counted = thread(CaseNumber(3), &view, &Attachments::Counted).into_string();
    assert!(!counted.contains("a.example"));
    let linked = thread(CaseNumber(3), &view, &Attachments::Linked).into_string();
    assert!(linked.contains("https://a.example/1.png") && !linked.contains("<img"));
    let shown = Attachments::Shown(std::sync::Arc::new(Nothing));
    let html = thread(CaseNumber(3), &view, &shown).into_string();
    for part in [
        "<img src=\"/console/picture/3/0/0\" alt=\"&quot;&gt;&lt;script&gt;\"",
        "<a href=\"https://a.example/2.mp4\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("href=\"javascript:") && !html.contains("/console/picture/3/0/2"));
    for part in [
        "<span class=\"chip chip-claimed\">claimed</span>",
        "<button type=\"button\" class=\"primary\" data-press=\"ask:3:reply\">Reply</button>",
        "<li class=\"entry brief\" id=\"event-7\">",
        "<li class=\"entry\" id=\"event-9\">",
        "data-until=\"1800000010000\"",
        "data-press=\"do:3:cancel\"",
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
}

#[test]
fn the_board_marks_the_open_case_and_escapes_names() {
    let entry = |status, words| BoardEntry {
        number: CaseNumber(3),
        card: card(status, words),
        updated_at: at(0),
    };
    let html = board(&[], &[entry("new", "<i>late</i>")], Some(CaseNumber(3))).into_string();
    assert!(html.contains("data-case=\"3\" aria-current=\"true\""), "{html}");
    assert!(
        html.contains("<bdi class=\"row-words\">&lt;i&gt;late&lt;/i&gt;</bdi>"),
        "{html}"
    );
    let html = board(&[], &[entry("odd\" onclick=\"x", "late")], None).into_string();
    assert!(
        html.contains("<span class=\"chip chip-other\">odd&quot; onclick=&quot;x</span>"),
        "{html}"
    );
    assert!(board(&[], &[], None).into_string().contains("No cases yet"));
}

#[test]
fn what_is_about_no_case_stands_above_the_list() {
    let notice = |notice, words| NoticeEntry {
        notice,
        card: card("notice", words),
    };
    let spending = Notice::Spending {
        source: "sky".into(),
        used: String::new(),
        until: None,
    };
    let notices = [
        notice(
            Notice::Flood {
                source: "shop".into(),
            },
            "<i>many</i>",
        ),
        notice(spending, "nearly"),
    ];
    let html = board(&notices, &[], None).into_string();
    for part in [
        "id=\"notice-flood-shop\"",
        "&lt;i&gt;many&lt;/i&gt;",
        "data-press=",
        "id=\"notice-spending-sky\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(
        html.find("notice-spending-sky") < html.find("No cases yet"),
        "{html}"
    );
}

#[test]
fn the_command_line_offers_every_verb_with_its_words() {
    let html = frame(&[]).into_string();
    for verb in schema() {
        assert!(
            html.contains(&format!("data-verb=\"{}\"", verb.name)),
            "{} is missing",
            verb.name
        );
    }
    assert!(
        html.contains("<code>/snooze <span class=\"verb-arg\">DURATION</span></code>"),
        "{html}"
    );
}

#[test]
fn what_is_to_be_typed_stands_out_in_an_answer() {
    let html = answer(&Message::line("Try `queue` instead.")).into_string();
    assert_eq!(
        html,
        "<div class=\"message\"><p><bdi>Try </bdi><code><bdi>queue</bdi></code><bdi> instead.</bdi></p></div>"
    );
}

#[test]
fn an_awaited_moment_is_a_time_that_the_script_counts_down() {
    let message = Message::default().with(Part::Small(vec![Span::Until { at: at(9) }]));
    assert_eq!(
        answer(&message).into_string(),
        "<div class=\"message\"><p class=\"small\"><time class=\"awaited\" datetime=\"2027-01-15T08:00:09.000Z\" \
         title=\"at 2027-01-15 08:00:09 UTC\" data-until=\"1800000009000\">at 2027-01-15 08:00:09 UTC</time></p></div>"
    );
}

#[test]
fn a_text_to_be_changed_stands_in_the_form() {
    let mut form = Form {
        case: CaseNumber(3),
        verb: "edit".to_owned(),
        title: "Edit".to_owned(),
        label: "What Ann will read".to_owned(),
        hint: String::new(),
        submit: "Approve".to_owned(),
        max: 3000,
        optional: false,
        value: "\n</textarea><script>".to_owned(),
        reply: Some(31),
    };
    let html = ask(&form).into_string();
    assert!(
        html.contains("<input type=\"hidden\" name=\"reply\" value=\"31\">"),
        "{html}"
    );
    assert!(
        html.contains("autofocus>\n\n&lt;/textarea&gt;&lt;script&gt;</textarea>"),
        "{html}"
    );
    form.value = "x".repeat(3001);
    form.reply = None;
    let html = ask(&form).into_string();
    assert!(
        html.contains("autofocus></textarea>") && !html.contains("name=\"reply\""),
        "{html}"
    );
}
