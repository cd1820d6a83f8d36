//! The chain through the log: each event carries a hash of the one before it and of itself, so that
//! nothing in it can be changed, taken out, put in or moved without that showing.

use super::EventId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// The most faults that are told one by one.
const MOST_FAULTS: usize = 20;
/// The most changed events among which it is looked for some that changed places.
const MOST_SUSPECTS: usize = 32;
/// How many of the last hashes the next event may follow: more than one only after a fault.
const RECENT: usize = 4;

/// A SHA-256 hash; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first event of an installation follows.
    #[must_use]
    pub fn genesis(installation: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"hearback log 1\n");
        hash.update(installation);
        Self(hash.finalize().into())
    }

    /// The hash of an event that follows this one. `at` in microseconds since 1970; `body` as it is
    /// stored. All but the body has a fixed length, so no two events have the same bytes.
    #[must_use]
    pub fn next(&self, id: i64, case: i64, at: i64, body: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        for number in [id, case, at] {
            hash.update(number.to_be_bytes());
        }
        hash.update(body);
        Self(hash.finalize().into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("is not a SHA-256 hash")
    }
}

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last event.
    pub event: EventId,
    /// Its hash.
    pub hash: Hash,
}

/// What was written down about a log outside of its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The first event that has a hash.
    pub begins: EventId,
    /// The last event.
    pub head: Head,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place.
    pub id: i64,
    /// Its case.
    pub case: i64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// All else.
    pub body: String,
    /// Its hash; events of earlier versions have none.
    pub hash: Option<String>,
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An event is not as it was written.
    Changed,
    /// Events in the middle are gone.
    Missing,
    /// Events at the end are gone.
    Truncated,
    /// Events changed places.
    Moved,
    /// An event was put in.
    Inserted,
    /// The log is not the one that was sealed.
    Rewritten,
}

/// A fault, at an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What sort of fault.
    pub kind: Kind,
    /// Where.
    pub event: i64,
    /// What is wrong, as the rest of a sentence that begins with the event.
    pub what: String,
}

/// What was found out about a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many events there are.
    pub events: u64,
    /// How many of them have no hash, because an earlier version wrote them: these are not proven.
    pub unproven: u64,
    /// The first event with a hash.
    pub begins: Option<i64>,
    /// The last event with its hash.
    pub head: Option<Head>,
    /// What is wrong, in order.
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more: u64,
}

/// Looks through a log, event by event.
#[derive(Debug)]
pub struct Verifier {
    genesis: Hash,
    sealed: Option<Sealed>,
    report: Report,
    last: i64,
    /// What the next event may follow, the newest first.
    recent: VecDeque<Hash>,
    /// By how much the ids of the events that come now were changed.
    shift: i64,
    suspects: Vec<Suspect>,
}

/// A changed event, with what it may have followed.
#[derive(Debug)]
struct Suspect {
    line: Line,
    stored: Hash,
    previous: Vec<Hash>,
}

impl Suspect {
    /// Whether this content was written at the other's place.
    fn fits_at(&self, other: &Self) -> bool {
        let (line, hashes) = (&self.line, [self.stored, other.stored]);
        other
            .previous
            .iter()
            .chain(&hashes)
            .any(|previous| hashes.contains(&previous.next(other.line.id, line.case, line.at, &line.body)))
    }
}

impl Verifier {
    /// For the log of an installation, of which perhaps something is written down.
    #[must_use]
    pub fn new(installation: &str, sealed: Option<Sealed>) -> Self {
        Self {
            genesis: Hash::genesis(installation),
            sealed,
            report: Report {
                events: 0,
                unproven: 0,
                begins: None,
                head: None,
                faults: Vec::new(),
                more: 0,
            },
            last: 0,
            recent: VecDeque::new(),
            shift: 0,
            suspects: Vec::new(),
        }
    }

    /// Looks at the next event, by id.
    pub fn line(&mut self, line: Line) {
        self.report.events += 1;
        let id = line.id;
        let gap = id > self.last + 1;
        if gap {
            let (from, to) = (self.last + 1, id - 1);
            let what = format!("is missing{}", up_to(from, to));
            self.fault(Kind::Missing, from, what);
        }
        if id < 1 {
            self.fault(Kind::Inserted, id, "stands before the first".to_owned());
        }
        self.last = id;
        self.compare_with_seal(&line);
        let Some(text) = &line.hash else {
            self.without_hash(id);
            return;
        };
        let first = self.report.begins.is_none();
        self.report.begins.get_or_insert(id);
        let Some(stored) = Hash::parse(text) else {
            self.fault(Kind::Changed, id, "has a hash that is none".to_owned());
            return;
        };
        if first {
            self.recent.push_front(self.genesis);
        }
        // What stood in a gap is not known, and so not what this event followed.
        if !gap || first {
            self.follow(line, stored);
        }
        self.recent.push_front(stored);
        self.recent.truncate(RECENT);
        self.report.head = Some(Head {
            event: EventId(id),
            hash: stored,
        });
    }

