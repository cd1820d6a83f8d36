//! An answer that an agent gave without us, where we cannot: looked at, and noted.

use super::act::answered;
use super::directory::Known;
use super::inbound::{Given, Inbound, Response, Unavailable};
use super::request::Ask;
use super::text;
use crate::domain::case::Wish;
use crate::domain::{Agent, Case, CaseNumber, IdempotencyKey, Post, Reply, ReplyId};
use crate::port::Published;

impl Inbound {
    /// Notes that a case was answered by hand, at this address, after a look at it where the network can.
    pub(super) async fn answered_by_hand(
        &self,
        given: Given,
        known: Known,
        number: CaseNumber,
        address: &str,
    ) -> Result<Response, Unavailable> {
        if let Some(before) = self.answered_before(&given.key).await? {
            return Ok(before);
        }
        // As chats write an address: <https://…|words>.
        let address = address.trim().trim_matches(['<', '>']);
        let address = address.split('|').next().unwrap_or_default().to_owned();
        if !is_web(&address) {
            return Ok(text::no_address("That is no address of the web."));
        }
        let Some(case) = self.store.cases(&[number]).await?.into_iter().next() else {
            return Ok(text::no_such_case(number));
        };
        let looked = match self.look_at(&case, &known.agent, &address).await? {
            Ok(looked) => looked,
            Err(refused) => return Ok(refused),
        };
        let wish = Wish::Answered { url: address, looked };
        self.order(given, known, number, Ask::Wish(wish)).await
    }

    /// What was answered to this key before.
    pub(super) async fn answered_before(&self, key: &str) -> Result<Option<Response>, Unavailable> {
        let known = self.store.known(&[], &[], &[key.to_owned()]).await?;
        Ok(known.inbox.first().and_then(|row| answered(&row.answer)))
    }

    /// Whether somebody could look at the address, and the answer stands there.
    async fn look_at(
        &self,
        case: &Case,
        agent: &Agent,
        address: &str,
    ) -> Result<Result<bool, Response>, Unavailable> {
        let Some(network) = self.rules.networks.get(&case.source) else {
            return Ok(Err(text::source_gone(case.source.as_str())));
        };
        let key = (case.source.clone(), case.last_post.clone());
        let posts = self.store.posts(&[key]).await?;
        let Some(post) = posts.into_iter().next().map(|stored| stored.post) else {
            return Ok(Err(text::target_gone(case.number)));
        };
        let reply = answer_to(case, agent, post);
        let looking = network.visit(&reply, address);
        Ok(match tokio::time::timeout(self.rules.timeout, looking).await {
            Ok(Ok(Some(seen))) if is_answer(&reply, &seen) => Ok(true),
            Ok(Ok(Some(_))) => Err(text::no_address(
                "What stands at that address is no answer to what the customer wrote.",
            )),
            Ok(Ok(None)) => Ok(false),
            Ok(Err(error)) => Err(text::no_address(&error.to_string())),
            Err(_) => Err(text::no_address("The platform did not answer in time.")),
        })
    }
}

/// Whether a text is an address of the web.
pub(super) fn is_web(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// The answer as the network is asked for it: to which post, by whom. It is stored nowhere.
fn answer_to(case: &Case, agent: &Agent, post: Post) -> Reply {
    let key = IdempotencyKey::new(String::new());
    let blank = Reply::blank(
        ReplyId(0),
        case.number,
        case.source.clone(),
        agent.clone(),
        key,
        post.created_at,
    );
    Reply {
        conversation: case.conversation.clone(),
        target: post.id,
        target_url: post.url,
        target_text: Some(post.text),
        target_visibility: post.visibility,
        author: post.author.id,
        author_handle: post.author.handle,
        ..blank
    }
}

fn is_answer(reply: &Reply, seen: &Published) -> bool {
    seen.parent.as_ref() == Some(&reply.target)
}
