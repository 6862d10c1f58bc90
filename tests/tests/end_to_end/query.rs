//! Runs `query` on the data of the local cloud and the producer.

use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::TIME_LIMIT;
use end_to_end::programs::{ProgramOutput, Running, binary, embedded, endpoint, run};
use unicorn::distance::Distance;
use unicorn::merge::merge;
use unicorn::row;
use yaml_serde::Value;

/// A query of the data in `folder`, without credentials and environment.
fn query(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("query"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .current_dir(folder);
    command.args(["--data-dir", "data"]).args(arguments);
    command
}

/// The CSV output of a query, without the header.
fn rows(folder: &Path, sql: &str) -> Vec<String> {
    let output = run(&mut query(folder, &["--format", "csv", sql]));
    assert_eq!(output.code, Some(0), "{sql}: {}", output.err);
    output.out.lines().skip(1).map(str::to_owned).collect()
}

/// Sends a fleet's readings. Returns the producer's output.
fn fly(folder: &Path, arguments: &[&str]) -> ProgramOutput {
    let fleet = [
        "--unicorns",
        "7",
        "--rate",
        "20",
        "--count",
        "60",
        "--seed",
        "7",
    ];
    let output = run(embedded(folder, "2s", &fleet).args(arguments));
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(
        output.err.contains("sent 420 readings, 0 failed"),
        "{}",
        output.err
    );
    output
}

#[test]
fn archive_and_table_contain_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let printed = fly(folder, &[]);
    let minutes = merge(row::rows(printed.out.as_bytes()).map(|(_, row)| row.unwrap()));
    let micrometres = minutes
        .iter()
        .map(|minute| minute.measures.distance.micrometres());
    let sent = Distance::from_micrometres(micrometres.sum());

    let all = rows(
        folder,
        "SELECT count(*), sum(Distance), count(DISTINCT Name) FROM wildrydes",
    );
    assert_eq!(all, [format!("420,{sent},7")]);
    let summed = rows(
        folder,
        "SELECT sum(Readings), sum(Distance), count(*) FROM summary WHERE NOT Gap",
    );
    assert_eq!(summed, [format!("420,{sent},{}", minutes.len())]);
    let differing = "SELECT count(*) FROM (SELECT Name, sum(Distance) AS d FROM wildrydes GROUP BY Name) a \
                     JOIN (SELECT Name, sum(Distance) AS d FROM summary GROUP BY Name) b ON a.Name = b.Name \
                     WHERE a.d = b.d";
    assert_eq!(rows(folder, differing), ["7"]);

    let track = rows(
        folder,
        "SELECT StatusTime, Latitude, Longitude FROM wildrydes WHERE Name = 'Shadowfax' ORDER BY StatusTime",
    );
    assert_eq!(track.len(), 60);
    assert!(track.is_sorted());
    let middle = &track[30][..23];
    let after = rows(
        folder,
        &format!(
            "SELECT * FROM wildrydes WHERE Name = 'Shadowfax' AND StatusTime > TIMESTAMP '{middle}'"
        ),
    );
    assert_eq!(after.len(), 29);

    // The output of --format lines can be parsed as readings.
    let columns = "Name, StatusTime, Latitude, Longitude, Distance, MagicPoints, HealthPoints";
    let sql = format!("SELECT {columns} FROM wildrydes");
    let output = run(&mut query(folder, &["--format", "lines", &sql]));
    let readings = unicorn::sensor::readings(output.out.as_bytes());
    let distances = readings.map(|(_, reading)| reading.unwrap().distance.micrometres());
    assert_eq!(Distance::from_micrometres(distances.sum()), sent);
}

