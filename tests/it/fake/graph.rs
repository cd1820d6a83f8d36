//! What the fakes of Meta's networks share, written from the documentation of the Graph API: errors by code,
//! pages, usage, tokens with their proof, signed webhooks
//! (<https://developers.facebook.com/docs/graph-api/guides/error-handling>,
//! <https://developers.facebook.com/docs/graph-api/results>,
//! <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>).

use super::fault::{Fault, Faults};
use super::server::{Line, scripted};
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use hearback::domain::{Clock, Instant};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use url::Url;

/// What the brand's app and account are known by.
pub const TOKEN: &str = "EAAGm0-SECRET";
pub const APP_SECRET: &str = "0123-app-SECRET";
pub const VERIFY_TOKEN: &str = "verify-SECRET";

/// What a call is told.
pub type Asked = HashMap<String, String>;

/// Fields of a query or a form.
pub fn asked(text: &str) -> Asked {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

/// An error as the API gives it.
pub fn error(status: u16, (code, sub): (u32, u32), message: &str) -> Response {
    let mut told = json!({
        "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3",
        "is_transient": matches!(code, 1 | 2),
    });
    if sub > 0 {
        told["error_subcode"] = sub.into();
    }
    let body = Json(json!({"error": told}));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// The object is not there, or is not shown: the API does not tell which.
pub fn missing(id: &str) -> Response {
    let message = format!(
        "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
         permissions, or does not support this operation"
    );
    error(400, (100, 33), &message)
}

/// A scripted status, as the API gives it.
fn by_status(status: u16) -> Response {
    let code = match status {
        401 => (190, 463),
        403 => (200, 0),
        404 => (100, 33),
        400..=499 => (100, 0),
        _ => (2, 0),
    };
    error(status, code, "scripted")
}

/// All calls of this hour are used up; there are some again after so long.
pub fn throttled(page: &str, left: TimeDelta) -> Response {
    let minutes = (left.num_seconds() + 59) / 60;
    let usage = json!({page: [{"type": "pages", "call_count": 100, "total_cputime": 20, "total_time": 30,
        "estimated_time_to_regain_access": minutes}]});
    let told = [("x-business-use-case-usage", usage.to_string())];
    let message = "There have been too many calls to this Page account. Wait a bit and try again.";
    (told, error(400, (80_001, 0), message)).into_response()
}

/// Does what was asked, or what the script says instead.
pub async fn act(faults: &Faults, call: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
    match faults.take(call) {
        None => act(),
        Some(Fault::Status(status)) => by_status(status),
        Some(Fault::StatusButDone(status)) => {
            act();
            by_status(status)
        }
        Some(
            fault @ (Fault::RateLimited(_)
            | Fault::AcceptThenDrop
            | Fault::Drop
            | Fault::Hang
            | Fault::Garbage),
        ) => {
            let one = Faults::default();
            one.next(call, fault);
            scripted(&one, call, line, act).await
        }
    }
}

/// Every answer tells the server's own time and what is used.
pub fn dated(clock: &dyn Clock, mut answer: Response) -> Response {
    let date = clock.now().to_rfc2822().replace("+0000", "GMT");
    let headers = answer.headers_mut();
    headers.insert(header::DATE, date.parse().unwrap());
    if !headers.contains_key("x-business-use-case-usage") {
        let usage = json!({"call_count": 12, "total_cputime": 3, "total_time": 25});
        headers.insert("x-app-usage", usage.to_string().parse().unwrap());
    }
    answer
}

/// Turns away who has no token, or cannot prove that it is theirs.
pub fn denied(asked: &Asked, locked_out: bool) -> Option<Response> {
    let token = asked.get("access_token").map(String::as_str);
    if token != Some(TOKEN) || locked_out {
        let message = "Error validating access token: The session has been invalidated because the user changed \
                       their password or Facebook has changed the session for security reasons.";
        return Some(error(400, (190, 460), message));
    }
    let mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    let proof = hex::encode(mac.chain_update(TOKEN).finalize().into_bytes());
    let message = "Invalid appsecret_proof provided in the API argument";
    (asked.get("appsecret_proof") != Some(&proof)).then(|| error(400, (100, 0), message))
}

/// The names of the fields that are asked for, without what is asked of them.
pub fn fields(asked: &Asked) -> Vec<String> {
    let (mut names, mut depth, mut name) = (Vec::new(), 0, String::new());
    for letter in asked.get("fields").map(String::as_str).unwrap_or("id").chars() {
        match letter {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 => name.push(letter),
            _ => {}
        }
    }
    names.push(name);
    // `messages.limit(25){…}` is `messages`.
    names
        .into_iter()
        .map(|name| name.trim_end_matches(".limit").to_owned())
        .collect()
}

/// An object with the fields that were asked for; asking for one that its kind has not is an error.
pub fn show(whole: Value, kind: &str, known: &[&str], wanted: &[String]) -> Result<Value, Box<Response>> {
    for name in wanted {
        if !known.contains(&name.as_str()) {
            let message = format!("(#100) Tried accessing nonexisting field ({name}) on node type ({kind})");
            return Err(Box::new(error(400, (100, 0), &message)));
        }
    }
    let Value::Object(whole) = whole else {
        panic!("no object")
    };
    let kept = whole.into_iter().filter(|(name, value)| {
        !value.is_null() && (name == "id" || wanted.iter().any(|wanted| wanted == name))
    });
    Ok(Value::Object(kept.collect()))
}

/// A page of a list of objects with ids, newest first.
pub fn page(items: Vec<Value>, asked: &Asked, url: &Url) -> Response {
    let limit: usize = asked.get("limit").map_or(25, |limit| limit.parse().unwrap());
    if limit > 100 {
        return error(400, (100, 0), "(#100) The limit is at most 100");
    }
    let start = asked
        .get("after")
        .map_or(0, |after| after.parse::<usize>().unwrap());
    let end = (start + limit).min(items.len());
    let mut body = json!({"data": items.get(start..end).unwrap_or_default()});
    if start < end {
        body["paging"] = json!({"cursors": {"before": start.to_string(), "after": end.to_string()}});
    }
    if end < items.len() {
        body["paging"]["next"] = format!("{url}v26.0/x?access_token={TOKEN}&after={end}").into();
    }
    Json(body).into_response()
}

/// A time as the API writes it.
pub fn time(at: Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// The signature of a body.
pub fn signed(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(body).finalize();
    format!("sha256={}", hex::encode(mac.into_bytes()))
}

/// A body as Meta writes it: letters outside ASCII and slashes are escaped.
pub fn escaped(body: &Value) -> String {
    let mut out = String::new();
    for unit in body.to_string().replace('/', "\\/").encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => out.push(char::from(byte)),
            Ok(_) | Err(_) => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

/// Sends us a body with these signatures; gives the status.
pub async fn deliver(to: &Url, signatures: &[String], body: String) -> u16 {
    let client = hearback::adapter::http::client(std::time::Duration::from_secs(10)).unwrap();
    let mut call = client.post(to.clone()).header("content-type", "application/json");
    for signature in signatures {
        call = call.header("x-hub-signature-256", signature);
    }
    call.body(body).send().await.unwrap().status().as_u16()
}
