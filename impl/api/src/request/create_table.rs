//! `CreateTable` and `UpdateTable`.

use super::parameters::{TableNameText, index_name};
use super::table::{checked_tags, tags};
use crate::ApiError;
use crate::fields::Fields;
use crate::json::Json;
use ringleader_item::limits::{GLOBAL_INDEXES_MAX, INCLUDED_ATTRIBUTES_MAX, LOCAL_INDEXES_MAX};
use ringleader_item::{
    BillingMode, GlobalIndex, IndexName, IndexProjection, IndexUpdate, KeyAttribute, KeyKind,
    KeySchema, LocalIndex, TableClass, TableDefinition, Throughput, UpdateTable,
};

const INVALID: &str = "One or more parameter values were invalid: ";
/// The largest throughput that can be asked for.
const UNITS_MAX: i64 = 1_000_000_000_000;

fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::validation(format!("{INVALID}{message}"))
}

/// A list element of a name and a word: an attribute's type, or its role in a key.
struct NameAndWord {
    name: String,
    word: String,
}

impl NameAndWord {
    fn take_list(
        fields: &mut Fields<'_>,
        list: &str,
        element: &str,
        word: &str,
    ) -> Result<Option<Vec<Self>>, ApiError> {
        let Some(elements) = fields.list(list)? else { return Ok(None) };
        let read = |json: Json<'_>| {
            let mut fields = Fields::of(json, element)?;
            let name = fields.text("AttributeName")?.unwrap_or_default().into_owned();
            Ok(Self { name, word: fields.text(word)?.unwrap_or_default().into_owned() })
        };
        elements.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }
}

/// The attributes that a request gives types to.
struct Definitions(Vec<NameAndWord>);

impl Definitions {
    fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, ApiError> {
        let list = "AttributeDefinitions";
        let taken = NameAndWord::take_list(fields, list, "AttributeDefinition", "AttributeType");
        Ok(taken?.map(Self))
    }

    fn attribute(&self, name: &str) -> Option<KeyAttribute> {
        let definition = self.0.iter().find(|definition| definition.name == name)?;
        let kind = match definition.word.as_str() {
            "S" => KeyKind::S,
            "N" => KeyKind::N,
            _ => KeyKind::B,
        };
        Some(KeyAttribute { name: name.to_owned(), kind })
    }

