//! Tags of streams and of consumers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::FieldChecks;
use crate::error::KinesisError;
use crate::meta::StreamMeta;
use crate::ops::target::{ResourceTarget, StreamTarget};
use crate::store::Store;
use crate::stream::LiveStream;

type Tags = BTreeMap<String, String>;

/// "You can assign up to 50 tags to a stream", with keys of at most 128 and values of at most 256
/// characters. Source: Kinesis Developer Guide, "Tag restrictions".
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// Source: Kinesis API reference, `ListTagsForStream`.
const MAX_PAGE: i64 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamTagsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    /// To add.
    tags: Option<Tags>,
    /// To remove.
    tag_keys: Option<Vec<String>>,
    /// To list.
    exclusive_start_tag_key: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResourceTagsInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    tags: Option<Tags>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagOutput {
    key: String,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsOutput {
    tags: Vec<TagOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_more_tags: Option<bool>,
}

/// What is done to tags.
enum TagChange {
    Add(Tags),
    Remove(Vec<String>),
}

impl TagChange {
    fn apply(self, tags: &mut Tags) -> Result<(), KinesisError> {
        match self {
            Self::Add(added) => tags.extend(added),
            Self::Remove(keys) => tags.retain(|key, _| !keys.contains(key)),
        }
        if tags.len() > MAX_TAGS {
            return Err(KinesisError::invalid_argument(format!(
                "Failed to add tags: there would be {} tags, and at most {MAX_TAGS} are allowed.",
                tags.len()
            )));
        }
        Ok(())
    }
}

/// Adds the checks of tags that are to be added.
pub(crate) fn check(checks: &mut FieldChecks, tags: &Tags) {
    checks.count("tags", Some(tags.len()), 0, 200);
    for (key, value) in tags {
        checks.length("tags.key", Some(key), 1, MAX_KEY);
        checks.length("tags.value", Some(value), 0, MAX_VALUE);
    }
}

fn check_keys(checks: &mut FieldChecks, keys: &[String]) {
    checks.count("tagKeys", Some(keys.len()), 1, MAX_TAGS);
    for key in keys {
        checks.length("tagKeys.member", Some(key), 1, MAX_KEY);
    }
}

impl StreamTagsInput {
    fn target(&self) -> StreamTarget<'_> {
        StreamTarget::new(self.stream_name.as_ref(), self.stream_arn.as_ref())
    }
}

impl Store {
    pub(crate) async fn add_tags_to_stream(
        &self,
        input: StreamTagsInput,
    ) -> Result<(), KinesisError> {
        let mut checks = FieldChecks::default();
        input.target().check(&mut checks);
        checks.required("tags", input.tags.as_ref());
        check(&mut checks, input.tags.as_ref().unwrap_or(&Tags::new()));
        checks.finish()?;
        let stream = self.find(input.target())?;
        let added = TagChange::Add(input.tags.unwrap_or_default());
        self.change(&stream, |meta| added.apply(&mut meta.tags))
            .await
    }

    pub(crate) async fn remove_tags_from_stream(
        &self,
        input: StreamTagsInput,
    ) -> Result<(), KinesisError> {
        let mut checks = FieldChecks::default();
        input.target().check(&mut checks);
        checks.required("tagKeys", input.tag_keys.as_ref());
        if let Some(keys) = &input.tag_keys {
            check_keys(&mut checks, keys);
        }
        checks.finish()?;
        let stream = self.find(input.target())?;
        let removed = TagChange::Remove(input.tag_keys.unwrap_or_default());
        self.change(&stream, |meta| removed.apply(&mut meta.tags))
            .await
    }

