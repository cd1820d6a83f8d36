//! Secrets that a platform gave us and that have to outlast a restart, as the token that renews another
//! one. They stand locked in the database; the key is in a file outside of it, so a copy of the database
//! gives nobody an account.

use super::batch::Batch;
use super::privacy::Key;
use super::{Error, Result, Store};
use crate::domain::SourceName;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// The locked secrets of a database.
#[derive(Debug)]
pub struct Vault {
    store: Store,
    file: PathBuf,
    key: OnceCell<Key>,
}

impl Vault {
    /// The vault of a database, whose key is in a file beside its seal. The key is made when it is needed for
    /// the first time.
    #[must_use]
    pub fn of(store: &Store, seal: &Path) -> Self {
        let mut file = seal.to_owned().into_os_string();
        file.push(".tokens.key");
        Self {
            store: store.clone(),
            file: file.into(),
            key: OnceCell::new(),
        }
    }

    /// What is kept for a source under this name.
    ///
    /// # Errors
    /// The database does not answer, or what is kept does not fit the key.
    pub async fn get(&self, source: &SourceName, name: &str) -> Result<Option<String>> {
        let Some(locked) = self.store.token(source, name).await? else {
            return Ok(None);
        };
        // Without its key nothing can be read, and a new one would not help.
        let key = self.key(read).await?;
        let opened = key.open(&place(source, name), &locked);
        opened.map(Some).ok_or_else(|| Error::Inconsistent {
            table: "tokens",
            column: "body",
            row: format!("{source}/{name}"),
            why: format!(
                "it was not locked with the key in {}: put the key there that belongs to this database; if it is \
                 lost, let the platform in anew (`hearback connect`)",
                self.file.display()
            ),
        })
    }

    /// Keeps a secret, instead of what was kept before. Durable when this returns.
    ///
    /// # Errors
    /// The database or the file of the key cannot be written.
    pub async fn put(&self, source: &SourceName, name: &str, secret: &str) -> Result<()> {
        let locked = self.key(read_or_make).await?.lock(&place(source, name), secret)?;
        let row = Batch::of_texts([[source.as_str(), name, &locked]]);
        self.store.put_token(row).await
    }

    async fn key(&self, read: fn(&Path) -> io::Result<[u8; 32]>) -> Result<&Key> {
        self.key
            .get_or_try_init(async || {
                let file = self.file.clone();
                let read = tokio::task::spawn_blocking(move || read(&file)).await;
                let read = read.map_err(io::Error::other).and_then(|read| read);
                let bytes = read.map_err(|error| {
                    let file = self.file.display();
                    Error::Unavailable(format!(
                        "the key of the tokens, {file}, cannot be used ({error}): put the key there that belongs \
                         to this database; if it is lost, remove what is there and let the platforms in anew \
                         (`hearback connect`)"
                    ))
                })?;
                Ok(Key::of("tokens", bytes))
            })
            .await
    }
}

/// Where a secret stands: bound into the lock, so that none can be put in the place of another.
fn place(source: &SourceName, name: &str) -> Vec<u8> {
    [source.as_str(), "\0", name].concat().into_bytes()
}

fn read(path: &Path) -> io::Result<[u8; 32]> {
    whole(&fs::read(path)?)
}

/// Reads the key, or makes one. Of several who make it at the same time one wins, and all have that one.
fn read_or_make(path: &Path) -> io::Result<[u8; 32]> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            read(path)
        }
        read => read,
    }
}

fn whole(bytes: &[u8]) -> io::Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| io::Error::other(format!("it has {} bytes instead of 32", bytes.len())))
}

fn make(path: &Path) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(format!(".{}.new", super::random_name()));
    let new = PathBuf::from(new);
    let mut file = super::seal::private().open(&new)?;
    file.write_all(&rand::random::<[u8; 32]>())?;
    file.sync_all()?;
    drop(file);
    // A link, unlike a new name, never replaces what is there.
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and_then(|()| super::seal::sync_folder(path)),
    }
}