#[test]
fn queries_a_running_cloud_and_notes_the_archive_lag() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut producer = Running::start(&mut embedded(
        folder,
        "1s",
        &["--name", "Shadowfax", "--rate", "20"],
    ));
    let url = endpoint(&producer.until("http://"));
    let query_csv = |arguments: &[&str]| {
        run(&mut query(
            folder,
            &[&["--format", "csv"], arguments].concat(),
        ))
    };

    // Rows appear when the first window closes.
    let sql = "SELECT count(*) FROM summary WHERE Name = 'Shadowfax'";
    let started = tokio::time::Instant::now();
    loop {
        let output = query_csv(&["--endpoint-url", &url, sql]);
        assert_eq!(output.code, Some(0), "{}", output.err);
        assert!(
            output
                .err
                .contains("of the local cloud at http://127.0.0.1:"),
            "{}",
            output.err
        );
        if output.out != "count(*)\n0\n" {
            break;
        }
        assert!(started.elapsed() < TIME_LIMIT, "no window was closed");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let output = query_csv(&["SELECT count(*) FROM wildrydes"]);
    assert_eq!(output.code, Some(0), "{}", output.err);
    let note = "a local cloud is running: records that arrived in the last 60 seconds may not be in the archive yet";
    assert!(output.err.contains(note), "{}", output.err);

    let ended = producer.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let sent = ended
        .err
        .split("sent ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let output = query_csv(&["SELECT count(*) FROM wildrydes"]);
    assert_eq!(output.out, format!("count(*)\n{}\n", sent.unwrap()));
    assert!(!output.err.contains("is running"), "{}", output.err);
}

/// Runs the text of the template's saved queries.
#[test]
fn saved_athena_queries_run_locally() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fly(folder, &[]);
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    let template: Value = yaml_serde::from_str(&text).unwrap();
    let distinct = template["Mappings"]["Sql"]["Readings"]["Distinct"]
        .as_str()
        .unwrap();
    let mut names = Vec::new();
    for (_, resource) in template["Resources"].as_mapping().unwrap() {
        if resource["Type"].as_str() != Some("AWS::Athena::NamedQuery") {
            continue;
        }
        let properties = &resource["Properties"];
        let joined = plain(&properties["QueryString"]);
        let [_, parts] = &joined.as_sequence().unwrap()[..] else {
            panic!("{joined:?}");
        };
        let [_, rest] = &parts.as_sequence().unwrap()[..] else {
            panic!("{parts:?}");
        };
        let name = properties["Name"].as_str().unwrap();
        let found = rows(folder, &format!("{distinct}{}", rest.as_str().unwrap()));
        let expected = match name {
            "All readings" => 420,
            "Distance by unicorn" => 7,
            "Track of one unicorn" => 60,
            "Vitals below 100" => 0,
            // Its time is before the first reading.
            "Readings after a time" => 420,
            _ => panic!("{name} has no expectation"),
        };
        assert_eq!(found.len(), expected, "{name}");
        names.push(name.to_owned());
    }
    assert_eq!(names.len(), 5, "{names:?}");
}

/// The value without its tag: `!Join [..]`.
fn plain(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => &tagged.value,
        value => value,
    }
}

#[test]
fn closed_pipe_exits_quietly_and_bad_usage_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fly(folder, &[]);
    // More output than a pipe buffers.
    let sql = "SELECT a.* FROM wildrydes a CROSS JOIN wildrydes b";
    let mut child = query(folder, &["--format", "lines", sql])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(!err.contains("error"), "{err}");

    let code = |arguments: &[&str]| run(&mut query(folder, arguments)).code;
    assert_eq!(code(&["SELECT 1", "--format", "xml"]), Some(2));
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["SELECT 1", "--target", "aws"]), Some(2));
    assert_eq!(code(&["SELEKT 1"]), Some(1));
    assert_eq!(code(&["--help"]), Some(0));
}

#[test]
fn ctrl_c_interrupts_a_running_query() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fly(folder, &[]);
    // A long query that needs little memory. The limits keep the optimizer from merging the joins.
    let pairs = "SELECT a.Distance + b.Distance AS Both FROM wildrydes a CROSS JOIN wildrydes b LIMIT 1000000000";
    let endless =
        &format!("SELECT count(*) FROM ({pairs}) l CROSS JOIN ({pairs}) r WHERE l.Both > r.Both");
    let mut running = Running::start(&mut query(folder, &[endless]));
    running.until("1 file in");
    running.until_busy();
    // Without the interrupt it would run for hours and then print a number.
    let ended = running.interrupt();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.ends_with("error: interrupted\n"), "{}", ended.err);
}
