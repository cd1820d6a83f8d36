use super::*;
use axum::Router;
use axum::http::header::{CONTENT_ENCODING, USER_AGENT};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use base64::Engine as _;
use rstest::rstest;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// 200,000 bytes of nothing, packed.
const BOMB: &str = "H4sIAAAAAAACA+3BMQEAAADCoPVPbQZ/oAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACA1wB7WOBcQA0DAA==";

fn ask(url: &str) -> Ask<'_> {
    Ask {
        url,
        headers: HeaderMap::new(),
        most: 1000,
        time: Duration::from_secs(5),
    }
}

fn guard(allowed: &[&str]) -> Guard {
    Guard::new(allowed.iter().map(|host| exempt(host)).collect())
}

fn exempt(host: &str) -> Exempt {
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().unwrap())),
        None => (host, None),
    };
    (Host::parse(host).unwrap(), port)
}

/// A guard to which 127.0.0.1 is public and nothing else is, with this look-up.
fn first_loopback(lookup: Lookup) -> Guard {
    let checked = Checked {
        lookup,
        public: |ip| ip == Ipv4Addr::LOCALHOST,
    };
    Guard::with(Vec::new(), |_| true, checked)
}

async fn serve(ip: &str, router: Router) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    address
}

fn saying(text: &'static str) -> Router {
    Router::new().route("/", get(move || async move { text }))
}

#[rstest]
#[case("93.184.215.14", true)]
#[case("1.1.1.1", true)]
#[case("100.63.255.255", true)]
#[case("100.128.0.1", true)]
#[case("172.15.0.1", true)]
#[case("172.32.0.1", true)]
#[case("0.0.0.0", false)]
#[case("0.1.2.3", false)]
#[case("10.0.0.1", false)]
#[case("100.64.0.1", false)]
#[case("100.100.100.200", false)]
#[case("127.0.0.1", false)]
#[case("127.8.8.8", false)]
#[case("168.63.129.16", false)]
#[case("169.254.169.254", false)]
#[case("172.16.0.1", false)]
#[case("172.31.255.255", false)]
#[case("192.0.0.192", false)]
#[case("192.0.2.1", false)]
#[case("192.88.99.1", false)]
#[case("192.168.1.1", false)]
#[case("198.18.0.1", false)]
#[case("198.19.255.255", false)]
#[case("198.51.100.1", false)]
#[case("203.0.113.1", false)]
#[case("224.0.0.1", false)]
#[case("239.255.255.250", false)]
#[case("240.0.0.1", false)]
#[case("255.255.255.255", false)]
#[case("2606:2800:21f:cb07:6820:80da:af6b:8b2c", true)]
#[case("2a00:1450:4001:80b::200e", true)]
#[case("2001:4860:4860::8888", true)]
#[case("::", false)]
#[case("::1", false)]
#[case("::127.0.0.1", false)]
#[case("::ffff:127.0.0.1", false)]
#[case("::ffff:8.8.8.8", false)]
#[case("64:ff9b::a00:1", false)]
#[case("64:ff9b:1::a00:1", false)]
#[case("100::1", false)]
#[case("2001::1", false)]
#[case("2001:20::1", false)]
#[case("2001:db8::1", false)]
#[case("2002:7f00:1::", false)]
#[case("3fff::1", false)]
#[case("fc00::1", false)]
#[case("fd00:ec2::254", false)]
#[case("fe80::1", false)]
#[case("fec0::1", false)]
#[case("ff02::1", false)]
fn only_the_public_internet_is_public(#[case] ip: &str, #[case] public: bool) {
    assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
}

#[rstest]
#[case("https://pics.example/a.png")]
#[case("http://pics.example:80/")]
#[case("http://pics.example:443/")]
#[case("https://[2a00:1450:4001:80b::200e]/")]
#[case("http://1.1.1.1/")]
fn what_may_be_public_is_looked_up(#[case] url: &str) {
    assert!(guard(&[]).check(url).is_ok(), "{url}");
}

