//! Who somebody is right now: the name to show, and the user groups that give access.
//!
//! Groups are asked for when somebody acts and believed for at most thirty seconds; when Slack does
//! not tell, the person is in none of them.

use super::Slack;
use super::translate::Who;
use crate::domain::Person;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a group's members are believed.
const BELIEVED: Duration = Duration::from_secs(30);
/// How long somebody who acts waits for these questions.
const BUDGET: Duration = Duration::from_secs(1);
/// The most names that are remembered.
const MOST_NAMES: usize = 5000;

#[derive(Debug, Default)]
pub(super) struct People {
    members: tokio::sync::Mutex<HashMap<String, (Instant, HashSet<String>)>>,
    names: Mutex<HashMap<String, String>>,
}

impl Slack {
    /// The person, with name and groups.
    pub(super) async fn person(&self, who: &Who) -> Person {
        let (name, groups) = tokio::join!(self.name_of(who), self.groups_of(who));
        Person {
            chat: self.name.clone(),
            user: who.user.clone(),
            workspace: who.workspace.clone(),
            name,
            groups,
        }
    }

    async fn name_of(&self, who: &Who) -> String {
        if let Some(name) = &who.name {
            return name.clone();
        }
        let known = || self.people.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known().get(&who.user) {
            return name.clone();
        }
        let query = [("user", who.user.as_str())];
        let asked = self.api.get(&self.bot_token, "users.info", &query);
        let Ok(Ok(answer)) = tokio::time::timeout(BUDGET, asked).await else {
            return who.user.clone();
        };
        let fields = ["/user/profile/display_name", "/user/real_name", "/user/name"];
        let mut told = fields.iter().filter_map(|field| answer.text(field));
        let Some(name) = told.find(|name| !name.is_empty()) else {
            return who.user.clone();
        };
        let mut names = known();
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        names.insert(who.user.clone(), name.to_owned());
        name.to_owned()
    }

    /// The groups of interest that the person is in. Nobody of another workspace is in ours.
    async fn groups_of(&self, who: &Who) -> Vec<String> {
        let foreign = self.home().is_some_and(|home| home != who.workspace);
        if self.groups.is_empty() || foreign {
            return Vec::new();
        }
        match tokio::time::timeout(BUDGET, self.memberships(&who.user)).await {
            Ok(groups) => groups,
            Err(_) => {
                tracing::warn!(
                    "Slack does not tell who is in the user groups; nobody has access by them now."
                );
                Vec::new()
            }
        }
    }

    async fn memberships(&self, user: &str) -> Vec<String> {
        let mut members = self.people.members.lock().await;
        members.retain(|_, (asked, _)| asked.elapsed() < BELIEVED);
        let unknown = self.groups.iter().filter(|group| !members.contains_key(*group));
        let asked = join_all(unknown.map(|group| async move { (group, self.members(group).await) })).await;
        for (group, told) in asked {
            match told {
                Ok(told) => {
                    members.insert(group.clone(), (Instant::now(), told));
                }
                Err(error) => tracing::warn!(group, %error, "The members of a user group cannot be read."),
            }
        }
        let inside = |group: &&String| {
            members
                .get(*group)
                .is_some_and(|(_, members)| members.contains(user))
        };
        self.groups.iter().filter(inside).cloned().collect()
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