    pub(crate) fn list_tags_for_stream(
        &self,
        input: &StreamTagsInput,
    ) -> Result<ListTagsOutput, KinesisError> {
        let mut checks = FieldChecks::default();
        input.target().check(&mut checks);
        checks.range("limit", input.limit, 1, MAX_PAGE);
        let start = input.exclusive_start_tag_key.as_ref();
        checks.length(
            "exclusiveStartTagKey",
            start.map(String::as_str),
            1,
            MAX_KEY,
        );
        checks.finish()?;
        let state = self.find(input.target())?.state();
        let limit = usize::try_from(input.limit.unwrap_or(MAX_PAGE)).unwrap_or_default();
        let all = state.meta.tags.iter();
        let mut tags = all.filter(|(key, _)| start.is_none_or(|start| *key > start));
        let listed = tags.by_ref().take(limit).map(TagOutput::of).collect();
        Ok(ListTagsOutput {
            tags: listed,
            has_more_tags: Some(tags.next().is_some()),
        })
    }

    pub(crate) async fn tag_resource(&self, input: ResourceTagsInput) -> Result<(), KinesisError> {
        let mut checks = FieldChecks::default();
        checks.required("tags", input.tags.as_ref());
        check(&mut checks, input.tags.as_ref().unwrap_or(&Tags::new()));
        let arn = check_arn(checks, input.resource_arn.as_ref())?;
        let added = TagChange::Add(input.tags.unwrap_or_default());
        self.change_tags(&arn, added).await
    }

    pub(crate) async fn untag_resource(
        &self,
        input: ResourceTagsInput,
    ) -> Result<(), KinesisError> {
        let mut checks = FieldChecks::default();
        checks.required("tagKeys", input.tag_keys.as_ref());
        if let Some(keys) = &input.tag_keys {
            check_keys(&mut checks, keys);
        }
        let arn = check_arn(checks, input.resource_arn.as_ref())?;
        let removed = TagChange::Remove(input.tag_keys.unwrap_or_default());
        self.change_tags(&arn, removed).await
    }

    pub(crate) fn list_tags_for_resource(
        &self,
        input: &ResourceTagsInput,
    ) -> Result<ListTagsOutput, KinesisError> {
        let arn = check_arn(FieldChecks::default(), input.resource_arn.as_ref())?;
        let (stream, consumer) = self.tagged(&arn)?;
        let mut meta = stream.state().meta.clone();
        let tags = tags_of(&mut meta, consumer.as_ref())?;
        Ok(ListTagsOutput {
            tags: tags.iter().map(TagOutput::of).collect(),
            has_more_tags: None,
        })
    }

    async fn change_tags(&self, arn: &str, change: TagChange) -> Result<(), KinesisError> {
        let (stream, consumer) = self.tagged(arn)?;
        self.change(&stream, |meta| {
            change.apply(tags_of(meta, consumer.as_ref())?)
        })
        .await
    }

    fn tagged(&self, arn: &str) -> Result<Tagged, KinesisError> {
        Ok(match self.find_resource(arn)? {
            ResourceTarget::Stream(stream) => (stream, None),
            ResourceTarget::Consumer {
                stream,
                name,
                created,
            } => (stream, Some((name, created))),
        })
    }
}

/// A stream, and the name and creation time of its consumer if that is meant.
type Tagged = (std::sync::Arc<LiveStream>, Option<(String, i64)>);

fn tags_of<'a>(
    meta: &'a mut StreamMeta,
    consumer: Option<&(String, i64)>,
) -> Result<&'a mut Tags, KinesisError> {
    let Some((name, created)) = consumer else {
        return Ok(&mut meta.tags);
    };
    let mut consumers = meta.consumers.iter_mut();
    let found = consumers
        .find(|consumer| consumer.name == *name && consumer.created.div_euclid(1000) == *created);
    let missing = || KinesisError::not_found(format!("Consumer {name} not found."));
    Ok(&mut found.ok_or_else(missing)?.tags)
}

fn check_arn(mut checks: FieldChecks, arn: Option<&String>) -> Result<String, KinesisError> {
    checks.required("resourceARN", arn);
    let is_arn = |arn: &str| arn.starts_with("arn:aws") && arn.contains(":kinesis:");
    checks.pattern(
        "resourceARN",
        arn.map(String::as_str),
        r"arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+",
        is_arn,
    );
    checks.finish()?;
    Ok(arn.cloned().unwrap_or_default())
}

impl TagOutput {
    fn of((key, value): (&String, &String)) -> Self {
        Self {
            key: key.clone(),
            value: value.clone(),
        }
    }
}
