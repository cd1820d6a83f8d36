//! `hearback replies`: what is on its way to customers, how each attempt went, and a person's word
//! about what could not be found out.

use super::{Configured, Exit, Reported};
use crate::domain::message::{inert, one_line};
use crate::domain::{
    Agent, Audience, By, EventRecord, Instant, NativeId, Remark, Reply, ReplyId, ReplyState, Weight,
};
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{self, Write};
use url::Url;

/// The most letters of a text that a line of the list shows.
const LINE: usize = 60;
/// The most letters of a reason in a line.
const REASON: usize = 300;
/// The width of the column of names.
const NAMES: usize = 11;

/// `hearback replies`
#[derive(Debug, Clone, Args)]
pub struct Replies {
    /// What to do with them.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with replies.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Lists replies, the newest first.
    List(List),
    /// Shows one with its whole history, attempt by attempt.
    Show(Show),
    /// Says what became of a reply that needs a person.
    Resolve(Resolve),
}

impl What {
    /// The configuration it goes by.
    #[must_use]
    pub fn configured(&self) -> &Configured {
        let (Self::List(List { reported, .. })
        | Self::Show(Show { reported, .. })
        | Self::Resolve(Resolve { reported, .. })) = self;
        &reported.configured
    }
}

/// `hearback replies list`
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only those in this state.
    #[arg(long, value_name = "STATE", value_parser = state_parser())]
    pub state: Option<ReplyState>,
    /// The most that are listed.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub limit: i64,
    /// Where they are, and how they are told.
    #[command(flatten)]
    pub reported: Reported,
}

/// `hearback replies show`
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// The reply's number, as `replies list` tells it.
    #[arg(value_name = "ID", value_parser = id_parser())]
    pub id: ReplyId,
    /// Where it is, and how it is told.
    #[command(flatten)]
    pub reported: Reported,
}

/// `hearback replies resolve`
#[derive(Debug, Clone, Args)]
pub struct Resolve {
    /// The reply's number, as `replies list --state needs_human` tells it.
    #[arg(value_name = "ID", value_parser = id_parser())]
    pub id: ReplyId,
    /// What became of it.
    #[command(flatten)]
    pub finding: Finding,
    /// Who says so; without it the name of the user of this machine.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: Option<String>,
    /// Where it is, and how the answer is told.
    #[command(flatten)]
    pub reported: Reported,
}

/// What a person found; exactly one of them.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Finding {
    /// It is published, at this address; where the network can be asked, the address is looked at.
    #[arg(long, value_name = "URL", value_parser = address)]
    pub there: Option<String>,
    /// It is not published. A second person has to say so too, here or in the thread; then it is sent
    /// again.
    #[arg(long)]
    pub not_there: bool,
    /// It will not be found out: nothing more is sent, and the case goes on without it.
    #[arg(long)]
    pub give_up: bool,
}

fn state_parser() -> impl TypedValueParser<Value = ReplyState> {
    PossibleValuesParser::new(ReplyState::ALL.map(ReplyState::word)).try_map(|word| {
        let known = ReplyState::ALL.into_iter().find(|state| state.word() == word);
        known.ok_or("no such state")
    })
}

fn id_parser() -> impl TypedValueParser<Value = ReplyId> {
    clap::value_parser!(i64).range(1..).map(ReplyId)
}

fn address(text: &str) -> Result<String, String> {
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.trim().to_owned()),
        Ok(_) | Err(_) => Err("give the address of the published reply, https://…".to_owned()),
    }
}

/// A line in the history of a send.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Which claim of the reply it belongs to; 0 before the first.
    pub fence: i64,
    /// When.
    pub at: Instant,
    /// What happened.
    pub what: String,
    /// More about it; may be empty.
    pub detail: String,
}

/// An event about the reply, with its words for people.
#[derive(Debug, Clone)]
pub struct Happened {
    /// What the log has.
    pub record: EventRecord,
    /// What it says, after the name of who did it.
    pub words: String,
}

/// Everything that is known of a send.
#[derive(Debug, Clone)]
pub struct History {
    /// The reply as it stands.
    pub reply: Reply,
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
    /// What the log of its case says about it, in order.
    pub events: Vec<Happened>,
    /// Why its source publishes nothing at present.
    pub paused: Option<String>,
}

