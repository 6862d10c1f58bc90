//! The command line.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use windrow_connect::cloud::TargetArgs;
use windrow_connect::duration;
use windrow_connect::stream::parse_name_or_arn;
use windrow_core::time::Timestamp;

const EXAMPLES: &str = "\
Examples:
  consumer                                    new readings, from the first cloud found
  consumer --from start --count 10            the ten oldest readings in the stream
  consumer --from 5m                          readings of the last five minutes, and new ones
  consumer --from '2026-11-20 09:17:00'       readings from this time on, in UTC
  consumer --stream wildrydes-summary         the rows of each window
  consumer --format lines | jq .Distance      one JSON object per line, for other programs

Exits with 0 on Ctrl-C, when --count is reached, and when its output is closed;
with 1 if there is no cloud or no such stream; with 2 for bad usage.";

/// Prints a stream's readings as they arrive.
#[derive(Clone, Debug, Parser)]
#[command(name = "consumer", version, about, long_about = None, after_help = EXAMPLES)]
pub struct ConsumerArgs {
    /// Stream to read: its name, or its ARN, which may be of another account
    #[arg(long, default_value = "wildrydes", value_parser = parse_name_or_arn)]
    pub stream: String,

    /// Where to start: `latest` for new records, `start` for the oldest record in the stream, an AGE
    /// such as 90s, 5m or 1h30m for records that arrived since then, or a TIME for records that
    /// arrived then or later: RFC 3339, or `YYYY-MM-DD HH:MM:SS[.mmm]` in UTC. A time in the future
    /// is waited for
    #[arg(long, value_name = "latest|start|AGE|TIME", default_value = "latest")]
    #[arg(value_parser = parse_from)]
    pub from: Beginning,

    /// How to print JSON lines
    #[arg(long, value_enum, default_value_t = ConsumerFormat::Pretty)]
    pub format: ConsumerFormat,

    /// Stop after this many lines [default: run until Ctrl-C]
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,

    /// Which cloud to read from.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Where in the stream to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With records that arrive from now on.
    Latest,
    /// With the oldest record in the stream.
    Start,
    /// With the first record that arrived this long ago or later.
    Ago(Duration),
    /// With the first record that arrived at this time or later.
    Time(Timestamp),
}

/// How lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConsumerFormat {
    /// Indented by 4 spaces
    Pretty,
    /// As received, on one line
    Lines,
}

fn parse_from(text: &str) -> Result<Beginning, String> {
    match text {
        "latest" => return Ok(Beginning::Latest),
        "start" => return Ok(Beginning::Start),
        _ => {}
    }
    if let Ok(age) = duration::parse(text) {
        return Ok(Beginning::Ago(age));
    }
    let time = text.parse().map_err(|_| {
        "neither `latest` nor `start` nor an age like 5m nor a real time like \
         2026-11-20T09:17:08+01:00 or \"2026-11-20 09:17:08\""
    })?;
    Ok(Beginning::Time(time))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<ConsumerArgs, clap::Error> {
        ConsumerArgs::try_parse_from([&["consumer"], arguments].concat())
    }

    #[test]
    fn command_line_is_valid() {
        ConsumerArgs::command().debug_assert();
    }

    #[test]
    fn from_is_a_keyword_or_an_age_or_a_time() {
        let from = |text: &str| parse(&["--from", text]).map(|args| args.from);
        assert_eq!(from("latest").unwrap(), Beginning::Latest);
        assert_eq!(from("start").unwrap(), Beginning::Start);
        let time = Beginning::Time("2026-11-20 09:17:08.000".parse().unwrap());
        assert_eq!(from("2026-11-20 09:17:08").unwrap(), time);
        assert_eq!(from("2026-11-20T10:17:08+01:00").unwrap(), time);
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5400), ("0s", 0)] {
            let ago = Beginning::Ago(Duration::from_secs(seconds));
            assert_eq!(from(text).unwrap(), ago, "{text}");
        }
        for text in ["", "now", "5", "-5m", "2026-02-30 00:00:00", "LATEST"] {
            assert_eq!(from(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn count_is_at_least_one() {
        assert_eq!(parse(&[]).unwrap().count, None);
        assert_eq!(parse(&["--count", "3"]).unwrap().count, NonZeroU64::new(3));
        for text in ["0", "-1", "many"] {
            assert!(parse(&["--count", text]).is_err(), "{text}");
        }
    }
}
