//! The constraints of every operation's input, as data: which members are required, how long, how
//! large, of which words. They are those of the service model that the Amazon SDKs share; a test
//! takes violations of every one of them from that model.
//!
//! Only what is constrained, or leads to something constrained, is listed.

/// What a value must be like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text of so many characters, maybe only those of names.
    Text { min: usize, max: usize, name: bool },
    /// One of these words.
    Word(&'static [&'static str]),
    /// An integer within bounds.
    Number { min: i64, max: i64 },
    /// So many elements.
    List { min: usize, max: usize, element: &'static Shape },
    /// So many entries.
    Map { key: &'static Shape, min: usize, max: usize, value: &'static Shape },
    /// Members.
    Structure(&'static [Member]),
    /// Anything.
    Any,
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: &'static Shape,
}

const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: true, shape }
}

const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: false, shape }
}

const fn text(min: usize, max: usize) -> Shape {
    Shape::Text { min, max, name: false }
}

const fn list(min: usize, max: usize, element: &'static Shape) -> Shape {
    Shape::List { min, max, element }
}

/// An entry for every value, and no bound on their number.
const fn map_of(value: &'static Shape) -> Shape {
    Shape::Map { key: &ATTRIBUTE_NAME, min: 0, max: usize::MAX, value }
}

const UNBOUNDED: usize = usize::MAX;

const ANY: Shape = Shape::Any;
const NAME: Shape = Shape::Text { min: 3, max: 255, name: true };
const ATTRIBUTE_NAME: Shape = text(0, 65_535);
const KEY_ATTRIBUTE_NAME: Shape = text(1, 255);
const TABLE: Shape = text(1, 1_024);
const POSITIVE: Shape = Shape::Number { min: 1, max: i64::MAX };
const TABLE_NAME: Member = required("TableName", &TABLE);
const INDEX_NAME: Member = required("IndexName", &NAME);

const KEY_SCHEMA: Shape = list(
    1,
    UNBOUNDED,
    &Shape::Structure(&[
        required("AttributeName", &KEY_ATTRIBUTE_NAME),
        required("KeyType", &Shape::Word(&["HASH", "RANGE"])),
    ]),
);
const ATTRIBUTE_DEFINITIONS: Shape = list(
    0,
    UNBOUNDED,
    &Shape::Structure(&[
        required("AttributeName", &KEY_ATTRIBUTE_NAME),
        required("AttributeType", &Shape::Word(&["B", "N", "S"])),
    ]),
);
const THROUGHPUT: Shape = Shape::Structure(&[
    required("ReadCapacityUnits", &POSITIVE),
    required("WriteCapacityUnits", &POSITIVE),
]);
const PROJECTION: Shape = Shape::Structure(&[
    optional("ProjectionType", &Shape::Word(&["ALL", "INCLUDE", "KEYS_ONLY"])),
    optional("NonKeyAttributes", &list(1, 20, &KEY_ATTRIBUTE_NAME)),
]);
const BILLING_MODE: Shape = Shape::Word(&["PROVISIONED", "PAY_PER_REQUEST"]);
const TABLE_CLASS: Shape = Shape::Word(&["STANDARD", "STANDARD_INFREQUENT_ACCESS"]);
const STREAM: Shape = Shape::Structure(&[
    required("StreamEnabled", &ANY),
    optional(
        "StreamViewType",
        &Shape::Word(&["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"]),
    ),
]);
const ENCRYPTION: Shape =
    Shape::Structure(&[optional("SSEType", &Shape::Word(&["AES256", "KMS"]))]);
const SETTINGS_REPLICATION: Shape = Shape::Word(&["ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"]);
const TAGS: Shape = list(
    0,
    UNBOUNDED,
    &Shape::Structure(&[required("Key", &text(1, 128)), required("Value", &text(0, 256))]),
);
const VECTOR_INDEX: Shape = Shape::Structure(&[
    INDEX_NAME,
    required(
        "VectorAttribute",
        &Shape::Structure(&[required("AttributeName", &KEY_ATTRIBUTE_NAME)]),
    ),
    optional(
        "SearchSchema",
        &list(
            1,
            UNBOUNDED,
            &Shape::Structure(&[
                required("AttributeName", &ATTRIBUTE_NAME),
                required("SearchSchemaElementType", &Shape::Word(&["HASH", "INLINE_FILTER"])),
            ]),
        ),
    ),
    required("Projection", &PROJECTION),
    required("Dimensions", &POSITIVE),
    required("DistanceFunction", &Shape::Word(&["COSINE", "DOT_PRODUCT", "EUCLIDEAN"])),
]);
const GLOBAL_INDEX: Shape = Shape::Structure(&[
    INDEX_NAME,
    required("KeySchema", &KEY_SCHEMA),
    required("Projection", &PROJECTION),
    optional("ProvisionedThroughput", &THROUGHPUT),
]);

