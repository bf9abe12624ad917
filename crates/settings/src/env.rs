//! Reads variables: from the process, or from a map in tests.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use secrecy::SecretString;

/// An error in the environment, as one line that names the variable. It does not repeat the value, which may be a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A required variable is not set, or empty.
    #[error("setting {name} is missing: {hint}")]
    Missing {
        /// The variable.
        name: String,
        /// What to set it to.
        hint: &'static str,
    },
    /// A value that cannot be used.
    #[error("setting {name} is malformed: {reason}")]
    Malformed {
        /// The variable.
        name: String,
        /// What is wrong with its value, without repeating it.
        reason: String,
    },
}

/// Renamed variables whose former names still work: (name, former name).
const FORMER_NAMES: [(&str, &str); 2] =
    [("REFRESH_POPULAR_MOVIES", "REFRESH_POPULAR_FILMS"), ("SCHEDULE_SIMILAR", "SCHEDULE_RECOMMENDATIONS")];

/// The variables to read from.
pub struct Env(HashMap<String, String>);

impl Env {
    /// Reads the process's environment. Values that are not UTF-8 count as absent.
    pub fn process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// Creates an environment for tests, which must not modify the process's own.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// Returns the value if it is set and not empty: compose files pass unset variables as empty ones.
    pub fn text(&self, name: &str) -> Option<&str> {
        let former = || FORMER_NAMES.iter().find(|(now, _)| *now == name).and_then(|(_, former)| self.0.get(*former));
        self.0.get(name).or_else(former).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Returns the parsed value; `hint` tells the operator what to set if it is missing.
    ///
    /// # Errors
    /// The variable is missing or malformed.
    pub fn required<T: FromStr<Err: Display>>(&self, name: &str, hint: &'static str) -> Result<T, SettingsError> {
        self.optional(name)?.ok_or_else(|| SettingsError::Missing { name: name.to_owned(), hint })
    }

    /// Returns the parsed value if the variable is set.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, SettingsError> {
        self.text(name).map(|text| text.parse().map_err(|error: T::Err| self.malformed(name, error))).transpose()
    }

    /// Returns the parsed value, or the default.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn or<T: FromStr<Err: Display>>(&self, name: &str, default: T) -> Result<T, SettingsError> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// Returns a number, or the default; rejects numbers outside `bounds`.
    pub fn within<T>(&self, name: &str, default: T, bounds: std::ops::RangeInclusive<T>) -> Result<T, SettingsError>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let value = self.or(name, default)?;
        if bounds.contains(&value) {
            Ok(value)
        } else {
            Err(self.malformed(name, format!("must be from {} to {}", bounds.start(), bounds.end())))
        }
    }

    /// Returns the value as a secret if it is set.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    /// Creates the error of a malformed value; `reason` must not repeat the value.
    pub fn malformed(&self, name: &str, reason: impl Display) -> SettingsError {
        // Parsers' messages may have several lines; the error has one.
        SettingsError::Malformed { name: name.to_owned(), reason: reason.to_string().replace('\n', " ") }
    }
}
