//! What a template describes, as far as a local cloud runs it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The resources of a template, with every name, reference and setting resolved.
///
/// Resources whose condition is false are in no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackModel {
    /// The region of all ARNs.
    pub region: String,
    /// The account of all ARNs.
    pub account: String,
    /// Kinesis streams: those that the template creates, and those that it only reads.
    pub streams: Vec<StreamResource>,
    /// DynamoDB tables.
    pub tables: Vec<TableResource>,
    /// Firehose streams.
    pub delivery_streams: Vec<DeliveryResource>,
    /// Lambda functions.
    pub functions: Vec<FunctionResource>,
    /// Event source mappings on Kinesis streams.
    pub mappings: Vec<MappingResource>,
    /// Functions that are invoked at a fixed rate.
    pub schedules: Vec<ScheduleResource>,
    /// SQS queues.
    pub queues: Vec<NamedResource>,
    /// SNS topics.
    pub topics: Vec<NamedResource>,
    /// S3 buckets.
    pub buckets: Vec<NamedResource>,
    /// What a local cloud has no use for, such as roles and alarms.
    pub left_out: Vec<LeftOut>,
    /// What one would expect to run, and what does not.
    pub problems: Vec<TemplateProblem>,
}

impl StackModel {
    /// The types of what is left out in one line, the most frequent first, such as
    /// `AWS::CloudWatch::Alarm (2), AWS::IAM::Role`. `None` if nothing is left out.
    #[must_use]
    pub fn left_out_line(&self) -> Option<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for left_out in &self.left_out {
            *counts.entry(&left_out.resource_type).or_default() += 1;
        }
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let types = counts.into_iter().map(|(name, count)| match count {
            1 => name.to_owned(),
            _ => format!("{name} ({count})"),
        });
        let types: Vec<String> = types.collect();
        (!types.is_empty()).then(|| types.join(", "))
    }

    /// The function with this logical id.
    #[must_use]
    pub fn function(&self, logical_id: &str) -> Option<&FunctionResource> {
        let mut functions = self.functions.iter();
        functions.find(|function| function.logical_id == logical_id)
    }
}

/// A resource of which only the name counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its own name.
    pub name: String,
    /// The line of its logical id.
    pub line: usize,
}

/// A Kinesis stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamResource {
    /// Its name in the template; `None` if the template only reads it.
    pub logical_id: Option<String>,
    /// Its own name.
    pub name: String,
    /// How many shards it starts with (`ShardCount`), if the template says so.
    pub shards: Option<u32>,
    /// Whether it scales with its load (`StreamMode: ON_DEMAND`).
    pub is_on_demand: bool,
    /// How long it keeps a record, in hours (`RetentionPeriodHours`).
    pub retention_hours: u32,
    /// The line where it is defined, or read.
    pub line: usize,
}

/// A DynamoDB table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its own name.
    pub name: String,
    /// The partition key, and the sort key if there is one.
    pub key: Vec<TableAttribute>,
    /// The attribute with the time at which an item expires, if items expire.
    pub expiry: Option<String>,
    /// Its secondary indexes.
    pub indexes: Vec<TableIndex>,
    /// The line of its logical id.
    pub line: usize,
}

/// An attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableAttribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: AttributeKind,
}

/// The type of an attribute of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// `S`
    Text,
    /// `N`
    Number,
    /// `B`
    Binary,
}

/// A secondary index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableIndex {
    /// Its name.
    pub name: String,
    /// The partition key, and the sort key if there is one.
    pub key: Vec<TableAttribute>,
    /// Whether it is a local index, which has the table's partition key.
    pub is_local: bool,
    /// Which attributes it has.
    pub projection: IndexProjection,
}

/// The attributes that an index has besides the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexProjection {
    /// All of the table.
    All,
    /// None.
    KeysOnly,
    /// These.
    Include(Vec<String>),
}

/// A Firehose stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its own name.
    pub name: String,
    /// The Kinesis stream that it reads; `None` if records are put into it.
    pub source_stream: Option<String>,
    /// The bucket that it writes to; `None` if it has another destination.
    pub bucket: Option<String>,
    /// What the names of objects begin with (`Prefix`).
    pub prefix: Option<String>,
    /// The same for records that could not be delivered (`ErrorOutputPrefix`).
    pub error_prefix: Option<String>,
    /// How long an object is open, in seconds (`IntervalInSeconds`).
    pub buffering_seconds: u32,
    /// How large an object may be before it is compressed, in MiB (`SizeInMBs`).
    pub buffering_mib: u32,
    /// How objects are compressed, such as `GZIP` or `UNCOMPRESSED` (`CompressionFormat`).
    pub compression: String,
    /// What follows each record (the processor `AppendDelimiterToRecord`).
    pub delimiter: Option<String>,
    /// The line of its logical id.
    pub line: usize,
}

