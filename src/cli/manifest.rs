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

/// Writes Discord's invite link, or what is missing for one.
///
/// # Errors
/// `out` cannot be written.
pub fn discord(invite: Option<&str>, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let Some(invite) = invite else {
        writeln!(
            out,
            "The link needs the application's id: add --app ID (\"General Information\" in the Developer \
             Portal calls it Application ID)."
        )?;
        return Ok(Exit::Usage);
    };
    if json {
        writeln!(out, "{}", json!({ "invite": invite }))?;
    } else {
        writeln!(out, "{invite}")?;
    }
    Ok(Exit::Done)
}
