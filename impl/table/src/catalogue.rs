//! Tables are records in the engine they live in.
//!
//! | key | value |
//! |---|---|
//! | `00`, table name | the table's description, packed like an item |
//! | `01`, table id (16 bytes), item key | a packed item |

use ringleader_item::{
    AttributeValue, BillingMode, GlobalIndex, IndexName, IndexProjection, Item, Key, KeyAttribute,
    KeyKind, KeySchema, LocalIndex, Number, PackedItem, TableClass, TableDefinition,
    TableDescription, TableId, TableName, Throughput,
};
use std::collections::BTreeMap;

const CATALOGUE: u8 = 0;
const ITEMS: u8 = 1;

/// The engine keys of the whole catalogue: from here, up to and without [`catalogue_end`].
#[must_use]
pub fn catalogue_start() -> [u8; 1] {
    [CATALOGUE]
}

/// The first engine key after the catalogue.
#[must_use]
pub fn catalogue_end() -> [u8; 1] {
    [ITEMS]
}

/// The engine key of a table's record.
#[must_use]
pub fn table_key(name: &TableName) -> Vec<u8> {
    [&[CATALOGUE], name.as_str().as_bytes()].concat()
}

/// The engine key of an item.
#[must_use]
pub fn item_key(table: TableId, key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + key.as_bytes().len());
    bytes.push(ITEMS);
    bytes.extend_from_slice(&table.0.to_be_bytes());
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// The record of a table.
#[must_use]
pub fn encode(table: &TableDescription) -> Vec<u8> {
    let definition = &table.definition;
    let mut item = Item::from([
        ("name", definition.name.as_str().into()),
        ("id", AttributeValue::B(table.id.0.to_be_bytes().to_vec())),
        ("created_unix_ms", table.created_unix_ms.into()),
        ("partition_key", attribute_value(&definition.key_schema.partition)),
    ]);
    if let Some(sort) = &definition.key_schema.sort {
        item.insert("sort_key".into(), attribute_value(sort));
    }
    encode_options(&mut item, table);
    if let BillingMode::Provisioned { read_units, write_units } = definition.billing {
        item.insert("read_units".into(), read_units.into());
        item.insert("write_units".into(), write_units.into());
    }
    PackedItem::pack(&item).into_bytes()
}

/// What most tables do not have.
fn encode_options(item: &mut Item, table: &TableDescription) {
    let definition = &table.definition;
    let mut insert = |name: &str, value| {
        item.insert(name.into(), value);
    };
    let local = definition.local_indexes.iter().map(|index| {
        let mut entry = index_entry(index.name.as_str(), &index.projection);
        entry.insert("sort_key".into(), attribute_value(&index.sort));
        AttributeValue::M(entry)
    });
    let global = definition.global_indexes.iter().map(|index| {
        let mut entry = index_entry(index.name.as_str(), &index.projection);
        entry.insert("partition_key".into(), attribute_value(&index.key_schema.partition));
        if let Some(sort) = &index.key_schema.sort {
            entry.insert("sort_key".into(), attribute_value(sort));
        }
        if let Some(throughput) = index.throughput {
            entry.insert("read_units".into(), throughput.read_units.into());
            entry.insert("write_units".into(), throughput.write_units.into());
        }
        AttributeValue::M(entry)
    });
    for (name, list) in [
        ("local_indexes", local.collect::<Vec<_>>()),
        ("global_indexes", global.collect::<Vec<_>>()),
    ] {
        if !list.is_empty() {
            insert(name, AttributeValue::L(list));
        }
    }
    if definition.class == TableClass::InfrequentAccess {
        insert("infrequent_access", true.into());
    }
    if definition.deletion_protection {
        insert("deletion_protection", true.into());
    }
    if !definition.tags.is_empty() {
        let tags = definition.tags.iter();
        let tags = tags.map(|(key, value)| (key.clone(), AttributeValue::S(value.clone())));
        insert("tags", AttributeValue::M(tags.collect()));
    }
    if let Some(attribute) = &table.expiry_attribute {
        insert("expiry_attribute", AttributeValue::S(attribute.clone()));
    }
}