    /// An event without a hash: of an earlier version, or put in.
    fn without_hash(&mut self, id: i64) {
        let sealed = self.sealed.is_some_and(|sealed| sealed.begins.0 <= id);
        if self.report.begins.is_some() || sealed {
            let what = "has no hash: it was put in, or its hash was taken away".to_owned();
            self.fault(Kind::Inserted, id, what);
        } else {
            self.report.unproven += 1;
        }
    }

    fn compare_with_seal(&mut self, line: &Line) {
        let sealed = self.sealed.filter(|sealed| sealed.head.event.0 == line.id);
        if let Some(sealed) = sealed
            && line.hash.as_deref() != Some(&sealed.head.hash.to_string())
        {
            let what = "is not the one that was sealed: the log was written anew up to here".to_owned();
            self.fault(Kind::Rewritten, line.id, what);
        }
    }

    /// Whether an event is what it was when its hash was made, and follows the one before it.
    fn follow(&mut self, line: Line, stored: Hash) {
        let id = line.id;
        let fits = |previous: &Hash, id: i64| previous.next(id, line.case, line.at, &line.body) == stored;
        let follows = self.recent.iter().position(|previous| fits(previous, id));
        match follows {
            Some(0) => {
                self.shift = 0;
                return;
            }
            Some(_) => {
                self.shift = 0;
                // It is sound; the one before it is not what it followed.
                let told = self
                    .report
                    .faults
                    .last()
                    .is_some_and(|fault| fault.event >= id - 1);
                if !told {
                    let what = format!("was changed: event {id} followed another one");
                    self.fault(Kind::Changed, id - 1, what);
                }
                return;
            }
            None => {}
        }
        for by in [self.shift, 1, -1] {
            if by != 0 && self.recent.iter().any(|previous| fits(previous, id - by)) {
                if by != self.shift {
                    let what = if by > 0 {
                        format!("was written as event {}: one was put in before it", id - by)
                    } else {
                        format!("was written as event {}: one was taken out before it", id - by)
                    };
                    let kind = if by > 0 { Kind::Inserted } else { Kind::Missing };
                    self.fault(kind, id, what);
                    self.shift = by;
                    self.suspect(line, stored);
                }
                return;
            }
        }
        let what = "does not fit its hash: it, or the one before it, is not as it was written";
        self.fault(Kind::Changed, id, what.to_owned());
        self.suspect(line, stored);
    }

    fn suspect(&mut self, line: Line, stored: Hash) {
        if self.suspects.len() < MOST_SUSPECTS {
            let previous = self.recent.iter().copied().collect();
            self.suspects.push(Suspect {
                line,
                stored,
                previous,
            });
        }
    }

    /// Ends. `least` events were counted by the database before the first was read, `most` after the
    /// last.
    #[must_use]
    pub fn finish(mut self, least: EventId, most: EventId) -> Report {
        self.find_moved();
        let sealed = self.sealed.map_or(0, |sealed| sealed.head.event.0);
        let known = least.0.max(sealed);
        if known > self.last {
            let from = self.last + 1;
            let whose = if sealed > self.last {
                "the seal knows"
            } else {
                "the database counted"
            };
            let what = format!("is missing at the end{}: {whose} it", up_to(from, known));
            self.fault(Kind::Truncated, from, what);
        }
        if self.last > most.0 {
            let what = format!("stands after the last one, which was event {most}");
            self.fault(Kind::Inserted, most.0 + 1, what);
        }
        self.report
    }

    /// Among the changed events, pairs of which each fits the other's place. What follows them then was
    /// not changed either.
    fn find_moved(&mut self) {
        let mut moved = BTreeMap::new();
        let mut loose = Vec::new();
        for (at, one) in self.suspects.iter().enumerate() {
            for other in &self.suspects[at + 1..] {
                if one.fits_at(other) && other.fits_at(one) {
                    moved.insert(one.line.id, other.line.id);
                    moved.insert(other.line.id, one.line.id);
                    loose.extend([one.stored, other.stored]);
                }
            }
        }
        let follows = |fault: &Fault| {
            let suspect = self
                .suspects
                .iter()
                .find(|suspect| suspect.line.id == fault.event);
            suspect.is_some_and(|suspect| {
                let line = &suspect.line;
                loose
                    .iter()
                    .any(|hash| hash.next(line.id, line.case, line.at, &line.body) == suspect.stored)
            })
        };
        self.report
            .faults
            .retain(|fault| moved.contains_key(&fault.event) || !follows(fault));
        for fault in &mut self.report.faults {
            if let Some(elsewhere) = moved.get(&fault.event) {
                fault.kind = Kind::Moved;
                fault.what = format!("changed places with event {elsewhere}");
            }
        }
    }

