//! Requests on items and what they become; their answers and the bytes of these.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]

mod dialogue;

use dialogue::{body, index, name, read, refused, request};
use ringleader_api::{Answer, ApiError, Request, Written};
use ringleader_item::{
    Action, AttributeValue, BatchedWrite, CancellationReason, Consumed, ConsumedKind, Item,
    ItemCollection, KeyTest, Number, PackedItem, Page, Path, Refusal, ReturnCapacity,
    ReturnMetrics, ReturnOld, ReturnValues, Select, TransactPart, Units, UpdateProgram, ValueStep,
};
use std::collections::BTreeMap;

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(Number::parse(text).unwrap())
}

fn key() -> Item {
    Item::from([("id", "a".into())])
}

fn update(rest: &str) -> String {
    format!(r#"{{"TableName":"orders","Key":{{"id":{{"S":"a"}}}}{rest}}}"#)
}

const VALUES: &str =
    r#","ExpressionAttributeValues":{":n":{"N":"5"},":l":{"L":[]},":s":{"SS":["x"]}}"#;

/// An update by its expression, with values that are all used.
fn actions(expression: &str) -> Vec<Action> {
    let used: Vec<&str> = [r#"":n":{"N":"5"}"#, r#"":l":{"L":[]}"#, r#"":s":{"SS":["x"]}"#]
        .into_iter()
        .filter(|entry| expression.contains(&entry[1..3]))
        .collect();
    let values = match used.len() {
        0 => String::new(),
        _ => format!(r#","ExpressionAttributeValues":{{{}}}"#, used.join(",")),
    };
    let rest = format!(r#","UpdateExpression":"{expression}"{values}"#);
    read!(UpdateItem, &update(&rest)).update.actions().to_vec()
}

fn at(root: &str) -> Path {
    Path::attribute(root)
}

#[test]
fn update_expressions_become_programs() {
    use ValueStep::{IfNotExists, ListAppend, Minus, Plus, Value};
    let five = || Value(number("5"));
    let list = || Value(AttributeValue::L(Vec::new()));
    let texts = || AttributeValue::Ss(["x".to_owned()].into());
    let set = |place: &str, value: Vec<ValueStep>| Action::Set { path: at(place), value };
    let from = |place: &str| ValueStep::Path(at(place));
    let cases = [
        ("SET a = :n", vec![set("a", vec![five()])]),
        ("set a=b+:n", vec![set("a", vec![from("b"), five(), Plus])]),
        (
            "SET a = b - :n, c = d",
            vec![set("a", vec![from("b"), five(), Minus]), set("c", vec![from("d")])],
        ),
        (
            "SET a = if_not_exists(b, :n) + :n",
            vec![set("a", vec![five(), IfNotExists(at("b")), five(), Plus])],
        ),
        (
            "SET a = list_append(if_not_exists(a, :l), list_append(b, :l))",
            vec![set(
                "a",
                vec![list(), IfNotExists(at("a")), from("b"), list(), ListAppend, ListAppend],
            )],
        ),
        (
            "REMOVE a, b ADD c :n, d :s DELETE e :s SET f = :l",
            vec![
                Action::Remove { path: at("a") },
                Action::Remove { path: at("b") },
                Action::Add { path: at("c"), value: number("5") },
                Action::Add { path: at("d"), value: texts() },
                Action::Delete { path: at("e"), value: texts() },
                set("f", vec![list()]),
            ],
        ),
    ];
    for (expression, expected) in cases {
        assert_eq!(actions(expression), expected, "{expression}");
    }
    // Functions inside each other cost memory and no stack.
    let deep = format!("SET a = {}b{}", "if_not_exists(c,".repeat(200), ", :n)".repeat(0));
    let deep = deep + &")".repeat(200);
    assert_eq!(actions(&deep)[0], {
        let steps = std::iter::once(from("b"));
        set("a", steps.chain((0..200).map(|_| IfNotExists(at("c")))).collect())
    });
}

#[test]
fn wrong_updates_are_refused_in_the_words_of_the_api() {
    let cases = [
        ("", "The expression can not be empty;"),
        ("a = :n", r#"Syntax error; token: "a", near: "a =""#),
        ("SET", r#"Syntax error; token: "<EOF>", near: "SET""#),
        ("SET a", r#"Syntax error; token: "<EOF>", near: "a""#),
        ("SET a = :n,", r#"Syntax error; token: "<EOF>", near: ",""#),
        ("SET a = :n b = :n", r#"Syntax error; token: "b", near: ":n b =""#),
        ("SET a = b + c + d", r#"Syntax error; token: "+", near: "c + d""#),
        ("ADD a b", r#"Syntax error; token: "b", near: "a b""#),
        (
            "SET a = :n SET b = :n",
            r#"The "SET" section can only be used once in an update expression;"#,
        ),
        (
            "SET a.b = :n REMOVE a",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]",
        ),
        (
            "SET a = :x",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        (
            "SET a = b + :s",
            "Incorrect operand type for operator or function; operator or function: +, operand type: SS",
        ),
        (
            "SET a = list_append(:n, :l)",
            "Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
        ),
        (
            "ADD a :l",
            "Incorrect operand type for operator or function; operator: ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "DELETE a :n",
            "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
        ),
        (
            "SET a = if_not_exists(:n, :n)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        (
            "SET a = if_not_exists(b)",
            "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1",
        ),
        (
            "SET a = list_append(:l, :l, :l)",
            "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 3",
        ),
        ("SET a = foo(b)", "Invalid function name; function: foo"),
        ("SET a = size(b)", "The function is not allowed in an update expression; function: size"),
        ("SET name = :n", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("REMOVE a.Status", "Attribute name is a reserved keyword; reserved keyword: Status"),
    ];
    for (expression, expected) in cases {
        let expression = serde_json::Value::from(expression);
        let rest = format!(r#","UpdateExpression":{expression}{VALUES}"#);
        let expected = format!("ValidationException: Invalid UpdateExpression: {expected}");
        assert_eq!(refused("UpdateItem", &update(&rest)), expected, "{expression}");
    }
}

#[test]
fn updates_and_their_options() {
    let rest = r#","ReturnValues":"UPDATED_NEW","ReturnConsumedCapacity":"INDEXES",
        "ReturnItemCollectionMetrics":"SIZE","ReturnValuesOnConditionCheckFailure":"ALL_OLD""#;
    let plain = read!(UpdateItem, &update(rest));
    assert_eq!((plain.key, plain.update), (key(), UpdateProgram::default()));
    assert_eq!(plain.return_values, ReturnValues::UpdatedNew);
    assert_eq!(plain.return_values_on_failure, ReturnOld::AllOld);
    assert_eq!((plain.capacity, plain.metrics), (ReturnCapacity::Indexes, ReturnMetrics::Size));

    let legacy = r#","AttributeUpdates":{"a":{"Value":{"N":"1"}},"b":{"Action":"DELETE"},
        "c":{"Action":"ADD","Value":{"N":"2"}},"d":{"Action":"DELETE","Value":{"SS":["x"]}}},
        "Expected":{"a":{"Exists":false},"e":{"Value":{"S":"x"}}}"#;
    let legacy = read!(UpdateItem, &update(legacy));
    let expression = r#","UpdateExpression":"SET a = :a REMOVE b ADD c :c DELETE d :d",
        "ConditionExpression":"attribute_not_exists(a) AND e = :e","ExpressionAttributeValues":
        {":a":{"N":"1"},":c":{"N":"2"},":d":{"SS":["x"]},":e":{"S":"x"}}"#;
    assert_eq!(legacy, read!(UpdateItem, &update(expression)));
}

/// Each comparison of the developer guide and the expression that it stands for.
#[test]
fn legacy_conditions_mean_what_expressions_mean() {
    let cases = [
        (r#""ComparisonOperator":"EQ","AttributeValueList":[{"N":"1"}]"#, "a = :x", 1),
        (r#""ComparisonOperator":"NE","AttributeValueList":[{"N":"1"}]"#, "a <> :x", 1),
        (r#""ComparisonOperator":"LT","AttributeValueList":[{"N":"1"}]"#, "a < :x", 1),
        (r#""ComparisonOperator":"LE","AttributeValueList":[{"N":"1"}]"#, "a <= :x", 1),
        (r#""ComparisonOperator":"GT","AttributeValueList":[{"N":"1"}]"#, "a > :x", 1),
        (r#""ComparisonOperator":"GE","AttributeValueList":[{"N":"1"}]"#, "a >= :x", 1),
        (r#""ComparisonOperator":"NULL""#, "attribute_not_exists(a)", 0),
        (r#""ComparisonOperator":"NOT_NULL""#, "attribute_exists(a)", 0),
        (
            r#""ComparisonOperator":"CONTAINS","AttributeValueList":[{"N":"1"}]"#,
            "contains(a, :x)",
            1,
        ),
        (
            r#""ComparisonOperator":"NOT_CONTAINS","AttributeValueList":[{"N":"1"}]"#,
            "NOT contains(a, :x)",
            1,
        ),
        (
            r#""ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"1"},{"N":"2"}]"#,
            "a BETWEEN :x AND :y",
            2,
        ),
        (
            r#""ComparisonOperator":"IN","AttributeValueList":[{"N":"1"},{"N":"2"}]"#,
            "a IN (:x, :y)",
            2,
        ),
    ];
    for (comparison, expression, values) in cases {
        let legacy = format!(r#"{{"TableName":"orders","ScanFilter":{{"a":{{{comparison}}}}}}}"#);
        let names = [r#"":x":{"N":"1"}"#, r#"":y":{"N":"2"}"#];
        let values = match values {
            0 => String::new(),
            count => {
                format!(r#","ExpressionAttributeValues":{{{}}}"#, names[..count].join(","))
            }
        };
        let new = format!(r#"{{"TableName":"orders","FilterExpression":"{expression}"{values}}}"#);
        assert_eq!(read!(Scan, &legacy), read!(Scan, &new), "{comparison}");
    }
    let both = |operator: &str| {
        let filter = r#"{"a":{"ComparisonOperator":"NULL"},"b":{"ComparisonOperator":"NULL"}}"#;
        format!(
            r#"{{"TableName":"orders","ScanFilter":{filter},"ConditionalOperator":"{operator}"}}"#
        )
    };
    for operator in ["AND", "OR"] {
        let text = format!("attribute_not_exists(a) {operator} attribute_not_exists(b)");
        let new = format!(r#"{{"TableName":"orders","FilterExpression":"{text}"}}"#);
        assert_eq!(read!(Scan, &both(operator)), read!(Scan, &new));
    }
}

#[test]
fn wrong_legacy_parameters_are_refused() {
    let invalid = "One or more parameter values were invalid: ";
    let cases = [
        (
            r#""Expected":{"a":{}}"#,
            format!("{invalid}Value must be provided when Exists is null for Attribute: a"),
        ),
        (
            r#""Expected":{"a":{"Exists":true}}"#,
            format!("{invalid}Value must be provided when Exists is true for Attribute: a"),
        ),
        (
            r#""Expected":{"a":{"Exists":false,"Value":{"S":"x"}}}"#,
            format!("{invalid}Value cannot be used when Exists is false for Attribute: a"),
        ),
        (
            r#""Expected":{"a":{"Value":{"S":"x"},"ComparisonOperator":"NULL"}}"#,
            format!("{invalid}Value or Exists cannot be used with ComparisonOperator for Attribute: a"),
        ),
        (
            r#""Expected":{"a":{"ComparisonOperator":"EQ"}}"#,
            format!("{invalid}Invalid number of argument(s) for the EQ ComparisonOperator"),
        ),
        (
            r#""Expected":{"a":{"ComparisonOperator":"LT","AttributeValueList":[{"BOOL":true}]}}"#,
            format!("{invalid}ComparisonOperator LT is not valid for BOOL AttributeValue type"),
        ),
        (
            r#""Expected":{"a":{"ComparisonOperator":"IN","AttributeValueList":[{"S":"x"},{"N":"1"}]}}"#,
            format!("{invalid}AttributeValues inside AttributeValueList must be of same type"),
        ),
        (
            r#""Expected":{"a":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"2"},{"N":"1"}]}}"#,
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound".into(),
        ),
        (
            r#""Expected":{"a":{"Value":{"N":"x"}}}"#,
            "The parameter cannot be converted to a numeric value: x".into(),
        ),
        (
            r#""AttributeUpdates":{"a":{"Action":"PUT"}}"#,
            format!("{invalid}Only DELETE action is allowed when no attribute value is specified"),
        ),
        (
            r#""AttributeUpdates":{"a":{"Action":"ADD","Value":{"S":"x"}}}"#,
            format!("{invalid}ADD action is not supported for the type S"),
        ),
        (
            r#""UpdateExpression":"REMOVE a","Expected":{"a":{"Exists":false}}"#,
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {UpdateExpression}".into(),
        ),
    ];
    for (rest, expected) in cases {
        let body = update(&format!(",{rest}"));
        assert_eq!(
            refused("UpdateItem", &body),
            format!("ValidationException: {expected}"),
            "{rest}"
        );
    }
}

fn query(rest: &str) -> String {
    format!(r#"{{"TableName":"orders"{rest}}}"#)
}

/// A query by its key condition, with the value `:v` of 5 and `:w` of 6.
fn by(condition: &str, values: &str) -> String {
    query(&format!(
        r#","KeyConditionExpression":"{condition}","ExpressionAttributeValues":{{{values}}}"#
    ))
}

const V: &str = r#"":v":{"N":"5"}"#;
const VW: &str = r#"":v":{"N":"5"},":w":{"N":"6"}"#;

#[test]
fn key_conditions_become_tests() {
    let five = || number("5");
    let sorts = [
        ("s = :w", KeyTest::Equal(number("6"))),
        ("s < :w", KeyTest::Less(number("6"))),
        (":w > s", KeyTest::Less(number("6"))),
        ("s <= :w", KeyTest::LessOrEqual(number("6"))),
        ("s > :w", KeyTest::Greater(number("6"))),
        ("s >= :w", KeyTest::GreaterOrEqual(number("6"))),
        ("s BETWEEN :v AND :w", KeyTest::Between { low: five(), high: number("6") }),
    ];
    for (text, expected) in sorts {
        for condition in [format!("p = :v AND ({text})"), format!("{text} AND p = :v")] {
            let request = read!(Query, &by(&condition, VW));
            let tests =
                [("p".to_owned(), KeyTest::Equal(five())), ("s".to_owned(), expected.clone())];
            assert_eq!(request.condition.tests, BTreeMap::from(tests), "{condition}");
        }
    }
    let legacy = r#","KeyConditions":{"p":{"ComparisonOperator":"EQ","AttributeValueList":[{"N":"5"}]},
        "s":{"ComparisonOperator":"GT","AttributeValueList":[{"N":"6"}]}}"#;
    assert_eq!(read!(Query, &query(legacy)), read!(Query, &by("p = :v AND s > :w", VW)));
}

#[test]
fn wrong_key_conditions_are_refused() {
    let text = r#"":v":{"S":"x"}"#;
    let invalid = "Invalid KeyConditionExpression: ";
    let operator =
        |name: &str| format!("{invalid}Invalid operator used in KeyConditionExpression: {name}");
    let cases = [
        (by("p = :v OR s = :v", V), operator("OR")),
        (by("NOT p = :v", V), operator("NOT")),
        (by("p <> :v", V), operator("<>")),
        (by("p IN (:v)", V), operator("IN")),
        (by("contains(p, :v)", V), operator("contains")),
        (
            by("p.x = :v", V),
            format!("{invalid}KeyConditionExpressions cannot have conditions on nested attributes"),
        ),
        (
            by("size(p) = :v", V),
            format!("{invalid}KeyConditionExpressions cannot contain nested operations"),
        ),
        (
            by("p = s AND p = :v", V),
            format!("{invalid}Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
        ),
        (
            by("p = :v AND p < :v", V),
            "KeyConditionExpressions must only contain one condition per key".into(),
        ),
        (
            by("p = :v AND s = :v AND t = :v", V),
            "Conditions can be of length 1 or 2 only".into(),
        ),
        (
            by("p = :v AND begins_with(s, :w)", VW),
            format!("{invalid}Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"),
        ),
        (
            query(""),
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.".into(),
        ),
        (
            query(r#","KeyConditions":{}"#),
            "Conditions can be of length 1 or 2 only".into(),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(refused("Query", &body), format!("ValidationException: {expected}"), "{body}");
    }
    let prefix = read!(Query, &by("p = :v AND begins_with(s, :v)", text));
    assert_eq!(prefix.condition.tests["s"], KeyTest::BeginsWith("x".into()));
}

#[test]
fn queries_and_scans_and_their_options() {
    let rest = r##","IndexName":"by-day","Limit":7,"ScanIndexForward":false,"ConsistentRead":true,
        "ExclusiveStartKey":{"id":{"S":"a"}},"ReturnConsumedCapacity":"TOTAL","Select":"COUNT",
        "FilterExpression":"#f > :v","ExpressionAttributeNames":{"#f":"f"},
        "KeyConditionExpression":"p = :v","ExpressionAttributeValues":{":v":{"N":"5"}}"##;
    let request = read!(Query, &query(rest));
    assert_eq!(request.index, Some(index("by-day")));
    assert_eq!((request.limit, request.forward, request.consistent_read), (Some(7), false, true));
    assert_eq!((request.start, request.select), (Some(key()), Select::Count));
    assert_eq!(request.capacity, ReturnCapacity::Total);
    assert_eq!(request.filter.unwrap().roots().collect::<Vec<_>>(), ["f"]);

    let select = |rest: &str| read!(Scan, &query(rest)).select;
    assert_eq!(select(""), Select::AllAttributes);
    assert_eq!(select(r#","IndexName":"by-day""#), Select::AllProjected);
    assert_eq!(select(r#","IndexName":"by-day","Select":"ALL_ATTRIBUTES""#), Select::AllAttributes);
    assert_eq!(select(r#","AttributesToGet":["a"]"#), select(r#","ProjectionExpression":"a""#));
    let segment = read!(Scan, &query(r#","Segment":1,"TotalSegments":4"#)).segment.unwrap();
    assert_eq!((segment.number, segment.total), (1, 4));

    let cases = [
        (
            r#","Segment":1"#,
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        ),
        (
            r#","TotalSegments":1"#,
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        ),
        (
            r#","Segment":4,"TotalSegments":4"#,
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than TotalSegments: 4",
        ),
        (
            r#","Select":"SPECIFIC_ATTRIBUTES""#,
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            r#","Select":"COUNT","ProjectionExpression":"a""#,
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            r#","Select":"ALL_PROJECTED_ATTRIBUTES""#,
            "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when Scanning using an IndexName",
        ),
        (
            r#","FilterExpression":"a.name = b""#,
            "Invalid FilterExpression: Attribute name is a reserved keyword; reserved keyword: name",
        ),
    ];
    for (rest, expected) in cases {
        assert_eq!(
            refused("Scan", &query(rest)),
            format!("ValidationException: {expected}"),
            "{rest}"
        );
    }
}

#[test]
fn batches_and_what_they_leave_undone() {
    let body_of = r##"{"RequestItems":{"orders":{"Keys":[{"id":{"S":"a"}},{"id":{"S":"b"}}],"ConsistentRead":true,"ProjectionExpression":"#a, b","ExpressionAttributeNames":{"#a":"name"}},"others":{"Keys":[{"n":{"N":"1"}}],"AttributesToGet":["x"]}}}"##;
    let request = read!(BatchGetItem, body_of);
    let found = BTreeMap::from([(name("orders"), vec![PackedItem::pack(&key())])]);
    let answer =
        Answer::BatchGetItem { found, unprocessed: request.tables.clone(), consumed: Vec::new() };
    // What was not read comes back as a request that asks for it again.
    let answer: serde_json::Value = serde_json::from_str(&body(&answer)).unwrap();
    let again = serde_json::json!({"RequestItems": answer["UnprocessedKeys"]}).to_string();
    assert_eq!(read!(BatchGetItem, &again), request);
    assert_eq!(answer["Responses"].to_string(), r#"{"orders":[{"id":{"S":"a"}}]}"#);

    let body_of = r#"{"RequestItems":{"orders":[{"PutRequest":{"Item":{"id":{"S":"a"}}}},{"DeleteRequest":{"Key":{"id":{"S":"b"}}}}]},"ReturnItemCollectionMetrics":"SIZE"}"#;
    let request = read!(BatchWriteItem, body_of);
    let [BatchedWrite::Put(item), BatchedWrite::Delete(_)] = &request.tables[&name("orders")][..]
    else {
        panic!("{request:?}")
    };
    assert_eq!((item.unpack(), request.metrics), (key(), ReturnMetrics::Size));
    let answer = Answer::BatchWriteItem {
        unprocessed: request.tables,
        collections: BTreeMap::new(),
        consumed: Vec::new(),
    };
    assert_eq!(
        body(&answer),
        r#"{"UnprocessedItems":{"orders":[{"PutRequest":{"Item":{"id":{"S":"a"}}}},{"DeleteRequest":{"Key":{"id":{"S":"b"}}}}]}}"#
    );
}

#[test]
fn wrong_batches_are_refused() {
    let get = |keys: &[&str]| {
        format!(r#"{{"RequestItems":{{"orders":{{"Keys":[{}]}}}}}}"#, keys.join(","))
    };
    let same = [r#"{"id":{"N":"1"}}"#, r#"{"id":{"N":"2"}}"#, r#"{"id":{"N":"1.0"}}"#];
    assert_eq!(
        refused("BatchGetItem", &get(&same)),
        "ValidationException: Provided list of item keys contains duplicates"
    );
    let tables = |count: usize, content: &str| {
        let tables: Vec<_> = (0..count).map(|at| format!(r#""table{at}":{content}"#)).collect();
        format!(r#"{{"RequestItems":{{{}}}}}"#, tables.join(","))
    };
    let two = r#"{"Keys":[{"id":{"N":"1"}},{"id":{"N":"2"}}]}"#;
    assert!(request("BatchGetItem", &tables(50, two)).is_ok());
    assert_eq!(
        refused("BatchGetItem", &tables(51, two)),
        "ValidationException: Too many items requested for the BatchGetItem call"
    );
    let two = r#"[{"PutRequest":{"Item":{}}},{"DeleteRequest":{"Key":{}}}]"#;
    assert!(request("BatchWriteItem", &tables(12, two)).is_ok());
    assert_eq!(
        refused("BatchWriteItem", &tables(13, two)),
        "ValidationException: Too many items requested for the BatchWriteItem call"
    );
    let arn = r#"{"RequestItems":{"orders":[{"PutRequest":{"Item":{}}}],"arn:aws:dynamodb:r:1:table/orders":[{"PutRequest":{"Item":{}}}]}}"#;
    assert!(refused("BatchWriteItem", arn).ends_with("a table is named twice"));
    for entry in ["{}", r#"{"PutRequest":{"Item":{}},"DeleteRequest":{"Key":{}}}"#] {
        let body = format!(r#"{{"RequestItems":{{"orders":[{entry}]}}}}"#);
        assert!(refused("BatchWriteItem", &body).starts_with("ValidationException: Supplied"));
    }
}

/// The limit counts what items count, to the byte: 4 MB fit, one byte more does not.
#[test]
fn a_transaction_of_four_megabytes_fits() {
    let items = |last: usize| {
        let put = |at: usize, size: usize| {
            let padding = "x".repeat(size - 5);
            format!(
                r#"{{"Put":{{"TableName":"orders","Item":{{"id":{{"N":"{at}"}},"x":{{"S":"{padding}"}}}}}}}}"#
            )
        };
        let puts: Vec<_> = (1..11).map(|at| put(at, 381_300)).chain([put(11, last)]).collect();
        format!(r#"{{"TransactItems":[{}]}}"#, puts.join(","))
    };
    let size = |body: &str| match request("TransactWriteItems", body) {
        Ok(Request::TransactWriteItems(it)) => it
            .parts
            .iter()
            .map(|part| match part {
                TransactPart::Put(put) => put.item.unpack().size(),
                TransactPart::Check(_) | TransactPart::Delete(_) | TransactPart::Update(_) => 0,
            })
            .sum::<usize>(),
        other => panic!("{other:?}"),
    };
    let rest = 4 * 1_048_576 - size(&items(381_300)) + 381_300;
    assert_eq!(size(&items(rest)), 4 * 1_048_576);
    assert_eq!(
        refused("TransactWriteItems", &items(rest + 1)),
        "ValidationException: Transaction request exceeds the maximum aggregate size of 4 MB"
    );
}

#[test]
fn transactions() {
    let key_of = r#""TableName":"orders","Key":{"id":{"S":"a"}}"#;
    let condition = r#""ConditionExpression":"attribute_exists(a)""#;
    let body_of = format!(
        r#"{{"ClientRequestToken":"once","TransactItems":[
            {{"ConditionCheck":{{{key_of},{condition},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}}}},
            {{"Put":{{"TableName":"orders","Item":{{"id":{{"S":"b"}}}},{condition}}}}},
            {{"Delete":{{{key_of}}}}},
            {{"Update":{{{key_of},"UpdateExpression":"REMOVE b"}}}}]}}"#
    );
    let request = read!(TransactWriteItems, &body_of);
    assert_eq!(request.token.as_deref(), Some("once"));
    let [
        TransactPart::Check(check),
        TransactPart::Put(put),
        TransactPart::Delete(delete),
        TransactPart::Update(update),
    ] = &request.parts[..]
    else {
        panic!("{request:?}")
    };
    assert_eq!((&check.key, check.return_values_on_failure), (&key(), ReturnOld::AllOld));
    assert_eq!(put.condition.as_ref(), Some(&check.condition));
    assert_eq!((&delete.key, &update.key), (&key(), &key()));
    assert_eq!(update.update.actions(), [Action::Remove { path: at("b") }]);

    for element in
        ["{}".to_owned(), format!(r#"{{"Delete":{{{key_of}}},"Put":{{{key_of},"Item":{{}}}}}}"#)]
    {
        let body = format!(r#"{{"TransactItems":[{element}]}}"#);
        assert_eq!(
            refused("TransactWriteItems", &body),
            "ValidationException: TransactItems can only contain one of Check, Put, Update or Delete"
        );
    }
    let get = format!(r#"{{"TransactItems":[{{"Get":{{{key_of},"ProjectionExpression":"a"}}}}]}}"#);
    let request = read!(TransactGetItems, &get);
    assert_eq!((&request.gets[0].key, request.gets[0].projection.is_some()), (&key(), true));
    let items = vec![None, Some(PackedItem::pack(&key()))];
    assert_eq!(
        body(&Answer::TransactGetItems { items, consumed: Vec::new() }),
        r#"{"Responses":[{},{"Item":{"id":{"S":"a"}}}]}"#
    );
    let error = ApiError::from(Refusal::TransactionCancelled(vec![
        CancellationReason::None,
        CancellationReason::ConditionalCheckFailed { item: Some(PackedItem::pack(&key())) },
        CancellationReason::ValidationError("no".into()),
    ]));
    assert_eq!(
        String::from_utf8(error.encode()).unwrap(),
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"The conditional request failed","Item":{"id":{"S":"a"}}},{"Code":"ValidationError","Message":"no"}],"Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError]"}"#
    );
}

#[test]
fn pages_costs_and_collections() {
    let account = |kind, wanted| {
        let mut account = Consumed::new(&name("orders"), kind, Units::halves(1), wanted)?;
        account.local.insert(index("by-day"), Units::halves(2));
        account.global.insert(index("of-day"), Units::halves(4));
        Some(account)
    };
    let consumed = account(ConsumedKind::Plain, ReturnCapacity::Indexes);
    let page = Page {
        items: Some(vec![PackedItem::pack(&key())]),
        count: 1,
        scanned: 9,
        last: Some(key()),
    };
    assert_eq!(
        body(&Answer::Query { page, consumed }),
        r#"{"Items":[{"id":{"S":"a"}}],"Count":1,"ScannedCount":9,"LastEvaluatedKey":{"id":{"S":"a"}},"ConsumedCapacity":{"TableName":"orders","CapacityUnits":3.5,"Table":{"CapacityUnits":0.5},"LocalSecondaryIndexes":{"by-day":{"CapacityUnits":1.0}},"GlobalSecondaryIndexes":{"of-day":{"CapacityUnits":2.0}}}}"#
    );
    let count = Page { count: 4, scanned: 4, ..Page::default() };
    assert_eq!(
        body(&Answer::Scan { page: count, consumed: None }),
        r#"{"Count":4,"ScannedCount":4}"#
    );
    let written = Written {
        attributes: None,
        consumed: account(ConsumedKind::Plain, ReturnCapacity::Total),
        collection: Some(ItemCollection { key: key(), bytes: 3 << 30 }),
    };
    assert_eq!(
        body(&Answer::UpdateItem(written)),
        r#"{"ConsumedCapacity":{"TableName":"orders","CapacityUnits":3.5},"ItemCollectionMetrics":{"ItemCollectionKey":{"id":{"S":"a"}},"SizeEstimateRangeGB":[3.0,4.0]}}"#
    );
    let consumed = account(ConsumedKind::TransactionWrite, ReturnCapacity::Total).into_iter();
    let collections = [(name("orders"), vec![ItemCollection { key: key(), bytes: 0 }])].into();
    assert_eq!(
        body(&Answer::TransactWriteItems { collections, consumed: consumed.collect() }),
        r#"{"ItemCollectionMetrics":{"orders":[{"ItemCollectionKey":{"id":{"S":"a"}},"SizeEstimateRangeGB":[0.0,1.0]}]},"ConsumedCapacity":[{"TableName":"orders","CapacityUnits":3.5,"WriteCapacityUnits":3.5}]}"#
    );
}
