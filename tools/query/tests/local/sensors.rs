//! Tests queries of sensors that are not unicorns, on what their local cloud leaves in its data
//! directory.

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use query::tables::{ColumnKind, SameTableName};
use query::{QueryProgram, RowView, TableColumn};
use windrow_core::row::MergedRow;
use windrow_core::sensor::{Aggregation, DeclaredSensor, Field};
use windrow_core::value::{ColumnType, NumberType, Value};
use windrow_local::LocalCloud;
use windrow_pipeline::{LocalProgram, SensorApplication};

use crate::{Data, QueryAnswer, ask_program};

const CELSIUS: ColumnType = ColumnType::Number(NumberType::decimal(2));

/// A program, and the data directory of its application.
struct SensorData {
    program: QueryProgram<DeclaredSensor>,
    data: Data,
}

impl SensorData {
    /// Sends lines to the application's local cloud and stops it.
    async fn new(sensor: DeclaredSensor, name: &str, lines: &[&str]) -> Self {
        let data = Data::new();
        let local = LocalProgram::new(SensorApplication::new(sensor.clone()), name);
        let mut settings = local.settings();
        settings.port = 0;
        settings.data_dir = data.0.path().to_owned();
        // All lines arrive in one window.
        settings.window = Duration::from_secs(900);
        let cloud = LocalCloud::start(settings, &local.application).await;
        let cloud = cloud.unwrap();
        let config = windrow_connect::local_config(&cloud.endpoint_url());
        let kinesis = aws_sdk_kinesis::Client::new(&config);
        for line in lines {
            let put = kinesis.put_record().stream_name(name);
            let put = put.partition_key("a").data(Blob::new(*line));
            put.send().await.unwrap();
        }
        cloud.drain(Duration::from_secs(120)).await.unwrap();
        cloud.stop().await;
        let program = QueryProgram::new(sensor, name);
        Self { program, data }
    }

    async fn ask(&self, sql: &str) -> QueryAnswer {
        let arguments = ["--data-dir", self.data.path(), "--format", "csv", sql];
        ask_program(&self.program, &arguments).await
    }

    /// The rows as CSV, without the headings.
    async fn rows(&self, sql: &str) -> Vec<String> {
        let answer = self.ask(sql).await;
        assert_eq!(answer.error, None, "{sql}");
        answer.out.lines().skip(1).map(str::to_owned).collect()
    }
}

/// Three rooms of two sites, and what is not a reading. One reading is sent twice.
const TEMPERATURES: [&str; 7] = [
    r#"{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":21.5}"#,
    r#"{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:09","Celsius":-0.25}"#,
    r#"{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:09","Celsius":-0.25}"#,
    r#"{"Site":"Berlin","Room":"Cellar","Time":"2026-11-20T09:17:08Z","Celsius":12,"Id":[7]}"#,
    r#"{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":30}"#,
    r#"{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:10","Celsius":30.005}"#,
    r#"{"Site":"Rome","Room":"At\ttic","Time":"2026-11-20 09:17:11.1239","Celsius":31}"#,
];

async fn thermometers() -> SensorData {
    SensorData::new(thermometer::sensor().unwrap(), "thermometer", &TEMPERATURES).await
}

