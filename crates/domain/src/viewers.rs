//! Names of viewers. The service that sends the events chooses them; inside, a [`crate::ViewerId`] stands for each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// Most characters in a name.
pub const NAME_CHARS_MAX: usize = 128;

/// The text cannot name a viewer. `Display` is written for the client that sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {NAME_CHARS_MAX} visible characters")]
pub struct InvalidName;

/// A viewer's name: 1 to [`NAME_CHARS_MAX`] visible characters. JSON numbers are taken as their digits, so that `7` and
/// `"7"` name one viewer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ViewerName(Box<str>);

impl ViewerName {
    /// The name that is this number's digits.
    pub fn numbered(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// The name as it is stored and shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ViewerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // Blanks would make two viewers of one whose name was copied with a space behind it.
        let visible = |c: char| !c.is_whitespace() && !c.is_control() && !is_invisible(c);
        if text.is_empty() || text.chars().nth(NAME_CHARS_MAX).is_some() || !text.chars().all(visible) {
            return Err(InvalidName);
        }
        Ok(Self(text.into()))
    }
}

/// Characters that take no room on a screen: zero-width ones, and those that turn the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

impl fmt::Display for ViewerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ViewerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ViewerName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of 1 to {NAME_CHARS_MAX} visible characters, or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ViewerName, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<ViewerName, E> {
                Ok(ViewerName::numbered(number))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_text_or_a_whole_number() {
        let name = |json: &str| serde_json::from_str::<ViewerName>(json).ok().map(|name| name.to_string());
        assert_eq!(name("\"user_123\"").as_deref(), Some("user_123"));
        assert_eq!(name("7"), name("\"7\""));
        assert_eq!(name("\"é日\"").as_deref(), Some("é日"));
        assert_eq!(name(&format!("\"{}\"", "é".repeat(128))).map(|name| name.chars().count()), Some(128));
        for bad in ["\"\"", "\"a b\"", "\"a\\u0000\"", "\"\\u200b\"", "-7", "7.5", "null", "true", "[]"] {
            assert_eq!(name(bad), None, "{bad}");
        }
        assert_eq!(name(&format!("\"{}\"", "x".repeat(129))), None);
    }
}
