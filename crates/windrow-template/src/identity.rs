//! The names and ARNs that `Ref` and `Fn::GetAtt` return.
//!
//! Source: "Return values" of each resource type in the CloudFormation template reference.

use crate::options::StackOptions;

/// The property that sets a resource's name, for the types whose name counts here.
pub(crate) fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::Kinesis::Stream" => "Name",
        "AWS::Kinesis::StreamConsumer" => "ConsumerName",
        "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" | "AWS::Serverless::SimpleTable" => {
            "TableName"
        }
        "AWS::KinesisFirehose::DeliveryStream" => "DeliveryStreamName",
        "AWS::Lambda::Function" | "AWS::Serverless::Function" => "FunctionName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::S3::Bucket" => "BucketName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::Serverless::LayerVersion" | "AWS::Lambda::LayerVersion" => "LayerName",
        _ => return None,
    })
}

/// A resource that a function refers to.
pub(crate) struct ResourceIdentity<'o> {
    options: &'o StackOptions,
    kind: &'o str,
    name: String,
    /// The ARN of the stream that a consumer reads.
    stream_arn: Option<String>,
}

impl<'o> ResourceIdentity<'o> {
    pub(crate) fn new(
        options: &'o StackOptions,
        kind: &'o str,
        name: String,
        stream_arn: Option<String>,
    ) -> Self {
        Self {
            options,
            kind,
            name,
            stream_arn,
        }
    }

    /// What `Ref` returns.
    pub(crate) fn reference(&self) -> String {
        let returned = match self.kind {
            "AWS::SQS::Queue" => self.attribute("QueueUrl"),
            "AWS::SNS::Topic" => self.attribute("TopicArn"),
            "AWS::Kinesis::StreamConsumer" => self.attribute("ConsumerARN"),
            "AWS::Serverless::LayerVersion" | "AWS::Lambda::LayerVersion" => {
                Some(self.arn("lambda", &format!("layer:{}:1", self.name)))
            }
            // `!Ref Function.Alias`
            "AWS::Serverless::Function" if self.name.contains('.') => self.attribute("Arn"),
            _ => None,
        };
        returned.unwrap_or_else(|| self.name.clone())
    }

    /// What `Fn::GetAtt` returns, if that can be known without AWS.
    pub(crate) fn attribute(&self, attribute: &str) -> Option<String> {
        let Self { name, options, .. } = self;
        let StackOptions {
            region, account, ..
        } = options;
        Some(match (self.kind, attribute) {
            ("AWS::Kinesis::Stream", "Arn") => self.arn("kinesis", &format!("stream/{name}")),
            ("AWS::Kinesis::StreamConsumer", "ConsumerARN") => {
                format!("{}/consumer/{name}:0", self.stream_arn.as_ref()?)
            }
            ("AWS::Kinesis::StreamConsumer", "StreamARN") => self.stream_arn.clone()?,
            ("AWS::Kinesis::StreamConsumer", "ConsumerName") => name.clone(),
            ("AWS::Kinesis::StreamConsumer", "ConsumerStatus") => "ACTIVE".to_owned(),
            (
                "AWS::DynamoDB::Table"
                | "AWS::DynamoDB::GlobalTable"
                | "AWS::Serverless::SimpleTable",
                "Arn",
            ) => self.arn("dynamodb", &format!("table/{name}")),
            ("AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable", "StreamArn") => {
                let stream = format!("table/{name}/stream/2000-01-01T00:00:00.000");
                self.arn("dynamodb", &stream)
            }
            ("AWS::KinesisFirehose::DeliveryStream", "Arn") => {
                self.arn("firehose", &format!("deliverystream/{name}"))
            }
            ("AWS::Serverless::Function", "Arn") if name.contains('.') => {
                let function = name.split('.').next().unwrap_or(name);
                self.arn("lambda", &format!("function:{function}"))
            }
            ("AWS::Lambda::Function" | "AWS::Serverless::Function", "Arn") => {
                self.arn("lambda", &format!("function:{name}"))
            }
            ("AWS::SQS::Queue", "Arn") => self.arn("sqs", name),
            ("AWS::SQS::Queue", "QueueName") => name.clone(),
            ("AWS::SQS::Queue", "QueueUrl") => {
                format!("https://sqs.{region}.amazonaws.com/{account}/{name}")
            }
            ("AWS::SNS::Topic", "TopicArn") => self.arn("sns", name),
            ("AWS::SNS::Topic", "TopicName") => name.clone(),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
            ("AWS::S3::Bucket", "DomainName") => format!("{name}.s3.amazonaws.com"),
            ("AWS::S3::Bucket", "RegionalDomainName") => {
                format!("{name}.s3.{region}.amazonaws.com")
            }
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{account}:role/{name}"),
            ("AWS::Logs::LogGroup", "Arn") => self.arn("logs", &format!("log-group:{name}:*")),
            _ => return None,
        })
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let StackOptions {
            region, account, ..
        } = self.options;
        format!("arn:aws:{service}:{region}:{account}:{resource}")
    }
}

/// The service and the resource of an ARN, such as `kinesis` and `stream/readings`.
pub(crate) fn arn_parts(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    if parts.next() != Some("arn") {
        return None;
    }
    let service = parts.nth(1)?;
    Some((service, parts.nth(2)?))
}
