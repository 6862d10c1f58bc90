"""What Athena does with lines and JSON, for queries that run in DuckDB.

DuckDB's own JSON functions take more than JSON, and return numbers as doubles. The functions here follow the source of
Trino, which Athena is made of: io.trino.operator.scalar.JsonExtract and JsonFunctions.
"""

import json
import re


class Number(str):
    """A number as it is written."""


def reject(text):
    raise ValueError(text)


def first(pairs):
    """An object; of equal keys, the first counts."""
    found = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=reject, object_pairs_hook=first
)
PATH = re.compile(r"json_extract(?:_scalar)?\(\w+, '\$\.(\w+)'\)")
FIELDS = ["Name", "StatusTime", "Latitude", "Longitude", "Distance", "HealthPoints", "MagicPoints"]


def lines(data):
    """The lines of a file, as Hadoop's LineReader ends them."""
    return [piece.decode(errors="replace") for piece in re.split(rb"\r\n|\r|\n", data)]


def parse(line):
    """The value of `json_parse`; None where it fails, as for halves of surrogate pairs."""
    try:
        value = DECODER.decode(line)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value


def extract(value):
    """The results of `json_extract_scalar` and of `json_format(json_extract())`."""
    if isinstance(value, Number):
        return str(value), str(value)
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return text, text
    return (value if isinstance(value, str) else None), text


def define_json_macros(database, texts):
    """Defines the macros of `with_json_macros`, for these lines."""
    database.execute("CREATE OR REPLACE TABLE parsed (line VARCHAR)")
    database.execute("CREATE OR REPLACE TABLE extracted (line VARCHAR, field VARCHAR, scalar VARCHAR, json VARCHAR)")
    for text in texts:
        value = parse(text)
        if value is not None:
            database.execute("INSERT INTO parsed VALUES (?)", [text])
        if isinstance(value, dict):
            rows = [(text, field, *extract(value[field])) for field in FIELDS if field in value]
            if rows:
                database.executemany("INSERT INTO extracted VALUES (?, ?, ?, ?)", rows)
    database.execute("""
        CREATE OR REPLACE MACRO athena_parse(text) AS
            (SELECT any_value(line) FROM parsed WHERE line = text)
    """)
    for name, column in [("athena_scalar", "scalar"), ("athena_json", "json")]:
        database.execute(f"""
            CREATE OR REPLACE MACRO {name}(text, path) AS
                (SELECT any_value({column}) FROM extracted WHERE line = text AND '$.' || field = path)
        """)


def with_json_macros(sql):
    """The query with macros in the place of Athena's JSON functions."""
    unknown = set(PATH.findall(sql)) - set(FIELDS)
    if unknown:
        raise ValueError(f"no fields of a reading: {sorted(unknown)}")
    sql = re.sub(r"json_format\(json_extract\((\w+, '[^']*')\)\)", r"athena_json(\1)", sql)
    sql = re.sub(r"TRY\(json_parse\((\w+)\)\)", r"athena_parse(\1)", sql)
    return sql.replace("json_extract_scalar(", "athena_scalar(")


def time(value):
    """A timestamp as text; DuckDB returns those before the year 1 as text of its own."""
    if hasattr(value, "strftime"):
        year = f"{value.year:04}"
        return f"{year}-{value:%m-%d %H:%M:%S}.{value.microsecond // 1000:03}"
    match = re.fullmatch(r"(\d+)(-\d\d-\d\d) \(BC\) (\d\d:\d\d:\d\d)(\.\d+)?", value)
    year, date, clock, fraction = match.groups()
    return f"{1 - int(year):04}{date} {clock}{(fraction or '.').ljust(4, '0')}"
