//! A chat in memory: people see in it what they are shown, and press its buttons.

use super::death::Death;
use super::dice::Dice;
use async_trait::async_trait;
use hearback::domain::message::ReplyVerb;
use hearback::domain::*;
use hearback::port::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A message as it stands.
struct Said {
    key: IdempotencyKey,
    thread: ThreadId,
    message: Message,
}

pub struct Chat {
    dice: Dice,
    death: Arc<Death>,
    said: Mutex<Vec<Said>>,
    calm: Mutex<bool>,
}

impl Chat {
    pub fn new(seed: u64, death: &Arc<Death>) -> Arc<Self> {
        Arc::new(Self {
            dice: Dice::new(seed, "chat"),
            death: Arc::clone(death),
            said: Mutex::default(),
            calm: Mutex::new(false),
        })
    }

    /// From now on nothing goes wrong here.
    pub fn calms_down(&self) {
        *self.calm.lock().unwrap() = true;
    }

    /// The buttons of the newest messages.
    pub fn buttons(&self, messages: usize) -> Vec<Press> {
        let said = self.said.lock().unwrap();
        let newest = said.iter().rev().take(messages);
        let buttons = newest.flat_map(|said| said.message.buttons());
        buttons.map(|button| button.press.clone()).collect()
    }

    /// The buttons with which this can be decided about a reply, in these threads.
    pub fn decides(&self, threads: &[ThreadId], about: ReplyId, what: ReplyVerb) -> Vec<Press> {
        let said = self.said.lock().unwrap();
        let there = said.iter().filter(|said| threads.contains(&said.thread));
        let buttons = there.flat_map(|said| said.message.buttons());
        let fits = |press: &Press| matches!(press, Press::Reply { reply, verb, .. } if *reply == about.0 && *verb == what);
        buttons.map(|button| button.press.clone()).filter(fits).collect()
    }

    async fn trouble(&self) -> Result<(), PortError> {
        if *self.calm.lock().unwrap() {
            return Ok(());
        }
        self.death.may_come(&self.dice).await;
        match self.dice.below(100) {
            0 => Err(PortError::RetryAfter(Duration::from_secs(self.dice.up_to(120)))),
            1 => Err(PortError::NotReached("the chat is away".to_owned())),
            2 => Err(PortError::Unknown("the chat did not answer".to_owned())),
            _ => Ok(()),
        }
    }

    /// After it was done, the answer may be lost.
    fn answer<T>(&self, done: T) -> Result<T, PortError> {
        if !*self.calm.lock().unwrap() && self.dice.happens(20) {
            return Err(PortError::Unknown("the answer was lost".to_owned()));
        }
        Ok(done)
    }

    /// Says it, unless it is there already. The number of the message is its id.
    fn say(&self, key: &IdempotencyKey, thread: Option<&ThreadId>, message: &Message) -> String {
        let mut said = self.said.lock().unwrap();
        if let Some(known) = said.iter().position(|said| said.key == *key) {
            return known.to_string();
        }
        let id = said.len().to_string();
        said.push(Said {
            key: key.clone(),
            thread: thread.cloned().unwrap_or_else(|| id.as_str().into()),
            message: message.clone(),
        });
        id
    }
}

#[async_trait]
impl ChatPlatform for Chat {
    fn name(&self) -> &ChatName {
        static NAME: std::sync::LazyLock<ChatName> = std::sync::LazyLock::new(|| "chat".into());
        &NAME
    }

    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        self.trouble().await?;
        let id = self.say(&order.key, None, &order.card.message);
        self.answer(Opened {
            thread: id.as_str().into(),
            card: id.into(),
        })
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        self.trouble().await?;
        let id = self.say(&order.key, Some(&order.thread), &order.message);
        self.answer(id.into())
    }

    async fn edit(&self, order: &EditMessage) -> Result<(), PortError> {
        self.trouble().await?;
        let at: usize = order.message.as_str().parse().unwrap();
        let message = match &order.content {
            Content::Card(card) => &card.message,
            Content::Message(message) => message,
        };
        self.said.lock().unwrap()[at].message = message.clone();
        self.answer(())
    }
}
