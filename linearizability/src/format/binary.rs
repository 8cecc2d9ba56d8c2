//! A compact binary form, about a fifth of JSON lines; every entry of any format fits in.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | magic `89 4C 43 48` |
//! | 1 | version, 1 |
//! | .. | entries, each begins with a tag |
//! | 1 | tag 7, the end |
//! | number | how many entries there were |
//!
//! | tag | entry | then |
//! |---|---|---|
//! | 0, 1, 2, 3 | invoke, ok, fail, info | flags; process; time; f, key, value as flagged; other fields |
//! | 4 | a fault begins | kind as text; node + 1, or 0; time |
//! | 5 | a fault ends | the same |
//!
//! Flags are one byte: 1 f, 2 key, 4 value, 8 others follow. A *number* has seven bits in each
//! byte, the low ones first, the top bit saying that more follow (LEB128); a signed one is folded
//! first (`0, -1, 1, -2` are `0, 1, 2, 3`). A *time* is the difference to the entry before, as a
//! signed number. A *text* is a number: 0 for a new one, with its length in bytes and its bytes; `n`
//! for the `n`th new one again. Others are a number of pairs of a text and a value.
//!
//! | first byte of a value | value | then |
//! |---|---|---|
//! | 0 | null | |
//! | 1, 2 | false, true | |
//! | 3 | whole number | signed number |
//! | 4, 5, 6 | text, keyword, other | text |
//! | 7 | vector | number of members, members |
//! | 8 | map | number of entries, keys and values in turn |

use super::datum::Datum;
use super::record::{Entry, Kind, Record};
use super::{Fault, FormatError, Problem};
use std::collections::HashMap;

/// What a file begins with.
pub const MAGIC: [u8; 4] = [0x89, b'L', b'C', b'H'];

/// The only version so far.
pub const VERSION: u8 = 1;

const FAULT_BEGINS: u8 = 4;
const FAULT_ENDS: u8 = 5;
const END: u8 = 7;

/// Nesting beyond this is nobody's history.
const DEPTH_MAX: usize = 64;

/// Calls `each` for every entry, with its number.
///
/// # Errors
/// Names the first entry that is wrong, or that `each` refuses.
pub fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(usize, Entry) -> Result<(), Problem>,
) -> Result<(), FormatError> {
    let mut source = Source { bytes, at: 0, texts: Vec::new(), time: 0 };
    let mut number = 1;
    source.header().map_err(|problem| problem.at(number))?;
    loop {
        let entry = source.entry(number - 1).map_err(|problem| problem.at(number))?;
        let Some(entry) = entry else { return Ok(()) };
        each(number, entry).map_err(|problem| problem.at(number))?;
        number += 1;
    }
}

struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
    texts: Vec<&'a str>,
    time: u64,
}

impl<'a> Source<'a> {
    fn expected(&self, what: &str) -> Problem {
        let place = format!("at byte {}; expected {what}", self.at);
        Problem::Syntax(if self.at >= self.bytes.len() {
            format!("file ends in the middle {place}; it may be truncated")
        } else {
            format!("malformed {place}")
        })
    }

    fn header(&mut self) -> Result<(), Problem> {
        if self.take(MAGIC.len(), "the magic number")? != MAGIC {
            self.at = 0;
            return Err(self.expected("the magic number"));
        }
        match self.byte("the version")? {
            VERSION => Ok(()),
            other => {
                let message = format!("version {other} of the binary format; expected {VERSION}");
                Err(Problem::Syntax(message))
            }
        }
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            self.at = self.bytes.len();
            return Err(self.expected(what));
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self, what: &str) -> Result<u8, Problem> {
        Ok(self.take(1, what)?[0])
    }

