//! Slack, against a workspace made here.

mod doubles;
mod out;
mod signed;
mod socket;
mod talk;
mod world;
