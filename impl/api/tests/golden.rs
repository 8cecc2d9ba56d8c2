//! Requests and their translation, answers and their bytes, errors and their documents.

use ringleader_api::{Answer, ApiError, ErrorKind, Place, Request, Written, parse};
use ringleader_item::{
    AttributeValue, BillingMode, Comparator, Condition, Get, Item, KeyAttribute, KeyKind,
    KeySchema, Number, Operand, PackedItem, Path, PathElement, Predicate, Put, Refusal,
    ReturnCapacity, ReturnOld, Step, TableDefinition, TableDescription, TableId, TableName,
    TableReport,
};

fn request(operation: &str, body: &str) -> Result<Request, ApiError> {
    parse(&format!("DynamoDB_20120810.{operation}"), body.as_bytes())
}

/// The error as `Type: text`.
fn error(operation: &str, body: &str) -> String {
    match request(operation, body) {
        Ok(request) => panic!("{body} was accepted as {request:?}"),
        Err(error) => error.to_string(),
    }
}

fn got(item: Option<PackedItem>) -> Answer {
    Answer::GetItem { item, consumed: None }
}

fn name(text: &str) -> TableName {
    TableName::new(text).expect("a valid name")
}

fn put(body: &str) -> Put {
    match request("PutItem", body) {
        Ok(Request::PutItem(put)) => put,
        other => panic!("{body} gave {other:?}"),
    }
}

/// A put of `{"id": "a"}` with a condition and its placeholders.
fn conditional(condition: &str, rest: &str) -> String {
    let condition = serde_json::Value::from(condition);
    format!(
        r#"{{"TableName":"orders","Item":{{"id":{{"S":"a"}}}},"ConditionExpression":{condition}{rest}}}"#
    )
}

fn steps(condition: &str, rest: &str) -> Vec<Step> {
    put(&conditional(condition, rest)).condition.expect("the request has one").steps().to_vec()
}

fn condition_error(condition: &str, rest: &str) -> String {
    error("PutItem", &conditional(condition, rest))
}

fn exists(attribute: &str) -> Step {
    Step::Test(Predicate::Exists(Path::attribute(attribute)))
}

#[test]
fn put_item_with_every_type_of_value() {
    let put = put(r#"{"TableName":"orders","Item":{
            "s":{"S":"text \"quoted\" \u00e9\n"}, "n":{"N":"1.50e2"}, "b":{"B":"AAEC"},
            "t":{"BOOL":true}, "z":{"NULL":true}, "m":{"M":{"k":{"L":[{"S":""},{"N":"-0"}]}}},
            "ss":{"SS":["b","a"]}, "ns":{"NS":["2","1e0"]}, "bs":{"BS":["AQ==",""]}},
            "ReturnValues":"ALL_OLD","ReturnConsumedCapacity":"NONE","Unheard":null}"#);
    let number = |text| AttributeValue::N(Number::parse(text).unwrap());
    let list = AttributeValue::L(vec!["".into(), number("0")]);
    let item = Item::from([
        ("s", "text \"quoted\" é\n".into()),
        ("n", number("150")),
        ("b", AttributeValue::B(vec![0, 1, 2])),
        ("t", true.into()),
        ("z", AttributeValue::Null),
        ("m", AttributeValue::M([("k".to_owned(), list)].into())),
        ("ss", AttributeValue::Ss(["a".to_owned(), "b".to_owned()].into())),
        ("ns", AttributeValue::Ns([1_u64.into(), 2_u64.into()].into())),
        ("bs", AttributeValue::Bs([vec![], vec![1]].into())),
    ]);
    assert_eq!(put.item.unpack(), item);
    assert_eq!(put.return_values, ReturnOld::AllOld);
    assert_eq!(put.return_values_on_failure, ReturnOld::None);

    let answer = got(Some(put.item)).encode(&Place::default());
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        r#"{"Item":{"b":{"B":"AAEC"},"bs":{"BS":["","AQ=="]},"m":{"M":{"k":{"L":[{"S":""},{"N":"0"}]}}},"n":{"N":"150"},"ns":{"NS":["1","2"]},"s":{"S":"text \"quoted\" é\n"},"ss":{"SS":["a","b"]},"t":{"BOOL":true},"z":{"NULL":true}}}"#
    );
}

