//! `hearback erase`: what was erased of a person, and what is left elsewhere.

use super::Exit;
use crate::domain::{CaseNumber, ReplyId};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Where the person wrote.
    pub source: String,
    /// The platform's id of the person.
    pub author: String,
    /// The person's cases.
    pub cases: Vec<i64>,
    /// How many posts were blanked.
    pub posts: usize,
    /// How many replies were blanked.
    pub replies: usize,
    /// Whether the person's key was destroyed.
    pub key: bool,
    /// How many events of earlier versions were blanked.
    pub events: usize,
    /// How many remembered answers to agents were blanked.
    pub answers: usize,
    /// How many things set aside were removed.
    pub asides: usize,
    /// How many posts that opened no case were removed.
    pub unheard: usize,
    /// How many threads in chats still show the person's words.
    pub threads: usize,
    /// Whether there was nothing to erase.
    pub nothing: bool,
    /// Why remnants may be left in the database's files.
    pub remnants: Option<String>,
}

/// Writes what was done.
///
/// # Errors
/// `out` cannot be written.
pub fn report(erasure: &Erasure, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let exit = match &erasure.remnants {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    };
    if json {
        serde_json::to_writer_pretty(&mut *out, erasure)?;
        writeln!(out)?;
        return Ok(exit);
    }
    if erasure.nothing {
        let Erasure { source, author, .. } = erasure;
        writeln!(out, "Nothing is stored of a person {author:?} of {source:?}.")?;
    } else {
        done(erasure, out)?;
    }
    if let Some(why) = &erasure.remnants {
        writeln!(
            out,
            "Remnants may be left in the database's files, which could not be written anew: {why}. \
             Mend that, and run this again."
        )?;
    }
    Ok(exit)
}

fn done(erasure: &Erasure, out: &mut impl Write) -> io::Result<()> {
    let cases: Vec<String> = erasure.cases.iter().map(|case| format!("#{case}")).collect();
    writeln!(
        out,
        "Erased, in {}:",
        if cases.is_empty() {
            "no case".to_owned()
        } else {
            cases.join(", ")
        }
    )?;
    for (count, what) in [
        (erasure.posts, "posts: text, name, handle, pictures and addresses"),
        (erasure.replies, "replies: text and handle"),
        (erasure.events, "events of earlier versions: text"),
        (erasure.asides, "things set aside: removed"),
        (erasure.unheard, "posts that opened no case: removed"),
        (
            erasure.answers,
            "remembered answers to agents: blanked, those of everybody",
        ),
    ] {
        if count > 0 {
            writeln!(out, "  {count} {what}")?;
        }
    }
    if erasure.key {
        writeln!(
            out,
            "  the person's key: what was noted about them in the log cannot be read any more"
        )?;
    }
    writeln!(
        out,
        "The log keeps when something happened, with the platform's ids of the person and of the posts; \
         `hearback audit verify` finds it sound. Labels stay."
    )?;
    if erasure.threads > 0 {
        writeln!(
            out,
            "Messages in {} of the chats' threads stay as they are, and only their cards are drawn anew at the \
             next start: delete there what must go. What was published stays published.",
            erasure.threads
        )?;
    }
    writeln!(
        out,
        "Backups from before still hold all of it, with the key; so may free blocks of the disk, and logs and \
         archives of a PostgreSQL server. If the person writes again, that is stored again."
    )
}

/// Writes why nothing was erased: replies to the person are under way.
///
/// # Errors
/// `out` cannot be written.
pub fn refused(
    replies: &[(ReplyId, CaseNumber, &'static str)],
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    if json {
        let reply = |(id, case, state): &(ReplyId, CaseNumber, &'static str)| json!({ "reply": id.0, "case": case.0, "state": state });
        let replies: Vec<_> = replies.iter().map(reply).collect();
        serde_json::to_writer_pretty(&mut *out, &json!({ "erased": false, "under_way": replies }))?;
        writeln!(out)?;
        return Ok(Exit::Failed);
    }
    writeln!(out, "Nothing was erased: a reply to this person has no end yet.")?;
    for (id, case, state) in replies {
        writeln!(out, "  reply {id} of case {case} ({state})")?;
    }
    writeln!(
        out,
        "Start Hearback, `cancel` the reply or let it come to its end, and run this again."
    )?;
    Ok(Exit::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_elsewhere_is_said() {
        let mut erasure = Erasure {
            source: "fedi".to_owned(),
            author: "u1".to_owned(),
            cases: vec![3, 9],
            posts: 2,
            replies: 0,
            key: true,
            events: 0,
            answers: 1,
            asides: 0,
            unheard: 0,
            threads: 1,
            nothing: false,
            remnants: None,
        };
        let shown = |erasure: &Erasure| {
            let mut out = Vec::new();
            let exit = report(erasure, false, &mut out).unwrap();
            (exit, String::from_utf8(out).unwrap())
        };
        let (exit, text) = shown(&erasure);
        assert_eq!(exit, Exit::Done);
        for words in ["#3, #9", "2 posts", "the person's key", "threads stay", "Backups"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("replies:"), "{text}");
        erasure.remnants = Some("no room".to_owned());
        let (exit, text) = shown(&erasure);
        assert_eq!(exit, Exit::Failed);
        assert!(text.contains("no room"), "{text}");
    }
}