#[tokio::test]
async fn thermometers_are_queried_as_unicorns_are() {
    let data = thermometers().await;
    assert_eq!(
        data.rows("SELECT * FROM thermometer WHERE day <> '' ORDER BY Time DESC, Room LIMIT 2")
            .await
            .iter()
            .map(|row| row.rsplit_once(',').unwrap().0)
            .collect::<Vec<_>>(),
        [
            "Rome,At\ttic,2026-11-20 09:17:11.123,31",
            "Berlin,Attic,2026-11-20 09:17:09.000,-0.25"
        ]
    );
    let exact = "select site, count(*), SUM(celsius), avg(Celsius) from Thermometer \
                 where time > TIMESTAMP '2026-11-20 09:17:00' and celsius < 30.5 group by 1 order by 1";
    let answer = data.ask(exact).await;
    assert_eq!(
        answer.out,
        "Site,count(*),SUM(Celsius),avg(Celsius)\nBerlin,4,33,8.25\nRome,1,30,30\n"
    );
    let note = "1 line is not a reading: see SELECT * FROM rejects\n";
    assert!(answer.notes.contains(note), "{}", answer.notes);
    let answer = data
        .ask("SELECT * FROM summary ORDER BY Site, Room DESC")
        .await;
    assert_eq!(answer.error, None);
    let (names, rows) = answer.out.split_once('\n').unwrap();
    assert_eq!(
        names,
        "Site,Room,Time,MinCelsius,MaxCelsius,AvgCelsius,CountCelsius,Readings,WindowSeconds,Gap"
    );
    let without_time = |row: &str| {
        let cells: Vec<&str> = row.split(',').collect();
        [&cells[..2], &cells[3..]].concat().join(" ")
    };
    assert_eq!(
        rows.lines().map(without_time).collect::<Vec<_>>(),
        [
            "Berlin Cellar 12 12 12 1 1 900 false",
            "Berlin Attic -0.25 21.5 10.625 2 2 900 false",
            "Rome Attic 30 30 30 1 1 900 false",
            "Rome At\ttic 31 31 31 1 1 900 false",
        ]
    );
    assert!(
        answer
            .notes
            .starts_with("summary: the table thermometer in "),
        "{}",
        answer.notes
    );
    assert_eq!(
        data.rows("SELECT Reason, count(*) FROM rejects GROUP BY 1")
            .await,
        ["\"Celsius is `30.005`, with more than 2 digits after the point\",1"]
    );
    let joined = "SELECT count(*) FROM summary s JOIN thermometer t ON s.Site = t.Site AND s.Room = t.Room \
                  WHERE t.Celsius BETWEEN s.MinCelsius AND s.MaxCelsius";
    assert_eq!(data.rows(joined).await, ["6"]);
    assert_eq!(
        data.rows("DESCRIBE summary").await[..6],
        [
            "Site,varchar,Key",
            "Room,varchar,Key",
            "Time,timestamp(3),\"Start of the window, UTC\"",
            "MinCelsius,\"decimal(26, 2)\",Lowest value",
            "MaxCelsius,\"decimal(26, 2)\",Highest value",
            "AvgCelsius,\"decimal(38, 4)\",Average",
        ]
    );
    assert_eq!(
        data.rows("SHOW TABLES").await[1],
        "summary,\"A window of one key, from the table thermometer, merged\""
    );
}

/// The highest temperature of each site, as a table of its own.
fn sites() -> RowView {
    let columns = vec![
        TableColumn::new("SITE", ColumnType::Text, "Where the building is"),
        TableColumn::new(
            "Rooms",
            ColumnType::Number(NumberType::U64),
            "Number of rooms",
        ),
        TableColumn::new("Hottest", CELSIUS, "Highest temperature"),
        TableColumn::new(
            "Newest",
            ColumnType::Timestamp,
            "Start of the newest window",
        ),
    ];
    RowView::new("sites", "A site", columns, |rows: &[MergedRow]| {
        let mut names: Vec<&Value> = rows.iter().map(|row| &row.key[0]).collect();
        names.sort();
        names.dedup();
        let site = |name: &Value| {
            let rooms = || rows.iter().filter(|row| &row.key[0] == name);
            let count = windrow_core::decimal::Decimal {
                unscaled: rooms().count() as i128,
                scale: 0,
            };
            let newest = rooms().map(|row| row.window_start).max();
            vec![
                name.clone(),
                Value::Number(count),
                rooms().map(|row| row.measures[1].clone()).max().unwrap(),
                newest.map_or(Value::Null, Value::Timestamp),
            ]
        };
        names.into_iter().map(site).collect()
    })
}

