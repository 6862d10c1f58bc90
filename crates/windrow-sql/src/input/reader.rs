//! Reads the rows in the JSON of a record.

use serde_json::value::RawValue;
use windrow_core::json::{self, FieldLayout, FieldNames, FieldToken, FieldVisitor, TokenBuffer};
use windrow_core::rejection::Rejection;
use windrow_core::value::FieldValue;

use super::coerce::coerce;
use super::{InputSchema, JsonPath, RecordColumn};

/// Reads the rows of an input.
#[derive(Clone, Debug)]
pub struct InputReader {
    columns: Vec<RecordColumn>,
    root: ObjectFields,
}

/// The rows in a JSON object: one, unless the elements of an array are rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRows<'a> {
    width: usize,
    values: Vec<FieldValue<'a>>,
}

/// The fields of an object that are wanted.
#[derive(Clone, Debug, Default)]
struct ObjectFields {
    fields: Vec<WantedField>,
    names: FieldNames,
    /// Whether the fields are the columns, in their order.
    is_flat: bool,
}

/// What is wanted of the value of a field.
#[derive(Clone, Debug, Default)]
struct WantedField {
    name: String,
    /// The columns that have the value itself.
    columns: Vec<usize>,
    /// The fields of the value, which is an object.
    object: Option<Box<ObjectFields>>,
    /// The fields of each element of the value, which is an array.
    elements: Option<Box<ObjectFields>>,
}

/// The array whose elements are rows.
type FlattenedArray<'r, 'a> = (&'r ObjectFields, Option<&'a RawValue>);

impl InputReader {
    /// A reader of the columns of a schema.
    pub fn new(schema: &InputSchema) -> Self {
        let mut root = ObjectFields::default();
        for (index, column) in schema.columns.iter().enumerate() {
            root.want(&column.path, index);
        }
        root.complete();
        Self {
            columns: schema.columns.clone(),
            root,
        }
    }

