//! What is done to a request: to its JSON as a tree, to its bytes, to its headers, to the whole of it
//! on the wire.

use crate::random::Random;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use std::io::Write as _;

/// Texts that somebody might not have thought of: JSON, expressions, numbers, Unicode.
const PIECES: [&str; 56] = [
    "",
    "null",
    "true",
    "-1",
    "1.5",
    "1e400",
    "-0",
    "1E+2147483648",
    "99999999999999999999",
    "0x10",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "\u{0}",
    "\u{FEFF}",
    "\u{202E}",
    "e\u{301}",
    "\u{10FFFF}",
    "[",
    "]",
    "{",
    "}",
    "{}",
    "[{}]",
    ":",
    ",",
    "(",
    ")",
    " AND ",
    " OR ",
    "NOT ",
    " IN ",
    " BETWEEN ",
    " = ",
    " + ",
    " - ",
    "#p",
    ":v0",
    "#",
    ":",
    ".",
    "[0]",
    "[-1]",
    "[99999999999]",
    "SET ",
    "REMOVE ",
    "ADD ",
    "DELETE ",
    "size(",
    "if_not_exists(",
    "list_append(",
    "attribute_type(",
    "\t\r\n",
    "NaN",
];

/// Names of members that the API has somewhere.
const MEMBERS: [&str; 16] = [
    "TableName",
    "Key",
    "Item",
    "S",
    "N",
    "B",
    "SS",
    "NS",
    "BS",
    "M",
    "L",
    "NULL",
    "BOOL",
    "IndexName",
    "Limit",
    "ExclusiveStartKey",
];

/// Levels of nesting around the limits of items (32), of the parser (128), and far beyond.
const DEPTHS: [usize; 7] = [30, 31, 32, 33, 127, 200, 4_000];

/// Replaces, adds, renames or removes something of the tree.
pub(crate) fn restructure(random: &mut Random, body: &mut Value) {
    let mut nodes = Vec::new();
    list_nodes(body, String::new(), &mut nodes);
    let at = random.one(&nodes).clone();
    let strange = strange(random);
    let node = body.pointer_mut(&at).expect("it was listed");
    match node {
        Value::Object(members) if random.once_in(2) => change_members(random, members, strange),
        Value::Array(elements) if random.once_in(2) => {
            let copy = elements.first().cloned().unwrap_or(strange);
            let more = if random.once_in(16) { 1 + random.below(130) } else { 1 };
            elements.extend(std::iter::repeat_n(copy, more));
        }
        Value::String(text) if random.once_in(2) => splice(random, text),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => *node = strange,
    }
}

/// The pointers of all values in a tree.
fn list_nodes(node: &Value, at: String, out: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    if let Value::Object(members) = node {
        for (name, value) in members {
            list_nodes(value, format!("{at}/{}", escaped(name)), out);
        }
    } else if let Value::Array(elements) = node {
        for (number, value) in elements.iter().enumerate() {
            list_nodes(value, format!("{at}/{number}"), out);
        }
    }
    out.push(at);
}

fn change_members(random: &mut Random, members: &mut Map<String, Value>, strange: Value) {
    let names: Vec<String> = members.keys().cloned().collect();
    let removed = if names.is_empty() { None } else { members.remove(random.one(&names)) };
    match random.below(3) {
        0 => {}
        1 => drop(members.insert((*random.one(&MEMBERS)).to_owned(), removed.unwrap_or(strange))),
        _ => {
            members.insert(String::new(), strange);
            if random.once_in(100) {
                members.extend((0..3_000).map(|number| (format!("m{number}"), json!({"S": ""}))));
            }
        }
    }
}

/// A value that is rarely what is wanted.
fn strange(random: &mut Random) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => json!(random.once_in(2)),
        2 => json!(*random.one(&[0, 1, -1, i64::MAX, i64::MIN, 2_147_483_648])),
        3 => json!(*random.one(&[0.5, -0.0, 1e308, 1e-308])),
        4 => json!([]),
        5 => json!({}),
        6 => json!({ *random.one(&MEMBERS): *random.one(&PIECES) }),
        7 => json!({"N": number(random)}),
        8 if random.once_in(4) => nested(random),
        9 if random.once_in(4) => {
            json!("x".repeat(*random.one(&[1, 2, 3, 255, 256, 1_025, 2_049, 65_536])))
        }
        10 => json!({"S": "é".repeat(*random.one(&[1, 512, 1_024, 1_025]))}),
        _ => json!(*random.one(&PIECES)),
    }
}

/// A number around the limits of 38 digits and of the exponents.
fn number(random: &mut Random) -> String {
    let sign = *random.one(&["", "-", "+", "--"]);
    let digit = char::from(b'0' + u8::try_from(random.below(10)).expect("it is one digit"));
    let digits = digit.to_string().repeat(*random.one(&[1, 37, 38, 39, 400]));
    let point = *random.one(&["", ".", ".0", ".00000000000000000000000000000000000000001"]);
    let exponent =
        *random.one(&["", "e125", "e126", "E-130", "e-131", "e99999999999999999999", "e"]);
    format!("{sign}{digits}{point}{exponent}")
}

