//! The Rust client writes keys as every other language does: `tests/vectors/keys.json`.

use anyhow::{Context, Result};
use bridge_client::Key;
use serde_json::Value;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).filter_map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

/// `None` for what the client has no type for: integers beyond 64 bits.
fn key(value: &Value) -> Result<Option<Key>> {
    let (kind, value) = value.as_object().and_then(|value| value.iter().next()).context("a value")?;
    let text = value.as_str().unwrap_or_default();
    Ok(match kind.as_str() {
        "int" => text.parse::<i64>().ok().map(Key::from),
        "float" => Key::real(f64::from_bits(u64::from_str_radix(text, 16)?)),
        "bool" => Some(i64::from(value == &Value::Bool(true)).into()),
        "str" => Some(text.into()),
        "bytes" => Some(bytes(text).as_slice().into()),
        "tuple" | "list" => {
            let elements = value.as_array().context("elements")?.iter().map(key);
            let elements: Option<Vec<Key>> = elements.collect::<Result<Vec<_>>>()?.into_iter().collect();
            elements.map(|elements| Key::tuple(&elements))
        }
        other => anyhow::bail!("{other}: a kind that this test does not know"),
    })
}

#[test]
fn keys_are_written_as_everywhere() -> Result<()> {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/keys.json"))?;
    let vectors: Value = serde_json::from_str(&file)?;
    let groups = vectors["ascending"].as_array().context("groups")?;
    let mut compared = 0;
    for case in groups.iter().filter_map(Value::as_array).flatten() {
        let Some(key) = key(&case["value"])? else { continue };
        assert_eq!(key.as_encoded()[..], bytes(case["hex"].as_str().context("hex")?), "{}", case["value"]);
        compared += 1;
    }
    assert!(compared > 50, "only {compared} keys");
    assert_eq!(Key::real(f64::NAN), None);
    Ok(())
}
