//! How a person lets us in with a browser (RFC 6749, 4.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::Url;

/// Where a person lets us in, with a browser.
#[derive(Debug, Clone)]
pub struct Door {
    /// The authorisation endpoint.
    pub authorise_url: Url,
    /// What we ask for. Nothing here lets us remove, hide or report what a customer wrote.
    pub scopes: &'static [&'static str],
    /// What the platform wants to be told beside that.
    pub extra: &'static [(&'static str, &'static str)],
}

/// A walk through the door: what the browser is sent with, and what it has to bring back.
pub struct Walk {
    /// The address to open.
    pub url: Url,
    /// Brought back unchanged, or it is somebody else's.
    pub state: String,
    /// Shows that who redeems the code is who asked for it (<https://www.rfc-editor.org/rfc/rfc7636>).
    pub verifier: String,
    /// Where the browser is sent back to.
    pub redirect: Url,
}

impl Door {
    /// Begins a walk.
    #[must_use]
    pub fn walk(&self, client_id: &str, redirect: Url) -> Walk {
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let (state, verifier) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut url = self.authorise_url.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("scope", &self.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.extra);
        Walk {
            url,
            state,
            verifier,
            redirect,
        }
    }
}
