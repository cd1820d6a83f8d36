//! `hearback adopt`: this database is the one that sends.

use super::Exit;
use crate::domain::Standing;
use serde_json::json;
use std::io::{self, Write};

/// Writes how the database stood and how it stands now; `after` is nothing where it waits for `--yes`.
///
/// # Errors
/// `out` cannot be written.
pub fn report(
    before: &Standing,
    after: Option<&Standing>,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let left = after.and_then(Standing::trouble);
    let exit = match after {
        Some(_) => Exit::Done,
        None => Exit::Failed,
    };
    if json {
        let value = json!({
            "adopted": after.is_some(), "standing": word(after.unwrap_or(before)),
            "found": before.trouble(), "left": left,
        });
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
        return Ok(exit);
    }
    match before.trouble() {
        Some(trouble) => writeln!(out, "Found: {trouble}.")?,
        None => writeln!(out, "The database is the one that was sealed, or never was.")?,
    }
    match (after, left) {
        (None, _) => writeln!(
            out,
            "Nothing was changed. When you are certain that no other Hearback sends from this database or \
             another copy of it, say: hearback adopt --yes"
        )?,
        (Some(_), None) => writeln!(out, "This database is the one that sends now.")?,
        (Some(after), Some(left)) => writeln!(
            out,
            "This database counts as the original now. Still: {left}. Then: {}",
            after.mend()
        )?,
    }
    Ok(exit)
}

/// The standing as programs read it.
fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Sound => "sound",
        Standing::New => "new",
        Standing::Copied { .. } => "copied",
        Standing::RolledBack { .. } => "rolled_back",
        Standing::FailedOver { .. } => "failed_over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_named_and_not_taken_without_a_yes() {
        let copied = Standing::Copied {
            why: "it is on another machine".to_owned(),
        };
        let shown = |before: &Standing, after: Option<&Standing>, json| {
            let mut out = Vec::new();
            let exit = report(before, after, json, &mut out).unwrap();
            (exit, String::from_utf8(out).unwrap())
        };
        let (exit, text) = shown(&copied, None, false);
        assert_eq!(exit, Exit::Failed);
        assert!(
            text.contains("another machine") && text.contains("--yes"),
            "{text}"
        );
        let (exit, text) = shown(&copied, Some(&Standing::Sound), false);
        assert_eq!(exit, Exit::Done);
        assert!(text.contains("is the one that sends now"), "{text}");
        let (_, text) = shown(&copied, None, true);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&value["adopted"], &value["standing"]),
            (&json!(false), &json!("copied"))
        );
    }
}
