//! Mastodon's API as others wrote it: snac, which honours no key, and `mastodon_mock`, which does. A customer's post
//! is claimed and answered, and the answer stands there once, whenever Hearback was killed.

use super::desk::Desk;
use super::eventually;
use hearback::adapter::http;
use hearback::domain::{Clock as _, SystemClock};
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// How Ada is told that a reply stands.
const STANDS: &str = "The reply is published.";
/// How often Hearback is killed.
const KILLS: u64 = 8;

/// Somebody with an account.
struct Account {
    server: Url,
    token: String,
}

impl Account {
    fn new(server: &Url, token: &str) -> Self {
        Self {
            server: server.clone(),
            token: token.to_owned(),
        }
    }

    async fn call(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let url = self.server.join(&format!("/api/v1/{path}")).unwrap();
        // snac keeps no connection, and says so to nobody.
        let client = http::client(Duration::from_secs(20)).unwrap();
        let call = client.request(method.parse().unwrap(), url);
        let call = call.bearer_auth(&self.token);
        let call = if form.is_empty() { call } else { call.form(form) };
        let answer = call.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The name without its host.
    async fn name(&self) -> String {
        let me = self.call("GET", "accounts/verify_credentials", &[]).await;
        me["username"].as_str().unwrap().to_owned()
    }

    /// Writes; gives the status.
    async fn write(&self, text: &str, visibility: &str, answered: Option<&str>) -> Value {
        let mut form = vec![("status", text), ("visibility", visibility)];
        form.extend(answered.map(|id| ("in_reply_to_id", id)));
        self.call("POST", "statuses", &form).await
    }

    /// The same, once there is something: servers deliver in their own time.
    async fn answered(&self, id: &str, who: &str) -> Vec<Value> {
        let mut answers = Vec::new();
        eventually("the answer is seen", async || {
            answers = self.answers(id, who).await;
            !answers.is_empty()
        })
        .await;
        answers
    }

    /// What somebody answered under a post.
    async fn answers(&self, id: &str, who: &str) -> Vec<Value> {
        let thread = self.call("GET", &format!("statuses/{id}/context"), &[]).await;
        let mut answers = thread["descendants"].as_array().cloned().unwrap_or_default();
        answers.retain(|answer| {
            let acct = answer["account"]["acct"].as_str().unwrap();
            acct.split('@').next() == Some(who)
        });
        answers
    }
}

fn id(status: &Value) -> &str {
    status["id"].as_str().unwrap()
}

fn plain(status: &Value) -> String {
    let text = status["content"].as_str().unwrap();
    let mut words = String::new();
    let mut tag = false;
    for c in text.chars() {
        match c {
            '<' => tag = true,
            '>' => tag = false,
            c if !tag => words.push(c),
            _ => {}
        }
    }
    words.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where a server is"
)]
async fn mastodon() {
    let Ok(told) = std::env::var("HEARBACK_TEST_MASTODON") else {
        eprintln!(
            "Not played: HEARBACK_TEST_MASTODON names no server (tests/real/snac.sh and mastodon_mock.sh start one)."
        );
        return;
    };
    let told: Vec<_> = told.split_whitespace().collect();
    let [url, token, their_token, class] = told[..] else {
        panic!("HEARBACK_TEST_MASTODON is not \"URL TOKEN CUSTOMER_TOKEN key|lookup\"");
    };
    let url: Url = url.parse().unwrap();
    let (brand, customer) = (Account::new(&url, token), Account::new(&url, their_token));
    let (us, them) = (brand.name().await, customer.name().await);
    let mark = SystemClock.now().timestamp_micros();

    let first = customer
        .write(&format!("@{us} my parcel{mark} is late"), "public", None)
        .await;
    let source = format!(
        "name = \"fedi\"\nplatform = \"mastodon\"\nurl = \"{url}\"\naccess_token = \"{token}\"\npoll = \"15s\""
    );
    let mut desk = Desk::open(&source, &[]).await;
    let said = desk.command(&["doctor"]).await;
    assert!(said.contains(&format!("the token is of @{us} (")), "{said}");
    assert_eq!(said.contains("(Mastodon, "), class == "key", "{said}");

    let (case, card) = desk.case(&format!("parcel{mark}")).await;
    desk.claim(case).await;
    desk.restart().await;
    desk.reply(case, "Sorry! It is on its way: https://shop.example/ä?x=1&y=2")
        .await;
    desk.says(&card, &[STANDS]).await;
    let answers = customer.answered(id(&first), &us).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    let link = answers[0]["url"].as_str().unwrap();
    assert!(
        desk.thread(&card).contains(link),
        "{link}: {}",
        desk.thread(&card)
    );
    assert!(
        plain(&answers[0]).contains("Sorry! It is on its way"),
        "{}",
        answers[0]
    );

    // What is said to it joins the case, and a private message is answered in private.
    let thanks = format!("@{us} thank you{mark}");
    customer.write(&thanks, "public", Some(id(&answers[0]))).await;
    let private = customer
        .write(&format!("@{us} my order{mark} is 12"), "direct", None)
        .await;
    let (again, _) = desk.case(&format!("thank you{mark}")).await;
    assert_eq!(again, case);
    let (other, card) = desk.case(&format!("order{mark}")).await;
    assert_ne!(other, case);
    desk.reply(other, "It comes tomorrow.").await;
    desk.says(&card, &["The private reply is delivered."]).await;
    let answers = customer.answered(id(&private), &us).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["visibility"], "direct");

    // Killed at any moment after Ada answered.
    let mut posts = Vec::new();
    for turn in 0..KILLS {
        let text = format!("@{us} it is broken{turn}x{mark}");
        posts.push(customer.write(&text, "public", None).await);
    }
    for (turn, post) in (0..KILLS).zip(&posts) {
        let (case, card) = desk.case(&format!("broken{turn}x{mark}")).await;
        desk.reply(case, &format!("Sorry, no. {turn}.")).await;
        tokio::time::sleep(Duration::from_millis(turn * 8)).await;
        desk.restart().await;
        desk.says(&card, &[STANDS]).await;
        customer.answered(id(post), &us).await;
        let looked = desk.thread(&card).contains("not certain");
        eprintln!("killed {} ms after the answer; uncertain: {looked}", turn * 8);
    }
    for post in posts.iter().chain([&first, &private]) {
        let answers = customer.answers(id(post), &us).await;
        assert_eq!(answers.len(), 1, "{answers:?}");
    }

    // What becomes of a post is told.
    let path = format!("statuses/{}", id(&posts[0]));
    let text = format!("@{us} it is broken0x{mark}, and wet");
    customer.call("PUT", &path, &[("status", &text)]).await;
    let path = format!("statuses/{}", id(&posts[1]));
    customer.call("DELETE", &path, &[]).await;
    let (_, edited) = desk.case(&format!("broken0x{mark}")).await;
    let (_, deleted) = desk.case(&format!("broken1x{mark}")).await;
    desk.says(&edited, &["and wet"]).await;
    // snac 2.96 goes on showing a post to whom it named after its author took it back.
    if class == "key" {
        desk.says(&deleted, &["deleted"]).await;
    }

    // Ours were answers, each of them to one of theirs.
    assert_eq!(desk.cards().len(), usize::try_from(KILLS).unwrap() + 2, "{them}");
}
