//! What an adapter finds out when it is asked whether it works: the lines of `doctor`.

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
}
