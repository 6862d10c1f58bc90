//! The calls for tags.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CallError, invalid, parse};
use crate::firehose::{DeliveryTags, Firehose};

/// The largest page of tags, and the default. Source: Firehose API reference,
/// `ListTagsForDeliveryStream`.
const MAX_PAGE: usize = 50;

/// A tag as it is sent.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagInput {
    key: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagCall {
    delivery_stream_name: String,
    tags: Vec<TagInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagCall {
    delivery_stream_name: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListCall {
    delivery_stream_name: String,
    exclusive_start_tag_key: Option<String>,
    limit: Option<usize>,
}

/// The tags of a call. A key can be among them once.
pub(super) fn tags_of(tags: Vec<TagInput>) -> Result<DeliveryTags, CallError> {
    let mut found = DeliveryTags::new();
    for TagInput { key, value } in tags {
        if found.contains_key(&key) {
            return Err(invalid(format!("the tag {key:?} is there twice")));
        }
        found.insert(key, value);
    }
    Ok(found)
}

pub(super) async fn tag(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: TagCall = parse(body)?;
    if input.tags.is_empty() {
        return Err(invalid("Tags must have at least one tag"));
    }
    let tags = tags_of(input.tags)?;
    firehose.tag(&input.delivery_stream_name, tags).await?;
    Ok(json!({}))
}

pub(super) async fn untag(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: UntagCall = parse(body)?;
    if input.tag_keys.is_empty() {
        return Err(invalid("TagKeys must have at least one key"));
    }
    let name = &input.delivery_stream_name;
    firehose.untag(name, input.tag_keys).await?;
    Ok(json!({}))
}

/// A page of tags, in the order of their keys.
pub(super) fn list(firehose: &Firehose, body: &[u8]) -> Result<Value, CallError> {
    let input: ListCall = parse(body)?;
    let limit = input.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(invalid(format!("Limit must be 1 to {MAX_PAGE}")));
    }
    let settings = firehose.describe(&input.delivery_stream_name)?.settings;
    let after = input.exclusive_start_tag_key;
    let rest = settings.tags.iter();
    let rest = rest.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
    let mut page: Vec<Value> = rest
        .map(|(key, value)| match value {
            Some(value) => json!({ "Key": key, "Value": value }),
            None => json!({ "Key": key }),
        })
        .collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    Ok(json!({ "Tags": page, "HasMoreTags": has_more }))
}
