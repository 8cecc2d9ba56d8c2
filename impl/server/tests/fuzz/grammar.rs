//! Requests as the service model shapes them: members, words and ranges that are allowed, with
//! expressions whose placeholders are defined. Most of them are accepted.

use crate::random::Random;
use serde_json::{Map, Value, json};

/// The tables that requests are about.
pub(crate) const TABLES: [&str; 3] = ["fuzz-plain", "fuzz-sorted", "fuzz-binary"];

/// How often each operation is asked for, relative to the others.
const OPERATIONS: [(&str, usize); 22] = [
    ("PutItem", 20),
    ("UpdateItem", 20),
    ("GetItem", 12),
    ("DeleteItem", 8),
    ("Query", 14),
    ("Scan", 4),
    ("BatchGetItem", 5),
    ("BatchWriteItem", 5),
    ("TransactWriteItems", 6),
    ("TransactGetItems", 3),
    ("CreateTable", 2),
    ("DescribeTable", 1),
    ("ListTables", 1),
    ("UpdateTable", 1),
    ("DeleteTable", 1),
    ("TagResource", 1),
    ("UntagResource", 1),
    ("ListTagsOfResource", 1),
    ("DescribeTimeToLive", 1),
    ("UpdateTimeToLive", 1),
    ("DescribeLimits", 1),
    ("DescribeEndpoints", 1),
];

const ATTRIBUTES: [&str; 10] = ["a", "b", "c", "d", "g", "l", "p", "s", "until", "é"];
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "1.5",
    "100",
    "1e2",
    "0.000000000000000000000000000000000000001",
    "99999999999999999999999999999999999999",
    "-99999999999999999999999999999999999999",
    "9.9999999999999999999999999999999999999E125",
    "1E-130",
    "-1e-130",
    "007",
    "1795000000",
];
const TEXTS: [&str; 8] = ["x", "y", "a\u{0}b", "é", "\u{10FFFF}", "new", "zzzzzzzzzzzzzzzz", "1"];
const BYTES: [&str; 4] = ["AA==", "/w==", "AAEC", "////////"];

/// The body of a `CreateTable` for one of [`TABLES`].
pub(crate) fn table(name: &str) -> Value {
    let key = |attribute: &str, role: &str| json!({"AttributeName": attribute, "KeyType": role});
    let kind = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    match name {
        "fuzz-sorted" => json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [kind("p", "S"), kind("s", "N"), kind("l", "S"), kind("g", "S")],
            "KeySchema": [key("p", "HASH"), key("s", "RANGE")],
            "LocalSecondaryIndexes": [{
                "IndexName": "by-l",
                "KeySchema": [key("p", "HASH"), key("l", "RANGE")],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]},
            }],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-g",
                "KeySchema": [key("g", "HASH"), key("s", "RANGE")],
                "Projection": {"ProjectionType": "ALL"},
            }],
        }),
        "fuzz-binary" => json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [kind("p", "B"), kind("s", "B")],
            "KeySchema": [key("p", "HASH"), key("s", "RANGE")],
        }),
        _ => json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [kind("p", "S")],
            "KeySchema": [key("p", "HASH")],
        }),
    }
}

/// A request: its operation and its body.
pub(crate) fn request(random: &mut Random) -> (&'static str, Value) {
    let total = OPERATIONS.iter().map(|(_, weight)| weight).sum();
    let mut left = random.below(total);
    let (operation, _) = OPERATIONS
        .iter()
        .find(|(_, weight)| {
            let found = left < *weight;
            left = left.saturating_sub(*weight);
            found
        })
        .expect("the weights add up to the total");
    let mut writer = Writer { random, names: Map::new(), values: Map::new() };
    (operation, writer.body(operation))
}

/// Writes one request.
struct Writer<'r> {
    random: &'r mut Random,
    /// Names that an expression of this request has used, and what they stand for.
    names: Map<String, Value>,
    /// The same for values.
    values: Map<String, Value>,
}

