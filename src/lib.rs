//! Everyone who complains in public hears back.
//!
//! Hearback mirrors each public complaint into a thread of the team's chat; there agents claim it,
//! reply or escalate, and what they say is posted back where the customer wrote.
//!
//! # Layout
//!
//! - [`domain`]: pure values: posts, cases (decide and evolve), replies, effects, messages, time.
//! - [`command`]: the one grammar of all chats.
//! - [`port`]: what the core asks of a chat and of a network.
//! - [`store`]: the only SQL; one set of statements for SQLite and PostgreSQL.
//! - [`app`]: the use cases: intake, commands, delivery, timers, and every sentence a person sees.
//! - [`adapter`]: the chats and the networks, one folder each.
//! - [`web`]: the HTTP server: health, metrics, webhooks handed in by adapters, console pages.
//! - [`config`]: the configuration, one file a section.
//! - [`runtime`]: the composition root: builds, connects, supervises and stops all of it.
//! - [`cli`], [`telemetry`]: the command line and the logs.
//! - `rig`: places at which a test can kill the process, for the feature `rig` alone; any part may have
//!   some.
//!
//! `domain` uses nothing of the crate; `command`, `port` and `store` use `domain`; `app` uses those
//! four; an adapter uses `domain`, `command`, `port`, `app::Inbound`, `adapter::http` and its own
//! section of `config`; `web` uses `app`; `runtime` alone knows all. A test holds this.

#[cfg(feature = "rig")]
#[macro_use]
pub mod rig;
/// Nothing: a place at which a build with the feature `rig` can be made to die.
#[cfg(not(feature = "rig"))]
macro_rules! crash_point {
    ($point:ident) => {
        ()
    };
}

pub mod adapter;
pub mod app;
pub mod cli;
pub mod command;
pub mod config;
pub mod domain;
pub mod port;
pub mod runtime;
pub mod store;
pub mod telemetry;
pub mod web;