#[tokio::test]
async fn views_are_computed_from_merged_rows() {
    let mut data = thermometers().await;
    data.program.views = vec![sites()];
    let help = data.program.command().render_help().to_string();
    assert!(help.contains("  sites         A site\n"), "{help}");
    assert_eq!(data.rows("SHOW TABLES").await[3], "sites,A site");
    // `Site` is the spelling of the readings.
    assert_eq!(
        data.rows("DESCRIBE sites").await[..2],
        [
            "Site,varchar,Where the building is",
            "Rooms,\"decimal(20, 0)\",Number of rooms",
        ]
    );
    let sql = "SELECT v.site, rooms, HOTTEST, newest = s.Time AS Same FROM sites v \
               JOIN summary s ON s.Site = v.Site AND s.MaxCelsius = Hottest ORDER BY 1";
    let answer = data.ask(sql).await;
    assert_eq!(answer.error, None);
    assert_eq!(
        answer.out,
        "Site,Rooms,Hottest,Same\nBerlin,2,21.5,true\nRome,2,31,true\n"
    );
    assert!(
        data.data
            .error("SELECT * FROM sites")
            .await
            .contains("there is no table sites")
    );

    // A view may have no rows and no columns.
    let nothing = RowView::new("nothing", "", Vec::new(), |rows| {
        vec![Vec::new(); rows.len()]
    });
    data.program.views = vec![nothing];
    assert_eq!(data.rows("SELECT count(*) FROM nothing").await, ["4"]);
}

#[tokio::test]
async fn wrong_values_of_views_are_reported() {
    let mut data = thermometers().await;
    for (rows, problem) in [
        (
            vec![Value::Text("far".to_owned())],
            "`far` of N does not fit integer",
        ),
        (vec![], "a row has 0 values instead of 1"),
        (
            vec![Value::Number(windrow_core::decimal::Decimal {
                unscaled: 15,
                scale: 1,
            })],
            "`1.5` of N does not fit integer",
        ),
    ] {
        let columns = vec![TableColumn::new(
            "N",
            ColumnType::Number(NumberType::I32),
            "",
        )];
        let view = RowView::new("wrong", "", columns, move |_| vec![rows.clone()]);
        data.program.views = vec![view];
        let error = data.ask("SELECT * FROM wrong").await.error.unwrap();
        assert_eq!(error, format!("the view wrong is wrong: {problem}; "));
    }
}

#[tokio::test]
async fn any_names_and_types_can_be_queried() {
    let text = ColumnType::Text;
    let sensor = DeclaredSensor::new(vec![
        Field::new("id", text).nullable(),
        Field::new("ID", ColumnType::Number(NumberType::I64)),
        Field::new("ID_2", ColumnType::Float).nullable(),
        Field::new("Order", ColumnType::Number(NumberType::U64)).measure("Gap", Aggregation::Max),
        Field::new("select", ColumnType::Boolean)
            .nullable()
            .measure("Count", Aggregation::Last),
        Field::new("Day", text),
        Field::new("two words", ColumnType::Timestamp)
            .nullable()
            .measure("readings", Aggregation::Min),
    ]);
    let lines = [
        r#"{"id":"a","ID":-9223372036854775808,"ID_2":0.5,"Order":18446744073709551615,"select":true,"Day":"Mon","two words":"2026-11-20 09:17:08"}"#,
        r#"{"ID":7,"Order":1,"Day":"Tue","select":null,"id":null}"#,
    ];
    let data = SensorData::new(sensor.unwrap(), "group", &lines).await;
    let describe = data.rows("DESCRIBE \"group\"").await;
    let types: Vec<_> = describe
        .iter()
        .map(|row| row.rsplit_once(',').unwrap().0)
        .collect();
    assert_eq!(
        types[..7],
        [
            "id,varchar",
            "ID_3,bigint",
            "ID_2,double",
            "Order,\"decimal(20, 0)\"",
            "select,boolean",
            "Day,varchar",
            "two words,timestamp(3)",
        ]
    );
    assert!(describe[7].starts_with("day_2,varchar,"), "{describe:?}");
    let sql = "SELECT ID, id_3, id_2, \"order\", \"SELECT\", day, \"Two Words\" FROM \"Group\" ORDER BY Day";
    let answer = data.ask(sql).await;
    assert_eq!(answer.error, None);
    assert_eq!(
        answer.out,
        "id,ID_3,ID_2,Order,select,Day,two words\n\
         a,-9223372036854775808,0.5,18446744073709551615,true,Mon,2026-11-20 09:17:08.000\n\
         ,7,,1,,Tue,\n"
    );
    // A column of the sensor limits no folders, and the archive's does.
    let count = |condition: &str| format!("SELECT count(*) FROM \"group\" WHERE {condition}");
    assert_eq!(data.rows(&count("day = 'Mon'")).await, ["1"]);
    assert_eq!(data.rows(&count("day_2 = 'Mon'")).await, ["0"]);
    assert_eq!(
        data.rows(&count("day_2 > '2026' AND Day > 'Mon'")).await,
        ["1"]
    );

    // Rows without a key, whose columns are called as those that every row has.
    let answer = data.ask("SELECT * FROM summary").await;
    let (names, row) = answer.out.split_once('\n').unwrap();
    assert_eq!(
        names,
        "WindowStart,Gap,Count,readings,Readings_2,WindowSeconds,Gap_2"
    );
    let row = row.split_once(',').unwrap().1;
    assert_eq!(
        row,
        "18446744073709551615,true,2026-11-20 09:17:08.000,2,900,false\n"
    );
    let sql = "SELECT max(Gap), sum(Readings_2), bool_or(\"Count\"), count(*) FROM Summary GROUP BY gap_2";
    assert_eq!(data.rows(sql).await, ["18446744073709551615,2,true,1"]);
}

