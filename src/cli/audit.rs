//! `hearback audit verify`: whether the log is as it was written.

use super::Exit;
use crate::domain::audit::{Report, Sealed};
use serde_json::json;
use std::io::{self, Write};

/// Writes what was found out. `sealed`: what the seal says of the log; `Err`: why it says nothing.
///
/// # Errors
/// `out` cannot be written.
pub fn report(
    report: &Report,
    sealed: &Result<Option<Sealed>, String>,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let sound = report.faults.is_empty() && sealed.is_ok();
    if json {
        let seal = match sealed {
            Ok(Some(sealed)) => json!({ "ok": true, "event": sealed.head.event, "hash": sealed.head.hash }),
            Ok(None) => json!(null),
            Err(why) => json!({ "ok": false, "reason": why }),
        };
        let value = json!({ "sound": sound, "seal": seal, "log": report });
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
    } else {
        for_people(report, sealed, sound, out)?;
    }
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

fn for_people(
    report: &Report,
    sealed: &Result<Option<Sealed>, String>,
    sound: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    for fault in &report.faults {
        writeln!(out, "Event {} {}.", fault.event, fault.what)?;
    }
    if report.more > 0 {
        writeln!(out, "And {} more.", report.more)?;
    }
    match sealed {
        Ok(Some(sealed)) => writeln!(out, "The seal knows the log up to event {}.", sealed.head.event)?,
        Ok(None) => writeln!(
            out,
            "The log has no seal yet: that its end was written anew would not show."
        )?,
        Err(why) => writeln!(out, "The seal proves nothing: {why}.")?,
    }
    if report.unproven > 0 {
        writeln!(
            out,
            "{} events were written by an earlier version, without a hash: nothing is proven of them.",
            report.unproven
        )?;
    }
    let verdict = if sound { "is sound" } else { "is NOT sound" };
    match &report.head {
        Some(head) => writeln!(
            out,
            "The log {verdict}: {} events; the last is event {}, with the hash {}.",
            report.events, head.event, head.hash
        ),
        None => writeln!(out, "The log {verdict}: {} events.", report.events),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventId;
    use crate::domain::audit::{Fault, Hash, Head, Kind};
    use insta::assert_snapshot;

    #[test]
    fn a_report_names_event_and_fault() {
        let head = Head {
            event: EventId(9),
            hash: Hash::genesis("test"),
        };
        let sealed = Ok(Some(Sealed {
            begins: EventId(3),
            head,
        }));
        let mut found = Report {
            events: 9,
            unproven: 2,
            begins: Some(3),
            head: Some(head),
            faults: Vec::new(),
            more: 0,
        };
        let shown = |found: &Report, sealed: &Result<_, _>| {
            let mut out = Vec::new();
            let exit = report(found, sealed, false, &mut out).unwrap();
            (exit, String::from_utf8(out).unwrap())
        };
        let (exit, text) = shown(&found, &sealed);
        assert_eq!(exit, Exit::Done);
        assert_snapshot!(text, @r"
        The seal knows the log up to event 9.
        2 events were written by an earlier version, without a hash: nothing is proven of them.
        The log is sound: 9 events; the last is event 9, with the hash 7ad70de59bc3b4b503e1c4f719605c8843b9d9e3f223a941c35710833c65ea94.
        ");
        found.faults.push(Fault {
            kind: Kind::Changed,
            event: 5,
            what: "does not fit its hash".to_owned(),
        });
        let (exit, text) = shown(&found, &Err("x.seal is missing".to_owned()));
        assert_eq!(exit, Exit::Failed);
        assert!(
            text.starts_with("Event 5 does not fit its hash.\nThe seal proves nothing: x.seal is missing.")
        );
        assert!(text.contains("is NOT sound"));
        let mut out = Vec::new();
        report(&found, &sealed, true, &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["sound"], false);
        assert_eq!(value["log"]["faults"][0]["kind"], "changed");
        assert_eq!(value["seal"]["event"], 9);
    }
}
