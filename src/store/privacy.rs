//! What is said about a person in events, under a key of theirs. The log is for ever; the key is not:
//! when it is destroyed, the words are noise, and the chain through the log still holds.

use super::batch::{Batch, clean};
use super::{Changes, Error, Result, Store};
use crate::domain::private::{ERASED, texts_mut};
use crate::domain::{CaseNumber, EventRecord, NativeId, SourceName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use rand::Rng as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many keys are remembered; then it is begun anew.
const REMEMBERED: usize = 10_000;
/// What stands where words cannot be made out, though their key is there.
const UNREADABLE: &str = "[unreadable]";

/// A person: their source and the platform's id of them.
pub type PersonKey = (SourceName, NativeId);

/// The key of a person. Never shown.
pub struct Key {
    /// Which one it is: stands beside what it locks.
    pub id: String,
    secret: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// One of this name.
    pub fn of(id: &str, secret: [u8; 32]) -> Self {
        let id = id.to_owned();
        Self { id, secret }
    }

    /// A new one, at random.
    fn random() -> Self {
        let mut random = rand::rng();
        Self {
            id: hex::encode(random.random::<[u8; 8]>()),
            secret: random.random(),
        }
    }

    /// One from its row.
    fn stored(id: String, secret: &str) -> Result<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(secret, &mut bytes).map_err(|error| Error::Inconsistent {
            table: "person_keys",
            column: "secret",
            row: id.clone(),
            why: error.to_string(),
        })?;
        Ok(Self { id, secret: bytes })
    }

    /// As its row keeps it.
    pub fn secret(&self) -> String {
        hex::encode(self.secret)
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.secret).ok()?;
        Some(LessSafeKey::new(key))
    }

    /// Locks a text: base64 of a random nonce, the noise and its tag. `place` is bound into it.
    pub fn lock(&self, place: &[u8], text: &str) -> Result<String> {
        let failed = || Error::Refused("a text cannot be encrypted".to_owned());
        let nonce: [u8; NONCE_LEN] = rand::rng().random();
        let mut bytes = clean(text).as_bytes().to_vec();
        self.cipher()
            .ok_or_else(failed)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut bytes)
            .map_err(|_| failed())?;
        Ok(BASE64.encode([nonce.as_slice(), &bytes].concat()))
    }

    /// Opens it again.
    pub fn open(&self, place: &[u8], locked: &str) -> Option<String> {
        let mut bytes = BASE64.decode(locked).ok()?;
        let (nonce, noise) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self
            .cipher()?
            .open_in_place(nonce, Aad::from(place), noise)
            .ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// Where a text stands: its event, and which of its texts it is.
fn place(record: i64, index: usize) -> [u8; 9] {
    let mut place = [0; 9];
    place[..8].copy_from_slice(&record.to_be_bytes());
    place[8] = u8::try_from(index).unwrap_or(u8::MAX);
    place
}

/// The keys that were needed lately.
#[derive(Debug, Default)]
pub struct Keyring(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    by_person: HashMap<PersonKey, Arc<Key>>,
    by_id: HashMap<String, Arc<Key>>,
}

impl Keyring {
    fn of(&self, person: &PersonKey) -> Option<Arc<Key>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.by_person.get(person).cloned()
    }

    fn named(&self, id: &str) -> Option<Arc<Key>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.by_id.get(id).cloned()
    }

    /// Remembers a key that is in the database.
    pub fn remember(&self, person: PersonKey, key: Arc<Key>) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.by_id.len() >= REMEMBERED {
            *keys = Keys::default();
        }
        keys.by_person.insert(person, Arc::clone(&key));
        keys.by_id.insert(key.id.clone(), key);
    }

    /// Forgets all of them.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Keys::default();
    }
}

/// What was locked in a commit.
#[derive(Debug, Default)]
pub struct Locked {
    /// The keys of the events that have one, by event.
    pub keys: HashMap<i64, Arc<Key>>,
    /// The keys that are new, and go into the same commit.
    pub new: Vec<(PersonKey, Arc<Key>)>,
}

impl Store {
    /// Locks the free texts of the events that are to be written.
    ///
    /// # Errors
    /// The database does not answer, or an event's case is not known.
    pub(super) async fn lock_texts(&self, changes: &mut Changes) -> Result<Locked> {
        let mut locked = Locked::default();
        let spoken: Vec<_> = changes
            .events
            .iter_mut()
            .enumerate()
            .filter_map(|(at, record)| {
                let words = texts_mut(&mut record.event).iter().any(|text| !text.is_empty());
                words.then_some((at, record.case))
            })
            .collect();
        if spoken.is_empty() {
            return Ok(locked);
        }
        let persons = self.persons(changes, &spoken).await?;
        let mut keys = self.keys_of(&persons).await?;
        for (at, case) in spoken {
            let person = persons.get(&case).ok_or_else(|| {
                Error::Refused(format!("an event is about case {case}, which does not exist"))
            })?;
            let key = keys.entry(person.clone()).or_insert_with(|| {
                let key = Arc::new(Key::random());
                locked.new.push((person.clone(), Arc::clone(&key)));
                key
            });
            let record = &mut changes.events[at];
            let id = record.id.0;
            for (index, text) in texts_mut(&mut record.event).into_iter().enumerate() {
                if !text.is_empty() {
                    *text = key.lock(&place(id, index), text)?;
                }
            }
            locked.keys.insert(id, Arc::clone(key));
        }
        Ok(locked)
    }

