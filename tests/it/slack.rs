//! Slack, against a workspace made here.

mod doubles;
mod out;
mod picture;
mod signed;
mod socket;
mod talk;
mod world;
