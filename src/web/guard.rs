//! Who may ask the pages for what, and what browsers are told about them.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// No inline script or style, nothing from elsewhere, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The names under which the pages answer, besides `localhost` and bare addresses. A stranger's
/// page can make a name of its own lead here, but it cannot make its browser send another name.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// These names too: the host of the configured public address.
    #[must_use]
    pub fn also(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_lowercase()).collect())
    }

    fn knows(&self, authority: &str) -> bool {
        let name = without_port(authority).to_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => authority,
    }
}

/// Turns away requests under foreign names, and changes that another site's page asks for.
pub(super) async fn guard(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let host = host.or_else(|| text(request.headers(), &HOST).map(str::to_owned));
    let Some(host) = host.filter(|host| hosts.knows(host)) else {
        let say =
            "This name is not served here. Open http://localhost, or set [server] public_url to this name.\n";
        return (StatusCode::MISDIRECTED_REQUEST, say).into_response();
    };
    if changes(request.method()) && !is_own(request.headers(), &host) {
        let say = "Changes are taken only from Hearback's own pages.\n";
        return (StatusCode::FORBIDDEN, say).into_response();
    }
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Every browser sends one of the two with a change; who sends neither is no browser, and so
/// carries nobody's page.
fn is_own(headers: &HeaderMap, host: &str) -> bool {
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let origin = text(headers, &ORIGIN).map(|origin| origin.split_once("://").map(|(_, rest)| rest));
    site.is_none_or(|site| site == "same-origin") && origin.is_none_or(|origin| origin == Some(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What every answer carries.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}

/// Says that the connection ends with this answer where the request may not have been read to its end:
/// what is sent next on it would be lost.
pub(super) async fn part(mut response: Response) -> Response {
    if matches!(
        response.status(),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
    ) {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[tokio::test]
    async fn a_request_that_was_not_read_ends_its_connection() {
        let after = async |status: StatusCode| {
            part(status.into_response())
                .await
                .headers()
                .contains_key(CONNECTION)
        };
        assert!(after(StatusCode::PAYLOAD_TOO_LARGE).await);
        assert!(after(StatusCode::REQUEST_TIMEOUT).await);
        assert!(!after(StatusCode::ACCEPTED).await);
    }

    #[rstest]
    #[case("localhost", true)]
    #[case("localhost:8080", true)]
    #[case("LOCALHOST:8080", true)]
    #[case("demo.localhost:8080", true)]
    #[case("127.0.0.1:8080", true)]
    #[case("[::1]:8080", true)]
    #[case("192.168.1.4", true)]
    #[case("care.example.com", true)]
    #[case("evil.example", false)]
    #[case("127.0.0.1.evil.example", false)]
    #[case("localhost.evil.example", false)]
    #[case("notlocalhost", false)]
    #[case("", false)]
    fn only_names_that_nobody_else_can_claim_are_served(#[case] host: &str, #[case] served: bool) {
        assert_eq!(Hosts::also(["Care.example.com".to_owned()]).knows(host), served);
    }

    #[rstest]
    #[case(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8080")], true)]
    #[case(&[("origin", "http://localhost:8080")], true)]
    #[case(&[], true)]
    #[case(&[("sec-fetch-site", "cross-site")], false)]
    #[case(&[("sec-fetch-site", "same-site")], false)]
    #[case(&[("origin", "http://evil.example")], false)]
    #[case(&[("origin", "http://localhost:9999")], false)]
    #[case(&[("origin", "null")], false)]
    fn a_change_comes_from_our_own_page(#[case] sent: &[(&'static str, &str)], #[case] own: bool) {
        let headers = sent
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        assert_eq!(is_own(&headers.collect(), "localhost:8080"), own);
    }
}
