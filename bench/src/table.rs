//! Markdown tables and number formatting.

/// A Markdown table. The first column is aligned to the left, and the others to the right unless
/// `left` is set.
#[derive(Clone, Debug, Default)]
pub struct TextTable {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    left: bool,
}

impl TextTable {
    /// A table with this header, for names in the first column and numbers in the others.
    pub fn new<I, T>(header: I) -> Self
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        Self {
            header: header.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            left: false,
        }
    }

    /// The same table with every column aligned to the left.
    #[must_use]
    pub fn left_aligned(self) -> Self {
        Self { left: true, ..self }
    }

    /// Adds a row.
    pub fn row<I, T>(&mut self, cells: I)
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table as Markdown, with a final newline.
    pub fn to_markdown(&self) -> String {
        let other = if self.left { "---" } else { "---:" };
        let mut rule = vec!["---".to_owned()];
        rule.resize(self.header.len(), other.to_owned());
        let mut text = String::new();
        for row in [&self.header, &rule].into_iter().chain(&self.rows) {
            text.push_str("| ");
            text.push_str(&row.join(" | "));
            text.push_str(" |\n");
        }
        text
    }
}

/// The tables, each under its title.
pub fn page(tables: &[(&str, TextTable)]) -> String {
    let mut text = String::new();
    for (title, table) in tables {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str("### ");
        text.push_str(title);
        text.push_str("\n\n");
        text.push_str(&table.to_markdown());
    }
    text
}

/// A whole number with commas: `12,345`.
pub fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 && digits != "0" {
        return format!("-{text}");
    }
    text
}

/// US dollars, with cents below 100.
pub fn dollars(amount: f64) -> String {
    if amount.abs() < 99.995 {
        return format!("{amount:.2}");
    }
    count(amount)
}

/// A difference in US dollars, with its sign.
pub fn difference(amount: f64) -> String {
    let text = dollars(amount);
    if text == "0.00" || text == "-0.00" {
        return "0.00".to_owned();
    }
    if amount > 0.0 {
        return format!("+{text}");
    }
    text
}

/// Seconds, with tenths below 10.
pub fn seconds(amount: f64) -> String {
    if amount < 0.1 {
        return "< 0.1".to_owned();
    }
    if amount < 9.95 {
        return format!("{amount:.1}");
    }
    count(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(count(0.0), "0");
        assert_eq!(count(-1_234_567.2), "-1,234,567");
        assert_eq!(count(-0.2), "0");
        assert_eq!(dollars(1.006), "1.01");
        assert_eq!(dollars(12_345.6), "12,346");
        assert_eq!(difference(0.001), "0.00");
        assert_eq!(difference(-0.5), "-0.50");
        assert_eq!(difference(1_000.0), "+1,000");
        assert_eq!(seconds(0.01), "< 0.1");
        assert_eq!(seconds(9.96), "10");
    }

    #[test]
    fn markdown() {
        let mut table = TextTable::new(["Service", "USD"]);
        table.row(["Lambda", "1.00"]);
        assert_eq!(
            table.to_markdown(),
            "| Service | USD |\n| --- | ---: |\n| Lambda | 1.00 |\n"
        );
    }
}
