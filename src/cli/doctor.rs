//! `hearback doctor`: what the platforms say about our tokens, scopes and channels, and whether the
//! clock is right. The asking is the adapters'; this shows it.

use super::Exit;
use crate::adapter::finding::Finding;
use crate::adapter::http;
use crate::domain::{Clock, Instant};
use chrono::{DateTime, TimeDelta};
use serde_json::json;
use std::io::{self, Write};
use url::Url;

/// The most the clock may differ. Signed requests are refused from five minutes on; a clock that is
/// half a minute wrong is on its way there.
const MOST_SKEW: TimeDelta = TimeDelta::seconds(30);

/// Compares the machine's clock with the one of a server.
pub async fn clock(client: &reqwest::Client, server: &Url, clock: &dyn Clock) -> Finding {
    let host = server.host_str().unwrap_or("the server");
    let before = clock.now();
    let answer = match client.head(server.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let what = format!("clock: {host} was not reached: {}", http::explain(&error));
            return Finding::wrong(what, "see that this machine reaches it");
        }
    };
    let date = answer.headers().get(reqwest::header::DATE);
    let theirs = date
        .and_then(|date| date.to_str().ok())
        .and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    match theirs {
        Some(theirs) => skew(host, before, clock.now(), theirs.to_utc()),
        // Nothing is known to be wrong: a server need not tell the time (RFC 9110, 6.6.1).
        None => Finding::well(format!("clock: not compared, as {host} does not tell the time")),
    }
}

/// What the other clock, read between `before` and `after`, says about ours. It tells whole seconds.
fn skew(host: &str, before: Instant, after: Instant, theirs: Instant) -> Finding {
    let early = before - (theirs + TimeDelta::seconds(1));
    let late = theirs - after;
    let (off, way) = if early >= late {
        (early, "ahead of")
    } else {
        (late, "behind")
    };
    if off <= MOST_SKEW {
        return Finding::well(format!("clock: agrees with {host}"));
    }
    let what = format!("clock: {} s {way} {host}", off.num_seconds());
    Finding::wrong(what, "turn on time synchronisation: timedatectl set-ntp true")
}

/// Writes the findings of each platform.
///
/// # Errors
/// `out` cannot be written.
pub fn report(
    examined: &[(String, Vec<Finding>)],
    json: bool,
    colour: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let ok = examined.iter().all(|(_, findings)| findings.iter().all(|f| f.ok));
    if json {
        let finding = |f: &Finding| json!({ "what": f.what, "ok": f.ok, "mend": f.mend });
        let part = |(name, findings): &(String, Vec<Finding>)| json!({ "name": name, "findings": findings.iter().map(finding).collect::<Vec<_>>() });
        let parts: Vec<_> = examined.iter().map(part).collect();
        serde_json::to_writer_pretty(&mut *out, &json!({ "ok": ok, "examined": parts }))?;
        writeln!(out)?;
    } else {
        for (name, findings) in examined {
            writeln!(out, "{}", inert(name))?;
            for finding in findings {
                write_finding(finding, colour, out)?;
            }
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

fn write_finding(finding: &Finding, colour: bool, out: &mut impl Write) -> io::Result<()> {
    let (mark, shade) = if finding.ok { ("✓", 32) } else { ("✗", 31) };
    if colour {
        writeln!(out, "  \x1b[{shade}m{mark}\x1b[0m {}", inert(&finding.what))?;
    } else {
        writeln!(out, "  {mark} {}", inert(&finding.what))?;
    }
    if !finding.ok && !finding.mend.is_empty() {
        writeln!(out, "    → {}", inert(&finding.mend))?;
    }
    Ok(())
}

/// Without control characters: part of it may come from a platform, and a terminal obeys them.
fn inert(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn shown(examined: &[(String, Vec<Finding>)], json: bool, colour: bool) -> (String, Exit) {
        let mut out = Vec::new();
        let exit = report(examined, json, colour, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), exit)
    }

    fn ill() -> Vec<(String, Vec<Finding>)> {
        vec![
            (
                "Slack".to_owned(),
                vec![Finding::well("token: workspace \x1b[31mAcme")],
            ),
            (
                "Discord".to_owned(),
                vec![Finding::wrong("channel: not found", "invite the bot")],
            ),
        ]
    }

    #[test]
    fn a_report_names_what_is_wrong_and_the_mend() {
        let (text, exit) = shown(&ill(), false, false);
        assert_eq!(exit, Exit::Failed);
        assert_snapshot!(text, @r"
        Slack
          ✓ token: workspace  [31mAcme
        Discord
          ✗ channel: not found
            → invite the bot
        ");
    }

    #[test]
    fn colours_are_only_ours() {
        let (text, _) = shown(&ill(), false, true);
        assert_eq!(text.matches('\x1b').count(), 4);
    }

    #[test]
    fn a_report_for_programs() {
        let well = vec![("Slack".to_owned(), vec![Finding::well("token")])];
        let (text, exit) = shown(&well, true, true);
        assert_eq!(exit, Exit::Done);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let finding = json!({ "what": "token", "ok": true, "mend": "" });
        assert_eq!(
            value,
            json!({ "ok": true, "examined": [{ "name": "Slack", "findings": [finding] }] })
        );
    }

    #[test]
    fn a_clock_is_right_within_half_a_minute() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let told = |theirs: i64| skew("slack.com", at(0), at(2), at(theirs));
        assert!(told(0).ok);
        assert!(told(-31).ok && told(32).ok);
        assert_eq!(told(-90).what, "clock: 89 s ahead of slack.com");
        assert_eq!(told(400).what, "clock: 398 s behind slack.com");
        assert!(!told(400).mend.is_empty());
    }

    #[tokio::test]
    async fn a_server_that_does_not_tell_the_time_is_no_fault() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        };
        let client = http::client(std::time::Duration::from_secs(5)).unwrap();
        let asking = clock(&client, &server, &crate::domain::SystemClock);
        let (finding, ()) = tokio::join!(asking, answering);
        assert!(finding.ok, "{finding:?}");
        assert!(finding.what.contains("not compared"), "{finding:?}");
    }
}
