//! Exports lists as tables: CSV for spreadsheets (RFC 4180), NDJSON for programs. Rows are written while they are read,
//! one chunk of rows at a time, so memory use is bounded by one chunk, not by the table.
//!
//! A table holds the whole list, or one page if the request has `limit`. Tables are not cached.
//!
//! A spreadsheet runs a cell that begins with `=` as a formula, and titles come from strangers. So CSV neutralises such
//! text unless the request has `csv_formulas=keep`.

use actix_web::http::header::{self, Accept, ContentDisposition, DispositionParam, DispositionType, Header, Quality};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use query::Rows;
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;

/// Separator of the elements of a list within one CSV cell.
const CELL_SEPARATOR: &str = "|";

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Ndjson,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

/// What becomes of text that a spreadsheet would run as a formula.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Formulas {
    /// An apostrophe before the text, which spreadsheets take for a mark of plain text (OWASP, "CSV Injection").
    #[default]
    Neutralise,
    /// The text as it is, for programs.
    Keep,
}

impl Formulas {
    /// The parameter's values, the default first.
    pub const VALUES: [&'static str; 2] = ["neutralise", "keep"];

    /// The characters with which a formula begins, or which make the next cell begin: OWASP's list, and the full-width
    /// forms that some spreadsheets take for the same.
    const STARTS: &'static [char] =
        &['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

    fn apply(self, text: String) -> String {
        if self == Self::Neutralise && text.starts_with(Self::STARTS) { format!("'{text}") } else { text }
    }
}

/// The table that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub format: Format,
    pub formulas: Formulas,
    /// `true` if `format=` names the format, which is binding; `false` if only `Accept` prefers it.
    pub insisted: bool,
    /// `true` if the request has no `limit`, so that the table holds the whole list.
    pub whole: bool,
}

/// Returns the table that `format=`, or else `Accept`, requests; `None` means JSON.
///
/// # Errors
/// `format` or `csv_formulas` is unknown.
pub fn wanted(request: &HttpRequest) -> Result<Option<Wanted>, ApiError> {
    let query = request.query_string();
    // Most requests have neither parameter; `contains` spares them the parsing.
    let named = if query.contains("format=") { parameter(query, "format") } else { None };
    let (format, insisted) = match named.as_deref() {
        Some("csv") => (Format::Csv, true),
        Some("ndjson") => (Format::Ndjson, true),
        Some("json") => return Ok(None),
        Some(_) => return Err(ApiError::invalid("format", "must be json, csv or ndjson")),
        None => match accepted(request) {
            Some(format) => (format, false),
            None => return Ok(None),
        },
    };
    let formulas = match parameter(query, "csv_formulas").as_deref() {
        None | Some("neutralise") => Formulas::Neutralise,
        Some("keep") => Formulas::Keep,
        Some(_) => return Err(ApiError::invalid("csv_formulas", "must be neutralise or keep")),
    };
    Ok(Some(Wanted { format, formulas, insisted, whole: parameter(query, "limit").is_none() }))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The table format that `Accept` ranks before JSON, if any.
fn accepted(request: &HttpRequest) -> Option<Format> {
    let sent = request.headers().get(header::ACCEPT)?.to_str().ok()?;
    if !sent.contains("csv") && !sent.contains("ndjson") {
        return None;
    }
    let accept = Accept::parse(request).ok()?;
    let acceptable = accept.0.iter().filter(|range| range.quality > Quality::ZERO);
    let mut ranges: Vec<_> = acceptable.collect();
    // The sort is stable: of two formats with equal quality, the first one wins.
    ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
    let format = ranges.iter().find_map(|range| match range.item.essence_str() {
        "text/csv" => Some(Some(Format::Csv)),
        "application/x-ndjson" | "application/ndjson" => Some(Some(Format::Ndjson)),
        "application/json" | "application/*" | "*/*" => Some(None),
        _ => None,
    });
    format.flatten()
}

/// A list that is exported as a table.
pub struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    chunks: BoxStream<'static, Result<Vec<Value>, ApiError>>,
}

impl Table {
    /// Creates a table from rows in memory. `columns` are fields of a row, in the order of the CSV columns.
    pub fn of<R: Serialize>(
        name: &'static str,
        columns: &'static [&'static str],
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Self, ApiError> {
        let rows = values(rows)?;
        Ok(Self { name, columns, chunks: stream::once(async { Ok(rows) }).boxed() })
    }

