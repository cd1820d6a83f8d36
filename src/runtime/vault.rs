//! The store's vault, as adapters know it.

use super::seal;
use crate::config::Config;
use crate::domain::SourceName;
use crate::port::{Unkept, Vault};
use crate::store::{self, Store};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

struct Stored(store::Vault);

/// Where this installation keeps what platforms give us.
pub(super) fn of(config: &Config, store: &Store) -> Arc<dyn Vault> {
    Arc::new(Stored(store::Vault::of(store, &seal::path(config))))
}

#[async_trait]
impl Vault for Stored {
    async fn get(&self, source: &SourceName, name: &str) -> Result<Option<SecretString>, Unkept> {
        let kept = self.0.get(source, name).await;
        kept.map(|kept| kept.map(Into::into)).map_err(unkept)
    }

    async fn put(&self, source: &SourceName, name: &str, secret: &SecretString) -> Result<(), Unkept> {
        let put = self.0.put(source, name, secret.expose_secret()).await;
        put.map_err(unkept)
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