const CREATE_TABLE: &[Member] = &[
    optional("AttributeDefinitions", &ATTRIBUTE_DEFINITIONS),
    TABLE_NAME,
    optional("KeySchema", &KEY_SCHEMA),
    optional(
        "LocalSecondaryIndexes",
        &list(
            0,
            UNBOUNDED,
            &Shape::Structure(&[
                INDEX_NAME,
                required("KeySchema", &KEY_SCHEMA),
                required("Projection", &PROJECTION),
            ]),
        ),
    ),
    optional("GlobalSecondaryIndexes", &list(0, UNBOUNDED, &GLOBAL_INDEX)),
    optional("BillingMode", &BILLING_MODE),
    optional("ProvisionedThroughput", &THROUGHPUT),
    optional("StreamSpecification", &STREAM),
    optional("SSESpecification", &ENCRYPTION),
    optional("Tags", &TAGS),
    optional("TableClass", &TABLE_CLASS),
    optional("GlobalTableSourceArn", &TABLE),
    optional("GlobalTableSettingsReplicationMode", &SETTINGS_REPLICATION),
    optional("VectorIndexes", &list(0, UNBOUNDED, &VECTOR_INDEX)),
];

const REPLICA_INDEXES: Shape = list(
    1,
    UNBOUNDED,
    &Shape::Structure(&[
        INDEX_NAME,
        optional(
            "ProvisionedThroughputOverride",
            &Shape::Structure(&[optional("ReadCapacityUnits", &POSITIVE)]),
        ),
    ]),
);
const REPLICA: Shape = Shape::Structure(&[
    required("RegionName", &ANY),
    optional(
        "ProvisionedThroughputOverride",
        &Shape::Structure(&[optional("ReadCapacityUnits", &POSITIVE)]),
    ),
    optional("GlobalSecondaryIndexes", &REPLICA_INDEXES),
    optional("TableClassOverride", &TABLE_CLASS),
]);
const REGION: Shape = Shape::Structure(&[required("RegionName", &ANY)]);

const UPDATE_TABLE: &[Member] = &[
    optional("AttributeDefinitions", &ATTRIBUTE_DEFINITIONS),
    TABLE_NAME,
    optional("BillingMode", &BILLING_MODE),
    optional("ProvisionedThroughput", &THROUGHPUT),
    optional(
        "GlobalSecondaryIndexUpdates",
        &list(
            0,
            UNBOUNDED,
            &Shape::Structure(&[
                optional(
                    "Update",
                    &Shape::Structure(&[
                        INDEX_NAME,
                        optional("ProvisionedThroughput", &THROUGHPUT),
                    ]),
                ),
                optional("Create", &GLOBAL_INDEX),
                optional("Delete", &Shape::Structure(&[INDEX_NAME])),
            ]),
        ),
    ),
    optional("StreamSpecification", &STREAM),
    optional("SSESpecification", &ENCRYPTION),
    optional(
        "ReplicaUpdates",
        &list(
            1,
            UNBOUNDED,
            &Shape::Structure(&[
                optional("Create", &REPLICA),
                optional("Update", &REPLICA),
                optional("Delete", &REGION),
                optional(
                    "Disassociate",
                    &Shape::Structure(&[
                        required("RegionName", &ANY),
                        required("DisassociationMode", &Shape::Word(&["WAIT_FOR_REPLICATION"])),
                    ]),
                ),
            ]),
        ),
    ),
    optional("TableClass", &TABLE_CLASS),
    optional("MultiRegionConsistency", &Shape::Word(&["EVENTUAL", "STRONG"])),
    optional(
        "GlobalTableWitnessUpdates",
        &list(1, 1, &Shape::Structure(&[optional("Create", &REGION), optional("Delete", &REGION)])),
    ),
    optional("GlobalTableSettingsReplicationMode", &SETTINGS_REPLICATION),
    optional(
        "VectorIndexUpdates",
        &list(
            0,
            UNBOUNDED,
            &Shape::Structure(&[
                optional("Create", &VECTOR_INDEX),
                optional("Delete", &Shape::Structure(&[INDEX_NAME])),
            ]),
        ),
    ),
];