    fn names(&self) -> String {
        self.0.iter().map(|definition| definition.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn check_distinct(&self) -> Result<(), ApiError> {
        for (at, definition) in self.0.iter().enumerate() {
            if self.0[..at].iter().any(|earlier| earlier.name == definition.name) {
                return Err(invalid(format!(
                    "Duplicate AttributeName in AttributeDefinitions: {}",
                    definition.name
                )));
            }
        }
        Ok(())
    }
}

/// `KeySchema` before it is checked.
struct KeyText(Vec<NameAndWord>);

impl KeyText {
    fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, ApiError> {
        let taken = NameAndWord::take_list(fields, "KeySchema", "KeySchemaElement", "KeyType");
        Ok(taken?.map(Self))
    }

    fn check(&self, definitions: &Definitions) -> Result<KeySchema, ApiError> {
        let (partition, sort) = match &self.0[..] {
            [partition] => (partition, None),
            [partition, sort] => (partition, Some(sort)),
            _ => {
                return Err(ApiError::validation(
                    "Invalid KeySchema: one or two elements are needed",
                ));
            }
        };
        let wrong = |which: &str, role: &str| {
            ApiError::validation(format!(
                "Invalid KeySchema: The {which} KeySchemaElement is not a {role} key type"
            ))
        };
        if partition.word != "HASH" {
            return Err(wrong("first", "HASH"));
        }
        if let Some(sort) = sort {
            if sort.word != "RANGE" {
                return Err(wrong("second", "RANGE"));
            }
            if sort.name == partition.name {
                return Err(ApiError::validation(
                    "Both the Hash Key and the Range Key element in the KeySchema have the same name",
                ));
            }
        }
        let attribute = |key: &NameAndWord| {
            definitions.attribute(&key.name).ok_or_else(|| {
                if definitions.0.len() < self.0.len() {
                    return ApiError::validation(
                        "Invalid KeySchema: Some index key attribute have no definition",
                    );
                }
                let keys: Vec<_> = self.0.iter().map(|key| key.name.as_str()).collect();
                invalid(format!(
                    "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], \
                     AttributeDefinitions: [{}]",
                    keys.join(", "),
                    definitions.names()
                ))
            })
        };
        Ok(KeySchema { partition: attribute(partition)?, sort: sort.map(attribute).transpose()? })
    }
}

/// `ProvisionedThroughput` before it is checked.
struct ThroughputText {
    read_units: Option<i64>,
    write_units: Option<i64>,
}

impl ThroughputText {
    fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, ApiError> {
        const NAME: &str = "ProvisionedThroughput";
        let Some(mut fields) = fields.structure(NAME, NAME)? else { return Ok(None) };
        Ok(Some(Self {
            read_units: fields.long("ReadCapacityUnits")?,
            write_units: fields.long("WriteCapacityUnits")?,
        }))
    }

    fn check(&self) -> Result<Throughput, ApiError> {
        let units = |units: Option<i64>, name: &str| {
            let units = units.unwrap_or_default();
            if units > UNITS_MAX {
                let message = format!("Given value {units} for {name} is out of bounds");
                return Err(ApiError::validation(message));
            }
            Ok(units.unsigned_abs())
        };
        Ok(Throughput {
            read_units: units(self.read_units, "ReadCapacityUnits")?,
            write_units: units(self.write_units, "WriteCapacityUnits")?,
        })
    }
}

/// An index before it is checked.
struct IndexText {
    name: Option<String>,
    key: Option<KeyText>,
    projection_type: Option<String>,
    included: Option<Vec<String>>,
    throughput: Option<ThroughputText>,
    unsupported: Option<&'static str>,
}

impl IndexText {
    fn take(json: Json<'_>, element: &str) -> Result<Self, ApiError> {
        let mut fields = Fields::of(json, element)?;
        let (mut projection_type, mut included) = (None, None);
        let name = fields.owned("IndexName")?;
        let key = KeyText::take(&mut fields)?;
        if let Some(mut fields) = fields.structure("Projection", "Projection")? {
            projection_type = fields.owned("ProjectionType")?;
            included = fields.texts("NonKeyAttributes")?;
        }
        let throughput = ThroughputText::take(&mut fields)?;
        let unsupported = ["OnDemandThroughput", "WarmThroughput"];
        let unsupported = unsupported.into_iter().find(|name| fields.take(name).is_some());
        Ok(Self { name, key, projection_type, included, throughput, unsupported })
    }

    fn take_list(
        fields: &mut Fields<'_>,
        list: &str,
        element: &str,
    ) -> Result<Option<Vec<Self>>, ApiError> {
        let Some(elements) = fields.list(list)? else { return Ok(None) };
        elements
            .into_iter()
            .map(|json| Self::take(json, element))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn name(&self) -> Result<IndexName, ApiError> {
        let name = index_name(self.name.as_deref())?;
        name.ok_or_else(|| invalid("an index without a name"))
    }

    fn key(&self, definitions: &Definitions) -> Result<KeySchema, ApiError> {
        if let Some(parameter) = self.unsupported {
            return Err(ApiError::unsupported(parameter));
        }
        let key = self.key.as_ref().ok_or_else(|| invalid("an index without a key"))?;
        key.check(definitions)
    }

    fn projection(&self) -> Result<IndexProjection, ApiError> {
        match (self.projection_type.as_deref(), &self.included) {
            (Some("KEYS_ONLY"), None) => Ok(IndexProjection::KeysOnly),
            (Some("INCLUDE"), Some(names)) => Ok(IndexProjection::Include(names.clone())),
            (Some("INCLUDE"), None) => {
                Err(invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))
            }
            (Some(_), None) => Ok(IndexProjection::All),
            (Some(other), Some(_)) => Err(invalid(format!(
                "ProjectionType is {other}, but NonKeyAttributes is specified"
            ))),
            (None, _) => Err(invalid("Unknown ProjectionType: null")),
        }
    }

    fn local(&self, table: &KeySchema, definitions: &Definitions) -> Result<LocalIndex, ApiError> {
        let name = self.name()?;
        let key = self.key(definitions)?;
        if key.partition != table.partition {
            return Err(invalid(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for \
                 index: {name}. index hash key: {}, table hash key: {}",
                key.partition.name, table.partition.name
            )));
        }
        let Some(sort) = key.sort else {
            return Err(invalid(format!(
                "Index KeySchema does not have a range key for index: {name}"
            )));
        };
        Ok(LocalIndex { name, sort, projection: self.projection()? })
    }

    fn global(
        &self,
        billing: Option<BillingMode>,
        definitions: &Definitions,
    ) -> Result<GlobalIndex, ApiError> {
        let name = self.name()?;
        let key_schema = self.key(definitions)?;
        let projection = self.projection()?;
        let throughput = self.throughput.as_ref().map(ThroughputText::check).transpose()?;
        match (billing, throughput) {
            (Some(BillingMode::PayPerRequest), Some(_)) => Err(invalid(format!(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: \
                 {name} when BillingMode is PAY_PER_REQUEST"
            ))),
            (Some(BillingMode::Provisioned { .. }), None) => Err(invalid(format!(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified for index: {name}"
            ))),
            _ => Ok(GlobalIndex { name, key_schema, projection, throughput }),
        }
    }
}

/// Options that tables of both operations have.
struct Options {
    class: Option<TableClass>,
    deletion_protection: Option<bool>,
    /// The first option that would change what the table does, and that this server has not.
    unsupported: Option<&'static str>,
}

impl Options {
    /// Options that say "nothing special" are accepted; those that we lack are remembered.
    fn take(fields: &mut Fields<'_>, lacking: &[&'static str]) -> Result<Self, ApiError> {
        let class = fields.text("TableClass")?.map(|class| match &*class {
            "STANDARD_INFREQUENT_ACCESS" => TableClass::InfrequentAccess,
            _ => TableClass::Standard,
        });
        let deletion_protection = fields.boolean("DeletionProtectionEnabled")?;
        let mut unsupported = None;
        if let Some(mut stream) = fields.structure("StreamSpecification", "StreamSpecification")?
            && stream.boolean("StreamEnabled")? == Some(true)
        {
            unsupported = Some("StreamSpecification");
        }
        if let Some(mut encryption) = fields.structure("SSESpecification", "SSESpecification")?
            && encryption.boolean("Enabled")? == Some(true)
        {
            unsupported.get_or_insert("SSESpecification");
        }
        for name in lacking {
            if fields.take(name).is_some() {
                unsupported.get_or_insert(name);
            }
        }
        Ok(Self { class, deletion_protection, unsupported })
    }

