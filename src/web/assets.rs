//! Style sheets and scripts, compiled in. Their address carries a hash of them all, so that
//! browsers may keep them for ever and scripts may import each other by name.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

static ASSETS: &[Asset] = &[
    Asset {
        name: "hearback.css",
        kind: CSS,
        text: include_str!("assets/hearback.css"),
    },
    Asset {
        name: "hearback.js",
        kind: JS,
        text: include_str!("assets/hearback.js"),
    },
    Asset {
        name: "live.js",
        kind: JS,
        text: include_str!("assets/live.js"),
    },
    Asset {
        name: "console.js",
        kind: JS,
        text: include_str!("assets/console.js"),
    },
    Asset {
        name: "square.js",
        kind: JS,
        text: include_str!("assets/square.js"),
    },
    Asset {
        name: "mark.svg",
        kind: "image/svg+xml",
        text: include_str!("assets/mark.svg"),
    },
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update(asset.text);
    }
    hex::encode(&hash.finalize()[..6])
});

/// Where an asset is.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// `/assets/{version}/{name}`
pub(super) async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let Some(asset) = found.filter(|_| version == *VERSION) else {
        return (StatusCode::NOT_FOUND, "No such file.\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.text).into_response()
}