#[tokio::test]
async fn filtered_readings_are_left_out_and_counted() {
    let sensor = thermometer::sensor().unwrap();
    let warm = Value::Text("Rome".to_owned());
    let sensor = sensor.with_filter(move |reading| reading.values[0].to_value() == warm);
    let data = SensorData::new(sensor, "thermometer", &TEMPERATURES).await;
    let answer = data.ask("SELECT count(*) FROM thermometer").await;
    assert_eq!((answer.error, answer.out.as_str()), (None, "count(*)\n2\n"));
    let note = "the sensor's filter left out 4 readings\n";
    assert!(answer.notes.ends_with(note), "{}", answer.notes);
}

#[test]
fn applications_and_tables_have_names_in_sql() {
    let program = |name: &str| QueryProgram::new(thermometer::sensor().unwrap(), name);
    for (name, expected) in [
        ("thermometer", "thermometer"),
        ("air-quality.v2", "air_quality_v2"),
        ("2rooms", "_2rooms"),
        ("Summary", "readings"),
        ("rejects", "readings"),
    ] {
        let program = program(name);
        program.command().debug_assert();
        let tables = program.tables().unwrap();
        assert_eq!(tables.names(), format!("{expected}, summary, rejects"));
    }
    let mut same = program("thermometer");
    same.views = vec![RowView::new("THERMOMETER", "", Vec::new(), |_| Vec::new())];
    let name = "thermometer".to_owned();
    let error = same.tables().unwrap_err();
    assert_eq!(error, SameTableName { name });
    assert_eq!(
        error.to_string(),
        "two tables are called thermometer: give one of them another name"
    );
}

#[test]
fn every_type_has_one_in_sql() {
    let sql = |column_type| ColumnKind::of(column_type).sql();
    let number = |number| sql(ColumnType::Number(number));
    assert_eq!(number(NumberType::between(0, 255)), "integer");
    assert_eq!(number(NumberType::between(-1, 1 << 40)), "bigint");
    assert_eq!(number(NumberType::U64), "decimal(20, 0)");
    assert_eq!(number(NumberType::any(0)), "decimal(38, 0)");
    assert_eq!(number(NumberType::decimal(2)), "decimal(38, 2)");
    assert_eq!(number(NumberType::any(38)), "decimal(38, 38)");
    assert_eq!(number(NumberType::any(39)), "varchar");
    let small = NumberType {
        scale: 4,
        ..NumberType::between(0, 9)
    };
    assert_eq!(number(small), "decimal(4, 4)");
    assert_eq!(sql(ColumnType::Timestamp), "timestamp(3)");
}

#[tokio::test]
async fn a_missing_archive_says_what_to_do() {
    let program = QueryProgram::new(thermometer::sensor().unwrap(), "thermometer");
    let data = Data::new();
    let arguments = ["--data-dir", data.path(), "SELECT * FROM thermometer"];
    let error = ask_program(&program, &arguments).await.error.unwrap();
    let expected = format!(
        "there is no archive in {}/archive/thermometer: run the application's local cloud and send it \
         readings, whose first file appears after a minute or at the end of the run, or name another \
         folder with --data-dir or --archive; ",
        data.path()
    );
    assert_eq!(error, expected);
}
