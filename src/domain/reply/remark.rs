//! What was said about a reply before it left.

use serde::{Deserialize, Serialize};

/// How much a remark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It is shown.
    Hint,
    /// Its author has to say yes once more.
    Confirm,
    /// Somebody else has to agree.
    Approve,
}

/// A remark about a reply, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Which rule made it, by the word that the configuration knows.
    pub rule: String,
    /// How much it weighs.
    pub weight: Weight,
    /// The words it is about; may be empty.
    pub found: String,
    /// A sentence for the agent.
    pub why: String,
    /// A better wording, where there is one.
    pub better: Option<String>,
}
