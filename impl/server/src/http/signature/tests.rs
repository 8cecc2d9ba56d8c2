//! Signatures made by others: AWS's published examples, and botocore 1.43.11.

use super::*;
use hyper::header::HeaderValue;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const BODY: &[u8] = br#"{"TableName": "songs"}"#;
const SENT_AT: &str = "20260301T235959Z";
const SCOPE: &str = "AKIDEXAMPLE/20260301/eu-west-3/dynamodb/aws4_request";
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-odd;x-amz-target";
const SIGNATURE: &str = "6133c767101ae890b76e03741d34c3b92a10ad96bcdda779124e6a3269609001";

fn headers(all: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    all.iter().map(pair).collect()
}

fn authorization(scope: &str, signed: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}")
}

/// The request that botocore signed; `change` may spoil it.
fn verify(change: impl FnOnce(&mut HeaderMap), body: &[u8], now: &str) -> Result<(), String> {
    let credentials = format!(
        "[a]\naws_access_key_id=AKIDEXAMPLE\naws_secret_access_key={SECRET}\n[b]\n\
         aws_access_key_id=TEMPORARY\naws_secret_access_key={SECRET}\naws_session_token=TOKEN/+=\n"
    );
    let mut all = headers(&[
        ("host", "127.0.0.1:8000"),
        ("x-amz-target", "DynamoDB_20120810.DescribeTable"),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-odd", "  a   b  "),
        ("user-agent", "x"),
        ("x-amz-date", SENT_AT),
        ("authorization", &authorization(SCOPE, SIGNED, SIGNATURE)),
    ]);
    change(&mut all);
    let verifier = Verifier::new(Credentials::parse(&credentials).unwrap(), "eu-west-3".into());
    let now = unix_seconds(now).unwrap();
    let first = verifier.verify("", &all, body, now);
    assert_eq!(verifier.verify("", &all, body, now), first, "also with the key it remembers");
    first.map_err(|it| it.to_string())
}

fn set(name: &'static str, value: &str) -> impl FnOnce(&mut HeaderMap) {
    let value = HeaderValue::try_from(value).unwrap();
    move |headers| drop(headers.insert(name, value))
}

