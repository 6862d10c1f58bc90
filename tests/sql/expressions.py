"""Expressions of Kinesis SQL, generated at random, each with the same in DuckDB's dialect.

Three things differ between the two, and are translated here rather than left out:

- An expression without a value (a division by zero, a number out of range) is an error in Kinesis
  SQL: the row counts in no group, or the finished value is NULL. In DuckDB such an expression is
  NULL, and a condition beside it (`ok`) says for which rows it has a value.
- Types. Integers are BIGINT and decimals DECIMAL(38, scale) in DuckDB, cast where Kinesis SQL
  converts. Quotients of decimals, which are floats in DuckDB, are computed of whole numbers.
- Floats become decimals as they are written: by their shortest text, or exactly if they are whole. DuckDB
  rounds the binary value.

Not generated, each for a reason: letters with several capitals, which DuckDB maps one by one; floats
as text below 10^-4 and from 10^15, for which DuckDB writes an exponent; numbers beyond 38 digits,
which unit tests cover.
"""

from dataclasses import dataclass, replace
from typing import Optional

ATOM, UNARY, PRODUCT, SUM, PREDICATE, NOT, AND, OR = 9, 8, 7, 6, 4, 3, 2, 1
MOST_DIGITS = 18

MACROS = """
CREATE MACRO quotient(n, d) AS
    CASE WHEN d <> 0 THEN
        (CASE WHEN (n < 0) <> (d < 0) THEN -1 ELSE 1 END)::HUGEINT
        * ((2::HUGEINT * abs(n) + abs(d)) // (2::HUGEINT * abs(d)))
    END;
CREATE MACRO shortest(t) AS CASE WHEN contains(t, '.') THEN rtrim(rtrim(t, '0'), '.') ELSE t END;
-- Of two texts that are as near, the one away from zero.
CREATE MACRO digits(x, form) AS format(form, CAST(x AS DOUBLE) * 1.000000000001);
CREATE MACRO real_text(x) AS
    CASE WHEN CAST(digits(x, '{:.6g}') AS FLOAT) = x THEN digits(x, '{:.6g}')
        WHEN CAST(digits(x, '{:.7g}') AS FLOAT) = x THEN digits(x, '{:.7g}')
        WHEN CAST(digits(x, '{:.8g}') AS FLOAT) = x THEN digits(x, '{:.8g}')
        ELSE digits(x, '{:.9g}') END;
CREATE MACRO part(t, first, past) AS substring(t, greatest(first, 1), greatest(past, first, 1) - greatest(first, 1));
CREATE MACRO initials(t) AS coalesce(list_aggregate(list_transform(range(1, length(t) + 1), lambda i:
    CASE WHEN i > 1 AND regexp_matches(t[i - 1], '[\\p{L}\\p{N}]') THEN lower(t[i]) ELSE upper(t[i]) END),
    'string_agg', ''), left(t, 0));
CREATE MACRO floored(t, millis) AS
    make_timestamp_ms(epoch_ms(t) - ((epoch_ms(t) % millis) + millis) % millis);
CREATE MACRO average(total, n) AS
    CASE WHEN abs(total) / n >= 0.1
        THEN CAST(CAST(CAST(quotient(CAST(replace(CAST(total AS VARCHAR), '.', '') AS HUGEINT) * 1000, n::HUGEINT) AS DECIMAL(38, 0))
            * CAST('0.000000000000000001' AS DECIMAL(18, 18)) AS VARCHAR) AS DOUBLE)
        ELSE CAST(CAST(total AS VARCHAR) AS DOUBLE) / n END;
"""


# That of a BIGINT.
LARGEST = 2**63 - 1


def in_range(wide):
    """When a whole number is a BIGINT, or NULL."""
    return f"({wide}) IS NULL OR TRY_CAST({wide} AS BIGINT) IS NOT NULL"


@dataclass
class Expression:
    """An expression: its text for both engines, its type, and when it has a value."""

    text: str
    duck: str
    kind: str  # int, dec, float, text, bool or time
    level: int = ATOM
    ok: Optional[str] = None
    scale: int = 0
    bound: float = 0.0
    length: int = 0
    is_char: bool = False
    is_real: bool = False
    is_plain: bool = False  # A float that DuckDB writes without exponent.

    def at(self, level):
        """The text as an operand of an operator."""
        return self.text if self.level >= level else f"({self.text})"


def every(*conditions):
    known = [f"({condition})" for condition in conditions if condition]
    return " AND ".join(known) if known else None


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def decimal(expression, scale):
    return f"CAST({expression.duck} AS DECIMAL(38, {scale}))"


def as_float(expression):
    if expression.kind == "float":
        return expression.duck
    if expression.kind == "int":
        return f"CAST({expression.duck} AS DOUBLE)"
    # By text, since DuckDB's cast of a long decimal is not always the nearest float.
    return f"CAST(CAST({expression.duck} AS VARCHAR) AS DOUBLE)"


