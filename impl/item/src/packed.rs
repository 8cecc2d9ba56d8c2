//! The one stored form of an item: in a request to the leader, in the log, in the tree.
//!
//! Canonical: one item has one packing, and bytes that are not the packing of an item are refused.
//! So replicas hold equal bytes for equal items, and comparing items may compare bytes.
//!
//! | bytes | item |
//! |---|---|
//! | 1 | version, [`VERSION`] |
//! | varint | number of attributes |
//! | .. | per attribute, by ascending name: text, value |
//!
//! | tag | value | then |
//! |---|---|---|
//! | 0 | S | text |
//! | 1 | N | number |
//! | 2 | B | bytes |
//! | 3, 4, 5 | false, true, null | |
//! | 6 | M | varint count; per entry, by ascending name: text, value |
//! | 7 | L | varint count; values |
//! | 8, 9, 10 | SS, NS, BS | varint count, at least 1; ascending elements: text, number, bytes |
//!
//! Text and bytes are a varint length and that many bytes; a varint is LEB128, shortest form; a
//! number is a byte (0, or 1 if negative), its exponent as a zigzag varint, its mantissa as a varint.

use crate::limits::NESTING_MAX;
use crate::{AttributeValue, Item, Number};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the form described above.
pub const VERSION: u8 = 1;

const TAG_S: u8 = 0;
const TAG_N: u8 = 1;
const TAG_B: u8 = 2;
const TAG_FALSE: u8 = 3;
const TAG_TRUE: u8 = 4;
const TAG_NULL: u8 = 5;
const TAG_M: u8 = 6;
const TAG_L: u8 = 7;
const TAG_SS: u8 = 8;
const TAG_NS: u8 = 9;
const TAG_BS: u8 = 10;

/// An item in its stored form.
///
/// Invariant: the bytes are the packing of some item; every constructor checks or packs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackedItem {
    bytes: Vec<u8>,
}

/// Why bytes are not a packed item, and at which byte that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a packed item: {flaw} at byte {offset}")]
pub struct PackedError {
    flaw: Flaw,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("unknown version")]
    Version,
    #[error("unknown tag")]
    Tag,
    #[error("it ends too early")]
    Truncated,
    #[error("bytes after the end")]
    Trailing,
    #[error("a length that is not in shortest form")]
    Varint,
    #[error("text that is not UTF-8")]
    Utf8,
    #[error("a number that is not in normal form")]
    Number,
    #[error("names or set elements out of order")]
    Order,
    #[error("an empty set")]
    EmptySet,
    #[error("more than {NESTING_MAX} lists and maps inside each other")]
    Nesting,
}

impl PackedItem {
    /// Packs an item.
    ///
    /// An item nested deeper than [`NESTING_MAX`] packs into bytes that no reader accepts; the API
    /// refuses such items before they come here.
    #[must_use]
    pub fn pack(item: &Item) -> Self {
        let mut bytes = Vec::with_capacity(item.size() + 4 * item.len() + 8);
        bytes.push(VERSION);
        push_varint(&mut bytes, item.len() as u128);
        for (name, value) in item.iter() {
            push_bytes(&mut bytes, name.as_bytes());
            push_value(&mut bytes, value);
        }
        Self { bytes }
    }

    /// Accepts bytes from a log, a tree or a peer if they are a packed item.
    ///
    /// # Errors
    /// When they are not, with the first byte at which that shows.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, PackedError> {
        let mut reader = Reader::start(&bytes)?;
        reader.entries(0, &mut |_, reader, depth| reader.skip_value(depth).map(drop))?;
        reader.end()?;
        Ok(Self { bytes })
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The stored form, by value.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The item.
    #[must_use]
    pub fn unpack(&self) -> Item {
        self.unpack_only(&|_| true)
    }

    /// The item without the attributes that nobody wants.
    #[must_use]
    pub fn unpack_only(&self, wanted: &dyn Fn(&str) -> bool) -> Item {
        let mut attributes = BTreeMap::new();
        self.visit(&mut |name, reader, depth| {
            if !wanted(name) {
                return reader.skip_value(depth).map(drop);
            }
            attributes.insert(name.to_owned(), reader.value(depth)?);
            Ok(())
        });
        attributes.into()
    }

    /// One top-level attribute, without unpacking the others.
    #[must_use]
    pub fn get(&self, wanted: &str) -> Option<AttributeValue> {
        let mut found = None;
        self.visit(&mut |name, reader, depth| {
            if name == wanted {
                found = Some(reader.value(depth)?);
                return Ok(());
            }
            reader.skip_value(depth).map(drop)
        });
        found
    }

