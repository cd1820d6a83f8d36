//! Discord's ids carry the time. <https://discord.com/developers/docs/reference#snowflakes>

use crate::domain::Instant;

/// Discord's epoch, the first second of 2015, in milliseconds.
const EPOCH: i64 = 1_420_070_400_000;

/// The lowest id of that millisecond.
pub(super) fn at(instant: Instant) -> u64 {
    u64::try_from(instant.timestamp_millis() - EPOCH).unwrap_or_default() << 22
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documented_example() {
        let instant = chrono::DateTime::parse_from_rfc3339("2016-04-30T11:18:25.796Z").unwrap();
        assert_eq!(super::at(instant.to_utc()) >> 22, 175_928_847_299_117_063 >> 22);
        assert_eq!(super::at(chrono::DateTime::UNIX_EPOCH), 0);
    }
}