    fn fault(&mut self, kind: Kind, event: i64, what: String) {
        if self.report.faults.len() < MOST_FAULTS {
            self.report.faults.push(Fault { kind, event, what });
        } else {
            self.report.more += 1;
        }
    }
}

/// ` (and all up to event 9)`, unless it is one alone.
fn up_to(from: i64, to: i64) -> String {
    if to > from {
        format!(" (and all up to event {to})")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const HOUSE: &str = "abcd1234";

    /// A sound log of so many events, of which the first few have no hash.
    fn log(count: i64, unproven: i64) -> Vec<Line> {
        let mut last = Hash::genesis(HOUSE);
        let mut out = Vec::new();
        for id in 1..=count {
            let (case, at, body) = (id % 3 + 1, id * 1_000, format!("{{\"n\":{id}}}"));
            let hash = (id > unproven).then(|| {
                last = last.next(id, case, at, &body);
                last.to_string()
            });
            out.push(Line {
                id,
                case,
                at,
                body,
                hash,
            });
        }
        out
    }

    fn sealed(log: &[Line]) -> Sealed {
        let first = log.iter().find(|line| line.hash.is_some()).unwrap();
        let last = log.last().unwrap();
        Sealed {
            begins: EventId(first.id),
            head: Head {
                event: EventId(last.id),
                hash: Hash::parse(last.hash.as_ref().unwrap()).unwrap(),
            },
        }
    }

    fn verified(log: Vec<Line>, seal: Option<Sealed>, counted: i64) -> Report {
        let mut verifier = Verifier::new(HOUSE, seal);
        for line in log {
            verifier.line(line);
        }
        verifier.finish(EventId(counted), EventId(counted))
    }

    /// Recomputes the hashes from this place on, as one does who knows how.
    fn forge(log: &mut [Line], from: usize) {
        for at in from..log.len() {
            let previous = match at {
                0 => Hash::genesis(HOUSE),
                _ => Hash::parse(log[at - 1].hash.as_ref().unwrap()).unwrap(),
            };
            let line = &log[at];
            let hash = previous.next(line.id, line.case, line.at, &line.body);
            log[at].hash = Some(hash.to_string());
        }
    }

    #[test]
    fn a_sound_log_has_no_fault() {
        for unproven in [0, 4] {
            let log = log(9, unproven);
            let seal = sealed(&log);
            let report = verified(log, Some(seal), 9);
            assert_eq!(report.faults, []);
            assert_eq!(
                (report.events, report.unproven, report.begins),
                (9, unproven as u64, Some(unproven + 1))
            );
            assert_eq!(report.head, Some(seal.head));
        }
        assert_eq!(verified(vec![], None, 0).faults, []);
    }

    type Tampering = fn(&mut Vec<Line>);

    #[rstest]
    #[case::edit(Kind::Changed, 5, |log: &mut Vec<Line>| log[4].body.push(' '))]
    #[case::edit_of_the_time(Kind::Changed, 5, |log: &mut Vec<Line>| log[4].at += 1)]
    #[case::edit_of_the_case(Kind::Changed, 9, |log: &mut Vec<Line>| log[8].case += 1)]
    #[case::edit_with_a_new_hash(Kind::Changed, 6, |log: &mut Vec<Line>| {
        log[4].body.push(' ');
        let last = log[..5].len();
        forge(&mut log[..last], 4);
    })]
    #[case::deletion(Kind::Missing, 4, |log: &mut Vec<Line>| drop(log.remove(3)))]
    #[case::deletion_at_the_start(Kind::Missing, 1, |log: &mut Vec<Line>| drop(log.remove(0)))]
    #[case::deletion_with_new_ids(Kind::Truncated, 9, |log: &mut Vec<Line>| {
        log.remove(3);
        log[3..].iter_mut().for_each(|line| line.id -= 1);
    })]
    #[case::truncation(Kind::Truncated, 8, |log: &mut Vec<Line>| log.truncate(7))]
    #[case::reordering(Kind::Moved, 3, |log: &mut Vec<Line>| {
        let body = log[2].body.clone();
        log[2].body = log[6].body.clone();
        log[6].body = body;
        let case = (log[2].case, log[2].at);
        (log[2].case, log[2].at) = (log[6].case, log[6].at);
        (log[6].case, log[6].at) = case;
    })]
    #[case::reordering_of_whole_rows(Kind::Moved, 3, |log: &mut Vec<Line>| {
        log.swap(2, 3);
        log[2].id = 3;
        log[3].id = 4;
    })]
    #[case::reordering_of_rows_apart(Kind::Moved, 7, |log: &mut Vec<Line>| {
        log.swap(2, 6);
        (log[2].id, log[6].id) = (3, 7);
    })]
    #[case::insertion(Kind::Inserted, 6, |log: &mut Vec<Line>| {
        let mut new = log[4].clone();
        new.body = "{}".to_owned();
        log.insert(4, new);
        log[5..].iter_mut().for_each(|line| line.id += 1);
    })]
    #[case::insertion_with_its_hash(Kind::Inserted, 6, |log: &mut Vec<Line>| {
        let mut new = log[4].clone();
        new.body = "{}".to_owned();
        log.insert(4, new);
        log[5..].iter_mut().for_each(|line| line.id += 1);
        forge(&mut log[..5], 4);
    })]
    #[case::insertion_at_the_end(Kind::Inserted, 10, |log: &mut Vec<Line>| {
        let mut new = log[8].clone();
        new.id = 10;
        log.push(new);
        forge(log, 9);
    })]
    #[case::insertion_without_a_hash(Kind::Inserted, 5, |log: &mut Vec<Line>| log[4].hash = None)]
    #[case::all_written_anew(Kind::Rewritten, 9, |log: &mut Vec<Line>| {
        log[4].body.push(' ');
        forge(log, 4);
    })]
    #[case::all_hashes_taken_away(Kind::Inserted, 1, |log: &mut Vec<Line>| {
        log.iter_mut().for_each(|line| line.hash = None);
    })]
    fn tampering_is_found(#[case] kind: Kind, #[case] event: i64, #[case] tamper: Tampering) {
        let mut log = log(9, 0);
        let seal = sealed(&log);
        tamper(&mut log);
        let report = verified(log, Some(seal), 9);
        let told = report.faults.iter().any(|f| (f.kind, f.event) == (kind, event));
        assert!(told, "{:#?}", report.faults);
    }

    #[test]
    fn what_only_follows_a_change_is_no_fault() {
        let mut log = log(12, 0);
        log.swap(2, 6);
        (log[2].id, log[6].id) = (3, 7);
        let report = verified(log, None, 12);
        let events: Vec<_> = report.faults.iter().map(|fault| fault.event).collect();
        assert_eq!(events, [3, 7], "{:#?}", report.faults);
    }

    #[test]
    fn one_edit_is_one_fault() {
        let mut log = log(9, 0);
        log[4].body.push(' ');
        assert_eq!(verified(log, None, 9).faults.len(), 1);
    }

    #[test]
    fn a_tail_is_missed_without_a_seal_too() {
        let mut log = log(9, 0);
        log.truncate(7);
        assert_eq!(verified(log, None, 9).faults[0].kind, Kind::Truncated);
    }

    #[test]
    fn many_faults_are_counted() {
        let mut log = log(100, 0);
        log.iter_mut().for_each(|line| line.body.push(' '));
        let report = verified(log, None, 100);
        assert_eq!((report.faults.len(), report.more), (20, 80));
    }

    type Fields = (String, i64, i64, i64, String);

    fn hashed((before, id, case, at, body): &Fields) -> Hash {
        Hash::genesis(before).next(*id, *case, *at, body)
    }

    fn fields() -> impl Strategy<Value = Fields> {
        let number = || prop_oneof![any::<i64>(), -3..3_i64];
        (".{0,4}", number(), number(), number(), "[\\x00-\\x03a]{0,24}")
    }

    proptest! {
        #[test]
        fn other_fields_have_another_hash(one in fields(), other in fields()) {
            prop_assert_eq!(one == other, hashed(&one) == hashed(&other));
        }

        #[test]
        fn a_change_of_one_field_changes_the_hash(one in fields(), other in fields()) {
            let (a, b) = (one.clone(), other);
            for changed in [
                (b.0, a.1, a.2, a.3, a.4.clone()),
                (a.0.clone(), b.1, a.2, a.3, a.4.clone()),
                (a.0.clone(), a.1, b.2, a.3, a.4.clone()),
                (a.0.clone(), a.1, a.2, b.3, a.4.clone()),
                (a.0.clone(), a.1, a.2, a.3, b.4),
                // The same bytes, cut elsewhere.
                (a.0.clone(), a.1, a.3, a.2, a.4.clone()),
                (a.0, a.2, a.1, a.3, a.4),
            ] {
                prop_assert_eq!(changed == one, hashed(&changed) == hashed(&one));
            }
        }

        #[test]
        fn hashes_are_read_back(text in ".{0,8}") {
            let hash = Hash::genesis(&text);
            prop_assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        }
    }
}