    /// Bytes of names and values, as [`Item::size`] counts them.
    #[must_use]
    pub fn size(&self) -> usize {
        let mut size = 0;
        self.visit(&mut |name, reader, depth| {
            size += name.len() + reader.skip_value(depth)?;
            Ok(())
        });
        size
    }

    /// Tells a sink what the item holds, in the order of its bytes, without building it.
    ///
    /// # Panics
    /// Never: the bytes were checked when this was built.
    pub fn tell(&self, sink: &mut impl PackedSink) {
        let told = Reader::start(&self.bytes).and_then(|mut reader| reader.tell_entries(0, sink));
        told.expect("the bytes were checked when this was built");
    }

    fn visit(&self, each: &mut EachEntry<'_>) {
        Reader::start(&self.bytes)
            .and_then(|mut reader| reader.entries(0, each))
            .expect("the bytes were checked when this was built");
    }
}

/// A value that holds no other values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Text.
    S(&'a str),
    /// A number.
    N(Number),
    /// Bytes.
    B(&'a [u8]),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
}

/// A value that holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A map: names and values.
    M,
    /// A list: values.
    L,
    /// A set of texts, told as members.
    Ss,
    /// A set of numbers, told as members.
    Ns,
    /// A set of byte strings, told as members.
    Bs,
}

/// Hears what a packed item holds.
pub trait PackedSink {
    /// An attribute or an entry of a map; its value comes next. `first` in its map or item.
    fn name(&mut self, name: &str, first: bool);
    /// An element of a list; its value comes next.
    fn element(&mut self, first: bool);
    /// A value that holds no others.
    fn scalar(&mut self, scalar: Scalar<'_>);
    /// A member of a set.
    fn member(&mut self, scalar: Scalar<'_>, first: bool);
    /// A value that holds others, which come next.
    fn begin(&mut self, container: Container);
    /// The end of what it holds.
    fn end(&mut self, container: Container);
}

impl From<&Item> for PackedItem {
    fn from(item: &Item) -> Self {
        Self::pack(item)
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u128) {
    loop {
        let [low, ..] = value.to_le_bytes();
        if value < 0x80 {
            return out.push(low);
        }
        out.push(low | 0x80);
        value >>= 7;
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_varint(out, bytes.len() as u128);
    out.extend_from_slice(bytes);
}

fn push_number(out: &mut Vec<u8>, number: &Number) {
    let (negative, exponent, mantissa) = number.parts();
    out.push(u8::from(negative));
    let zigzag = (exponent << 1) ^ (exponent >> 15);
    push_varint(out, u128::from(zigzag.cast_unsigned()));
    push_varint(out, mantissa);
}

fn push_value(out: &mut Vec<u8>, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => {
            out.push(TAG_S);
            push_bytes(out, text.as_bytes());
        }
        AttributeValue::N(number) => {
            out.push(TAG_N);
            push_number(out, number);
        }
        AttributeValue::B(bytes) => {
            out.push(TAG_B);
            push_bytes(out, bytes);
        }
        AttributeValue::Bool(value) => out.push(if *value { TAG_TRUE } else { TAG_FALSE }),
        AttributeValue::Null => out.push(TAG_NULL),
        AttributeValue::M(map) => {
            push_head(out, TAG_M, map.len());
            for (name, value) in map {
                push_bytes(out, name.as_bytes());
                push_value(out, value);
            }
        }
        AttributeValue::L(list) => {
            push_head(out, TAG_L, list.len());
            for value in list {
                push_value(out, value);
            }
        }
        AttributeValue::Ss(set) => {
            push_head(out, TAG_SS, set.len());
            for text in set {
                push_bytes(out, text.as_bytes());
            }
        }
        AttributeValue::Ns(set) => {
            push_head(out, TAG_NS, set.len());
            for number in set {
                push_number(out, number);
            }
        }
        AttributeValue::Bs(set) => {
            push_head(out, TAG_BS, set.len());
            for bytes in set {
                push_bytes(out, bytes);
            }
        }
    }
}

fn push_head(out: &mut Vec<u8>, tag: u8, count: usize) {
    out.push(tag);
    push_varint(out, count as u128);
}

/// What to do with each entry of a map: its name, the reader before its value, the value's depth.
type EachEntry<'e> =
    dyn for<'r, 'a> FnMut(&'a str, &'r mut Reader<'a>, usize) -> Result<(), PackedError> + 'e;

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn start(bytes: &'a [u8]) -> Result<Self, PackedError> {
        let mut reader = Self { bytes, offset: 0 };
        match reader.byte()? {
            VERSION => Ok(reader),
            _ => Err(PackedError { flaw: Flaw::Version, offset: 0 }),
        }
    }

    fn end(&self) -> Result<(), PackedError> {
        if self.offset == self.bytes.len() { Ok(()) } else { self.fail(Flaw::Trailing) }
    }

    fn fail<T>(&self, flaw: Flaw) -> Result<T, PackedError> {
        Err(PackedError { flaw, offset: self.offset })
    }

    fn byte(&mut self) -> Result<u8, PackedError> {
        let Some(&byte) = self.bytes.get(self.offset) else { return self.fail(Flaw::Truncated) };
        self.offset += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u128, PackedError> {
        let mut value = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if (bits << shift) >> shift != bits {
                return self.fail(Flaw::Varint);
            }
            value |= bits << shift;
            if byte < 0x80 {
                let padded = byte == 0 && shift > 0;
                return if padded { self.fail(Flaw::Varint) } else { Ok(value) };
            }
        }
        self.fail(Flaw::Varint)
    }

    /// A count of things of at least one byte each, so never above the bytes that are left.
    fn count(&mut self) -> Result<usize, PackedError> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.bytes.len() - self.offset => Ok(count),
            _ => self.fail(Flaw::Truncated),
        }
    }

    fn slice(&mut self) -> Result<&'a [u8], PackedError> {
        let length = self.count()?;
        let slice = &self.bytes[self.offset..self.offset + length];
        self.offset += length;
        Ok(slice)
    }

