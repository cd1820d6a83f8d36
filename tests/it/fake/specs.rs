//! The platforms' own descriptions of their requests. They are not part of the repository:
//! `HEARBACK_TEST_SPECS` names the folder that has them (`slack/Req_chat_postMessage.schema.json`,
//! `slack/manifest.v2.schema.json`, …); without it nothing is checked here.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the descriptions are.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("HEARBACK_TEST_SPECS").map(PathBuf::from)
}

/// What a schema says against a value; `None` when there is no such schema here.
pub fn check(schema: &str, value: &Value) -> Option<Vec<String>> {
    static COMPILED: Mutex<Option<HashMap<String, Option<Arc<jsonschema::Validator>>>>> = Mutex::new(None);
    let folder = folder()?;
    let validator = {
        let mut held = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = held.get_or_insert_default();
        let compile = || {
            let text = std::fs::read_to_string(folder.join(schema)).ok()?;
            let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
            Some(Arc::new(
                jsonschema::validator_for(&schema).expect("a sound schema"),
            ))
        };
        compiled
            .entry(schema.to_owned())
            .or_insert_with(compile)
            .clone()?
    };
    let errors = validator.iter_errors(value);
    Some(
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    )
}

/// What Slack's own types say against the body of a request.
pub fn check_slack(method: &str, body: &Value) -> Vec<String> {
    let schema = format!("slack/Req_{}.schema.json", method.replace('.', "_"));
    let errors = check(&schema, body).unwrap_or_default();
    errors
        .into_iter()
        .map(|error| format!("{method} does not fit its schema: {error}"))
        .collect()
}
