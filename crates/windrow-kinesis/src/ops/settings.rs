//! Retention, mode, record size, encryption and monitoring of streams, and the limits of the
//! account.

use serde::{Deserialize, Serialize};

use crate::check::FieldChecks;
use crate::error::KinesisError;
use crate::ops::streams::{RECORD_KIB, StreamModeDetails};
use crate::ops::target::{StreamTarget, check_active};
use crate::store::Store;

/// "Minimum value of 24, maximum of 8760." Source: Kinesis Developer Guide, "Changing the data
/// retention period".
const RETENTION_HOURS: (i64, i64) = (24, 8760);

/// Source: Kinesis API reference, `DescribeLimits`: "the maximum number of on-demand streams".
const ON_DEMAND_LIMIT: usize = 50;

/// Source: Kinesis API reference, `EnableEnhancedMonitoring`.
const METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
];
const ALL_METRICS: &str = "ALL";

/// The fields of all operations here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamSettingsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    retention_period_hours: Option<i64>,
    stream_mode_details: Option<StreamModeDetails>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
    encryption_type: Option<String>,
    key_id: Option<String>,
    shard_level_metrics: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnhancedMonitoringOutput {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    current_shard_level_metrics: Vec<String>,
    desired_shard_level_metrics: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeLimitsOutput {
    shard_limit: u32,
    open_shard_count: usize,
    on_demand_stream_count: usize,
    on_demand_stream_count_limit: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeAccountSettingsOutput {
    minimum_throughput_billing_commitment: BillingCommitment,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BillingCommitment {
    status: &'static str,
}

impl StreamSettingsInput {
    fn target(&self) -> StreamTarget<'_> {
        StreamTarget::new(self.stream_name.as_ref(), self.stream_arn.as_ref())
    }

    fn checks(&self) -> FieldChecks {
        let mut checks = FieldChecks::default();
        self.target().check(&mut checks);
        checks
    }
}

impl Store {
    /// IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.
    pub(crate) async fn change_retention(
        &self,
        input: StreamSettingsInput,
        increase: bool,
    ) -> Result<(), KinesisError> {
        let mut checks = input.checks();
        let hours = input.retention_period_hours;
        checks.required("retentionPeriodHours", hours.as_ref());
        checks.finish()?;
        let hours = hours.unwrap_or_default();
        let (min, max) = RETENTION_HOURS;
        if !(min..=max).contains(&hours) {
            return Err(KinesisError::invalid_argument(format!(
                "RetentionPeriodHours must be from {min} to {max}, but is {hours}."
            )));
        }
        let stream = self.find(input.target())?;
        let state = stream.state();
        check_active(&state)?;
        self.change(&stream, |meta| {
            let current = i64::from(meta.retention_hours);
            // The messages of Kinesis.
            if increase && hours < current {
                return Err(KinesisError::invalid_argument(format!(
                    "Requested retention period ({hours} hours) for stream {} can not be shorter than existing retention period ({current} hours). Use DecreaseRetentionPeriod API.",
                    meta.name
                )));
            }
            if !increase && hours > current {
                return Err(KinesisError::invalid_argument(format!(
                    "Requested retention period ({hours} hours) for stream {} can not be longer than existing retention period ({current} hours). Use IncreaseRetentionPeriod API.",
                    meta.name
                )));
            }
            meta.retention_hours = u32::try_from(hours).unwrap_or_default();
            Ok(())
        })
        .await
    }

    pub(crate) async fn update_stream_mode(
        &self,
        input: StreamSettingsInput,
    ) -> Result<(), KinesisError> {
        let mut checks = input.checks();
        checks.required("streamModeDetails", input.stream_mode_details.as_ref());
        let mode = input.stream_mode_details.clone().unwrap_or_default();
        mode.check(&mut checks);
        checks.finish()?;
        let stream = self.find(input.target())?;
        check_active(&stream.state())?;
        self.change(&stream, |meta| {
            meta.on_demand = mode.is_on_demand();
            Ok(())
        })
        .await
    }

    pub(crate) async fn update_max_record_size(
        &self,
        input: StreamSettingsInput,
    ) -> Result<(), KinesisError> {
        let mut checks = input.checks();
        let kib = input.max_record_size_in_kib;
        checks.required("maxRecordSizeInKiB", kib.as_ref());
        checks.range("maxRecordSizeInKiB", kib, RECORD_KIB.0, RECORD_KIB.1);
        checks.finish()?;
        let stream = self.find(input.target())?;
        check_active(&stream.state())?;
        self.change(&stream, |meta| {
            meta.max_record_kib = u32::try_from(kib.unwrap_or(RECORD_KIB.0)).unwrap_or_default();
            Ok(())
        })
        .await
    }

    /// StartStreamEncryption and StopStreamEncryption. Records are marked as encrypted, no more.
    pub(crate) async fn change_encryption(
        &self,
        input: StreamSettingsInput,
        start: bool,
    ) -> Result<(), KinesisError> {
        let mut checks = input.checks();
        checks.required("encryptionType", input.encryption_type.as_ref());
        checks.one_of("encryptionType", input.encryption_type.as_deref(), &["KMS"]);
        checks.required("keyId", input.key_id.as_ref());
        checks.length("keyId", input.key_id.as_deref(), 1, 2048);
        checks.finish()?;
        let stream = self.find(input.target())?;
        check_active(&stream.state())?;
        let key = input.key_id.filter(|_| start);
        self.change(&stream, |meta| {
            meta.encryption_key = key;
            Ok(())
        })
        .await
    }

    /// EnableEnhancedMonitoring and DisableEnhancedMonitoring. Nothing is measured.
    pub(crate) async fn change_monitoring(
        &self,
        input: StreamSettingsInput,
        enable: bool,
    ) -> Result<EnhancedMonitoringOutput, KinesisError> {
        let mut checks = input.checks();
        checks.required("shardLevelMetrics", input.shard_level_metrics.as_ref());
        let metrics = input.shard_level_metrics.clone().unwrap_or_default();
        checks.count("shardLevelMetrics", Some(metrics.len()), 1, METRICS.len());
        for metric in &metrics {
            let allowed: Vec<_> = METRICS.iter().copied().chain([ALL_METRICS]).collect();
            checks.one_of("shardLevelMetrics", Some(metric), &allowed);
        }
        checks.finish()?;
        let stream = self.find(input.target())?;
        let all = metrics.iter().any(|metric| metric == ALL_METRICS);
        let named = |metric: &str| all || metrics.iter().any(|other| other == metric);
        let mut before = Vec::new();
        self.change(&stream, |meta| {
            before.clone_from(&meta.metrics);
            let desired = METRICS.iter().filter(|metric| {
                let is_on = before.iter().any(|other| other == *metric);
                if enable {
                    is_on || named(metric)
                } else {
                    is_on && !named(metric)
                }
            });
            meta.metrics = desired.map(|metric| (*metric).to_owned()).collect();
            Ok(())
        })
        .await?;
        let meta = &stream.state().meta;
        Ok(EnhancedMonitoringOutput {
            stream_name: meta.name.clone(),
            stream_arn: self.arn(&meta.name),
            current_shard_level_metrics: before,
            desired_shard_level_metrics: meta.metrics.clone(),
        })
    }

    pub(crate) fn describe_limits(&self) -> DescribeLimitsOutput {
        let streams = self.streams();
        let on_demand = streams
            .iter()
            .filter(|stream| stream.state().meta.on_demand);
        DescribeLimitsOutput {
            shard_limit: self.options.shard_limit,
            open_shard_count: self.open_shards(),
            on_demand_stream_count: on_demand.count(),
            on_demand_stream_count_limit: ON_DEMAND_LIMIT,
        }
    }
}

/// DescribeAccountSettings: nothing can be set here.
pub(crate) fn account_settings() -> DescribeAccountSettingsOutput {
    DescribeAccountSettingsOutput {
        minimum_throughput_billing_commitment: BillingCommitment { status: "DISABLED" },
    }
}
