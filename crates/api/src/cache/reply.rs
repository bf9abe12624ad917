//! From an entry to an HTTP answer.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::Source;
use super::entry::{Entry, Times};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Whether the client asks for an answer that comes from no cache.
pub fn wants_fresh(request: &HttpRequest) -> bool {
    // Most requests have no such header at all.
    request.headers().get(header::CACHE_CONTROL).is_some_and(|value| {
        value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case("no-cache")))
    })
}

/// The entry, or 304 where the client has it.
pub fn reply(request: &HttpRequest, entry: &Entry, source: Source) -> HttpResponse {
    let known = request.headers().get_all(header::IF_NONE_MATCH).any(|tags| names(tags, &entry.etag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, entry.etag.clone()))
        .insert_header((header::CACHE_CONTROL, cache_control(entry)))
        .insert_header((header::AGE, HeaderValue::from(entry.age().as_secs())))
        .insert_header((X_CACHE, x_cache(source)));
    if known {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    response.body(entry.body.clone())
}

/// `If-None-Match` compares weakly (RFC 9110, section 13.1.2).
fn names(tags: &HeaderValue, etag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let (Ok(tags), Ok(etag)) = (tags.to_str(), etag.to_str()) else { return false };
    tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == opaque(etag))
}

/// `max-age` counts from when the answer was computed; `Age` says how much of it is gone (RFC 9111, section 4.2). The other two
/// are RFC 5861's.
fn cache_control(entry: &Entry) -> HeaderValue {
    let Times { fresh, while_revalidate, if_error } = entry.times;
    if fresh.is_zero() {
        return HeaderValue::from_static("no-cache");
    }
    let mut text = format!("public, max-age={}", fresh.as_secs());
    for (directive, time) in [("stale-while-revalidate", while_revalidate), ("stale-if-error", if_error)] {
        if !time.is_zero() {
            text.push_str(&format!(", {directive}={}", time.as_secs()));
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-cache"))
}

fn x_cache(source: Source) -> HeaderValue {
    HeaderValue::from_static(match source {
        Source::Memory | Source::Redis => "HIT",
        Source::Stale => "STALE",
        Source::Miss => "MISS",
        Source::Bypass => "BYPASS",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let etag = HeaderValue::from_static("W/\"abc\"");
        for sent in ["W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(names(&HeaderValue::from_static(sent), &etag), "{sent}");
        }
        for sent in ["\"abcd\"", "abc", "", "W/\"x\""] {
            assert!(!names(&HeaderValue::from_static(sent), &etag), "{sent}");
        }
    }
}
