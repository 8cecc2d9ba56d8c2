//! Operations as requests of etcd's HTTP gateway (`/v3/kv/..`, version 3.4 and later), and their
//! answers as completions.

use ringleader_client::{Client, Outcome};
use serde_json::{Value, json};

use crate::generator::Operation;
use crate::history::Function;
use crate::recorder::Completion;

/// How reads are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdReads {
    /// Through a quorum: etcd's default.
    Linearizable,
    /// From the member that was asked, however old.
    Serializable,
}

/// Asks once. Unknown operations of other workloads are refused by [`super::Target::supports`].
pub(super) async fn ask(
    client: &mut Client,
    reads: EtcdReads,
    prefix: &str,
    operation: &Operation,
) -> Completion {
    let key = base64(format!("{prefix}{}", operation.key()).as_bytes());
    match operation.f {
        Function::Get | Function::Read => {
            let serializable = reads == EtcdReads::Serializable;
            let body = json!({"key": key, "serializable": serializable});
            match client.post("/v3/kv/range", &body).await {
                Outcome::Ok(answer) => match value_in(&answer) {
                    Ok(value) => Completion::read(value),
                    Err(error) => Completion::NoEffect(error),
                },
                Outcome::Refused(reason) | Outcome::Unknown(reason) => {
                    Completion::NoEffect(reason.to_string())
                }
                Outcome::ConditionFailed { .. } => Completion::NoEffect("no condition".into()),
            }
        }
        Function::Delete => written(client.post("/v3/kv/deleterange", &json!({"key": key})).await),
        Function::Put | Function::Write => {
            let body = json!({"key": key, "value": number(&operation.fields["value"])});
            written(client.post("/v3/kv/put", &body).await)
        }
        Function::PutIf | Function::Cas | Function::Add | Function::Remove | Function::Txn => {
            let body = transaction(&key, operation);
            match client.post("/v3/kv/txn", &body).await {
                Outcome::Ok(answer) if answer["succeeded"] == true => Completion::done(),
                Outcome::Ok(answer) => match value_in(&answer["responses"][0]["response_range"]) {
                    Ok(old) => Completion::condition_failed(old),
                    Err(error) => Completion::Unknown(error),
                },
                other @ (Outcome::ConditionFailed { .. }
                | Outcome::Refused(_)
                | Outcome::Unknown(_)) => written(other),
            }
        }
    }
}

/// A write if a condition holds, else a read of what is there instead.
fn transaction(key: &str, operation: &Operation) -> Value {
    let value = &operation.fields["value"];
    let (condition, value) = match (operation.f, value.as_array()) {
        (Function::Cas, Some(pair)) => (json!({"equals": pair[0]}), pair[1].clone()),
        _ => (operation.fields.get("if").cloned().unwrap_or_default(), value.clone()),
    };
    let compare = if condition.get("absent").is_some() {
        json!({"key": key, "target": "VERSION", "result": "EQUAL", "version": "0"})
    } else if condition.get("exists").is_some() {
        json!({"key": key, "target": "VERSION", "result": "GREATER", "version": "0"})
    } else {
        json!({"key": key, "target": "VALUE", "result": "EQUAL", "value": number(&condition["equals"])})
    };
    json!({
        "compare": [compare],
        "success": [{"requestPut": {"key": key, "value": number(&value)}}],
        "failure": [{"requestRange": {"key": key}}],
    })
}

fn written(outcome: Outcome<Value>) -> Completion {
    match outcome {
        Outcome::Ok(_) => Completion::done(),
        // The gateway answers with 400s also where a leader was lost half way: only what it did not
        // get at all is certain.
        Outcome::Refused(reason) if reason.code.starts_with("not ") => {
            Completion::NoEffect(reason.to_string())
        }
        Outcome::Refused(reason) | Outcome::Unknown(reason) => {
            Completion::Unknown(reason.to_string())
        }
        Outcome::ConditionFailed { .. } => Completion::Unknown("no condition".into()),
    }
}

/// The number under the only key of a range; `None` if there is none.
fn value_in(answer: &Value) -> Result<Option<i64>, String> {
    let Some(first) = answer["kvs"].get(0) else { return Ok(None) };
    let text = first["value"].as_str().and_then(unbase64);
    let value = text.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    value.map(Some).ok_or_else(|| format!("a value that nobody wrote: {first}"))
}

fn number(value: &Value) -> String {
    base64(value.to_string().as_bytes())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (bits >> (18 - 6 * place)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let digit = ALPHABET.iter().position(|one| *one == letter)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_as_the_standard_says() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(unbase64(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(unbase64("a?"), None);
    }

    #[test]
    fn a_failed_condition_tells_what_was_there() {
        let answer = json!({"kvs": [{"key": "azE=", "value": "MTc="}], "count": "1"});
        assert_eq!(value_in(&answer), Ok(Some(17)));
        assert_eq!(value_in(&json!({"header": {}})), Ok(None));
        assert!(value_in(&json!({"kvs": [{"value": "eA=="}]})).is_err());
    }
}
