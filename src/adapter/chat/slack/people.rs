//! Who somebody is right now: the name to show, and the user groups that give access.
//!
//! Groups are asked for when somebody acts and believed for at most thirty seconds. When Slack does
//! not tell, the person is in none of them, and is told so.

use super::Slack;
use super::translate::Who;
use crate::domain::Person;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a group's members are believed.
const BELIEVED: Duration = Duration::from_secs(30);
/// How long a name is believed: people change theirs.
const NAME_BELIEVED: Duration = Duration::from_secs(600);
/// How long somebody who acts waits for these questions.
const BUDGET: Duration = Duration::from_secs(1);
/// The most names that are remembered.
const MOST_NAMES: usize = 5000;
/// The most people who are called by name in one text.
const MOST_MENTIONS: usize = 10;

#[derive(Debug, Default)]
pub(super) struct People {
    members: tokio::sync::Mutex<HashMap<String, (Instant, HashSet<String>)>>,
    names: Mutex<HashMap<String, (Instant, String)>>,
    /// Whether it was said that the groups cannot be read.
    unread: AtomicBool,
}

/// The groups of interest that somebody is in, and those of which Slack did not tell.
#[derive(Debug, Default)]
pub(super) struct Groups {
    inside: Vec<String>,
    /// Nobody knows whether the person is in these.
    pub unread: Vec<String>,
}

impl Slack {
    /// The person, with name and groups; and the groups of which nobody knows.
    pub(super) async fn person(self: &Arc<Self>, who: &Who) -> (Person, Vec<String>) {
        let (name, groups) = tokio::join!(self.name_of(&who.user), self.groups_of(who));
        let person = Person {
            chat: self.name.clone(),
            user: who.user.clone(),
            workspace: who.workspace.clone(),
            name: name
                .or_else(|| who.name.clone())
                .unwrap_or_else(|| who.user.clone()),
            groups: groups.inside,
        };
        (person, groups.unread)
    }

    /// The name people see; what a payload calls a name may be another one.
    async fn name_of(&self, user: &str) -> Option<String> {
        let known = self.names().get(user).cloned();
        if let Some((asked, name)) = &known
            && asked.elapsed() < NAME_BELIEVED
        {
            return Some(name.clone());
        }
        let Some(name) = self.ask_name(user).await else {
            return known.map(|(_, name)| name);
        };
        let mut names = self.names();
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        names.insert(user.to_owned(), (Instant::now(), name.clone()));
        Some(name)
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, String)>> {
        self.people.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// <https://docs.slack.dev/reference/methods/users.info>
    async fn ask_name(&self, user: &str) -> Option<String> {
        let query = [("user", user)];
        let asked = self.api.get(&self.bot_token, "users.info", &query);
        let answer = tokio::time::timeout(BUDGET, asked).await.ok()?.ok()?;
        let fields = ["/user/profile/display_name", "/user/real_name", "/user/name"];
        let mut told = fields.iter().filter_map(|field| answer.text(field));
        told.find(|name| !name.is_empty()).map(str::to_owned)
    }

    /// The text with names in place of mentions that tell only an id.
    ///
    /// # Errors
    /// Slack does not tell the name of this id.
    pub(super) async fn with_names(&self, text: &str) -> Result<String, String> {
        let mut out = text.to_owned();
        let ids: HashSet<_> = mentioned(text).collect();
        for id in ids.into_iter().take(MOST_MENTIONS) {
            let name = self.name_of(id).await.ok_or_else(|| id.to_owned())?;
            out = out.replace(&format!("<@{id}>"), &format!("@{name}"));
        }
        let left = mentioned(&out).next().map(str::to_owned);
        left.map_or(Ok(out), Err)
    }

    /// Nobody of another workspace is in our groups.
    async fn groups_of(self: &Arc<Self>, who: &Who) -> Groups {
        let foreign = self.home().is_some_and(|home| home != who.workspace);
        if self.groups.is_empty() || foreign {
            return Groups::default();
        }
        // The question goes on when nobody waits for it any more: the next one finds its answer.
        let (slack, user) = (Arc::clone(self), who.user.clone());
        let asked = self.tasks.spawn(async move { slack.memberships(&user).await });
        let groups = match tokio::time::timeout(BUDGET, asked).await {
            Ok(Ok(groups)) => groups,
            Ok(Err(_)) | Err(_) => Groups {
                inside: Vec::new(),
                unread: self.groups.clone(),
            },
        };
        let unread = !groups.unread.is_empty();
        if unread && !self.people.unread.swap(unread, Ordering::Relaxed) {
            tracing::warn!("Slack does not tell who is in the user groups; nobody has access by them now.");
        } else if !unread && self.people.unread.swap(unread, Ordering::Relaxed) {
            tracing::info!("Slack tells again who is in the user groups.");
        }
        groups
    }

    async fn memberships(&self, user: &str) -> Groups {
        let mut members = self.people.members.lock().await;
        members.retain(|_, (asked, _)| asked.elapsed() < BELIEVED);
        let unknown = self.groups.iter().filter(|group| !members.contains_key(*group));
        let asked = join_all(unknown.map(|group| async move { (group, self.members(group).await) })).await;
        for (group, told) in asked {
            match told {
                Ok(told) => {
                    members.insert(group.clone(), (Instant::now(), told));
                }
                Err(error) => tracing::debug!(group, %error, "The members of a user group cannot be read."),
            }
        }
        let mut groups = Groups::default();
        for group in &self.groups {
            match members.get(group) {
                Some((_, members)) if members.contains(user) => groups.inside.push(group.clone()),
                Some(_) => {}
                None => groups.unread.push(group.clone()),
            }
        }
        groups
    }

    /// <https://docs.slack.dev/reference/methods/usergroups.users.list>
    async fn members(&self, group: &str) -> Result<HashSet<String>, super::api::Failure> {
        let query = [("usergroup", group)];
        let answer = self
            .api
            .get(&self.bot_token, "usergroups.users.list", &query)
            .await?;
        let users = answer.body["users"].as_array();
        let ids = users.into_iter().flatten().filter_map(Value::as_str);
        Ok(ids.map(str::to_owned).collect())
    }
}

/// The ids in mentions without a name: `<@U123>`.
fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    let ids = text.split("<@").skip(1).filter_map(|rest| rest.split_once('>'));
    ids.map(|(id, _)| id).filter(|id| {
        id.starts_with(['U', 'W']) && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_without_a_name_are_found() {
        let ids: Vec<_> = mentioned("<@U1> and <@W2>, not <@U3|bo>, <@u4>, <@ U5> or <@U6").collect();
        assert_eq!(ids, ["U1", "W2"]);
    }
}
