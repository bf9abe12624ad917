//! Turns a cache entry into an HTTP response.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use cache::{Live, Source, Subject, Times, Visibility};

use crate::error::ApiError;

type Answer = cache::Answer<ApiError>;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// `s-maxage` of answers that count live facts, in seconds: how long shared caches may reuse them. It equals the
/// longest time by which our own cache lags behind viewers' events (2 s, for answers about all movies), and merges the
/// requests of many clients into one.
const LIVE_SHARED_SECONDS: u64 = 2;

/// Whether the client requests an answer that bypasses every cache (`Cache-Control: no-cache`).
pub fn wants_fresh(request: &HttpRequest) -> bool {
    // Most requests have no such header.
    request.headers().get(header::CACHE_CONTROL).is_some_and(|value| {
        value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case("no-cache")))
    })
}

/// Builds the response: the answer with its entity tag, or 304 if the client has it already. `from_cache` may
/// rewrite a cached body; the weak tag stays, since both bodies mean the same.
pub fn reply(
    request: &HttpRequest,
    subject: &Subject,
    answer: &Answer,
    from_cache: fn(&[u8]) -> Option<Vec<u8>>,
) -> HttpResponse {
    let entry = &answer.entry;
    let known = request.headers().get_all(header::IF_NONE_MATCH).any(|tags| names(tags, &entry.etag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    if let Ok(etag) = HeaderValue::from_maybe_shared(entry.etag.clone()) {
        response.insert_header((header::ETAG, etag));
    }
    response
        .insert_header((header::CACHE_CONTROL, cache_control(subject, entry.times)))
        .insert_header((header::AGE, HeaderValue::from(age(subject, answer))))
        .insert_header((X_CACHE, x_cache(answer.source)));
    if known {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    let cached = matches!(answer.source, Source::Memory | Source::Redis | Source::Stale);
    match cached.then(|| from_cache(&entry.body)).flatten() {
        Some(body) => response.body(body),
        None => response.body(entry.body.clone()),
    }
}

/// Whether `If-None-Match` names the entity tag. Tags are compared weakly (RFC 9110, section 13.1.2).
fn names(tags: &HeaderValue, etag: &[u8]) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let (Ok(tags), Ok(etag)) = (tags.to_str(), std::str::from_utf8(etag)) else { return false };
    tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == opaque(etag))
}

/// Builds `Cache-Control`. `max-age` counts from when the answer was computed or last revalidated; [`age`] tells how
/// much of it has passed. `stale-while-revalidate` and `stale-if-error` are defined by RFC 5861.
///
/// An answer that counts live facts can be outdated within a second, and no purge of ours reaches a browser or a CDN.
/// So browsers must revalidate it each time (`max-age=0`), which the entity tag makes cheap. A private answer may be
/// stored by the viewer's own browser only.
fn cache_control(subject: &Subject, times: Times) -> HeaderValue {
    let Times { fresh, while_revalidate, if_error } = times;
    if fresh.is_zero() {
        return HeaderValue::from_static("no-cache");
    }
    let live = subject.live != Live::Nothing;
    let mut text = match (subject.visibility, live) {
        (Visibility::Public, true) => format!("public, max-age=0, s-maxage={LIVE_SHARED_SECONDS}"),
        (Visibility::Public, false) => format!("public, max-age={}", fresh.as_secs()),
        (Visibility::Private, true) => "private, max-age=0".to_owned(),
        (Visibility::Private, false) => format!("private, max-age={}", fresh.as_secs()),
    };
    let while_revalidate = if live { std::time::Duration::ZERO } else { while_revalidate };
    for (directive, time) in [("stale-while-revalidate", while_revalidate), ("stale-if-error", if_error)] {
        if !time.is_zero() {
            text.push_str(&format!(", {directive}={}", time.as_secs()));
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-cache"))
}

/// `Age` in seconds (RFC 9111, section 4.2.3): the time since the answer was computed. It is 0 for an answer that
/// counts live facts and is not stale, since the cache has just revalidated it.
fn age(subject: &Subject, answer: &Answer) -> u64 {
    if subject.live != Live::Nothing && answer.source != Source::Stale { 0 } else { answer.entry.age().as_secs() }
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
    use std::time::Duration;

    use domain::artifacts::CacheFamily;

    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let etag = b"W/\"abc\"";
        for sent in ["W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(names(&HeaderValue::from_static(sent), etag), "{sent}");
        }
        for sent in ["\"abcd\"", "abc", "", "W/\"x\""] {
            assert!(!names(&HeaderValue::from_static(sent), etag), "{sent}");
        }
    }

    #[test]
    fn caches_that_no_purge_reaches_are_promised_no_more_than_is_known() {
        let seconds = Duration::from_secs;
        let times = Times { fresh: seconds(300), while_revalidate: seconds(30), if_error: seconds(600) };
        let said = |live, visibility| {
            let subject = Subject::new(CacheFamily::Movies, "/x", live, visibility);
            cache_control(&subject, times).to_str().unwrap().to_owned()
        };
        let nothing = Live::Nothing;
        assert_eq!(
            said(nothing, Visibility::Public),
            "public, max-age=300, stale-while-revalidate=30, stale-if-error=600"
        );
        assert_eq!(said(Live::AllMovies, Visibility::Public), "public, max-age=0, s-maxage=2, stale-if-error=600");
        assert_eq!(
            said(nothing, Visibility::Private),
            "private, max-age=300, stale-while-revalidate=30, stale-if-error=600"
        );
        assert_eq!(said(Live::AllMovies, Visibility::Private), "private, max-age=0, stale-if-error=600");
    }
}
