//! What the engines' errors mean for the caller.

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not take the work now (disk full, connection lost, locked). Nothing was
    /// written, or, if the connection to PostgreSQL broke during the very COMMIT, all of it: read
    /// again before trying again.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused this content (for example a text it cannot hold). Nothing was written.
    #[error("the database refused the content: {0}")]
    Refused(String),
    /// Something that was to be changed had been changed by somebody else meanwhile. Nothing was
    /// written: read again.
    #[error("somebody else was faster; nothing was written")]
    Lost,
    /// Another process works on this database.
    #[error("another Hearback is running on this database; stop it first")]
    Taken,
    /// What is stored does not make sense.
    #[error("{table}.{column} of {row} makes no sense: {why}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row.
        row: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The check that only a lost race breaks.
const RACE: &str = "CHECK constraint failed: ok = 1";

/// Short for the store's results.
pub type Result<T> = std::result::Result<T, Error>;

impl From<sqlx::Error> for Error {
    /// Only what is certainly the content's fault is a refusal; a caller may give refused content
    /// up, but waits and tries again with anything else.
    fn from(error: sqlx::Error) -> Self {
        let refused = match &error {
            sqlx::Error::Database(database) if database.message().contains(RACE) => return Self::Lost,
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                if database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                    sqlite_refuses(&code)
                } else {
                    postgres_refuses(&code)
                }
            }
            sqlx::Error::Encode(_) => true,
            sqlx::Error::ColumnDecode { index, source } => {
                return Self::Inconsistent {
                    table: "result",
                    column: "value",
                    row: index.clone(),
                    why: source.to_string(),
                };
            }
            _ => false,
        };
        if refused {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

/// TOOBIG, CONSTRAINT and MISMATCH; the low byte of an extended code is the primary one
/// (<https://www.sqlite.org/rescode.html>).
fn sqlite_refuses(code: &str) -> bool {
    matches!(code.parse::<i32>().map(|code| code & 0xff), Ok(18..=20))
}

/// Cardinality violation, data exception, integrity violation, program limit exceeded (a key too
/// long for its index) (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn postgres_refuses(code: &str) -> bool {
    ["21", "22", "23", "54"]
        .iter()
        .any(|class| code.starts_with(class))
}
