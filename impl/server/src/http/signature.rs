//! Whether a request was signed by somebody who holds a secret: AWS Signature Version 4, as far as it
//! concerns `POST /` ("Signing AWS API requests", IAM user guide).
//!
//! ```text
//! canonical request = POST \n / \n query \n headers, each name:value\n \n names;.. \n sha256(body)
//! string to sign    = AWS4-HMAC-SHA256 \n date and time \n scope \n sha256(canonical request)
//! scope             = date / region / dynamodb / aws4_request
//! key               = hmac(hmac(hmac(hmac("AWS4" + secret, date), region), service), "aws4_request")
//! signature         = hex(hmac(key, string to sign))
//! ```
//!
//! The body is hashed as it came over the wire, before it is decompressed. Differences from AWS: none
//! that a client can see, except that the signature must be in a header, not in the query.

use super::credentials::{Credentials, Secret};
use hmac::{Hmac, Mac};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderName};
use ringleader_api::{ApiError, ErrorKind};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use subtle::ConstantTimeEq;

/// How far a client's clock may be off, in seconds.
const SKEW_SECONDS_MAX: u64 = 15 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "dynamodb";
const TERMINATOR: &str = "aws4_request";

/// Signing keys that are kept: one per access key and day, so a small fleet of clients around midnight.
const SIGNING_KEYS_MAX: usize = 64;

/// Checks signatures.
pub(crate) struct Verifier {
    credentials: Credentials,
    region: String,
    /// Derived keys by access key and date: four HMACs less per request.
    signing_keys: RefCell<BTreeMap<(String, String), [u8; 32]>>,
}

fn incomplete(message: String) -> ApiError {
    ApiError::new(ErrorKind::IncompleteSignature, message)
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorKind::InvalidSignature, message)
}

fn unknown_key() -> ApiError {
    let message = "The security token included in the request is invalid.";
    ApiError::new(ErrorKind::UnrecognizedClient, message)
}

fn missing() -> ApiError {
    ApiError::new(ErrorKind::MissingAuthenticationToken, "Request is missing Authentication Token")
}

fn mismatch() -> ApiError {
    ApiError::new(
        ErrorKind::InvalidSignature,
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details.",
    )
}

/// What the `Authorization` header says.
struct Authorization<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl Verifier {
    pub(crate) fn new(credentials: Credentials, region: String) -> Self {
        Self { credentials, region, signing_keys: RefCell::default() }
    }

    /// Checks the signature of a `POST /`, with the current time in seconds since 1970.
    ///
    /// # Errors
    /// The answer to give to a request that is not signed as it must be.
    pub(crate) fn verify(
        &self,
        query: &str,
        headers: &HeaderMap,
        body: &[u8],
        now_unix: u64,
    ) -> Result<(), ApiError> {
        let header = headers.get(AUTHORIZATION).ok_or_else(missing)?;
        let header = header.to_str().map_err(|_| missing())?;
        let sent_at = text(headers, "x-amz-date");
        let authorization = Authorization::read(header, sent_at)?;
        let sent_at = sent_at.unwrap_or_default();
        let secret = self.credentials.find(authorization.access_key);
        let secret = secret.ok_or_else(unknown_key)?;
        if secret.session_token.as_deref() != text(headers, "x-amz-security-token") {
            return Err(unknown_key());
        }
        self.check_scope(&authorization, sent_at)?;
        check_skew(sent_at, now_unix)?;
        let canonical = canonical_request(query, headers, authorization.signed_headers, body)?;
        let scope = format!(
            "{}/{}/{}/{}",
            authorization.date, authorization.region, authorization.service, TERMINATOR
        );
        let key = self.signing_key(&authorization, secret);
        let expected = signature(&key, sent_at, &scope, &canonical);
        let same = expected.as_bytes().ct_eq(authorization.signature.as_bytes());
        if bool::from(same) { Ok(()) } else { Err(mismatch()) }
    }

    fn check_scope(&self, of: &Authorization<'_>, sent_at: &str) -> Result<(), ApiError> {
        let scoped = |what: &str| Err(invalid(what.to_owned()));
        if of.terminator != TERMINATOR {
            return scoped(&format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'.",
                of.terminator
            ));
        }
        if of.region != self.region {
            return scoped(&format!(
                "Credential should be scoped to a valid region, not '{}'. ",
                of.region
            ));
        }
        if of.service != SERVICE {
            return scoped("Credential should be scoped to correct service: 'dynamodb'. ");
        }
        if sent_at.get(..8) != Some(of.date) {
            return scoped(&format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
                 HTTP: '{}' != '{}', from '{sent_at}'.",
                of.date,
                sent_at.get(..8).unwrap_or_default()
            ));
        }
        Ok(())
    }

    fn signing_key(&self, of: &Authorization<'_>, secret: &Secret) -> [u8; 32] {
        let mut keys = self.signing_keys.borrow_mut();
        let name = (of.access_key.to_owned(), of.date.to_owned());
        if let Some(key) = keys.get(&name) {
            return *key;
        }
        let key = signing_key(&secret.secret_key, of.date, of.region, of.service);
        if keys.len() >= SIGNING_KEYS_MAX {
            keys.clear();
        }
        keys.insert(name, key);
        key
    }
}

