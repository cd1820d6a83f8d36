//! The console: the team's chat on a page of Hearback's own, for the demo and for people without
//! Slack or Discord.
//!
//! It keeps no messages: what it shows is rendered from the log at the moment somebody looks. To
//! the core it is a chat like the others; its calls only tell open pages to look again.

mod door;
mod pages;
mod view;

use crate::app::{Inbound, Reader};
use crate::domain::{ChannelId, ChatName, MessageId, Notice, Person, ThreadId};
use crate::port::{Attachments, ChatPlatform, EditMessage, OpenThread, Opened, PortError, PostMessage};
use async_trait::async_trait;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Response;
use door::{Door, Key};
use maud::Markup;
use secrecy::SecretString;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// The chat's name.
pub const NAME: &str = "console";
/// Its one channel.
pub const CHANNEL: &str = "console";

/// What the team is told at this moment that no case and no feed shows: asked whenever somebody looks.
pub type Notices = Arc<dyn Fn() -> Vec<Notice> + Send + Sync>;

/// Somebody who can be played at the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The id by which the core knows the person in this chat.
    pub user: String,
    /// The name to show.
    pub name: String,
    /// What they are, in a word, for example `lead`.
    pub title: String,
}

/// The team's chat on a page.
#[derive(Debug)]
pub struct Console {
    name: ChatName,
    seats: Vec<Seat>,
    door: Door,
    changed: broadcast::Sender<()>,
    attachments: Attachments,
}

impl Console {
    /// A console at which whoever comes may sit on each of these chairs: for a demo on one machine.
    #[must_use]
    pub fn new(seats: Vec<Seat>) -> Self {
        Self::behind(Door::Open, seats)
    }

    /// A console at which each of these people sits on their own chair, by name and password.
    #[must_use]
    pub fn locked(seats: Vec<(Seat, SecretString)>) -> Self {
        let keys = seats
            .iter()
            .map(|(seat, password)| Key::new(&seat.user, password));
        let door = Door::Locked(keys.collect());
        Self::behind(door, seats.into_iter().map(|(seat, _)| seat).collect())
    }

    fn behind(door: Door, seats: Vec<Seat>) -> Self {
        Self {
            name: ChatName::new(NAME),
            seats,
            door,
            changed: broadcast::Sender::new(16),
            attachments: Attachments::default(),
        }
    }

    /// What becomes of what is attached to posts.
    #[must_use]
    pub fn with_attachments(mut self, attachments: Attachments) -> Self {
        self.attachments = attachments;
        self
    }

    /// The channel in which cases open.
    #[must_use]
    pub fn channel() -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    /// Ticks whenever there may be something new to show.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<()> {
        self.changed.subscribe()
    }

    /// The frame of the page, which the page's script fills and keeps up to date, for whoever sent
    /// these headers.
    ///
    /// # Errors
    /// They may not see it; the answer asks them to sign in.
    pub fn frame(&self, headers: &HeaderMap) -> Result<Markup, Box<Response>> {
        let own = self.door.enter(headers)?;
        let seats = self.seats.iter();
        let seats = seats.filter(|seat| own.as_ref().is_none_or(|user| *user == seat.user));
        Ok(view::frame(&seats.collect::<Vec<_>>()))
    }

    /// The routes under `/console/` that the frame lives on. Event streams end with `stop`.
    pub fn router(
        self: &Arc<Self>,
        reader: Reader,
        inbound: Inbound,
        notices: Notices,
        stop: CancellationToken,
    ) -> Router {
        pages::router(self.clone(), reader, inbound, notices, stop)
    }

    /// Tells open pages to look again.
    fn tick(&self) {
        // Nobody looking is no error.
        let _ = self.changed.send(());
    }

    fn person(&self, user: &str) -> Option<Person> {
        let seat = self.seats.iter().find(|seat| seat.user == user)?;
        Some(Person {
            chat: self.name.clone(),
            user: seat.user.clone(),
            workspace: String::new(),
            name: seat.name.clone(),
            groups: Vec::new(),
        })
    }
}

/// Pictures are part of its pages: they are fetched when somebody looks, and nothing is kept. So are notices
/// about no case: they stand over the list for as long as they are true.
///
/// Ids are the orders' keys: the same for every attempt, so a second attempt opens nothing new.
#[async_trait]
impl ChatPlatform for Console {
    fn name(&self) -> &ChatName {
        &self.name
    }

    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        self.tick();
        Ok(Opened {
            thread: ThreadId::new(order.key.as_str()),
            card: MessageId::new(order.key.as_str()),
        })
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        self.tick();
        Ok(MessageId::new(order.key.as_str()))
    }

    async fn edit(&self, _order: &EditMessage) -> Result<(), PortError> {
        self.tick();
        Ok(())
    }
}
