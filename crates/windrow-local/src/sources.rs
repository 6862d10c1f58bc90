//! The streams of an endpoint, as what reads them needs them.

use windrow_read::Start;

use crate::clock::Clock;
use crate::mapping::MappingSource;
use crate::mapping::follow::StreamSource;

/// Creates the sources of the streams.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) client: aws_sdk_kinesis::Client,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) clock: Clock,
}

impl Sources {
    pub(crate) fn arn(&self, stream: &str) -> String {
        let Self {
            region, account, ..
        } = self;
        format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
    }

    /// A stream to read from its oldest record.
    pub(crate) fn followed(&self, stream: &str) -> StreamSource {
        StreamSource {
            client: self.client.clone(),
            stream: stream.to_owned(),
            start: Start::TrimHorizon,
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn source(&self, stream: &str) -> MappingSource {
        MappingSource {
            client: self.client.clone(),
            stream: stream.to_owned(),
            stream_arn: self.arn(stream),
            region: self.region.clone(),
            clock: self.clock.clone(),
        }
    }
}