fn index_entry(name: &str, projection: &IndexProjection) -> BTreeMap<String, AttributeValue> {
    let projection = match projection {
        IndexProjection::All => AttributeValue::Bool(true),
        IndexProjection::KeysOnly => AttributeValue::Bool(false),
        IndexProjection::Include(names) => {
            AttributeValue::L(names.iter().cloned().map(AttributeValue::S).collect())
        }
    };
    BTreeMap::from([("name".into(), name.into()), ("projection".into(), projection)])
}

fn attribute_value(attribute: &KeyAttribute) -> AttributeValue {
    AttributeValue::M(BTreeMap::from([(
        attribute.name.clone(),
        AttributeValue::S(attribute.kind.name().into()),
    )]))
}

/// The table of a record; `None` if it is not a record that [`encode`] made.
#[must_use]
pub fn decode(record: &[u8]) -> Option<TableDescription> {
    let item = PackedItem::from_bytes(record.to_vec()).ok()?.unpack();
    let AttributeValue::S(name) = item.get("name")? else { return None };
    let AttributeValue::B(id) = item.get("id")? else { return None };
    let billing = match (item.get("read_units"), item.get("write_units")) {
        (None, None) => BillingMode::PayPerRequest,
        (Some(read), Some(write)) => {
            BillingMode::Provisioned { read_units: integer(read)?, write_units: integer(write)? }
        }
        _ => return None,
    };
    let sort = match item.get("sort_key") {
        Some(sort) => Some(attribute(sort)?),
        None => None,
    };
    let key_schema = KeySchema { partition: attribute(item.get("partition_key")?)?, sort };
    let definition = TableDefinition {
        local_indexes: list(item.get("local_indexes"), local_index)?,
        global_indexes: list(item.get("global_indexes"), global_index)?,
        class: match item.get("infrequent_access") {
            None => TableClass::Standard,
            Some(_) => TableClass::InfrequentAccess,
        },
        deletion_protection: item.get("deletion_protection").is_some(),
        tags: tags(item.get("tags"))?,
        ..TableDefinition::new(TableName::new(name).ok()?, key_schema, billing)
    };
    let expiry_attribute = match item.get("expiry_attribute") {
        None => None,
        Some(AttributeValue::S(attribute)) => Some(attribute.clone()),
        Some(_) => return None,
    };
    Some(TableDescription {
        definition,
        expiry_attribute,
        id: TableId(u128::from_be_bytes(id.as_slice().try_into().ok()?)),
        created_unix_ms: integer(item.get("created_unix_ms")?)?,
    })
}

type Entry = BTreeMap<String, AttributeValue>;

/// A list that may be absent.
fn list<T>(value: Option<&AttributeValue>, read: fn(&Entry) -> Option<T>) -> Option<Vec<T>> {
    let Some(value) = value else { return Some(Vec::new()) };
    let AttributeValue::L(list) = value else { return None };
    let element = |value: &AttributeValue| {
        if let AttributeValue::M(entry) = value { read(entry) } else { None }
    };
    list.iter().map(element).collect()
}

fn local_index(entry: &Entry) -> Option<LocalIndex> {
    let (name, projection) = index(entry)?;
    Some(LocalIndex { name, sort: attribute(entry.get("sort_key")?)?, projection })
}

fn global_index(entry: &Entry) -> Option<GlobalIndex> {
    let (name, projection) = index(entry)?;
    let sort = match entry.get("sort_key") {
        Some(sort) => Some(attribute(sort)?),
        None => None,
    };
    let throughput = match (entry.get("read_units"), entry.get("write_units")) {
        (None, None) => None,
        (Some(read), Some(write)) => {
            Some(Throughput { read_units: integer(read)?, write_units: integer(write)? })
        }
        _ => return None,
    };
    let key_schema = KeySchema { partition: attribute(entry.get("partition_key")?)?, sort };
    Some(GlobalIndex { name, key_schema, projection, throughput })
}

