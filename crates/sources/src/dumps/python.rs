//! Python literals, as `str()` of a list of dicts writes them into the cells of The Movies Dataset.

use serde_json::{Map, Number, Value};

/// Lists within lists are at most three deep in the data; the bound keeps a hostile cell off the stack.
const MAX_DEPTH: usize = 32;

/// Reads one literal: lists, tuples and dicts (with string keys), strings, numbers, `None`, `True`, `False`, `nan`.
/// Tuples become arrays; numbers that JSON cannot hold become null. The error says where the text stops making sense.
pub(super) fn literal(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.blanks();
    if parser.at == text.len() { Ok(value) } else { Err(parser.error("more text behind the literal")) }
}

struct Parser<'a> {
    text: &'a str,
    /// Always on a character boundary.
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.blanks();
        match self.peek() {
            Some('[') => self.items(']', depth).map(Value::Array),
            Some('(') => self.items(')', depth).map(Value::Array),
            Some('{') => self.dict(depth),
            Some('\'' | '"') => self.string().map(Value::String),
            Some(_) => self.word(),
            None => Err(self.error("the text ends early")),
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Result<Vec<Value>, String> {
        self.take();
        let mut items = Vec::new();
        loop {
            if self.took(close) {
                return Ok(items);
            }
            items.push(self.value(depth + 1)?);
            if !self.took(',') {
                return if self.took(close) { Ok(items) } else { Err(self.error("expected a comma")) };
            }
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, String> {
        self.take();
        let mut entries = Map::new();
        loop {
            if self.took('}') {
                return Ok(Value::Object(entries));
            }
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                _ => return Err(self.error("a key is not a string")),
            };
            if !self.took(':') {
                return Err(self.error("expected a colon"));
            }
            entries.insert(key, self.value(depth + 1)?);
            if !self.took(',') {
                return if self.took('}') { Ok(Value::Object(entries)) } else { Err(self.error("expected a comma")) };
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.take();
        let mut string = String::new();
        loop {
            match self.take() {
                None => return Err(self.error("a string has no end")),
                end if end == quote => return Ok(string),
                Some('\\') => self.escape(&mut string)?,
                Some(other) => string.push(other),
            }
        }
    }

    fn escape(&mut self, string: &mut String) -> Result<(), String> {
        match self.take() {
            None => return Err(self.error("a string has no end")),
            Some('\n') => {}
            Some('n') => string.push('\n'),
            Some('t') => string.push('\t'),
            Some('r') => string.push('\r'),
            Some(same @ ('\\' | '\'' | '"')) => string.push(same),
            Some('x') => string.push(self.code(2)?),
            Some('u') => string.push(self.code(4)?),
            Some('U') => string.push(self.code(8)?),
            // As Python does with an escape it does not know.
            Some(other) => string.extend(['\\', other]),
        }
        Ok(())
    }

    /// A character by its number; half of a surrogate pair is none.
    fn code(&mut self, digits: usize) -> Result<char, String> {
        let hex = self.text.get(self.at..self.at + digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let code = code.ok_or_else(|| self.error("an escape lacks its digits"))?;
        self.at += digits;
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// A number, a named constant, or a string with a prefix such as `u''`.
    fn word(&mut self) -> Result<Value, String> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length;
        match word {
            "None" | "nan" | "NaN" | "inf" | "-inf" => return Ok(Value::Null),
            "True" => return Ok(Value::Bool(true)),
            "False" => return Ok(Value::Bool(false)),
            "u" | "U" | "b" | "B" if matches!(self.peek(), Some('\'' | '"')) => {
                return self.string().map(Value::String);
            }
            _ => {}
        }
        if let Ok(whole) = word.parse::<i64>() {
            return Ok(whole.into());
        }
        // Without a digit, Rust would also take "infinity".
        match word.parse::<f64>() {
            Ok(float) if word.bytes().any(|b| b.is_ascii_digit()) => {
                Ok(Number::from_f64(float).map_or(Value::Null, Value::Number))
            }
            _ => Err(self.error("neither a number nor a constant")),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Skips blanks, then takes `wanted` if it is next.
    fn took(&mut self, wanted: char) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        if found {
            self.take();
        }
        found
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, what: &str) -> String {
        format!("is no Python literal: {what} at byte {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_as_python_writes_them() {
        let read = |text| literal(text).unwrap();
        assert_eq!(read("[{'id': 16, 'name': 'Animation'}, ]"), json!([{"id": 16, "name": "Animation"}]));
        assert_eq!(
            read(r#" {'a': "it's", "b": 'say "x"', 'c': None} "#),
            json!({"a": "it's", "b": "say \"x\"", "c": null})
        );
        assert_eq!(
            read(r"['\'', '\n', '\x41', '\u00e9', '\ud83d', '\q']"),
            json!(["'", "\n", "A", "é", "\u{fffd}", "\\q"])
        );
        assert_eq!(read("(1, -2.5, True, False, nan, u'x', 1e999)"), json!([1, -2.5, true, false, null, "x", null]));
        assert_eq!(read("[]"), json!([]));
    }

    #[test]
    fn what_is_no_literal_says_where() {
        for text in [
            "",
            "[",
            "[1 2]",
            "{'a' 1}",
            "{1: 2}",
            "'open",
            "'\\",
            "'\\u12",
            "infinity",
            "os.system('x')",
            "[1] 2",
            "é",
        ] {
            assert!(literal(text).is_err_and(|e| e.contains("at byte")), "{text}");
        }
        assert!(literal(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}", pieces in "[\\[\\]{}(),:'\"\\\\xuU0-9a-f é]{0,60}") {
            let _ = (literal(&text), literal(&pieces));
        }

        #[test]
        fn strings_survive(text in "[^'\\\\]{0,40}") {
            prop_assert_eq!(literal(&format!("'{text}'")), Ok(Value::String(text)));
        }
    }
}
