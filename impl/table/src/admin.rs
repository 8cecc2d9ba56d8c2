//! Creating, changing, labelling and removing tables.

use crate::counts::{Change as CountChange, Counted};
use crate::draft::Draft;
use crate::stop::Stop;
use crate::task::{Task, TaskKind};
use crate::{Answer, Tables, catalogue};
use ringleader_item::limits::{GLOBAL_INDEXES_MAX, TAGS_MAX};
use ringleader_item::{
    BillingMode, Extent, GlobalIndex, IndexName, IndexUpdate, KeyAttribute, Refusal,
    TableChangeError, TableDefinition, TableDescription, TableName, TableReport, TableStatus,
    TagTable, UntagTable, UpdateTable, UpdateTimeToLive,
};
use ringleader_storage::engine::Engine;

impl<E: Engine> Tables<E> {
    pub(crate) fn create_table(
        &self,
        draft: &mut Draft,
        table: &TableDescription,
    ) -> Result<Answer, Stop<E::Error>> {
        let name = &table.definition.name;
        if self.find(name).is_ok() || self.by_id(table.id).is_some() {
            return Err(Refusal::TableExists(name.clone()).into());
        }
        set_table(draft, table.clone());
        for counted in Counted::all(table) {
            draft.count(counted, CountChange::Begin);
        }
        Ok(Answer::Created(table.clone()))
    }

    pub(crate) fn delete_table(
        &self,
        draft: &mut Draft,
        name: &TableName,
    ) -> Result<Answer, Stop<E::Error>> {
        let table = self.find(name)?;
        if table.definition.deletion_protection {
            return Err(Refusal::DeletionProtected(name.clone()).into());
        }
        draft.delete(catalogue::table_key(name));
        draft.catalogue.insert(name.clone(), None);
        for task in self.tasks_of(table.id) {
            draft.set_task(task, None);
        }
        draft.set_task(Task { table: table.id, kind: TaskKind::EmptyTable }, Some(Vec::new()));
        for counted in Counted::all(table) {
            draft.count(counted, CountChange::End);
        }
        let mut report = self.report(table);
        report.extent.status = TableStatus::Deleting;
        Ok(Answer::Changed(Box::new(report)))
    }

    pub(crate) fn update_table(
        &self,
        draft: &mut Draft,
        update: &UpdateTable,
    ) -> Result<Answer, Stop<E::Error>> {
        let mut table = self.find(&update.table)?.clone();
        let definition = &mut table.definition;
        if let Some(billing) = update.billing {
            change_billing(definition, billing)?;
        }
        if let Some(class) = update.class {
            definition.class = class;
        }
        if let Some(protection) = update.deletion_protection {
            definition.deletion_protection = protection;
        }
        let begin_or_end = |update: &&IndexUpdate| !matches!(update, IndexUpdate::Update { .. });
        if update.indexes.iter().filter(begin_or_end).count() > 1 {
            return Err(Refusal::Change(TableChangeError::OneIndexAtATime).into());
        }
        let mut told = Vec::new();
        for index in &update.indexes {
            told.push(status_of(index, &table));
            self.change_index(draft, &mut table, index)?;
        }
        set_table(draft, table.clone());
        // The answer also shows what goes.
        let gone = told.iter().filter_map(|(_, _, gone)| gone.clone());
        table.definition.global_indexes.extend(gone);
        let mut report = self.report(&table);
        for (name, status, _) in told {
            report.indexes.entry(name).or_default().status = status;
        }
        report.extent.status = TableStatus::Updating;
        Ok(Answer::Changed(Box::new(report)))
    }

    fn change_index(
        &self,
        draft: &mut Draft,
        table: &mut TableDescription,
        update: &IndexUpdate,
    ) -> Result<(), Stop<E::Error>> {
        let id = table.id;
        let indexes = &mut table.definition.global_indexes;
        let at = |name: &IndexName, indexes: &[GlobalIndex]| {
            let at = indexes.iter().position(|index| index.name == *name);
            at.ok_or_else(|| Refusal::Change(TableChangeError::IndexNotFound(name.clone())))
        };
        match update {
            IndexUpdate::Create(index) => {
                let emptying = Task { table: id, kind: TaskKind::EmptyIndex(index.name.clone()) };
                if self.has_task(&emptying) {
                    return Err(Refusal::TableBusy(table.definition.name.clone()).into());
                }
                check_new_index(&table.definition, index)?;
                table.definition.global_indexes.push(index.clone());
                let filling = Task { table: id, kind: TaskKind::FillIndex(index.name.clone()) };
                draft.set_task(filling, Some(Vec::new()));
                draft.count(Counted::index(id, &index.name), CountChange::Begin);
            }
            IndexUpdate::Update { name, throughput } => {
                let at = at(name, indexes)?;
                indexes[at].throughput = Some(*throughput);
            }
            IndexUpdate::Delete(name) => {
                let at = at(name, indexes)?;
                indexes.remove(at);
                draft.count(Counted::index(id, name), CountChange::End);
                let filling = Task { table: id, kind: TaskKind::FillIndex(name.clone()) };
                if self.has_task(&filling) {
                    draft.set_task(filling, None);
                }
                let emptying = Task { table: id, kind: TaskKind::EmptyIndex(name.clone()) };
                draft.set_task(emptying, Some(Vec::new()));
            }
        }
        Ok(())
    }