/// A Lambda function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its own name.
    pub name: String,
    /// What the runtime calls, such as `app.handler`.
    pub handler: Option<String>,
    /// Such as `python3.13` or `provided.al2023`.
    pub runtime: Option<String>,
    /// Where its code is.
    pub code: FunctionCode,
    /// The folders of its layers, relative to the template. On AWS, their files are in `/opt`.
    pub layers: Vec<String>,
    /// How it is built (`Metadata` with `BuildMethod`), if the template says so.
    pub build: Option<FunctionBuild>,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Its memory, in MB.
    pub memory_mb: u32,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// The line of its logical id.
    pub line: usize,
}

/// Where the code of a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FunctionCode {
    /// A folder or an archive, relative to the template.
    Path(String),
    /// Source text in the template.
    Inline(String),
    /// An object in a bucket.
    Object {
        /// The bucket.
        bucket: String,
        /// The object.
        key: String,
    },
    /// A container image.
    Image,
    /// The template does not say.
    Missing,
}

/// How `sam build` builds a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionBuild {
    /// Such as `rust-cargolambda` or `makefile`.
    pub method: String,
    /// The binary to build (`BuildProperties` with `Binary`), if the template names one.
    pub binary: Option<String>,
}

/// An event source mapping on a Kinesis stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MappingResource {
    /// Its name in the template. SAM names that of an event after the function and the event.
    pub logical_id: String,
    /// The logical id of the function.
    pub function: String,
    /// The name of the stream.
    pub stream: String,
    /// Whether it polls the stream (`Enabled`).
    pub is_enabled: bool,
    /// The most records in a batch (`BatchSize`).
    pub batch_size: u32,
    /// How long to wait for a full batch (`MaximumBatchingWindowInSeconds`).
    pub batching_window: Duration,
    /// The length of a tumbling window, if there is one (`TumblingWindowInSeconds`).
    pub tumbling_window: Option<Duration>,
    /// Where it starts to read (`StartingPosition`).
    pub start: MappingStart,
    /// How often a failed batch is retried; `None` for no limit (`MaximumRetryAttempts`).
    pub retry_attempts: Option<u32>,
    /// How old a record may be; `None` for any age (`MaximumRecordAgeInSeconds`).
    pub record_age: Option<Duration>,
    /// Whether a failed batch is split before it is retried (`BisectBatchOnFunctionError`).
    pub bisect_on_error: bool,
    /// Whether the function reports which records failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// Where failed batches go (`DestinationConfig` with `OnFailure`), if anywhere.
    pub on_failure: Option<FailureDestination>,
    /// The patterns of which a record must match one (`FilterCriteria`); none for all records.
    pub filters: Vec<String>,
    /// How many batches of a shard are processed at a time (`ParallelizationFactor`).
    pub parallelization_factor: u32,
    /// The line where it is defined.
    pub line: usize,
}

/// Where a mapping starts to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingStart {
    /// With the oldest record.
    TrimHorizon,
    /// With the next record.
    Latest,
    /// With the first record that arrived at this time or later, in milliseconds since the epoch.
    AtTimestamp(i64),
}

/// Where a mapping's failed batches go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureDestination {
    /// The S3 bucket of this name.
    Bucket(String),
    /// The SQS queue of this name.
    Queue(String),
    /// The SNS topic of this name.
    Topic(String),
}

/// A function that is invoked at a fixed rate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleResource {
    /// Its name in the template. SAM names that of an event after the function and the event.
    pub logical_id: String,
    /// The logical id of the function.
    pub function: String,
    /// The time between invocations.
    pub period: Duration,
    /// The event's text, if the template sets it (`Input`).
    pub input: Option<String>,
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// The line where it is defined.
    pub line: usize,
}

/// A resource that a local cloud has no use for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Such as `AWS::IAM::Role`.
    pub resource_type: String,
    /// Its name in the template.
    pub logical_id: String,
    /// The line of its logical id.
    pub line: usize,
}

/// A part of a template that does not run, although one would expect it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateProblem {
    /// The line.
    pub line: usize,
    /// What does not run, and why.
    pub message: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}
