//! Streams and tables.

use super::ModelBuilder;
use crate::error::TemplateError;
use crate::model::{
    AttributeKind, IndexProjection, StreamResource, TableAttribute, TableIndex, TableResource,
};
use crate::node::NodeEntry;
use crate::properties::Properties;

/// How long a stream keeps records unless the template says otherwise, in hours.
const RETENTION_HOURS: u32 = 24;

impl ModelBuilder<'_, '_> {
    pub(super) fn add_stream(&mut self, resource: &NodeEntry) -> Result<(), TemplateError> {
        let properties = self.properties(resource)?;
        let mode = properties.section("StreamModeDetails")?;
        let is_on_demand = match mode.text("StreamMode")?.as_deref() {
            None | Some("PROVISIONED") => false,
            Some("ON_DEMAND") => true,
            Some(_) => return Err(mode.error("StreamMode", "must be ON_DEMAND or PROVISIONED")),
        };
        let retention = properties.unsigned("RetentionPeriodHours", 24..=8760)?;
        let stream = StreamResource {
            logical_id: Some(resource.key.clone()),
            name: self.name(resource)?,
            shards: properties.unsigned("ShardCount", 1..=100_000)?,
            is_on_demand,
            retention_hours: retention.unwrap_or(RETENTION_HOURS),
            line: resource.line,
        };
        let streams = &mut self.model.streams;
        // A stream that is only read may have been found before.
        streams.retain(|other| other.logical_id.is_some() || other.name != stream.name);
        streams.push(stream);
        Ok(())
    }

    /// Adds a stream that the template reads, unless it is known.
    pub(super) fn read_stream(&mut self, name: &str, line: usize) {
        if !self.model.streams.iter().any(|stream| stream.name == name) {
            self.model.streams.push(StreamResource {
                logical_id: None,
                name: name.to_owned(),
                shards: None,
                is_on_demand: false,
                retention_hours: RETENTION_HOURS,
                line,
            });
        }
    }

    pub(super) fn add_table(&mut self, resource: &NodeEntry) -> Result<(), TemplateError> {
        let properties = self.properties(resource)?;
        let attributes = attributes(&properties)?;
        let key = key(&properties, &attributes)?;
        let mut indexes = Vec::new();
        for (list, is_local) in [
            ("GlobalSecondaryIndexes", false),
            ("LocalSecondaryIndexes", true),
        ] {
            for index in properties.sections(list)? {
                indexes.push(TableIndex {
                    name: index.required("IndexName")?,
                    key: self::key(&index, &attributes)?,
                    is_local,
                    projection: projection(&index.section("Projection")?)?,
                });
            }
        }
        let expiry = properties.section("TimeToLiveSpecification")?;
        let expiry = match expiry.flag("Enabled")? {
            Some(true) => Some(expiry.required("AttributeName")?),
            _ => None,
        };
        let table = TableResource {
            logical_id: resource.key.clone(),
            name: self.name(resource)?,
            key,
            expiry,
            indexes,
            line: resource.line,
        };
        self.model.tables.push(table);
        Ok(())
    }

    pub(super) fn add_simple_table(&mut self, resource: &NodeEntry) -> Result<(), TemplateError> {
        let properties = self.properties(resource)?;
        let key = properties.section("PrimaryKey")?;
        let kind = match key.text("Type")?.as_deref() {
            None | Some("String") => AttributeKind::Text,
            Some("Number") => AttributeKind::Number,
            Some("Binary") => AttributeKind::Binary,
            Some(_) => return Err(key.error("Type", "must be String, Number or Binary")),
        };
        let name = key.text("Name")?.unwrap_or_else(|| "id".to_owned());
        let table = TableResource {
            logical_id: resource.key.clone(),
            name: self.name(resource)?,
            key: vec![TableAttribute { name, kind }],
            expiry: None,
            indexes: Vec::new(),
            line: resource.line,
        };
        self.model.tables.push(table);
        Ok(())
    }
}

fn attributes(properties: &Properties<'_, '_>) -> Result<Vec<TableAttribute>, TemplateError> {
    let definitions = properties.sections("AttributeDefinitions")?;
    let attributes = definitions.into_iter().map(|definition| {
        let name = definition.required("AttributeName")?;
        let kind = match definition.required("AttributeType")?.as_str() {
            "S" => AttributeKind::Text,
            "N" => AttributeKind::Number,
            "B" => AttributeKind::Binary,
            _ => return Err(definition.error("AttributeType", "must be S, N or B")),
        };
        Ok(TableAttribute { name, kind })
    });
    attributes.collect()
}

/// The key of a table or an index, partition key first.
fn key(
    properties: &Properties<'_, '_>,
    attributes: &[TableAttribute],
) -> Result<Vec<TableAttribute>, TemplateError> {
    let mut partition = None;
    let mut sort = None;
    for element in properties.sections("KeySchema")? {
        let name = element.required("AttributeName")?;
        let mut defined = attributes.iter().filter(|attribute| attribute.name == name);
        let Some(attribute) = defined.next() else {
            let message = format!("is {name}, which AttributeDefinitions does not define");
            return Err(element.error("AttributeName", &message));
        };
        match element.required("KeyType")?.as_str() {
            "HASH" => partition = Some(attribute.clone()),
            "RANGE" => sort = Some(attribute.clone()),
            _ => return Err(element.error("KeyType", "must be HASH or RANGE")),
        }
    }
    let Some(partition) = partition else {
        return Err(properties.error("KeySchema", "has no attribute of the type HASH"));
    };
    Ok([Some(partition), sort].into_iter().flatten().collect())
}

fn projection(properties: &Properties<'_, '_>) -> Result<IndexProjection, TemplateError> {
    match properties.text("ProjectionType")?.as_deref() {
        Some("ALL") => Ok(IndexProjection::All),
        None | Some("KEYS_ONLY") => Ok(IndexProjection::KeysOnly),
        Some("INCLUDE") => Ok(IndexProjection::Include(
            properties.texts("NonKeyAttributes")?,
        )),
        Some(_) => Err(properties.error("ProjectionType", "must be ALL, KEYS_ONLY or INCLUDE")),
    }
}
