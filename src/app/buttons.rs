//! Buttons about one version of a reply, and the forms that they open.

use super::directory::Known;
use super::inbound::{Given, Inbound, Response, Unavailable};
use super::request::{Ask, Pressed};
use super::text;
use super::understand::AboutReply;
use crate::domain::message::ReplyVerb;
use crate::domain::{CaseNumber, Reply, ReplyId};

impl Inbound {
    /// A button about a reply, or the form that one opened.
    pub(super) async fn button(
        &self,
        given: Given,
        known: Known,
        case: CaseNumber,
        button: AboutReply,
        words: Option<String>,
    ) -> Result<Response, Unavailable> {
        let AboutReply {
            reply: id,
            version,
            verb,
            seal,
        } = button;
        let what = match (verb, words) {
            (ReplyVerb::Edit, Some(words)) => Pressed::Edit(words),
            (ReplyVerb::Reject, Some(reason)) => Pressed::Reject(reason),
            (ReplyVerb::There, Some(address)) => match self.visit(id, address).await? {
                Ok(there) => there,
                Err(refused) => return Ok(refused),
            },
            (ReplyVerb::Edit | ReplyVerb::Reject | ReplyVerb::There, None) => {
                return self.ask_about(case, id, version, verb, &seal).await;
            }
            (ReplyVerb::Send, _) => Pressed::Send,
            (ReplyVerb::Approve, _) => Pressed::Approve,
            (ReplyVerb::Discard, _) => Pressed::Discard,
            (ReplyVerb::NotThere, _) => Pressed::NotThere,
            (ReplyVerb::ConfirmNotThere, _) => Pressed::NotThereEither,
            (ReplyVerb::GiveUp, _) => Pressed::GiveUp,
        };
        let ask = Ask::Press {
            reply: id,
            version,
            seal,
            what,
        };
        self.order(given, known, case, ask).await
    }

    /// The form that a button about a reply opens.
    async fn ask_about(
        &self,
        case: CaseNumber,
        id: ReplyId,
        version: i64,
        verb: ReplyVerb,
        seal: &str,
    ) -> Result<Response, Unavailable> {
        let found = self.store.replies(&[id]).await?;
        let fits = |reply: &&Reply| {
            reply.case == case
                && reply.version == version
                && self.rules.button_key.fits(id, version, &reply.hash, seal)
        };
        let form = found
            .iter()
            .find(fits)
            .and_then(|reply| text::reply_form(reply, verb, seal));
        Ok(form.map_or_else(|| text::another_version(case), Response::Ask))
    }

    /// Looks at the address at which a person says that a reply stands.
    pub(super) async fn visit(
        &self,
        id: ReplyId,
        address: String,
    ) -> Result<Result<Pressed, Response>, Unavailable> {
        let address = address.trim().to_owned();
        let web = url::Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !web {
            return Ok(Err(text::no_address("That is no address of the web.")));
        }
        let found = self.store.replies(&[id]).await?;
        let Some(reply) = found.first() else {
            return Ok(Err(text::settled_already()));
        };
        let Some(network) = self.rules.networks.get(&reply.source) else {
            return Ok(Err(text::source_gone(reply.source.as_str())));
        };
        let looked = tokio::time::timeout(self.rules.timeout, network.visit(reply, &address)).await;
        Ok(match looked {
            Ok(Ok(seen)) => Ok(Pressed::There { address, seen }),
            Ok(Err(error)) => Err(text::no_address(&error.to_string())),
            Err(_) => Err(text::no_address("The platform did not answer in time.")),
        })
    }
}