    fn text(&mut self) -> Result<&'a str, PackedError> {
        let slice = self.slice()?;
        core::str::from_utf8(slice).or_else(|_| self.fail(Flaw::Utf8))
    }

    fn number(&mut self) -> Result<Number, PackedError> {
        let negative = match self.byte()? {
            0 => false,
            1 => true,
            _ => return self.fail(Flaw::Number),
        };
        let zigzag = self.varint()?;
        let mantissa = self.varint()?;
        let number = u16::try_from(zigzag).ok().and_then(|zigzag| {
            let exponent = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
            Number::from_parts(negative, exponent, mantissa)
        });
        number.map_or_else(|| self.fail(Flaw::Number), Ok)
    }

    fn entries(&mut self, depth: usize, each: &mut EachEntry<'_>) -> Result<(), PackedError> {
        let mut previous: Option<&str> = None;
        for _ in 0..self.count()? {
            let name = self.text()?;
            if previous.is_some_and(|previous| previous >= name) {
                return self.fail(Flaw::Order);
            }
            previous = Some(name);
            each(name, self, depth)?;
        }
        Ok(())
    }

    fn set<T: Ord + Copy>(
        &mut self,
        element: fn(&mut Self) -> Result<T, PackedError>,
        each: &mut dyn FnMut(T),
    ) -> Result<(), PackedError> {
        let count = self.count()?;
        if count == 0 {
            return self.fail(Flaw::EmptySet);
        }
        let mut previous: Option<T> = None;
        for _ in 0..count {
            let next = element(self)?;
            if previous.is_some_and(|previous| previous >= next) {
                return self.fail(Flaw::Order);
            }
            previous = Some(next);
            each(next);
        }
        Ok(())
    }

    fn deeper(&self, depth: usize) -> Result<usize, PackedError> {
        if depth < NESTING_MAX { Ok(depth + 1) } else { self.fail(Flaw::Nesting) }
    }

    /// Checks a value without building it; accepts exactly what [`Reader::value`] accepts. Returns
    /// the bytes that it counts, as [`AttributeValue::size`] does.
    fn skip_value(&mut self, depth: usize) -> Result<usize, PackedError> {
        match self.byte()? {
            TAG_S => self.text().map(str::len),
            TAG_N => Ok(self.number()?.size()),
            TAG_B => self.slice().map(<[u8]>::len),
            TAG_FALSE | TAG_TRUE | TAG_NULL => Ok(1),
            TAG_M => {
                let depth = self.deeper(depth)?;
                let mut size = 3;
                self.entries(depth, &mut |name, reader, depth| {
                    size += 1 + name.len() + reader.skip_value(depth)?;
                    Ok(())
                })?;
                Ok(size)
            }
            TAG_L => {
                let depth = self.deeper(depth)?;
                let count = self.count()?;
                (0..count).try_fold(3, |size, _| Ok(size + 1 + self.skip_value(depth)?))
            }
            TAG_SS => self.set_size(Self::text, |text| text.len()),
            TAG_NS => self.set_size(Self::number, Number::size),
            TAG_BS => self.set_size(Self::slice, |bytes| bytes.len()),
            _ => self.fail(Flaw::Tag),
        }
    }

    fn set_size<T: Ord + Copy>(
        &mut self,
        element: fn(&mut Self) -> Result<T, PackedError>,
        size_of: fn(&T) -> usize,
    ) -> Result<usize, PackedError> {
        let mut size = 0;
        self.set(element, &mut |element| size += size_of(&element))?;
        Ok(size)
    }

    fn tell_entries(
        &mut self,
        depth: usize,
        sink: &mut impl PackedSink,
    ) -> Result<(), PackedError> {
        for at in 0..self.count()? {
            sink.name(self.text()?, at == 0);
            self.tell(depth, sink)?;
        }
        Ok(())
    }

    /// Tells a value that was checked before.
    fn tell(&mut self, depth: usize, sink: &mut impl PackedSink) -> Result<(), PackedError> {
        match self.byte()? {
            TAG_S => sink.scalar(Scalar::S(self.text()?)),
            TAG_N => sink.scalar(Scalar::N(self.number()?)),
            TAG_B => sink.scalar(Scalar::B(self.slice()?)),
            TAG_FALSE => sink.scalar(Scalar::Bool(false)),
            TAG_TRUE => sink.scalar(Scalar::Bool(true)),
            TAG_NULL => sink.scalar(Scalar::Null),
            TAG_M => {
                let depth = self.deeper(depth)?;
                sink.begin(Container::M);
                self.tell_entries(depth, sink)?;
                sink.end(Container::M);
            }
            TAG_L => {
                let depth = self.deeper(depth)?;
                sink.begin(Container::L);
                for at in 0..self.count()? {
                    sink.element(at == 0);
                    self.tell(depth, sink)?;
                }
                sink.end(Container::L);
            }
            TAG_SS => {
                self.tell_set(Container::Ss, |reader| reader.text().map(Scalar::S), sink)?;
            }
            TAG_NS => {
                self.tell_set(Container::Ns, |reader| reader.number().map(Scalar::N), sink)?;
            }
            TAG_BS => {
                self.tell_set(Container::Bs, |reader| reader.slice().map(Scalar::B), sink)?;
            }
            _ => return self.fail(Flaw::Tag),
        }
        Ok(())
    }

    fn tell_set(
        &mut self,
        container: Container,
        member: fn(&mut Self) -> Result<Scalar<'a>, PackedError>,
        sink: &mut impl PackedSink,
    ) -> Result<(), PackedError> {
        sink.begin(container);
        for at in 0..self.count()? {
            sink.member(member(self)?, at == 0);
        }
        sink.end(container);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<AttributeValue, PackedError> {
        Ok(match self.byte()? {
            TAG_S => AttributeValue::S(self.text()?.to_owned()),
            TAG_N => AttributeValue::N(self.number()?),
            TAG_B => AttributeValue::B(self.slice()?.to_vec()),
            TAG_FALSE => AttributeValue::Bool(false),
            TAG_TRUE => AttributeValue::Bool(true),
            TAG_NULL => AttributeValue::Null,
            TAG_M => {
                let depth = self.deeper(depth)?;
                let mut map = BTreeMap::new();
                self.entries(depth, &mut |name, reader, depth| {
                    map.insert(name.to_owned(), reader.value(depth)?);
                    Ok(())
                })?;
                AttributeValue::M(map)
            }
            TAG_L => {
                let depth = self.deeper(depth)?;
                let count = self.count()?;
                AttributeValue::L((0..count).map(|_| self.value(depth)).collect::<Result<_, _>>()?)
            }
            TAG_SS => {
                let mut set = BTreeSet::new();
                self.set(Self::text, &mut |text| {
                    set.insert(text.to_owned());
                })?;
                AttributeValue::Ss(set)
            }
            TAG_NS => {
                let mut set = BTreeSet::new();
                self.set(Self::number, &mut |number| {
                    set.insert(number);
                })?;
                AttributeValue::Ns(set)
            }
            TAG_BS => {
                let mut set = BTreeSet::new();
                self.set(Self::slice, &mut |bytes| {
                    set.insert(bytes.to_vec());
                })?;
                AttributeValue::Bs(set)
            }
            _ => return self.fail(Flaw::Tag),
        })
    }
}

/// A packed item travels as its bytes and is checked on arrival.
impl Serialize for PackedItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for PackedItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(deserializer.deserialize_byte_buf(BytesVisitor)?).map_err(D::Error::custom)
    }
}

/// A single value (in a condition) travels as version, tag and content: a derived form would let
/// a peer nest values until the reader's stack ends.
impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = vec![VERSION];
        push_value(&mut bytes, self);
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(BytesVisitor)?;
        let mut reader = Reader::start(&bytes).map_err(D::Error::custom)?;
        let value = reader.value(0).map_err(D::Error::custom)?;
        reader.end().map_err(D::Error::custom)?;
        Ok(value)
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PackedItem::pack(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(PackedItem::deserialize(deserializer)?.unpack())
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}
