//! `CreateTable`.

use super::parameters::TableNameText;
use crate::ApiError;
use crate::constraint::Constraints;
use crate::fields::Fields;
use crate::json::Json;
use ringleader_item::{BillingMode, KeyAttribute, KeyKind, KeySchema, TableDefinition};
use std::borrow::Cow;

const INVALID: &str = "One or more parameter values were invalid: ";
/// The largest throughput that can be asked for.
const UNITS_MAX: i64 = 1_000_000_000_000;

/// A list element of a name and one of several words: `AttributeName` and the given member.
struct NameAndWord<'a> {
    name: Option<Cow<'a, str>>,
    word: Option<Cow<'a, str>>,
}

impl<'a> NameAndWord<'a> {
    fn take_list(
        fields: &mut Fields<'a>,
        list: &str,
        element: &str,
        word: &str,
    ) -> Result<Option<Vec<Self>>, ApiError> {
        let Some(elements) = fields.list(list)? else { return Ok(None) };
        let read = |json: Json<'a>| {
            let mut fields = Fields::of(json, element)?;
            Ok(Self { name: fields.text("AttributeName")?, word: fields.text(word)? })
        };
        elements.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    fn constrain(&self, constraints: &mut Constraints, at: &str, word: &str, allowed: &[&str]) {
        let name_at = format!("{at}.member.attributeName");
        constraints.present(&name_at, self.name.as_ref());
        if let Some(name) = &self.name {
            constraints.length(&name_at, name, name.len(), 1, 255);
        }
        let word_at = format!("{at}.member.{word}");
        constraints.present(&word_at, self.word.as_ref());
        constraints.one_of(&word_at, self.word.as_deref(), allowed);
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn word(&self) -> &str {
        self.word.as_deref().unwrap_or_default()
    }
}

struct Throughput {
    read_units: Option<i64>,
    write_units: Option<i64>,
}

impl Throughput {
    fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, ApiError> {
        let Some(mut fields) =
            fields.structure("ProvisionedThroughput", "ProvisionedThroughput")?
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            read_units: fields.long("ReadCapacityUnits")?,
            write_units: fields.long("WriteCapacityUnits")?,
        }))
    }

    fn constrain(&self, constraints: &mut Constraints) {
        for (at, units) in [
            ("provisionedThroughput.writeCapacityUnits", self.write_units),
            ("provisionedThroughput.readCapacityUnits", self.read_units),
        ] {
            constraints.present(at, units.as_ref());
            constraints.at_least(at, units, 1);
        }
    }

    fn billing(&self) -> Result<BillingMode, ApiError> {
        let units = |units: Option<i64>, name: &str| {
            let units = units.unwrap_or_default();
            if units > UNITS_MAX {
                return Err(ApiError::validation(format!(
                    "Given value {units} for {name} is out of bounds"
                )));
            }
            Ok(units.unsigned_abs())
        };
        Ok(BillingMode::Provisioned {
            read_units: units(self.read_units, "ReadCapacityUnits")?,
            write_units: units(self.write_units, "WriteCapacityUnits")?,
        })
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<TableDefinition, ApiError> {
    let table = TableNameText::take(fields)?;
    let attribute = ("AttributeDefinitions", "AttributeDefinition", "AttributeType");
    let definitions = NameAndWord::take_list(fields, attribute.0, attribute.1, attribute.2)?;
    let keys = NameAndWord::take_list(fields, "KeySchema", "KeySchemaElement", "KeyType")?;
    let billing = fields.text("BillingMode")?;
    let throughput = Throughput::take(fields)?;
    let table_class = fields.text("TableClass")?;
    let deletion_protection = fields.boolean("DeletionProtectionEnabled")?;

    let mut constraints = Constraints::default();
    constraints.present("attributeDefinitions", definitions.as_ref());
    for definition in definitions.iter().flatten() {
        let at = "attributeDefinitions";
        definition.constrain(&mut constraints, at, "attributeType", &["B", "N", "S"]);
    }
    table.constrain(&mut constraints);
    constraints.present("keySchema", keys.as_ref());
    if let Some(keys) = &keys {
        let names = keys.iter().map(NameAndWord::name).collect::<Vec<_>>().join(", ");
        constraints.length("keySchema", &format!("[{names}]"), keys.len(), 1, 2);
    }
    for key in keys.iter().flatten() {
        key.constrain(&mut constraints, "keySchema", "keyType", &["HASH", "RANGE"]);
    }
    let modes = ["PROVISIONED", "PAY_PER_REQUEST"];
    constraints.one_of("billingMode", billing.as_deref(), &modes);
    let classes = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"];
    constraints.one_of("tableClass", table_class.as_deref(), &classes);
    if let Some(throughput) = &throughput {
        throughput.constrain(&mut constraints);
    }
    constraints.check()?;

    let name = table.check()?;
    refuse_unsupported(fields, table_class.as_deref(), deletion_protection)?;
    let billing = billing_mode(billing.as_deref(), throughput.as_ref())?;
    let key_schema = key_schema(&definitions.unwrap_or_default(), &keys.unwrap_or_default())?;
    Ok(TableDefinition::new(name, key_schema, billing))
}

/// Options that would change what the table does are refused; those that say "nothing special"
/// are accepted.
fn refuse_unsupported(
    fields: &mut Fields<'_>,
    table_class: Option<&str>,
    deletion_protection: Option<bool>,
) -> Result<(), ApiError> {
    if deletion_protection == Some(true) {
        return Err(ApiError::unsupported("DeletionProtectionEnabled"));
    }
    if table_class.is_some_and(|class| class != "STANDARD") {
        return Err(ApiError::unsupported("TableClass"));
    }
    if let Some(mut stream) = fields.structure("StreamSpecification", "StreamSpecification")?
        && stream.boolean("StreamEnabled")? != Some(false)
    {
        return Err(ApiError::unsupported("StreamSpecification"));
    }
    if let Some(mut encryption) = fields.structure("SSESpecification", "SSESpecification")?
        && encryption.boolean("Enabled")? == Some(true)
    {
        return Err(ApiError::unsupported("SSESpecification"));
    }
    if fields.list("Tags")?.is_some_and(|tags| !tags.is_empty()) {
        return Err(ApiError::unsupported("Tags"));
    }
    fields.refuse(&[
        "LocalSecondaryIndexes",
        "GlobalSecondaryIndexes",
        "WarmThroughput",
        "ResourcePolicy",
        "OnDemandThroughput",
        "GlobalTableSourceArn",
        "GlobalTableSettingsReplicationMode",
    ])
}

fn billing_mode(
    mode: Option<&str>,
    throughput: Option<&Throughput>,
) -> Result<BillingMode, ApiError> {
    match (mode, throughput) {
        (Some("PAY_PER_REQUEST"), None) => Ok(BillingMode::PayPerRequest),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(ApiError::validation(format!(
            "{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when \
             BillingMode is PAY_PER_REQUEST"
        ))),
        (_, Some(throughput)) => throughput.billing(),
        (_, None) => Err(ApiError::validation(format!(
            "{INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when \
             BillingMode is PROVISIONED"
        ))),
    }
}

fn key_schema(
    definitions: &[NameAndWord<'_>],
    keys: &[NameAndWord<'_>],
) -> Result<KeySchema, ApiError> {
    let names = |list: &[NameAndWord<'_>]| {
        list.iter().map(NameAndWord::name).collect::<Vec<_>>().join(", ")
    };
    let invalid = |message: String| ApiError::validation(message);
    let (partition, sort) = match keys {
        [partition] => (partition, None),
        [partition, sort] => (partition, Some(sort)),
        _ => return Err(invalid("Invalid KeySchema: one or two elements are needed".into())),
    };
    if partition.word() != "HASH" {
        return Err(invalid(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".into(),
        ));
    }
    if let Some(sort) = sort {
        if sort.word() != "RANGE" {
            return Err(invalid(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type".into(),
            ));
        }
        if sort.name() == partition.name() {
            return Err(invalid(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name"
                    .into(),
            ));
        }
    }
    let attribute = |key: &NameAndWord<'_>| {
        let definition = definitions.iter().find(|definition| definition.name() == key.name());
        let kind = match definition?.word() {
            "S" => KeyKind::S,
            "N" => KeyKind::N,
            _ => KeyKind::B,
        };
        Some(KeyAttribute { name: key.name().to_owned(), kind })
    };
    let undefined = || {
        invalid(format!(
            "{INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: \
             [{}], AttributeDefinitions: [{}]",
            names(keys),
            names(definitions)
        ))
    };
    let schema = KeySchema {
        partition: attribute(partition).ok_or_else(undefined)?,
        sort: sort.map(|sort| attribute(sort).ok_or_else(undefined)).transpose()?,
    };
    for (at, definition) in definitions.iter().enumerate() {
        if definitions[..at].iter().any(|earlier| earlier.name() == definition.name()) {
            return Err(invalid(format!(
                "{INVALID}Duplicate AttributeName in AttributeDefinitions: {}",
                definition.name()
            )));
        }
    }
    if definitions.len() != keys.len() {
        return Err(invalid(format!(
            "{INVALID}Number of attributes in KeySchema does not exactly match number of \
             attributes defined in AttributeDefinitions"
        )));
    }
    Ok(schema)
}
