//! The platforms' own descriptions of their requests. They are not part of the repository:
//! `HEARBACK_TEST_SPECS` names the folder that has them (`slack/Req_chat_postMessage.schema.json`,
//! `slack/manifest.v2.schema.json`, …); without it nothing is checked here.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Methods of Slack's whose requests nobody describes.
const UNDESCRIBED: [&str; 2] = ["apps.connections.open", "auth.test"];

/// Where the descriptions are. A folder that is named has to be there.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HEARBACK_TEST_SPECS").filter(|name| !name.is_empty())?;
    let folder = PathBuf::from(folder);
    assert!(
        folder.is_dir(),
        "HEARBACK_TEST_SPECS names {}, which is no folder",
        folder.display()
    );
    Some(folder)
}

/// What a schema says against a value, that it is missing among it; `None` where there are no schemas.
pub fn check(schema: &str, value: &Value) -> Option<Vec<String>> {
    folder().map(|folder| check_in(&folder, schema, value))
}

fn check_in(folder: &Path, schema: &str, value: &Value) -> Vec<String> {
    static COMPILED: Mutex<Option<HashMap<PathBuf, Arc<jsonschema::Validator>>>> = Mutex::new(None);
    let path = folder.join(schema);
    let held = COMPILED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .get(&path)
        .cloned();
    let validator = match held {
        Some(validator) => validator,
        None => {
            let Ok(text) = std::fs::read_to_string(&path) else {
                return vec![format!("there is no schema {}", path.display())];
            };
            let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
            let validator = Arc::new(jsonschema::validator_for(&schema).expect("a sound schema"));
            let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.get_or_insert_default().insert(path, validator.clone());
            validator
        }
    };
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// What Slack's own types say against the body of a request.
pub fn check_slack(method: &str, body: &Value) -> Vec<String> {
    if UNDESCRIBED.contains(&method) {
        return Vec::new();
    }
    let schema = format!("slack/Req_{}.schema.json", method.replace('.', "_"));
    let errors = check(&schema, body).unwrap_or_default();
    errors
        .into_iter()
        .map(|error| format!("{method} does not fit its schema: {error}"))
        .collect()
}

#[test]
fn a_schema_that_is_missing_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let problems = check_in(
        folder.path(),
        "slack/Req_chat_postMessage.schema.json",
        &Value::Null,
    );
    assert!(problems[0].starts_with("there is no schema"), "{problems:?}");
}
