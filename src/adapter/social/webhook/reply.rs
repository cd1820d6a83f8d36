//! The way out: one signed call a reply, and the look whether an earlier one arrived.

use super::Webhook;
use crate::adapter::finding::Finding;
use crate::adapter::http;
use crate::adapter::ids::{self, header_safe};
use crate::adapter::signature::{ID, SIGNATURE, TIMESTAMP};
use crate::domain::{Audience, Reply, Visibility, message};
use crate::port::{Class, Look, Permit, PortError, Published};
use reqwest::{Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

/// How much of a refusal's text people see.
const MOST_REASON: usize = 300;
/// How long `examine` waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Out<'a> {
    reply_id: &'a str,
    in_reply_to: &'a str,
    conversation: &'a str,
    author: OutAuthor<'a>,
    account: &'a str,
    text: &'a str,
    visibility: Visibility,
}

#[derive(Serialize)]
struct OutAuthor<'a> {
    id: &'a str,
}

/// What the receiver says it published.
#[derive(Deserialize)]
struct Receipt {
    id: String,
    #[serde(default)]
    url: Option<String>,
    in_reply_to: Option<String>,
}

pub(super) async fn publish(
    webhook: &Webhook,
    reply: &Reply,
    permit: &Permit,
) -> Result<Published, PortError> {
    let Some(url) = &webhook.reply_url else {
        return Err(PortError::Refused(format!(
            "the source {} only listens: give it a reply_url",
            webhook.source
        )));
    };
    let body = serde_json::to_vec(&Out {
        reply_id: reply.key.as_str(),
        in_reply_to: reply.target.as_str(),
        conversation: reply.conversation.as_str(),
        author: OutAuthor {
            id: reply.author.as_str(),
        },
        account: webhook.source.as_str(),
        text: &reply.text,
        visibility: match reply.audience {
            Audience::Public => reply.target_visibility,
            Audience::Private => Visibility::Private,
        },
    })
    .map_err(|error| PortError::Refused(format!("the reply cannot be written as JSON: {error}")))?;
    let call = signed(webhook, webhook.client.post(url.clone()), reply, &body)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body);
    let answer = http::permitted(permit, call.send())
        .await
        .map_err(|error| unsent(webhook, &error))?;
    webhook.link.up();
    let status = answer.status();
    if status.is_success() {
        return receipt(answer).await;
    }
    Err(refusal(webhook, answer).await)
}

pub(super) async fn find(webhook: &Webhook, reply: &Reply) -> Result<Look, PortError> {
    let Some(url) = &webhook.lookup_url else {
        return match webhook.class {
            Class::Key { .. } | Class::Id => Ok(Look::NotLooked),
            Class::Lookup | Class::None => Err(PortError::Unknown(format!(
                "the source {} has no lookup_url: nobody can be asked",
                webhook.source
            ))),
        };
    };
    let call = signed(
        webhook,
        webhook.client.get(asking(url, reply.key.as_str())),
        reply,
        b"",
    );
    let answer = call
        .send()
        .await
        .map_err(|error| PortError::Unknown(format!("the look-up: {}", http::explain(&error))))?;
    match answer.status() {
        StatusCode::OK => receipt(answer).await.map(Look::Found),
        StatusCode::TOO_MANY_REQUESTS => Err(PortError::RetryAfter(wait(webhook, &answer))),
        StatusCode::NOT_FOUND if is_page(&answer) => Err(PortError::Unknown(
            "the look-up answered 404 with a page for browsers: that is a gateway's, and proves nothing"
                .to_owned(),
        )),
        // It is asked for this one reply, and answers for it: there is no list that could lag.
        StatusCode::NOT_FOUND => Ok(Look::Absent { fresh: true }),
        other => Err(PortError::Unknown(format!("the look-up answered {other}"))),
    }
}

/// Whether an answer is for browsers. The contract knows no such answer; gateways give them.
fn is_page(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// The look-up's address for a reply; what the configured one asks already stays.
fn asking(url: &Url, reply: &str) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("reply_id", reply);
    url
}

fn signed(
    webhook: &Webhook,
    call: reqwest::RequestBuilder,
    reply: &Reply,
    body: &[u8],
) -> reqwest::RequestBuilder {
    let (id, now) = (header_safe(reply.key.as_str()), webhook.clock.now());
    call.header(ID, id.as_ref())
        .header(TIMESTAMP, now.timestamp().to_string())
        .header(SIGNATURE, webhook.secret.sign(&id, now, body))
}