/// Writes the list.
///
/// # Errors
/// `out` cannot be written.
pub fn list(
    replies: &[Reply],
    state: Option<ReplyState>,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    if json {
        let replies: Vec<_> = replies.iter().map(as_json).collect();
        write_json(&json!({ "ok": true, "replies": replies }), out)?;
        return Ok(Exit::Done);
    }
    if replies.is_empty() {
        match state {
            Some(state) => writeln!(out, "There are no replies in the state {}.", state.word())?,
            None => writeln!(out, "There are no replies.")?,
        }
        return Ok(Exit::Done);
    }
    for reply in replies {
        let Reply { id, case, source, .. } = reply;
        let (state, given) = (reply.state.word(), minute(reply.created_at));
        let (author, words) = (one_line(&reply.agent.name, 30), one_line(&reply.text, LINE));
        writeln!(
            out,
            "{:>5}  {state:<16}  {:<6}  {source}  {given}  {author}: {words}",
            id.0,
            case.to_string()
        )?;
        if let Some(reason) = reason(reply) {
            writeln!(out, "       {reason}")?;
        }
    }
    Ok(Exit::Done)
}

/// Why it stands where it stands, where that needs a word.
fn reason(reply: &Reply) -> Option<String> {
    let told = !matches!(reply.state, ReplyState::Sent | ReplyState::Cancelled);
    let reason = reply.reason.as_deref().filter(|_| told)?;
    Some(one_line(reason, REASON))
}

/// Writes everything that is known of one.
///
/// # Errors
/// `out` cannot be written.
pub fn show(history: &History, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let reply = &history.reply;
    if json {
        let attempts: Vec<_> = history.attempts.iter().map(attempt_json).collect();
        let events: Vec<_> = history.events.iter().map(event_json).collect();
        let told = json!({
            "ok": true, "reply": as_json(reply), "attempts": attempts, "events": events,
            "paused": history.paused,
        });
        write_json(&told, out)?;
        return Ok(Exit::Done);
    }
    writeln!(
        out,
        "Reply {} to case {}: {}",
        reply.id,
        reply.case,
        reply.state.word()
    )?;
    for line in [reason(reply), history.paused.clone()].into_iter().flatten() {
        writeln!(out, "{}", inert(&line))?;
    }
    writeln!(out)?;
    quote(&reply.text, out)?;
    writeln!(out)?;
    for (name, value) in fields(reply) {
        writeln!(out, "{name:<NAMES$} {}", inert(&value))?;
    }
    for remark in &reply.remarks {
        writeln!(out, "{:<NAMES$} {}", "remark", inert(&remark_line(remark)))?;
    }
    writeln!(out, "\nAttempts")?;
    if history.attempts.is_empty() {
        writeln!(out, "  None: nothing was sent.")?;
    }
    for attempt in &history.attempts {
        writeln!(out, "  {}", attempt_line(attempt))?;
    }
    writeln!(out, "\nWhat happened")?;
    for happened in &history.events {
        let (at, words) = (second(happened.record.at), one_line(&happened.words, REASON));
        writeln!(out, "  {at}  {} {words}", inert(&who(&happened.record.by)))?;
    }
    way_on(reply, out)?;
    Ok(Exit::Done)
}

fn quote(text: &str, out: &mut impl Write) -> io::Result<()> {
    for line in inert(text).lines() {
        writeln!(out, "> {line}")?;
    }
    Ok(())
}

/// What a person can do about it.
fn way_on(reply: &Reply, out: &mut impl Write) -> io::Result<()> {
    if reply.state != ReplyState::NeedsHuman {
        return Ok(());
    }
    let id = reply.id;
    writeln!(
        out,
        "\nLook whether it is published, then say so: `hearback replies resolve {id} --there URL`, \
         `--not-there` (two persons) or `--give-up`."
    )?;
    if let Some(first) = &reply.absent_says {
        writeln!(
            out,
            "{} says that it is not there; a second person has to look.",
            inert(&first.name)
        )?;
    }
    Ok(())
}

