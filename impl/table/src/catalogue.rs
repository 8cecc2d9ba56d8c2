//! Tables are records in the engine they live in.
//!
//! | key | value |
//! |---|---|
//! | `00`, table name | the table's description, packed like an item |
//! | `01`, table id (16 bytes), item key | a packed item |

use ringleader_item::{
    AttributeValue, BillingMode, Item, Key, KeyAttribute, KeyKind, KeySchema, Number, PackedItem,
    TableDefinition, TableDescription, TableId, TableName,
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
    if let BillingMode::Provisioned { read_units, write_units } = definition.billing {
        item.insert("read_units".into(), read_units.into());
        item.insert("write_units".into(), write_units.into());
    }
    PackedItem::pack(&item).into_bytes()
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
    let definition = TableDefinition { name: TableName::new(name).ok()?, key_schema, billing };
    Some(TableDescription {
        definition,
        id: TableId(u128::from_be_bytes(id.as_slice().try_into().ok()?)),
        created_unix_ms: integer(item.get("created_unix_ms")?)?,
    })
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
                let table = TableDescription {
                    definition: TableDefinition {
                        name: TableName::new("orders").unwrap(),
                        key_schema: KeySchema { partition, sort },
                        billing,
                    },
                    id: TableId(u128::MAX - 1),
                    created_unix_ms: 1_795_000_000_123,
                };
                assert_eq!(decode(&encode(&table)), Some(table));
            }
        }
    }

    #[test]
    fn other_bytes_are_no_record() {
        assert_eq!(decode(b""), None);
        assert_eq!(decode(PackedItem::pack(&Item::new()).as_bytes()), None);
    }
}