/// Only an answer that names the reply proves anything; the caller judges where it stands.
async fn receipt(answer: Response) -> Result<Published, PortError> {
    let status = answer.status();
    let unproven = |why: String| PortError::Unknown(format!("the receiver answered {status}, but {why}"));
    let body = http::body(answer).await.map_err(&unproven)?;
    let receipt: Receipt = serde_json::from_slice(&body).map_err(|error| {
        unproven(format!(
            "not with {{\"id\",\"url\",\"in_reply_to\"}} of the published reply ({error})"
        ))
    })?;
    Ok(Published {
        id: ids::reply_id(&receipt.id).map_err(|why| unproven(why.to_owned()))?,
        url: receipt.url,
        parent: receipt.in_reply_to.map(Into::into),
        author: None,
    })
}

/// A call without an answer. Whoever looks after the source sees that the receiver is not there.
fn unsent(webhook: &Webhook, error: &reqwest::Error) -> PortError {
    if http::never_sent(error) {
        let why = http::explain(error);
        webhook
            .link
            .down(format!("the reply_url cannot be reached: {why}"));
        PortError::NotReached(why)
    } else {
        PortError::Unknown(http::explain(error))
    }
}

async fn refusal(webhook: &Webhook, answer: Response) -> PortError {
    let status = answer.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return PortError::RetryAfter(wait(webhook, &answer));
    }
    if status.is_redirection() {
        return PortError::Unknown(format!(
            "the receiver answered {status}; redirects are not followed: correct the reply_url"
        ));
    }
    match (status.as_u16(), told(answer).await) {
        (401, Some(told)) => PortError::Unauthorized(format!(
            "the receiver does not accept the signature (401): {told}: compare the secret and the clocks"
        )),
        (400 | 403 | 404 | 410 | 413 | 422, Some(told)) => {
            PortError::Refused(format!("the receiver refused ({status}): {told}"))
        }
        (_, Some(told)) => PortError::Unknown(format!("the receiver answered {status}: {told}")),
        (_, None) => PortError::Unknown(format!(
            "the receiver answered {status} without {{\"error\": …}}, which proves nothing"
        )),
    }
}

fn wait(webhook: &Webhook, answer: &Response) -> Duration {
    let told = answer.headers().get(header::RETRY_AFTER);
    http::retry_after(told.and_then(|value| value.to_str().ok()), webhook.clock.now())
}

/// The receiver's own words: the `error` of a JSON object. A gateway between us has other pages.
async fn told(answer: Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
    }
    let body = http::body(answer).await.ok()?;
    // A list would be taken for the object's fields.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let told: Told = serde_json::from_slice(&body).ok()?;
    Some(message::one_line(&told.error, MOST_REASON))
}

pub(super) async fn examine(webhook: &Webhook) -> Vec<Finding> {
    let source = &webhook.source;
    let mut findings = vec![if webhook.secret.is_short() {
        Finding::wrong(
            "the secret is shorter than 24 bytes",
            "Make a longer one, for example `whsec_$(openssl rand -base64 32)`, for both sides.",
        )
    } else {
        Finding::well(format!("the secret is sound; posts come to /webhooks/{source}"))
    }];
    match &webhook.reply_url {
        None => findings.push(Finding::well("only listens (no reply_url)")),
        Some(url) => findings.push(reachable(url).await),
    }
    if let Some(url) = &webhook.lookup_url {
        findings.push(looks_up(webhook, url).await);
    }
    findings
}

/// Connects, and sends nothing: a request could be taken for a reply.
async fn reachable(url: &Url) -> Finding {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let connecting = tokio::net::TcpStream::connect((bare, port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => Finding::well(format!("{host}:{port} of reply_url is reachable")),
        Ok(Err(error)) => Finding::wrong(
            format!("{host}:{port} of reply_url is not reachable ({error})"),
            "Start the receiver, or correct reply_url.",
        ),
        Err(_) => Finding::wrong(
            format!("{host}:{port} of reply_url does not answer within five seconds"),
            "Open the way to it (firewall, proxy), or correct reply_url.",
        ),
    }
}

async fn looks_up(webhook: &Webhook, url: &Url) -> Finding {
    const NOBODY: &str = "hearback-doctor";
    let now = webhook.clock.now();
    let call = webhook
        .client
        .get(asking(url, NOBODY))
        .header(ID, NOBODY)
        .header(TIMESTAMP, now.timestamp().to_string())
        .header(SIGNATURE, webhook.secret.sign(NOBODY, now, b""));
    let mend = "lookup_url must answer 404 (not as a page for browsers) for a reply it does not know, 200 with the reply otherwise.";
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => return Finding::wrong(format!("lookup_url: {}", http::explain(&error)), mend),
    };
    match answer.status() {
        StatusCode::NOT_FOUND if is_page(&answer) => {
            Finding::wrong("lookup_url answers 404 with a page for browsers", mend)
        }
        StatusCode::NOT_FOUND => Finding::well("lookup_url answers 404 for an unknown reply"),
        status => Finding::wrong(format!("lookup_url answers {status} for an unknown reply"), mend),
    }
}