    fn check(&self) -> Result<(), ApiError> {
        self.unsupported.map_or(Ok(()), |parameter| Err(ApiError::unsupported(parameter)))
    }
}

pub(super) fn create(fields: &mut Fields<'_>) -> Result<TableDefinition, ApiError> {
    let table = TableNameText::take(fields)?;
    let definitions = Definitions::take(fields)?;
    let key = KeyText::take(fields)?;
    let local = IndexText::take_list(fields, "LocalSecondaryIndexes", "LocalSecondaryIndex")?;
    let global = IndexText::take_list(fields, "GlobalSecondaryIndexes", "GlobalSecondaryIndex")?;
    let mode = fields.text("BillingMode")?;
    let throughput = ThroughputText::take(fields)?;
    let tags = tags(fields.list("Tags")?.unwrap_or_default())?;
    let options = Options::take(
        fields,
        &[
            "WarmThroughput",
            "ResourcePolicy",
            "OnDemandThroughput",
            "GlobalTableSourceArn",
            "GlobalTableSettingsReplicationMode",
            "VectorIndexes",
        ],
    )?;
    fields.check_constraints()?;

    let name = table.check()?;
    options.check()?;
    let billing = billing_mode(mode.as_deref(), throughput.as_ref())?;
    let missing = |what: &str| invalid(format!("{what} must be specified"));
    let definitions = definitions.ok_or_else(|| missing("AttributeDefinitions"))?;
    let key_schema = key.ok_or_else(|| missing("KeySchema"))?.check(&definitions)?;
    definitions.check_distinct()?;
    let local_indexes = local.iter().flatten().map(|index| index.local(&key_schema, &definitions));
    let local_indexes = local_indexes.collect::<Result<Vec<_>, _>>()?;
    let global_indexes = global.iter().flatten().map(|it| it.global(Some(billing), &definitions));
    let global_indexes = global_indexes.collect::<Result<Vec<_>, _>>()?;
    let empty = |list: &Option<Vec<_>>| list.as_ref().is_some_and(Vec::is_empty);
    for (kind, is_empty) in
        [("LocalSecondaryIndexes", empty(&local)), ("GlobalSecondaryIndexes", empty(&global))]
    {
        if is_empty {
            return Err(invalid(format!("List of {kind} is empty")));
        }
    }
    let definition = TableDefinition {
        local_indexes,
        global_indexes,
        class: options.class.unwrap_or_default(),
        deletion_protection: options.deletion_protection.unwrap_or(false),
        tags: checked_tags(tags)?,
        ..TableDefinition::new(name, key_schema, billing)
    };
    check_indexes(&definition)?;
    check_all_used(&definition, &definitions)?;
    Ok(definition)
}

