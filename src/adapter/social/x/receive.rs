//! What X sends us: events of the account (X Activity API) and posts of the filtered stream, at
//! `/webhooks/{source}` (<https://docs.x.com/x-api/webhooks/introduction>).
//!
//! Each request is signed over its raw body, with the client secret of OAuth 2.0
//! (`x-twitter-webhooks-signature-oauth2`) or the consumer secret (`x-twitter-webhooks-signature`); while an
//! application moves from one to the other both come, and then the newer one counts. Nothing in it says when
//! it was signed: an old one that comes again is known by its content. X asks every hour whether we know the
//! secret (`crc_token`). What it does not send, because we were away, comes with the next sweep.

use super::X;
use super::call::author;
use super::price::Paid;
use super::translate::{self, Me};
use super::wire::{Event, Gone, Includes, Message, Messages, Push, Tweet};
use crate::adapter::push::{self, Notice, Rejected};
use crate::app::Inbound;
use crate::domain::{NativeId, Sighting};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::DateTime;
use hmac::Hmac;
use secrecy::SecretString;
use serde::Deserialize;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The header signed with the client secret, and the one with the consumer secret.
const NEWER: &str = "x-twitter-webhooks-signature-oauth2";
const OLDER: &str = "x-twitter-webhooks-signature";

/// How long the author of a post is looked for: X wants to be answered within 10 seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// The secrets that X signs with.
pub struct Secrets {
    client: Option<Hmac<Sha256>>,
    consumer: Option<Hmac<Sha256>>,
}

impl Secrets {
    /// `None`: there is neither, so nothing that comes can be believed.
    pub fn new(
        client: Option<&SecretString>,
        consumer: Option<&SecretString>,
    ) -> anyhow::Result<Option<Self>> {
        let secrets = Self {
            client: client.map(push::mac).transpose()?,
            consumer: consumer.map(push::mac).transpose()?,
        };
        Ok((secrets.client.is_some() || secrets.consumer.is_some()).then_some(secrets))
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Rejected> {
        let (newer, older) = (push::once(headers, NEWER)?, push::once(headers, OLDER)?);
        let (mac, told) = match (&self.client, newer, &self.consumer, older) {
            (Some(client), Some(newer), _, _) => (client, newer),
            (_, _, Some(consumer), Some(older)) => (consumer, older),
            _ => {
                return Err(Rejected::Unproven(format!(
                    "the header {OLDER} must be there once"
                )));
            }
        };
        let signature = told.strip_prefix("sha256=").unwrap_or_default();
        let signature = BASE64_STANDARD.decode(signature).unwrap_or_default();
        if push::is_signed(mac, &[body], &signature) {
            return Ok(());
        }
        Err(Rejected::Unproven("the signature does not fit".to_owned()))
    }

    /// What proves that we know the secret.
    fn response(&self, token: &str) -> Option<String> {
        let mac = self.client.as_ref().or(self.consumer.as_ref())?;
        let signed = push::challenged(mac, token)?;
        Some(format!("sha256={}", BASE64_STANDARD.encode(signed)))
    }
}

pub(super) fn routes(x: Arc<X>, inbound: Inbound) -> Router {
    Router::new()
        .route(&x.gate.path(), get(prove).post(receive))
        .with_state((x, inbound))
}

async fn prove(
    State((x, _)): State<(Arc<X>, Inbound)>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let (token, secrets) = (asked.get("crc_token"), x.secrets.as_ref());
    match token.and_then(|token| secrets?.response(token)) {
        Some(response) => Json(serde_json::json!({"response_token": response})).into_response(),
        None => push::tell(StatusCode::BAD_REQUEST, "crc_token is missing, or is none"),
    }
}

async fn receive(State((x, inbound)): State<(Arc<X>, Inbound)>, request: Request) -> Response {
    let accept = async |notice: Notice| {
        if let Some(secrets) = &x.secrets {
            secrets.verify(&notice.headers, &notice.body)?;
        }
        let text = push::object(&notice)?;
        x.taken(&inbound, "webhook", &text).await?;
        Ok(StatusCode::OK)
    };
    x.gate.pass(request, accept).await
}

impl X {
    /// Takes what X sent by webhook or stream. Something unreadable is set aside.
    ///
    /// # Errors
    /// Nothing can be stored, or we do not know yet who we are.
    pub(super) async fn taken(&self, inbound: &Inbound, stream: &str, text: &str) -> Result<(), Rejected> {
        let unavailable = |error: &dyn std::fmt::Display| Rejected::Unavailable(error.to_string());
        // What comes to us needs no credentials of ours.
        let me = match (self.known_me(), self.me().await) {
            (_, Ok(me)) | (Some((_, me)), Err(_)) => me,
            (None, Err(error)) => return Err(unavailable(&error)),
        };
        let heard = match heard(text) {
            Ok(heard) => heard,
            Err(error) => {
                let name: String = text.chars().take(200).collect();
                let place = (&self.source, stream);
                let aside = self.troubles.put_aside(inbound, place, &name, &error, text);
                return aside.await.map_err(|error| unavailable(&error));
            }
        };
        let (sightings, ids) = self.sightings(&me, heard).await;
        if !sightings.is_empty() {
            let seen = inbound.posts_seen(&self.source, sightings, None);
            seen.await.map_err(|error| unavailable(&error))?;
            self.remember(ids.into_iter());
        }
        Ok(())
    }

