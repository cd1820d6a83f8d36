//! What an examination of a platform found: a line of `hearback doctor`.

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, and how it is.
    pub what: String,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What to do about it; empty when it is well.
    pub mend: String,
}
