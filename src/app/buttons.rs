//! Buttons about one version of a reply, and the forms that they open.

use super::by_hand::is_web;
use super::directory::Known;
use super::inbound::{Given, Inbound, Response, Unavailable};
use super::request::{Ask, Pressed};
use super::text;
use super::understand::AboutReply;
use crate::domain::message::ReplyVerb;
use crate::domain::{CaseNumber, Reply, ReplyId, Role};

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
        if known.role < Role::Agent {
            return Ok(text::may_only_look());
        }
        let AboutReply {
            reply: id,
            version,
            verb,
            seal,
        } = button;
        let what = match (verb, words) {
            (ReplyVerb::Edit, Some(words)) => Pressed::Edit(words),
            (ReplyVerb::Reject, Some(reason)) => Pressed::Reject(reason),
            (ReplyVerb::There, Some(address)) => {
                if let Some(response) = self.before_a_visit(&given.key, case, id, version, &seal).await? {
                    return Ok(response);
                }
                match self.visit(id, address).await? {
                    Ok(there) => there,
                    Err(refused) => return Ok(refused),
                }
            }
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
        let found = self.sealed(case, id, version, seal).await?;
        let form = found.and_then(|reply| text::reply_form(&reply, verb, seal));
        Ok(form.map_or_else(|| text::another_version(case), Response::Ask))
    }

    /// The reply that this button was made for, if it still is as it was then.
    async fn sealed(
        &self,
        case: CaseNumber,
        id: ReplyId,
        version: i64,
        seal: &str,
    ) -> Result<Option<Reply>, Unavailable> {
        let found = self.store.replies(&[id]).await?;
        Ok(found.into_iter().find(|reply| {
            reply.case == case
                && reply.version == version
                && self.rules.button_key.fits(id, version, &reply.hash, seal)
        }))
    }

    /// The answer that needs no look at the address: what a repeated form was answered before, though
    /// its page may be away by now, and a refusal, for nobody is sent to an address by a forged form.
    async fn before_a_visit(
        &self,
        key: &str,
        case: CaseNumber,
        id: ReplyId,
        version: i64,
        seal: &str,
    ) -> Result<Option<Response>, Unavailable> {
        let before = self.answered_before(key).await?;
        if before.is_some() {
            return Ok(before);
        }
        let fits = self.sealed(case, id, version, seal).await?.is_some();
        Ok((!fits).then(|| text::another_version(case)))
    }

    /// Looks at the address at which a person says that a reply stands.
    pub(super) async fn visit(
        &self,
        id: ReplyId,
        address: String,
    ) -> Result<Result<Pressed, Response>, Unavailable> {
        let address = address.trim().to_owned();
        if !is_web(&address) {
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