def float_text(expression):
    # DuckDB's own text of a FLOAT is not always the shortest.
    text = f"real_text(CAST({expression.duck} AS FLOAT))" if expression.is_real else f"CAST({expression.duck} AS VARCHAR)"
    # A whole float is exact: the shortest text of a large one has zeros for digits.
    return (
        f"CASE WHEN {expression.duck} = trunc({expression.duck}) AND abs({expression.duck}) < 1e37 "
        f"THEN CAST(CAST({expression.duck} AS HUGEINT) AS VARCHAR) ELSE {text} END"
    )


def unscaled(expression):
    if expression.kind == "int":
        return f"CAST({expression.duck} AS HUGEINT)"
    return f"CAST({expression.duck} * CAST({10**expression.scale} AS DECIMAL(38, 0)) AS HUGEINT)"


def rescaled(whole, scale):
    """A whole number of 10^-scale as a decimal."""
    unit = "0." + "0" * (scale - 1) + "1"
    return f"(CAST({whole} AS DECIMAL(38, 0)) * CAST('{unit}' AS DECIMAL({scale}, {scale})))"


def divided(left, right, scale):
    shift = scale + right.scale - left.scale
    return rescaled(f"quotient({unscaled(left)} * {10**shift}, {unscaled(right)})", scale)


# The bits of integer types; the type of an expression is BIGINT.
BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}


def converted(value, to):
    """The value as one of a type such as `SMALLINT` or `DECIMAL(9,2)`, as CAST and INSERT make it.

    The text of the result is that of the value.
    """
    name, _, sizes = to.rstrip(")").partition("(")
    sizes = [int(size) for size in sizes.split(",")] if sizes else []
    duck, ok, result = value.duck, value.ok, {}
    fails = lambda attempt: every(ok, f"({value.duck}) IS NULL OR ({attempt}) IS NOT NULL")
    if name in BITS:
        half = 2 ** (BITS[name] - 1)
        if value.kind == "text":
            duck = f"TRY_CAST({duck} AS BIGINT)"
            ok = fails(duck)
        elif value.kind == "float":
            # The largest float that is a BIGINT is below 2^63.
            fits = f"({duck} >= CAST({-(2**63)} AS DOUBLE) AND {duck} < CAST({2**63} AS DOUBLE))"
            duck = f"CASE WHEN {fits} THEN CAST(round({duck}) AS BIGINT) END"
            ok = every(ok, f"{value.duck} IS NULL OR {fits}")
        else:
            ok = every(ok, in_range(duck)) if value.bound > LARGEST else ok
            duck = f"TRY_CAST({duck} AS BIGINT)"
        if name != "BIGINT":
            ok = every(ok, f"({duck}) IS NULL OR ({duck}) BETWEEN {-half} AND {half - 1}")
        result = {"kind": "int", "bound": min(half, value.bound or half) + 1, "scale": 0}
    elif name == "DECIMAL":
        precision, scale = sizes
        source = float_text(value) if value.kind == "float" else duck
        duck = f"TRY_CAST({source} AS DECIMAL({precision}, {scale}))"
        ok = fails(duck)
        duck = f"CAST({duck} AS DECIMAL(38, {scale}))"
        result = {"kind": "dec", "scale": scale, "bound": 10 ** (precision - scale)}
    elif name in ("DOUBLE", "REAL"):
        if value.kind == "text":
            duck = f"TRY_CAST({duck} AS DOUBLE)"
            ok = fails(duck)
        else:
            duck = as_float(value)
        if name == "REAL":
            duck = f"CAST(CAST({duck} AS FLOAT) AS DOUBLE)"
        result = {"kind": "float", "is_real": name == "REAL", "bound": value.bound or 1e9}
        result["is_plain"] = value.is_plain or (value.kind == "int" and value.bound < 1e15)
    elif name in ("VARCHAR", "CHAR"):
        if value.kind == "int":
            duck = f"CAST({duck} AS VARCHAR)"
        elif value.kind == "dec":
            duck = f"shortest(CAST({duck} AS VARCHAR))"
        elif value.kind == "float":
            duck = f"shortest({float_text(value)})"
        elif value.kind == "bool":
            duck = f"CASE WHEN {duck} THEN 'TRUE' WHEN NOT {duck} THEN 'FALSE' END"
        elif value.kind == "time":
            duck = f"strftime({duck}, '%Y-%m-%d %H:%M:%S.%g')"
        length = sizes[0]
        duck = f"left({duck}, {length})"
        if name == "CHAR":
            duck = f"rpad({duck}, {length}, ' ')"
        result = {"kind": "text", "length": length, "is_char": name == "CHAR"}
    plain = {"is_real": False, "is_plain": False, "is_char": False}
    return replace(value, **{**plain, **result, "duck": duck, "ok": ok})


def number_kind(left, right):
    kinds = {left.kind, right.kind}
    return "float" if "float" in kinds else "dec" if "dec" in kinds else "int"