    /// What happened, and the ids of what is remembered as stored.
    async fn sightings(&self, me: &Me, heard: Heard) -> (Vec<Sighting>, Vec<String>) {
        match heard {
            Heard::Nothing => (vec![], vec![]),
            Heard::Gone(id) => (vec![Sighting::Gone(id)], vec![]),
            Heard::Messages(told) => self.messages_in(me, told),
            Heard::Post {
                tweet,
                includes,
                told,
                is_event,
            } => {
                // An event is paid for by itself, whatever comes with it.
                let paid = if is_event {
                    Includes::default()
                } else {
                    includes.clone()
                };
                self.way.pay(std::iter::once(tweet.id.clone()), &paid);
                if !self.concerns(me, &tweet) {
                    return (vec![], vec![]);
                }
                let (tweet, includes) = self.with_author(*tweet, includes).await;
                let post = translate::post(&self.source, me, &tweet, &includes, told);
                (vec![Sighting::Post(Box::new(post))], vec![tweet.id])
            }
        }
    }

    /// A post with its author: some events come without
    /// (<https://docs.x.com/x-api/activity/event-payloads>, `post.reply.create`). Where the post cannot be read
    /// now, it is heard as it came.
    async fn with_author(&self, tweet: Tweet, includes: Includes) -> (Tweet, Includes) {
        if author(&includes, &tweet.author_id).is_some() {
            return (tweet, includes);
        }
        let ids = [tweet.id.as_str()];
        let reading = tokio::time::timeout(PATIENCE, self.several(&ids)).await;
        let Ok(Ok(page)) = reading else {
            tracing::debug!(source = %self.source, post = tweet.id, "The author of a post is not known.");
            return (tweet, includes);
        };
        let read = page.data.first();
        let read = read.and_then(|raw| serde_json::from_str::<Tweet>(raw.get()).ok());
        match read.filter(|read| read.id == tweet.id) {
            Some(read) => (read, page.includes),
            None => (tweet, includes),
        }
    }

    fn messages_in(&self, me: &Me, told: Messages) -> (Vec<Sighting>, Vec<String>) {
        let users: Vec<_> = told.users.into_values().map(|user| user.data).collect();
        let includes = Includes { users, media: vec![] };
        let mut sightings = Vec::new();
        let mut ids = Vec::new();
        for event in told.direct_message_events {
            let sent = event.message_create;
            let millis = event.created_timestamp.parse().ok();
            let (Some(at), true) = (
                millis.and_then(DateTime::from_timestamp_millis),
                sent.target.recipient_id == me.id && sent.sender_id != me.id,
            ) else {
                continue;
            };
            let message = Message {
                dm_conversation_id: Some(between(&me.id, &sent.sender_id)),
                id: event.id,
                text: sent.message_data.text,
                sender_id: sent.sender_id,
                created_at: at,
                entities: sent.message_data.entities,
            };
            self.way.paid(Paid::Message, [message.id.as_str()]);
            if !self.stored().contains(&message.id) {
                let author = author(&includes, &message.sender_id);
                let post = translate::message(&self.source, &message, author);
                sightings.push(Sighting::Post(Box::new(post)));
                ids.push(message.id);
            }
        }
        (sightings, ids)
    }
}

/// What X tells of.
enum Heard {
    /// Nothing that says anything to us.
    Nothing,
    /// A post.
    Post {
        tweet: Box<Tweet>,
        includes: Includes,
        /// Whether it is shown to us because it names or quotes us.
        told: bool,
        /// Whether it is an event of an account, and not what a search found.
        is_event: bool,
    },
    /// A post that was taken back.
    Gone(NativeId),
    /// Private messages.
    Messages(Messages),
}

fn heard(text: &str) -> Result<Heard, serde_json::Error> {
    #[derive(Deserialize)]
    struct Kind {
        event_type: Option<String>,
    }
    let push: Push = serde_json::from_str(text)?;
    let Some(data) = push.data else {
        return Ok(Heard::Nothing);
    };
    let post = |raw: &str, includes, (told, is_event)| {
        Ok(Heard::Post {
            tweet: serde_json::from_str(raw)?,
            includes,
            told,
            is_event,
        })
    };
    if serde_json::from_str::<Kind>(data.get())?.event_type.is_none() {
        return post(data.get(), push.includes, (false, false));
    }
    let event: Event = serde_json::from_str(data.get())?;
    let payload = event.payload.get();
    match event.event_type.as_str() {
        "post.mention.create" | "post.reply.create" | "post.quote.create" => {
            post(payload, event.includes, (true, true))
        }
        "post.create" => post(payload, event.includes, (false, true)),
        "post.delete" => {
            let gone: Gone = serde_json::from_str(payload)?;
            Ok(Heard::Gone(NativeId::new(&gone.id)))
        }
        "dm.received" => Ok(Heard::Messages(serde_json::from_str(payload)?)),
        // Everything else that an application can subscribe to says nothing to us.
        _ => Ok(Heard::Nothing),
    }
}

/// The id of a conversation of two: both of their ids, the lower first.
fn between(one: &str, two: &str) -> String {
    let number = |id: &str| id.parse::<u64>().unwrap_or(u64::MAX);
    if number(one) <= number(two) {
        format!("{one}-{two}")
    } else {
        format!("{two}-{one}")
    }
}
