//! Hearback as people install it: the binary with one source on a real network, in a workspace of Slack made
//! here, with Ada who works there. It can be killed and started again at any moment.

use crate::fake::slack::{BOT, CHANNEL, Posted, SlackFake};
use crate::restart::Process;
use hearback::domain::{Clock, SystemClock};
use secrecy::ExposeSecret as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a network and Hearback may take together.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where Ada works.
pub struct Desk {
    slack: SlackFake,
    config: PathBuf,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// Writes the configuration, with this `[[source]]`, and starts.
    pub async fn open(source: &str, environment: &[(&str, &str)]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let slack = SlackFake::start(clock).await;
        let section = slack.config();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("hearback.toml");
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[database]
url = "sqlite:{folder}/hearback.db"
seal = "{folder}/hearback.seal"
[reply]
hold = "0s"
timeout = "10s"
settle = "1s"
[slack]
bot_token = "{bot}"
app_token = "{app}"
channel = "{CHANNEL}"
api_url = "{api}"
[[source]]
{source}
[[agent]]
name = "Ada"
slack = "U0ADA"
roles = ["agent"]
"#,
            folder = folder.path().display(),
            bot = section.bot_token.expose_secret(),
            app = section.app_token.as_ref().unwrap().expose_secret(),
            api = section.api_url,
        );
        std::fs::write(&config, text).unwrap();
        let environment = environment.iter();
        let mut desk = Self {
            slack,
            config,
            environment: environment
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            process: None,
            _folder: folder,
        };
        desk.start().await;
        desk
    }

    /// Starts it, and waits until it hears Ada.
    pub async fn start(&mut self) {
        self.process = Some(Process::start_with(&self.config, &self.environment).await);
        self.slack.connected(2).await;
    }

    /// kill -9, and starts again.
    pub async fn restart(&mut self) {
        self.process.take().unwrap().kill();
        let slack = self.slack.clone();
        self.until("the sockets of who was killed close", || {
            (slack.sockets() == 0).then_some(())
        })
        .await;
        self.start().await;
    }

    /// What a command of the binary prints.
    pub async fn command(&self, args: &[&str]) -> String {
        crate::restart::command_with(args, &self.config, &self.environment)
            .await
            .1
    }

    /// What stands in the channel: a card for each case.
    pub fn cards(&self) -> Vec<Posted> {
        let mut cards = self.slack.messages(CHANNEL);
        cards.retain(|message| message.thread.is_none() && message.user == BOT);
        cards
    }

    /// Everything that stands in the thread of a card.
    pub fn thread(&self, card: &Posted) -> String {
        let said = self.slack.replies(&card.ts).into_iter();
        said.map(|message| message.shown()).collect::<Vec<_>>().join("\n")
    }

    /// Waits for the card of the case that a customer's words opened; gives the case's number, too.
    pub async fn case(&self, words: &str) -> (u32, Posted) {
        self.until(&format!("a case of {words:?}"), || {
            let mut cards = self.cards().into_iter();
            let card =
                cards.find(|card| card.shown().contains(words) || self.thread(card).contains(words))?;
            let shown = card.shown();
            let number = shown.split('#').nth(1)?;
            let number: String = number.chars().take_while(char::is_ascii_digit).collect();
            Some((number.parse().ok()?, card))
        })
        .await
    }

    /// Waits until one of these words stands in the thread of a card; gives them.
    pub async fn says(&self, card: &Posted, words: &[&'static str]) -> &'static str {
        self.until(&format!("{words:?}"), || {
            let thread = self.thread(card);
            words.iter().copied().find(|words| thread.contains(words))
        })
        .await
    }

    /// Ada takes a case.
    pub async fn claim(&self, case: u32) {
        let answer = self.slack.command("U0ADA", "/claim", &case.to_string()).await;
        assert!(answer.starts_with(&format!("You have #{case} now.")), "{answer}");
    }

    /// Ada answers.
    pub async fn reply(&self, case: u32, text: &str) {
        let answer = self
            .slack
            .command("U0ADA", "/reply", &format!("{case} {text}"))
            .await;
        assert!(answer.starts_with("This goes out"), "{answer}");
    }

    /// Waits until something is so.
    async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(found) => found,
            Err(_) => {
                let cards = self.cards();
                let story: Vec<_> = cards
                    .iter()
                    .map(|card| (card.shown(), self.thread(card)))
                    .collect();
                panic!("waited in vain for {what}: {story:#?}");
            }
        }
    }
}
