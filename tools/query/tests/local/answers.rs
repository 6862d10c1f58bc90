//! Tests the results of local queries.

use crate::{Data, ask, gzip, reading};

#[tokio::test]
async fn workshop_queries_return_the_expected_rows() {
    let fleet = Data::fleet();
    assert_eq!(
        fleet
            .rows("SELECT StatusTime, Latitude, Longitude FROM wildrydes WHERE Name = 'Shadowfax' ORDER BY StatusTime")
            .await,
        [
            "2026-11-19 23:59:58.000,40.5,-73.25",
            "2026-11-20 09:17:00.000,40.5,-73.25",
            "2026-11-20 09:17:01.250,40.5,-73.25",
        ]
    );
    assert_eq!(
        fleet
            .rows("SELECT Name, Distance FROM wildrydes WHERE StatusTime > TIMESTAMP '2026-11-20 09:17:00' ORDER BY Distance")
            .await,
        ["Franky,10", "Shadowfax,30.25"]
    );
    assert_eq!(
        fleet
            .rows("SELECT Name, sum(Distance), count(*) FROM wildrydes GROUP BY Name ORDER BY 2")
            .await,
        ["Franky,10.000001,2", "Shadowfax,60.75,3"]
    );
    assert_eq!(
        fleet
            .rows("SELECT Name, HealthPoints, MagicPoints FROM wildrydes WHERE HealthPoints < 100 OR MagicPoints < 100")
            .await,
        ["Franky,99,150", "Shadowfax,150,98"]
    );
}

#[tokio::test]
async fn filtered_rows_keep_the_archives_order() {
    let data = Data::new();
    let mut expected = Vec::new();
    for file in 0..40 {
        let lines: Vec<String> = (0..500)
            .map(|line| {
                let name = format!("{file:02} {line:03}");
                let text = reading(&name, "2026-11-20 09:17:00.000", "1", 1, 1);
                expected.push(name);
                text
            })
            .collect();
        data.write(
            &format!("wildrydes/2026/11/20/09/{file:02}"),
            lines.concat(),
        );
    }
    assert_eq!(
        data.rows("SELECT Name FROM wildrydes WHERE Distance = 1")
            .await,
        expected
    );
    assert_eq!(
        data.rows("SELECT name FROM (SELECT * FROM wildrydes) LIMIT 3")
            .await,
        expected[..3]
    );
    let counted = "SELECT count(*), count(DISTINCT Name), sum(Distance) FROM wildrydes";
    assert_eq!(data.rows(counted).await, ["20000,20000,20000"]);
}

#[tokio::test]
async fn names_are_case_insensitive_and_headings_are_normalized() {
    let fleet = Data::fleet();
    for sql in [
        "SELECT Name, sum(Distance) AS Total FROM wildrydes GROUP BY Name ORDER BY Total",
        "select name, SUM(DISTANCE) as Total from WILDRYDES group by NAME order by total",
        "SELECT \"Name\", sum(\"distance\") AS \"Total\" FROM \"WildRydes\" GROUP BY \"name\" ORDER BY \"TOTAL\"",
        "WITH Far AS (SELECT name AS n, distance AS d FROM wildrydes) \
         SELECT N AS NAME, sum(D) AS Total FROM far GROUP BY n ORDER BY TOTAL",
        "SELECT w.NAME, sum(W.distance) AS Total FROM wildrydes AS w GROUP BY w.name ORDER BY total",
        "SELECT name, sum(distance) AS Total FROM awsdatacatalog.wildrydes.wildrydes GROUP BY 1 ORDER BY 2",
    ] {
        let answer = fleet.ask(sql).await;
        assert_eq!(answer.error, None, "{sql}");
        assert_eq!(
            answer.out, "Name,Total\nFranky,10.000001\nShadowfax,60.75\n",
            "{sql}"
        );
    }
    let answer = fleet
        .ask("SELECT count(*), date_trunc('day', max(STATUSTIME)), SUM(distance) FROM wildrydes")
        .await;
    assert_eq!(
        answer.out.lines().next(),
        Some("count(*),\"date_trunc('day', max(StatusTime))\",SUM(Distance)")
    );
}

