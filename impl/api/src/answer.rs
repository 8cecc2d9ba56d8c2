//! What is said in return when a request succeeded.

use crate::value::{push_item, push_text};
use ringleader_item::{BillingMode, KeyAttribute, PackedItem, TableDescription};
use std::fmt::Write as _;

/// Where this cluster pretends to be; part of resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The region's name.
    pub region: String,
    /// The account's twelve digits.
    pub account: String,
}

/// What a single machine without an account calls itself.
impl Default for Place {
    fn default() -> Self {
        Self { region: "local".into(), account: "000000000000".into() }
    }
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The table that was created.
    CreateTable(TableDescription),
    /// The table that was asked for.
    DescribeTable(TableDescription),
    /// The replaced item, if it was asked for and there was one.
    PutItem(Option<PackedItem>),
    /// The stored item, if there is one.
    GetItem(Option<PackedItem>),
    /// The removed item, if it was asked for and there was one.
    DeleteItem(Option<PackedItem>),
}

impl Answer {
    /// The body of the answer.
    #[must_use]
    pub fn encode(&self, place: &Place) -> Vec<u8> {
        let mut out = String::new();
        match self {
            Self::CreateTable(table) => push_table(&mut out, "TableDescription", table, place),
            Self::DescribeTable(table) => push_table(&mut out, "Table", table, place),
            Self::PutItem(old) | Self::DeleteItem(old) => {
                push_optional_item(&mut out, "Attributes", old.as_ref());
            }
            Self::GetItem(item) => push_optional_item(&mut out, "Item", item.as_ref()),
        }
        out.into_bytes()
    }
}

fn push_optional_item(out: &mut String, member: &str, item: Option<&PackedItem>) {
    out.push('{');
    if let Some(item) = item {
        out.reserve(2 * item.as_bytes().len());
        push_text(out, member);
        out.push(':');
        push_item(out, item);
    }
    out.push('}');
}

fn push_table(out: &mut String, member: &str, table: &TableDescription, place: &Place) {
    let schema = &table.definition.key_schema;
    let attributes = || std::iter::once(&schema.partition).chain(&schema.sort);
    let list = |render: &dyn Fn(&KeyAttribute) -> String| {
        attributes().map(render).collect::<Vec<_>>().join(",")
    };
    let definitions = list(&|attribute| {
        let (name, kind) = (quoted(&attribute.name), attribute.kind.name());
        format!(r#"{{"AttributeName":{name},"AttributeType":"{kind}"}}"#)
    });
    let keys = list(&|attribute| {
        let role = if *attribute == schema.partition { "HASH" } else { "RANGE" };
        format!(r#"{{"AttributeName":{},"KeyType":"{role}"}}"#, quoted(&attribute.name))
    });
    let (read_units, write_units) = match table.definition.billing {
        BillingMode::PayPerRequest => (0, 0),
        BillingMode::Provisioned { read_units, write_units } => (read_units, write_units),
    };
    let name = &table.definition.name;
    let Place { region, account } = place;
    let arn = quoted(&format!("arn:aws:dynamodb:{region}:{account}:table/{name}"));
    let (seconds, milliseconds) = (table.created_unix_ms / 1_000, table.created_unix_ms % 1_000);
    let id = table.id;
    write!(
        out,
        r#"{{"{member}":{{"TableName":"{name}","TableStatus":"ACTIVE","TableId":"{id}","TableArn":{arn},"CreationDateTime":{seconds}.{milliseconds:03},"AttributeDefinitions":[{definitions}],"KeySchema":[{keys}],"ProvisionedThroughput":{{"NumberOfDecreasesToday":0,"ReadCapacityUnits":{read_units},"WriteCapacityUnits":{write_units}}}"#
    )
    .expect("a String takes every text");
    if table.definition.billing == BillingMode::PayPerRequest {
        write!(
            out,
            r#","BillingModeSummary":{{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":{seconds}.{milliseconds:03}}}"#
        )
        .expect("a String takes every text");
    }
    out.push_str("}}");
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_text(&mut out, text);
    out
}
