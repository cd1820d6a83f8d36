//! The store's vault, as adapters know it.

use super::seal;
use crate::config::Config;
use crate::domain::SourceName;
use crate::port::{Unkept, Vault};
use crate::store::{self, Store};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

struct Stored {
    vault: store::Vault,
    under_way: TaskTracker,
}

/// Where this installation keeps what platforms give us. Who closes the store waits for these tasks before.
pub(super) fn of(config: &Config, store: &Store, tasks: &TaskTracker) -> Arc<dyn Vault> {
    Arc::new(Stored {
        vault: store::Vault::of(store, &seal::path(config)),
        under_way: tasks.clone(),
    })
}

#[async_trait]
impl Vault for Stored {
    async fn get(&self, source: &SourceName, name: &str) -> Result<Option<SecretString>, Unkept> {
        let kept = self.vault.get(source, name).await;
        kept.map(|kept| kept.map(Into::into)).map_err(unkept)
    }

    async fn put(&self, source: &SourceName, name: &str, secret: &SecretString) -> Result<(), Unkept> {
        let put = self.vault.put(source, name, secret.expose_secret()).await;
        put.map_err(unkept)
    }

    fn under_way(&self) -> TaskTracker {
        self.under_way.clone()
    }
}

fn unkept(error: store::Error) -> Unkept {
    Unkept(error.to_string())
}

/// Where nothing can be kept, for this reason: then nothing is renewed either, which would make what the
/// serving process has worthless.
pub(super) struct NoVault(pub String);

#[async_trait]
impl Vault for NoVault {
    async fn get(&self, _: &SourceName, _: &str) -> Result<Option<SecretString>, Unkept> {
        Err(Unkept(self.0.clone()))
    }

    async fn put(&self, _: &SourceName, _: &str, _: &SecretString) -> Result<(), Unkept> {
        Err(Unkept(self.0.clone()))
    }
}
