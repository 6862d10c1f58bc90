//! AWS list prices in us-east-1, in US dollars, without free tier and tax.
//!
//! AWS's price pages fill in their numbers by script, so a stored copy rarely contains them. Each
//! price therefore states its source:
//!
//! * "seen": the named page showed this number on the given date, for us-east-1 unless another
//!   Region is given. For infracost, a public repository with prices in the expected output of its
//!   tests, the date is that of the file's last change.
//! * "from memory": no dated page that shows it was available. Check it before you rely on it.
//!
//! All of them were compiled in November 2026. The live pages are linked from `docs/costs.md`.

/// Bytes in a GB as AWS bills it.
pub const GB: f64 = 1_073_741_824.0;
/// Bytes in a KB as AWS bills it.
pub const KB: u64 = 1_024;

/// A price that falls with the amount, as pairs: up to this amount, this price per unit.
pub type Tiers = [(f64, f64)];

// Kinesis Data Streams, aws.amazon.com/kinesis/data-streams/pricing. The first three numbers and
// the price of a shard hour: seen 2023-09-21 in Trek10, "Amazon Kinesis Data Streams On-demand vs.
// Provisioned Billing Mode Cost Comparison", which also says how records are rounded. The two for
// on-demand data: seen again 2024-07-01 in infracost, `kinesis_stream_test.golden`.

/// An hour of a stream on demand.
pub const STREAM_HOUR: f64 = 0.04;
/// A GB written on demand. Each record is rounded up to a KB.
pub const ON_DEMAND_IN: f64 = 0.08;
/// A GB read on demand by one reader, not rounded.
pub const ON_DEMAND_OUT: f64 = 0.04;
/// A GB read on demand by a reader with dedicated reads (enhanced fan-out). Seen 2024-07-01 in
/// infracost, `kinesis_stream_test.golden`.
pub const ON_DEMAND_DEDICATED_OUT: f64 = 0.05;
/// An hour of a provisioned shard. Seen again 2026-07-22 in terrapod's pull request 1004.
pub const SHARD_HOUR: f64 = 0.015;
/// A PUT payload unit of a provisioned stream: up to 25 KB of one record. Reading is free. Seen
/// 2023-09-21, as above.
pub const PUT_UNIT: f64 = 0.014 / 1e6;
/// An hour of a provisioned shard for a reader with dedicated reads. Seen 2023-08-01 in komiser's
/// pull request 1137, and 2024-07-01 in infracost, as above.
pub const DEDICATED_SHARD_HOUR: f64 = 0.015;
/// A GB that such a reader reads from a provisioned stream. Seen 2024-07-01 in infracost, as above.
pub const DEDICATED_OUT: f64 = 0.013;

// Lambda, aws.amazon.com/lambda/pricing. Seen 2024-07-01 in infracost,
// `lambda_function_test.golden`.

/// An invocation.
pub const INVOCATION: f64 = 0.20 / 1e6;
/// A GB-second on arm64, by GB-seconds per month. The last tier: seen there only as a total.
pub const GB_SECOND: &Tiers = &[
    (7.5e9, 0.000_013_333_4),
    (18.75e9, 0.000_012_000_1),
    (f64::INFINITY, 0.000_010_666_7),
];

// DynamoDB, aws.amazon.com/dynamodb/pricing/on-demand.

/// A write of up to 1 KB on demand. Seen 2025-07-21 in Airbyte, "Amazon DynamoDB Pricing". AWS
/// halved it on 2024-11-01.
pub const WRITE_UNIT: f64 = 0.625 / 1e6;
/// A consistent read of up to 4 KB on demand. Seen there too.
pub const READ_UNIT: f64 = 0.125 / 1e6;
/// A GB-month of rows. Seen 2024-11-15 in infracost, `dynamodb_table_test.golden`, for us-east-2.
pub const TABLE_GB_MONTH: f64 = 0.25;
/// A GB-month of point-in-time recovery. Seen there too.
pub const RECOVERY_GB_MONTH: f64 = 0.20;

// Firehose, aws.amazon.com/firehose/pricing.

