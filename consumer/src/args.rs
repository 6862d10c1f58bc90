//! The command line.

use std::num::NonZeroU64;

use clap::{Parser, ValueEnum};
use unicorn::status_time::StatusTime;
use windrow_connect::cloud::TargetArgs;

const EXAMPLES: &str = "\
Examples:
  consumer                                    readings from now on, wherever a cloud is found
  consumer --from start --count 10            the ten oldest that are kept
  consumer --from '2026-11-20 09:17:00'       from a moment on, in UTC
  consumer --stream wildrydes-summary         the minutes' rows
  consumer --format lines | jq .Distance      one JSON object a line, for other programs

Ends with 0 on Ctrl-C, when --count is reached and when nobody reads its output any more;
with 1 where there is no cloud or no such stream; with 2 for bad usage.";

/// Prints a stream's readings as they arrive.
#[derive(Clone, Debug, Parser)]
#[command(name = "consumer", version, about, long_about = None, after_help = EXAMPLES)]
pub struct ConsumerArgs {
    /// Stream to read
    #[arg(long, default_value = "wildrydes", value_parser = windrow_connect::stream::parse_name)]
    pub stream: String,

    /// Where to start: `latest` is from now on, `start` the oldest record that is kept, TIME the
    /// first that arrived then or later: RFC 3339, or `YYYY-MM-DD HH:MM:SS[.mmm]` in UTC
    #[arg(long, value_name = "latest|start|TIME", default_value = "latest")]
    #[arg(value_parser = parse_from)]
    pub from: Beginning,

    /// How to print a line that is JSON
    #[arg(long, value_enum, default_value_t = ConsumerFormat::Pretty)]
    pub format: ConsumerFormat,

    /// End after this many lines [default: go on until Ctrl-C]
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,

    /// Which cloud to read from.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Where in the stream to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// From now on.
    Latest,
    /// With the oldest record that is kept.
    Start,
    /// With the first record that arrived at this time or later.
    Time(StatusTime),
}

/// How lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConsumerFormat {
    /// Indented by 4 spaces
    Pretty,
    /// As it came, on one line
    Lines,
}

fn parse_from(text: &str) -> Result<Beginning, String> {
    match text {
        "latest" => return Ok(Beginning::Latest),
        "start" => return Ok(Beginning::Start),
        _ => {}
    }
    let time = text.parse().map_err(|_| {
        "neither `latest` nor `start` nor a real time like 2026-11-20T09:17:08+01:00 or \
         \"2026-11-20 09:17:08\""
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
    fn the_command_line_holds_together() {
        ConsumerArgs::command().debug_assert();
    }

    #[test]
    fn the_start_is_a_word_or_a_time() {
        let from = |text: &str| parse(&["--from", text]).map(|args| args.from);
        assert_eq!(from("latest").unwrap(), Beginning::Latest);
        assert_eq!(from("start").unwrap(), Beginning::Start);
        let time = Beginning::Time("2026-11-20 09:17:08.000".parse().unwrap());
        assert_eq!(from("2026-11-20 09:17:08").unwrap(), time);
        assert_eq!(from("2026-11-20T10:17:08+01:00").unwrap(), time);
        for text in ["", "now", "2026-02-30 00:00:00", "LATEST"] {
            assert_eq!(from(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn a_count_is_at_least_one() {
        assert_eq!(parse(&[]).unwrap().count, None);
        assert_eq!(parse(&["--count", "3"]).unwrap().count, NonZeroU64::new(3));
        for text in ["0", "-1", "many"] {
            assert!(parse(&["--count", text]).is_err(), "{text}");
        }
    }
}