fn billing_mode(
    mode: Option<&str>,
    throughput: Option<&ThroughputText>,
) -> Result<BillingMode, ApiError> {
    match (mode, throughput) {
        (Some("PAY_PER_REQUEST"), None) => Ok(BillingMode::PayPerRequest),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
             PAY_PER_REQUEST",
        )),
        (_, Some(throughput)) => {
            let Throughput { read_units, write_units } = throughput.check()?;
            Ok(BillingMode::Provisioned { read_units, write_units })
        }
        (_, None) => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is \
             PROVISIONED",
        )),
    }
}

/// Limits on the indexes of a table together.
fn check_indexes(table: &TableDefinition) -> Result<(), ApiError> {
    let counts = [
        ("LocalSecondaryIndex", table.local_indexes.len(), LOCAL_INDEXES_MAX),
        ("GlobalSecondaryIndex", table.global_indexes.len(), GLOBAL_INDEXES_MAX),
    ];
    for (kind, count, limit) in counts {
        if count > limit {
            return Err(invalid(format!("{kind} count exceeds the per-table limit of {limit}")));
        }
    }
    if !table.local_indexes.is_empty() && table.key_schema.sort.is_none() {
        return Err(invalid(
            "Table KeySchema does not have a range key, which is required when specifying a \
             LocalSecondaryIndex",
        ));
    }
    let names: Vec<_> = table.index_names().collect();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(invalid(format!("Duplicate index name: {name}")));
        }
    }
    let local = table.local_indexes.iter().map(|index| &index.projection);
    let projections = local.chain(table.global_indexes.iter().map(|index| &index.projection));
    let included = projections.map(|projection| match projection {
        IndexProjection::Include(names) => names.len(),
        IndexProjection::All | IndexProjection::KeysOnly => 0,
    });
    let included: usize = included.sum();
    if included > INCLUDED_ATTRIBUTES_MAX {
        return Err(invalid(format!(
            "Number of attributes included by all indexes exceeds the limit of \
             {INCLUDED_ATTRIBUTES_MAX}: {included}"
        )));
    }
    Ok(())
}

