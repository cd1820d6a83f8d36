//! The seal as a file: JSON with a signature, whole or not at all.

use super::{Content, SealError};
use hmac::{Hmac, Mac as _};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The form of the file.
const VERSION: u32 = 1;

/// What was found in its place.
#[derive(Debug)]
pub enum Found {
    /// No file.
    Nothing,
    /// A file that proves nothing, for this reason.
    Unsound(String),
    /// What it says.
    Sealed(Box<Content>),
}

/// The file and its key's.
#[derive(Debug, Clone)]
pub struct File {
    path: PathBuf,
    key: PathBuf,
}

/// The form of the file. The signature is over the bytes of `sealed` as they stand.
#[derive(Serialize, Deserialize)]
struct Signed<'a> {
    version: u32,
    #[serde(borrow)]
    sealed: &'a RawValue,
    mac: String,
}

impl File {
    /// The seal at this path; its key is beside it.
    pub fn at(path: PathBuf) -> Self {
        let mut key = path.clone().into_os_string();
        key.push(".key");
        Self {
            path,
            key: key.into(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    pub async fn read(&self) -> Found {
        let file = self.clone();
        let read = tokio::task::spawn_blocking(move || file.read_now()).await;
        read.unwrap_or_else(|error| Found::Unsound(format!("its seal cannot be read: {error}")))
    }

    /// Writes it; durable when this returns. Makes the key if there is none.
    pub async fn write(&self, content: &Content) -> Result<(), SealError> {
        let (file, content) = (self.clone(), content.clone());
        let written = tokio::task::spawn_blocking(move || file.write_now(&content)).await;
        let path = self.path.display();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SealError::Refused(format!(
                "the seal {path} cannot be written: {error}; see that there is room, and that Hearback may write there"
            ))),
            Err(error) => Err(SealError::Refused(format!(
                "the seal {path} cannot be written: {error}"
            ))),
        }
    }

    fn read_now(&self) -> Found {
        let path = self.path.display();
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Found::Nothing;
            }
            Err(error) => return Found::Unsound(format!("its seal {path} cannot be read: {error}")),
        };
        let key = match fs::read(&self.key) {
            Ok(key) => key,
            Err(error) => {
                let key = self.key.display();
                return Found::Unsound(format!("the key of its seal, {key}, cannot be read: {error}"));
            }
        };
        match opened(&text, &key) {
            Ok(content) => Found::Sealed(Box::new(content)),
            Err(why) => Found::Unsound(format!("its seal {path} {why}")),
        }
    }

    fn write_now(&self, content: &Content) -> io::Result<()> {
        let key = self.key_or_new()?;
        let sealed = serde_json::value::to_raw_value(content)?;
        let signed = Signed {
            version: VERSION,
            sealed: &sealed,
            mac: hex::encode(signature(&key, sealed.get())?.finalize().into_bytes()),
        };
        let mut text = serde_json::to_vec(&signed)?;
        text.push(b'\n');
        replace(&self.path, &text)
    }

    fn key_or_new(&self) -> io::Result<Vec<u8>> {
        match fs::read(&self.key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::rng().random();
                replace(&self.key, &key)?;
                Ok(key.to_vec())
            }
            read => read,
        }
    }
}

fn signature(key: &[u8], sealed: &str) -> io::Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(io::Error::other)?;
    mac.update(sealed.as_bytes());
    Ok(mac)
}

/// What a seal says, if it was signed with this key; otherwise what is wrong with it.
fn opened(text: &str, key: &[u8]) -> Result<Content, String> {
    let signed: Signed<'_> = serde_json::from_str(text).map_err(|error| format!("is damaged: {error}"))?;
    if signed.version != VERSION {
        return Err("was written by a later version of Hearback".to_owned());
    }
    let mac = hex::decode(&signed.mac).map_err(|error| format!("is damaged: {error}"))?;
    signature(key, signed.sealed.get())
        .map_err(|error| error.to_string())?
        .verify_slice(&mac)
        .map_err(|_| "was not signed with its key".to_owned())?;
    serde_json::from_str(signed.sealed.get()).map_err(|error| format!("is damaged: {error}"))
}

/// Replaces a file by one that only we may read: whole or not at all, and durable.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = private().open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    crash_point!(K24);
    fs::rename(&new, path)?;
    crash_point!(K24);
    sync_folder(path)
}

#[cfg(unix)]
pub fn private() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
}

#[cfg(not(unix))]
pub fn private() -> fs::OpenOptions {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    options
}

/// A new name in a folder is durable when the folder is.
#[cfg(unix)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
