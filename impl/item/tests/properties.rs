//! Properties of numbers, keys and packings, each against a twin that is too simple to be wrong.

use bigdecimal::BigDecimal;
use proptest::prelude::*;
use ringleader_item::key::Token;
use ringleader_item::{AttributeValue, Item, KeyAttribute, KeyKind, KeySchema, Number, PackedItem};
use std::str::FromStr;

/// Decimal texts of every shape, in and out of range.
fn decimal_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[+-]?[0-9]{1,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?",
        "[+-]?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?",
        "-?[0-9]{37,40}",
        "-?0\\.0{0,3}[0-9]{36,39}",
    ]
}

fn number() -> impl Strategy<Value = Number> {
    decimal_text().prop_filter_map("out of range", |text| Number::parse(&text).ok())
}

fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        ".{0,8}".prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<Vec<u8>>().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        prop::collection::btree_set(".{0,4}", 1..4).prop_map(AttributeValue::Ss),
        prop::collection::btree_set(number(), 1..4).prop_map(AttributeValue::Ns),
        prop::collection::btree_set(any::<Vec<u8>>(), 1..4).prop_map(AttributeValue::Bs),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map(".{0,4}", inner.clone(), 0..4).prop_map(AttributeValue::M),
            prop::collection::vec(inner, 0..4).prop_map(AttributeValue::L),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop::collection::btree_map(".{0,6}", value(), 0..5).prop_map(Item::from)
}

fn key_form(number: &Number) -> Vec<u8> {
    let mut form = Vec::new();
    number.push_key(&mut form);
    form
}

fn schema(partition: KeyKind, sort: Option<KeyKind>) -> KeySchema {
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    KeySchema { partition: attribute("p", partition), sort: sort.map(|kind| attribute("s", kind)) }
}

