//! Tokens that say who we are, signed with a key of ours (RFC 7519, RFC 7515), as platforms want them.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use secrecy::SecretString;
use serde_json::{Value, json};

enum Key {
    Rs256(rsa::KeyPair),
    Es256(EcdsaKeyPair),
}

/// A key, and the head of the tokens that it signs.
pub struct Signer {
    key: Key,
    head: String,
    random: SystemRandom,
}

impl Signer {
    /// Signs by RS256 with an RSA key of at least 2048 bits, PKCS #8 in PEM.
    ///
    /// # Errors
    /// It is no such key.
    pub fn rs256(pem: &str, kid: Option<&str>) -> anyhow::Result<Self> {
        let key = rsa::KeyPair::from_pkcs8(&der(pem)?)
            .map_err(|error| anyhow!("the private key is no RSA key that can be used ({error})"))?;
        let mut head = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(kid) = kid {
            head["kid"] = kid.into();
        }
        Ok(Self::of(Key::Rs256(key), &head))
    }

    /// Signs by ES256 with a key on P-256, PKCS #8 in PEM.
    ///
    /// # Errors
    /// It is no such key.
    pub fn es256(pem: &str, kid: &str) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der(pem)?, &random)
            .map_err(|error| anyhow!("the private key is no P-256 key that can be used ({error})"))?;
        let head = json!({"alg": "ES256", "kid": kid, "typ": "JWT"});
        Ok(Self::of(Key::Es256(key), &head))
    }

    fn of(key: Key, head: &Value) -> Self {
        Self {
            key,
            head: URL_SAFE_NO_PAD.encode(head.to_string()),
            random: SystemRandom::new(),
        }
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn sign(&self, claims: &Value) -> anyhow::Result<SecretString> {
        let told = format!("{}.{}", self.head, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let failed = |_| anyhow!("nothing can be signed: the machine gives no random numbers");
        let signature = match &self.key {
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &self.random, told.as_bytes(), &mut signature)
                    .map_err(failed)?;
                signature
            }
            Key::Es256(key) => {
                let signature = key.sign(&self.random, told.as_bytes()).map_err(failed)?;
                signature.as_ref().to_vec()
            }
        };
        Ok(format!("{told}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

/// The bytes in a PEM block.
fn der(pem: &str) -> anyhow::Result<Vec<u8>> {
    let (_, rest) = pem
        .split_once("-----BEGIN PRIVATE KEY-----")
        .context("the private key does not begin with -----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest
        .split_once("-----END PRIVATE KEY-----")
        .context("the private key does not end with -----END PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).context("the private key is not base64")
}
