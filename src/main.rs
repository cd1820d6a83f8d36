//! Mirrors public complaints into chat threads and carries the answers back.

fn main() {}