proptest! {
    #[test]
    fn numbers_order_and_print_as_big_decimals(a in number(), b in number()) {
        let twin = |number: &Number| BigDecimal::from_str(&number.to_string()).unwrap();
        prop_assert_eq!(a.cmp(&b), twin(&a).cmp(&twin(&b)));
        prop_assert_eq!(key_form(&a).cmp(&key_form(&b)), a.cmp(&b));
        prop_assert_eq!(Number::parse(&a.to_string()), Ok(a));
    }

    #[test]
    fn a_number_is_accepted_exactly_when_it_is_in_range(text in decimal_text()) {
        let twin = BigDecimal::from_str(&text).unwrap().normalized();
        let (digits, scale) = twin.as_bigint_and_exponent();
        let digit_count = i64::try_from(digits.magnitude().to_string().len()).unwrap();
        let magnitude = digit_count - 1 - scale;
        let zero = digits.magnitude().to_string() == "0";
        let fits = zero || (digit_count <= 38 && (-130..=125).contains(&magnitude));
        let parsed = Number::parse(&text);
        prop_assert_eq!(parsed.is_ok(), fits, "{:?}", parsed);
        if let Ok(number) = parsed {
            prop_assert_eq!(BigDecimal::from_str(&number.to_string()).unwrap(), twin);
        }
    }

    #[test]
    fn number_parsing_is_total(text in ".{0,60}") {
        let _ = Number::parse(&text);
    }

    #[test]
    fn sort_keys_keep_the_order_of_their_values(a in number(), b in number()) {
        let key = |sort: Number| {
            let key = Item::from([("p", "x".into()), ("s", AttributeValue::N(sort))]);
            schema(KeyKind::S, Some(KeyKind::N)).key_of_attributes(&key).unwrap()
        };
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
    }

    #[test]
    fn keys_order_by_token_then_partition_key_then_sort_key(
        parts in prop::collection::vec(
            (prop::collection::vec(0_u8..3, 1..4), prop::collection::vec(0_u8..3, 1..4)), 2),
    ) {
        let key = |(p, s): &(Vec<u8>, Vec<u8>)| {
            let key = Item::from([
                ("p", AttributeValue::B(p.clone())), ("s", AttributeValue::B(s.clone()))]);
            schema(KeyKind::B, Some(KeyKind::B)).key_of_attributes(&key).unwrap()
        };
        let twin = |(p, s): &(Vec<u8>, Vec<u8>)| (Token::of(p), p.clone(), s.clone());
        let keys = (key(&parts[0]), key(&parts[1]));
        prop_assert_eq!(keys.0.cmp(&keys.1), twin(&parts[0]).cmp(&twin(&parts[1])));
        // The token alone would hide a wrong escape: compare what follows it as well.
        let (left, right) = (&keys.0.as_bytes()[16..], &keys.1.as_bytes()[16..]);
        prop_assert_eq!(left.cmp(right), parts[0].cmp(&parts[1]));
    }

    #[test]
    fn an_item_survives_packing(item in item()) {
        let packed = PackedItem::pack(&item);
        prop_assert_eq!(&packed.unpack(), &item);
        prop_assert_eq!(packed.size(), item.size());
        prop_assert_eq!(PackedItem::from_bytes(packed.as_bytes().to_vec()), Ok(packed.clone()));
        for (name, value) in item.iter() {
            let found = packed.get(name);
            prop_assert_eq!(found.as_ref(), Some(value));
        }
        let wire = bincode::config::legacy();
        let bytes = bincode::serde::encode_to_vec(&item, wire).unwrap();
        let (read, _) = bincode::serde::decode_from_slice::<Item, _>(&bytes, wire).unwrap();
        prop_assert_eq!(read, item);
    }

    /// One wrong byte anywhere gives an error or another item, never a panic, and what is accepted
    /// is canonical: packing it again gives the same bytes.
    #[test]
    fn damaged_packings_are_refused_or_canonical(
        item in item(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = PackedItem::pack(&item).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(packed) = PackedItem::from_bytes(bytes) {
            prop_assert_eq!(PackedItem::pack(&packed.unpack()), packed);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(mut bytes in prop::collection::vec(0_u8..12, 0..40)) {
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(packed) = PackedItem::from_bytes(bytes) {
            prop_assert_eq!(PackedItem::pack(&packed.unpack()), packed);
        }
    }
}

#[test]
fn the_token_is_the_md5_of_the_partition_key() {
    let key = Item::from([("p", "user-123".into())]);
    let token = schema(KeyKind::S, None).key_of_attributes(&key).unwrap().token();
    assert_eq!(u128::from_be_bytes(token.0), 0xbc17_c97c_3d89_7d43_b7e0_7ca0_266e_afa8);
}

#[test]
fn packings_of_version_1_never_change() {
    let item = Item::from([
        ("id", "k1".into()),
        ("n", AttributeValue::N(Number::parse("-12.5").unwrap())),
        ("l", AttributeValue::L(vec![true.into(), AttributeValue::Null])),
    ]);
    let expected = [
        1, 3, // version, attributes
        2, b'i', b'd', 0, 2, b'k', b'1', // id: S "k1"
        1, b'l', 7, 2, 4, 5, // l: [true, null]
        1, b'n', 1, 1, 1, 125, // n: -125 * 10^-1
    ];
    assert_eq!(PackedItem::pack(&item).as_bytes(), expected);
}

#[test]
fn nesting_stops_at_32() {
    let nested = |levels: usize| {
        let mut bytes = vec![1, 1, 1, b'a'];
        bytes.extend([7, 1].repeat(levels));
        bytes.push(5);
        PackedItem::from_bytes(bytes)
    };
    assert!(nested(32).is_ok());
    let error = nested(33).unwrap_err().to_string();
    assert_eq!(
        error,
        "not a packed item: more than 32 lists and maps inside each other at byte 69"
    );
    assert!(nested(100_000).is_err());
}

#[test]
fn keys_are_refused_with_the_texts_of_the_api() {
    let both = schema(KeyKind::S, Some(KeyKind::N));
    let of_item = |item: Item| both.key_of_item(&PackedItem::pack(&item)).unwrap_err().to_string();
    assert_eq!(
        of_item(Item::from([("p", "x".into())])),
        "One or more parameter values were invalid: Missing the key s in the item"
    );
    assert_eq!(
        of_item(Item::from([("p", 1_u64.into()), ("s", 1_u64.into())])),
        "One or more parameter values were invalid: Type mismatch for key p expected: S actual: N"
    );
    assert_eq!(
        of_item(Item::from([("p", "".into()), ("s", 1_u64.into())])),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty string value. Key: p"
    );
    let long = "x".repeat(2_049);
    assert_eq!(
        of_item(Item::from([("p", long.as_str().into()), ("s", 1_u64.into())])),
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size \
         limit of2048 bytes"
    );
    for key in [
        Item::from([("p", "x".into())]),
        Item::from([("p", "x".into()), ("s", "1".into())]),
        Item::from([("p", "x".into()), ("s", 1_u64.into()), ("t", 1_u64.into())]),
        Item::from([("p", "x".into()), ("t", 1_u64.into())]),
    ] {
        let error = both.key_of_attributes(&key).unwrap_err().to_string();
        assert_eq!(error, "The provided key element does not match the schema");
    }
}

proptest! {
    #[test]
    fn sums_are_exact_or_refused(a in number(), b in number()) {
        let twin = |number: &Number| BigDecimal::from_str(&number.to_string()).unwrap();
        let exact = (twin(&a) + twin(&b)).normalized();
        match a.plus(b) {
            Ok(sum) => prop_assert_eq!(twin(&sum), exact),
            Err(_) => prop_assert!(Number::parse(&exact.to_plain_string()).is_err(), "{}", exact),
        }
        prop_assert_eq!(a.plus(a.negated()), Ok(Number::ZERO));
    }

    /// Close to each other, where digits cancel and carries run through.
    #[test]
    fn sums_of_like_numbers_are_exact(a in any::<i64>(), b in any::<i64>(), scale in -100_i16..80) {
        let number = |value: i64| {
            let text = format!("{value}e{scale}");
            Number::parse(&text).unwrap()
        };
        let exact = i128::from(a) + i128::from(b);
        prop_assert_eq!(number(a).plus(number(b)), Number::parse(&format!("{exact}e{scale}")));
    }
}