impl<'a> Authorization<'a> {
    fn read(header: &'a str, sent_at: Option<&str>) -> Result<Self, ApiError> {
        let Some(rest) = header.strip_prefix(ALGORITHM).filter(|it| it.starts_with(' ')) else {
            return Err(incomplete(format!(
                "Authorization header requires the algorithm '{ALGORITHM}'. Authorization={header}"
            )));
        };
        let parameter = |wanted: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find_map(|(name, value)| (name == wanted).then_some(value))
        };
        let (credential, signed_headers, signature) =
            (parameter("Credential"), parameter("SignedHeaders"), parameter("Signature"));
        let missing: String = [
            ("'Credential' parameter", credential.is_none()),
            ("'Signature' parameter", signature.is_none()),
            ("'SignedHeaders' parameter", signed_headers.is_none()),
            ("existence of either a 'X-Amz-Date' or a 'Date' header", sent_at.is_none()),
        ]
        .iter()
        .filter(|(_, is_missing)| *is_missing)
        .fold(String::new(), |text, (what, _)| {
            text + "Authorization header requires " + what + ". "
        });
        let (Some(credential), Some(signed_headers), Some(signature), "") =
            (credential, signed_headers, signature, missing.as_str())
        else {
            return Err(incomplete(format!("{missing}Authorization={header}")));
        };
        // From the end: an access key may hold a slash.
        let mut parts = credential.rsplitn(5, '/');
        let mut part = || parts.next();
        let (Some(terminator), Some(service), Some(region), Some(date), Some(access_key)) =
            (part(), part(), part(), part(), part())
        else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            )));
        };
        Ok(Self { access_key, date, region, service, terminator, signed_headers, signature })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn check_skew(sent_at: &str, now: u64) -> Result<(), ApiError> {
    let Some(sent) = unix_seconds(sent_at) else {
        return Err(incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{sent_at}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    let (earliest, latest) = (now.saturating_sub(SKEW_SECONDS_MAX), now + SKEW_SECONDS_MAX);
    if sent < earliest {
        return Err(invalid(format!(
            "Signature expired: {sent_at} is now earlier than {} ({} - 15 min.)",
            basic_format(earliest),
            basic_format(now)
        )));
    }
    if sent > latest {
        return Err(invalid(format!(
            "Signature not yet current: {sent_at} is still later than {} ({} + 15 min.)",
            basic_format(latest),
            basic_format(now)
        )));
    }
    Ok(())
}

/// The request in the one form that both sides sign.
///
/// # Errors
/// When a header that must be signed is not, or one that is signed is not there.
fn canonical_request(
    query: &str,
    headers: &HeaderMap,
    signed_headers: &str,
    body: &[u8],
) -> Result<String, ApiError> {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let mut canonical = format!("POST\n/\n{}\n", pairs.join("&"));
    let signed = |name: &str| signed_headers.split(';').any(|it| it == name);
    let must_be_signed = |name: &str| name == HOST || name.starts_with("x-amz-");
    let unsigned =
        headers.keys().map(HeaderName::as_str).find(|it| must_be_signed(it) && !signed(it));
    if let Some(name) = unsigned {
        return Err(invalid(format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        )));
    }
    for name in signed_headers.split(';') {
        let mut values = headers.get_all(name).iter().peekable();
        if values.peek().is_none() {
            return Err(mismatch());
        }
        canonical.push_str(name);
        for (at, value) in values.enumerate() {
            canonical.push(if at == 0 { ':' } else { ',' });
            let value = value.to_str().map_err(|_| mismatch())?;
            // Blanks around a value do not count, and several inside it count as one.
            for (at, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
                if at > 0 {
                    canonical.push(' ');
                }
                canonical.push_str(word);
            }
        }
        canonical.push('\n');
    }
    canonical.push('\n');
    canonical.push_str(signed_headers);
    canonical.push('\n');
    canonical.push_str(&hex(&Sha256::digest(body)));
    Ok(canonical)
}

fn signature(key: &[u8; 32], sent_at: &str, scope: &str, canonical: &str) -> String {
    let hash = hex(&Sha256::digest(canonical));
    hex(&hmac(key, format!("{ALGORITHM}\n{sent_at}\n{scope}\n{hash}").as_bytes()))
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let key = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    let key = hmac(&key, region.as_bytes());
    let key = hmac(&key, service.as_bytes());
    hmac(&key, TERMINATOR.as_bytes())
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every text");
        text
    })
}

/// Seconds since 1970 of a time like `20150830T123600Z`; none if it is no such time.
fn unix_seconds(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
    let digits = |from: usize, to: usize| -> Option<u64> {
        let part = bytes.get(from..to)?;
        part.iter()
            .try_fold(0, |sum, it| it.is_ascii_digit().then(|| sum * 10 + u64::from(it - b'0')))
    };
    let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    let exists = shape
        && year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !exists {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some((((years + months + day - 1) * 24 + hour) * 60 + minute) * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A time like `20150830T123600Z`.
fn basic_format(unix: u64) -> String {
    let (mut days, seconds) = (unix / 86_400, unix % 86_400);
    let mut year = 1970;
    while let length = if is_leap(year) { 366 } else { 365 }
        && days >= length
    {
        days -= length;
        year += 1;
    }
    let mut month = 1;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests;