const ATTRIBUTES: Shape = map_of(&ANY);
const COMPARISON: Shape = Shape::Word(&[
    "EQ",
    "NE",
    "IN",
    "LE",
    "LT",
    "GE",
    "GT",
    "BETWEEN",
    "NOT_NULL",
    "NULL",
    "CONTAINS",
    "NOT_CONTAINS",
    "BEGINS_WITH",
]);
const EXPECTED: Member = optional(
    "Expected",
    &map_of(&Shape::Structure(&[optional("ComparisonOperator", &COMPARISON)])),
);
const CONDITIONS: Shape = map_of(&Shape::Structure(&[required("ComparisonOperator", &COMPARISON)]));
const CONDITIONAL_OPERATOR: Member = optional("ConditionalOperator", &Shape::Word(&["AND", "OR"]));
const RETURN_VALUES: Member = optional(
    "ReturnValues",
    &Shape::Word(&["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"]),
);
const RETURN_CAPACITY: Member =
    optional("ReturnConsumedCapacity", &Shape::Word(&["INDEXES", "TOTAL", "NONE"]));
const RETURN_METRICS: Member =
    optional("ReturnItemCollectionMetrics", &Shape::Word(&["SIZE", "NONE"]));
const RETURN_ON_FAILURE: Member =
    optional("ReturnValuesOnConditionCheckFailure", &Shape::Word(&["ALL_OLD", "NONE"]));
const NAMES: Member = optional("ExpressionAttributeNames", &map_of(&ATTRIBUTE_NAME));
const ATTRIBUTES_TO_GET: Member = optional("AttributesToGet", &list(1, UNBOUNDED, &ATTRIBUTE_NAME));
const KEY: Member = required("Key", &ATTRIBUTES);

const PUT_ITEM: &[Member] = &[
    TABLE_NAME,
    required("Item", &ATTRIBUTES),
    EXPECTED,
    RETURN_VALUES,
    RETURN_CAPACITY,
    RETURN_METRICS,
    CONDITIONAL_OPERATOR,
    NAMES,
    RETURN_ON_FAILURE,
];
const UPDATE_ITEM: &[Member] = &[
    TABLE_NAME,
    KEY,
    optional(
        "AttributeUpdates",
        &map_of(&Shape::Structure(&[optional("Action", &Shape::Word(&["ADD", "PUT", "DELETE"]))])),
    ),
    EXPECTED,
    CONDITIONAL_OPERATOR,
    RETURN_VALUES,
    RETURN_CAPACITY,
    RETURN_METRICS,
    NAMES,
    RETURN_ON_FAILURE,
];
const DELETE_ITEM: &[Member] = &[
    TABLE_NAME,
    KEY,
    EXPECTED,
    CONDITIONAL_OPERATOR,
    RETURN_VALUES,
    RETURN_CAPACITY,
    RETURN_METRICS,
    NAMES,
    RETURN_ON_FAILURE,
];
const GET_ITEM: &[Member] = &[TABLE_NAME, KEY, ATTRIBUTES_TO_GET, RETURN_CAPACITY, NAMES];

const SELECT: Member = optional(
    "Select",
    &Shape::Word(&["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"]),
);
const LIMIT: Member = optional("Limit", &Shape::Number { min: 1, max: i32::MAX as i64 });
const READ_INDEX: Member = optional("IndexName", &NAME);
const START: Member = optional("ExclusiveStartKey", &ATTRIBUTES);

const QUERY: &[Member] = &[
    TABLE_NAME,
    READ_INDEX,
    SELECT,
    ATTRIBUTES_TO_GET,
    LIMIT,
    optional("KeyConditions", &CONDITIONS),
    optional("QueryFilter", &CONDITIONS),
    CONDITIONAL_OPERATOR,
    START,
    RETURN_CAPACITY,
    NAMES,
];
const SCAN: &[Member] = &[
    TABLE_NAME,
    READ_INDEX,
    ATTRIBUTES_TO_GET,
    LIMIT,
    SELECT,
    optional("ScanFilter", &CONDITIONS),
    CONDITIONAL_OPERATOR,
    START,
    RETURN_CAPACITY,
    optional("TotalSegments", &Shape::Number { min: 1, max: 1_000_000 }),
    optional("Segment", &Shape::Number { min: 0, max: 999_999 }),
    NAMES,
];

