//! The use cases. Knows the store and the ports; names no platform.

mod inbound;

pub use inbound::{Cursor, Given, Inbound, Input, Intake, Place, Response, Unavailable};
