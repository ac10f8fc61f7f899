//! Records as a table, as CSV, or as JSON.

use clap::{Arg, ArgAction, ArgMatches};
use sparekey_core::json_string;
use sparekey_policy::Usd;

use super::{json, money};

const GAP: &str = "  ";

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Its name in CSV and JSON; empty for one of the table only.
    name: &'static str,
    /// Its title in the table; empty for one that the table does not have.
    title: &'static str,
    is_number: bool,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Number(i64),
    Usd(Usd),
    Flag(bool),
}

/// Records of the same columns.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The last line of the table.
    pub(crate) total: Option<Vec<Cell>>,
}

impl Column {
    /// A column of texts.
    pub(crate) const fn text(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_number: false }
    }

    /// A column of numbers or amounts.
    pub(crate) const fn number(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_number: true }
    }
}

/// The flags of the other forms.
pub(crate) fn arguments() -> [Arg; 2] {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    [flag("csv", "Print CSV").conflicts_with("json"), flag("json", "Print JSON, for scripts")]
}

impl Records {
    /// Writes the form that the flags ask for.
    pub(crate) fn write(&self, flags: &ArgMatches) -> String {
        if flags.get_flag("json") {
            self.json()
        } else if flags.get_flag("csv") {
            self.csv()
        } else {
            self.table()
        }
    }

    /// A table with aligned columns.
    pub(crate) fn table(&self) -> String {
        let shown: Vec<_> = self.columns.iter().enumerate().filter(|(_, column)| !column.title.is_empty()).collect();
        let title = shown.iter().map(|(_, column)| column.title.to_owned()).collect();
        let texts = |row: &Vec<Cell>| shown.iter().map(|(index, _)| row[*index].shown()).collect();
        let lines: Vec<Vec<String>> =
            [title].into_iter().chain(self.rows.iter().chain(&self.total).map(texts)).collect();
        let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..shown.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).zip(&shown).map(|((cell, width), (_, column))| {
                if column.is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            text += cells.collect::<Vec<_>>().join(GAP).trim_end();
            text.push('\n');
        }
        text
    }

    /// CSV ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)), but with `\n`.
    pub(crate) fn csv(&self) -> String {
        let names = self.named().map(|(_, column)| column.name.to_owned()).collect();
        let field =
            |cell: &Cell| quoted(if matches!(cell, Cell::Text(_)) { inert(cell.exact()) } else { cell.exact() });
        let fields = |row: &Vec<Cell>| self.named().map(|(index, _)| field(&row[index])).collect();
        let lines = [names].into_iter().chain(self.rows.iter().map(fields));
        lines.map(|fields: Vec<String>| fields.join(",") + "\n").collect()
    }

    /// An array of objects. Amounts are strings, because a float could round them.
    fn json(&self) -> String {
        let object = |row: &Vec<Cell>| {
            let members = self.named().filter(|(index, _)| !matches!(row[*index], Cell::Empty));
            json::object(&members.map(|(index, column)| (column.name, row[index].json())).collect::<Vec<_>>())
        };
        json::array(self.rows.iter().map(object)) + "\n"
    }

    fn named(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.name.is_empty())
    }
}

impl Cell {
    /// A text, or nothing.
    pub(crate) fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }

    /// For the table.
    fn shown(&self) -> String {
        if let Self::Usd(usd) = self { money::fixed(*usd) } else { self.exact() }
    }

    fn exact(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Usd(usd) => usd.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Text(_) | Self::Usd(_) => json_string(&self.exact()),
            Self::Number(_) | Self::Flag(_) => self.exact(),
            Self::Empty => "null".to_owned(),
        }
    }
}

/// A text that a spreadsheet does not run: ids are the upstream's
/// ([CSV injection](https://owasp.org/www-community/attacks/CSV_Injection)).
fn inert(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn quoted(field: String) -> String {
    if field.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records {
        let columns = vec![
            Column::text("model", "MODEL"),
            Column::number("requests", "REQUESTS"),
            Column::number("usd", "USD"),
            Column::text("id", ""),
            Column::text("", "NOTE"),
        ];
        let row = |model: &str, requests, pico, id: Option<&str>| {
            let usd = Cell::Usd(Usd::from_pico(pico));
            let note = Cell::Text(String::from("x"));
            vec![Cell::text(Some(model)), Cell::Number(requests), usd, Cell::text(id), note]
        };
        let rows = vec![row("a,\"b\"", 7, 1_234_567_890_123, Some("1")), row("é", 12, -1, None)];
        Records { columns, rows, total: Some(row("total", 19, 1_234_567_890_122, None)) }
    }

    #[test]
    fn tables_are_aligned() {
        let expected = "\
MODEL  REQUESTS       USD  NOTE
a,\"b\"         7  1.234568  x
é            12  0.000000  x
total        19  1.234568  x
";
        assert_eq!(records().table(), expected);
    }

    #[test]
    fn csv_is_quoted_and_exact() {
        let expected = "model,requests,usd,id\n\"a,\"\"b\"\"\",7,1.234567890123,1\né,12,-0.000000000001,\n";
        assert_eq!(records().csv(), expected);
    }

    #[test]
    fn no_text_of_csv_is_a_formula() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("-1", "'-1"),
            ("+1", "'+1"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("gpt-5", "gpt-5"),
        ] {
            assert_eq!(inert(text.to_owned()), expected);
        }
        assert!(records().csv().contains(",-0.000000000001,"), "an amount is one");
    }

    #[test]
    fn json_leaves_out_what_is_empty() {
        let expected = "[{\"model\":\"a,\\\"b\\\"\",\"requests\":7,\"usd\":\"1.234567890123\",\"id\":\"1\"},\
                        {\"model\":\"é\",\"requests\":12,\"usd\":\"-0.000000000001\"}]\n";
        assert_eq!(records().json(), expected);
    }
}
