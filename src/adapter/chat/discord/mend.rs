//! Everything that stands of one delivery, and how a double of ours goes.
//!
//! A stamp goes with the first edit of a message, so the one we know is asked for by its id. A thread is
//! removed only when nobody but us wrote in it; removing one needs Manage Threads, and where we lack it,
//! the card becomes a pointer.

use super::find::Much;
use super::rest::{Failure, Route};
use super::threads::{ARCHIVED, Kind, Threads, id, id_in, opened};
use crate::domain::{Card, Part, Span};
use crate::port::{Content, FindTraces, Opened, PortError, Withdraw, Withdrawn};
use reqwest::Method;
use serde_json::json;

/// The most pages of a hundred that are read to see who wrote in a thread.
const PAGES: usize = 20;

impl Threads {
    pub(super) async fn traces(&self, order: &FindTraces) -> Result<Vec<Opened>, PortError> {
        let channel = id(order.channel.as_str(), "channel")?;
        let what = format!("read channel {channel}");
        let known = id(order.known.card.as_str(), "message")?;
        let until = self.clock.now().max(order.fresh);
        let stamp = self.stamp(order.key.as_str());
        let kind = self.kind(channel).await.map_err(|failure| failure.port(&what))?;
        let (place, mut found) = match (&order.thread, kind) {
            (Some(thread), _) => {
                let thread = id(thread.as_str(), "thread")?;
                let found = self
                    .find_messages(thread, &stamp, (order.since, until), Much::All)
                    .await;
                (thread, found.map_err(|failure| failure.port_of_thread(&what))?)
            }
            (None, Kind::Text) => {
                let found = self
                    .find_messages(channel, &stamp, (order.since, until), Much::All)
                    .await;
                (channel, found.map_err(|failure| failure.port(&what))?)
            }
            (None, Kind::Forum { .. }) => {
                let found = self.find_posts(channel, &stamp, order.since, Much::All).await;
                (known, found.map_err(|failure| failure.port(&what))?)
            }
        };
        if found.iter().any(|id| *id != known) && !found.contains(&known) {
            let stands = self.stands(place, known).await;
            if stands.map_err(|failure| failure.port(&what))? {
                found.push(known);
            }
        } else if found.is_empty() {
            found.push(known);
        }
        found.sort_unstable();
        if order.thread.is_none() && place == channel && found.len() > 1 {
            found = self
                .with_threads_first(found)
                .await
                .map_err(|failure| failure.port(&what))?;
        }
        let trace = |message| match &order.thread {
            Some(thread) => Opened {
                thread: thread.clone(),
                ..opened(message, message)
            },
            None => opened(message, message),
        };
        Ok(found.into_iter().map(trace).collect())
    }

    /// In a text channel a card that appeared late has no thread, so nobody can go on in it: those that
    /// have one come first.
    async fn with_threads_first(&self, cards: Vec<u64>) -> Result<Vec<u64>, Failure> {
        let (mut with, mut bare) = (Vec::new(), Vec::new());
        for card in cards {
            match self.rest.get(Route::plain(format!("/channels/{card}"))).await {
                Ok(_) => with.push(card),
                Err(Failure::Refused { status: 404, .. }) => bare.push(card),
                Err(failure) => return Err(failure),
            }
        }
        with.append(&mut bare);
        Ok(with)
    }

    async fn stands(&self, place: u64, message: u64) -> Result<bool, Failure> {
        match self.rest.get(message_route(place, message)).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused { status: 404, .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn withdraw(&self, order: &Withdraw) -> Result<(), PortError> {
        let channel = id(order.channel.as_str(), "channel")?;
        let thread = id(order.double.thread.as_str(), "thread")?;
        let message = id(order.double.card.as_str(), "message")?;
        let what = format!("take message {message} of channel {channel} away");
        let done = match &order.what {
            Withdrawn::Message => self.delete_message(thread, thread, message).await,
            Withdrawn::Thread(pointer) => {
                let kind = self.kind(channel).await.map_err(|failure| failure.port(&what))?;
                let place = match kind {
                    Kind::Text => channel,
                    Kind::Forum { .. } => thread,
                };
                self.withdraw_thread(place, thread, message, &self.with_address(pointer, &order.kept))
                    .await
            }
        };
        done.map_err(|failure| failure.port(&what))
    }

    async fn withdraw_thread(
        &self,
        place: u64,
        thread: u64,
        card: u64,
        pointer: &Card,
    ) -> Result<(), Failure> {
        let removed = if self.only_ours(thread).await? {
            let route = Route::plain(format!("/channels/{thread}"));
            match self.rest.call(Method::DELETE, route, None).await {
                Ok(_) | Err(Failure::Refused { status: 404, .. }) => true,
                Err(Failure::Refused { status: 403, .. }) => false,
                Err(failure) => return Err(failure),
            }
        } else {
            false
        };
        match removed {
            // A forum post went with its thread.
            true if place == thread => Ok(()),
            true => self.delete_message(place, thread, card).await,
            false => {
                let pointer = Content::Card(pointer.clone());
                match self.replace(place, thread, card, &pointer).await {
                    Err(Failure::Refused { status: 404, .. }) => Ok(()),
                    done => done,
                }
            }
        }
    }

    /// Whether nobody but us wrote in a thread, or there is none.
    async fn only_ours(&self, thread: u64) -> Result<bool, Failure> {
        let me = self.me().await?;
        let mut after = 0;
        for _ in 0..PAGES {
            let route = Route::bot(
                format!("/channels/{thread}/messages?after={after}&limit=100"),
                format!("/channels/{thread}/messages"),
            );
            let page = match self.rest.get(route).await {
                Ok(page) => page,
                Err(Failure::Refused { status: 404, .. }) => return Ok(true),
                Err(failure) => return Err(failure),
            };
            let messages = page.as_array().map(Vec::as_slice).unwrap_or_default();
            if messages
                .iter()
                .any(|message| id_in(&message["author"], "id").ok() != Some(me))
            {
                return Ok(false);
            }
            let newest = messages
                .iter()
                .filter_map(|message| id_in(message, "id").ok())
                .max();
            match newest {
                Some(newest) if messages.len() >= 100 && newest > after => after = newest,
                Some(_) | None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Deletes a message of our own.
    async fn delete_message(&self, place: u64, thread: u64, message: u64) -> Result<(), Failure> {
        let delete = || {
            self.rest
                .call(Method::DELETE, message_route(place, message), None)
        };
        let done = match delete().await {
            Err(failure) if failure.code() == Some(ARCHIVED) => {
                self.patch_thread(thread, &json!({"archived": false})).await?;
                delete().await
            }
            done => done,
        };
        match done {
            Ok(_) | Err(Failure::Refused { status: 404, .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// The pointer with the address of the thread that is kept.
    fn with_address(&self, pointer: &Card, kept: &Opened) -> Card {
        let address = format!("https://discord.com/channels/{}/{}", self.guild, kept.thread);
        let link = Span::Link {
            label: address.clone(),
            url: address,
        };
        let mut pointer = pointer.clone();
        pointer.message = pointer.message.with(Part::Line(vec![link]));
        pointer
    }
}

fn message_route(place: u64, message: u64) -> Route {
    Route::bot(
        format!("/channels/{place}/messages/{message}"),
        format!("/channels/{place}/messages/:id"),
    )
}
