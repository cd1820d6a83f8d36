//! What `runtime` needs of a network's connector beside the port.

use super::finding::Finding;
use super::link::Link;
use super::oauth::{Door, Grant};
use super::supervise::{Lost, supervise};
use crate::app::Inbound;
use crate::port::SocialPlatform;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One connected source.
#[async_trait]
pub trait Connector: SocialPlatform {
    /// The connections that readiness depends on.
    fn links(&self) -> Vec<Link>;

    /// One round of reading: what is new since the last time, and whether what is known still stands. What
    /// was read is stored when it returns. Nothing to do where the platform comes to us.
    ///
    /// # Errors
    /// The platform cannot be read, or nothing can be stored; what was read until then is stored.
    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        let _ = inbound;
        Ok(())
    }

    /// Its addresses on our server, if the platform comes to us.
    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        let _ = inbound;
        None
    }

    /// Reads until `stop`, and ends only then: one that ends before ends the whole service. Where the platform
    /// comes to us there is nothing to do until then.
    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let _ = inbound;
        stop.cancelled().await;
    }

    /// The platform's door, and the grant that takes what comes of it: where a person lets us in with a browser
    /// (`hearback connect`). None where all that is needed stands in the configuration.
    fn entrance(&self) -> Option<(Door, &Grant)> {
        None
    }

    /// Whether its credentials, their scopes and the clocks are well. Publishes nothing.
    async fn examine(&self) -> Vec<Finding>;
}

/// Sweeps every `poll`, over a connection that stands from the first sweep that went well.
pub async fn keep_sweeping<C: Connector + 'static>(
    connector: Arc<C>,
    (link, poll): (Link, Duration),
    inbound: Inbound,
    stop: CancellationToken,
) {
    let swept = link.clone();
    supervise(link, stop, move || {
        let (connector, inbound, link) = (connector.clone(), inbound.clone(), swept.clone());
        async move {
            loop {
                connector.sweep(&inbound).await?;
                link.up();
                tokio::time::sleep(poll).await;
            }
        }
    })
    .await;
}