impl Writer<'_> {
    fn body(&mut self, operation: &str) -> Value {
        let arn = |table: &str| format!("arn:aws:dynamodb:local:000000000000:table/{table}");
        let table = *self.random.one(&TABLES);
        match operation {
            "PutItem" | "UpdateItem" | "DeleteItem" | "GetItem" => self.of_item(operation, table),
            "Query" => self.query(),
            "Scan" => self.scan(),
            "BatchGetItem" => self.batch_get(),
            "BatchWriteItem" => self.batch_write(),
            "TransactWriteItems" => self.transact_write(),
            "TransactGetItems" => {
                let gets: Vec<Value> = self.several(4, |writer| {
                    let table = *writer.random.one(&TABLES);
                    json!({"Get": {"TableName": table, "Key": writer.key(table)}})
                });
                json!({ "TransactItems": gets })
            }
            "CreateTable" => {
                let mut body = self::table(table);
                body["TableName"] = self.new_table().into();
                body
            }
            "DeleteTable" => json!({"TableName": self.new_table()}),
            "DescribeTable" | "DescribeTimeToLive" => json!({"TableName": table}),
            "ListTables" => json!({"Limit": 1 + self.random.below(100)}),
            "UpdateTable" => self.update_table(table),
            "TagResource" => {
                json!({"ResourceArn": arn(table), "Tags": [{"Key": self.attribute(), "Value": "v"}]})
            }
            "UntagResource" => json!({"ResourceArn": arn(table), "TagKeys": [self.attribute()]}),
            "ListTagsOfResource" => json!({"ResourceArn": arn(table)}),
            "UpdateTimeToLive" => {
                let specification =
                    json!({"Enabled": self.random.once_in(2), "AttributeName": "until"});
                json!({"TableName": table, "TimeToLiveSpecification": specification})
            }
            _ => json!({}),
        }
    }

    fn several<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..=self.random.below(most)).map(|_| one(self)).collect()
    }

    fn new_table(&mut self) -> String {
        format!("fuzz-new-{}", self.random.below(6))
    }

    fn attribute(&mut self) -> &'static str {
        ATTRIBUTES[self.random.below(ATTRIBUTES.len())]
    }

    /// An attribute value, of some depth at most.
    fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 8 } else { 10 };
        match self.random.below(kinds) {
            0 | 1 => json!({"S": self.random.one(&TEXTS)}),
            2 | 3 => json!({"N": self.random.one(&NUMBERS)}),
            4 => json!({"B": self.random.one(&BYTES)}),
            5 => json!({"BOOL": self.random.once_in(2)}),
            6 => json!({"NULL": true}),
            7 => match self.random.below(3) {
                0 => json!({"SS": ["x", "y"]}),
                1 => json!({"NS": ["1", "2"]}),
                _ => json!({"BS": ["AA==", "/w=="]}),
            },
            8 => json!({"L": self.several(3, |writer| writer.value(depth - 1))}),
            _ => {
                let members =
                    self.several(3, |it| (it.attribute().to_owned(), it.value(depth - 1)));
                json!({"M": Map::from_iter(members)})
            }
        }
    }

    /// The key of an item: few enough for requests to meet.
    fn key(&mut self, table: &str) -> Value {
        let number = self.random.below(8).to_string();
        match table {
            "fuzz-sorted" => json!({"p": {"S": self.random.one(&TEXTS)}, "s": {"N": number}}),
            "fuzz-binary" => {
                json!({"p": {"B": self.random.one(&BYTES)}, "s": {"B": self.random.one(&BYTES)}})
            }
            _ => json!({"p": {"S": number}}),
        }
    }

    fn item(&mut self, table: &str) -> Value {
        let mut item = self.key(table);
        for _ in 0..self.random.below(5) {
            let name = self.attribute();
            if name != "p" && name != "s" {
                let keyed = name == "g" || name == "l";
                item[name] = if keyed { json!({"S": "k"}) } else { self.value(3) };
            }
        }
        item
    }

    /// A name in an expression, itself or as a placeholder.
    fn name(&mut self) -> String {
        let attribute = self.attribute();
        if attribute.len() == 1 && self.random.once_in(2) {
            return attribute.to_owned();
        }
        let placeholder = format!("#{}", if attribute.is_ascii() { attribute } else { "e" });
        self.names.insert(placeholder.clone(), attribute.into());
        placeholder
    }

    fn path(&mut self) -> String {
        let mut path = self.name();
        while self.random.once_in(4) {
            if self.random.once_in(2) {
                path += *self.random.one(&["[0]", "[1]", "[2]"]);
            } else {
                path.push('.');
                path += &self.name();
            }
        }
        path
    }

    /// A placeholder for this value.
    fn holding(&mut self, value: Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn any_value(&mut self) -> String {
        let value = self.value(1);
        self.holding(value)
    }

    fn operand(&mut self) -> String {
        match self.random.below(4) {
            0 => self.any_value(),
            1 => format!("size({})", self.path()),
            _ => self.path(),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 7 } else { 10 }) {
            0 | 1 => {
                let sign = self.random.one(&["=", "<>", "<", "<=", ">", ">="]);
                // Two operands that are the same are refused.
                format!("{} {sign} {}", self.path(), self.any_value())
            }
            2 => format!("attribute_exists({})", self.path()),
            3 => format!("attribute_not_exists({})", self.path()),
            4 => {
                let kinds = ["S", "N", "B", "SS", "NS", "BS", "BOOL", "NULL", "L", "M"];
                let kind = json!({"S": self.random.one(&kinds)});
                format!("attribute_type({}, {})", self.path(), self.holding(kind))
            }
            5 => {
                let function = self.random.one(&["contains", "begins_with"]);
                let value = json!({"S": self.random.one(&TEXTS)});
                format!("{function}({}, {})", self.path(), self.holding(value))
            }
            6 => {
                let operands = self.several(4, Self::operand);
                format!("{} IN ({})", self.path(), operands.join(", "))
            }
            7 => format!("NOT ({})", self.condition(depth - 1)),
            _ => {
                let word = self.random.one(&["AND", "OR"]);
                format!("({}) {word} {}", self.condition(depth - 1), self.condition(depth - 1))
            }
        }
    }

    fn update(&mut self) -> String {
        let mut clauses = Vec::new();
        // Paths that overlap are refused; different attributes do not.
        let first = self.random.below(4);
        let path = |writer: &mut Self, at: usize| {
            let name = ["a", "b", "c", "d"][(first + at) % 4];
            let steps = if writer.random.once_in(4) { "[1]" } else { "" };
            format!("{name}{steps}")
        };
        let set = match self.random.below(4) {
            0 => self.any_value(),
            1 => {
                let (from, one) = (self.name(), json!({"N": "1"}));
                let (zero, one) = (self.holding(json!({"N": "0"})), self.holding(one));
                format!("if_not_exists({from}, {zero}) + {one}")
            }
            2 => {
                let (from, empty) = (self.name(), self.holding(json!({"L": []})));
                let more = self.holding(json!({"L": [{"S": "x"}]}));
                format!("list_append(if_not_exists({from}, {empty}), {more})")
            }
            _ => self.path(),
        };
        clauses.push(format!("SET {} = {set}", path(self, 0)));
        if self.random.once_in(2) {
            clauses.push(format!("REMOVE {}", path(self, 1)));
        }
        if self.random.once_in(3) {
            let number = json!({"N": self.random.one(&NUMBERS)});
            let number = self.holding(number);
            clauses.push(format!("ADD {} {number}", path(self, 2)));
        }
        if self.random.once_in(3) {
            let set = self.holding(json!({"SS": ["x"]}));
            clauses.push(format!("DELETE {} {set}", path(self, 3)));
        }
        clauses.join(" ")
    }

    fn projection(&mut self) -> String {
        let first = self.random.below(ATTRIBUTES.len());
        let paths: Vec<String> = (0..=self.random.below(3))
            .map(|at| {
                let attribute = ATTRIBUTES[(first + at) % ATTRIBUTES.len()];
                let placeholder = format!("#q{at}");
                self.names.insert(placeholder.clone(), attribute.into());
                placeholder + if self.random.once_in(3) { "[0]" } else { "" }
            })
            .collect();
        paths.join(", ")
    }

    /// Adds the placeholders that the expressions of a request have used.
    fn define(&mut self, body: &mut Value) {
        for (member, all) in [
            ("ExpressionAttributeNames", std::mem::take(&mut self.names)),
            ("ExpressionAttributeValues", std::mem::take(&mut self.values)),
        ] {
            if !all.is_empty() {
                body[member] = Value::Object(all);
            }
        }
    }

    /// Adds a member in one of two requests.
    fn maybe(&mut self, body: &mut Value, member: &str, words: &[&str]) {
        if self.random.once_in(2) {
            body[member] = (*self.random.one(words)).into();
        }
    }

    /// Adds a condition in one of two requests.
    fn maybe_condition(&mut self, body: &mut Value, member: &str) {
        if self.random.once_in(2) {
            body[member] = self.condition(3).into();
        }
    }

    fn of_item(&mut self, operation: &str, table: &str) -> Value {
        let mut body = json!({ "TableName": table });
        if operation == "PutItem" {
            body["Item"] = self.item(table);
        } else {
            body["Key"] = self.key(table);
        }
        self.maybe(&mut body, "ReturnConsumedCapacity", &["NONE", "TOTAL", "INDEXES"]);
        if operation == "GetItem" {
            body["ConsistentRead"] = self.random.once_in(2).into();
            if self.random.once_in(2) {
                body["ProjectionExpression"] = self.projection().into();
            }
            self.define(&mut body);
            return body;
        }
        self.maybe(&mut body, "ReturnItemCollectionMetrics", &["NONE", "SIZE"]);
        if self.random.once_in(6) {
            self.legacy(operation, &mut body);
            return body;
        }
        self.maybe_condition(&mut body, "ConditionExpression");
        self.maybe(&mut body, "ReturnValuesOnConditionCheckFailure", &["NONE", "ALL_OLD"]);
        if operation == "UpdateItem" {
            body["UpdateExpression"] = self.update().into();
            let all = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"];
            self.maybe(&mut body, "ReturnValues", &all);
        } else {
            self.maybe(&mut body, "ReturnValues", &["NONE", "ALL_OLD"]);
        }
        self.define(&mut body);
        body
    }

    /// The parameters that expressions have replaced.
    fn legacy(&mut self, operation: &str, body: &mut Value) {
        let comparison = self.legacy_test();
        body["Expected"] = json!({ self.attribute(): comparison });
        if operation == "UpdateItem" {
            let value = self.value(1);
            body["AttributeUpdates"] = json!({
                "a": {"Action": "PUT", "Value": value},
                "b": {"Action": "ADD", "Value": {"N": "1"}},
                "c": {"Action": "DELETE"},
            });
        }
    }

    fn legacy_test(&mut self) -> Value {
        let (x, y) = (json!({"S": "x"}), json!({"S": "y"}));
        let signs = ["EQ", "NE", "LT", "LE", "GT", "GE", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH"];
        let (sign, list) = match self.random.below(4) {
            0 => (*self.random.one(&["NULL", "NOT_NULL"]), json!([])),
            1 => ("BETWEEN", json!([x, y])),
            2 => ("IN", json!([x, y])),
            _ => (*self.random.one(&signs), json!([x])),
        };
        json!({"ComparisonOperator": sign, "AttributeValueList": list})
    }

    fn query(&mut self) -> Value {
        let (table, index, partition, sort) = *self.random.one(&[
            ("fuzz-plain", "", "p", ""),
            ("fuzz-sorted", "", "p", "s"),
            ("fuzz-sorted", "by-l", "p", "l"),
            ("fuzz-sorted", "by-g", "g", "s"),
            ("fuzz-binary", "", "p", "s"),
        ]);
        let of_kind = |writer: &mut Self, numeric: bool| match (table, numeric) {
            ("fuzz-binary", _) => json!({"B": writer.random.one(&BYTES)}),
            (_, true) => json!({"N": writer.random.below(8).to_string()}),
            (_, false) => json!({"S": writer.random.one(&["k", "x", "y", "1", "é"])}),
        };
        let numeric = sort == "s";
        let value = of_kind(self, false);
        let mut condition = format!("{partition} = {}", self.holding(value));
        if !sort.is_empty() && self.random.once_in(2) {
            let (low, high) = (of_kind(self, numeric), of_kind(self, numeric));
            let low = self.holding(low);
            let range = match self.random.below(3) {
                0 => format!(" AND {sort} BETWEEN {low} AND {}", self.holding(high)),
                1 if table == "fuzz-binary" => format!(" AND begins_with({sort}, {low})"),
                _ => format!(" AND {sort} {} {low}", self.random.one(&["=", "<", "<=", ">", ">="])),
            };
            condition += &range;
        }
        let mut body = json!({"TableName": table, "KeyConditionExpression": condition});
        if !index.is_empty() {
            body["IndexName"] = index.into();
        }
        body["ScanIndexForward"] = self.random.once_in(2).into();
        self.page(&mut body);
        body
    }

    fn scan(&mut self) -> Value {
        let table = *self.random.one(&TABLES);
        let mut body = json!({ "TableName": table });
        if table == "fuzz-sorted" {
            self.maybe(&mut body, "IndexName", &["by-l", "by-g"]);
        }
        if self.random.once_in(3) {
            let total = 1 + self.random.below(5);
            body["TotalSegments"] = total.into();
            body["Segment"] = self.random.below(total).into();
        }
        if self.random.once_in(8) {
            body["ScanFilter"] = json!({ self.attribute(): self.legacy_test() });
            return body;
        }
        self.page(&mut body);
        body
    }

    /// What queries and scans have in common.
    fn page(&mut self, body: &mut Value) {
        if self.random.once_in(2) {
            body["FilterExpression"] = self.filter().into();
        }
        if self.random.once_in(2) {
            body["Limit"] = (1 + self.random.below(20)).into();
        }
        if self.random.once_in(4) {
            body["ProjectionExpression"] = self.projection().into();
        } else {
            self.maybe(body, "Select", &["COUNT"]);
        }
        self.maybe(body, "ReturnConsumedCapacity", &["NONE", "TOTAL", "INDEXES"]);
        self.define(body);
    }

    /// A condition that names no key.
    fn filter(&mut self) -> String {
        let name = *self.random.one(&["a", "b", "c", "d"]);
        format!("{name} <> {} OR attribute_exists({name})", self.any_value())
    }

    fn batch_get(&mut self) -> Value {
        let mut tables = Map::new();
        for table in TABLES {
            if self.random.once_in(2) || table == TABLES[0] {
                let mut keys = self.several(6, |writer| writer.key(table));
                keys.sort_by_key(Value::to_string);
                keys.dedup();
                tables.insert(table.into(), json!({"Keys": keys, "ConsistentRead": true}));
            }
        }
        json!({"RequestItems": tables, "ReturnConsumedCapacity": "TOTAL"})
    }

    fn batch_write(&mut self) -> Value {
        let table = *self.random.one(&TABLES);
        let mut keys = self.several(8, |writer| writer.key(table));
        keys.sort_by_key(Value::to_string);
        keys.dedup();
        let writes = keys.into_iter().map(|key| {
            if self.random.once_in(3) {
                return json!({"DeleteRequest": {"Key": key}});
            }
            let mut item = key;
            item["a"] = self.value(2);
            json!({"PutRequest": {"Item": item}})
        });
        let writes: Vec<Value> = writes.collect();
        json!({"RequestItems": {table: writes}, "ReturnItemCollectionMetrics": "SIZE"})
    }

    fn transact_write(&mut self) -> Value {
        let parts = self.several(4, |writer| {
            let table = *writer.random.one(&TABLES);
            let operation = *writer.random.one(&["Put", "Update", "Delete", "ConditionCheck"]);
            let mut body = json!({ "TableName": table });
            if operation == "Put" {
                body["Item"] = writer.item(table);
            } else {
                body["Key"] = writer.key(table);
            }
            if operation == "Update" {
                body["UpdateExpression"] = writer.update().into();
            }
            if operation == "ConditionCheck" || writer.random.once_in(3) {
                body["ConditionExpression"] = writer.condition(1).into();
            }
            writer.define(&mut body);
            json!({ operation: body })
        });
        let mut body = json!({ "TransactItems": parts });
        if self.random.once_in(3) {
            body["ClientRequestToken"] = format!("token-{}", self.random.below(50)).into();
        }
        body
    }

    fn update_table(&mut self, table: &str) -> Value {
        match self.random.below(4) {
            0 => json!({"TableName": table, "DeletionProtectionEnabled": false}),
            1 => json!({"TableName": table, "TableClass": "STANDARD_INFREQUENT_ACCESS"}),
            2 => json!({"TableName": table, "GlobalSecondaryIndexUpdates": [{"Create": {
                "IndexName": "by-a",
                "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }}], "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}]}),
            _ => json!({
                "TableName": table,
                "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-a"}}],
            }),
        }
    }
}