/// Whatever is defined must be part of some key.
fn check_all_used(table: &TableDefinition, definitions: &Definitions) -> Result<(), ApiError> {
    let sources = table.index_names().map(Some).chain([None]).filter_map(|it| table.source(it));
    let mut used = Vec::new();
    for source in sources {
        let KeySchema { partition, sort } = source.key_schema;
        used.push(partition.name);
        used.extend(sort.map(|sort| sort.name));
    }
    if definitions.0.iter().all(|definition| used.contains(&definition.name)) {
        return Ok(());
    }
    if table.index_names().next().is_none() {
        return Err(invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined \
             in AttributeDefinitions",
        ));
    }
    used.sort_unstable();
    used.dedup();
    Err(invalid(format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        definitions.names(),
        used.join(", ")
    )))
}

type Wrap = fn(IndexText) -> IndexUpdateText;

/// A change of an index before it is checked.
enum IndexUpdateText {
    Create(IndexText),
    Update(IndexText),
    Delete(IndexText),
}

impl IndexUpdateText {
    /// `None` for an element that does not name exactly one change.
    fn take(json: Json<'_>) -> Result<Option<Self>, ApiError> {
        let mut fields = Fields::of(json, "GlobalSecondaryIndexUpdate")?;
        let mut found = Vec::new();
        let verbs: [(&str, Wrap); 3] =
            [("Create", Self::Create), ("Update", Self::Update), ("Delete", Self::Delete)];
        for (verb, wrap) in verbs {
            if let Some(json) = fields.take(verb) {
                let element = format!("{verb}GlobalSecondaryIndexAction");
                found.push(wrap(IndexText::take(json, &element)?));
            }
        }
        let first = found.pop();
        Ok(first.filter(|_| found.is_empty()))
    }

    fn check(
        &self,
        billing: Option<BillingMode>,
        definitions: &Definitions,
    ) -> Result<IndexUpdate, ApiError> {
        match self {
            Self::Create(index) => index.global(billing, definitions).map(IndexUpdate::Create),
            Self::Delete(index) => index.name().map(IndexUpdate::Delete),
            Self::Update(index) => {
                if let Some(parameter) = index.unsupported {
                    return Err(ApiError::unsupported(parameter));
                }
                let missing = || invalid("an update of an index without ProvisionedThroughput");
                let throughput = index.throughput.as_ref().ok_or_else(missing)?.check()?;
                Ok(IndexUpdate::Update { name: index.name()?, throughput })
            }
        }
    }
}

pub(super) fn update(fields: &mut Fields<'_>) -> Result<UpdateTable, ApiError> {
    let table = TableNameText::take(fields)?;
    let definitions = Definitions::take(fields)?;
    let mode = fields.text("BillingMode")?;
    let throughput = ThroughputText::take(fields)?;
    let indexes = fields.list("GlobalSecondaryIndexUpdates")?.unwrap_or_default();
    let indexes = indexes.into_iter().map(IndexUpdateText::take);
    let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
    let options = Options::take(
        fields,
        &[
            "ReplicaUpdates",
            "MultiRegionConsistency",
            "GlobalTableWitnessUpdates",
            "OnDemandThroughput",
            "WarmThroughput",
            "GlobalTableSettingsReplicationMode",
            "DisassociationProtectionEnabled",
            "VectorIndexUpdates",
        ],
    )?;
    fields.check_constraints()?;

    let table = table.check()?;
    options.check()?;
    let billing = match (mode.as_deref(), &throughput) {
        (None, None) => None,
        (mode, throughput) => Some(billing_mode(mode, throughput.as_ref())?),
    };
    let definitions = definitions.unwrap_or(Definitions(Vec::new()));
    definitions.check_distinct()?;
    let one_change =
        || invalid("One of GlobalSecondaryIndexUpdate Update, Create or Delete must not be null");
    let change =
        |text: Option<IndexUpdateText>| text.ok_or_else(one_change)?.check(billing, &definitions);
    let indexes = indexes.into_iter().map(change).collect::<Result<Vec<_>, _>>()?;
    let Options { class, deletion_protection, .. } = options;
    if billing.is_none() && class.is_none() && deletion_protection.is_none() && indexes.is_empty() {
        return Err(ApiError::validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
             GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
        ));
    }
    Ok(UpdateTable { table, billing, class, deletion_protection, indexes })
}