/// A GB ingested from Kinesis, by GB per month. Each record is rounded up to 5 KB. From memory; the
/// first tier is also in several public repositories, without a date. AWS's own page says that
/// records of a Kinesis source are rounded (its German edition, which has no date).
pub const FIREHOSE_GB: &Tiers = &[
    (512_000.0, 0.029),
    (2_048_000.0, 0.025),
    (f64::INFINITY, 0.020),
];
/// The size to which Firehose rounds up a record, in bytes.
pub const FIREHOSE_RECORD_UNIT: u64 = 5 * KB;

// S3, aws.amazon.com/s3/pricing.

/// A GB-month of S3 Standard, by GB. The first tier: seen 2024-07-01 in infracost,
/// `s3_bucket_test.golden`; the others from memory.
pub const S3_GB_MONTH: &Tiers = &[
    (51_200.0, 0.023),
    (512_000.0, 0.022),
    (f64::INFINITY, 0.021),
];
/// A PUT. Seen there too.
pub const S3_PUT: f64 = 0.005 / 1e3;

// CloudWatch, aws.amazon.com/cloudwatch/pricing.

/// A GB of ingested logs. Seen 2024-07-01 in infracost, `cloudwatch_log_group_test.golden`. Above
/// 10 TB per month, Lambda's logs are cheaper; that is left out.
pub const LOG_GB: f64 = 0.50;
/// A month of a custom metric, up to 10,000 of them. Seen 2026-02-15 in SigNoz, "CloudWatch
/// Pricing".
pub const METRIC: f64 = 0.30;
/// A month of an alarm on one metric. Seen 2024-07-01 in infracost,
/// `cloudwatch_metric_alarm_test.golden`.
pub const ALARM: f64 = 0.10;
/// A month of a dashboard. Seen 2024-07-01 in infracost, `cloudwatch_dashboard_test.golden`.
pub const DASHBOARD: f64 = 3.00;

// KMS, aws.amazon.com/kms/pricing. The key `aws/kinesis` is free; requests are billed.

/// A request. Seen 2024-07-01 in infracost, `kms_key_test.golden`.
pub const KMS_REQUEST: f64 = 0.03 / 1e4;
/// Requests per month for each set of credentials that uses an encrypted stream: one per 5 minutes.
/// Kinesis developer guide, "Costs, Regions, and performance considerations".
pub const KMS_REQUESTS: f64 = 730.0 * 12.0;

// Managed Service for Apache Flink, aws.amazon.com/managed-service-apache-flink/pricing. According
// to its developer guide, "Per second billing", these are billed: KPUs, one more for orchestration,
// and running application storage, of which each KPU has 50 GB.

/// An hour of a KPU. Seen 2026-09-20 in api-evangelist/kinesis, `plans/kinesis-plans-pricing.yml`,
/// which quotes the examples of AWS's own page, and without a date in the examples of the guide's
/// "Per second billing".
pub const KPU_HOUR: f64 = 0.11;
/// A GB-month of running application storage. Seen in both, as above. The guide's examples bill the
/// 50 GB that each KPU has, except the one for orchestration.
pub const KPU_GB_MONTH: f64 = 0.10;
/// GB of running application storage per KPU.
pub const KPU_GB: f64 = 50.0;

/// The cost of `amount` units at a price that falls with the amount.
pub fn tiered(amount: f64, tiers: &Tiers) -> f64 {
    let mut cost = 0.0;
    let mut from = 0.0;
    for (to, price) in tiers {
        if amount <= from {
            break;
        }
        cost += (amount.min(*to) - from) * price;
        from = *to;
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_has_its_own_price() {
        let tiers = [(10.0, 3.0), (20.0, 2.0), (f64::INFINITY, 1.0)];
        assert_eq!(tiered(0.0, &tiers), 0.0);
        assert_eq!(tiered(10.0, &tiers), 30.0);
        assert_eq!(tiered(15.0, &tiers), 40.0);
        assert_eq!(tiered(25.0, &tiers), 55.0);
    }
}
