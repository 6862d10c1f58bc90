//! The local cloud is killed with `kill -9` again and again while readings are sent, and started again
//! on the same data directory: what was acknowledged is in the log, in the rows and in the archive.
//!
//! The moments are drawn from a seed, which is printed. What a moment hits depends on the machine, and
//! whatever it hits must be right. `WINDROW_SEED=7` chooses another seed.

mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use end_to_end::programs::{Running, endpoint, program};
use end_to_end::{TestCloud, by_window, read_log};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use soak::finished::FinishedCheck;
use soak::log::LoggedRecord;
use soak::outputs::OutputCheck;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use unicorn::row::schema;
use windrow_core::row::merge;
use windrow_core::sensor::Sensor as _;
use windrow_lambda::finisher::{MergedOutput, WINDOWS};

use crate::sql_application::{settings_of, write_files};

use writers::{SentLines, WriterPlan, Writers};

/// So long that many kills find a saved state of an open window: the aggregator gets a batch per second.
const WINDOW: Duration = Duration::from_secs(4);

/// What is killed, and how often.
struct KillPlan {
    /// The flags of `local`, beside those that every run has.
    flags: Vec<String>,
    kills: usize,
    writers: WriterPlan,
    /// Whether some kills come during a drain. Then the windows of what was sent twice may end in
    /// between, so nothing must be sent twice.
    in_drain: bool,
}

/// When a program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KillMoment {
    /// Before it is ready.
    InStart,
    WhileReady,
    /// After SIGINT.
    InDrain,
}

impl KillPlan {
    fn new(kills: usize) -> Self {
        let seed = std::env::var("WINDROW_SEED").ok();
        let seed = seed.map_or(1, |seed| seed.parse().unwrap());
        let writers = WriterPlan {
            seed,
            retries: true,
            has_broken: false,
        };
        Self {
            flags: Vec::new(),
            kills,
            writers,
            in_drain: false,
        }
    }

    /// The moments, in a random order, with at least one of each kind.
    fn moments(&self, random: &mut ChaCha8Rng) -> Vec<KillMoment> {
        let mut moments = vec![KillMoment::WhileReady; self.kills];
        // The first run is not killed in its start: there is nothing to find for the next one.
        moments[1] = KillMoment::InStart;
        if self.in_drain {
            moments[2] = KillMoment::InDrain;
        }
        for moment in &mut moments[3..] {
            match random.random_range(0..6) {
                0 => *moment = KillMoment::InStart,
                1 if self.in_drain => *moment = KillMoment::InDrain,
                _ => {}
            }
        }
        for index in 2..moments.len() {
            moments.swap(index, random.random_range(1..=index));
        }
        moments
    }
}

/// What a run with kills has left.
struct KilledRun {
    data_dir: TempDir,
    lines: SentLines,
    runtime: Runtime,
}

/// Starts `local`.
fn start(data_dir: &Path, flags: &[String]) -> Running {
    let mut command: Command = program("local");
    let usual = [
        "--port",
        "0",
        "--dashboard-port",
        "0",
        "--window",
        "4s",
        "--shards",
        "2",
        "--data-dir",
    ];
    command.args(usual).arg(data_dir).args(flags);
    Running::start(&mut command)
}

/// Waits until a start is ready. What it says first must be how the last run ended.
fn ready(local: &mut Running, last: Option<&str>) -> Client {
    let first = local.until("local: ");
    match last {
        None => assert!(!first.contains("the last run"), "{first}"),
        Some(last) => assert!(first.starts_with(&format!("local: {last}")), "{first}"),
    }
    let url = match last {
        None => endpoint(&first),
        Some(_) => endpoint(&local.until("http://")),
    };
    local.until("Ctrl-C");
    Client::new(&windrow_connect::local_config(&url))
}

const UNCLEAN: &str = "the last run ended without a clean stop: ";
const CLEAN: &str = "going on with what the last run has left: ";

