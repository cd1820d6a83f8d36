//! A real browser, driven over the Chrome DevTools Protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>). Waiting is done by the page itself, with
//! a `MutationObserver`.

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What Chromium is called.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A tab of a browser that is thrown away.
pub struct Browser {
    process: Child,
    _profile: tempfile::TempDir,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    last: u64,
    /// What went wrong on pages, and what they asked others for.
    pub complaints: Vec<String>,
    /// The addresses that were asked for.
    pub requests: Vec<String>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The variable, if it is set.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what must be there"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let files = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

impl Browser {
    /// Starts one. `None`, with a line that says so: there is no Chromium on this machine, and it is
    /// not required.
    pub async fn start() -> Option<Self> {
        let Some(program) = find() else {
            let required = variable("HEARBACK_TEST_REQUIRE").unwrap_or_default();
            assert!(
                !required.contains("chromium"),
                "HEARBACK_TEST_REQUIRE wants chromium, and it is not on PATH"
            );
            eprintln!("skipped: no chromium on PATH");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--disable-extensions",
                "--hide-scrollbars",
            ])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(process.stderr.take().unwrap());
        let (tell, told) = tokio::sync::oneshot::channel();
        // Reads on until the end, so that the browser never waits for its pipe.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in errors.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("DevTools listening on ")
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(address.trim().to_owned());
                }
            }
        });
        let address = tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
        let (socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
        let mut browser = Self {
            process,
            _profile: profile,
            socket,
            session: String::new(),
            last: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        let target = browser
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser.size(1440, 900).await;
        Some(browser)
    }

    /// One call of the protocol.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut call = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(call.to_string())).await.unwrap();
        let answer = async {
            loop {
                let message = self.socket.next().await.unwrap().unwrap();
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["id"] == id {
                    return message;
                }
                self.heard(&message);
            }
        };
        let answer = tokio::time::timeout(PATIENCE * 2, answer).await.unwrap();
        assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    fn heard(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                self.complaints.push(params["exceptionDetails"].to_string());
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                self.complaints.push(params["args"].to_string());
            }
            "Network.requestWillBeSent" => {
                self.requests
                    .push(params["request"]["url"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }

    /// The window's size.
    pub async fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Light or dark.
    pub async fn scheme(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// Opens a page.
    pub async fn open(&mut self, address: &str) {
        let opened = self.call("Page.navigate", json!({"url": address})).await;
        assert_eq!(opened.get("errorText"), None, "{address}");
    }

    /// What a script says; promises are awaited.
    pub async fn say(&mut self, script: &str) -> Value {
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let said = self.call("Runtime.evaluate", params).await;
        assert!(
            said.get("exceptionDetails").is_none(),
            "{script}: {}",
            said["exceptionDetails"]
        );
        said["result"]["value"].clone()
    }

    /// Returns once the expression is true, or something that counts as true, and what it is then.
    /// The page looks whenever its document or its focus changes.
    pub async fn until(&mut self, expression: &str) -> Value {
        let script = format!(
            "new Promise((done, fail) => {{
                const look = () => {{
                    let found;
                    try {{ found = ({expression}); }} catch {{}}
                    if (!found) return false;
                    observer.disconnect(); clearTimeout(late); document.removeEventListener('focusin', look);
                    done(found);
                    return true;
                }};
                const observer = new MutationObserver(look);
                const late = setTimeout(() => fail(new Error('waited in vain; the page says: ' + document.body.innerText)), {});
                document.addEventListener('focusin', look);
                if (!look()) observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
            }})",
            PATIENCE.as_millis()
        );
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let said = self.call("Runtime.evaluate", params).await;
        let why = &said["exceptionDetails"]["exception"]["description"];
        assert!(
            said.get("exceptionDetails").is_none(),
            "{expression}: {why}; errors: {:?}",
            self.complaints
        );
        said["result"]["value"].clone()
    }

    /// Returns once an element shows this text, whole.
    pub async fn until_text(&mut self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.until(&format!(
            "[...document.querySelectorAll({selector})].some((one) => one.textContent.trim() === {text})"
        ))
        .await;
    }

    /// Presses the mouse on an element, where a person would.
    pub async fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        self.until(&format!("document.querySelector({selector})")).await;
        let place = self
            .say(&format!(
                "(() => {{
                    const one = document.querySelector({selector});
                    one.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const box = one.getBoundingClientRect();
                    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                    const top = document.elementFromPoint(x, y);
                    return {{ x, y, reached: one.contains(top) || top?.contains(one), top: top?.outerHTML?.slice(0, 200) }};
                }})()"
            ))
            .await;
        assert_eq!(
            place["reached"], true,
            "{selector} is covered by {}",
            place["top"]
        );
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types where the focus is.
    pub async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Presses a key.
    pub async fn key(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        let down =
            json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", down).await;
        let up = json!({"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Chooses in a list, as a person would.
    pub async fn choose(&mut self, selector: &str, value: &str) {
        let (selector, value) = (json!(selector), json!(value));
        self.say(&format!(
            "(() => {{
                const list = document.querySelector({selector});
                list.value = {value};
                list.dispatchEvent(new Event('change', {{ bubbles: true }}));
            }})()"
        ))
        .await;
    }

    /// Keeps a picture of the page in the folder that `HEARBACK_TEST_SCREENSHOTS` names, if it does.
    pub async fn picture(&mut self, name: &str) {
        let Some(folder) = variable("HEARBACK_TEST_SCREENSHOTS") else {
            return;
        };
        // Movement ends first.
        self.say("Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {})))")
            .await;
        let picture = self
            .call("Page.captureScreenshot", json!({"format": "png"}))
            .await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }
}
