//! Tests local queries of an archive and a table.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod asking;
mod line_table;
mod sensors;

use std::fs;
use std::io::Write;

use clap::FromArgMatches;
use flate2::Compression;
use flate2::write::GzEncoder;
use query::{QueryArgs, QueryProgram, Terminal, run, text, wild_rydes};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Environment;
use windrow_core::sensor::Sensor;

/// A query's output, its notes, and its error as one text.
#[derive(Debug)]
struct QueryAnswer {
    out: String,
    notes: String,
    error: Option<String>,
}

async fn ask(arguments: &[&str]) -> QueryAnswer {
    ask_program(&wild_rydes::program(), arguments).await
}

async fn ask_program<S: Sensor>(program: &QueryProgram<S>, arguments: &[&str]) -> QueryAnswer {
    let typed = [&["query"], arguments].concat();
    let matches = program.command().try_get_matches_from(typed).unwrap();
    let args = QueryArgs::from_arg_matches(&matches).unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let outcome = match text(&args) {
        Ok(text) => {
            let stop = CancellationToken::new();
            let environment = Environment::default();
            let terminal = Terminal::default();
            run(
                program,
                &args,
                &text,
                &environment,
                terminal,
                &stop,
                &mut out,
                &mut notes,
            )
            .await
        }
        Err(error) => Err(error),
    };
    let chain = |error| {
        let mut text = String::new();
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(cause) = next {
            text.push_str(&format!("{cause}; "));
            next = cause.source();
        }
        text
    };
    QueryAnswer {
        out: String::from_utf8(out).unwrap(),
        notes: String::from_utf8(notes).unwrap(),
        error: outcome.err().map(chain),
    }
}

/// A temporary data directory.
struct Data(TempDir);

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join("archive").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// An archive of two unicorns: four files over two days, one compressed, with some lines that
    /// are not readings.
    fn fleet() -> Self {
        let data = Self::new();
        data.write(
            "wildrydes/2026/11/19/23/wildrydes-1-2026-11-19-23-59-00-a",
            gzip(&[
                reading("Shadowfax", "2026-11-19 23:59:58.000", "29.5", 150, 150),
                reading("Franky", "2026-11-19 23:59:59.500", "0.000001", 99, 150),
            ]),
        );
        data.write(
            "wildrydes/2026/11/20/09/wildrydes-1-2026-11-20-09-17-00-b",
            [
                reading(
                    "Shadowfax",
                    "2026-11-20T10:17:01.250+01:00",
                    "30.25",
                    150,
                    98,
                ),
                "not a reading\n".to_owned(),
                reading("Franky", "2026-11-20 09:17:01.000", "1e1", 150, 150),
            ]
            .concat(),
        );
        data.write(
            "wildrydes/2026/11/20/09/wildrydes-1-2026-11-20-09-18-00-c",
            "\n{\"Name\":\"Shadowfax\"}\n",
        );
        let last = reading("Shadowfax", "2026-11-20 09:17:00.000", "1", 100, 100);
        data.write(
            "wildrydes/2026/11/20/10/wildrydes-1-2026-11-20-10-00-00-d",
            last.trim_end(),
        );
        data
    }

    async fn ask(&self, sql: &str) -> QueryAnswer {
        self.ask_as("csv", sql).await
    }

    async fn ask_as(&self, format: &str, sql: &str) -> QueryAnswer {
        ask(&["--data-dir", self.path(), "--format", format, sql]).await
    }

    /// The rows as CSV, without the headings.
    async fn rows(&self, sql: &str) -> Vec<String> {
        let answer = self.ask(sql).await;
        assert_eq!(answer.error, None, "{sql}");
        answer.out.lines().skip(1).map(str::to_owned).collect()
    }

    async fn error(&self, sql: &str) -> String {
        self.ask(sql).await.error.unwrap()
    }
}

fn reading(name: &str, time: &str, metres: &str, health: i32, magic: i32) -> String {
    format!(
        "{{\"Name\":\"{name}\",\"StatusTime\":\"{time}\",\"Latitude\":40.5,\"Longitude\":-73.25,\
         \"Distance\":{metres},\"HealthPoints\":{health},\"MagicPoints\":{magic}}}\n"
    )
}

fn gzip(members: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut encoder = GzEncoder::new(&mut bytes, Compression::fast());
        encoder.write_all(member.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    bytes
}
