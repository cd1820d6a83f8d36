//! A page at which an agent says that the answer stands, which was written by hand.
//!
//! Looked at is whether a page is there, and whether it belongs to what the customer wrote: it is on the same
//! site, or it links to it. Its words prove nothing more, as sites show answers in a hundred ways. A site that
//! lets no machine read (401, 403, 429, or out of order) cannot be looked at, and the case says so.

use super::{READING, Rss};
use crate::adapter::guard::{Ask, Barred};
use crate::adapter::http;
use crate::domain::{NativeId, Reply};
use crate::port::{PortError, Published};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use url::Url;

/// What stands at an address.
pub(super) struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Rss {
    /// Whether an address is at the server that the configuration names, which needs no guard.
    pub(super) fn is_own(&self, at: &Url) -> bool {
        at.origin() == self.feed.origin()
    }

    /// What stands at an address that came from outside, through the guard.
    pub(super) async fn outside(&self, address: &str, headers: HeaderMap) -> Result<Page, Barred> {
        let ask = Ask {
            url: address,
            headers,
            most: http::MOST_BODY,
            time: READING,
        };
        let fetched = self.guard.get(&ask).await?;
        Ok(Page {
            status: fetched.status,
            headers: fetched.headers,
            body: fetched.body,
        })
    }

    async fn read_page(&self, url: &Url) -> Result<Page, Barred> {
        if !self.is_own(url) {
            return self.outside(url.as_str(), HeaderMap::new()).await;
        }
        let broken = |error: reqwest::Error| Barred::Broken(http::explain(&error));
        let answer = self.reader.get(url.clone()).send().await.map_err(broken)?;
        Ok(Page {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: http::body(answer).await.map_err(Barred::Broken)?,
        })
    }

    /// Looks at the page; `None` where its site lets nobody look.
    pub(super) async fn look_at_page(
        &self,
        reply: &Reply,
        address: &str,
    ) -> Result<Option<Published>, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Ok(url) = Url::parse(address) else {
            return refuse("that is no address");
        };
        let post = reply.target_url.as_deref().and_then(|url| Url::parse(url).ok());
        if post.as_ref() == Some(&url) {
            return refuse("that is the customer's own post: copy the address of the answer below it");
        }
        let page = match self.read_page(&url).await {
            Ok(page) => page,
            Err(Barred::Forbidden(why)) => return refuse(&why),
            Err(error) => {
                let why = format!("the page could not be read ({error})");
                return Err(PortError::NotReached(why));
            }
        };
        match page.status.as_u16() {
            200..=299 => {}
            401 | 403 | 429 | 500..=599 => return Ok(None),
            404 | 410 => return refuse("no page stands at that address"),
            status => {
                return refuse(&format!(
                    "the page could not be read (its server answered {status})"
                ));
            }
        }
        let belongs = post.is_some_and(|post| is_same_site(&post, &url) || links_to(&page.body, &post));
        Ok(Some(Published {
            id: NativeId::new(address),
            url: Some(address.to_owned()),
            parent: belongs.then(|| reply.target.clone()),
            author: None,
        }))
    }
}

fn is_same_site(one: &Url, other: &Url) -> bool {
    let host = |url: &Url| {
        url.host_str()
            .map(|host| host.trim_start_matches("www.").to_owned())
    };
    host(one).is_some() && host(one) == host(other)
}

/// Whether the address stands in the page, as it is or with `&` written as markup wants it.
fn links_to(page: &[u8], post: &Url) -> bool {
    let page = String::from_utf8_lossy(page);
    let bare = post.as_str().trim_end_matches('/');
    page.contains(bare) || page.contains(&bare.replace('&', "&amp;"))
}