fn index(entry: &Entry) -> Option<(IndexName, IndexProjection)> {
    let projection = entry.get("projection")?;
    let projection = if let AttributeValue::L(names) = projection {
        IndexProjection::Include(names.iter().map(text).collect::<Option<_>>()?)
    } else if *projection == AttributeValue::Bool(true) {
        IndexProjection::All
    } else if *projection == AttributeValue::Bool(false) {
        IndexProjection::KeysOnly
    } else {
        return None;
    };
    Some((IndexName::new(text(entry.get("name")?)?).ok()?, projection))
}

fn text(value: &AttributeValue) -> Option<String> {
    if let AttributeValue::S(text) = value { Some(text.clone()) } else { None }
}

fn tags(value: Option<&AttributeValue>) -> Option<BTreeMap<String, String>> {
    let Some(value) = value else { return Some(BTreeMap::new()) };
    let AttributeValue::M(tags) = value else { return None };
    tags.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

fn attribute(value: &AttributeValue) -> Option<KeyAttribute> {
    let AttributeValue::M(map) = value else { return None };
    let (name, AttributeValue::S(kind)) = map.first_key_value()? else { return None };
    let kinds = [KeyKind::S, KeyKind::N, KeyKind::B];
    let kind = kinds.into_iter().find(|candidate| candidate.name() == kind)?;
    Some(KeyAttribute { name: name.clone(), kind })
}

fn integer(value: &AttributeValue) -> Option<u64> {
    let AttributeValue::N(number) = value else { return None };
    Number::to_string(number).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_options(plain: TableDefinition) -> TableDefinition {
        let name = |name: &str| IndexName::new(name).unwrap();
        let attribute = |name: &str| KeyAttribute { name: name.into(), kind: KeyKind::B };
        TableDefinition {
            local_indexes: vec![LocalIndex {
                name: name("by-age"),
                sort: attribute("age"),
                projection: IndexProjection::Include(vec!["x".into(), "y".into()]),
            }],
            global_indexes: [IndexProjection::All, IndexProjection::KeysOnly]
                .map(|projection| GlobalIndex {
                    name: name("by-day"),
                    key_schema: KeySchema {
                        partition: attribute("day"),
                        sort: (projection == IndexProjection::All).then(|| attribute("hour")),
                    },
                    throughput: (projection == IndexProjection::All)
                        .then_some(Throughput { read_units: 1, write_units: 2 }),
                    projection,
                })
                .into(),
            class: TableClass::InfrequentAccess,
            deletion_protection: true,
            tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            ..plain
        }
    }

    #[test]
    fn a_table_survives_its_record() {
        let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let billings = [
            BillingMode::PayPerRequest,
            BillingMode::Provisioned { read_units: 5, write_units: 1_000_000_000_000 },
        ];
        for billing in billings {
            for sort in [None, Some(attribute("when", KeyKind::N))] {
                let partition = attribute("id", KeyKind::S);
                let key_schema = KeySchema { partition, sort };
                let name = TableName::new("orders").unwrap();
                let plain = TableDescription {
                    definition: TableDefinition::new(name, key_schema, billing),
                    id: TableId(u128::MAX - 1),
                    created_unix_ms: 1_795_000_000_123,
                    expiry_attribute: None,
                };
                let mut rich = plain.clone();
                rich.expiry_attribute = Some("until".into());
                rich.definition = with_options(rich.definition);
                for table in [plain, rich] {
                    assert_eq!(decode(&encode(&table)), Some(table));
                }
            }
        }
    }

    #[test]
    fn other_bytes_are_no_record() {
        assert_eq!(decode(b""), None);
        assert_eq!(decode(PackedItem::pack(&Item::new()).as_bytes()), None);
    }
}