def compared(symbol, left, right):
    """A comparison in DuckDB."""
    if left.kind == "text":
        sides = [f"rtrim({side.duck}, ' ')" if left.is_char or right.is_char else side.duck for side in (left, right)]
    elif left.kind not in ("int", "dec", "float"):
        sides = [left.duck, right.duck]
    elif number_kind(left, right) == "float":
        sides = [as_float(left), as_float(right)]
    else:
        scale = max(left.scale, right.scale)
        sides = [decimal(left, scale), decimal(right, scale)]
    return f"({sides[0]} {symbol} {sides[1]})"


def unified(results):
    """The results of CASE and COALESCE as values of one type."""
    first = results[0]
    kind = first.kind
    shared = {
        "bound": max(result.bound for result in results),
        "length": max(result.length for result in results),
        "is_char": all(result.is_char and result.length == first.length for result in results),
        "is_real": all(result.is_real for result in results),
        "is_plain": all(result.is_plain for result in results),
        "scale": 0,
    }
    if kind in ("int", "dec", "float"):
        for result in results[1:]:
            kind = number_kind(replace(first, kind=kind), result)
    ducks = [result.duck for result in results]
    if kind == "dec":
        shared["scale"] = max(result.scale for result in results)
        ducks = [decimal(result, shared["scale"]) for result in results]
    elif kind == "float":
        ducks = [as_float(result) for result in results]
    return kind, shared, ducks