#[test]
fn get_and_delete_name_a_key() {
    let key = Item::from([("id", "a".into()), ("n", 1_u64.into())]);
    let body =
        r#"{"TableName":"orders","Key":{"id":{"S":"a"},"n":{"N":"1"}},"ConsistentRead":true}"#;
    let get = Get {
        table: name("orders"),
        key: key.clone(),
        consistent_read: true,
        projection: None,
        capacity: ReturnCapacity::None,
    };
    assert_eq!(request("GetItem", body), Ok(Request::GetItem(get)));
    let body = r#"{"TableName":"orders","Key":{"id":{"S":"a"},"n":{"N":"1"}},
        "ReturnValuesOnConditionCheckFailure":"ALL_OLD","ConditionExpression":"attribute_exists(id)"}"#;
    let Ok(Request::DeleteItem(delete)) = request("DeleteItem", body) else { panic!() };
    assert_eq!(delete.key, key);
    assert_eq!(delete.return_values_on_failure, ReturnOld::AllOld);
    assert_eq!(delete.condition, Some(Condition::new(vec![exists("id")]).unwrap()));
}

fn create(rest: &str) -> String {
    format!(
        r#"{{"TableName":"orders","AttributeDefinitions":[{{"AttributeName":"id","AttributeType":"S"}},{{"AttributeName":"at","AttributeType":"N"}}],"KeySchema":[{{"AttributeName":"id","KeyType":"HASH"}},{{"AttributeName":"at","KeyType":"RANGE"}}],{rest}}}"#
    )
}

fn orders(billing: BillingMode) -> TableDefinition {
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    let partition = attribute("id", KeyKind::S);
    let key_schema = KeySchema { partition, sort: Some(attribute("at", KeyKind::N)) };
    TableDefinition::new(name("orders"), key_schema, billing)
}

