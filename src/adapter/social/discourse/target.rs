//! What a reply answers, read just before it is sent; and an address that a person says it stands at.

use super::Discourse;
use super::api::before;
use super::translate::{self, is_gone, parts, words};
use super::wire;
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{PortError, Published, Target};
use url::Url;

impl Discourse {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let gone = |why: &str| Ok(Target::Gone(why.to_owned()));
        let Some((topic, number)) = parts(&reply.target) else {
            return gone("its id is none of this forum");
        };
        let Some(mut post) = self.post(topic, number).await.map_err(before)? else {
            return gone("the post is gone, or our account may not see it any more");
        };
        if is_gone(&post) {
            return gone("the post was taken back, or removed");
        }
        if post.user_id.to_string() != reply.author.as_str() {
            return gone("the forum shows another author for that post");
        }
        let Some(above) = self.topic(topic).await.map_err(before)? else {
            return gone("its topic is gone");
        };
        if reply.audience == Audience::Public && (above.closed || above.archived) {
            return Ok(Target::Locked("its topic is closed".to_owned()));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() && reply.audience == Audience::Public {
            let own = self.own_answers(reply, post.created_at).await.map_err(before)?;
            let by_hand = |own: &&wire::Post| !ours.contains(&translate::id(own.topic_id, own.post_number));
            if let Some(own) = own.iter().find(by_hand) {
                let published = self.published(reply, own).await?;
                return Ok(Target::Answered {
                    text: own.raw.clone(),
                    url: published.url,
                });
            }
        }
        if number == 1 {
            post.topic_title = Some(above.title);
        }
        Ok(Target::Stands { text: words(&post) })
    }

    /// The post at an address of this forum such as `https://forum.example/t/a-title/12/3`.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let known = self.known().await.map_err(before)?;
        let place = Url::parse(told.trim())
            .ok()
            .and_then(|url| place(self.api.base(), &url));
        let Some((topic, number)) = place else {
            return refuse("that is no address of a post on this forum");
        };
        let unread = |error| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(post) = self.post(topic, number).await.map_err(unread)? else {
            return refuse("no post stands at that address");
        };
        if post.user_id != known.id {
            return refuse("that post is not by our account");
        }
        let published = self.published(reply, &post).await?;
        if published.parent.as_ref() != Some(&reply.target) {
            return refuse("that post does not answer the customer's post");
        }
        Ok(published)
    }
}

/// The topic and the number in an address; a topic's own is that of its first post.
fn place(base: &Url, url: &Url) -> Option<(i64, i64)> {
    if url.host_str() != base.host_str() || url.port_or_known_default() != base.port_or_known_default() {
        return None;
    }
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    if parts.next()? != "t" {
        return None;
    }
    let numbers: Vec<i64> = parts.filter_map(|part| part.parse().ok()).collect();
    match numbers[..] {
        [topic] => Some((topic, 1)),
        [topic, number] => Some((topic, number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://forum.example/talk/t/a-title/12/3?u=x", Some((12, 3)))]
    #[case("https://forum.example/talk/t/12/3", Some((12, 3)))]
    #[case("https://forum.example/talk/t/a-title/12", Some((12, 1)))]
    #[case("https://forum.example/talk/u/help", None)]
    #[case("https://evil.example/talk/t/a-title/12/3", None)]
    fn an_address_names_a_post(#[case] address: &str, #[case] named: Option<(i64, i64)>) {
        let base = Url::parse("https://forum.example/talk/").unwrap();
        assert_eq!(place(&base, &Url::parse(address).unwrap()), named);
    }
}