    /// The rows in a JSON object.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it is not a JSON object, or if a value cannot be converted to the type of
    /// its column. It names the column.
    pub fn read<'a>(&self, json: &'a [u8]) -> Result<InputRows<'a>, Rejection> {
        let mut tokens = TokenBuffer::new(&self.root.names);
        json::fields(
            &self.root.names,
            &mut FieldLayout::default(),
            json,
            tokens.tokens(),
        )?;
        self.rows(tokens.tokens())
    }

    /// The rows in the JSON object at the start of a text, and what follows it on its line; `None`
    /// if it is something else than such a line. `layout` is that of the object before.
    #[inline]
    pub fn first_line<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
    ) -> Option<(InputRows<'a>, &'a [u8])> {
        let mut tokens = TokenBuffer::new(&self.root.names);
        let object = json::project(&self.root.names, layout, text, tokens.tokens())?;
        let rest = object.line_end()?;
        let rows = self.rows(tokens.tokens()).ok()?;
        Some((rows, rest))
    }

    /// Passes on where the fields at the root of the JSON object at the start of a text start, as in
    /// [`json::visit`]. Returns what follows the object on its line; `None` if it is something else
    /// than such a line.
    #[inline(always)]
    pub(crate) fn visit<'a>(
        &self,
        layout: &mut FieldLayout,
        text: &'a [u8],
        visitor: &mut impl FieldVisitor<'a>,
    ) -> Option<&'a [u8]> {
        json::visit(&self.root.names, layout, text, visitor)?.line_end()
    }

    /// The columns, if they are the fields at the root, in their order.
    pub(crate) fn flat_columns(&self) -> Option<&[RecordColumn]> {
        self.root.is_flat.then_some(&self.columns)
    }

    /// The rows in an object whose fields at the root are these.
    pub(crate) fn rows<'a>(&self, tokens: &[FieldToken<'a>]) -> Result<InputRows<'a>, Rejection> {
        let width = self.columns.len();
        if self.root.is_flat {
            let mut values = Vec::with_capacity(width);
            for (column, token) in self.columns.iter().zip(tokens) {
                values.push(coerce(column, token)?);
            }
            return Ok(InputRows { width, values });
        }
        let mut row = vec![FieldValue::Null; width];
        let mut array = None;
        self.fill(&self.root, tokens, &mut row, &mut array)?;
        let mut values = Vec::new();
        if let Some((element, Some(raw))) = array
            && let Ok(elements) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get())
        {
            for raw in elements {
                let mut row = row.clone();
                self.fill_object(element, Some(raw), &mut row, &mut None)?;
                values.append(&mut row);
            }
        }
        // An array without elements is one row without their values.
        if values.is_empty() {
            values = row;
        }
        Ok(InputRows { width, values })
    }

    /// Sets the values of the columns that are in an object.
    fn fill<'r, 'a>(
        &'r self,
        object: &'r ObjectFields,
        tokens: &[FieldToken<'a>],
        row: &mut [FieldValue<'a>],
        array: &mut Option<FlattenedArray<'r, 'a>>,
    ) -> Result<(), Rejection> {
        for (field, token) in object.fields.iter().zip(tokens) {
            for &column in &field.columns {
                if let (Some(value), Some(column)) = (row.get_mut(column), self.columns.get(column))
                {
                    *value = coerce(column, token)?;
                }
            }
            if let Some(object) = &field.object {
                self.fill_object(object, token.raw(), row, array)?;
            }
            if let Some(element) = &field.elements {
                *array = Some((element, token.raw()));
            }
        }
        Ok(())
    }

    /// The same for an object that is the value of a field. Anything else has no values.
    fn fill_object<'r, 'a>(
        &'r self,
        object: &'r ObjectFields,
        raw: Option<&'a RawValue>,
        row: &mut [FieldValue<'a>],
        array: &mut Option<FlattenedArray<'r, 'a>>,
    ) -> Result<(), Rejection> {
        let Some(raw) = raw.map(RawValue::get).filter(|raw| raw.starts_with('{')) else {
            return Ok(());
        };
        let mut tokens = TokenBuffer::new(&object.names);
        let mut layout = FieldLayout::default();
        json::fields(&object.names, &mut layout, raw.as_bytes(), tokens.tokens())?;
        self.fill(object, tokens.tokens(), row, array)
    }
}

impl ObjectFields {
    fn want(&mut self, path: &JsonPath, column: usize) {
        let Some((last, parents)) = path.fields().split_last() else {
            return;
        };
        let mut object = self;
        for parent in parents {
            object = object.field(parent).object.get_or_insert_default();
        }
        let Some(within) = path.within() else {
            object.field(last).columns.push(column);
            return;
        };
        let element = object.field(last).elements.get_or_insert_default();
        let path = JsonPath::of_fields(within.to_vec());
        element.want(&path, column);
    }

    fn field(&mut self, name: &str) -> &mut WantedField {
        let known = self.fields.iter().position(|field| field.name == name);
        let index = known.unwrap_or(self.fields.len());
        if known.is_none() {
            self.fields.push(WantedField {
                name: name.to_owned(),
                ..WantedField::default()
            });
        }
        &mut self.fields[index]
    }

    /// Completes what follows from the fields.
    fn complete(&mut self) {
        self.names = FieldNames::new(self.fields.iter().map(|field| field.name.as_str()));
        self.is_flat = self.fields.iter().enumerate().all(|(index, field)| {
            field.columns == [index] && field.object.is_none() && field.elements.is_none()
        });
        for field in &mut self.fields {
            for object in [&mut field.object, &mut field.elements]
                .into_iter()
                .flatten()
            {
                object.complete();
            }
        }
    }
}

impl<'a> InputRows<'a> {
    /// The rows. There is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &[FieldValue<'a>]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The value of a column of the first row.
    pub fn first(&self, column: usize) -> Option<&FieldValue<'a>> {
        self.values.get(column).filter(|_| column < self.width)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reader(columns: &[(&str, &str, &str)]) -> InputReader {
        let columns = columns.iter().map(|(name, sql_type, mapping)| {
            json!({"Name": name, "SqlType": sql_type, "Mapping": mapping})
        });
        let schema = json!({"RecordColumns": columns.collect::<Vec<_>>()});
        InputReader::new(&InputSchema::parse(&schema.to_string()).unwrap())
    }

    fn rows(reader: &InputReader, line: &str) -> Result<Vec<String>, String> {
        let read = reader.read(line.as_bytes());
        let mut layout = FieldLayout::default();
        let first = reader.first_line(&mut layout, line.as_bytes());
        if let Some((rows, rest)) = first {
            assert_eq!((Ok(rows), rest), (read.clone(), &b""[..]));
        }
        let rows = read.map_err(|rejection| rejection.to_string())?;
        let text = |row: &[FieldValue<'_>]| windrow_core::schema::key_array(row.iter().cloned());
        Ok(rows.iter().map(text).collect())
    }

    /// The value of a column of this type.
    fn value(sql_type: &str, json: &str) -> Result<String, String> {
        let reader = reader(&[("A", sql_type, "$.a")]);
        rows(&reader, &format!("{{\"a\":{json}}}")).map(|rows| rows.concat())
    }

    #[test]
    fn values_are_converted_as_documented() {
        for (sql_type, json, expected) in [
            ("INTEGER", "null", "null"),
            ("INTEGER", "true", "1"),
            ("INTEGER", "\" 5 \"", "5"),
            ("INTEGER", "\"+5\"", "5"),
            ("INTEGER", "-2147483648", "-2147483648"),
            ("INTEGER", "1.5e1", "15"),
            ("SMALLINT", "150.0", "150"),
            ("DECIMAL(10,2)", "0.10", "0.1"),
            ("DECIMAL(10,2)", "\"-0.1\"", "-0.1"),
            ("DOUBLE", "180.25", "180.25"),
            ("DOUBLE", "\"1e3\"", "1000.0"),
            ("DOUBLE", "false", "0.0"),
            ("REAL", "0.1", "0.10000000149011612"),
            ("VARCHAR(3)", "\"Bergen\"", "\"Ber\""),
            ("VARCHAR(3)", "\"\\u00e9t\\u00e9s\"", "\"été\""),
            ("VARCHAR(9)", "\"\"", "\"\""),
            ("VARCHAR(9)", "1.50", "\"1.50\""),
            ("VARCHAR(3)", "true", "\"tru\""),
            ("VARCHAR(9)", "[1, 2]", "\"[1, 2]\""),
            ("CHAR(4)", "\"ab\"", "\"ab  \""),
            ("BOOLEAN", "true", "true"),
            ("BOOLEAN", "\"TRUE\"", "true"),
            ("BOOLEAN", "\"yes\"", "false"),
            ("BOOLEAN", "0.0e7", "false"),
            ("BOOLEAN", "-0.5", "true"),
            (
                "TIMESTAMP",
                "\"1992-02-14 18:35:44.0\"",
                "\"1992-02-14 18:35:44.000\"",
            ),
            ("TIMESTAMP", "\"1992-02-14\"", "\"1992-02-14 00:00:00.000\""),
            (
                "TIMESTAMP",
                "\"1992-02-14T18:35:44.1239Z\"",
                "\"1992-02-14 18:35:44.123\"",
            ),
            (
                "DATE",
                "\"1992-02-14 18:35:44.0\"",
                "\"1992-02-14 00:00:00.000\"",
            ),
            ("TIME", "\"18:35:44\"", "\"1970-01-01 18:35:44.000\""),
        ] {
            let expected = Ok(format!("[{expected}]"));
            assert_eq!(value(sql_type, json), expected, "{sql_type} {json}");
        }
    }

    #[test]
    fn what_cannot_be_converted_names_the_column() {
        for (sql_type, json, problem) in [
            ("INTEGER", "\"warm\"", "`\"warm\"`, which is not an integer"),
            ("INTEGER", "4.5", "`4.5`, which is not an integer"),
            (
                "INTEGER",
                "3000000000",
                "`3000000000`, which is out of the range of INTEGER",
            ),
            ("INTEGER", "[]", "`[]`, which is not an integer"),
            (
                "DECIMAL(4,2)",
                "1.234",
                "`1.234`, which has more digits than DECIMAL(4,2)",
            ),
            (
                "DECIMAL(4,2)",
                "123.4",
                "`123.4`, which is out of the range of DECIMAL(4,2)",
            ),
            (
                "DOUBLE",
                "1e999",
                "`1e999`, which is out of the range of DOUBLE",
            ),
            ("DOUBLE", "\"NaN\"", "`\"NaN\"`, which is not a number"),
            ("BOOLEAN", "{}", "`{}`, which is not a BOOLEAN"),
            (
                "TIMESTAMP",
                "1",
                "`1`, which is not a TIMESTAMP such as \"1992-02-14 18:35:44.0\"",
            ),
            (
                "TIMESTAMP",
                "\"1992-02-30\"",
                "`1992-02-30`, which is not a TIMESTAMP such as 1992-02-14 18:35:44.0",
            ),
        ] {
            let expected = Err(format!("A is {problem}"));
            assert_eq!(value(sql_type, json), expected, "{sql_type} {json}");
        }
    }

    #[test]
    fn fields_within_objects_are_found() {
        let reader = reader(&[
            ("CITY", "VARCHAR(6)", "$.place.city"),
            ("TEMP", "INTEGER", "$.air.temp"),
            ("AIR", "VARCHAR(20)", "$.air"),
        ]);
        for (line, expected) in [
            (
                r#"{"place":{"city":"Bergenhus"},"air":{"temp":"5"}}"#,
                r#"["Bergen",5,"{\"temp\":\"5\"}"]"#,
            ),
            (r#"{"air":{}}"#, r#"[null,null,"{}"]"#),
            (r#"{"place":7,"air":null}"#, "[null,null,null]"),
        ] {
            assert_eq!(rows(&reader, line), Ok(vec![expected.to_owned()]));
        }
    }

    #[test]
    fn elements_of_an_array_are_rows() {
        let reader = reader(&[
            ("NAME", "VARCHAR(8)", "$.customer"),
            ("ID", "INTEGER", "$.orders[0:].id"),
            ("PRICE", "DECIMAL(5,2)", "$.orders[0:].item.price"),
        ]);
        for (line, expected) in [
            (
                r#"{"customer":"Ann","orders":[{"id":1,"item":{"price":2.5}}, {"id":2},7]}"#,
                &["[\"Ann\",1,2.5]", "[\"Ann\",2,null]", "[\"Ann\",null,null]"][..],
            ),
            (
                r#"{"customer":"Ann","orders":[]}"#,
                &["[\"Ann\",null,null]"],
            ),
            (r#"{"customer":"Ann"}"#, &["[\"Ann\",null,null]"]),
        ] {
            let expected = expected.iter().map(|row| (*row).to_owned()).collect();
            assert_eq!(rows(&reader, line), Ok(expected));
        }
        let line = r#"{"customer":"Ann","orders":[{"id":1},{"id":"x"}]}"#;
        let expected = "ID is `\"x\"`, which is not an integer";
        assert_eq!(rows(&reader, line), Err(expected.to_owned()));
    }
}