    fn number(&mut self, what: &str) -> Result<u64, Problem> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.expected("a number of at most 64 bits"))
    }

    fn signed(&mut self, what: &str) -> Result<i64, Problem> {
        let folded = self.number(what)?;
        Ok((folded >> 1).cast_signed() ^ -((folded & 1).cast_signed()))
    }

    fn text(&mut self, what: &str) -> Result<&'a str, Problem> {
        let number = self.number(what)?;
        if number > 0 {
            let index = usize::try_from(number - 1).ok();
            let known = index.and_then(|index| self.texts.get(index).copied());
            return known.ok_or_else(|| self.expected("the number of a text that came before"));
        }
        let length = usize::try_from(self.number(what)?).unwrap_or(usize::MAX);
        let text = std::str::from_utf8(self.take(length, what)?);
        let text = text.map_err(|_| self.expected("UTF-8 text"))?;
        self.texts.push(text);
        Ok(text)
    }

    fn moment(&mut self) -> Result<u64, Problem> {
        let difference = self.signed("a time")?;
        let time = self.time.checked_add_signed(difference);
        self.time = time.ok_or_else(|| self.expected("a time of 64 bits"))?;
        Ok(self.time)
    }

    fn entry(&mut self, before: usize) -> Result<Option<Entry>, Problem> {
        let tag = self.byte("an entry or the end")?;
        let kinds = [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info];
        if let Some(kind) = kinds.get(usize::from(tag)).copied() {
            return Ok(Some(Entry::Event(self.record(kind)?)));
        }
        match tag {
            FAULT_BEGINS | FAULT_ENDS => {
                let kind = self.text("the kind of a fault")?.to_owned();
                let node = self.number("a node")?.checked_sub(1);
                let (ended, time) = (tag == FAULT_ENDS, self.moment()?);
                Ok(Some(Entry::Fault(Fault { kind, node, ended, time })))
            }
            END => {
                let count = self.number("the number of entries")?;
                if count != before as u64 {
                    let message = format!("{before} entries; expected {count}, as its end says");
                    return Err(Problem::Syntax(message));
                }
                if self.at < self.bytes.len() {
                    return Err(self.expected("nothing after the end"));
                }
                Ok(None)
            }
            _ => {
                self.at -= 1;
                Err(self.expected("the tag of an entry"))
            }
        }
    }

    fn record(&mut self, kind: Kind) -> Result<Record, Problem> {
        let flags = self.byte("flags")?;
        let process = self.number("a process")?;
        let time = self.moment()?;
        let f = if flags & 1 == 0 { None } else { Some(self.text("f")?.to_owned()) };
        let key = if flags & 2 == 0 { None } else { Some(self.datum(0)?) };
        let value = if flags & 4 == 0 { None } else { Some(self.datum(0)?) };
        let mut more = Vec::new();
        if flags & 8 != 0 {
            for _ in 0..self.number("how many other fields")? {
                let name = self.text("the name of a field")?.to_owned();
                more.push((name, self.datum(0)?));
            }
        }
        Ok(Record { process, kind, time, f, key, value, more })
    }

    fn datum(&mut self, depth: usize) -> Result<Datum, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::Syntax(format!("nested deeper than {DEPTH_MAX}")));
        }
        Ok(match self.byte("a value")? {
            0 => Datum::Nil,
            1 => Datum::Bool(false),
            2 => Datum::Bool(true),
            3 => Datum::Number(self.signed("a whole number")?),
            4 => Datum::Text(self.text("a text")?.to_owned()),
            5 => Datum::Keyword(self.text("a keyword")?.to_owned()),
            6 => Datum::Other(self.text("a value")?.to_owned()),
            7 => {
                let mut members = Vec::new(); // grows with what is there, not with what is claimed
                for _ in 0..self.number("how many members")? {
                    members.push(self.datum(depth + 1)?);
                }
                Datum::Vector(members)
            }
            8 => {
                let mut entries = Vec::new();
                for _ in 0..self.number("how many entries")? {
                    entries.push((self.datum(depth + 1)?, self.datum(depth + 1)?));
                }
                Datum::Map(entries)
            }
            _ => {
                self.at -= 1;
                return Err(self.expected("the kind of a value"));
            }
        })
    }
}

/// Writes entries.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    texts: HashMap<String, u64>,
    time: u64,
    entries: u64,
}

impl Default for Writer {
    fn default() -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        Self { bytes, texts: HashMap::new(), time: 0, entries: 0 }
    }
}

impl Writer {
    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        match entry {
            Entry::Fault(fault) => {
                self.bytes.push(if fault.ended { FAULT_ENDS } else { FAULT_BEGINS });
                self.text(&fault.kind);
                self.number(fault.node.map_or(0, |node| node.saturating_add(1)));
                self.moment(fault.time);
            }
            Entry::Event(record) => self.record(record),
        }
    }

    /// The file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        self.number(self.entries);
        self.bytes
    }

    fn record(&mut self, record: &Record) {
        let Record { process, kind, time, f, key, value, more } = record;
        self.bytes.push(match kind {
            Kind::Invoke => 0,
            Kind::Ok => 1,
            Kind::Fail => 2,
            Kind::Info => 3,
        });
        let flag = |there: bool, flag: u8| if there { flag } else { 0 };
        self.bytes.push(
            flag(f.is_some(), 1)
                | flag(key.is_some(), 2)
                | flag(value.is_some(), 4)
                | flag(!more.is_empty(), 8),
        );
        self.number(*process);
        self.moment(*time);
        if let Some(f) = f {
            self.text(f);
        }
        for value in [key, value].into_iter().flatten() {
            self.datum(value);
        }
        if !more.is_empty() {
            self.number(more.len() as u64);
            for (name, value) in more {
                self.text(name);
                self.datum(value);
            }
        }
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7F {
            self.bytes.push(u8::try_from(number & 0x7F).expect("seven bits") | 0x80);
            number >>= 7;
        }
        self.bytes.push(u8::try_from(number).expect("seven bits"));
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn moment(&mut self, time: u64) {
        // Exact for times below 2^63, as all text formats have them.
        self.signed(time.wrapping_sub(self.time).cast_signed());
        self.time = time;
    }

    fn text(&mut self, text: &str) {
        if let Some(number) = self.texts.get(text) {
            return self.number(*number);
        }
        self.texts.insert(text.to_owned(), self.texts.len() as u64 + 1);
        self.number(0);
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    fn datum(&mut self, datum: &Datum) {
        match datum {
            Datum::Nil => self.bytes.push(0),
            Datum::Bool(truth) => self.bytes.push(1 + u8::from(*truth)),
            Datum::Number(number) => {
                self.bytes.push(3);
                self.signed(*number);
            }
            Datum::Text(text) => {
                self.bytes.push(4);
                self.text(text);
            }
            Datum::Keyword(text) => {
                self.bytes.push(5);
                self.text(text);
            }
            Datum::Other(text) => {
                self.bytes.push(6);
                self.text(text);
            }
            Datum::Vector(members) => {
                self.bytes.push(7);
                self.number(members.len() as u64);
                for member in members {
                    self.datum(member);
                }
            }
            Datum::Map(entries) => {
                self.bytes.push(8);
                self.number(entries.len() as u64);
                for (key, value) in entries {
                    self.datum(key);
                    self.datum(value);
                }
            }
        }
    }
}
