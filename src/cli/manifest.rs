//! `hearback manifest`: prints what the adapters say that a chat has to know about the app.

use super::Exit;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Writes Slack's app manifest: JSON, as it is pasted.
///
/// # Errors
/// `out` cannot be written.
pub fn slack(manifest: &Value, out: &mut impl Write) -> io::Result<Exit> {
    serde_json::to_writer_pretty(&mut *out, manifest)?;
    writeln!(out)?;
    Ok(Exit::Done)
}

/// Writes Discord's invite link and what it grants. `complete`: the link names the application;
/// otherwise it has a place for its id, and a line says where that is found.
///
/// # Errors
/// `out` cannot be written.
pub fn discord(
    invite: &str,
    about: &str,
    complete: bool,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    if json {
        let manifest = json!({ "invite": invite, "about": about, "complete": complete });
        writeln!(out, "{manifest}")?;
        return Ok(Exit::Done);
    }
    writeln!(out, "{invite}\n\n{about}")?;
    if !complete {
        writeln!(
            out,
            "Put the application's id (\"General Information\" in the Developer Portal) in place of \
             APPLICATION_ID, or add --app ID."
        )?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn printed(complete: bool, json: bool) -> String {
        let mut out = Vec::new();
        let exit = discord(
            "https://discord.example/7",
            "Scopes: bot.",
            complete,
            json,
            &mut out,
        )
        .unwrap();
        assert_eq!(exit, Exit::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_link_stands_first() {
        assert_snapshot!(printed(true, false), @r"
        https://discord.example/7

        Scopes: bot.
        ");
    }

    #[test]
    fn a_link_without_its_application_says_so() {
        assert!(printed(false, false).contains("--app ID"));
    }

    #[test]
    fn programs_get_one_object() {
        let value: Value = serde_json::from_str(&printed(true, true)).unwrap();
        assert_eq!(
            value,
            json!({ "invite": "https://discord.example/7", "about": "Scopes: bot.", "complete": true })
        );
    }
}
