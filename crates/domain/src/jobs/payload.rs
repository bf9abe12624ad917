//! Payloads from JSON: new requests are checked strictly, old ledger rows are read tolerantly.

use serde_json::Value;

use super::JobType;

/// Why a JSON value is not a payload of a kind of job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", field.as_ref().map_or_else(String::new, |field| format!("{field}: ")))]
pub struct PayloadError {
    /// The wrong option; `None` where the value as a whole is wrong.
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// Options that all kinds shared until migration 0009. An old row may carry one that its kind never read.
const FORMERLY_SHARED: [&str; 3] = ["mode", "force", "hold_ms"];

fn parse<J: JobType>(options: &Value) -> Result<J, PayloadError> {
    if !options.is_object() {
        // serde would also accept an array of the fields' values as a struct.
        return Err(PayloadError { field: None, reason: "it must be a JSON object".to_owned() });
    }
    serde_path_to_error::deserialize(options).map_err(|error| {
        let field = Some(error.path().to_string()).filter(|path| path != ".");
        PayloadError { field, reason: error.into_inner().to_string() }
    })
}

/// Checks `options` and returns them as the ledger stores them, without defaults.
///
/// # Errors
/// An option that the kind does not have, or a value of the wrong type.
pub fn normalise<J: JobType>(options: &Value) -> Result<Value, PayloadError> {
    let job: J = parse(options)?;
    serde_json::to_value(job).map_err(|error| PayloadError { field: None, reason: error.to_string() })
}

/// Reads a payload from the ledger.
///
/// # Errors
/// As [`normalise`], except that options of other kinds are ignored: rows from before migration 0009 carry them.
pub fn from_ledger<J: JobType>(mut payload: Value) -> Result<J, PayloadError> {
    loop {
        let error = match parse(&payload) {
            Ok(job) => return Ok(job),
            Err(error) => error,
        };
        let unknown = error.reason.starts_with("unknown field");
        match (&mut payload, &error.field) {
            (Value::Object(options), Some(field)) if unknown && FORMERLY_SHARED.contains(&field.as_str()) => {
                options.remove(field);
            }
            _ => return Err(error),
        }
    }
}

/// `skip_serializing_if` of a switch: `false` stays out of the JSON.
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ingest::IngestMode;
    use crate::jobs::{Ingest, JobKind, Trending};

    #[test]
    fn a_payload_that_does_not_fit_is_refused_with_the_option_that_is_wrong() {
        let field = |options: Value| JobKind::Trending.payload(&options).unwrap_err().field;
        assert_eq!(field(json!({"force": "yes"})).as_deref(), Some("force"));
        assert_eq!(field(json!({"mode": "full"})).as_deref(), Some("mode"), "ingest's option, not trending's");
        assert_eq!(field(json!({"colour": 1})).as_deref(), Some("colour"));
        assert_eq!(field(json!([true])), None);
        let error = JobKind::Ingest.payload(&json!({"mode": "sideways"})).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("mode"));
        assert!(error.to_string().starts_with("mode: unknown variant"), "{error}");
    }

    #[test]
    fn a_payload_is_stored_without_its_defaults() {
        assert_eq!(JobKind::Trending.payload(&json!({"force": false})), Ok(json!({})));
        assert_eq!(JobKind::Trending.payload(&json!({"force": true})), Ok(json!({"force": true})));
        assert_eq!(JobKind::Ingest.payload(&json!({"mode": "full"})), Ok(json!({"mode": "full"})));
    }

    #[test]
    fn rows_from_the_time_of_one_payload_for_all_kinds_still_run() {
        let old = json!({"mode": "full", "force": true, "hold_ms": 3});
        assert!(from_ledger::<Trending>(old.clone()).unwrap().force);
        assert_eq!(from_ledger::<Ingest>(old).unwrap().mode, Some(IngestMode::Full));
        assert!(from_ledger::<Trending>(json!({"force": 1})).is_err(), "a value that no release wrote");
        assert!(from_ledger::<Trending>(json!({"colour": 1})).is_err());
    }
}
