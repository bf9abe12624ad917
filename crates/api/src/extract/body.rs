//! The JSON body of a request.

use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Default limit of the body's size in bytes; most bodies of this API have a handful of fields.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Time limit for receiving the body; actix itself only limits the head.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for receiving a file, which people upload over slow lines.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// A JSON body parsed into a struct. A missing body yields the struct's default, so `curl -X POST` is enough.
pub struct Body<T, const MAX: usize = MAX_BODY_BYTES>(pub T);

impl<T: DeserializeOwned + Default + 'static, const MAX: usize> FromRequest for Body<T, MAX> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = RawBody::<MAX>::from_request(request, payload);
        Box::pin(async move {
            let RawBody(bytes) = bytes.await?;
            if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
        })
    }
}

/// An unparsed JSON body of at most `MAX` bytes, for routes that validate it item by item.
pub struct RawBody<const MAX: usize>(pub Bytes);

impl<const MAX: usize> FromRequest for RawBody<MAX> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let announced = length(request);
        let is_json = is_json(request);
        let payload = payload.take();
        Box::pin(async move {
            let bytes = tokio::time::timeout(BODY_TIMEOUT, read(payload, announced, MAX))
                .await
                .map_err(|_| ApiError::BodyTooSlow)??;
            if !bytes.is_empty() && !is_json {
                return Err(ApiError::UnsupportedMediaType);
            }
            Ok(Self(bytes.freeze()))
        })
    }
}

/// A file of at most `MAX` bytes, of any content type.
pub struct Upload<const MAX: usize>(pub Bytes);

impl<const MAX: usize> FromRequest for Upload<MAX> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let announced = length(request);
        let payload = payload.take();
        Box::pin(async move {
            let bytes = tokio::time::timeout(UPLOAD_TIMEOUT, read(payload, announced, MAX))
                .await
                .map_err(|_| ApiError::BodyTooSlow)??;
            Ok(Self(bytes.freeze()))
        })
    }
}

fn length(request: &HttpRequest) -> usize {
    let header = request.headers().get(header::CONTENT_LENGTH);
    header.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

fn is_json(request: &HttpRequest) -> bool {
    let header = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = header.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn read(mut payload: Payload, announced: usize, limit: usize) -> Result<BytesMut, ApiError> {
    let too_large = || ApiError::BodyTooLarge { limit };
    if announced > limit {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(announced);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::InvalidBody { field: None, reason: error.to_string() })?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would also accept an array of field values for a struct.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::InvalidBody { field: None, reason: "it must be a JSON object".to_owned() });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // Truncated or malformed JSON is not attributed to the field in which it breaks off.
        let field = error.inner().is_data().then(|| error.path().to_string());
        ApiError::InvalidBody { field, reason: error.into_inner().to_string() }
    })?;
    json.end().map_err(|error| ApiError::InvalidBody { field: None, reason: error.to_string() })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use domain::ingest::IngestMode;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Options {
        force: bool,
        mode: Option<IngestMode>,
    }

    fn refused_field(json: &str) -> Option<String> {
        match parse::<Options>(json.as_bytes()) {
            Err(ApiError::InvalidBody { field, .. }) => field,
            other => panic!("{json} gave {other:?}"),
        }
    }

    #[test]
    fn a_body_that_does_not_fit_is_refused_with_the_field_that_is_wrong() {
        assert_eq!(refused_field(r#"{"force": "yes"}"#).as_deref(), Some("force"));
        assert_eq!(refused_field(r#"{"mode": "sideways"}"#).as_deref(), Some("mode"));
        assert_eq!(refused_field(r#"{"colour": 1}"#).as_deref(), Some("colour"));
        assert_eq!(refused_field("[true]"), None);
        assert_eq!(refused_field("{} {}"), None);
    }
}
