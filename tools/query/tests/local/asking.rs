//! Tests where queries and archives come from, and error messages.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Data, ask, reading};

#[tokio::test]
async fn errors_have_a_location() {
    let fleet = Data::fleet();
    for (sql, expected) in [
        (
            "SELECT Nam FROM wildrydes",
            "there is no column Nam (line 1, column 8)\n  SELECT Nam FROM wildrydes\n         ^^^\n\
             did you mean Name? there are: Name, StatusTime, Latitude, Longitude, Distance, HealthPoints, MagicPoints, day; ",
        ),
        (
            "SELECT count(*)\nFROM unicorns",
            "there is no table unicorns (line 2, column 6)\n  FROM unicorns\n       ^^^^^^^^\n\
             there are: wildrydes, summary, rejects; ",
        ),
        (
            "DESCRIBE unicorns",
            "there is no table unicorns (line 1, column 10)\n  DESCRIBE unicorns\n           ^^^^^^^^\n\
             there are: wildrydes, summary, rejects; ",
        ),
    ] {
        assert_eq!(fleet.error(sql).await, expected);
    }
    for (sql, fragment) in [
        ("SELECT fly(Name) FROM wildrydes", "'fly'"),
        ("SELECT Name, sum(Distance) FROM wildrydes", "GROUP BY"),
        ("SELECT 1/0", "ivide by zero"),
        ("SELECT CAST('far' AS integer)", "far"),
        ("SELECT * FROM wildrydes WHERE Name > 7 AND", "Expected"),
        ("SELECT * INTO x FROM wildrydes", ""),
        (
            "WITH x AS (SELECT 1) INSERT INTO wildrydes SELECT * FROM x",
            "",
        ),
        (
            "EXPLAIN ANALYZE INSERT INTO wildrydes VALUES (1)",
            "INSERT is not allowed",
        ),
        ("SHOW COLUMNS FROM wildrydes", ""),
        ("SELECT * FROM '/etc/passwd'", "no table"),
    ] {
        let error = fleet.error(sql).await;
        assert!(error.contains(fragment), "{sql}: {error}");
    }
}

#[test]
fn long_and_deep_statements_do_not_overflow_the_stack() {
    let fleet = Data::fleet();
    let query = |sql: &str| {
        let program = env!("CARGO_BIN_EXE_query");
        let mut command = Command::new(program);
        command.args(["--data-dir", fleet.path(), "--format", "csv", sql]);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let conditions = vec!["HealthPoints = 99"; 1200].join(" OR ");
    let (code, text) = query(&format!(
        "SELECT count(*) AS n FROM wildrydes WHERE {conditions}"
    ));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("n\n1\n"), "{text}");
    let (code, text) = query(&format!("SELECT {} AS n", vec!["1"; 300].join(" + ")));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("n\n300\n"), "{text}");
    let (code, text) = query(&format!("SELECT {}", vec!["1"; 5001].join(" + ")));
    assert_eq!(code, Some(1));
    assert!(
        text.contains("error: the query has 10002 tokens, more than 10000"),
        "{text}"
    );
    let (code, text) = query(&format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000)));
    assert_eq!(code, Some(1));
    assert!(text.contains("nested too deeply"), "{text}");
}

