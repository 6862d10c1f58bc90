//! Recomputes every unicorn's windows from the archive.

use std::process::ExitCode;

use recompute::RecomputeProgram;
use unicorn::sensor::Unicorn;

/// The default table of the pipeline.
const LIVE_TABLE: &str = "UnicornSensorData";

const EXAMPLES: &str = "\
Examples:
  recompute .wildrydes/archive/wildrydes                      the local cloud's archive
  recompute .wildrydes/archive/wildrydes/2026/11/20 --window 1h
  aws s3 sync s3://BUCKET/wildrydes/ archive && recompute archive --format lines > minutes.jsonl
  recompute archive --table Recomputed --target aws --region us-east-1

Of several readings with the same Name and StatusTime, the first counts, in the order of the files'
paths and of the lines in a file.";

fn main() -> ExitCode {
    let program = RecomputeProgram {
        about:
            "Recomputes every unicorn's windows, by StatusTime, from the archive of raw readings"
                .to_owned(),
        examples: EXAMPLES.to_owned(),
        ..RecomputeProgram::new(Unicorn, LIVE_TABLE)
    };
    program.main()
}
