//! Pictures in threads: `files.getUploadURLExternal`, the file to the address it tells, and
//! `files.completeUploadExternal`, which shows it (<https://docs.slack.dev/messaging/working-with-files>).
//!
//! Nothing is seen before the last of the three. Slack shares the file after it answered, so the answer does not
//! tell the message, only the file. The message has no metadata of ours: it is found by the ids of its blocks, and by
//! the name of its file, which is our key.

use super::Slack;
use super::api::Failure;
use super::render::content;
use crate::domain::message::one_line;
use crate::domain::{IdempotencyKey, MessageId};
use crate::port::{Picture, PictureForm, PortError, ShowPicture};
use serde_json::Value;
use slack_morphism::api::{SlackApiFilesComplete, SlackApiFilesCompleteUploadExternalRequest};
use slack_morphism::{SlackFileId, SlackTs};

/// The most characters of a description. More is refused with `alt_txt_too_large`
/// (<https://docs.slack.dev/reference/methods/files.getUploadURLExternal>).
const MOST_ALT: usize = 1000;

impl Slack {
    pub(super) async fn show(&self, order: &ShowPicture) -> Result<MessageId, PortError> {
        let (key, thread) = (&order.key, Some(&order.thread));
        if let Some(ts) = self.before(key, &order.channel, thread, order.earlier).await? {
            self.attempts.stands(key);
            return Ok(MessageId::new(ts));
        }
        let file = self.upload(order).await.map_err(unseen)?;
        let blocks = content(&order.message, &self.mark(key))
            .blocks
            .unwrap_or_default();
        let files =
            vec![SlackApiFilesComplete::new(SlackFileId(file.clone())).with_title(order.title.clone())];
        let request = SlackApiFilesCompleteUploadExternalRequest::new(files)
            .with_channel_id(order.channel.as_str().to_owned().into())
            .with_thread_ts(SlackTs(order.thread.as_str().to_owned()))
            .with_blocks(blocks);
        let turn = self.posts.turn(order.channel.as_str()).await;
        turn.map_err(PortError::RetryAfter)?;
        self.attempts.begun(key, self.clock.now());
        self.sweeps.attempted(&order.channel, thread, key);
        self.api
            .post(&self.bot_token, "files.completeUploadExternal", &request)
            .await?;
        self.attempts.stands(key);
        Ok(MessageId::new(file))
    }

    /// Brings the file to Slack; returns its id.
    async fn upload(&self, order: &ShowPicture) -> Result<String, Failure> {
        let Picture { bytes, form } = order.picture.as_ref();
        let (name, length) = (name(&order.key, *form), bytes.len().to_string());
        let alt: String = one_line(&order.alt, MOST_ALT).chars().take(MOST_ALT).collect();
        let mut query = vec![("filename", name.as_str()), ("length", &length)];
        if !alt.is_empty() {
            query.push(("alt_txt", &alt));
        }
        let answer = self
            .api
            .get(&self.bot_token, "files.getUploadURLExternal", &query)
            .await?;
        let (Some(file), Some(url)) = (answer.text("/file_id"), answer.text("/upload_url")) else {
            return Err(Failure::Unclear(
                "Slack's answer to files.getUploadURLExternal has no file".to_owned(),
            ));
        };
        self.api.upload(url, bytes, form.mime()).await?;
        Ok(file.to_owned())
    }
}

/// A failure of an upload that nobody sees yet: nothing of the picture stands anywhere.
fn unseen(failure: Failure) -> PortError {
    match PortError::from(failure) {
        PortError::Unknown(reason) => PortError::NotReached(reason),
        error => error,
    }
}

/// The name of a picture's file.
fn name(key: &IdempotencyKey, form: PictureForm) -> String {
    format!("{key}.{}", form.ending())
}

/// The key in the name of a message's file, if it may be one of ours.
pub(super) fn key_of(message: &Value, installation: &str) -> Option<String> {
    let files = message["files"].as_array().into_iter().flatten();
    let mut names = files.filter_map(|file| file["name"].as_str());
    names.find_map(|name| {
        let (key, ending) = name.rsplit_once('.')?;
        let forms = [PictureForm::Png, PictureForm::Jpeg].map(PictureForm::ending);
        let ours = key.strip_prefix(installation)?.starts_with("-e");
        (ours && forms.contains(&ending)).then(|| key.to_owned())
    })
}
