//! A simple JSON parser: character by character, by the grammar of RFC 8259.

/// A value, without loss: numbers are kept as text, and members in order, including duplicates.
#[derive(Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as text.
    Number(String),
    /// A string; `None` if it has half of a surrogate pair, which is not a character.
    Text(Option<String>),
    /// An array.
    Array(Vec<Json>),
    /// The members of an object.
    Object(Vec<(Option<String>, Json)>),
}

/// Why a text cannot be parsed.
#[derive(Debug, PartialEq)]
pub enum JsonError {
    /// It is not JSON.
    NotJson,
    /// It is nested deeper than this parser supports. It may or may not be JSON.
    TooDeep,
}

/// The maximum depth.
const MAX_DEPTH: usize = 200;

/// Parses a text that is one value and nothing else.
///
/// # Errors
///
/// [`JsonError`] if the text is not JSON or is nested too deep.
pub fn read(text: &str) -> Result<Json, JsonError> {
    let mut reader = JsonReader {
        rest: text,
        depth: 0,
    };
    reader.space();
    let value = reader.value()?;
    reader.space();
    match reader.rest {
        "" => Ok(value),
        _ => Err(JsonError::NotJson),
    }
}

struct JsonReader<'a> {
    rest: &'a str,
    depth: usize,
}

impl JsonReader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Result<(), JsonError> {
        self.take(text).then_some(()).ok_or(JsonError::NotJson)
    }

    fn next(&mut self) -> Result<char, JsonError> {
        let mut rest = self.rest.chars();
        let next = rest.next().ok_or(JsonError::NotJson)?;
        self.rest = rest.as_str();
        Ok(next)
    }

    fn value(&mut self) -> Result<Json, JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        let value = match self.rest.chars().next().ok_or(JsonError::NotJson)? {
            'n' => self.expect("null").map(|()| Json::Null),
            't' => self.expect("true").map(|()| Json::Bool(true)),
            'f' => self.expect("false").map(|()| Json::Bool(false)),
            '"' => self.text().map(Json::Text),
            '[' => self.array(),
            '{' => self.object(),
            _ => self.number(),
        };
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<Json, JsonError> {
        self.expect("[")?;
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value()?);
            self.space();
            if self.take("]") {
                return Ok(Json::Array(items));
            }
            self.expect(",")?;
        }
    }

    fn object(&mut self) -> Result<Json, JsonError> {
        self.expect("{")?;
        let mut members = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.text()?;
            self.space();
            self.expect(":")?;
            self.space();
            members.push((key, self.value()?));
            self.space();
            if self.take("}") {
                return Ok(Json::Object(members));
            }
            self.expect(",")?;
        }
    }

    fn text(&mut self) -> Result<Option<String>, JsonError> {
        self.expect("\"")?;
        // UTF-16, since escapes are UTF-16 units: two of them can be one character.
        let mut units = Vec::new();
        loop {
            match self.next()? {
                '"' => return Ok(String::from_utf16(&units).ok()),
                '\\' => units.push(self.escape()?),
                '\0'..'\x20' => return Err(JsonError::NotJson),
                plain => units.extend_from_slice(plain.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, JsonError> {
        let unit = match self.next()? {
            same @ ('"' | '\\' | '/') => same as u16,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = self.next()?.to_digit(16).ok_or(JsonError::NotJson)?;
                    unit = unit * 16 + digit as u16;
                }
                unit
            }
            _ => return Err(JsonError::NotJson),
        };
        Ok(unit)
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.rest;
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            self.digits()?;
        }
        let length = start.len() - self.rest.len();
        Ok(Json::Number(start[..length].to_owned()))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self
            .rest
            .trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() == self.rest.len() {
            return Err(JsonError::NotJson);
        }
        self.rest = rest;
        Ok(())
    }
}

/// Checks that this parser and `serde_json` agree on a text, except for what a `Value` cannot
/// represent.
///
/// # Panics
///
/// If they do not.
pub fn check(text: &str) {
    let ours = read(text);
    match (&ours, serde_json::from_str::<serde_json::Value>(text)) {
        (Ok(ours), Ok(theirs)) => assert!(same(ours, &theirs), "{ours:?} {theirs:?}"),
        (Ok(_), Err(error)) => {
            let error = error.to_string();
            let known = [
                "number out of range",
                "recursion limit exceeded",
                "lone leading surrogate in hex escape",
                "unexpected end of hex escape",
            ];
            assert!(
                known.iter().any(|known| error.starts_with(known)),
                "{error}"
            );
        }
        (Err(JsonError::NotJson), Ok(theirs)) => panic!("serde_json accepts {theirs:?}"),
        (Err(_), _) => {}
    }
}

/// Of duplicate members, a `Value` has the last. Numbers are compared as floating point.
fn same(ours: &Json, theirs: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(ours), Value::Bool(theirs)) => ours == theirs,
        (Json::Number(ours), Value::Number(theirs)) => {
            let ours: f64 = ours.parse().unwrap_or(f64::NAN);
            // Without its feature `float_roundtrip`, serde_json may be off in the last bit.
            theirs.as_f64().is_some_and(|theirs| {
                (ours - theirs).abs() <= 4.0 * f64::EPSILON * ours.abs() + f64::MIN_POSITIVE
            })
        }
        (Json::Text(Some(ours)), Value::String(theirs)) => ours == theirs,
        (Json::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| same(ours, theirs))
        }
        (Json::Object(ours), Value::Object(theirs)) => {
            let last = |name: &String| {
                let of_name = |(key, _): &&(Option<String>, Json)| key.as_ref() == Some(name);
                ours.iter().rfind(of_name).map(|(_, value)| value)
            };
            let known =
                |key: &Option<String>| key.as_ref().is_some_and(|key| theirs.contains_key(key));
            ours.iter().all(|(key, _)| known(key))
                && theirs
                    .iter()
                    .all(|(name, value)| last(name).is_some_and(|ours| same(ours, value)))
        }
        _ => false,
    }
}
