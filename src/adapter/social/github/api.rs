//! The calls: JSON, with a token (<https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api>).
//! A limit that is reached is told by 429, or by 403 with `Retry-After` or with nothing left
//! (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).

pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Mend};
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError};
use reqwest::header::ACCEPT;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The API's version that this is written for.
const VERSION: &str = "2022-11-28";
/// The wait after a limit that is told by its words alone: a minute at least, as the documentation asks.
const WAIT: Duration = Duration::from_secs(60);

const MEND: Mend = Mend {
    unauthorized: "the token is not accepted; make a fine-grained one under Settings, Developer settings",
    forbidden: "the token needs the permission Issues, and where they are heard Discussions, read and write, for these \
                repositories",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// An account's way to GitHub.
pub struct Api {
    api: api::Api,
    token: SecretString,
}

impl Api {
    pub fn new(
        base: Url,
        source: &SourceName,
        token: SecretString,
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            api: api::Api::new(base, source, publishing, clock, spoken)?.forbidding(),
            token,
        })
    }

    /// What GitHub says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Reads what stands at a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let call = self.api.reader().get(self.api.at(path)).query(query);
        self.api.read(self.signed(call)).await.map_err(known)?.decode()
    }

    /// Publishes: one attempt, on a connection of its own.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.api.writer().post(self.api.at(path)).json(body);
        let answer = self
            .api
            .publish(self.signed(call), allowed)
            .await
            .map_err(known)?;
        answer.decode()
    }

    /// Reads by GraphQL.
    pub async fn graph<T: DeserializeOwned>(&self, query: &str, variables: Value) -> Result<T, Failed> {
        let call = self.api.reader().post(self.graph_at());
        let call = call.json(&json!({"query": query, "variables": variables}));
        let answer = self.api.read(self.signed(call)).await.map_err(known)?;
        told(answer.decode()?)
    }

    /// Publishes by GraphQL: one attempt, on a connection of its own.
    pub async fn mutate<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.api.writer().post(self.graph_at());
        let call = call.json(&json!({"query": query, "variables": variables}));
        let answer = self.api.publish(self.signed(call), allowed).await;
        told(answer.map_err(known)?.decode()?)
    }

    /// Where GraphQL is spoken: on a company's own server beside `/api/v3`
    /// (<https://docs.github.com/en/enterprise-server/graphql/guides/managing-enterprise-accounts>).
    fn graph_at(&self) -> Url {
        let mut url = self.api.at(&["graphql"]);
        let beside = url.path().strip_suffix("/v3/graphql");
        if let Some(path) = beside.map(|path| format!("{path}/graphql")) {
            url.set_path(&path);
        }
        url
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.api.at(&["zen"])).await
    }

    fn signed(&self, call: RequestBuilder) -> RequestBuilder {
        call.bearer_auth(self.token.expose_secret())
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", VERSION)
    }
}

/// A limit is told by 403, too.
fn known(error: Failed) -> Failed {
    match &error {
        Failed::Status {
            status: StatusCode::FORBIDDEN,
            told: Some(told),
        } if told.to_lowercase().contains("rate limit") => Failed::Limited(WAIT),
        Failed::Status { .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => error,
    }
}

/// What GraphQL answers. Failures come with the status 200, each with a type
/// (<https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>); what none of
/// them names says nothing about whether anything was done.
#[derive(Deserialize)]
struct Graph {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<GraphError>,
}

#[derive(Deserialize)]
struct GraphError {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

fn told<T: DeserializeOwned>(graph: Graph) -> Result<T, Failed> {
    if let Some(GraphError { kind, message }) = graph.errors.first() {
        let status = match kind.as_str() {
            "RATE_LIMITED" => return Err(Failed::Limited(WAIT)),
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" => StatusCode::FORBIDDEN,
            "UNPROCESSABLE" => StatusCode::UNPROCESSABLE_ENTITY,
            _ if message.to_lowercase().contains("rate limit") => return Err(Failed::Limited(WAIT)),
            _ => return Err(Failed::Broken(format!("GitHub says: {message}"))),
        };
        return Err(Failed::Status {
            status,
            told: Some(message.clone()),
        });
    }
    serde_json::from_value(graph.data)
        .map_err(|error| Failed::Broken(format!("the answer is not what the API describes ({error})")))
}

/// The API's own words: `{"message": …}`.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(told.message)
}
