//! Who acts: a person as a chat shows them, and the agent they are for us.

use super::ChatName;
use serde::{Deserialize, Serialize};

/// What a member of the team may do. Ordered: a later role includes the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May look.
    Viewer,
    /// May work on cases and answer.
    Agent,
    /// May approve what others wrote.
    Approver,
    /// May act on other agents' cases.
    Lead,
    /// May do everything.
    Admin,
}

/// A person as a chat shows them at the moment they act; not yet known to be an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The chat in which the person acts.
    pub chat: ChatName,
    /// The chat's immutable id of the person.
    pub user: String,
    /// The workspace or guild the id belongs to; empty where the chat has only one.
    pub workspace: String,
    /// What the chat calls them. For display, never for authorisation.
    pub name: String,
    /// Ids of the chat's groups (user groups, roles) that the person is in right now.
    pub groups: Vec<String>,
}

/// A member of the team. One agent may have an identity in several chats.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Agent {
    /// What identifies the agent: the configured name, or `chat:user` for members of a group.
    pub key: String,
    /// The name to show.
    pub name: String,
}