const BATCH_GET_ITEM: &[Member] = &[
    required(
        "RequestItems",
        &Shape::Map {
            key: &TABLE,
            min: 1,
            max: 100,
            value: &Shape::Structure(&[
                required("Keys", &list(1, 100, &ATTRIBUTES)),
                ATTRIBUTES_TO_GET,
                NAMES,
            ]),
        },
    ),
    RETURN_CAPACITY,
];
const BATCH_WRITE_ITEM: &[Member] = &[
    required(
        "RequestItems",
        &Shape::Map {
            key: &TABLE,
            min: 1,
            max: 25,
            value: &list(
                1,
                25,
                &Shape::Structure(&[
                    optional("PutRequest", &Shape::Structure(&[required("Item", &ATTRIBUTES)])),
                    optional("DeleteRequest", &Shape::Structure(&[KEY])),
                ]),
            ),
        },
    ),
    RETURN_CAPACITY,
    RETURN_METRICS,
];

const TRANSACT_WRITE_ITEMS: &[Member] = &[
    required(
        "TransactItems",
        &list(
            1,
            100,
            &Shape::Structure(&[
                optional(
                    "ConditionCheck",
                    &Shape::Structure(&[
                        KEY,
                        TABLE_NAME,
                        required("ConditionExpression", &ANY),
                        NAMES,
                        RETURN_ON_FAILURE,
                    ]),
                ),
                optional(
                    "Put",
                    &Shape::Structure(&[
                        required("Item", &ATTRIBUTES),
                        TABLE_NAME,
                        NAMES,
                        RETURN_ON_FAILURE,
                    ]),
                ),
                optional("Delete", &Shape::Structure(&[KEY, TABLE_NAME, NAMES, RETURN_ON_FAILURE])),
                optional(
                    "Update",
                    &Shape::Structure(&[
                        KEY,
                        required("UpdateExpression", &ANY),
                        TABLE_NAME,
                        NAMES,
                        RETURN_ON_FAILURE,
                    ]),
                ),
            ]),
        ),
    ),
    RETURN_CAPACITY,
    RETURN_METRICS,
    optional("ClientRequestToken", &text(1, 36)),
];
const TRANSACT_GET_ITEMS: &[Member] = &[
    required(
        "TransactItems",
        &list(
            1,
            100,
            &Shape::Structure(&[required("Get", &Shape::Structure(&[KEY, TABLE_NAME, NAMES]))]),
        ),
    ),
    RETURN_CAPACITY,
];

const RESOURCE: Member = required("ResourceArn", &text(1, 1_283));

const TAG_RESOURCE: &[Member] = &[RESOURCE, required("Tags", &TAGS)];
const UNTAG_RESOURCE: &[Member] =
    &[RESOURCE, required("TagKeys", &list(0, UNBOUNDED, &text(1, 128)))];
const LIST_TABLES: &[Member] = &[
    optional("ExclusiveStartTableName", &NAME),
    optional("Limit", &Shape::Number { min: 1, max: 100 }),
];
const UPDATE_TIME_TO_LIVE: &[Member] = &[
    TABLE_NAME,
    required(
        "TimeToLiveSpecification",
        &Shape::Structure(&[
            required("Enabled", &ANY),
            required("AttributeName", &KEY_ATTRIBUTE_NAME),
        ]),
    ),
];

/// The members of an operation's input that are constrained.
pub(crate) fn input(operation: &str) -> &'static [Member] {
    match operation {
        "CreateTable" => CREATE_TABLE,
        "UpdateTable" => UPDATE_TABLE,
        "DescribeTable" | "DeleteTable" | "DescribeTimeToLive" => &[TABLE_NAME],
        "ListTables" => LIST_TABLES,
        "PutItem" => PUT_ITEM,
        "GetItem" => GET_ITEM,
        "UpdateItem" => UPDATE_ITEM,
        "DeleteItem" => DELETE_ITEM,
        "Query" => QUERY,
        "Scan" => SCAN,
        "BatchGetItem" => BATCH_GET_ITEM,
        "BatchWriteItem" => BATCH_WRITE_ITEM,
        "TransactWriteItems" => TRANSACT_WRITE_ITEMS,
        "TransactGetItems" => TRANSACT_GET_ITEMS,
        "TagResource" => TAG_RESOURCE,
        "UntagResource" => UNTAG_RESOURCE,
        "ListTagsOfResource" => &[RESOURCE],
        "UpdateTimeToLive" => UPDATE_TIME_TO_LIVE,
        _ => &[],
    }
}