    /// Creates a table from rows that are read while it is written.
    pub fn of_rows<R: Serialize + Send + 'static>(
        name: &'static str,
        columns: &'static [&'static str],
        rows: Rows<R>,
    ) -> Self {
        Self { name, columns, chunks: rows.into_stream().map(|rows| values(rows?)).boxed() }
    }

    /// Streams the table as the response body.
    pub fn respond(self, Wanted { format, formulas, .. }: Wanted) -> HttpResponse {
        let Self { name, columns, chunks } = self;
        let file = ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(format!("{name}.{}", format.extension()))],
        };
        let head = match format {
            Format::Csv => record(columns.iter().copied()),
            Format::Ndjson => Ok(Bytes::new()),
        };
        let body = chunks.map(move |rows| match format {
            Format::Csv => csv(columns, &rows?, formulas),
            Format::Ndjson => ndjson(&rows?),
        });
        let body = stream::once(async { head }).chain(body).try_filter(|bytes| {
            // A chunked body ends at the first empty chunk, so empty chunks are dropped.
            let keep = !bytes.is_empty();
            async move { keep }
        });
        let body = body.inspect_err(move |error| {
            // The status has been sent already; the client notices that the connection closes before the body ends.
            tracing::error!(table = name, %error, cause = error.cause(), "an export broke off");
        });
        HttpResponse::Ok()
            .content_type(format.content_type())
            .insert_header(file)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .streaming(body)
    }
}

fn values<R: Serialize>(rows: impl IntoIterator<Item = R>) -> Result<Vec<Value>, ApiError> {
    rows.into_iter().map(|row| serde_json::to_value(row).map_err(lost)).collect()
}

fn lost(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal(error.to_string().into())
}

fn csv(columns: &[&str], rows: &[Value], formulas: Formulas) -> Result<Bytes, ApiError> {
    let mut writer = writer();
    let cell = |value: &Value| {
        let text = cell(value);
        // A negative number is no formula, and must stay a number.
        if value.is_number() { text } else { formulas.apply(text) }
    };
    for row in rows {
        writer.write_record(columns.iter().map(|column| cell(&row[*column]))).map_err(lost)?;
    }
    Ok(writer.into_inner().map_err(lost)?.into())
}

fn record<'a>(cells: impl Iterator<Item = &'a str>) -> Result<Bytes, ApiError> {
    let mut writer = writer();
    writer.write_record(cells).map_err(lost)?;
    Ok(writer.into_inner().map_err(lost)?.into())
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new())
}

/// Formats a JSON value as a CSV cell: null is empty, the elements of an array are joined by [`CELL_SEPARATOR`].
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(CELL_SEPARATOR),
        other => other.to_string(),
    }
}

fn ndjson(rows: &[Value]) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row).map_err(lost)?;
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;

    fn asked(uri: &str, accept: &str) -> Result<Option<Format>, ApiError> {
        let request = TestRequest::get().uri(uri).insert_header((header::ACCEPT, accept)).to_http_request();
        Ok(wanted(&request)?.map(|wanted| wanted.format))
    }

    #[test]
    fn the_format_is_the_one_said_or_else_the_one_preferred() {
        for (uri, accept, format) in [
            ("/", "*/*", None),
            ("/", "text/csv", Some(Format::Csv)),
            ("/", "application/json, text/csv", None),
            ("/", "application/json;q=0.5, text/csv", Some(Format::Csv)),
            ("/", "text/csv;q=0, */*", None),
            ("/", "text/html, application/x-ndjson;q=0.9, */*;q=0.1", Some(Format::Ndjson)),
            ("/?format=csv", "application/json", Some(Format::Csv)),
            ("/?a=b&format=ndjson", "text/csv", Some(Format::Ndjson)),
            ("/?format=json", "text/csv", None),
            ("/?xformat=csv", "*/*", None),
        ] {
            assert_eq!(asked(uri, accept).unwrap(), format, "{uri} {accept}");
        }
        assert!(asked("/?format=xml", "*/*").is_err());
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let rows = [
            json!({"title": "A, \"B\"\nC", "genres": ["Drama", "War"], "runtime": null, "score": 1.5}),
            json!({"title": "D", "genres": [], "runtime": 90, "score": -0.25}),
        ];
        let bytes = csv(&["title", "genres", "runtime", "score"], &rows, Formulas::default()).unwrap();
        assert_eq!(bytes, "\"A, \"\"B\"\"\nC\",Drama|War,,1.5\r\nD,,90,-0.25\r\n");
        assert_eq!(ndjson(&rows[1..]).unwrap(), "{\"genres\":[],\"runtime\":90,\"score\":-0.25,\"title\":\"D\"}\n");
    }

    #[test]
    fn text_that_a_spreadsheet_would_run_is_neutralised_and_numbers_are_not() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\u{ff1d}1"] {
            let rows = [json!({"title": text, "genres": [text, "War"], "score": -0.25})];
            let read = |formulas| {
                let bytes = csv(&["title", "genres", "score"], &rows, formulas).unwrap();
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
                let record = reader.records().next().unwrap().unwrap();
                record.iter().map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(read(Formulas::Neutralise), [format!("'{text}"), format!("'{text}|War"), "-0.25".to_owned()]);
            assert_eq!(read(Formulas::Keep), [text.to_owned(), format!("{text}|War"), "-0.25".to_owned()]);
        }
        let harmless = [json!({"title": "1 = 1", "score": null})];
        assert_eq!(csv(&["title", "score"], &harmless, Formulas::Neutralise).unwrap(), "1 = 1,\r\n");
        assert!(wanted(&TestRequest::get().uri("/?format=csv&csv_formulas=run").to_http_request()).is_err());
    }
}
