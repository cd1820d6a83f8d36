//! What an adapter finds out when it is asked whether it works: the lines of `doctor`.

use crate::domain::Instant;

/// How far the clocks may be apart, in seconds.
const DRIFT: i64 = 30;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, and what it is like.
    pub what: String,
    /// Whether that is well.
    pub ok: bool,
    /// What to do about it; empty when it is well.
    pub mend: String,
}

impl Finding {
    /// Something that is well.
    #[must_use]
    pub fn well(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ok: true,
            mend: String::new(),
        }
    }

    /// Something that is not, and what to do about it.
    #[must_use]
    pub fn wrong(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ok: false,
            mend: mend.into(),
        }
    }

    /// Whether a server's clock, if it told the time, and ours at `now` agree.
    #[must_use]
    pub fn clocks(told: Option<Instant>, now: Instant) -> Self {
        let Some(told) = told else {
            return Self::well("the server does not tell the time");
        };
        let apart = (told - now).num_seconds().abs();
        if apart <= DRIFT {
            return Self::well("the clocks agree");
        }
        Self::wrong(
            format!("this machine's clock is {apart} seconds from the server's"),
            "Set the clock (a time service such as chrony keeps it right).",
        )
    }
}