#[test]
fn create_table_and_its_description() {
    let provisioned = BillingMode::Provisioned { read_units: 5, write_units: 6 };
    let cases = [
        (r#""BillingMode":"PAY_PER_REQUEST""#, BillingMode::PayPerRequest),
        (r#""ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":6}"#, provisioned),
    ];
    for (rest, billing) in cases {
        assert_eq!(
            request("CreateTable", &create(rest)),
            Ok(Request::CreateTable(orders(billing)))
        );
    }
    let table = TableDescription {
        definition: orders(provisioned),
        id: TableId(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        created_unix_ms: 1_795_000_000_045,
        expiry_attribute: None,
    };
    assert_eq!(
        String::from_utf8(
            Answer::CreateTable(TableReport::creating(table)).encode(&Place::default())
        )
        .unwrap(),
        r#"{"TableDescription":{"TableName":"orders","TableStatus":"CREATING","TableId":"01234567-89ab-cdef-0011-223344556677","TableArn":"arn:aws:dynamodb:local:000000000000:table/orders","CreationDateTime":1795000000.045,"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"ItemCount":0,"TableSizeBytes":0,"ProvisionedThroughput":{"NumberOfDecreasesToday":0,"ReadCapacityUnits":5,"WriteCapacityUnits":6},"DeletionProtectionEnabled":false}}"#
    );
}

#[test]
fn create_table_refuses_what_is_wrong_or_not_there_yet() {
    let billing = r#""BillingMode":"PAY_PER_REQUEST""#;
    let cases = [
        (
            r#""BillingMode":"FREE","ProvisionedThroughput":{"ReadCapacityUnits":0,"WriteCapacityUnits":1}"#.to_owned(),
            "2 validation errors detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]; Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            r#""Tags":[]"#.to_owned(),
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            format!(r#"{billing},"GlobalSecondaryIndexes":[]"#),
            "One or more parameter values were invalid: List of GlobalSecondaryIndexes is empty",
        ),
        (
            format!(r#"{billing},"StreamSpecification":{{"StreamEnabled":true}}"#),
            "The parameter StreamSpecification is not supported yet",
        ),
        (
            format!(r#"{billing},"OnDemandThroughput":{{"MaxReadRequestUnits":5}}"#),
            "The parameter OnDemandThroughput is not supported yet",
        ),
    ];
    for (rest, expected) in cases {
        let expected = format!("ValidationException: {expected}");
        assert_eq!(error("CreateTable", &create(&rest)), expected);
    }
    let body = r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"x","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;
    assert_eq!(
        error("CreateTable", body),
        "ValidationException: One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [id], AttributeDefinitions: [x]"
    );
}

#[test]
fn conditions_become_programs() {
    let (a, b, c) = (exists("a"), exists("b"), exists("c"));
    let test = |name: &str| format!("attribute_exists({name})");
    let (ta, tb, tc) = (test("a"), test("b"), test("c"));
    let cases = [
        (format!("{ta} OR {tb} AND {tc}"), vec![&a, &b, &c, &Step::And, &Step::Or]),
        (format!("({ta} or {tb}) And {tc}"), vec![&a, &b, &Step::Or, &c, &Step::And]),
        (format!("NOT {ta} AND {tb}"), vec![&a, &Step::Not, &b, &Step::And]),
        (format!("NOT ({ta} AND {tb})"), vec![&a, &b, &Step::And, &Step::Not]),
        (format!("NOT NOT {ta}"), vec![&a, &Step::Not, &Step::Not]),
        (format!("{ta} AND {tb} AND {tc}"), vec![&a, &b, &Step::And, &c, &Step::And]),
    ];
    for (text, expected) in cases {
        assert_eq!(steps(&text, "").iter().collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn operands_are_paths_and_values() {
    let rest = r##","ExpressionAttributeNames":{"#n":"a.b c"},"ExpressionAttributeValues":{":v":{"N":"5"}}"##;
    let path = Path {
        root: "a.b c".into(),
        elements: vec![
            PathElement::Index(10),
            PathElement::Name("d".into()),
            PathElement::Name("a.b c".into()),
        ],
    };
    let expected = Step::Test(Predicate::Compare {
        left: Operand::Path(path),
        comparator: Comparator::GreaterOrEqual,
        right: Operand::Value(5_u64.into()),
    });
    assert_eq!(steps("#n[10].d.#n >= :v", rest), [expected]);
    let signs = ["=", "<>", "<", "<=", ">", ">="];
    for sign in signs {
        let steps =
            steps(&format!("x{sign}:v"), r#","ExpressionAttributeValues":{":v":{"N":"5"}}"#);
        let [Step::Test(Predicate::Compare { comparator, .. })] = &steps[..] else { panic!() };
        assert_eq!(comparator.sign(), sign);
    }
}

#[test]
fn functions_ranges_and_lists() {
    let rest = r#","ExpressionAttributeValues":{":v":{"N":"5"},":t":{"S":"NS"}}"#;
    let path = |name: &str| Operand::Path(Path::attribute(name));
    let five = || Operand::Value(5_u64.into());
    let expected = [
        Step::Test(Predicate::HasType { path: Path::attribute("a"), type_name: "NS".into() }),
        Step::Test(Predicate::BeginsWith { operand: path("b"), prefix: path("c") }),
        Step::And,
        Step::Test(Predicate::Contains { container: path("d"), content: five() }),
        Step::And,
        Step::Test(Predicate::Between { operand: path("e"), low: five(), high: path("f") }),
        Step::And,
        Step::Test(Predicate::In {
            operand: Operand::Size(Path::attribute("g")),
            candidates: vec![five(), path("h")],
        }),
        Step::And,
    ];
    let condition = "attribute_type(a, :t) AND begins_with(b, c) AND contains(d, :v) AND \
                     e BETWEEN :v AND f AND size(g) IN (:v, h)";
    assert_eq!(steps(condition, rest), expected);
}

#[test]
fn projections() {
    let get = |rest: &str| {
        let body = format!(r#"{{"TableName":"orders","Key":{{"id":{{"S":"a"}}}}{rest}}}"#);
        request("GetItem", &body).map_err(|error| error.to_string())
    };
    let stored = Item::from([
        ("id", "a".into()),
        ("l", AttributeValue::L(vec!["x".into(), "y".into()])),
        ("n", 1_u64.into()),
    ]);
    let rest = r##","ProjectionExpression":"#l[1], n","ExpressionAttributeNames":{"#l":"l"}"##;
    let Ok(Request::GetItem(request)) = get(rest) else { panic!("refused") };
    let wanted = Item::from([("l", AttributeValue::L(vec!["y".into()])), ("n", 1_u64.into())]);
    assert_eq!(request.project(Some(PackedItem::pack(&stored))), Some(PackedItem::pack(&wanted)));
    assert_eq!(request.project(None), None);

    let path = format!("a{}", ".b".repeat(32));
    let deep = format!(r#","ProjectionExpression":"{path}""#);
    let cases = [
        (
            r#","ProjectionExpression":"a, a.b""#,
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
        ),
        (
            r#","ProjectionExpression":"a[0], a.b""#,
            "Invalid ProjectionExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]",
        ),
        (
            r#","ProjectionExpression":"a,""#,
            r#"Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ",""#,
        ),
        (
            r#","ProjectionExpression":"a b""#,
            r#"Invalid ProjectionExpression: Syntax error; token: "b", near: "a b""#,
        ),
        (
            r#","ProjectionExpression":"""#,
            "Invalid ProjectionExpression: The expression can not be empty;",
        ),
        (
            &deep,
            "Invalid ProjectionExpression: The document path has too many nesting elements; nesting levels: 33",
        ),
        (
            r##","ExpressionAttributeNames":{"#a":"a"}"##,
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            r#","AttributesToGet":["a"],"ProjectionExpression":"a""#,
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
        (
            r#","AttributesToGet":["a","a"]"#,
            "One or more parameter values were invalid: Duplicate value in attribute names",
        ),
    ];
    for (rest, expected) in cases {
        assert_eq!(get(rest), Err(format!("ValidationException: {expected}")), "{rest}");
    }
}

#[test]
fn wrong_conditions_are_refused_in_the_words_of_the_api() {
    let five = r#","ExpressionAttributeValues":{":v":{"N":"5"}}"#;
    let flag = r#","ExpressionAttributeValues":{":v":{"BOOL":true}}"#;
    let cases = [
        ("", "", "The expression can not be empty;"),
        ("a =", "", r#"Syntax error; token: "<EOF>", near: "=""#),
        ("a = b c", "", r#"Syntax error; token: "c", near: "b c""#),
        (
            "((a = b) AND (c = d) OR (NOT (e = f)) OR ((g = h)))",
            "",
            "The expression has redundant parentheses;",
        ),
        ("(a = b", "", r#"Syntax error; token: "<EOF>", near: "b""#),
        ("a = b)", "", r#"Syntax error; token: ")", near: "b )""#),
        ("a ~ b", "", r#"Syntax error; token: "~", near: "a ~ b""#),
        ("AND a = b", "", r#"Syntax error; token: "AND", near: "AND a""#),
        ("a[b] = c", "", r#"Syntax error; token: "b", near: "[ b ]""#),
        ("a.1 = c", "", r#"Syntax error; token: "1", near: ". 1 =""#),
        ("foo(a)", "", "Invalid function name; function: foo"),
        ("foo(a) b", "", r#"Syntax error; token: "b", near: ") b""#),
        (
            "begins_with(a, :v)",
            five,
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "a BETWEEN :x AND :y",
            r#","ExpressionAttributeValues":{":x":{"N":"2"},":y":{"N":"1"}}"#,
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "a BETWEEN :x AND :y",
            r#","ExpressionAttributeValues":{":x":{"N":"2"},":y":{"S":"1"}}"#,
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {S:1}",
        ),
        ("a BETWEEN b", "", r#"Syntax error; token: "<EOF>", near: "b""#),
        (
            "attribute_type(a, :v)",
            r#","ExpressionAttributeValues":{":v":{"S":"X"}}"#,
            "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "size(:v) = a",
            five,
            "Operator or function requires a document path; operator or function: size",
        ),
        ("size(a)", "", r#"Syntax error; token: "<EOF>", near: ")""#),
        (
            "a = attribute_exists(b)",
            "",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "attribute_exists(a, b)",
            "",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
        ),
        (
            "attribute_exists(:v)",
            five,
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "a = :w",
            five,
            "An expression attribute value used in expression is not defined; attribute value: :w",
        ),
        (
            "#a = :v",
            five,
            "An expression attribute name used in the document path is not defined; attribute name: #a",
        ),
        (
            "a < :v",
            flag,
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "a = a",
            "",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
        ),
        (
            "a[9999999999] = b",
            "",
            "List index is not within the allowable range; index: [9999999999]",
        ),
    ];
    for (condition, rest, expected) in cases {
        let expected = format!("ValidationException: Invalid ConditionExpression: {expected}");
        assert_eq!(condition_error(condition, rest), expected, "{condition}");
    }
}

#[test]
fn placeholders_must_be_used_and_well_formed() {
    let name = |key: &str| format!(r#","ExpressionAttributeNames":{{"{key}":"a"}}"#);
    let value =
        |key: &str, value: &str| format!(r#","ExpressionAttributeValues":{{"{key}":{value}}}"#);
    let cases = [
        (
            name("#a"),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
        ),
        (
            value(":a", r#"{"S":"x"}"#),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}",
        ),
        (name("a"), r#"ExpressionAttributeNames contains invalid key: Syntax error; key: "a""#),
        (
            value("#a", r#"{"S":"x"}"#),
            r##"ExpressionAttributeValues contains invalid key: Syntax error; key: "#a""##,
        ),
        (
            value(":a", "{}"),
            "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :a",
        ),
        (r#","ExpressionAttributeNames":{}"#.into(), "ExpressionAttributeNames must not be empty"),
    ];
    for (rest, expected) in cases {
        let expected = format!("ValidationException: {expected}");
        assert_eq!(condition_error("attribute_exists(id)", &rest), expected);
    }
    let body = r#"{"TableName":"orders","Item":{},"ExpressionAttributeValues":{":a":{"S":"x"}}}"#;
    assert_eq!(
        error("PutItem", body),
        "ValidationException: ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    );
}

/// The longest accepted expression is the deepest: it must cost neither the stack nor much time.
#[test]
fn deep_and_long_conditions_are_bounded() {
    let deep =
        |depth: usize| format!("{}attribute_exists(a){}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(steps(&deep(1), ""), [exists("a")]);
    assert_eq!(
        condition_error(&deep(2_000), ""),
        "ValidationException: Invalid ConditionExpression: The expression has redundant parentheses;"
    );
    let not = format!("{}attribute_exists(a){}", "NOT (".repeat(299), ")".repeat(299));
    assert_eq!(steps(&not, "").len(), 300);
    let many = |count: usize| vec!["a=b"; count].join(" OR ");
    assert_eq!(steps(&many(150), "").len(), 299);
    assert_eq!(
        condition_error(&many(151), ""),
        "ValidationException: Invalid ConditionExpression: The expression contains too many operators; operator count: 301"
    );
    assert_eq!(
        condition_error(&"(".repeat(4_097), ""),
        "ValidationException: Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097"
    );
}

#[test]
fn wrong_values_are_refused_in_the_words_of_the_api() {
    let invalid = "One or more parameter values were invalid: ";
    let cases = [
        ("{}", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes".to_owned()),
        (
            r#"{"S":"a","N":"1"}"#,
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes".into(),
        ),
        (r#"{"N":""}"#, "The parameter cannot be converted to a numeric value".into()),
        (r#"{"N":"1x"}"#, "The parameter cannot be converted to a numeric value: 1x".into()),
        (
            r#"{"N":"1e126"}"#,
            "Number overflow. Attempting to store a number with magnitude larger than supported range".into(),
        ),
        (
            r#"{"N":"1e-131"}"#,
            "Number underflow. Attempting to store a number with magnitude smaller than supported range".into(),
        ),
        (
            r#"{"N":"123456789012345678901234567890123456789"}"#,
            "Attempting to store more than 38 significant digits in a Number".into(),
        ),
        (r#"{"NULL":false}"#, format!("{invalid}Null attribute value types must have the value of true")),
        (r#"{"SS":[]}"#, format!("{invalid}An string set  may not be empty")),
        (r#"{"NS":[]}"#, format!("{invalid}An number set  may not be empty")),
        (r#"{"BS":[]}"#, format!("{invalid}Binary sets should not be empty")),
        (r#"{"SS":["a","a"]}"#, format!("{invalid}Input collection [a, a] contains duplicates.")),
        (r#"{"NS":["1","1.0"]}"#, "Input collection contains duplicates".into()),
        (
            &format!("{}{}{}", r#"{"L":["#.repeat(33), r#"{"S":"x"}"#, "]}".repeat(33)),
            "Nesting Levels have exceeded supported limits".into(),
        ),
    ];
    for (value, expected) in cases {
        let body = format!(r#"{{"TableName":"orders","Item":{{"id":{{"S":"a"}},"v":{value}}}}}"#);
        assert_eq!(error("PutItem", &body), format!("ValidationException: {expected}"), "{value}");
    }
}

#[test]
fn wrong_json_types_come_before_wrong_values() {
    let cases = [
        (r#"{"S":1}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"S":true}"#, "TRUE_VALUE cannot be converted to String"),
        (r#"{"N":1.5}"#, "DECIMAL_VALUE cannot be converted to String"),
        (r#"{"S":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"S":[]}"#, "Unrecognized collection type class java.lang.String"),
        (r#"{"BOOL":"true"}"#, "Unexpected token received from parser"),
        (r#"{"B":"A"}"#, "Base64 encoded length is expected a multiple of 4 bytes but found: 1"),
        (r#"{"B":"AA!="}"#, "Invalid Base64 character: '!'"),
        (r#"{"B":"AB=="}"#, "Invalid last non-pad Base64 character dectected"),
        (r#"{"M":"x"}"#, "Unexpected field type"),
        (r#""x""#, "Unexpected value type in payload"),
    ];
    for (value, expected) in cases {
        // The first attribute's value is wrong too, and is not what is complained about.
        let body = format!(r#"{{"TableName":"x","Item":{{"a":{{"N":"x"}},"v":{value}}}}}"#);
        assert_eq!(
            error("PutItem", &body),
            format!("SerializationException: {expected}"),
            "{value}"
        );
    }
    let many = format!("[{}1]", "1,".repeat(1_000_000));
    for body in [&many, "", "{", "{} x", "[1", "\u{0}", r#"{"TableName":"#, &"[".repeat(100_000)] {
        assert!(error("PutItem", body).starts_with("SerializationException: the body is not JSON"));
    }
}

#[test]
fn constraints_are_told_all_at_once_and_before_rules() {
    assert_eq!(
        error("PutItem", r#"{"ReturnValues":"SOME","TableName":"a","Expected":{}}"#),
        "ValidationException: 2 validation errors detected: Value null at 'item' failed to satisfy constraint: Member must not be null; Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"
    );
    let put =
        |rest: &str| format!(r#"{{"TableName":"orders","Item":{{"id":{{"S":"a"}}}},{rest}}}"#);
    let cases = [
        (r#""ReturnValues":"ALL_NEW""#, "ReturnValues can only be ALL_OLD or NONE"),
        (
            r#""ConditionalOperator":"OR""#,
            "One or more parameter values were invalid: ConditionalOperator cannot be used without Filter or Expected",
        ),
    ];
    for (rest, expected) in cases {
        assert_eq!(error("PutItem", &put(rest)), format!("ValidationException: {expected}"));
    }
    for table in ["ab", "a b c", &"x".repeat(256)] {
        let message = error("DescribeTable", &format!(r#"{{"TableName":"{table}"}}"#));
        assert!(
            message.starts_with("ValidationException: Invalid table/index name.  "),
            "{message}"
        );
    }
    let big = "x".repeat(409_600);
    let body = format!(r#"{{"TableName":"orders","Item":{{"id":{{"S":"{big}"}}}}}}"#);
    assert_eq!(
        error("PutItem", &body),
        "ValidationException: Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn unknown_operations_are_named() {
    assert_eq!(
        error("ExecuteStatement", "{}"),
        "UnknownOperationException: The operation ExecuteStatement is not supported yet"
    );
    let unknown = |target| parse(target, b"{}").unwrap_err();
    for target in ["", "PutItem", "DynamoDB_20120810.", "DynamoDB_20120810.putitem", "X.PutItem"] {
        assert_eq!(unknown(target).kind(), ErrorKind::UnknownOperation, "{target}");
    }
}

#[test]
fn error_documents() {
    let document = |error: &ApiError| (error.status(), String::from_utf8(error.encode()).unwrap());
    let refusal = |refusal| document(&ApiError::from(refusal));
    let old = PackedItem::pack(&Item::from([("id", "a".into())]));
    let cases = [
        (
            document(&request("PutItem", "[]").unwrap_err()),
            400,
            r#"{"__type":"com.amazon.coral.service#SerializationException","Message":"Unrecognized collection type class com.amazonaws.dynamodb.v20120810.PutItemInput"}"#,
        ),
        (
            refusal(Refusal::TableNotFound(name("orders"))),
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}"#,
        ),
        (
            refusal(Refusal::TableExists(name("orders"))),
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceInUseException","message":"Table already exists: orders"}"#,
        ),
        (
            refusal(Refusal::ConditionFailed { old: None }),
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}"#,
        ),
        (
            refusal(Refusal::ConditionFailed { old: Some(old) }),
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":{"id":{"S":"a"}}}"#,
        ),
        (
            document(&ApiError::outcome_unknown()),
            500,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The outcome of the request is unknown"}"#,
        ),
    ];
    for ((status, document), expected_status, expected) in cases {
        assert_eq!((status, document.as_str()), (expected_status, expected));
    }
    let empty = Answer::PutItem(Written::default()).encode(&Place::default());
    assert_eq!(empty, b"{}");
}
