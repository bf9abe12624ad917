//! The query string of a request.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Maximum length of a query string in bytes. The longest legitimate one holds a search text of 200 characters of four
/// bytes each, with every byte percent-encoded.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;

/// Query parameters parsed into a struct of validated types. Unknown parameters are ignored.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    check(query)?;
    // Following the path costs an allocation a parameter, so only a refused query is parsed with it.
    serde_urlencoded::from_str(query).or_else(|_| {
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs).map_err(|error| {
            let field = error.path().to_string();
            ApiError::invalid(field, error.into_inner().to_string())
        })
    })
}

/// Most parameters taken, four times as many as any endpoint has: finding duplicates among them is quadratic.
const MAX_PARAMETERS: usize = 64;

/// Rejects what the lenient URL parser would accept: invalid UTF-8 (the search would look for replacement characters),
/// duplicate parameters, and NUL characters, which PostgreSQL text cannot hold.
fn check(query: &str) -> Result<(), ApiError> {
    if query.is_empty() {
        return Ok(());
    }
    if query.len() > MAX_QUERY_BYTES {
        return Err(ApiError::QueryTooLong { limit: MAX_QUERY_BYTES });
    }
    let mut seen: Vec<Cow<str>> = Vec::new();
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty()).peekable();
    while let Some(pair) = pairs.next() {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| ApiError::invalid("query", "has a name that is not UTF-8"))?;
        let reason = match decode(value) {
            None => "is not UTF-8",
            Some(value) if value.contains('\0') || name.contains('\0') => "must not hold a NUL character",
            Some(_) if seen.contains(&name) => "is given more than once",
            Some(_) if seen.len() == MAX_PARAMETERS => {
                return Err(ApiError::invalid("query", "has more than 64 parameters"));
            }
            // The last name is compared with no other one.
            Some(_) if pairs.peek().is_none() => break,
            Some(_) => {
                seen.push(name);
                continue;
            }
        };
        return Err(ApiError::invalid(name.into_owned(), reason));
    }
    Ok(())
}

/// Decodes percent escapes. `+` stays as it is, which does not affect these checks.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use domain::page::{Limit, Offset};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Page {
        limit: Limit,
        offset: Offset,
    }

    fn refusal(query: &str) -> String {
        match parse::<Page>(query) {
            Err(error) => error.to_string(),
            Ok(page) => panic!("{query} was taken as {page:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_reason() {
        assert_eq!(refusal("limit=0"), "limit must be a whole number from 1 to 100");
        assert_eq!(refusal("limit=abc"), "limit must be a whole number from 1 to 100");
        assert_eq!(refusal("limit"), "limit must be a whole number from 1 to 100");
        assert_eq!(refusal("offset=-1"), "offset must be a whole number from 0 to 100000");
        assert_eq!(refusal("limit=1&limit=2"), "limit is given more than once");
        assert_eq!(refusal("limit=1&%6cimit=2"), "limit is given more than once");
        assert_eq!(refusal("other=%ff"), "other is not UTF-8");
        assert_eq!(refusal("other=a%00b"), "other must not hold a NUL character");
        assert_eq!(refusal("%ff=1"), "query has a name that is not UTF-8");
        assert_eq!(refusal(&"a".repeat(MAX_QUERY_BYTES + 1)), "the query string is longer than 8192 bytes");
    }

    #[test]
    fn absent_parameters_take_their_defaults_and_unknown_ones_are_ignored() {
        for query in ["", "&&", "utm_source=x", "=", "%zz=%zz"] {
            let page: Page = parse(query).unwrap();
            assert_eq!((page.limit, page.offset), (Limit::DEFAULT, Offset::default()), "{query}");
        }
    }
}
