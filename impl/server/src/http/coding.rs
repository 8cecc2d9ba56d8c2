//! Compressed bodies, both ways (RFC 9110, section 8.4): gzip or nothing.

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use std::io::{Read, Write};

/// Bodies below this are not worth the compressor's time: they fit in one packet.
const COMPRESSED_LENGTH_MIN: usize = 1_024;

/// How a body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// Compressed with gzip.
    Gzip,
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is, or inflates to, more than the API allows.
    TooLong,
    /// It is not what its headers say.
    Damaged,
}

impl Coding {
    /// The coding of a request's body; none for one we do not know.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let Some(value) = headers.get(CONTENT_ENCODING) else { return Some(Self::Identity) };
        match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// Inflates a body to at most so many bytes: a small one may claim to be huge.
///
/// # Errors
/// When it is longer, or not gzip.
pub(super) fn inflate(body: &[u8], length_max: usize) -> Result<Vec<u8>, BodyError> {
    let mut inflated = Vec::new();
    let limit = length_max as u64 + 1;
    let mut decoder = GzDecoder::new(body);
    let read = decoder.by_ref().take(limit).read_to_end(&mut inflated);
    if read.is_err() {
        return Err(BodyError::Damaged);
    }
    if inflated.len() > length_max {
        return Err(BodyError::TooLong);
    }
    if decoder.into_inner().is_empty() { Ok(inflated) } else { Err(BodyError::Damaged) }
}

/// Compresses an answer, if its reader takes that and it is long enough to be worth it.
pub(super) fn deflate(body: &[u8], accepts_gzip: bool) -> Option<Vec<u8>> {
    if !accepts_gzip || body.len() < COMPRESSED_LENGTH_MIN {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    Some(written.expect("a Vec takes every byte"))
}

/// Whether a client takes compressed answers.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|choice| {
        let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|it| it.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_body_survives_the_way_there_and_back() {
        let body = b"{\"TableName\": \"songs\"}".repeat(100);
        let packed = deflate(&body, true).unwrap();
        assert!(packed.len() < body.len() / 10);
        assert_eq!(inflate(&packed, body.len()), Ok(body.clone()));
        assert_eq!(deflate(&body, false), None);
        assert_eq!(deflate(&body[..COMPRESSED_LENGTH_MIN - 1], true), None);
    }

    #[test]
    fn what_inflates_too_far_is_stopped() {
        let bomb = deflate(&vec![0; 4 << 20], true).unwrap();
        assert!(bomb.len() < 64 << 10);
        assert_eq!(inflate(&bomb, (4 << 20) - 1), Err(BodyError::TooLong));
        assert_eq!(inflate(&bomb, 4 << 20).map(|it| it.len()), Ok(4 << 20));
    }

    #[test]
    fn damaged_bodies_are_refused() {
        let packed = deflate(&[7; 2_000], true).unwrap();
        assert_eq!(inflate(b"", 10), Err(BodyError::Damaged));
        assert_eq!(inflate(b"{}", 10), Err(BodyError::Damaged));
        assert_eq!(inflate(&packed[..packed.len() - 1], 3_000), Err(BodyError::Damaged));
        let mut spoiled = packed.clone();
        *spoiled.last_mut().unwrap() ^= 1;
        assert_eq!(inflate(&spoiled, 3_000), Err(BodyError::Damaged));
        assert_eq!(inflate(&[&packed[..], b"x"].concat(), 3_000), Err(BodyError::Damaged));
    }

    #[test]
    fn headers_say_what_is_understood() {
        let headers = |name, value: &'static str| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        for (value, expected) in [
            ("gzip", Some(Coding::Gzip)),
            ("GZIP", Some(Coding::Gzip)),
            ("identity", Some(Coding::Identity)),
            ("br", None),
        ] {
            assert_eq!(Coding::of(&headers(CONTENT_ENCODING, value)), expected, "{value}");
        }
        assert_eq!(Coding::of(&HeaderMap::new()), Some(Coding::Identity));
        for (value, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            assert_eq!(accepts_gzip(&headers(ACCEPT_ENCODING, value)), expected, "{value}");
        }
    }
}