    /// Who these cases are about: cases of the same commit, or those that are there.
    async fn persons(
        &self,
        changes: &Changes,
        spoken: &[(usize, CaseNumber)],
    ) -> Result<HashMap<CaseNumber, PersonKey>> {
        let mut persons = HashMap::new();
        for case in changes.new_cases.iter().chain(&changes.cases) {
            persons.insert(case.number, (case.source.clone(), case.author.clone()));
        }
        let mut missing: Vec<_> = spoken.iter().map(|(_, case)| *case).collect();
        missing.retain(|case| !persons.contains_key(case));
        missing.sort_unstable();
        missing.dedup();
        for case in self.cases(&missing).await? {
            persons.insert(case.number, (case.source, case.author));
        }
        Ok(persons)
    }

    /// The keys that these persons have.
    async fn keys_of(
        &self,
        persons: &HashMap<CaseNumber, PersonKey>,
    ) -> Result<HashMap<PersonKey, Arc<Key>>> {
        let mut keys = HashMap::new();
        let mut missing = Vec::new();
        for person in persons.values() {
            match self.inner.keys.of(person) {
                Some(key) => drop(keys.insert(person.clone(), key)),
                None => missing.push(person),
            }
        }
        if missing.is_empty() {
            return Ok(keys);
        }
        let missing = Batch::of_texts(
            missing
                .iter()
                .map(|(source, author)| [source.as_str(), author.as_str()]),
        );
        for (source, author, id, secret) in self.keys_of_persons(&missing).await? {
            let person: PersonKey = (source.into(), author.into());
            let key = Arc::new(Key::stored(id, &secret)?);
            self.inner.keys.remember(person.clone(), Arc::clone(&key));
            keys.insert(person, key);
        }
        Ok(keys)
    }

    /// Opens the free texts of events that were read, each with the id of the key it was locked with.
    pub(super) async fn open_texts(
        &self,
        read: Vec<(EventRecord, Option<String>)>,
    ) -> Result<Vec<EventRecord>> {
        let mut keys: HashMap<&str, Option<Arc<Key>>> = HashMap::new();
        for id in read.iter().filter_map(|(_, key)| key.as_deref()) {
            keys.entry(id).or_insert_with(|| self.inner.keys.named(id));
        }
        let missing: Vec<_> = keys.iter().filter(|(_, key)| key.is_none()).collect();
        if !missing.is_empty() {
            let missing = Batch::of_texts(missing.into_iter().map(|(id, _)| [*id]));
            for (source, author, id, secret) in self.keys_by_id(&missing).await? {
                let key = Arc::new(Key::stored(id, &secret)?);
                self.inner
                    .keys
                    .remember((source.into(), author.into()), Arc::clone(&key));
                if let Some(found) = keys.get_mut(key.id.as_str()) {
                    *found = Some(key);
                }
            }
        }
        let keys: HashMap<String, Option<Arc<Key>>> =
            keys.into_iter().map(|(id, key)| (id.to_owned(), key)).collect();
        let open = |(mut record, id): (EventRecord, Option<String>)| {
            if let Some(key) = id.and_then(|id| keys.get(&id)) {
                open(&mut record, key.as_deref());
            }
            record
        };
        Ok(read.into_iter().map(open).collect())
    }
}

/// Opens an event's texts; without a key they are gone.
fn open(record: &mut EventRecord, key: Option<&Key>) {
    let id = record.id.0;
    for (index, text) in texts_mut(&mut record.event).into_iter().enumerate() {
        if text.is_empty() {
            continue;
        }
        *text = match key {
            None => ERASED.to_owned(),
            Some(key) => key.open(&place(id, index), text).unwrap_or_else(|| {
                tracing::error!(
                    event = id,
                    "A text does not fit its key: `hearback audit verify` tells more."
                );
                UNREADABLE.to_owned()
            }),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_with_its_key_at_its_place_and_nowhere_else() {
        let (key, other) = (Key::random(), Key::random());
        let locked = key.lock(&place(7, 0), "It broke 🦀").unwrap();
        assert!(!locked.contains("broke"));
        assert_ne!(locked, key.lock(&place(7, 0), "It broke 🦀").unwrap());
        assert_eq!(key.open(&place(7, 0), &locked).as_deref(), Some("It broke 🦀"));
        assert_eq!(key.open(&place(7, 1), &locked), None);
        assert_eq!(key.open(&place(8, 0), &locked), None);
        assert_eq!(other.open(&place(7, 0), &locked), None);
        assert_eq!(key.open(&place(7, 0), "abc"), None);
        assert!(!format!("{key:?}").contains(&key.secret()));
        let again = Key::stored(key.id.clone(), &key.secret()).unwrap();
        assert!(again.open(&place(7, 0), &locked).is_some());
    }
}