    pub(crate) fn tag(&self, draft: &mut Draft, tag: &TagTable) -> Result<Answer, Stop<E::Error>> {
        let mut table = self.find(&tag.table)?.clone();
        let tags = &mut table.definition.tags;
        tags.extend(tag.tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        if tags.len() > TAGS_MAX {
            return Err(Refusal::Change(TableChangeError::TooManyTags).into());
        }
        set_table(draft, table);
        Ok(Answer::Done)
    }

    pub(crate) fn untag(
        &self,
        draft: &mut Draft,
        untag: &UntagTable,
    ) -> Result<Answer, Stop<E::Error>> {
        let mut table = self.find(&untag.table)?.clone();
        table.definition.tags.retain(|key, _| !untag.keys.contains(key));
        set_table(draft, table);
        Ok(Answer::Done)
    }

    pub(crate) fn update_time_to_live(
        &self,
        draft: &mut Draft,
        update: &UpdateTimeToLive,
    ) -> Result<Answer, Stop<E::Error>> {
        let mut table = self.find(&update.table)?.clone();
        let id = table.id;
        let task = |kind| Task { table: id, kind };
        let refused = |error| Err(Refusal::Change(error).into());
        match (&table.expiry_attribute, update.enabled) {
            (Some(present), true) if *present == update.attribute => {
                return refused(TableChangeError::TimeToLiveEnabled);
            }
            (Some(present), _) if *present != update.attribute => {
                return refused(TableChangeError::TimeToLiveAttribute(present.clone()));
            }
            (None, false) => return refused(TableChangeError::TimeToLiveDisabled),
            (None, true) => {
                if self.has_task(&task(TaskKind::EmptyExpiries)) {
                    return Err(Refusal::TableBusy(update.table.clone()).into());
                }
                table.expiry_attribute = Some(update.attribute.clone());
                draft.set_task(task(TaskKind::FillExpiries), Some(Vec::new()));
            }
            (Some(_), _) => {
                table.expiry_attribute = None;
                if self.has_task(&task(TaskKind::FillExpiries)) {
                    draft.set_task(task(TaskKind::FillExpiries), None);
                }
                draft.set_task(task(TaskKind::EmptyExpiries), Some(Vec::new()));
            }
        }
        set_table(draft, table);
        Ok(Answer::Done)
    }

    /// What is told of a table.
    pub(crate) fn report(&self, table: &TableDescription) -> TableReport {
        let mut report = TableReport::from(table.clone());
        for task in self.tasks_of(table.id) {
            if let TaskKind::FillIndex(name) = task.kind {
                let filling = Extent { status: TableStatus::Creating, ..Extent::default() };
                report.indexes.insert(name, filling);
            }
        }
        self.count_into(&mut report);
        report
    }
}

/// What the answer to a change says of an index, and the index if the change removes it.
fn status_of(
    update: &IndexUpdate,
    table: &TableDescription,
) -> (IndexName, TableStatus, Option<GlobalIndex>) {
    match update {
        IndexUpdate::Create(index) => (index.name.clone(), TableStatus::Creating, None),
        IndexUpdate::Update { name, .. } => (name.clone(), TableStatus::Updating, None),
        IndexUpdate::Delete(name) => {
            let gone = table.definition.global_indexes.iter().find(|index| index.name == *name);
            (name.clone(), TableStatus::Deleting, gone.cloned())
        }
    }
}

fn set_table(draft: &mut Draft, table: TableDescription) {
    let name = table.definition.name.clone();
    draft.put(catalogue::table_key(&name), catalogue::encode(&table));
    draft.catalogue.insert(name, Some(table));
}

fn change_billing(definition: &mut TableDefinition, billing: BillingMode) -> Result<(), Refusal> {
    if let BillingMode::Provisioned { read_units, write_units } = billing
        && definition.billing == billing
    {
        let same = TableChangeError::SameThroughput { read_units, write_units };
        return Err(Refusal::Change(same));
    }
    definition.billing = billing;
    if billing == BillingMode::PayPerRequest {
        for index in &mut definition.global_indexes {
            index.throughput = None;
        }
    }
    Ok(())
}

fn check_new_index(definition: &TableDefinition, index: &GlobalIndex) -> Result<(), Refusal> {
    let refused = |error| Err(Refusal::Change(error));
    if definition.index_names().any(|name| *name == index.name) {
        return refused(TableChangeError::IndexExists(index.name.clone()));
    }
    if definition.global_indexes.len() >= GLOBAL_INDEXES_MAX {
        return refused(TableChangeError::TooManyIndexes);
    }
    match (definition.billing, index.throughput) {
        (BillingMode::PayPerRequest, Some(_)) => {
            return refused(TableChangeError::ThroughputOnDemand);
        }
        (BillingMode::Provisioned { .. }, None) => {
            return refused(TableChangeError::IndexThroughputMissing(index.name.clone()));
        }
        _ => {}
    }
    for attribute in core::iter::once(&index.key_schema.partition).chain(&index.key_schema.sort) {
        let clashes =
            |known: &KeyAttribute| known.name == attribute.name && known.kind != attribute.kind;
        if key_attributes(definition).any(clashes) {
            return refused(TableChangeError::AttributeType(attribute.name.clone()));
        }
    }
    Ok(())
}

/// The key attributes of a table and of its indexes.
fn key_attributes(definition: &TableDefinition) -> impl Iterator<Item = &KeyAttribute> {
    let schemas = core::iter::once(&definition.key_schema)
        .chain(definition.global_indexes.iter().map(|index| &index.key_schema));
    let keys = schemas.flat_map(|schema| core::iter::once(&schema.partition).chain(&schema.sort));
    keys.chain(definition.local_indexes.iter().map(|index| &index.sort))
}
