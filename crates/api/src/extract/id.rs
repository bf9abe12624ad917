//! The path parameter `{id}`.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::{JobId, MovieId, PersonId};

use crate::error::ApiError;

/// A parsed `{id}`.
pub struct Id<T>(pub T);

/// An id that appears in paths.
pub trait PathId: FromStr<Err: Display> {
    /// The message for a client whose id does not parse.
    fn refusal(error: Self::Err) -> String;
}

impl PathId for MovieId {
    fn refusal(error: Self::Err) -> String {
        error.to_string()
    }
}

impl PathId for PersonId {
    fn refusal(error: Self::Err) -> String {
        error.to_string()
    }
}

impl PathId for JobId {
    fn refusal(_: Self::Err) -> String {
        // uuid's own messages mention groups and offsets, which do not help a client.
        "must be a job's id, a UUID".to_owned()
    }
}

impl<T: PathId> FromRequest for Id<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = request.match_info().query("id").parse();
        ready(parsed.map(Self).map_err(|error| ApiError::invalid("id", T::refusal(error))))
    }
}
