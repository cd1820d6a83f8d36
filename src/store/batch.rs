//! Many rows as the parameters of one statement: an array a column on PostgreSQL, which reads them
//! three times as fast as JSON; one JSON text on SQLite, which has no arrays.

use super::{Error, Result};
use crate::domain::{CaseNumber, EffectId, EventId};
use serde::Serialize;
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use std::borrow::Cow;

/// A value of a row. U+0000 becomes U+FFFD: PostgreSQL holds none in a text, and both engines are to
/// behave alike.
#[derive(Debug)]
pub enum Cell<'a> {
    /// A text, or NULL.
    Text(Option<Cow<'a, str>>),
    /// A whole number, or NULL.
    Number(Option<i64>),
}

impl<'a> Cell<'a> {
    /// A value as JSON.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_string(value).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(Self::Text(Some(if json.contains(r"\u0000") {
            without_nul(&json).into()
        } else {
            json.into()
        })))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(clean(text)))
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(clean))
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

macro_rules! numbered {
    ($($id:ident),+) => {$(
        impl From<$id> for Cell<'_> {
            fn from(id: $id) -> Self {
                Self::Number(Some(id.0))
            }
        }
    )+};
}
numbered!(CaseNumber, EventId, EffectId);

/// A column of a batch.
#[derive(Debug)]
enum Column {
    Text(Vec<Option<String>>),
    Number(Vec<Option<i64>>),
}

/// Rows of the same columns.
#[derive(Debug, Default)]
pub struct Batch {
    columns: Vec<Column>,
    rows: usize,
}

impl Batch {
    /// The batch of these rows.
    pub fn of<'a, const N: usize>(rows: impl IntoIterator<Item = [Cell<'a>; N]>) -> Self {
        let mut batch = Self::default();
        for row in rows {
            batch.push(row);
        }
        batch
    }

    /// A batch of texts, which may have no row.
    pub fn of_texts<'a, const N: usize>(rows: impl IntoIterator<Item = [&'a str; N]>) -> Self {
        let mut batch = Self {
            columns: (0..N).map(|_| Column::Text(Vec::new())).collect(),
            rows: 0,
        };
        for row in rows {
            batch.push(row.map(Cell::from));
        }
        batch
    }

    /// Adds a row; all have the same kinds of cells.
    pub fn push<const N: usize>(&mut self, row: [Cell<'_>; N]) {
        if self.columns.is_empty() {
            self.columns.extend(row.iter().map(|cell| match cell {
                Cell::Text(_) => Column::Text(Vec::new()),
                Cell::Number(_) => Column::Number(Vec::new()),
            }));
        }
        self.rows += 1;
        for (column, cell) in self.columns.iter_mut().zip(row) {
            match (column, cell) {
                (Column::Text(texts), Cell::Text(text)) => texts.push(text.map(Cow::into_owned)),
                (Column::Number(numbers), Cell::Number(number)) => numbers.push(number),
                (Column::Text(texts), Cell::Number(_)) => texts.push(None),
                (Column::Number(numbers), Cell::Text(_)) => numbers.push(None),
            }
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// For PostgreSQL: an array a column.
    pub fn postgres(&self) -> Result<PgArguments> {
        postgres(&[self])
    }

    /// For SQLite: one JSON text.
    pub fn sqlite(&self) -> Result<SqliteArguments> {
        sqlite(&[self])
    }

    /// An array of arrays, one for each row.
    pub fn json(&self) -> Result<String> {
        let mut out = Vec::with_capacity(self.rows * 64);
        out.push(b'[');
        for row in 0..self.rows {
            out.extend_from_slice(if row == 0 { b"[" } else { b",[" });
            for (place, column) in self.columns.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                match column {
                    Column::Text(texts) => serde_json::to_writer(&mut out, &texts[row]),
                    Column::Number(numbers) => serde_json::to_writer(&mut out, &numbers[row]),
                }
                .map_err(|error| Error::Refused(error.to_string()))?;
            }
            out.push(b']');
        }
        out.push(b']');
        String::from_utf8(out).map_err(|error| Error::Refused(error.to_string()))
    }
}

/// The parameters of a statement of several batches on PostgreSQL.
pub fn postgres(batches: &[&Batch]) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for column in batches.iter().flat_map(|batch| &batch.columns) {
        let added = match column {
            Column::Text(texts) => arguments.add(texts),
            Column::Number(numbers) => arguments.add(numbers),
        };
        added.map_err(|error| Error::Refused(error.to_string()))?;
    }
    Ok(arguments)
}

/// The parameters of a statement of several batches on SQLite.
pub fn sqlite(batches: &[&Batch]) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for batch in batches {
        let added = arguments.add(batch.json()?);
        added.map_err(|error| Error::Refused(error.to_string()))?;
    }
    Ok(arguments)
}

/// A text as it is stored, or looked for.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{FFFD}").into()
    } else {
        text.into()
    }
}

/// Replaces the escape of U+0000, but not a backslash that happens to stand before `u0000`.
fn without_nul(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        // After a backslash JSON has one more ASCII character at least.
        let length = if escape.starts_with(r"\u0000") { 6 } else { 2 };
        let (escape, after) = escape.split_at(length);
        out.push_str(if length == 6 { r"\ufffd" } else { escape });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_becomes_a_replacement_and_a_spelled_out_one_stays() {
        let texts = ["a\0b", r"a\u0000b", "\\\0", "\"\\u0000\"", "é\u{1}"];
        let kept = ["a\u{FFFD}b", r"a\u0000b", "\\\u{FFFD}", "\"\\u0000\"", "é\u{1}"];
        let json = Batch::of(texts.map(|text| [text.into()])).json().unwrap();
        let back: Vec<[String; 1]> = serde_json::from_str(&json).unwrap();
        assert_eq!(back.concat(), kept);
        for (text, kept) in texts.iter().zip(kept) {
            let Cell::Text(Some(json)) = Cell::json(text).unwrap() else {
                panic!("it is a text");
            };
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), kept);
        }
    }

    #[test]
    fn rows_become_arrays_of_rows() {
        let rows = Batch::of([
            [1.into(), "a".into(), None::<&str>.into()],
            [2.into(), "\"".into(), "b".into()],
        ]);
        assert_eq!(rows.json().unwrap(), r#"[[1,"a",null],[2,"\"","b"]]"#);
        assert_eq!(Batch::default().json().unwrap(), "[]");
    }
}