#[tokio::test]
async fn distances_are_exact_in_every_format() {
    let data = Data::new();
    let lines: Vec<String> = [
        "0.1",
        "0.2",
        "1789.25",
        "10362",
        "9223372036854.775807",
        "9223372036854.775807",
    ]
    .iter()
    .enumerate()
    .map(|(second, metres)| {
        reading(
            "Franky",
            &format!("2026-11-20 09:17:0{second}.000"),
            metres,
            1,
            1,
        )
    })
    .collect();
    data.write("wildrydes/2026/11/20/09/a", lines.concat());
    assert_eq!(
        data.rows("SELECT Distance FROM wildrydes ORDER BY StatusTime LIMIT 4")
            .await,
        ["0.1", "0.2", "1789.25", "10362"]
    );
    let sql = "SELECT count(*), sum(Distance) FROM wildrydes";
    assert_eq!(data.rows(sql).await, ["6,18446744085861.101614"]);
    assert_eq!(
        data.ask_as("lines", sql).await.out,
        "{\"count(*)\":6,\"sum(Distance)\":18446744085861.101614}\n"
    );
    assert_eq!(
        data.ask_as("table", sql).await.out,
        "count(*)          sum(Distance)\n--------  ---------------------\n       6  18446744085861.101614\n"
    );
    assert_eq!(
        data.rows("SELECT count(*) FROM wildrydes WHERE Distance = 0.1")
            .await,
        ["1"]
    );
    assert_eq!(
        data.rows("SELECT avg(Distance) FROM wildrydes WHERE Distance < 1")
            .await,
        ["0.15"]
    );
}

#[tokio::test]
async fn any_status_time_can_be_compared() {
    let data = Data::new();
    let years = [
        "0001-01-01 00:00:00.000",
        "2026-11-20 09:17:00.123",
        "9999-12-31 23:59:59.999",
    ];
    let lines = years.map(|time| reading("Franky", time, "1", 1, 1));
    data.write("wildrydes/2026/11/20/09/a", lines.concat());
    let count =
        |condition: &str| format!("SELECT count(*) FROM wildrydes WHERE StatusTime {condition}");
    for (condition, expected) in [
        ("> TIMESTAMP '2026-11-20 09:17:00'", "2"),
        (">= '2026-11-20 09:17:00.123'", "2"),
        ("= TIMESTAMP '2026-11-20 09:17:00.123'", "1"),
        (
            "BETWEEN TIMESTAMP '2026-11-20 09:17:00.124' AND TIMESTAMP '2027-01-01 00:00:00'",
            "0",
        ),
        ("> now() + INTERVAL '1' DAY", "1"),
        ("< DATE '2026-11-21'", "2"),
        (
            "IN (TIMESTAMP '2026-11-20 09:17:00.123', TIMESTAMP '2026-11-20 09:17:00')",
            "1",
        ),
    ] {
        assert_eq!(
            data.rows(&count(condition)).await,
            [expected],
            "{condition}"
        );
    }
    assert_eq!(
        data.rows("SELECT min(StatusTime), max(StatusTime) FROM wildrydes")
            .await,
        ["0001-01-01 00:00:00.000,9999-12-31 23:59:59.999"]
    );
}

#[tokio::test]
async fn invalid_lines_are_left_out_and_counted_once() {
    let fleet = Data::fleet();
    let answer = fleet.ask("SELECT count(*) FROM wildrydes").await;
    assert_eq!(answer.out, "count(*)\n5\n");
    let note = "2 parts are not readings: in ";
    assert!(answer.notes.contains(note), "{}", answer.notes);
    assert!(!answer.notes.contains("FROM rejects"), "{}", answer.notes);
    let joined = "SELECT count(*) FROM wildrydes a JOIN wildrydes b ON a.Name = b.Name";
    let answer = fleet.ask(joined).await;
    assert_eq!(answer.out, "count(*)\n13\n");
    assert!(answer.notes.contains(note), "{}", answer.notes);
}

#[tokio::test]
async fn condition_on_the_day_limits_the_folders_read() {
    let fleet = Data::fleet();
    // Reading this file fails.
    fleet.write(
        "wildrydes/2026/11/21/00/spoilt",
        &gzip(&["x".repeat(1000)])[..20],
    );
    let path = fleet.path();
    let all = "SELECT count(*) FROM wildrydes";
    let answer = ask(&["--data-dir", path, "--format", "csv", all]).await;
    assert_eq!((answer.out.as_str(), answer.error), ("count(*)\n5\n", None));
    let note = "2026/11/21/00/spoilt: its compressed data is cut off; what is before that was read";
    assert!(answer.notes.contains(note), "{}", answer.notes);
    for (condition, expected) in [
        ("day = '2026/11/20'", "3"),
        ("DAY < '2026/11/21'", "5"),
        ("\"Day\" IN ('2026/11/19', '2026/11/18')", "2"),
        ("day LIKE '2026/11/2%' AND day <> '2026/11/21'", "3"),
        (
            "(day = '2026/11/19' OR day = '2026/11/20') AND Name = 'Franky'",
            "2",
        ),
        ("day = '2027/01/01'", "0"),
    ] {
        let sql = format!("SELECT count(*) FROM wildrydes w WHERE {condition}");
        assert_eq!(fleet.rows(&sql).await, [expected], "{condition}");
    }
    assert_eq!(
        fleet
            .rows("SELECT DISTINCT day FROM wildrydes WHERE day <= '2026/11/20' ORDER BY day")
            .await,
        ["2026/11/19", "2026/11/20"]
    );
    // Conditions that involve more than the day must not limit the folders.
    let fleet = Data::fleet();
    assert_eq!(
        fleet
            .rows("SELECT count(*) FROM wildrydes WHERE day = (SELECT max(day) FROM wildrydes WHERE Name = 'Franky')")
            .await,
        ["3"]
    );
    assert_eq!(
        fleet
            .rows("SELECT count(*) FROM wildrydes WHERE day = '2026/11/19' OR HealthPoints = 100")
            .await,
        ["3"]
    );
}