#[rstest]
#[case("")]
#[case("pics.example/a.png")]
#[case("//pics.example/a.png")]
#[case("file:///etc/passwd")]
#[case("ftp://pics.example/a.png")]
#[case("gopher://pics.example/")]
#[case("data:image/png;base64,AAAA")]
#[case("https://user@pics.example/")]
#[case("https://user:secret@pics.example/")]
#[case("https://pics.example:8443/")]
#[case("http://pics.example:22/")]
#[case("http://127.0.0.1/")]
#[case("http://2130706433/")]
#[case("http://0x7f.1/")]
#[case("http://0177.0.0.1/")]
#[case("http://127.1/")]
#[case("http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/")]
#[case("http://127.0.0.1./")]
#[case("http://0/")]
#[case("http://[::1]/")]
#[case("http://[::ffff:10.0.0.1]/")]
#[case("http://[fe80::1]/")]
#[case("http://169.254.169.254/latest/meta-data/")]
fn what_cannot_be_is_not_even_looked_up(#[case] url: &str) {
    assert!(
        matches!(guard(&[]).check(url), Err(Barred::Forbidden(_))),
        "{url}"
    );
}

#[tokio::test]
async fn no_client_is_made_before_it_is_needed() {
    let server = serve("127.0.0.1", saying("here")).await;
    let guard = guard(&["127.0.0.1"]);
    let made = || {
        let Inner { public, private, .. } = &*guard.0;
        (public.made.initialized(), private.made.initialized())
    };
    assert_eq!(made(), (false, false));
    guard.get(&ask("http://10.0.0.1/")).await.unwrap_err();
    assert_eq!(made(), (false, false), "that is not asked anything");
    guard.get(&ask(&format!("http://{server}/"))).await.unwrap();
    assert_eq!(made(), (false, true));
    guard.get(&ask("http://localhost/")).await.unwrap_err();
    assert_eq!(made(), (true, true));
}

#[test]
fn an_address_has_an_end() {
    let url = format!("https://pics.example/{}", "a".repeat(MOST_ADDRESS));
    assert!(matches!(guard(&[]).check(&url), Err(Barred::Forbidden(_))));
}

#[rstest]
#[case(&["127.0.0.1"], "http://127.0.0.1:9000/", true)]
#[case(&["127.0.0.1:9000"], "http://127.0.0.1:9000/", true)]
#[case(&["127.0.0.1:9000"], "http://127.0.0.1:9001/", false)]
#[case(&["127.0.0.1:80"], "http://127.0.0.1/", true)]
#[case(&["127.0.0.1"], "http://127.0.0.2/", false)]
#[case(&["Media.Internal"], "https://media.internal:9000/", true)]
#[case(&["media.internal"], "https://not.media.internal:9000/", false)]
#[case(&["media.internal"], "https://user:secret@media.internal/", false)]
#[case(&["media.internal"], "ftp://media.internal/", false)]
fn what_is_exempt_is_exempt_exactly(#[case] allowed: &[&str], #[case] url: &str, #[case] passes: bool) {
    assert_eq!(guard(allowed).check(url).is_ok(), passes);
}

#[tokio::test]
async fn a_name_that_leads_home_is_told_from_one_that_leads_nowhere() {
    let home = guard(&[]).get(&ask("http://localhost/")).await.unwrap_err();
    assert_eq!(home, Barred::from(NotPublic));
    let nowhere = first_loopback(|_| Box::pin(async { Err(io::Error::other("no such name")) }));
    let nowhere = nowhere.get(&ask("http://gone.example/")).await.unwrap_err();
    assert!(matches!(nowhere, Barred::Unreached(_)), "{nowhere:?}");
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_held_to_the_first_answer() {
    static LOOKED: AtomicUsize = AtomicUsize::new(0);
    let first = serve("127.0.0.1", saying("the public one")).await;
    let second = TcpListener::bind(("127.0.0.2", first.port())).await.unwrap();
    let guard = first_loopback(|_| {
        let last = if LOOKED.fetch_add(1, Ordering::Relaxed) == 0 {
            1
        } else {
            2
        };
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, last], 0))]) })
    });
    let url = format!("http://rebind.example:{}/", first.port());
    let fetched = guard.get(&ask(&url)).await.unwrap();
    assert_eq!(fetched.body, b"the public one");
    assert_eq!(LOOKED.load(Ordering::Relaxed), 1);
    // A connection of its own looks again, and what it finds then is judged then.
    let guard = first_loopback(|_| Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 2], 0))]) }));
    assert_eq!(guard.get(&ask(&url)).await.unwrap_err(), Barred::from(NotPublic));
    drop(second);
}