/// Names and values of what is not nothing.
fn fields(reply: &Reply) -> Vec<(&'static str, String)> {
    let some = |id: &Option<NativeId>| id.as_ref().map(NativeId::to_string);
    let length = &reply.length;
    let counted = format!("{} of {} {}", length.count, length.limit, length.unit);
    let target = match &reply.target_url {
        Some(url) => format!("{} by @{}: {url}", reply.target, reply.author_handle),
        None => format!("{} by @{}", reply.target, reply.author_handle),
    };
    let published = some(&reply.remote_id).map(|id| match &reply.url {
        Some(url) => format!("{url} ({id})"),
        None => id,
    });
    let fields = [
        ("readers", Some(readers(reply.audience).to_owned())),
        ("length", (length.limit > 0).then_some(counted)),
        ("source", Some(reply.source.to_string())),
        ("account", some(&reply.account)),
        ("answers", Some(target)),
        (
            "which says",
            reply.target_text.as_deref().map(|text| one_line(text, REASON)),
        ),
        (
            "says now",
            reply.target_seen.as_deref().map(|text| one_line(text, REASON)),
        ),
        ("author", Some(reply.agent.name.clone())),
        (
            "approver",
            reply.approver.as_ref().map(|agent| agent.name.clone()),
        ),
        ("published", published),
        ("given", Some(second(reply.created_at))),
        ("held until", Some(second(reply.hold_until))),
        ("expires", reply.expires_at.map(second)),
        ("settled", reply.settled_at.map(second)),
        ("version", Some(reply.version.to_string())),
        ("hash", (!reply.hash.is_empty()).then(|| reply.hash.clone())),
        ("key", Some(reply.key.to_string())),
    ];
    let filled = fields.into_iter();
    filled.filter_map(|(name, value)| Some((name, value?))).collect()
}

fn readers(audience: Audience) -> &'static str {
    match audience {
        Audience::Public => "everybody",
        Audience::Private => "only the customer",
    }
}

fn remark_line(remark: &Remark) -> String {
    let weight = match remark.weight {
        Weight::Hint => "hint",
        Weight::Confirm => "confirm",
        Weight::Approve => "approve",
    };
    let mut line = format!("{weight} ({}): {}", remark.rule, one_line(&remark.why, REASON));
    if !remark.found.is_empty() {
        line += &format!(" \u{ab}{}\u{bb}", one_line(&remark.found, REASON));
    }
    if let Some(better) = &remark.better {
        line += &format!(" Better: {}", one_line(better, REASON));
    }
    line
}

fn attempt_line(attempt: &Attempt) -> String {
    let Attempt {
        fence,
        at,
        what,
        detail,
    } = attempt;
    let line = format!("{}  no. {fence}  {}", millisecond(*at), inert(what));
    if detail.is_empty() {
        line
    } else {
        format!("{line}: {}", one_line(detail, REASON))
    }
}

fn who(by: &By) -> String {
    match by {
        By::Author => "the customer".to_owned(),
        By::Agent { agent, chat } => format!("{} ({chat})", agent.name),
        By::System => "Hearback".to_owned(),
    }
}

