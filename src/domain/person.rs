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

/// Begins the key of somebody of whom only the name is known.
const OPERATOR: &str = "operator:";

impl Agent {
    /// Somebody at the command line, known by name alone.
    #[must_use]
    pub fn operator(name: &str) -> Self {
        Self {
            key: format!("{OPERATOR}{}", name.to_lowercase()),
            name: name.to_owned(),
        }
    }

    /// Whether both can be one person: where a second one is asked for, that does not count. Of who
    /// acts from the command line only the name is known, so there the same name is the same person.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        let by_name = self.key.starts_with(OPERATOR) || other.key.starts_with(OPERATOR);
        self.key == other.key || (by_name && self.name.to_lowercase() == other.name.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_by_name_alone_is_everybody_of_that_name() {
        let member = |key: &str, name: &str| Agent {
            key: key.to_owned(),
            name: name.to_owned(),
        };
        let (olga, other) = (Agent::operator("Olga"), Agent::operator("olga"));
        assert!(olga.may_be(&other));
        assert!(olga.may_be(&member("discord:1", "OLGA")));
        assert!(member("discord:1", "Olga").may_be(&olga));
        assert!(!olga.may_be(&Agent::operator("Oleg")));
        assert!(!member("discord:1", "Olga").may_be(&member("discord:2", "Olga")));
    }
}
