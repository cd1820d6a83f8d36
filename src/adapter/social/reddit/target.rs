//! What a reply answers, read just before it is sent; and an address that a person says it stands at.

use super::publish::{is_by, published};
use super::session::before;
use super::translate::{address, is_gone, words};
use super::wire::Data;
use super::{NO_MESSAGES, Reddit};
use crate::domain::{NativeId, Reply};
use crate::port::{PortError, Published, Target};
use url::Url;

impl Reddit {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        if reply.target.as_str().starts_with("t4_") {
            return Ok(Target::Locked(NO_MESSAGES.to_owned()));
        }
        let names = [reply.target.as_str(), reply.conversation.as_str()];
        let mut things = self.things(&names).await.map_err(before)?;
        let Some(post) = things.remove(reply.target.as_str()).map(|thing| thing.data) else {
            return Ok(Target::Gone("Reddit does not show the post any more".to_owned()));
        };
        if is_gone(&post) {
            return Ok(Target::Gone(
                "the post was taken back, or moderators removed it".to_owned(),
            ));
        }
        if !is_by(&post, &reply.author) {
            return Ok(Target::Gone(
                "Reddit shows another author for that post".to_owned(),
            ));
        }
        let above = things.remove(reply.conversation.as_str()).map(|thing| thing.data);
        if let Some(why) = [Some(&post), above.as_ref()]
            .into_iter()
            .flatten()
            .find_map(closed)
        {
            return Ok(Target::Locked(why.to_owned()));
        }
        if let Some(own) = self.native_answer(reply, &post, ours).await? {
            return Ok(Target::Answered {
                text: own.body.clone().unwrap_or_default(),
                url: address(&own),
            });
        }
        Ok(Target::Stands { text: words(&post) })
    }

    /// An answer of our account to the post that was not given here.
    async fn native_answer(
        &self,
        reply: &Reply,
        post: &Data,
        ours: &[NativeId],
    ) -> Result<Option<Data>, PortError> {
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_some() {
            return Ok(None);
        }
        let (own, _) = self.own_comments(post.created_at()).await.map_err(before)?;
        let mut own = own.into_iter().map(|thing| thing.data);
        Ok(own.find(|own| {
            own.created_at() >= post.created_at()
                && own.parent_id.as_deref() == Some(reply.target.as_str())
                && !ours.contains(&NativeId::new(&own.name))
        }))
    }

    /// The comment at an address such as `https://www.reddit.com/r/…/comments/POST/…/COMMENT/`.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Some(id) = comment(told.trim()) else {
            return refuse("that is no address of a comment on Reddit");
        };
        let name = NativeId::new(format!("t1_{id}"));
        let unread = |error| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(thing) = self.thing(&name).await.map_err(unread)? else {
            return refuse("no comment stands at that address");
        };
        if !is_by(&thing.data, &self.me) {
            return refuse("that comment is not by our account");
        }
        if thing.data.parent_id.as_deref() != Some(reply.target.as_str()) {
            return refuse("that comment does not answer the customer's post");
        }
        published(&thing.data)
    }
}

/// Why a post takes no comment.
fn closed(post: &Data) -> Option<&'static str> {
    if post.locked == Some(true) {
        Some("moderators locked it")
    } else if post.archived == Some(true) {
        Some("it is archived, and takes no comments any more")
    } else {
        None
    }
}

/// The id of the comment at an address of Reddit's.
fn comment(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?;
    if host != "reddit.com" && !host.ends_with(".reddit.com") {
        return None;
    }
    let parts: Vec<_> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    let at = parts.iter().position(|part| *part == "comments")?;
    let id = parts.get(at + 3)?;
    let sound = id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound.then(|| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "https://www.reddit.com/r/shop/comments/1j7g9uj/late/mynqwvd/?context=3",
        Some("mynqwvd")
    )]
    #[case("https://old.reddit.com/comments/1j7g9uj/_/mynqwvd", Some("mynqwvd"))]
    #[case("https://www.reddit.com/r/shop/comments/1j7g9uj/late/", None)]
    #[case(
        "https://www.reddit.com.evil.example/r/shop/comments/1j7g9uj/late/mynqwvd",
        None
    )]
    #[case("https://www.reddit.com/r/shop/comments/1j7g9uj/late/..%2Fx", None)]
    fn an_address_names_a_comment(#[case] address: &str, #[case] named: Option<&str>) {
        assert_eq!(comment(address).as_deref(), named);
    }
}
