//! How a database stands to its seal: whether it is the one that may send.

use super::Instant;
use serde::{Deserialize, Serialize};

/// How far a database had come. What is sealed outside of it never falls, so a database that is behind
/// has lost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    /// The last case number handed out.
    pub case: i64,
    /// The last event.
    pub event: i64,
    /// The last effect.
    pub effect: i64,
    /// The last reply.
    pub reply: i64,
    /// How often a reply was claimed, to be sent.
    pub claims: i64,
}

impl Marks {
    /// The higher of each.
    #[must_use]
    pub fn highest(self, other: Self) -> Self {
        Self {
            case: self.case.max(other.case),
            event: self.event.max(other.event),
            effect: self.effect.max(other.effect),
            reply: self.reply.max(other.reply),
            claims: self.claims.max(other.claims),
        }
    }

    /// Whether nothing of `other` is missing here.
    #[must_use]
    pub fn reaches(self, other: Self) -> bool {
        self.highest(other) == self
    }
}

/// How a database stands to its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is the database that was sealed, and nothing is missing.
    Sound,
    /// It was never sealed.
    New,
    /// It may not be the database that was sealed, or not the only one: two would answer a customer
    /// twice.
    Copied {
        /// What speaks for it, in words.
        why: String,
    },
    /// It is behind its seal: a backup was restored, and what was sent since then is forgotten.
    RolledBack {
        /// How far it had come.
        sealed: Marks,
        /// How far it has come now.
        found: Marks,
        /// When it was sealed last.
        sealed_at: Instant,
    },
    /// Its server was replaced by a replica, which may lack the last commits.
    FailedOver {
        /// When it was sealed last on the server before; what was done about then may be missing.
        since: Instant,
    },
}

impl Standing {
    /// What is wrong, as a sentence; nothing when nothing is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Sound | Self::New => None,
            Self::Copied { why } => Some(format!("this may be a copy of the database: {why}")),
            Self::RolledBack {
                sealed,
                found,
                sealed_at,
            } => Some(format!(
                "the database is behind its seal of {}: {}",
                sealed_at.format("%Y-%m-%d %H:%M:%S UTC"),
                behind(*sealed, *found)
            )),
            Self::FailedOver { since } => Some(format!(
                "the database's server was replaced after {}; its last commits may be missing",
                since.format("%Y-%m-%d %H:%M:%S UTC")
            )),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Sound | Self::New => "",
            Self::Copied { .. } => {
                "make sure that no other Hearback works on the original, then: hearback adopt"
            }
            Self::RolledBack { .. } => {
                "look which replies were sent since the backup, then: hearback adopt --yes"
            }
            Self::FailedOver { .. } => "look at the replies of the last minutes",
        }
    }
}

fn behind(sealed: Marks, found: Marks) -> String {
    let mut out = Vec::new();
    for (what, sealed, found) in [
        ("event", sealed.event, found.event),
        ("reply", sealed.reply, found.reply),
        ("claim", sealed.claims, found.claims),
    ] {
        if sealed > found {
            out.push(format!("its last {what} is {found}, and was {sealed}"));
        }
    }
    if out.is_empty() {
        out.push(format!(
            "event {} is not the one that was sealed; the log was written anew",
            sealed.event
        ));
    }
    out.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_is_named() {
        let sealed = Marks {
            event: 9,
            claims: 2,
            ..Marks::default()
        };
        let standing = |found| Standing::RolledBack {
            sealed,
            found,
            sealed_at: Instant::UNIX_EPOCH,
        };
        let found = Marks { event: 7, ..sealed };
        assert!(!found.reaches(sealed) && sealed.reaches(found));
        assert_eq!(
            standing(found).trouble().unwrap(),
            "the database is behind its seal of 1970-01-01 00:00:00 UTC: its last event is 7, and was 9"
        );
        assert!(standing(sealed).trouble().unwrap().contains("written anew"));
        assert_eq!(Standing::Sound.trouble(), None);
    }
}