#[tokio::test]
async fn limit_stops_reading() {
    let data = Data::new();
    let lines: Vec<String> = (0..50_000)
        .map(|second| {
            reading(
                &format!("unicorn {second}"),
                "2026-11-20 09:17:00.000",
                "1",
                1,
                1,
            )
        })
        .collect();
    data.write("wildrydes/2026/11/20/09/a", lines.concat());
    data.write("wildrydes/2026/11/20/09/b", &gzip(&lines)[..50]);
    let path = data.path();
    for (sql, is_read) in [
        ("SELECT count(*) FROM wildrydes", true),
        ("SELECT Name FROM wildrydes LIMIT 2", false),
    ] {
        let answer = ask(&["--data-dir", path, sql]).await;
        assert_eq!(answer.error, None);
        let is_noted = answer.notes.contains("/b: its compressed data is cut off");
        assert_eq!(is_noted, is_read, "{}", answer.notes);
    }
    let rows = data.rows("SELECT Name FROM wildrydes LIMIT 2").await;
    assert_eq!(rows, ["unicorn 0", "unicorn 1"]);
    let answer = ask(&["--data-dir", path, "SELECT Name FROM wildrydes"]).await;
    assert_eq!(answer.error, None);
    assert_eq!(answer.out.lines().count(), 102);
    assert!(
        answer.notes.ends_with(
            "only the first 100 rows are shown: use --limit N for more, or --format csv or lines for all\n"
        ),
        "{}",
        answer.notes
    );
}

#[tokio::test]
async fn rejects_can_be_queried() {
    let data = Data::new();
    data.write(
        "wildrydes/2026/11/20/09/a",
        reading("Franky", "2026-11-20 09:17:00.000", "1", 1, 1),
    );
    let answer = data.ask("SELECT * FROM rejects").await;
    assert_eq!(answer.error, None);
    assert!(answer.notes.ends_with("no rows\n"), "{}", answer.notes);

    let rejected = |payload: &[u8]| {
        let rejected = windrow_event::Reject {
            reason: "Distance is missing",
            stream: "wildrydes",
            shard: "shardId-000000000000",
            sequence_number: "49590338271490256608559692538361571095921575989136588898",
            partition_key: "Shadow\"fax",
            sub_sequence_number: None,
            arrival: windrow_event::Timestamp::from_millis(1_795_166_228_189),
            payload,
        };
        rejected.lines().concat()
    };
    let user_record = br#"{"Reason":"Distance is missing","Stream":"wildrydes","Shard":"shardId-000000000000","SequenceNumber":"4959","PartitionKey":"Shadow\"fax","ArrivalTime":"2026-11-20 09:17:08.189","SubSequenceNumber":3,"Payload":"{}"}"#;
    let lines = [
        [&user_record[..], b"\n"].concat(),
        rejected(b"{}"),
        rejected(b"\xff"),
        rejected(&[b'x'; 200_000]),
        b"broken\n".to_vec(),
    ];
    data.write("wildrydes-rejects/2026/11/20/09/r", lines.concat());
    let answer = data
        .ask("SELECT Reason, Shard, PartitionKey, ArrivalTime, SubSequenceNumber, length(Payload), payloadbase64, Piece, Pieces, day FROM rejects")
        .await;
    let same = "Distance is missing,shardId-000000000000,\"Shadow\"\"fax\",2026-11-20 09:17:08.189";
    let rows: Vec<&str> = answer.out.lines().skip(1).collect();
    assert_eq!(
        rows,
        [
            format!("{same},3,2,,,,2026/11/20"),
            format!("{same},,2,,,,2026/11/20"),
            format!("{same},,,/w==,,,2026/11/20"),
            format!("{same},,160000,,1,2,2026/11/20"),
            format!("{same},,40000,,2,2,2026/11/20"),
        ]
    );
    assert!(
        answer.notes.ends_with("1 part is not a reject: left out\n"),
        "{}",
        answer.notes
    );
}
