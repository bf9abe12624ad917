//! Authentication and authorization: each endpoint has an [`Access`], each request a [`Principal`].

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// The access that an endpoint requires. Each level includes those after it: an admin may call an operator's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everybody, with or without a key.
    Open,
    /// Anybody with an account. No endpoint requires it yet.
    Viewer,
    /// People who trigger and watch jobs.
    Operator,
    /// People who may do everything.
    Admin,
}

/// The authenticated caller of a request. Only admin keys exist so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    /// The holder of the admin key.
    Admin,
}

impl Principal {
    /// Whether this principal may call an endpoint with the given access.
    pub fn may(self, access: Access) -> bool {
        match self {
            Self::Anonymous => access == Access::Open,
            Self::Admin => true,
        }
    }
}

/// The valid keys, stored as digests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys {
    /// SHA-256 of the admin key. Without it, every admin endpoint answers 403.
    pub admin_sha256: Option<[u8; 32]>,
}

impl Keys {
    /// Returns the principal that a request's headers authenticate.
    ///
    /// # Errors
    /// The key is wrong, or no admin key is configured to compare it with.
    fn principal(&self, headers: &HeaderMap) -> Result<Principal, ApiError> {
        let Some(sent) = key(headers) else { return Ok(Principal::Anonymous) };
        let expected = self.admin_sha256.as_ref().ok_or(ApiError::AdminDisabled)?;
        // Digests have equal lengths and are compared in constant time, so timing reveals nothing about the key.
        let digest: [u8; 32] = Sha256::digest(sent).into();
        if bool::from(digest.ct_eq(expected)) { Ok(Principal::Admin) } else { Err(ApiError::WrongKey) }
    }

    fn check(&self, headers: &HeaderMap, access: Access) -> Result<Principal, ApiError> {
        if self.admin_sha256.is_none() {
            return Err(ApiError::AdminDisabled);
        }
        let principal = self.principal(headers)?;
        if principal.may(access) { Ok(principal) } else { Err(ApiError::Unauthenticated) }
    }
}

fn key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("X-API-Key") {
        return Some(key.as_bytes());
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().as_bytes())
}

/// Middleware that rejects unauthorized requests with 401 or 403 and attaches the [`Principal`] to the others.
pub(crate) async fn require<B: MessageBody + 'static>(
    access: Access,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let keys = request.app_data::<Keys>().copied().unwrap_or_default();
    match keys.check(request.headers(), access) {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(error) => {
            // Return a response, not an error: only a response keeps its request, which metrics and the log need.
            let (request, _) = request.into_parts();
            Ok(ServiceResponse::from_err(error, request))
        }
    }
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// Returns the principal that [`require`] attached; at an open endpoint, the one that the headers authenticate.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(principal) = request.extensions().get::<Self>() {
            return ready(Ok(*principal));
        }
        let keys = request.app_data::<Keys>().copied().unwrap_or_default();
        ready(keys.principal(request.headers()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn outcome(header: Option<(&'static str, &'static str)>, configured: bool) -> Result<Principal, ApiError> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        let admin_sha256 = configured.then(|| Sha256::digest("right").into());
        Keys { admin_sha256 }.check(&headers, Access::Admin)
    }

    #[test]
    fn the_key_is_taken_from_either_header() {
        for header in [("x-api-key", "right"), ("authorization", "Bearer right"), ("authorization", "bearer  right")] {
            assert_eq!(outcome(Some(header), true).ok(), Some(Principal::Admin), "{header:?}");
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
        assert!(matches!(outcome(None, false), Err(ApiError::AdminDisabled)));
    }

    #[test]
    fn nobody_is_let_in_anonymously_but_where_it_is_open() {
        for access in [Access::Viewer, Access::Operator, Access::Admin] {
            assert!(!Principal::Anonymous.may(access) && Principal::Admin.may(access), "{access:?}");
        }
        assert!(Principal::Anonymous.may(Access::Open));
    }
}
