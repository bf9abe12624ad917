//! The admin key.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Data;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::State;
use crate::error::ApiError;

/// Lets only requests with the admin key pass.
pub async fn require_key(
    state: Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match check(request.headers(), state.admin_key_sha256.as_ref()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => {
            // As a response, not as an error: only a response still has its request, which metrics and log need.
            let (request, _) = request.into_parts();
            Ok(ServiceResponse::from_err(error, request).map_into_right_body())
        }
    }
}

/// Compares digests, which have one length, in constant time: neither tells how much of a guess was right.
fn check(headers: &HeaderMap, expected: Option<&[u8; 32]>) -> Result<(), ApiError> {
    let expected = expected.ok_or(ApiError::AdminDisabled)?;
    let sent = key(headers).ok_or(ApiError::Unauthenticated)?;
    let digest: [u8; 32] = Sha256::digest(sent).into();
    if bool::from(digest.ct_eq(expected)) { Ok(()) } else { Err(ApiError::WrongKey) }
}

fn key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("X-API-Key") {
        return Some(key.as_bytes());
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn outcome(header: Option<(&'static str, &'static str)>, configured: bool) -> Result<(), ApiError> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        let expected: [u8; 32] = Sha256::digest("right").into();
        check(&headers, configured.then_some(&expected))
    }

    #[test]
    fn the_key_is_taken_from_either_header() {
        for header in [("x-api-key", "right"), ("authorization", "Bearer right"), ("authorization", "bearer  right")] {
            assert!(outcome(Some(header), true).is_ok(), "{header:?}");
        }
    }

    #[test]
    fn a_missing_a_wrong_and_an_unconfigured_key_are_told_apart() {
        assert!(matches!(outcome(None, true), Err(ApiError::Unauthenticated)));
        assert!(matches!(outcome(Some(("authorization", "Basic right")), true), Err(ApiError::Unauthenticated)));
        for wrong in ["wrong", "", "righ", "rightt"] {
            assert!(matches!(outcome(Some(("x-api-key", wrong)), true), Err(ApiError::WrongKey)), "{wrong}");
        }
        assert!(matches!(outcome(Some(("x-api-key", "right")), false), Err(ApiError::AdminDisabled)));
    }
}
