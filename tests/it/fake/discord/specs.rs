//! Requests against Discord's own description of its API, where it is at hand.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

struct Specs {
    document: Value,
    compiled: Mutex<HashMap<String, Option<Arc<jsonschema::Validator>>>>,
}

fn specs() -> Option<&'static Specs> {
    static SPECS: OnceLock<Option<Specs>> = OnceLock::new();
    SPECS
        .get_or_init(|| {
            let Some(folder) = std::env::var_os("HEARBACK_TEST_SPECS") else {
                eprintln!(
                    "HEARBACK_TEST_SPECS is not set: requests to Discord are not checked against its OpenAPI."
                );
                return None;
            };
            let path = std::path::Path::new(&folder).join("discord-openapi.json");
            let text = std::fs::read_to_string(&path).unwrap();
            Some(Specs {
                document: serde_json::from_str(&text).unwrap(),
                compiled: Mutex::default(),
            })
        })
        .as_ref()
}

/// What the description says against a request; nothing when it is not at hand. `path` is a concrete
/// path below `/api/v10`.
pub fn check(method: &str, path: &str, body: &Value) -> Vec<String> {
    let Some(specs) = specs() else { return Vec::new() };
    let method = method.to_lowercase();
    let Some(template) = template(&specs.document, &method, path) else {
        return vec![format!("{method} {path}: there is no such endpoint")];
    };
    let validator = {
        let mut compiled = specs.compiled.lock().unwrap();
        let key = format!("{method} {template}");
        compiled
            .entry(key)
            .or_insert_with(|| compile(&specs.document, &template, &method))
            .clone()
    };
    let Some(validator) = validator else {
        return Vec::new();
    };
    let errors = validator.iter_errors(body);
    errors
        .map(|error| format!("{method} {path}: {}: {error}", error.instance_path()))
        .collect()
}

fn template(document: &Value, method: &str, path: &str) -> Option<String> {
    let parts: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<_> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let paths = document["paths"].as_object().unwrap();
    let mut found: Vec<_> = paths
        .iter()
        .filter(|(path, item)| fits(path) && item[method].is_object())
        .collect();
    // Of several the one with the fewest parameters.
    found.sort_by_key(|(path, _)| path.matches('{').count());
    found.first().map(|(path, _)| (*path).clone())
}

fn compile(document: &Value, template: &str, method: &str) -> Option<Arc<jsonschema::Validator>> {
    let body = &document["paths"][template][method]["requestBody"]["content"]["application/json"]["schema"];
    if body.is_null() {
        return None;
    }
    let schema = json!({"allOf": [body], "components": document["components"]});
    Some(Arc::new(jsonschema::validator_for(&schema).unwrap()))
}

#[test]
fn a_wrong_request_to_discord_is_seen() {
    if specs().is_none() {
        return;
    }
    let path = "/channels/1/messages";
    assert_eq!(
        check("POST", path, &json!({"content": "x", "nonce": "n"})),
        Vec::<String>::new()
    );
    assert!(!check("POST", path, &json!({"content": 5})).is_empty());
    assert!(!check("POST", path, &json!({"nonce": "n".repeat(26)})).is_empty());
    assert!(!check("POST", "/channels/1/postcards", &json!({})).is_empty());
}
