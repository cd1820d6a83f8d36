//! What the API's answers look like, as far as it is read here
//! (<https://docs.bsky.app/docs/category/http-reference>; the lexicons are in
//! <https://github.com/bluesky-social/atproto/tree/main/lexicons>). What another program may have written
//! into a record, and what nobody needs to hear a customer, may be missing or odd.

use crate::domain::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A session that was made or renewed (`com.atproto.server.createSession`, `refreshSession`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    pub access_jwt: String,
    pub refresh_jwt: String,
    pub handle: String,
    pub did: String,
    #[serde(default)]
    pub did_doc: Value,
}

/// A page of notifications or of found posts, newest first.
#[derive(Deserialize)]
pub struct Page {
    /// Where the next page begins; goes backwards in time.
    pub cursor: Option<String>,
    #[serde(rename = "notifications", alias = "posts")]
    pub items: Vec<Box<RawValue>>,
}

/// What is asked of an object before it is read whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    #[serde(default)]
    pub uri: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub indexed_at: Option<Instant>,
}

/// A post as the network shows it: in a notification, in a search, by its address.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    pub uri: String,
    pub cid: String,
    pub author: Profile,
    pub record: Record,
    /// Its place in lists: when it was seen first, or when its author says that it was written, if that
    /// is earlier.
    pub indexed_at: Instant,
    /// Why we are told of it; only in notifications.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub embed: Option<Embed>,
    #[serde(default)]
    pub like_count: i64,
    #[serde(default)]
    pub repost_count: i64,
    #[serde(default)]
    pub viewer: Viewer,
}

/// An account. `followers_count` is only in the detailed form (`app.bsky.actor.getProfiles`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub did: String,
    pub handle: String,
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub followers_count: Option<i64>,
    #[serde(default)]
    pub viewer: Viewer,
}

/// What holds between us and a post, or its author.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Viewer {
    /// Its author does not let us answer (a threadgate).
    pub reply_disabled: bool,
    /// They block us.
    pub blocked_by: bool,
    /// We block them: the record that says so.
    pub blocking: Option<String>,
}

/// `app.bsky.feed.post`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub text: String,
    /// When its author's program says that it was written.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Instant>,
    #[serde(default, deserialize_with = "lenient")]
    pub langs: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub facets: Vec<Facet>,
    #[serde(default)]
    pub reply: Option<ReplyRef>,
    /// Whether something is attached: what it is stands in the view.
    #[serde(default)]
    pub embed: Option<Value>,
}

/// What a post answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReplyRef {
    pub root: StrongRef,
    pub parent: StrongRef,
}

/// A record, in one version of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct StrongRef {
    pub uri: String,
    pub cid: String,
}

/// A part of a text that is more than text.
#[derive(Debug, Clone, Deserialize)]
pub struct Facet {
    pub index: Slice,
    #[serde(default)]
    pub features: Vec<Feature>,
}

/// Which part: bytes of UTF-8.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    pub byte_start: usize,
    pub byte_end: usize,
}

/// What it is. Only links have a `uri`.
#[derive(Debug, Clone, Deserialize)]
pub struct Feature {
    #[serde(default)]
    pub uri: Option<String>,
}

/// What is attached, of whichever kind: `images#view`, `video#view`, `recordWithMedia#view`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Embed {
    pub images: Vec<Image>,
    /// Of a film: its list of pieces, and the still picture.
    pub playlist: Option<String>,
    pub thumbnail: Option<String>,
    pub alt: Option<String>,
    /// Of a quote with pictures.
    #[serde(deserialize_with = "lenient")]
    pub media: Option<Box<Embed>>,
}

/// A picture.
#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    pub fullsize: String,
    #[serde(default)]
    pub alt: String,
}

/// `app.bsky.feed.getPosts`
#[derive(Deserialize)]
pub struct Posts {
    pub posts: Vec<Box<RawValue>>,
}

/// `app.bsky.actor.getProfiles`
#[derive(Deserialize)]
pub struct Profiles {
    pub profiles: Vec<Profile>,
}

/// `app.bsky.feed.getPostThread`
#[derive(Deserialize)]
pub struct Thread {
    pub thread: Branch,
}

/// A post with what stands below it, or what stands for one that is not shown.
#[derive(Deserialize)]
pub struct Branch {
    /// `…#threadViewPost`, `…#notFoundPost`, `…#blockedPost`
    #[serde(rename = "$type")]
    pub kind: String,
    #[serde(default)]
    pub post: Option<View>,
    #[serde(default, deserialize_with = "each")]
    pub replies: Vec<Branch>,
}

/// `com.atproto.identity.resolveHandle`
#[derive(Deserialize)]
pub struct Resolved {
    pub did: String,
}

/// `com.atproto.repo.putRecord`
#[derive(Deserialize)]
pub struct Put {
    pub uri: String,
}

/// `com.atproto.repo.getRecord`
#[derive(Deserialize)]
pub struct Stored {
    pub value: Record,
}

/// What can be read of a value; its default otherwise.
pub fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Those of a list that can be read.
fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    let read = values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok());
    Ok(read.collect())
}
