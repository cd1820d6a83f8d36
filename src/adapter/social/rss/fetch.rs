//! One reading of the feed over HTTP: conditional, with the server's wishes obeyed.
//!
//! `If-None-Match` and `If-Modified-Since` (<https://www.rfc-editor.org/rfc/rfc9110#section-13>), so that an
//! unchanged feed costs its server one line; `Retry-After` with 429 and 503; `max-age`
//! (<https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1>); 410 as the end of the feed.

use super::Rss;
use super::memory::Validators;
use crate::adapter::api::Failed;
use crate::adapter::guard::Barred;
use crate::adapter::http;
use crate::domain::Instant;
use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap, HeaderValue};
use std::time::Duration;
use url::Url;

/// The most redirects that are followed.
const MOST_HOPS: usize = 5;
/// The longest time for which a server's word that nothing changes is taken.
const MOST_FRESH: Duration = Duration::from_secs(60 * 60);
/// What we can read.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, \
     application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1";

/// What a reading brought.
pub(super) enum Got {
    /// It is as it was.
    Unchanged,
    /// It is this.
    Feed {
        /// As it was sent.
        body: Vec<u8>,
        /// What the server says that it is written in.
        charset: Option<String>,
        /// To ask next time whether it changed.
        validators: Validators,
    },
}

/// A reading, with what the server says beside it.
pub(super) struct Reading {
    pub got: Got,
    /// For how long nothing changes.
    pub fresh: Option<Duration>,
    /// What time the server says it is.
    pub date: Option<Instant>,
}

/// An answer, whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Rss {
    /// Reads the feed.
    ///
    /// # Errors
    /// It had no success.
    pub(super) async fn fetch(&self, known: &Validators) -> Result<Reading, Failed> {
        let mut at = self.feed.clone();
        for _ in 0..=MOST_HOPS {
            let answer = self.ask(&at, known).await?;
            if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
                return self.taken(answer);
            }
            at = self.next(&at, &answer)?;
        }
        Err(Failed::Broken("the feed's address leads in a circle".to_owned()))
    }

    async fn ask(&self, at: &Url, known: &Validators) -> Result<Answer, Failed> {
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(ACCEPT))]);
        let told = [
            (header::IF_NONE_MATCH, &known.etag),
            (header::IF_MODIFIED_SINCE, &known.modified),
        ];
        for (name, value) in told {
            if let Some(value) = value.as_ref().and_then(|value| value.parse().ok()) {
                headers.insert(name, value);
            }
        }
        if !self.is_own(at) {
            return self.ask_outside(at, headers).await;
        }
        let answer = self.reader.get(at.clone()).headers(headers).send().await;
        let answer = answer.map_err(|error| {
            if http::never_sent(&error) {
                Failed::Unreached(http::explain(&error))
            } else {
                Failed::Broken(http::explain(&error))
            }
        })?;
        Ok(Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: http::body(answer).await.map_err(Failed::Broken)?,
        })
    }

    /// Asks a server that the configuration does not name: the feed's own led there.
    async fn ask_outside(&self, at: &Url, headers: HeaderMap) -> Result<Answer, Failed> {
        let page = self.outside(at.as_str(), headers).await;
        let page = page.map_err(|error| match error {
            Barred::Unreached(why) => Failed::Unreached(why),
            Barred::Forbidden(_) | Barred::TooLarge(_) | Barred::Broken(_) => {
                Failed::Broken(format!("the feed's address leads to another server, and {error}"))
            }
        })?;
        Ok(Answer {
            status: page.status,
            headers: page.headers,
            body: page.body,
        })
    }

    /// Where a redirect leads. A feed that was safe stays so.
    fn next(&self, at: &Url, answer: &Answer) -> Result<Url, Failed> {
        let to = text(&answer.headers, header::LOCATION).and_then(|to| at.join(to).ok());
        let Some(to) = to.filter(|to| matches!(to.scheme(), "http" | "https") && to.has_host()) else {
            return Err(Failed::Broken("the feed's address leads nowhere".to_owned()));
        };
        if at.scheme() == "https" && to.scheme() == "http" {
            return Err(Failed::Broken(
                "the feed's address leads away from https".to_owned(),
            ));
        }
        let moved = [StatusCode::MOVED_PERMANENTLY, StatusCode::PERMANENT_REDIRECT];
        if moved.contains(&answer.status) && self.troubles.note("moved") {
            tracing::warn!(
                source = %self.source, to = to.host_str(),
                "The feed has moved for good: write its new address into the configuration."
            );
        }
        Ok(to)
    }

    fn taken(&self, answer: Answer) -> Result<Reading, Failed> {
        let Answer {
            status,
            headers,
            body,
        } = answer;
        let limited = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::SERVICE_UNAVAILABLE && headers.contains_key(header::RETRY_AFTER);
        if limited {
            let told = text(&headers, header::RETRY_AFTER);
            return Err(Failed::Limited(http::retry_after(told, self.clock.now())));
        }
        let got = if status == StatusCode::NOT_MODIFIED {
            Got::Unchanged
        } else if status.is_success() {
            let validators = Validators {
                etag: text(&headers, header::ETAG).map(str::to_owned),
                modified: text(&headers, header::LAST_MODIFIED).map(str::to_owned),
            };
            Got::Feed {
                body,
                charset: charset(&headers),
                validators,
            }
        } else {
            return Err(Failed::Status { status, told: None });
        };
        Ok(Reading {
            got,
            fresh: max_age(&headers),
            date: text(&headers, header::DATE)
                .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
                .map(|date| date.to_utc()),
        })
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What the body is written in, as its type says.
fn charset(headers: &HeaderMap) -> Option<String> {
    let told = text(headers, header::CONTENT_TYPE)?;
    told.split(';').skip(1).find_map(|word| {
        let (name, value) = word.trim().split_once('=')?;
        name.eq_ignore_ascii_case("charset")
            .then(|| value.trim_matches('"').to_owned())
    })
}

/// For how long the answer may be used again, as the server says, at most [`MOST_FRESH`].
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let control = text(headers, header::CACHE_CONTROL)?;
    let seconds = control.split(',').find_map(|word| {
        let (name, value) = word.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age")
            .then(|| value.trim_matches('"').parse::<u64>().ok())
            .flatten()
    })?;
    Some(Duration::from_secs(seconds).min(MOST_FRESH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("public, max-age=300", Some(300))]
    #[case("Max-Age=\"60\"", Some(60))]
    #[case("max-age=99999999", Some(3600))]
    #[case("no-cache", None)]
    #[case("max-age=soon", None)]
    fn a_server_says_how_long_nothing_changes(#[case] control: &str, #[case] seconds: Option<u64>) {
        let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, control.parse().unwrap())]);
        assert_eq!(max_age(&headers), seconds.map(Duration::from_secs));
    }
}
