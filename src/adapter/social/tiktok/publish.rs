//! What a reply answers, read just before it is sent, and the way out. TikTok honours no key, and an uncertain
//! end is shown to a person (see the module's head).

use super::TikTok;
use super::call::{Failed, before};
use super::feed::{author, native, parts};
use super::wire::{Comment, Comments, Created};
use crate::adapter::ids;
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{Permit, PortError, Published, Target};
use serde_json::json;
use tokio::time::timeout_at;

impl TikTok {
    /// The comment that is answered. `None`: it is gone.
    async fn answered(&self, reply: &Reply) -> Result<Option<Comment>, Failed> {
        let Some((video, id)) = parts(reply.target.as_str()) else {
            return Ok(None);
        };
        let found = self.several(video, &[id]).await?;
        Ok(found.into_iter().find(|comment| comment.comment_id == id))
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let Some(comment) = self.answered(reply).await.map_err(before)? else {
            return Ok(Target::Gone("the comment is gone".to_owned()));
        };
        if author(&comment) != reply.author.as_str() {
            return Ok(Target::Gone(
                "TikTok shows another author for that comment".to_owned(),
            ));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none()
            && let Some(other) = self.own_answer(&comment, ours).await.map_err(before)?
        {
            return Ok(Target::Answered {
                text: other.text,
                url: self.addresses().get(&comment.video_id).cloned(),
            });
        }
        Ok(Target::Stands { text: comment.text })
    }

    /// An answer of the account's to a comment that is not known here, on the newest page of the thread: with
    /// one level of answers, one that comes after it and before somebody else's next.
    async fn own_answer(&self, comment: &Comment, ours: &[NativeId]) -> Result<Option<Comment>, Failed> {
        let query = [
            ("video_id", comment.video_id.as_str()),
            ("comment_id", comment.root()),
            ("sort_field", "create_time"),
            ("sort_order", "desc"),
            ("max_count", "30"),
        ];
        let path = ["business", "comment", "reply", "list"];
        let page: Comments = self.way.get(&path, &query).await?;
        let read = page.comments.iter();
        let read = read.filter_map(|raw| serde_json::from_str::<Comment>(raw.get()).ok());
        let mut thread: Vec<_> = read
            .filter(|other| other.comment_id != comment.comment_id)
            .collect();
        thread.push(comment.clone());
        thread.sort_by_key(|other| (other.at(), other.comment_id.parse::<u64>().unwrap_or(0)));
        let mut last = String::new();
        for other in thread {
            if !other.owner {
                last = other.comment_id;
            } else if last == comment.comment_id && !ours.contains(&NativeId::new(native(&other))) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading, what is left for publishing.
        let began = tokio::time::Instant::now();
        let late =
            |_| PortError::NotReached("the comment could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 2, self.prepare(reply));
        let comment = reading.await.map_err(late)??;
        let left = self.timeout.saturating_sub(began.elapsed());
        let body = json!({
            "business_id": self.business, "video_id": comment.video_id, "comment_id": comment.comment_id,
            "text": reply.text,
        });
        let path = ["business", "comment", "reply", "create"];
        let created: Created = self.way.publish(&path, &body, (left, permit)).await?;
        let id = format!("{}:{}", comment.video_id, created.comment_id);
        let id = ids::reply_id(&id)
            .map_err(|why| PortError::Unknown(format!("the reply was published, but {why}")))?;
        // There is one level of answers: one to an answer stands below the first comment, too.
        let parent = created.parent_comment_id;
        let right = parent == comment.comment_id || parent == comment.root();
        Ok(Published {
            id,
            url: self.addresses().get(&comment.video_id).cloned(),
            parent: match parent.as_str() {
                "" | "0" => None,
                _ if right => Some(reply.target.clone()),
                other => Some(NativeId::new(format!("{}:{other}", comment.video_id))),
            },
            author: None,
        })
    }

    async fn prepare(&self, reply: &Reply) -> Result<Comment, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        if reply.audience == Audience::Private {
            return stop("private messages are not written here");
        }
        let account = reply.account.as_ref();
        if account.is_some_and(|account| account.as_str() != self.business) {
            return stop("this is another account than the one the reply was approved for");
        }
        match self.answered(reply).await.map_err(before)? {
            None => stop("the comment is gone"),
            Some(comment) if author(&comment) != reply.author.as_str() => {
                stop("TikTok shows another author for that comment")
            }
            Some(comment) => Ok(comment),
        }
    }
}
