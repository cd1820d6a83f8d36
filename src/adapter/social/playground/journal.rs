//! What happened on the square, one JSON object a line, appended and synced before anybody is told.

use crate::domain::{Instant, NativeId};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Somebody who writes on the square.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Customer {
    /// Their id.
    pub id: NativeId,
    /// What they are addressed by, without `@`.
    pub handle: String,
    /// The name they gave.
    pub name: String,
    /// How many follow them.
    pub followers: Option<i64>,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its place; rises by one.
    pub seq: i64,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum What {
    /// The square was made: the first line. Its name keeps the ids and the cursors of two squares apart.
    Founded { name: String },
    /// A customer wrote.
    Wrote {
        id: NativeId,
        to: Option<NativeId>,
        by: Customer,
        text: String,
        lang: Option<String>,
        private: bool,
        nonce: String,
    },
    /// A customer edited a post.
    Edited { id: NativeId, text: String },
    /// A customer took a post back.
    Deleted { id: NativeId },
    /// The brand answered.
    Answered {
        id: NativeId,
        to: NativeId,
        text: String,
        private: bool,
        key: String,
    },
}

/// The file. Only one process holds it.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// How much of the file is whole lines.
    sound: u64,
    /// Why nothing can be appended any more: a torn line could not be taken back.
    torn: Option<String>,
}

/// Why a record was not appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAppended {
    /// It is certainly not there.
    #[error("{0}")]
    Certainly(String),
    /// It may be there after the next start.
    #[error("{0}")]
    Perhaps(String),
}

impl Journal {
    /// Opens or creates the file, and reads it. A torn last line, as a power cut or `kill -9`
    /// leaves it, was never acknowledged: it is dropped.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, Vec<Record>)> {
        let shown = path.display();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot open {shown}: check that the folder can be written to"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{shown} is in use: stop the other Hearback, or name another folder with --data")
            }
            Err(TryLockError::Error(error)) => return Err(error).context(format!("cannot lock {shown}")),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {shown}"))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < bytes.len() {
            tracing::warn!(file = %shown, bytes = bytes.len() - whole, "Dropped a torn last line.");
            file.set_len(whole as u64)
                .with_context(|| format!("cannot cut the torn last line off {shown}"))?;
        }
        let records = read(path, &bytes[..whole])?;
        sync_folder(path).with_context(|| format!("cannot sync the folder of {shown}"))?;
        let journal = Self {
            file,
            sound: whole as u64,
            torn: None,
        };
        Ok((journal, records))
    }

    /// Appends a record; it is on the disk when this returns.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), NotAppended> {
        if let Some(torn) = &self.torn {
            return Err(NotAppended::Certainly(torn.clone()));
        }
        let mut line =
            serde_json::to_vec(record).map_err(|error| NotAppended::Certainly(error.to_string()))?;
        line.push(b'\n');
        match self.write(&line) {
            Ok(()) => {
                self.sound += line.len() as u64;
                Ok(())
            }
            Err(error) => match self.file.set_len(self.sound).and_then(|()| self.file.sync_data()) {
                Ok(()) => Err(NotAppended::Certainly(error.to_string())),
                Err(second) => {
                    let why = format!("the square's file is damaged ({error}, then {second}): start again");
                    self.torn = Some(why.clone());
                    Err(NotAppended::Perhaps(why))
                }
            },
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.sound))?;
        self.file.write_all(line)?;
        self.file.sync_data()
    }
}

fn read(path: &Path, bytes: &[u8]) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let record = serde_json::from_slice(line).with_context(|| {
            format!(
                "{}:{} is not a line of the square: move the file away to begin a new one",
                path.display(),
                at + 1
            )
        })?;
        records.push(record);
    }
    Ok(records)
}

/// A new file's name is durable only once its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    if cfg!(unix) && !folder.as_os_str().is_empty() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn record(seq: i64) -> Record {
        Record {
            seq,
            at: DateTime::from_timestamp(1_800_000_000, 5_000).unwrap(),
            what: What::Deleted {
                id: NativeId::from("p1"),
            },
        }
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("square.jsonl");
        let (mut journal, records) = Journal::open(&path).unwrap();
        assert_eq!(records, []);
        journal.append(&record(1)).unwrap();
        journal.append(&record(2)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1, [record(1), record(2)]);
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("square.jsonl");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&record(1)).unwrap();
        drop(journal);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"seq\":2,\"at\":\"20");
        std::fs::write(&path, bytes).unwrap();
        let (mut journal, records) = Journal::open(&path).unwrap();
        assert_eq!(records, [record(1)]);
        journal.append(&record(2)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1, [record(1), record(2)]);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("square.jsonl");
        std::fs::write(&path, "nonsense\n").unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("square.jsonl:1 is not a line"), "{error}");
    }

    #[test]
    fn two_processes_do_not_share_a_square() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("square.jsonl");
        let _held = Journal::open(&path).unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("is in use"), "{error}");
    }
}