/// Splits the first shard. Returns whether that was acknowledged.
async fn split(client: &Client) -> bool {
    let split = client.split_shard().stream_name("wildrydes");
    let split = split.shard_to_split("shardId-000000000000");
    let split = split.new_starting_hash_key((1_u128 << 126).to_string());
    split.send().await.is_ok()
}

/// Whether a checkpoint of the aggregator has the state of an open window.
fn has_saved_state(data_dir: &Path) -> bool {
    let checkpoints = std::fs::read_dir(data_dir.join("mappings/aggregator/wildrydes"));
    checkpoints.into_iter().flatten().any(|checkpoint| {
        let text = std::fs::read(checkpoint.unwrap().path()).unwrap();
        let saved = serde_json::from_slice::<serde_json::Value>(&text);
        // A file that was not completed is not read by a start either.
        saved.is_ok_and(|saved| !saved["window"]["state"].is_null())
    })
}

/// Kills `local` as planned while readings are sent, then drains it.
fn kill_again_and_again(name: &str, plan: &KillPlan) -> KilledRun {
    let seed = plan.writers.seed;
    eprintln!("{name}: seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let data_dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let writers = Writers::start(plan.writers, &runtime);
    let mut last = None;
    let (mut is_split, mut with_state) = (false, 0);
    let moments = plan.moments(&mut random);
    for (index, moment) in moments.into_iter().enumerate() {
        let mut pause = |millis| {
            let millis = random.random_range(0..millis);
            std::thread::sleep(Duration::from_millis(millis));
        };
        let mut local = start(data_dir.path(), &plan.flags);
        if moment == KillMoment::InStart {
            pause(300);
        } else {
            let client = ready(&mut local, last);
            writers.connect(&client);
            // The first batch comes after a second.
            pause(2_600);
            if !is_split && index >= plan.kills / 2 {
                is_split = runtime.block_on(split(&client));
            }
            pause(300);
        }
        last = Some(UNCLEAN);
        if moment == KillMoment::InDrain {
            assert!(local.signal("INT"));
            pause(300);
            // The drain may be over.
            let is_killed = local.signal("KILL") && local.end().code.is_none();
            last = Some(if is_killed { UNCLEAN } else { CLEAN });
        } else {
            assert!(local.signal("KILL"));
            assert_eq!(local.end().code, None);
        }
        with_state += usize::from(has_saved_state(data_dir.path()));
    }
    let mut local = start(data_dir.path(), &plan.flags);
    let client = ready(&mut local, last);
    writers.connect(&client);
    if !is_split {
        assert!(runtime.block_on(split(&client)));
    }
    std::thread::sleep(Duration::from_millis(500));
    // The writers go on during the drain.
    let output = local.interrupt();
    assert_eq!(output.code, Some(0), "{}", output.err);
    let lines = writers.stop(&runtime);
    eprintln!(
        "{name}: {} kills, {with_state} of them with a saved state of an open window, {} lines \
         sent, {} acknowledged",
        plan.kills,
        lines.len(),
        acknowledged(&lines).count(),
    );
    KilledRun {
        data_dir,
        lines,
        runtime,
    }
}

fn acknowledged(lines: &SentLines) -> impl Iterator<Item = &String> {
    let acknowledged = lines
        .iter()
        .filter(|(_, attempts)| attempts.is_acknowledged);
    acknowledged.map(|(line, _)| line)
}

/// How often each line is in the log.
fn lines_of(log: &[LoggedRecord]) -> BTreeMap<String, u32> {
    let mut lines = BTreeMap::new();
    for record in log {
        let text = str::from_utf8(&record.data).unwrap();
        for line in text.split_inclusive('\n') {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
    }
    lines
}

/// Checks that the log has what was acknowledged, nothing that was not sent, and nothing more often
/// than it was sent.
fn check_log(sent: &SentLines, log: &BTreeMap<String, u32>) {
    let lost = acknowledged(sent).filter(|line| !log.contains_key(*line));
    let lost: Vec<&String> = lost.collect();
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost.first());
    for (line, count) in log {
        let attempts = sent.get(line).copied().unwrap_or_default();
        assert!(
            *count <= attempts.sent,
            "{count} times, {attempts:?}: {line}"
        );
    }
}

/// Checks that the archive has each line of the log as often as the log.
fn check_archive(cloud: &TestCloud, log: &BTreeMap<String, u32>) {
    let mut archived: BTreeMap<String, u32> = BTreeMap::new();
    for line in cloud.archived_text("wildrydes").split_inclusive('\n') {
        *archived.entry(line.to_owned()).or_default() += 1;
    }
    let differing = log
        .iter()
        .find(|(line, count)| archived.get(*line) != Some(count));
    assert_eq!(
        differing,
        None,
        "{:?}",
        differing.map(|(line, _)| archived.get(line))
    );
    assert_eq!(archived.len(), log.len());
}

/// Checks the rows: by the audit's fold of the log, and those of readings with a name of their own
/// that were sent once.
async fn check_rows(cloud: &TestCloud, sent: &SentLines) -> u64 {
    let rows = by_window(cloud.rows().await);
    assert_eq!(rows, cloud.expected(WINDOW).await);
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for ((name, _), totals) in &rows {
        *by_name.entry(name).or_default() += totals.readings;
    }
    let once = sent
        .iter()
        .filter(|(_, attempts)| attempts.sent == 1 && attempts.is_acknowledged);
    for (line, _) in once {
        let reading: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = reading["Name"].as_str().unwrap();
        if name.starts_with("only ") {
            assert_eq!(by_name.get(name), Some(&1), "{line}");
        }
    }
    rows.values().map(|totals| totals.readings).sum()
}

/// Checks that the rejects have the broken lines of the log and no others. One may be there several
/// times.
fn check_rejects(cloud: &TestCloud, rejects: &str, log: &BTreeMap<String, u32>) {
    let rejects = cloud.archived(rejects);
    let payload = |reject: &serde_json::Value| reject["Payload"].as_str().map(str::to_owned);
    let rejected: BTreeSet<String> = rejects.iter().filter_map(payload).collect();
    let broken = log.keys().filter(|line| line.contains("\"broken "));
    let broken: BTreeSet<String> = broken.map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(rejected, broken);
}

/// Starts the cloud in this process and checks everything that every run has.
async fn check(name: &str, data_dir: TempDir, lines: &SentLines) -> TestCloud {
    let cloud = TestCloud::start_on(data_dir).await;
    let listed = cloud.kinesis.list_shards().stream_name("wildrydes").send();
    assert_eq!(listed.await.unwrap().shards().len(), 4);
    let log = lines_of(&read_log(&cloud.kinesis, "wildrydes").await);
    check_log(lines, &log);
    check_archive(&cloud, &log);
    check_rejects(&cloud, "wildrydes-rejects", &log);
    let readings = check_rows(&cloud, lines).await;
    let twice = log.values().filter(|count| **count > 1).count();
    let unacknowledged = log.len() - acknowledged(lines).count();
    eprintln!(
        "{name}: {} lines in the log and the archive, {unacknowledged} of them not acknowledged, \
         {twice} sent and taken more than once; {readings} readings in rows",
        log.len()
    );
    assert!(acknowledged(lines).count() > 0);
    cloud
}

#[test]
fn what_was_acknowledged_survives_twenty_kills() {
    let name = "twenty kills";
    let plan = KillPlan::new(20);
    let run = kill_again_and_again(name, &plan);
    run.runtime.block_on(async {
        let cloud = check(name, run.data_dir, &run.lines).await;
        // The last window ends by the clock.
        tokio::time::sleep(WINDOW).await;
        let audited = super::audit::agrees(&cloud, "4s").await;
        eprintln!("{name}: audit: {}", audited.trim_end());
        cloud.stop().await;
    });
}

#[test]
fn rejects_survive_kills_also_in_a_drain() {
    let name = "rejects";
    let mut plan = KillPlan::new(7);
    plan.writers.has_broken = true;
    plan.writers.retries = false;
    plan.in_drain = true;
    let run = kill_again_and_again(name, &plan);
    run.runtime.block_on(async {
        let cloud = check(name, run.data_dir, &run.lines).await;
        assert!(!cloud.archived("wildrydes-rejects").is_empty());
        cloud.stop().await;
    });
}

#[test]
fn finished_rows_survive_kills() {
    let name = "finished rows";
    let mut plan = KillPlan::new(6);
    plan.flags = vec!["--finished-rows".to_owned()];
    let run = kill_again_and_again(name, &plan);
    run.runtime.block_on(async {
        let cloud = check(name, run.data_dir, &run.lines).await;
        let summaries = read_log(&cloud.kinesis, "wildrydes-summary").await;
        let finished = read_log(&cloud.kinesis, "wildrydes-finished").await;
        let finished = BTreeMap::from([(WINDOWS.to_owned(), finished)]);
        let outputs = MergedOutput::new(schema(), WINDOWS);
        let checked = FinishedCheck::of(&outputs, &summaries, &finished);
        eprintln!("{name}:\n{checked}");
        assert!(checked.is_right() && checked.expected > 0, "{checked}");
        cloud.stop().await;
    });
}

/// A window, and an output without one.
const SQL: &str = r#"
CREATE OR REPLACE STREAM "COUNTS" ("Name" VARCHAR(20), "Readings" INTEGER);
CREATE OR REPLACE PUMP "COUNT_PUMP" AS INSERT INTO "COUNTS" SELECT STREAM "Name", COUNT(*)
    FROM "SOURCE_SQL_STREAM_001"
    GROUP BY "Name", STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '2' SECOND);