fn minute(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn second(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn millisecond(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
}

/// A reply for programs: the same in the list and by itself.
fn as_json(reply: &Reply) -> Value {
    let name = |agent: &Agent| agent.name.clone();
    json!({
        "id": reply.id, "case": reply.case, "source": reply.source, "account": reply.account,
        "state": reply.state, "reason": reply.reason,
        "audience": reply.audience, "text": reply.text, "words": reply.words, "media": reply.media,
        "length": reply.length, "lang": reply.lang,
        "version": reply.version, "hash": reply.hash, "key": reply.key,
        "target": {
            "id": reply.target, "url": reply.target_url, "text": reply.target_text,
            "seen": reply.target_seen, "visibility": reply.target_visibility,
            "author": { "id": reply.author, "handle": reply.author_handle },
        },
        "conversation": reply.conversation,
        "author": name(&reply.agent), "approver": reply.approver.as_ref().map(name),
        "remarks": reply.remarks, "needs_approval": reply.bound,
        "created_at": reply.created_at, "hold_until": reply.hold_until, "expires_at": reply.expires_at,
        "attempts": reply.fence, "doubts": reply.doubts, "begun_at": reply.begun_at,
        "doubted_at": reply.doubted_at, "settled_at": reply.settled_at,
        "absent_says": reply.absent_says.as_ref().map(name),
        "remote_id": reply.remote_id, "url": reply.url,
    })
}

fn attempt_json(attempt: &Attempt) -> Value {
    json!({ "attempt": attempt.fence, "at": attempt.at, "what": attempt.what, "detail": attempt.detail })
}

fn event_json(happened: &Happened) -> Value {
    let EventRecord {
        id, at, by, event, ..
    } = &happened.record;
    json!({ "id": id, "at": at, "by": by, "words": happened.words, "event": event })
}

/// Writes what became of a person's word; `done` is false for a refusal. `later`: it was taken while
/// nothing runs.
///
/// # Errors
/// `out` cannot be written.
pub fn resolved(
    answer: &str,
    done: bool,
    reply: Option<&Reply>,
    later: bool,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    if json {
        let told = json!({ "ok": done, "answer": answer, "reply": reply.map(as_json) });
        write_json(&told, out)?;
    } else {
        writeln!(out, "{}", inert(answer))?;
        if later {
            writeln!(
                out,
                "`hearback serve` does not run; what follows from this is done when it starts."
            )?;
        }
    }
    Ok(if done { Exit::Done } else { Exit::Failed })
}

/// Writes that there is none of this number.
///
/// # Errors
/// `out` cannot be written.
pub fn unknown(id: ReplyId, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let answer = format!("There is no reply {id}. `hearback replies list` tells which there are.");
    resolved(&answer, false, None, false, json, out)
}

/// Writes that nobody is asked about it.
///
/// # Errors
/// `out` cannot be written.
pub fn not_asked(reply: &Reply, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let (id, state, needs) = (reply.id, reply.state.word(), ReplyState::NeedsHuman.word());
    let answer = format!(
        "Reply {id} is {state}, so nobody is asked about it; nothing changed. Only what is {needs} can be resolved."
    );
    resolved(&answer, false, Some(reply), false, json, out)
}

fn write_json(value: &Value, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::domain::Event;
    use clap::Parser as _;
    use insta::assert_snapshot;

    fn reply() -> Reply {
        serde_json::from_value(json!({
            "id": 7, "case": 12, "source": "shop", "account": "shop", "conversation": "p1", "target": "p1",
            "target_url": "https://shop.example/p1", "target_text": "It is broken.\nAgain!",
            "target_visibility": "public", "author": "u1", "author_handle": "ann", "lang": "en",
            "audience": "public", "words": "Sorry.", "text": "Sorry.\n\u{1b}[31mAda",
            "length": {"count": 11, "limit": 500, "unit": "characters"}, "version": 2, "hash": "ab12",
            "agent": {"key": "Ada", "name": "Ada"}, "approver": {"key": "Grace", "name": "Grace"},
            "remarks": [{"rule": "repeated", "weight": "confirm", "found": "Sorry", "why": "Said before.", "better": null}],
            "key": "abcdefgh-r7", "state": "needs_human", "created_at": "2027-01-15T08:00:00Z",
            "hold_until": "2027-01-15T08:00:10Z", "fence": 1, "tainted": true,
            "reason": "The connection broke", "absent_says": {"key": "operator:olga", "name": "Olga"},
        }))
        .unwrap()
    }

    fn history() -> History {
        let at = |seconds: i64| Instant::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let attempt = |seconds, what: &str, detail: &str| Attempt {
            fence: 1,
            at: at(seconds),
            what: what.to_owned(),
            detail: detail.to_owned(),
        };
        let record = EventRecord {
            id: crate::domain::EventId(3),
            case: crate::domain::CaseNumber(12),
            at: at(16),
            by: By::Agent {
                agent: Agent::operator("Olga"),
                chat: "command line".into(),
            },
            event: Event::ReplyToldAbsent { reply: ReplyId(7) },
        };
        History {
            reply: reply(),
            attempts: vec![
                attempt(10, "claimed", ""),
                attempt(15, "uncertain", "the connection\nbroke"),
            ],
            events: vec![Happened {
                record,
                words: "says that the reply is not there".to_owned(),
            }],
            paused: None,
        }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<Exit>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_has_a_line_for_each_and_the_reason_below() {
        assert_snapshot!(text(|out| list(&[reply()], None, false, out)), @r"
        7  needs_human       #12     shop  2027-01-15 08:00 UTC  Ada: Sorry. ⟦U+001B⟧[31mAda
           The connection broke
        ");
    }

    #[test]
    fn an_empty_list_says_so() {
        let of = |state| text(|out| list(&[], state, false, out));
        assert_eq!(of(None), "There are no replies.\n");
        assert_eq!(
            of(Some(ReplyState::Sent)),
            "There are no replies in the state sent.\n"
        );
    }

    #[test]
    fn a_history_tells_everything_attempt_by_attempt() {
        assert_snapshot!(text(|out| show(&history(), false, out)), @r"
        Reply 7 to case #12: needs_human
        The connection broke

        > Sorry.
        > ⟦U+001B⟧[31mAda

        readers     everybody
        length      11 of 500 characters
        source      shop
        account     shop
        answers     p1 by @ann: https://shop.example/p1
        which says  It is broken. Again!
        author      Ada
        approver    Grace
        given       2027-01-15 08:00:00 UTC
        held until  2027-01-15 08:00:10 UTC
        version     2
        hash        ab12
        key         abcdefgh-r7
        remark      confirm (repeated): Said before. «Sorry»

        Attempts
          2027-01-15 08:00:10.000 UTC  no. 1  claimed
          2027-01-15 08:00:15.000 UTC  no. 1  uncertain: the connection broke

        What happened
          2027-01-15 08:00:16 UTC  Olga (command line) says that the reply is not there

        Look whether it is published, then say so: `hearback replies resolve 7 --there URL`, `--not-there` (two persons) or `--give-up`.
        Olga says that it is not there; a second person has to look.
        ");
    }

    #[test]
    fn a_history_for_programs() {
        let told: Value = serde_json::from_str(&text(|out| show(&history(), true, out))).unwrap();
        let reply = &told["reply"];
        assert_eq!(told["ok"], true);
        assert_eq!(
            (&reply["id"], &reply["state"]),
            (&json!(7), &json!("needs_human"))
        );
        assert_eq!(
            (&reply["author"], &reply["approver"]),
            (&json!("Ada"), &json!("Grace"))
        );
        assert_eq!(reply["absent_says"], "Olga");
        assert_eq!(reply["target"]["author"], json!({"id": "u1", "handle": "ann"}));
        assert_eq!(
            reply["text"], "Sorry.\n\u{1b}[31mAda",
            "programs get what is sent"
        );
        let attempt = json!({"attempt": 1, "at": "2027-01-15T08:00:10Z", "what": "claimed", "detail": ""});
        assert_eq!(told["attempts"][0], attempt);
        assert_eq!(
            told["events"][0]["event"],
            json!({"type": "reply_told_absent", "reply": 7})
        );
        let listed: Value =
            serde_json::from_str(&text(|out| list(&[self::reply()], None, true, out))).unwrap();
        assert_eq!(
            listed["replies"],
            json!([reply]),
            "a reply is told alike everywhere"
        );
    }

    fn resolve(args: &[&str]) -> Result<Resolve, String> {
        let line = ["hearback", "replies", "resolve"].iter().chain(args);
        match Cli::try_parse_from(line)
            .map_err(|error| error.to_string())?
            .command
        {
            Command::Replies(Replies {
                what: What::Resolve(resolve),
            }) => Ok(resolve),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn exactly_one_finding_is_taken() {
        let there = resolve(&["7", "--there", "https://shop.example/r1", "--by", "Olga"]).unwrap();
        assert_eq!((there.id, there.by.as_deref()), (ReplyId(7), Some("Olga")));
        assert_eq!(there.finding.there.as_deref(), Some("https://shop.example/r1"));
        assert!(resolve(&["7", "--not-there"]).unwrap().finding.not_there);
        assert!(resolve(&["7", "--give-up"]).unwrap().finding.give_up);
        for wrong in [
            vec!["7"],
            vec!["7", "--not-there", "--give-up"],
            vec!["7", "--there", "shop.example/r1"],
            vec!["7", "--there", "file:///etc/passwd"],
            vec!["0", "--give-up"],
            vec!["x", "--give-up"],
            vec!["7", "--give-up", "--by", ""],
        ] {
            assert!(resolve(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_unknown_state_names_the_known_ones() {
        let line = ["hearback", "replies", "list", "--state", "needs_humen"];
        let error = Cli::try_parse_from(line).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(
            error.contains("needs_human") && error.contains("pending_approval"),
            "{error}"
        );
    }
}
