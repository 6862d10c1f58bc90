//! RegisterStreamConsumer, DeregisterStreamConsumer, DescribeStreamConsumer and ListStreamConsumers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::check::{FieldChecks, NAME_PATTERN, is_name};
use crate::error::KinesisError;
use crate::meta::ConsumerMeta;
use crate::ops::tags;
use crate::ops::target::{ResourceTarget, StreamTarget, check_consumer_arn};
use crate::store::Store;
use crate::stream::{LiveStream, StreamState};
use crate::wire::WireTime;

/// "You can register up to 20 consumers per stream." Source: Kinesis API reference,
/// `RegisterStreamConsumer`.
const MAX_CONSUMERS: usize = 20;

/// Source: Kinesis API reference, `ListStreamConsumers`.
const PAGE: i64 = 100;
const MAX_RESULTS: i64 = 10_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamConsumerInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    consumer_name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListStreamConsumersInput {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<WireTime>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConsumerOutput {
    consumer_name: String,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    consumer_status: &'static str,
    consumer_creation_timestamp: WireTime,
    /// Only in a description.
    #[serde(rename = "StreamARN", skip_serializing_if = "Option::is_none")]
    stream_arn: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RegisterStreamConsumerOutput {
    consumer: ConsumerOutput,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStreamConsumerOutput {
    consumer_description: ConsumerOutput,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListStreamConsumersOutput {
    consumers: Vec<ConsumerOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// What the token of a page holds.
#[derive(Debug, Serialize, Deserialize)]
struct ConsumersPage {
    stream: u64,
    after_consumer: String,
}

impl Store {
    pub(crate) async fn register_stream_consumer(
        &self,
        input: StreamConsumerInput,
    ) -> Result<RegisterStreamConsumerOutput, KinesisError> {
        let target = StreamTarget::new(None, input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        checks.required("streamARN", input.stream_arn.as_ref());
        target.check(&mut checks);
        checks.required("consumerName", input.consumer_name.as_ref());
        check_name(&mut checks, input.consumer_name.as_deref());
        let tags = input.tags.unwrap_or_default();
        tags::check(&mut checks, &tags);
        checks.finish()?;

        let (stream, state) = self.find_ready(target)?;
        let consumer = ConsumerMeta {
            name: input.consumer_name.unwrap_or_default(),
            created: self.now(),
            tags,
        };
        let output = self.consumer_output(&state, &consumer, "CREATING");
        self.change(&stream, |meta| {
            let name = &consumer.name;
            if meta.consumers.iter().any(|other| other.name == *name) {
                // The message of Kinesis.
                return Err(KinesisError::in_use(format!(
                    "Consumer {name} under stream {} already exists for account {}.",
                    meta.name, self.options.account
                )));
            }
            if meta.consumers.len() >= MAX_CONSUMERS {
                return Err(KinesisError::limit(format!(
                    "Stream {} has {MAX_CONSUMERS} consumers, and can have no more.",
                    meta.name
                )));
            }
            meta.consumers.push(consumer);
            meta.consumers
                .sort_by(|one, other| one.name.cmp(&other.name));
            Ok(())
        })
        .await?;
        Ok(RegisterStreamConsumerOutput { consumer: output })
    }

    pub(crate) async fn deregister_stream_consumer(
        &self,
        input: StreamConsumerInput,
    ) -> Result<(), KinesisError> {
        let (stream, consumer) = self.find_consumer(&input)?;
        self.change(&stream, |meta| {
            meta.consumers.retain(|other| other.name != consumer.name);
            Ok(())
        })
        .await
    }

    pub(crate) fn describe_stream_consumer(
        &self,
        input: &StreamConsumerInput,
    ) -> Result<DescribeStreamConsumerOutput, KinesisError> {
        let (stream, consumer) = self.find_consumer(input)?;
        let state = stream.state();
        let mut description = self.consumer_output(&state, &consumer, "ACTIVE");
        description.stream_arn = Some(self.arn(&state.meta.name));
        Ok(DescribeStreamConsumerOutput {
            consumer_description: description,
        })
    }

    pub(crate) fn list_stream_consumers(
        &self,
        input: &ListStreamConsumersInput,
    ) -> Result<ListStreamConsumersOutput, KinesisError> {
        let target = StreamTarget::new(None, input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        checks.required("streamARN", input.stream_arn.as_ref());
        target.check(&mut checks);
        checks.length("nextToken", input.next_token.as_deref(), 1, 1_048_576);
        checks.range("maxResults", input.max_results, 1, MAX_RESULTS);
        checks.finish()?;

        let stream = self.find(target)?;
        let state = stream.state();
        if let Some(WireTime(created)) = input.stream_creation_timestamp
            && created.div_euclid(1000) != state.meta.created.div_euclid(1000)
        {
            return Err(self.no_stream(&state.meta.name));
        }
        let after = match &input.next_token {
            Some(token) => {
                let page: ConsumersPage = self.parse_page(token)?;
                if page.stream != stream.number {
                    return Err(KinesisError::invalid_argument("NextToken is invalid."));
                }
                Some(page.after_consumer)
            }
            None => None,
        };
        let limit = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or_default();
        let mut consumers = state.meta.consumers.iter().filter(|consumer| {
            let after = after.as_ref();
            after.is_none_or(|after| consumer.name > *after)
        });
        let listed: Vec<_> = consumers.by_ref().take(limit).collect();
        let next_token = match (consumers.next(), listed.last()) {
            (Some(_), Some(last)) => Some(self.page_token(&ConsumersPage {
                stream: stream.number,
                after_consumer: last.name.clone(),
            })),
            _ => None,
        };
        Ok(ListStreamConsumersOutput {
            consumers: listed
                .into_iter()
                .map(|consumer| self.consumer_output(&state, consumer, "ACTIVE"))
                .collect(),
            next_token,
        })
    }

    /// The consumer of a request, by its ARN or by its name and its stream's ARN.
    fn find_consumer(
        &self,
        input: &StreamConsumerInput,
    ) -> Result<(Arc<LiveStream>, ConsumerMeta), KinesisError> {
        let target = StreamTarget::new(None, input.stream_arn.as_ref());
        let mut checks = FieldChecks::default();
        target.check(&mut checks);
        check_name(&mut checks, input.consumer_name.as_deref());
        check_consumer_arn(&mut checks, input.consumer_arn.as_deref());
        checks.finish()?;
        if let Some(arn) = &input.consumer_arn {
            return self.consumer_by_arn(arn);
        }
        let (Some(_), Some(name)) = (&input.stream_arn, &input.consumer_name) else {
            return Err(KinesisError::invalid_argument(
                "Either ConsumerARN, or StreamARN and ConsumerName, must be specified.",
            ));
        };
        let stream = self.find(target)?;
        let state = stream.state();
        let found = state
            .meta
            .consumers
            .iter()
            .find(|consumer| consumer.name == *name);
        let consumer = found.cloned().ok_or_else(|| self.no_consumer(name))?;
        Ok((stream, consumer))
    }

    /// The consumer with an ARN, which must have been checked.
    ///
    /// # Errors
    ///
    /// ResourceNotFoundException.
    pub(crate) fn consumer_by_arn(
        &self,
        arn: &str,
    ) -> Result<(Arc<LiveStream>, ConsumerMeta), KinesisError> {
        let ResourceTarget::Consumer {
            stream,
            name,
            created,
        } = self.find_resource(arn)?
        else {
            return Err(self.no_consumer(arn));
        };
        let state = stream.state();
        let found =
            state.meta.consumers.iter().find(|consumer| {
                consumer.name == name && consumer.created.div_euclid(1000) == created
            });
        let consumer = found.cloned().ok_or_else(|| self.no_consumer(&name))?;
        Ok((stream, consumer))
    }

    fn no_consumer(&self, name: &str) -> KinesisError {
        let account = &self.options.account;
        KinesisError::not_found(format!(
            "Consumer {name} under account {account} not found."
        ))
    }

    fn consumer_output(
        &self,
        state: &StreamState,
        consumer: &ConsumerMeta,
        status: &'static str,
    ) -> ConsumerOutput {
        let stream = self.arn(&state.meta.name);
        let created = consumer.created.div_euclid(1000);
        ConsumerOutput {
            consumer_arn: format!("{stream}/consumer/{}:{created}", consumer.name),
            consumer_name: consumer.name.clone(),
            consumer_status: status,
            consumer_creation_timestamp: WireTime(consumer.created),
            stream_arn: None,
        }
    }
}

fn check_name(checks: &mut FieldChecks, name: Option<&str>) {
    checks.length("consumerName", name, 1, 128);
    checks.pattern("consumerName", name, NAME_PATTERN, is_name);
}