CREATE OR REPLACE STREAM "ALARMS" ("Name" VARCHAR(20), "StatusTime" VARCHAR(30));
CREATE OR REPLACE PUMP "ALARM_PUMP" AS INSERT INTO "ALARMS" SELECT STREAM "Name", "StatusTime"
    FROM "SOURCE_SQL_STREAM_001" WHERE "MagicPoints" > 20;
"#;

const SCHEMA: &str = r#"{"RecordColumns": [
    {"Name": "Name", "SqlType": "VARCHAR(20)", "Mapping": "$.Name"},
    {"Name": "StatusTime", "SqlType": "VARCHAR(30)", "Mapping": "$.StatusTime"},
    {"Name": "MagicPoints", "SqlType": "INTEGER", "Mapping": "$.MagicPoints"}
]}"#;

#[test]
fn outputs_of_sql_survive_kills() {
    let name = "SQL";
    let files = tempfile::tempdir().unwrap();
    let sql = write_files(files.path(), SQL, SCHEMA);
    let sensor = sql.sensor().unwrap().unwrap();
    let application = local::sql_program(sensor.clone(), &sql).unwrap();
    let mut plan = KillPlan::new(6);
    for (flag, file) in [("--sql", &sql.sql), ("--schema", &sql.schema)] {
        let file = file.as_ref().unwrap().display().to_string();
        plan.flags.extend([flag.to_owned(), file]);
    }
    let run = kill_again_and_again(name, &plan);
    run.runtime.block_on(async {
        let settings = settings_of(&application, run.data_dir.path());
        let outputs = settings.names.outputs.clone();
        let application = &application.application;
        let cloud = TestCloud::start_application(application, settings, run.data_dir).await;
        let records = read_log(&cloud.kinesis, "wildrydes").await;
        let log = lines_of(&records);
        check_log(&run.lines, &log);
        check_archive(&cloud, &log);
        let mut written = BTreeMap::new();
        for (output, stream) in outputs {
            written.insert(output, read_log(&cloud.kinesis, &stream).await);
        }
        let checked = OutputCheck::of(&sensor, &records, &written);
        eprintln!("{name}:\n{checked}");
        assert!(checked.is_right() && checked.expected > 0, "{checked}");
        // Equal readings count as often as they are in the log.
        let rows = merge(sensor.schema(), cloud.rows_of("sql", sensor.schema()).await);
        let in_rows: u64 = rows.iter().map(|row| row.readings).sum();
        let in_log: u64 = log.values().map(|count| u64::from(*count)).sum();
        assert_eq!(in_rows, in_log);
        cloud.stop().await;
    });
}