/// A value inside many others. The innermost one is built first: nothing here recurses.
fn nested(random: &mut Random) -> Value {
    // Beyond that, our own printing of the tree would recurse too deep.
    let depth = (*random.one(&DEPTHS)).min(200);
    let as_map = random.once_in(2);
    (0..depth).fold(json!({"S": "x"}), |inner, _| {
        if as_map { json!({"M": {"m": inner}}) } else { json!({"L": [inner]}) }
    })
}

/// Puts a piece somewhere into a text, maybe many times, maybe instead of something.
fn splice(random: &mut Random, text: &mut String) {
    let start = text.floor_char_boundary(random.below(text.len() + 1));
    let end = text.floor_char_boundary((start + random.below(6)).min(text.len())).max(start);
    let piece = *random.one(&PIECES);
    let times = if random.once_in(10) { *random.one(&DEPTHS) } else { 1 };
    text.replace_range(start..end, &piece.repeat(times));
}

/// Changes bytes of a body without a look at what they are.
pub(crate) fn damage(random: &mut Random, body: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(body.len() + 1);
        let end = (at + random.below(12)).min(body.len());
        match random.below(7) {
            0 => body.truncate(at),
            1 => drop(body.splice(at..end, random.one(&PIECES).bytes())),
            2 => drop(body.drain(at..end)),
            3 => {
                let copy = body[at..end].to_vec();
                drop(body.splice(at..at, copy));
            }
            4 => {
                let open = *random.one(&["[", "{\"L\":[", "{\"M\":{\"m\":", "("]);
                drop(body.splice(at..at, open.repeat(*random.one(&DEPTHS)).into_bytes()));
            }
            5 => drop(body.splice(at..at, [0xFF, 0xC0, 0x80])),
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

/// How a body is sent.
pub(crate) struct Envelope {
    pub(crate) target: Vec<u8>,
    /// Further lines, each with its end.
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Envelope {
    pub(crate) fn new(operation: &str, body: Vec<u8>) -> Self {
        let target = format!("DynamoDB_20120810.{operation}").into_bytes();
        Self { target, headers: Vec::new(), body }
    }

    /// Compresses the body, or says so and does not, or damages what it compressed.
    pub(crate) fn compress(&mut self, random: &mut Random) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        if random.once_in(1_000) {
            // 20 MB of nothing, in 20 KB: longer than a body may be.
            let nothing = vec![b' '; 1 << 20];
            for _ in 0..20 {
                encoder.write_all(&nothing).expect("a vector takes everything");
            }
        }
        encoder.write_all(&self.body).expect("a vector takes everything");
        let compressed = encoder.finish().expect("a vector takes everything");
        if !random.once_in(8) {
            self.body = compressed;
        }
        if random.once_in(8) {
            damage(random, &mut self.body);
        }
        let coding = *random.one(&["gzip", "gzip", "gzip", "gzip", "br", "gzip, gzip", "identity"]);
        self.headers.extend_from_slice(format!("content-encoding: {coding}\r\n").as_bytes());
    }

    /// Headers that HTTP allows, whatever they say.
    pub(crate) fn adorn(&mut self, random: &mut Random) {
        match random.below(6) {
            0 => self.headers.extend_from_slice(b"accept-encoding: gzip\r\n"),
            1 => {
                let at = random.below(self.target.len());
                self.target[at] = header_byte(random);
            }
            2 => self.headers.extend_from_slice(
                b"authorization: AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=, Signature=zz\r\n",
            ),
            3 => self.headers.extend_from_slice(b"origin: http://x\r\nx-amz-date: 2026\r\n"),
            _ => {
                self.headers.extend_from_slice(b"x-fuzz-");
                self.headers.extend((0..random.below(20)).map(|_| b'a'));
                self.headers.extend_from_slice(b": ");
                let length = if random.once_in(100) { 8_000 } else { 20 };
                let value: Vec<u8> = (0..length).map(|_| header_byte(random)).collect();
                self.headers.extend(value);
                self.headers.extend_from_slice(b"\r\n");
            }
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"POST / HTTP/1.1\r\nhost: fuzz\r\nx-amz-target: ");
        out.extend_from_slice(&self.target);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.headers);
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        out.extend_from_slice(&self.body);
    }

    /// The same with the body in chunks.
    pub(crate) fn write_chunked(&self, random: &mut Random, out: &mut Vec<u8>) {
        out.extend_from_slice(b"POST / HTTP/1.1\r\nhost: fuzz\r\nx-amz-target: ");
        out.extend_from_slice(&self.target);
        out.extend_from_slice(b"\r\ntransfer-encoding: chunked\r\n");
        out.extend_from_slice(&self.headers);
        out.extend_from_slice(b"\r\n");
        let mut rest = &self.body[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((1 + random.below(300)).min(rest.len()));
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
            rest = after;
        }
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

/// A byte that the value of a header may hold.
fn header_byte(random: &mut Random) -> u8 {
    let byte = random.next().to_be_bytes()[0];
    if byte < 0x20 || byte == 0x7F { b'?' } else { byte }
}
