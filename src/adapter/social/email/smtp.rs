//! The way out over SMTP (<https://www.rfc-editor.org/rfc/rfc5321>), step by step, because each step proves
//! something else.
//!
//! Until the end of the data nothing was sent: whatever happens before is certain. After it a 5yz, or a 4yz
//! but 421, is the server's word that it did not take the letter (section 4.2.1). A 421, an answer that is
//! none, silence and a broken line say nothing: the letter may be on its way (RFC 1047).

use super::imap::is_this_machine;
use crate::adapter::http;
use crate::port::PortError;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret as _, SecretString};
use std::error::Error as _;
use std::time::Duration;
use url::Url;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait when the server wants us to come again: it does not say for how long.
const AGAIN: Duration = Duration::from_secs(30);

/// The server that takes letters, and how to sign in.
pub struct Outbox {
    url: Url,
    credentials: Credentials,
    /// Our domain, as we call ourselves.
    hello: ClientId,
}

/// A connection on which a letter was announced.
pub struct Announced(AsyncSmtpConnection);

impl Outbox {
    pub fn new(url: Url, username: String, password: &SecretString, domain: &str) -> Self {
        Self {
            url,
            credentials: Credentials::new(username, password.expose_secret().to_owned()),
            hello: ClientId::Domain(domain.to_owned()),
        }
    }

    /// Connects and signs in.
    ///
    /// # Errors
    /// Nothing was sent, for certain.
    pub async fn open(&self) -> Result<AsyncSmtpConnection, PortError> {
        http::install_tls();
        let host = self.url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let safe = self.url.scheme() == "smtps";
        let port = self.url.port().unwrap_or(if safe { 465 } else { 587 });
        let tls = || TlsParameters::new_rustls(bare.to_owned()).map_err(before);
        let first = if safe { Some(tls()?) } else { None };
        let connecting =
            AsyncSmtpConnection::connect_tokio1((bare, port), Some(CONNECT), &self.hello, first, None);
        let mut connection = connecting.await.map_err(before)?;
        if !safe && !is_this_machine(host) {
            connection.starttls(tls()?, &self.hello).await.map_err(before)?;
        }
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        let signed_in = connection.auth(&mechanisms, &self.credentials).await;
        signed_in.map_err(|error| {
            if error.is_permanent() {
                return PortError::Unauthorized(format!("the mail server: {}", words(&error)));
            }
            before(error)
        })?;
        Ok(connection)
    }

    /// Announces a letter from us to somebody.
    ///
    /// # Errors
    /// Nothing was sent, for certain.
    pub async fn announce(&self, from: &Address, to: &Address) -> Result<Announced, PortError> {
        let mut connection = self.open().await?;
        let mail = Mail::new(Some(from.clone()), Vec::new());
        connection.command(mail).await.map_err(before)?;
        let rcpt = Rcpt::new(to.clone(), Vec::new());
        connection.command(rcpt).await.map_err(before)?;
        Ok(Announced(connection))
    }
}

impl Announced {
    /// Sends the letter. One attempt.
    ///
    /// # Errors
    /// By what the answer proves.
    pub async fn send(mut self, letter: &[u8]) -> Result<(), PortError> {
        self.0.command(Data).await.map_err(before)?;
        self.0.message(letter).await.map_err(after)?;
        // The letter is taken; how the connection ends does not matter.
        let _ = self.0.quit().await;
        Ok(())
    }

    /// Ends without a letter.
    pub async fn give_up(mut self) {
        self.0.abort().await;
    }
}

/// A failure before the end of the data.
fn before(error: Error) -> PortError {
    if error.is_permanent() {
        return PortError::Refused(format!("the mail server refused the letter: {}", words(&error)));
    }
    if error.is_transient() {
        return PortError::RetryAfter(AGAIN);
    }
    PortError::NotReached(format!("the mail server: {}", words(&error)))
}

/// A failure at or after the end of the data.
fn after(error: Error) -> PortError {
    let closing = error.status().is_some_and(|code| code.to_string() == "421");
    if closing || !(error.is_permanent() || error.is_transient()) {
        return PortError::Unknown(format!("the mail server: {}", words(&error)));
    }
    before(error)
}

/// What a server said, or what happened.
fn words(error: &Error) -> String {
    let status = error.status().map(|code| format!("{code} ")).unwrap_or_default();
    match error.source() {
        Some(source) => format!("{status}{source}"),
        None => error.to_string(),
    }
}