#[tokio::test]
async fn of_several_addresses_the_public_one_is_taken() {
    let server = serve("127.0.0.1", saying("public")).await;
    let guard = first_loopback(|_| {
        let found = [[10, 0, 0, 1], [127, 0, 0, 1], [169, 254, 169, 254]];
        Box::pin(async move { Ok(found.map(|ip| SocketAddr::from((ip, 0))).to_vec()) })
    });
    let url = format!("http://mixed.example:{}/", server.port());
    assert_eq!(guard.get(&ask(&url)).await.unwrap().body, b"public");
}

#[tokio::test]
async fn redirects_are_judged_like_the_first_address() {
    let router = Router::new()
        .route(
            "/home",
            get(|| async { Redirect::permanent("http://127.0.0.2/") }),
        )
        .route("/name", get(|| async { Redirect::to("http://localhost/") }))
        .route("/file", get(|| async { Redirect::to("file:///etc/passwd") }))
        .route("/1", get(|| async { Redirect::temporary("2") }))
        .route("/2", get(|| async { Redirect::to("/3") }))
        .route("/3", get(|| async { Redirect::to("/4?x=1") }))
        .route("/4", get(|| async { "there" }))
        .route("/0", get(|| async { Redirect::to("/1") }));
    let server = serve("127.0.0.1", router).await;
    let guard = guard(&["127.0.0.1"]);
    let get = async |path: &str| guard.get(&ask(&format!("http://{server}{path}"))).await;
    for path in ["/home", "/name", "/file"] {
        let barred = get(path).await.unwrap_err();
        assert!(matches!(barred, Barred::Forbidden(_)), "{path}: {barred:?}");
    }
    let fetched = get("/1").await.unwrap();
    assert_eq!(fetched.body, b"there");
    assert_eq!(fetched.url.as_str(), format!("http://{server}/4?x=1"));
    assert!(matches!(get("/0").await, Err(Barred::Broken(_))));
}

#[tokio::test]
async fn what_is_asked_and_answered_is_passed_on() {
    let told = |headers: axum::http::HeaderMap| async move {
        let sent = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        assert_eq!(sent("if-none-match").as_deref(), Some("\"1\""));
        assert!(sent(USER_AGENT.as_str()).is_some_and(|agent| agent.starts_with("Hearback/")));
        (StatusCode::NOT_MODIFIED, [("etag", "\"1\"")]).into_response()
    };
    let server = serve("127.0.0.1", Router::new().route("/", get(told))).await;
    let url = format!("http://{server}/");
    let mut ask = ask(&url);
    ask.headers.insert("if-none-match", "\"1\"".parse().unwrap());
    let fetched = guard(&["127.0.0.1"]).get(&ask).await.unwrap();
    assert_eq!(fetched.status, StatusCode::NOT_MODIFIED);
    assert_eq!(fetched.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn a_body_has_an_end_however_small_it_is_packed() {
    let bomb = base64::engine::general_purpose::STANDARD.decode(BOMB).unwrap();
    assert!(bomb.len() < 1000);
    let packed = move || async move { ([(CONTENT_ENCODING, "gzip")], bomb.clone()) };
    let router = Router::new()
        .route("/packed", get(packed))
        .route("/plain", get(|| async { vec![0; 1001] }))
        .route("/fits", get(|| async { vec![0; 1000] }))
        .route(
            "/endless",
            get(|| async {
                let more = futures_util::stream::repeat_with(|| Ok::<_, io::Error>(vec![0; 100]));
                axum::body::Body::from_stream(more)
            }),
        );
    let server = serve("127.0.0.1", router).await;
    let guard = guard(&["127.0.0.1"]);
    for path in ["packed", "plain", "endless"] {
        let barred = guard.get(&ask(&format!("http://{server}/{path}"))).await;
        assert_eq!(barred.unwrap_err(), Barred::TooLarge(1000), "{path}");
    }
    let fits = guard.get(&ask(&format!("http://{server}/fits"))).await;
    assert_eq!(fits.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn a_server_that_drips_is_left() {
    let router = Router::new().route(
        "/",
        get(|| async {
            axum::body::Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, io::Error>>())
        }),
    );
    let server = serve("127.0.0.1", router).await;
    let url = format!("http://{server}/");
    let ask = Ask {
        time: Duration::from_millis(100),
        ..ask(&url)
    };
    let left = guard(&["127.0.0.1"]).get(&ask).await;
    assert!(matches!(left, Err(Barred::Broken(_))));
}
