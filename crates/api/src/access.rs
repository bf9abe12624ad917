//! Who may call an endpoint, and on whose behalf a request comes.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// Who may call an endpoint; each includes those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever has an account.
    Viewer,
    /// Those who trigger and watch jobs.
    Operator,
    /// Those who may do everything.
    Admin,
}

/// On whose behalf a request comes. Only admin keys exist so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    /// Who holds the admin key.
    Admin,
}

impl Principal {
    /// Whether it may call an endpoint.
    pub fn may(self, access: Access) -> bool {
        match self {
            Self::Anonymous => access == Access::Open,
            Self::Admin => true,
        }
    }
}

/// The keys that are valid, as digests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys {
    /// SHA-256 of the admin key; without one nobody is an admin.
    pub admin_sha256: Option<[u8; 32]>,
}

impl Keys {
    /// The principal whom a request's headers prove.
    ///
    /// # Errors
    /// A key that is wrong, or cannot be checked since none is set.
    fn principal(&self, headers: &HeaderMap) -> Result<Principal, ApiError> {
        let Some(sent) = key(headers) else { return Ok(Principal::Anonymous) };
        let expected = self.admin_sha256.as_ref().ok_or(ApiError::AdminDisabled)?;
        // Digests have one length and are compared in constant time: neither tells how much of a guess was right.
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

/// Lets only those pass who may, and leaves their [`Principal`] with the request.
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
            // As a response, not as an error: only a response still has its request, which metrics and log need.
            let (request, _) = request.into_parts();
            Ok(ServiceResponse::from_err(error, request))
        }
    }
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// The principal that [`require`] found; at an open endpoint the one whom the headers prove.
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
