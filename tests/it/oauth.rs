//! Tokens that end and are renewed: by a platform that takes each refresh token once, and answers that get
//! lost.

use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::tokens::{FakeTokens, LASTS};
use hearback::adapter::api::Failed;
use hearback::adapter::oauth::{Desk, Door, Grant, Start};
use hearback::cli::connect;
use hearback::domain::{ManualClock, SourceName};
use hearback::port::{ShortVault, Unkept, Vault};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::task::TaskTracker;
use url::Url;

struct Scene {
    clock: ManualClock,
    desk: FakeTokens,
    vault: Arc<dyn Vault>,
}

impl Scene {
    async fn new() -> Self {
        Self {
            clock: ManualClock::default(),
            desk: FakeTokens::start("first").await,
            vault: house::vault(),
        }
    }

    /// A process as it starts, with what the configuration says.
    fn grant(&self) -> Grant {
        self.grant_of("first")
    }

    fn grant_of(&self, refresh: &str) -> Grant {
        let desk = Desk {
            token_url: self.desk.url(),
            client_id: "app".to_owned(),
            client_secret: Some("secret".into()),
            basic: false,
        };
        let start = Start {
            access: None,
            refresh: Some(refresh.into()),
        };
        let (vault, clock) = (self.vault.clone(), house::clock(&self.clock));
        Grant::new(Some(desk), start, &SourceName::new("birds"), vault, clock).unwrap()
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

async fn token(grant: &Grant) -> String {
    grant.access().await.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn many_who_ask_at_once_renew_once_and_a_restart_goes_on_with_what_was_stored() {
    let scene = Scene::new().await;
    let grant = scene.grant();
    let asked = futures_util::future::join_all((0..20).map(|_| token(&grant))).await;
    assert!(asked.iter().all(|token| token == "access-1"), "{asked:?}");
    assert_eq!(scene.desk.asked().len(), 1);
    assert_eq!(scene.desk.asked()[0]["client_secret"], "secret");
    let again = scene.grant();
    assert_eq!(token(&again).await, "access-1");
    assert_eq!(scene.desk.asked().len(), 1);
    scene.pass(LASTS);
    assert_eq!(token(&again).await, "access-2");
    assert_eq!(scene.desk.asked()[1]["refresh_token"], "refresh-1");
}

#[tokio::test]
async fn it_is_renewed_before_it_ends_and_an_answer_that_is_lost_costs_nothing_meanwhile() {
    let scene = Scene::new().await;
    let grant = scene.grant();
    assert_eq!(token(&grant).await, "access-1");
    // A fifth of its life is left: the renewal is answered, and the answer gets lost.
    scene.pass(LASTS * 9 / 10);
    scene.desk.faults.next("token", Fault::AcceptThenDrop);
    assert_eq!(token(&grant).await, "access-1");
    assert_eq!(token(&grant).await, "access-1");
    assert_eq!(scene.desk.asked().len(), 2, "it is not asked again and again");
    scene.desk.forgive();
    scene.pass(Duration::from_secs(31));
    assert_eq!(token(&grant).await, "access-3");
    assert_eq!(scene.desk.asked()[2]["refresh_token"], "refresh-1");
}

#[tokio::test]
async fn a_refresh_token_that_is_refused_is_told_with_the_mend_and_a_new_one_in_the_configuration_wins() {
    let scene = Scene::new().await;
    let grant = scene.grant();
    token(&grant).await;
    scene.pass(LASTS * 9 / 10);
    scene.desk.faults.next("token", Fault::AcceptThenDrop);
    token(&grant).await;
    scene.pass(LASTS);
    let told = grant.access().await.unwrap_err().to_string();
    assert!(told.contains("invalid_grant"), "{told}");
    assert!(told.contains("hearback connect"), "{told}");
    assert!(!told.contains("refresh-1"), "{told}");
    let mended = scene.grant_of("refresh-2");
    assert_eq!(token(&mended).await, "access-3");
}

#[tokio::test]
async fn of_two_processes_the_slower_one_takes_what_the_other_has_stored() {
    let scene = Scene::new().await;
    let (serving, doctor) = (scene.grant(), scene.grant());
    assert_eq!(token(&serving).await, "access-1");
    assert_eq!(token(&doctor).await, "access-1");
    scene.pass(LASTS);
    assert_eq!(token(&doctor).await, "access-2");
    let old = SecretString::from("access-1");
    assert_eq!(serving.renew(&old).await.unwrap().expose_secret(), "access-2");
    assert_eq!(scene.desk.asked().len(), 2);
}

#[tokio::test]
async fn who_gives_up_while_it_is_renewed_loses_no_token() {
    let scene = Scene::new().await;
    let grant = scene.grant();
    let seen = async {
        while scene.desk.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    // The platform has made the old one worthless, and nobody waits for the answer any more.
    tokio::select! {
        biased;
        () = seen => {}
        _ = grant.access() => panic!("it is given up before the answer"),
    }
    assert_eq!(token(&grant).await, "access-1");
    assert_eq!(scene.desk.asked().len(), 1);
    assert_eq!(token(&scene.grant()).await, "access-1");
}

#[tokio::test]
async fn what_the_process_has_under_way_is_stored_before_the_vault_is_closed() {
    #[derive(Default)]
    struct Watched(ShortVault, TaskTracker);

    #[async_trait::async_trait]
    impl Vault for Watched {
        async fn get(&self, source: &SourceName, name: &str) -> Result<Option<SecretString>, Unkept> {
            self.0.get(source, name).await
        }

        async fn put(&self, source: &SourceName, name: &str, secret: &SecretString) -> Result<(), Unkept> {
            self.0.put(source, name, secret).await
        }

        fn under_way(&self) -> TaskTracker {
            self.1.clone()
        }
    }

    let vault = Arc::new(Watched::default());
    let scene = Scene {
        vault: vault.clone(),
        ..Scene::new().await
    };
    let grant = scene.grant();
    let seen = async {
        while scene.desk.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = seen => {}
        _ = grant.access() => panic!("it is given up before the answer"),
    }
    drop(grant);
    vault.1.close();
    vault.1.wait().await;
    let kept = vault.get(&SourceName::new("birds"), "oauth").await.unwrap();
    assert!(kept.unwrap().expose_secret().contains("refresh-1"));
}

#[tokio::test]
async fn who_lets_us_in_anew_is_heard_at_once_although_the_old_token_was_refused() {
    let scene = Scene::new().await;
    let serving = scene.grant_of("wrong");
    assert!(serving.access().await.is_err());
    // Another process, with the same configuration.
    let connecting = scene.grant_of("wrong");
    let walk = door().walk("app", Url::parse("http://127.0.0.1/").unwrap());
    let query: HashMap<_, _> = walk.url.query_pairs().into_owned().collect();
    scene.desk.allow("code", &query["code_challenge"]);
    connecting
        .redeem("code", &walk.redirect, &walk.verifier)
        .await
        .unwrap();
    assert_eq!(token(&serving).await, "access-1");
    assert_eq!(scene.desk.asked().len(), 2);
}

#[tokio::test]
async fn what_is_stored_by_a_later_version_is_not_passed_over() {
    let scene = Scene::new().await;
    let name = SourceName::new("birds");
    scene
        .vault
        .put(&name, "oauth", &"{\"sealed\": 2}".into())
        .await
        .unwrap();
    let told = scene.grant().access().await.unwrap_err().to_string();
    assert!(told.contains("hearback connect"), "{told}");
    assert!(
        scene.desk.asked().is_empty(),
        "the configured token is an older one"
    );
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_refusal() {
    let scene = Scene::new().await;
    let grant = scene.grant();
    scene.desk.faults.next("token", Fault::Status(503));
    assert!(matches!(grant.access().await, Err(Failed::Status { status, .. }) if status == 503));
    scene.pass(Duration::from_secs(31));
    assert_eq!(token(&grant).await, "access-1");
}

/// A vault whose disk is full at times.
#[derive(Default)]
struct Full {
    kept: ShortVault,
    full: AtomicBool,
}

#[async_trait::async_trait]
impl Vault for Full {
    async fn get(&self, source: &SourceName, name: &str) -> Result<Option<SecretString>, Unkept> {
        self.kept.get(source, name).await
    }

    async fn put(&self, source: &SourceName, name: &str, secret: &SecretString) -> Result<(), Unkept> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Unkept("no space left on device".to_owned()));
        }
        self.kept.put(source, name, secret).await
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_stored_is_not_used_and_not_lost() {
    let vault = Arc::new(Full::default());
    let scene = Scene {
        vault: vault.clone(),
        ..Scene::new().await
    };
    vault.full.store(true, Ordering::SeqCst);
    let grant = scene.grant();
    let told = grant.access().await.unwrap_err().to_string();
    assert!(told.contains("no space left"), "{told}");
    vault.full.store(false, Ordering::SeqCst);
    assert_eq!(token(&grant).await, "access-1");
    assert_eq!(scene.desk.asked().len(), 1, "the one that was given is stored");
    assert_eq!(token(&scene.grant()).await, "access-1");
}

#[tokio::test]
async fn a_fixed_token_is_used_as_it_is_and_a_refusal_says_what_to_do() {
    let scene = Scene::new().await;
    let start = Start {
        access: Some("fixed".into()),
        refresh: None,
    };
    let grant = Grant::new(
        None,
        start,
        &SourceName::new("birds"),
        scene.vault.clone(),
        house::clock(&scene.clock),
    )
    .unwrap();
    assert_eq!(token(&grant).await, "fixed");
    let told = grant.renew(&"fixed".into()).await.unwrap_err().to_string();
    assert!(told.contains("not accepted"), "{told}");
}

#[tokio::test]
async fn a_browser_brings_a_code_that_only_we_can_redeem() {
    let scene = Scene::new().await;
    let door = Door {
        authorise_url: Url::parse("https://birds.example/authorize?lang=en").unwrap(),
        scopes: &["read", "write"],
        extra: &[("access_type", "offline")],
    };
    let redirect = Url::parse("http://127.0.0.1:8931/connected").unwrap();
    let walk = door.walk("app", redirect.clone());
    let query: HashMap<_, _> = walk.url.query_pairs().into_owned().collect();
    assert_eq!(query["scope"], "read write");
    assert_eq!(query["state"], walk.state);
    assert_eq!(query["access_type"], "offline");
    assert_eq!(query["redirect_uri"], redirect.as_str());
    assert_eq!(query["lang"], "en");
    scene.desk.allow("code", &query["code_challenge"]);
    scene.desk.allow("theirs", "other");
    let grant = scene.grant();
    assert!(grant.redeem("theirs", &redirect, &walk.verifier).await.is_err());
    grant.redeem("code", &redirect, &walk.verifier).await.unwrap();
    // The serving process finds it.
    assert_eq!(token(&scene.grant()).await, "access-1");
}

/// A door that leads to this desk.
fn door() -> Door {
    Door {
        authorise_url: Url::parse("https://birds.example/authorize").unwrap(),
        scopes: &["read", "write"],
        extra: &[],
    }
}

/// What was printed so far has the link; gives what it asks with.
fn asked(printed: &[u8]) -> HashMap<String, String> {
    let text = std::str::from_utf8(printed).unwrap();
    let link = text
        .split_whitespace()
        .find(|word| word.starts_with("https://birds"));
    let link = Url::parse(link.unwrap()).unwrap();
    link.query_pairs().into_owned().collect()
}

/// Standard output that can be looked at while it is written.
#[derive(Clone, Default)]
struct Terminal(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn connect_takes_the_browser_back_and_nobody_elses() {
    let scene = Scene::new().await;
    let (door, grant) = (door(), scene.grant());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // A path that a router would read as a place for anything.
    let redirect = Url::parse(&format!("http://{}/:connected", listener.local_addr().unwrap())).unwrap();
    let mut terminal = Terminal::default();
    let seen = terminal.clone();
    let browser = async {
        let client = hearback::adapter::http::client(std::time::Duration::from_secs(30)).unwrap();
        let visit = async |query: &[(&str, &str)]| {
            let answer = client.get(redirect.clone()).query(query).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        // The link is printed before anybody is waited for.
        let link = asked(&seen.0.lock().unwrap());
        scene.desk.allow("theirs", &link["code_challenge"]);
        let (status, page) = visit(&[("code", "theirs"), ("state", "made-up")]).await;
        assert_eq!(status, 400);
        assert!(page.contains("not the answer to the link"), "{page}");
        let icon = client
            .get(redirect.join("/favicon.ico").unwrap())
            .query(&[("state", &link["state"])]);
        assert_eq!(icon.send().await.unwrap().status().as_u16(), 404);
        scene.desk.allow("ours", &link["code_challenge"]);
        let (status, page) = visit(&[("code", "ours"), ("state", &link["state"])]).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("Connected"), "{page}");
    };
    let walking = connect::walk(
        (&door, &grant),
        &redirect,
        Some(listener),
        std::future::pending(),
        &mut terminal,
    );
    let (done, ()) = tokio::join!(walking, browser);
    done.unwrap();
    assert_eq!(token(&scene.grant()).await, "access-1");
}

/// A person pastes this answer to the link.
async fn pasted(
    grant: &Grant,
    answer: impl Fn(HashMap<String, String>) -> String,
) -> Result<(), connect::NotLetIn> {
    let redirect = Url::parse("https://care.example/connected").unwrap();
    let mut terminal = Terminal::default();
    let seen = terminal.clone();
    let person = async { Ok(answer(asked(&seen.0.lock().unwrap()))) };
    connect::walk((&door(), grant), &redirect, None, person, &mut terminal).await
}

#[tokio::test]
async fn connect_takes_a_pasted_address_and_says_why_not() {
    let scene = Scene::new().await;
    let grant = scene.grant();
    let back = |query: String| format!("https://care.example/connected?{query}\n");
    let strange = pasted(&grant, |_| back("code=x&state=y".to_owned())).await;
    assert!(matches!(strange, Err(connect::NotLetIn::Strange)));
    let nonsense = pasted(&grant, |_| "yes\n".to_owned()).await;
    assert!(matches!(nonsense, Err(connect::NotLetIn::Strange)));
    let refused = pasted(&grant, |link| {
        back(format!("error=access_denied&state={}", link["state"]))
    });
    let refused = refused.await.unwrap_err().to_string();
    assert!(refused.contains("access_denied"), "{refused}");
    let nasty = pasted(&grant, |link| {
        let text = "error=no%1B%5B2J&error_description=a%0Ab";
        back(format!("{text}&state={}", link["state"]))
    });
    let nasty = nasty.await.unwrap_err().to_string();
    assert!(!nasty.contains(char::is_control), "{nasty}");
    let let_in = pasted(&grant, |link| {
        scene.desk.allow("ours", &link["code_challenge"]);
        back(format!("state={}&code=ours", link["state"]))
    });
    let_in.await.unwrap();
    assert_eq!(token(&scene.grant()).await, "access-1");
}