class Generator:
    """Generates expressions of the leaves that it is given, by kind."""

    def __init__(self, random, leaves, texts, window=None):
        self.random = random
        self.leaves = leaves
        self.texts = texts
        # The milliseconds of the window: FLOOR or STEP of ROWTIME by them is its start.
        self.window = window

    def pick(self, *choices):
        return self.random.choice(choices)

    def any(self, depth):
        return self.of(self.known("int", "dec", "float", "text", "time"), depth)

    def known(self, *kinds):
        """One of these kinds, mostly one that there are leaves of."""
        leaves = [leaf.kind for leaf in self.leaves() if leaf.kind in kinds]
        return self.random.choice(leaves) if leaves and self.random.random() < 0.8 else self.random.choice(kinds)

    def of(self, kind, depth):
        if depth <= 0 or self.random.random() < 0.15:
            return self.leaf(kind)
        make = getattr(self, f"some_{kind}")
        roll = self.random.random()
        if roll < 0.12:
            return self.case(kind, depth)
        if roll < 0.18 and kind != "bool":
            return self.coalesce(kind, depth)
        if roll < 0.23 and kind != "bool":
            return self.null_if(kind, depth)
        return make(depth)

    def leaf(self, kind):
        known = [leaf for leaf in self.leaves() if leaf.kind == kind]
        if known and self.random.random() < 0.85:
            return self.random.choice(known)
        return getattr(self, f"literal_{kind}")()

    def null(self, kind, to):
        duck = {"int": "BIGINT", "float": "DOUBLE", "text": "VARCHAR", "time": "TIMESTAMP"}[kind]
        return Expression(f"CAST(NULL AS {to})", f"CAST(NULL AS {duck})", kind, length=9, bound=1)

    def literal_int(self):
        if self.random.random() < 0.04:
            return self.null("int", "BIGINT")
        value = self.pick(0, 1, 2, 3, 5, 7, 10, 100, -1, -2, -3, -10)
        level = UNARY if value < 0 else ATOM
        return Expression(str(value), f"CAST({value} AS BIGINT)", "int", level, bound=abs(value) or 1)

    def literal_dec(self):
        text = self.pick("0.5", "1.5", "2.25", "0.05", "10.0", "-0.5", "-2.345", "0.125", "99.99", "1.005")
        scale = len(text.partition(".")[2])
        duck = f"CAST('{text}' AS DECIMAL(38, {scale}))"
        return Expression(text, duck, "dec", UNARY if text[0] == "-" else ATOM, scale=scale, bound=100)

    def literal_float(self):
        text = self.pick("1e0", "2.5e0", "-2.5e0", "1e-1", "3e2", "1.5E1", "-1e-3")
        return Expression(text, f"CAST({text} AS DOUBLE)", "float", UNARY if text[0] == "-" else ATOM, bound=300)

    def literal_text(self):
        text = self.random.choice(self.texts)
        return Expression(quoted(text), quoted(text), "text", length=max(len(text), 1))

    def literal_time(self):
        text = self.pick("2026-03-01 22:58:59.5", "2026-02-28 23:59:59.999", "1970-01-01 00:00:00", "1969-07-20 20:17:40")
        return Expression(f"TIMESTAMP '{text}'", f"TIMESTAMP '{text}'", "time")

    def literal_bool(self):
        if self.random.random() < 0.3:
            text = self.pick("TRUE", "FALSE")
            return Expression(text, text, "bool")
        return self.comparison(0)

    def number(self, depth):
        return self.of(self.pick("int", "int", "dec", "float"), depth)

    # Numbers.

    def some_int(self, depth):
        return self.pick(
            self.int_arithmetic, self.int_arithmetic, self.int_arithmetic, self.int_of_text, self.int_of_time,
            self.int_cast, self.int_function,
        )(depth)

    def int_arithmetic(self, depth):
        left, right = self.of("int", depth - 1), self.of("int", depth - 1)
        operator = self.pick("+", "-", "*", "/", "%")
        ok = every(left.ok, right.ok)
        if operator == "%":
            ok = every(ok, self.can_divide(left, right))
            text = f"MOD({left.text}, {right.text})"
            # As HUGEINT: the lowest BIGINT divided by -1 is none.
            duck = f"CASE WHEN {right.duck} <> 0 THEN CAST(CAST({left.duck} AS HUGEINT) % {right.duck} AS BIGINT) END"
            return Expression(text, f"({duck})", "int", ok=ok, bound=left.bound)
        level = SUM if operator in "+-" else PRODUCT
        text = f"{left.at(level)} {operator} {right.at(level + 1)}"
        if operator == "/":
            ok = every(ok, self.can_divide(left, right))
            duck = f"CASE WHEN {right.duck} <> 0 THEN {left.duck} // {right.duck} END"
            if left.bound >= LARGEST:
                wide = f"CASE WHEN {right.duck} <> 0 THEN CAST({left.duck} AS HUGEINT) // {right.duck} END"
                duck, ok = f"TRY_CAST({wide} AS BIGINT)", every(ok, in_range(wide))
        else:
            duck = f"{left.duck} {operator} {right.duck}"
        bound = left.bound * right.bound if operator == "*" else left.bound + right.bound
        if operator != "/" and bound >= LARGEST:
            wide = f"CAST({left.duck} AS HUGEINT) {operator} {right.duck}"
            duck, ok, bound = f"TRY_CAST({wide} AS BIGINT)", every(ok, in_range(wide)), LARGEST
        return Expression(text, f"({duck})", "int", level, ok, bound=bound)

    def can_divide(self, left, right):
        return f"{left.duck} IS NULL OR {right.duck} IS NULL OR {right.duck} <> 0"

    def int_of_text(self, depth):
        value = self.of("text", depth - 1)
        if self.random.random() < 0.5:
            return Expression(f"CHAR_LENGTH({value.text})", f"length({value.duck})", "int", ok=value.ok, bound=1000)
        searched = self.of("text", 0)
        text = f"POSITION({searched.at(SUM)} IN {value.at(SUM)})"
        duck = f"strpos({value.duck}, {searched.duck})"
        return Expression(text, duck, "int", ok=every(value.ok, searched.ok), bound=1000)

    def int_of_time(self, depth):
        value = self.of("time", depth - 1)
        roll = self.random.random()
        if roll < 0.6:
            field = self.pick("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "DOY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "EPOCH")
            duck = f"CAST(date_part('{field}', {value.duck}) AS BIGINT)"
            if field == "DOW":
                duck = f"(1 + {duck})"  # Sunday is 1.
            if field == "EPOCH":
                duck = f"CAST(floor(date_part('epoch', {value.duck})) AS BIGINT)"
            return Expression(f"EXTRACT({field} FROM {value.text})", duck, "int", ok=value.ok, bound=1e11)
        if roll < 0.7:
            return Expression(f"UNIX_TIMESTAMP({value.text})", f"epoch_ms({value.duck})", "int", ok=value.ok, bound=1e14)
        other = self.of("time", depth - 1)
        ok = every(value.ok, other.ok)
        if roll < 0.85:
            duck = f"(epoch_ms({other.duck}) - epoch_ms({value.duck}))"
            return Expression(f"TSDIFF({value.text}, {other.text})", duck, "int", ok=ok, bound=1e14)
        unit, millis = self.pick(("SECOND", 1000), ("MINUTE", 60_000), ("HOUR", 3_600_000), ("DAY", 86_400_000))
        text = f"CAST(({value.at(PRODUCT)} - {other.at(PRODUCT)}) {unit} AS BIGINT)"
        duck = f"((epoch_ms({value.duck}) - epoch_ms({other.duck})) // {millis})"
        return Expression(text, duck, "int", ok=ok, bound=1e14)

    def int_cast(self, depth):
        value = self.castable("dec", "float", "text", "int")
        return self.cast(value, self.random.choice(list(BITS)))

    def castable(self, *kinds):
        """A value to cast to a number. Most texts are not one."""
        kind = self.random.choice(kinds)
        if kind == "text" and self.random.random() < 0.8:
            text = self.pick("12", "-4.5", " 7 ", "1e2", "0.005", "+3", "99.995")
            return Expression(quoted(text), quoted(text), "text", length=len(text), bound=100)
        return self.of(kind, 1)

    def cast(self, value, to):
        result = converted(value, to)
        return replace(result, text=f"CAST({value.text} AS {to})", level=ATOM)

    def int_function(self, depth):
        value = self.of("int", depth - 1)
        shared = {"kind": "int", "ok": value.ok, "bound": value.bound}
        function = self.pick("ABS", "SIGN", "FLOOR", "CEIL", "STEP", "-")
        if function in ("-", "ABS") and value.bound >= LARGEST:
            wide = f"-CAST({value.duck} AS HUGEINT)" if function == "-" else f"abs(CAST({value.duck} AS HUGEINT))"
            shared["ok"] = every(value.ok, in_range(wide))
            text, level = (f"-{value.at(ATOM)}", UNARY) if function == "-" else (f"ABS({value.text})", ATOM)
            return Expression(text, f"TRY_CAST({wide} AS BIGINT)", level=level, **shared)
        if function == "-":
            return Expression(f"-{value.at(ATOM)}", f"(-{value.duck})", level=UNARY, **shared)
        if function == "STEP":
            by = self.pick(2, 5, 7, 10)
            duck = f"({value.duck} - (({value.duck} % {by}) + {by}) % {by})"
            bound = value.bound + by
            if bound >= LARGEST:
                wide = f"CAST({value.duck} AS HUGEINT)"
                wide = f"({wide} - (({wide} % {by}) + {by}) % {by})"
                duck, shared["ok"], bound = f"TRY_CAST({wide} AS BIGINT)", every(value.ok, in_range(wide)), LARGEST
            return Expression(f"STEP({value.text} BY {by})", duck, **{**shared, "bound": bound})
        duck = {"ABS": f"abs({value.duck})", "SIGN": f"CAST(sign({value.duck}) AS BIGINT)"}.get(function, value.duck)
        return Expression(f"{function}({value.text})", duck, **shared)

    def some_dec(self, depth):
        return self.pick(self.dec_arithmetic, self.dec_arithmetic, self.dec_cast, self.dec_function)(depth)

    def dec_arithmetic(self, depth):
        left, right = self.of("dec", depth - 1), self.of(self.pick("dec", "int"), depth - 1)
        if self.random.random() < 0.3:
            left, right = right, left
        operator = self.pick("+", "-", "*", "/", "%")
        bound, scale, ok = left.bound + right.bound, max(left.scale, right.scale), every(left.ok, right.ok)
        if max(left.bound, right.bound) * 10.0 ** (scale * 2 + 8) > 1e37 and operator in "/%":
            operator = "-"
        if operator == "*" and (left.scale + right.scale > 12 or left.bound * right.bound * 10 ** (left.scale + right.scale) > 1e30):
            operator = "+"
        level = SUM if operator in "+-" else PRODUCT
        text = f"{left.at(level)} {operator} {right.at(level + 1)}"
        if operator == "%":
            text, level = f"MOD({left.text}, {right.text})", ATOM
            duck = f"CASE WHEN {right.duck} <> 0 THEN {decimal(left, scale)} % {decimal(right, scale)} END"
        elif operator == "/":
            scale = max(scale, 6)
            duck, bound = divided(left, right, scale), left.bound * 10**right.scale
        elif operator == "*":
            scale = left.scale + right.scale
            duck, bound = f"{decimal(left, left.scale)} * {decimal(right, right.scale)}", left.bound * right.bound
        else:
            duck = f"{decimal(left, scale)} {operator} {decimal(right, scale)}"
        if operator in "/%":
            ok = every(ok, self.can_divide(left, right))
        return Expression(text, f"({duck})", "dec", level, ok, scale=scale, bound=bound)

    def dec_cast(self, depth):
        value = self.castable("int", "dec", "float", "text")
        return self.cast(value, self.pick("DECIMAL(9,2)", "DECIMAL(12,4)", "DECIMAL(18,6)", "DECIMAL(5,1)", "DECIMAL(7,0)"))

    def dec_function(self, depth):
        value = self.of("dec", depth - 1)
        function = self.pick("ABS", "-", "FLOOR", "CEIL", "SIGN")
        scale = value.scale if function in ("ABS", "-") else 0
        shared = {"kind": "dec", "ok": value.ok, "scale": scale, "bound": value.bound + 1}
        if function == "-":
            return Expression(f"-{value.at(ATOM)}", f"(-{value.duck})", level=UNARY, **shared)
        duck = f"CAST({function}({value.duck}) AS DECIMAL(38, {scale}))"
        return Expression(f"{function}({value.text})", duck, **shared)

    def some_float(self, depth):
        return self.pick(self.float_arithmetic, self.float_arithmetic, self.float_cast, self.float_function)(depth)

    def float_arithmetic(self, depth):
        left, right = self.of("float", depth - 1), self.number(depth - 1)
        if self.random.random() < 0.3:
            left, right = right, left
        operator = self.pick("+", "-", "*", "/", "%")
        bound, ok = left.bound + right.bound, every(left.ok, right.ok)
        if left.bound * right.bound > 1e100 and operator in "*/":
            operator = "-"
        level = SUM if operator in "+-" else PRODUCT
        text = f"{left.at(level)} {operator} {right.at(level + 1)}"
        sides = as_float(left), as_float(right)
        if operator in "/%":
            ok = every(ok, self.can_divide(left, right))
            duck = f"CASE WHEN {sides[1]} <> 0 THEN {sides[0]} {operator} {sides[1]} END"
            bound = 1e60
            if operator == "%":
                text, level, bound = f"MOD({left.text}, {right.text})", ATOM, left.bound
        else:
            duck = f"{sides[0]} {operator} {sides[1]}"
        if operator == "*":
            bound = left.bound * right.bound
        return Expression(text, f"({duck})", "float", level, ok, bound=bound)

    def float_cast(self, depth):
        value = self.castable("int", "dec", "float", "text")
        return self.cast(value, self.pick("DOUBLE", "DOUBLE", "REAL") if value.bound < 1e30 else "DOUBLE")

    def float_function(self, depth):
        function = self.pick("ABS", "-", "FLOOR", "CEIL", "SIGN", "SQRT", "EXP", "LN", "LOG10", "POWER")
        if function in ("ABS", "-", "FLOOR", "CEIL", "SIGN"):
            value = self.of("float", depth - 1)
            shared = {"kind": "float", "ok": value.ok, "bound": value.bound + 1, "is_real": value.is_real}
            if function == "-":
                return Expression(f"-{value.at(ATOM)}", f"(-{value.duck})", level=UNARY, **shared)
            return Expression(f"{function}({value.text})", f"CAST({function}({value.duck}) AS DOUBLE)", **shared)
        value = self.number(depth - 1)
        duck = as_float(value)
        shared = {"kind": "float", "bound": 1e60}
        if function == "POWER":
            exponent = self.pick(2, 3, 0, 1)
            if value.bound > 1e20:
                exponent = 1
            return Expression(f"POWER({value.text}, {exponent})", f"power({duck}, {exponent}::DOUBLE)", ok=value.ok, **shared)
        if function == "EXP":
            # Keeps the result in range.
            text = f"EXP(-ABS({value.text}))"
            return Expression(text, f"exp(-abs({duck}))", ok=value.ok, **{**shared, "bound": 1})
        lowest = ">= 0" if function == "SQRT" else "> 0"
        ok = every(value.ok, f"{duck} IS NULL OR {duck} {lowest}")
        return Expression(f"{function}({value.text})", f"(CASE WHEN {duck} {lowest} THEN {function}({duck}) END)", ok=ok, **shared)

    # Texts.

    def some_text(self, depth):
        return self.pick(self.concat, self.concat, self.text_function, self.text_function, self.substring, self.text_cast)(depth)

    def concat(self, depth):
        left, right = self.of("text", depth - 1), self.of("text", depth - 1)
        text = f"{left.at(ATOM)} || {right.at(ATOM)}"
        duck = f"({left.duck} || {right.duck})"
        return Expression(text, duck, "text", SUM, every(left.ok, right.ok), length=left.length + right.length)

    def text_function(self, depth):
        value = self.of("text", depth - 1)
        shared = {"kind": "text", "ok": value.ok, "length": value.length}
        function = self.pick("UPPER", "LOWER", "INITCAP", "TRIM", "TRIM BOTH", "TRIM LEADING", "TRIM TRAILING", "OVERLAY")
        if function == "TRIM":
            return Expression(f"TRIM({value.text})", f"trim({value.duck}, ' ')", **shared)
        if function.startswith("TRIM"):
            where, letter = function.split()[1], self.pick("a", " ", "b", "A")
            duck = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[where]
            return Expression(f"TRIM({where} '{letter}' FROM {value.text})", f"{duck}({value.duck}, '{letter}')", **shared)
        if function == "OVERLAY":
            put, start = self.of("text", 0), self.pick(1, 2, 3)
            length = self.pick(None, 0, 1, 2)
            past = f"{start} + " + (f"length({put.duck})" if length is None else str(length))
            text = f"OVERLAY({value.text} PLACING {put.text} FROM {start}" + (")" if length is None else f" FOR {length})")
            duck = f"(part({value.duck}, 1, {start}) || {put.duck} || substring({value.duck}, {past}))"
            shared["ok"] = every(value.ok, put.ok)
            return Expression(text, duck, **{**shared, "length": value.length + put.length})
        duck = "initials" if function == "INITCAP" else function.lower()
        return Expression(f"{function}({value.text})", f"{duck}({value.duck})", **{**shared, "length": value.length * 3})

    def substring(self, depth):
        value, first = self.of("text", depth - 1), self.pick(-1, 0, 1, 2, 3, 9)
        count = self.pick(None, 0, 1, 2, 4)
        shared = {"kind": "text", "ok": value.ok, "length": value.length}
        if count is None:
            return Expression(f"SUBSTRING({value.text} FROM {first})", f"substring({value.duck}, {max(first, 1)})", **shared)
        duck = f"part({value.duck}, {first}, {first + count})"
        text = self.pick(f"SUBSTRING({value.text} FROM {first} FOR {count})", f"SUBSTRING({value.text}, {first}, {count})")
        return Expression(text, duck, **shared)

    def text_cast(self, depth):
        value = self.of(self.pick("int", "dec", "float", "text", "bool", "time"), depth - 1)
        if value.kind == "float" and not value.is_plain:
            value = self.of("int", depth - 1)
        return self.cast(value, self.pick("VARCHAR(3)", "VARCHAR(8)", "VARCHAR(30)", "CHAR(4)"))

    # Times.

    def some_time(self, depth):
        value = self.of("time", depth - 1)
        roll = self.random.random()
        if roll < 0.1:
            text = self.pick("2026-03-01 22:58:59.5", "2026-02-28 23:59:59", "never", "", "2026-02-30 00:00:00", " 2026-03-01 00:00:00 ")
            other = self.of("text", depth - 1) if roll < 0.02 else Expression(quoted(text), quoted(text), "text")
            duck = f"TRY_CAST({other.duck} AS TIMESTAMP)"
            ok = every(other.ok, f"{other.duck} IS NULL OR {duck} IS NOT NULL")
            return Expression(f"CAST({other.text} AS TIMESTAMP)", duck, "time", ok=ok)
        if roll < 0.2:
            return Expression(f"CAST(CAST({value.text} AS DATE) AS TIMESTAMP)", f"CAST(CAST({value.duck} AS DATE) AS TIMESTAMP)", "time", ok=value.ok)
        if roll < 0.4:
            count = self.pick("1", "10", "90", "-5")
            unit = self.pick("SECOND", "MINUTE", "HOUR", "DAY")
            sign = self.pick("+", "-")
            text = f"{value.at(SUM)} {sign} INTERVAL '{count}' {unit}"
            return Expression(text, f"({value.duck} {sign} INTERVAL ({count}) {unit})", "time", SUM, value.ok)
        if roll < 0.6:
            count, (unit, millis) = self.pick(1, 7, 10), self.pick(("SECOND", 1000), ("MINUTE", 60_000), ("HOUR", 3_600_000))
            text = f"STEP({value.text} BY INTERVAL '{count}' {unit})"
            duck = self.start(value, count * millis) or f"floored({value.duck}, {count * millis})"
            return Expression(text, duck, "time", ok=value.ok)
        # The operand is in parentheses: INTERVAL '1' MINUTE TO SECOND is an interval of another form.
        unit = self.pick("SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "QUARTER", "YEAR", "WEEK")
        if roll < 0.75 and unit in ("SECOND", "MINUTE", "HOUR", "DAY"):
            duck = f"date_trunc('{unit}', {value.duck} + INTERVAL 1 {unit} - INTERVAL 1 MILLISECOND)"
            return Expression(f"CEIL({value.at(ATOM)} TO {unit})", duck, "time", ok=value.ok)
        millis = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}.get(unit)
        duck = self.start(value, millis) or f"CAST(date_trunc('{unit}', {value.duck}) AS TIMESTAMP)"
        if unit == "WEEK":  # It starts on Sunday.
            duck = f"CAST(date_trunc('week', {value.duck} + INTERVAL 1 DAY) - INTERVAL 1 DAY AS TIMESTAMP)"
        return Expression(f"FLOOR({value.at(ATOM)} TO {unit})", duck, "time", ok=value.ok)

    def start(self, value, millis):
        return "began" if value.text.endswith("ROWTIME") and millis and millis == self.window else None

    # Conditions.

    def some_bool(self, depth):
        return self.pick(
            self.comparison, self.comparison, self.logic, self.logic, self.negation, self.membership, self.between,
            self.likeness, self.nullness, self.truth,
        )(depth)

    def pair(self, depth):
        kind = self.known("int", "dec", "float", "text", "time", "bool")
        if kind in ("int", "dec", "float"):
            return self.of(kind, depth), self.number(depth)
        return self.of(kind, depth), self.of(kind, depth)

    def comparison(self, depth):
        left, right = self.pair(max(depth - 1, 0))
        symbol = self.pick("=", "<>", "<", "<=", ">", ">=")
        text = f"{left.at(SUM)} {symbol} {right.at(SUM)}"
        return Expression(text, compared(symbol, left, right), "bool", PREDICATE, every(left.ok, right.ok))

    def logic(self, depth):
        left, right = self.of("bool", depth - 1), self.of("bool", depth - 1)
        operator, level, decisive = self.pick(("AND", AND, "NOT"), ("OR", OR, ""))
        ok = left.ok
        if right.ok:
            # The second is not evaluated if the first decides.
            ok = every(ok, f"coalesce({decisive} {left.duck}, FALSE) OR ({right.ok})")
        text = f"{left.at(level)} {operator} {right.at(level + 1)}"
        return Expression(text, f"({left.duck} {operator} {right.duck})", "bool", level, ok)

    def negation(self, depth):
        value = self.of("bool", depth - 1)
        return Expression(f"NOT {value.at(NOT)}", f"(NOT {value.duck})", "bool", NOT, value.ok)

    def membership(self, depth):
        kind = self.known("int", "dec", "text", "time")
        value = self.of(kind, depth - 1)
        items = [self.leaf(kind) for _ in range(self.random.randint(1, 4))]
        negated = self.pick("", "NOT ")
        text = f"{value.at(SUM)} {negated}IN ({', '.join(item.text for item in items)})"
        duck = " OR ".join(compared("=", value, item) for item in items)
        return Expression(text, f"({negated}({duck}))", "bool", PREDICATE, value.ok)

    def between(self, depth):
        kind = self.known("int", "dec", "float", "text", "time")
        value, low, high = self.of(kind, depth - 1), self.leaf(kind), self.leaf(kind)
        negated = self.pick("", "NOT ")
        text = f"{value.at(SUM)} {negated}BETWEEN {low.at(SUM)} AND {high.at(SUM)}"
        duck = f"{compared('>=', value, low)} AND {compared('<=', value, high)}"
        return Expression(text, f"({negated}({duck}))", "bool", PREDICATE, value.ok)

    def likeness(self, depth):
        value = self.of("text", depth - 1)
        negated = self.pick("", "NOT ")
        if self.random.random() < 0.6:
            pattern, escape = self.pick(
                ("a%", None), ("%b", None), ("_", None), ("%a_%", None), ("", None), ("%", None), ("a!_b", "!"),
                ("%!%%", "!"), ("Malm_", None), ("a.%", None), ("%''%", None), ("__%", None),
            )
            ending = f" ESCAPE '{escape}'" if escape else ""
            text = f"{value.at(SUM)} {negated}LIKE '{pattern}'{ending}"
            return Expression(text, f"({value.duck} {negated}LIKE '{pattern}'{ending})", "bool", PREDICATE, value.ok)
        pattern, regex = self.pick(
            ("(a|b)%", "(a|b).*"), ("[a-c]+", "[a-c]+"), ("_{2}", ".{2}"), ("a.b", r"a\.b"), ("[^a]*", "[^a]*"), ("%[0-9]", ".*[0-9]"),
        )
        text = f"{value.at(SUM)} {negated}SIMILAR TO '{pattern}'"
        return Expression(text, f"({negated}regexp_full_match({value.duck}, '{regex}', 's'))", "bool", PREDICATE, value.ok)

    def nullness(self, depth):
        value, negated = self.any(depth - 1), self.pick("", "NOT ")
        return Expression(f"{value.at(ATOM)} IS {negated}NULL", f"({value.duck} IS {negated}NULL)", "bool", PREDICATE, value.ok)

    def truth(self, depth):
        value, negated = self.of("bool", depth - 1), self.pick("", "NOT ")
        state, duck = self.pick(("TRUE", "TRUE"), ("FALSE", "FALSE"), ("UNKNOWN", "NULL"))
        duck = f"({negated}({value.duck} IS NOT DISTINCT FROM {duck}))"
        return Expression(f"({value.text}) IS {negated}{state}", duck, "bool", PREDICATE, value.ok)

    # Of any kind.

    def case(self, kind, depth):
        branches = []
        operand = self.of(self.pick("int", "text"), depth - 1) if self.random.random() < 0.3 else None
        for _ in range(self.random.randint(1, 2)):
            condition = self.leaf(operand.kind) if operand else self.of("bool", depth - 1)
            branches.append((condition, self.of(kind, depth - 1)))
        # Numbers of another kind, now and then: the result is of a kind that has both.
        other = {"dec": self.pick("int", "dec"), "float": self.pick("int", "dec", "float")}.get(kind, kind)
        otherwise = self.of(other, depth - 1) if self.random.random() < 0.7 else None
        results = [result for _, result in branches] + ([otherwise] if otherwise else [])
        kind, shared, ducks = unified(results)
        text, duck, ok = "CASE", "CASE", None
        if operand:
            text += f" {operand.text}"
        conditions = [compared("=", operand, condition) if operand else condition.duck for condition, _ in branches]
        for (condition, result), when, then in zip(branches, conditions, ducks):
            text += f" WHEN {condition.text} THEN {result.text}"
            duck += f" WHEN {when} THEN {then}"
        if otherwise:
            text += f" ELSE {otherwise.text}"
            duck += f" ELSE {ducks[-1]}"
            ok = otherwise.ok
        for (condition, result), when in reversed(list(zip(branches, conditions))):
            if result.ok or ok:
                ok = f"CASE WHEN {when} THEN {result.ok or 'TRUE'} ELSE {ok or 'TRUE'} END"
            ok = every(condition.ok if not operand else None, ok)
        if operand:
            ok = every(operand.ok, ok)
        return Expression(text + " END", f"({duck} END)", kind, ok=ok, **shared)

    def coalesce(self, kind, depth):
        values = [self.of(kind, depth - 1), self.leaf(kind)]
        kind, shared, ducks = unified(values)
        text = f"COALESCE({values[0].text}, {values[1].text})"
        return Expression(text, f"coalesce({', '.join(ducks)})", kind, ok=values[0].ok, **shared)

    def null_if(self, kind, depth):
        value, other = self.of(kind, depth - 1), self.leaf(kind)
        duck = f"(CASE WHEN {compared('=', value, other)} THEN NULL ELSE {value.duck} END)"
        return replace(value, text=f"NULLIF({value.text}, {other.text})", duck=duck, level=ATOM)