#[tokio::test]
async fn missing_archive_is_reported_with_a_hint() {
    let data = Data::new();
    let error = data.error("SELECT * FROM wildrydes").await;
    assert!(
        error.starts_with(&format!(
            "there is no archive in {}/archive/wildrydes: ",
            data.path()
        )),
        "{error}"
    );
    assert!(
        error.contains("cargo run -p producer -- --name Shadowfax"),
        "{error}"
    );
    let nowhere = data.0.path().join("nowhere");
    let answer = ask(&[
        "--data-dir",
        nowhere.to_str().unwrap(),
        "SELECT * FROM summary",
    ])
    .await;
    assert!(answer.error.unwrap().starts_with("there is no archive in"));
    assert!(
        data.error("SELECT * FROM rejects")
            .await
            .contains("there is no archive in")
    );
    assert!(
        fs::read_dir(data.0.path()).unwrap().next().is_none(),
        "nothing is ever written"
    );

    fs::create_dir_all(data.0.path().join("archive/wildrydes")).unwrap();
    let answer = data.ask("SELECT Name FROM wildrydes").await;
    assert_eq!((answer.error, answer.out.as_str()), (None, "Name\n"));
    assert!(
        answer.notes.contains("/archive/wildrydes yet\n"),
        "{}",
        answer.notes
    );
    assert_eq!(
        data.rows("SELECT count(*), sum(Distance) FROM wildrydes")
            .await,
        ["0,"]
    );
    assert_eq!(data.rows("SELECT 1 + 1").await, ["2"]);
}

#[tokio::test]
async fn archive_flag_chooses_the_folder() {
    let fleet = Data::fleet();
    let archive = fleet.0.path().join("archive");
    let archive = archive.to_str().unwrap();
    let answer = ask(&[
        "--archive",
        archive,
        "--format",
        "csv",
        "SELECT count(*) FROM wildrydes",
    ])
    .await;
    assert_eq!(answer.out, "count(*)\n5\n");
    let answer = ask(&["--archive", archive, "--target", "aws", "SELECT 1"]).await;
    assert!(
        answer
            .error
            .unwrap()
            .contains("--data-dir and --archive are local: leave them out")
    );
}

#[tokio::test]
async fn tables_and_columns_are_described() {
    let nothing = Data::new();
    assert_eq!(nothing.rows("show tables").await.len(), 3,);
    let columns = nothing.rows("DESCRIBE WildRydes").await;
    assert_eq!(columns.len(), 8);
    assert!(
        columns[4].starts_with("Distance,\"decimal(19, 6)\","),
        "{columns:?}"
    );
    let plan = Data::fleet()
        .ask("EXPLAIN SELECT Name FROM wildrydes")
        .await;
    assert!(plan.out.contains("StreamingTableExec"), "{}", plan.out);
}

#[tokio::test]
async fn query_is_read_from_a_file() {
    let fleet = Data::fleet();
    let file = fleet.0.path().join("track.sql");
    let (file, path) = (file.to_str().unwrap(), fleet.path());
    let answer = ask(&["--data-dir", path, "--file", file]).await;
    assert!(answer.error.unwrap().contains("track.sql cannot be read"));
    fs::write(
        Path::new(file),
        "-- all of them\nSELECT count(*)\nFROM wildrydes;\n",
    )
    .unwrap();
    let answer = ask(&["--data-dir", path, "--format", "csv", "--file", file]).await;
    assert_eq!(answer.out, "count(*)\n5\n");
}

#[tokio::test]
async fn memory_limit_spills_to_files_or_fails() {
    let data = Data::new();
    let lines: Vec<String> = (0..200_000)
        .map(|number: u64| {
            let name = format!("unicorn {:06}", number * 7919 % 200_000);
            reading(&name, "2026-11-20 09:17:00.000", "1", 1, 1)
        })
        .collect();
    data.write("wildrydes/2026/11/20/09/a", lines.concat());
    let path = data.path();
    let arguments = ["--data-dir", path, "--format", "csv", "--memory", "24"];
    let sorted = "SELECT * FROM wildrydes ORDER BY Name";
    let answer = ask(&[&arguments[..], &[sorted]].concat()).await;
    assert_eq!(answer.error, None);
    assert_eq!(answer.out.lines().count(), 200_001);
    assert!(answer.out.lines().skip(1).is_sorted());

    let arguments = ["--data-dir", path, "--format", "csv", "--memory", "1"];
    let joined = "SELECT count(*) FROM wildrydes a JOIN wildrydes b ON a.Name = b.Name";
    let error = ask(&[&arguments[..], &[joined]].concat())
        .await
        .error
        .unwrap();
    assert!(error.contains("--memory MIB raises the limit"), "{error}");
}