#[test]
fn the_published_examples_come_out() {
    let hash = |bytes: &[u8; 32]| hex(bytes);
    // "Deriving the signing key" of the general reference.
    let key = signing_key(SECRET, "20150830", "us-east-1", "iam");
    assert_eq!(hash(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");

    // post-vanilla and post-x-www-form-urlencoded of the signature test suite.
    let key = signing_key(SECRET, "20150830", "us-east-1", "service");
    let sent_at = "20150830T123600Z";
    let scope = "20150830/us-east-1/service/aws4_request";
    let mut all = headers(&[("host", "example.amazonaws.com"), ("x-amz-date", sent_at)]);
    let canonical = canonical_request("", &all, "host;x-amz-date", b"").unwrap();
    assert_eq!(
        signature(&key, sent_at, scope, &canonical),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    );
    set("content-type", "application/x-www-form-urlencoded")(&mut all);
    let signed = "content-type;host;x-amz-date";
    let canonical = canonical_request("", &all, signed, b"Param1=value1").unwrap();
    assert_eq!(
        signature(&key, sent_at, scope, &canonical),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    );
}

#[test]
fn what_botocore_signs_is_accepted() {
    assert_eq!(verify(|_| (), BODY, SENT_AT), Ok(()));
    assert_eq!(verify(|_| (), BODY, "20260301T234500Z"), Ok(()), "a clock ahead of ours");
    assert_eq!(verify(|_| (), BODY, "20260302T001459Z"), Ok(()), "a clock behind ours");
    let unsigned = |headers: &mut HeaderMap| set("user-agent", "someone else")(headers);
    assert_eq!(verify(unsigned, BODY, SENT_AT), Ok(()), "what is not signed may change on its way");
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let mismatch = Err(mismatch().to_string());
    assert_eq!(verify(|_| (), br#"{"TableName": "tunes"}"#, SENT_AT), mismatch);
    let target = set("x-amz-target", "DynamoDB_20120810.DeleteTable");
    assert_eq!(verify(target, BODY, SENT_AT), mismatch);
    assert_eq!(verify(set("host", "127.0.0.1:8001"), BODY, SENT_AT), mismatch);
    let one_off = SIGNATURE.replace('7', "8");
    let header = authorization(SCOPE, SIGNED, &one_off);
    assert_eq!(verify(set("authorization", &header), BODY, SENT_AT), mismatch);
    let shorter = authorization(SCOPE, SIGNED, &SIGNATURE[..63]);
    assert_eq!(verify(set("authorization", &shorter), BODY, SENT_AT), mismatch);
    let not_there = authorization(SCOPE, &format!("accept;{SIGNED}"), SIGNATURE);
    assert_eq!(verify(set("authorization", &not_there), BODY, SENT_AT), mismatch);
}

#[test]
fn headers_that_matter_must_be_signed() {
    let added = set("x-amz-meta", "1");
    assert_eq!(
        verify(added, BODY, SENT_AT).unwrap_err(),
        "InvalidSignatureException: 'x-amz-meta' must be a 'SignedHeader' in the AWS Authorization."
    );
    let header = authorization(SCOPE, "content-type;x-amz-date;x-amz-odd;x-amz-target", SIGNATURE);
    assert_eq!(
        verify(set("authorization", &header), BODY, SENT_AT).unwrap_err(),
        "InvalidSignatureException: 'host' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn clocks_may_differ_by_a_quarter_of_an_hour() {
    assert_eq!(
        verify(|_| (), BODY, "20260302T001500Z").unwrap_err(),
        "InvalidSignatureException: Signature expired: 20260301T235959Z is now earlier than \
         20260302T000000Z (20260302T001500Z - 15 min.)"
    );
    assert_eq!(
        verify(|_| (), BODY, "20260301T234458Z").unwrap_err(),
        "InvalidSignatureException: Signature not yet current: 20260301T235959Z is still later than \
         20260301T235958Z (20260301T234458Z + 15 min.)"
    );
}

#[test]
fn a_scope_is_for_one_day_region_and_service() {
    let check = |from: &str, to: &str, expected: &str| {
        let header = authorization(&SCOPE.replace(from, to), SIGNED, SIGNATURE);
        let told = verify(set("authorization", &header), BODY, SENT_AT).unwrap_err();
        assert!(told.starts_with(expected), "{told}");
    };
    let invalid = "InvalidSignatureException: Credential should be scoped";
    check("eu-west-3", "us-east-1", &format!("{invalid} to a valid region, not 'us-east-1'."));
    check("dynamodb", "s3", &format!("{invalid} to correct service: 'dynamodb'."));
    check("aws4_request", "aws5", &format!("{invalid} with a valid terminator: 'aws4_request'"));
    check(
        "20260301",
        "20260302",
        "InvalidSignatureException: Date in Credential scope does not match",
    );
    check("AKIDEXAMPLE/", "", "IncompleteSignatureException: Credential must have exactly 5 ");
    check("AKIDEXAMPLE", "AKIDOTHER", "UnrecognizedClientException: The security token included");
}

#[test]
fn temporary_credentials_need_their_token() {
    let scope = SCOPE.replace("AKIDEXAMPLE", "TEMPORARY");
    let signed = "content-type;host;x-amz-date;x-amz-odd;x-amz-security-token;x-amz-target";
    let signature = "24bdd7c462cd05e6f6cd591f0fdbc5772ce19965d3719cc06b21c1be1dae21e8";
    let with = |token: &'static str| {
        let header = authorization(&scope, signed, signature);
        verify(
            move |headers| {
                set("authorization", &header)(headers);
                set("x-amz-security-token", token)(headers);
            },
            BODY,
            SENT_AT,
        )
    };
    assert_eq!(with("TOKEN/+="), Ok(()));
    assert!(with("TOKEN").unwrap_err().starts_with("UnrecognizedClientException: "));
}

#[test]
fn a_request_says_who_signed_it_and_when() {
    assert_eq!(
        verify(|headers| drop(headers.remove("authorization")), BODY, SENT_AT).unwrap_err(),
        "MissingAuthenticationTokenException: Request is missing Authentication Token"
    );
    assert_eq!(
        verify(set("authorization", "Basic abc"), BODY, SENT_AT).unwrap_err(),
        "IncompleteSignatureException: Authorization header requires the algorithm \
         'AWS4-HMAC-SHA256'. Authorization=Basic abc"
    );
    let bare = |headers: &mut HeaderMap| {
        set("authorization", "AWS4-HMAC-SHA256 Credential=")(headers);
        headers.remove("x-amz-date");
    };
    assert_eq!(
        verify(bare, BODY, SENT_AT).unwrap_err(),
        "IncompleteSignatureException: Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. Authorization header requires \
         existence of either a 'X-Amz-Date' or a 'Date' header. \
         Authorization=AWS4-HMAC-SHA256 Credential="
    );
}

#[test]
fn times_are_read_and_written() {
    for (text, unix) in [
        ("19700101T000000Z", 0),
        ("20150830T123600Z", 1_440_938_160),
        ("20240229T235959Z", 1_709_251_199),
        ("20260301T000000Z", 1_772_323_200),
    ] {
        assert_eq!(unix_seconds(text), Some(unix), "{text}");
        assert_eq!(basic_format(unix), text);
    }
    for text in ["", "20150830123600", "20150230T000000Z", "20151301T000000Z", "2015083éT12360Z"] {
        assert_eq!(unix_seconds(text), None, "{text}");
    }
}
