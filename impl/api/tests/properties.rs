//! Properties of translation: no body panics, no condition means something else than it says, and
//! items survive the way out and in again.

use proptest::prelude::*;
use ringleader_api::{Answer, Place, Request, parse};
use ringleader_item::{AttributeValue, Item, Number, PackedItem};

const OPERATIONS: [&str; 5] = ["CreateTable", "DescribeTable", "PutItem", "GetItem", "DeleteItem"];

fn value() -> impl Strategy<Value = AttributeValue> {
    let number = || any::<i64>().prop_map(Number::from);
    let leaf = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<Vec<u8>>().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        prop::collection::btree_set(any::<String>(), 1..4).prop_map(AttributeValue::Ss),
        prop::collection::btree_set(number(), 1..4).prop_map(AttributeValue::Ns),
        prop::collection::btree_set(any::<Vec<u8>>(), 1..4).prop_map(AttributeValue::Bs),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map(any::<String>(), inner.clone(), 0..4)
                .prop_map(AttributeValue::M),
            prop::collection::vec(inner, 0..4).prop_map(AttributeValue::L),
        ]
    })
}

/// A boolean expression over the attributes `a` and `b`, and its meaning for an item that has `a`
/// and not `b`.
fn expression() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![
        Just(("attribute_exists(a)".to_owned(), true)),
        Just(("attribute_not_exists(a)".to_owned(), false)),
        Just(("attribute_exists(b)".to_owned(), false)),
        Just(("a <> b".to_owned(), true)),
    ];
    leaf.prop_recursive(6, 40, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|((a, x), (b, y))| (format!("({a}) AND ({b})"), x && y)),
            (inner.clone(), inner.clone())
                .prop_map(|((a, x), (b, y))| (format!("({a} )OR( {b})"), x || y)),
            inner.prop_map(|(a, x)| (format!("NOT({a})"), !x)),
        ]
    })
}

/// A disjunction of conjunctions of negated or plain tests, without any parentheses: what the
/// precedence of operators decides.
fn flat_expression() -> impl Strategy<Value = (String, bool)> {
    let test = (any::<bool>(), any::<bool>()).prop_map(|(present, negated)| {
        let attribute = if present { "a" } else { "b" };
        let not = if negated { "NOT " } else { "" };
        (format!("{not}attribute_exists({attribute})"), present != negated)
    });
    let conjunction = prop::collection::vec(test, 1..4).prop_map(|tests| {
        let (texts, values): (Vec<_>, Vec<_>) = tests.into_iter().unzip();
        (texts.join(" AND "), values.into_iter().all(|value| value))
    });
    prop::collection::vec(conjunction, 1..4).prop_map(|parts| {
        let (texts, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (texts.join(" OR "), values.into_iter().any(|value| value))
    })
}

fn holds(condition: &str) -> bool {
    let condition = serde_json::Value::from(condition);
    let body = format!(r#"{{"TableName":"abc","Item":{{}},"ConditionExpression":{condition}}}"#);
    match parse("DynamoDB_20120810.PutItem", body.as_bytes()) {
        Ok(Request::PutItem(put)) => {
            put.condition.expect("given").holds(Some(&Item::from([("a", 1_u64.into())])))
        }
        other => panic!("{body} gave {other:?}"),
    }
}

proptest! {
    #[test]
    fn an_item_survives_the_way_out_and_in(
        attributes in prop::collection::btree_map(any::<String>(), value(), 0..5),
    ) {
        let item = Item::from(attributes);
        let answer = Answer::GetItem { item: Some(PackedItem::pack(&item)), consumed: None }.encode(&Place::default());
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let body = serde_json::json!({"TableName": "abc", "Item": answer["Item"]}).to_string();
        let Ok(Request::PutItem(put)) = parse("DynamoDB_20120810.PutItem", body.as_bytes()) else {
            panic!("{body} was refused");
        };
        prop_assert_eq!(put.item.unpack(), item);
    }

    #[test]
    fn conditions_mean_what_they_say((text, meaning) in expression()) {
        prop_assert_eq!(holds(&text), meaning, "{}", text);
    }

    #[test]
    fn operators_bind_in_order((text, meaning) in flat_expression()) {
        prop_assert_eq!(holds(&text), meaning, "{}", text);
    }

    #[test]
    fn no_expression_panics(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "#n", ":v", "AND", "OR", "NOT", "(", ")", "=", "<>", "<", ",", ".", "[", "]", "1",
            "attribute_exists", "size", "contains", "IN", "BETWEEN", "?", "é",
        ]), 0..12),
    ) {
        let body = serde_json::json!({
            "TableName": "abc", "Item": {}, "ConditionExpression": words.join(" "),
            "ExpressionAttributeNames": {"#n": "x"}, "ExpressionAttributeValues": {":v": {"S": "x"}},
        });
        let _ = parse("DynamoDB_20120810.PutItem", body.to_string().as_bytes());
    }

    #[test]
    fn no_body_panics(operation in prop::sample::select(&OPERATIONS[..]), body in any::<Vec<u8>>()) {
        let _ = parse(&format!("DynamoDB_20120810.{operation}"), &body);
    }

    /// Any JSON under any member name: an answer, never a panic.
    #[test]
    fn no_request_panics(
        operation in prop::sample::select(&OPERATIONS[..]),
        members in prop::collection::btree_map(
            prop::sample::select(vec![
                "TableName", "Item", "Key", "ConditionExpression", "ExpressionAttributeNames",
                "ExpressionAttributeValues", "ReturnValues", "AttributeDefinitions", "KeySchema",
                "BillingMode", "ProvisionedThroughput", "Tags", "StreamSpecification",
            ]),
            prop::sample::select(vec![
                "null", "true", "1", "1.5", "-1e400", "\"x\"", "\"abc\"", "[]", "{}", "[1]", "[{}]",
                r#"{"a":{"S":"x"}}"#, r#"{"a":{"L":[{}]}}"#, r#"[{"AttributeName":"a"}]"#,
                r#"{"ReadCapacityUnits":99999999999999999999}"#,
            ]),
            0..8,
        ),
    ) {
        let members: Vec<String> =
            members.into_iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        let body = format!("{{{}}}", members.join(","));
        let _ = parse(&format!("DynamoDB_20120810.{operation}"), body.as_bytes());
    }
}
