//! The use cases. Knows the store and the ports; names no platform.

mod inbound;
mod read;

pub use inbound::{Cursor, Given, Inbound, Input, Intake, Place, Response, Unavailable};
pub use read::{BoardEntry, Entry, Reader, ThreadView};
