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

/// How records are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// With aligned columns.
    Table,
    /// [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), but with `\n`.
    Csv,
    /// An array of objects. Amounts are strings, because a float could round them.
    Json,
}

/// Writes records of the same columns, some at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    columns: Vec<Column>,
    form: Form,
    /// Of each column of the table.
    widths: Vec<usize>,
    /// Whether the titles, or the start of the array, were written.
    has_begun: bool,
    /// Whether an object of the array was written.
    has_object: bool,
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
        self.write_as(Form::of(flags))
    }

    pub(crate) fn table(&self) -> String {
        self.write_as(Form::Table)
    }

    pub(crate) fn csv(&self) -> String {
        self.write_as(Form::Csv)
    }

    fn write_as(&self, form: Form) -> String {
        let mut writer = Writer::new(self.columns.clone(), form);
        let total = self.total.as_slice();
        writer.measure(&self.rows);
        if form != Form::Table {
            return writer.write(&self.rows) + &writer.end();
        }
        writer.measure(total);
        writer.write(&self.rows) + &writer.write(total) + &writer.end()
    }
}

impl Form {
    fn of(flags: &ArgMatches) -> Self {
        if flags.get_flag("json") {
            Self::Json
        } else if flags.get_flag("csv") {
            Self::Csv
        } else {
            Self::Table
        }
    }
}

impl Writer {
    /// Writes the form that the flags ask for.
    pub(crate) fn of(columns: Vec<Column>, flags: &ArgMatches) -> Self {
        Self::new(columns, Form::of(flags))
    }

    fn new(columns: Vec<Column>, form: Form) -> Self {
        let widths = columns.iter().map(|column| column.title.chars().count()).collect();
        Self { columns, form, widths, has_begun: false, has_object: false }
    }

    /// Whether rows must be [measured](Self::measure) before the first one is written.
    pub(crate) fn is_aligned(&self) -> bool {
        self.form == Form::Table
    }

    /// Makes columns as wide as these rows need.
    pub(crate) fn measure(&mut self, rows: &[Vec<Cell>]) {
        if self.is_aligned() {
            for row in rows {
                for (width, cell) in self.widths.iter_mut().zip(row) {
                    *width = cell.shown().chars().count().max(*width);
                }
            }
        }
    }

    /// Writes the next rows.
    pub(crate) fn write(&mut self, rows: &[Vec<Cell>]) -> String {
        let mut text = self.begin();
        for row in rows {
            if self.form == Form::Json && std::mem::replace(&mut self.has_object, true) {
                text.push(',');
            }
            text += &match self.form {
                Form::Table => self.line(|index| row[index].shown()),
                Form::Csv => self.record(|index| row[index].csv()),
                Form::Json => self.object(row),
            };
        }
        text
    }

    /// Writes what follows the last row.
    pub(crate) fn end(&mut self) -> String {
        self.begin() + if self.form == Form::Json { "]\n" } else { "" }
    }

    /// Writes what precedes the first row.
    fn begin(&mut self) -> String {
        if std::mem::replace(&mut self.has_begun, true) {
            return String::new();
        }
        match self.form {
            Form::Table => self.line(|index| self.columns[index].title.to_owned()),
            Form::Csv => self.record(|index| quoted(self.columns[index].name.to_owned())),
            Form::Json => "[".to_owned(),
        }
    }

    fn line(&self, text: impl Fn(usize) -> String) -> String {
        let shown = self.columns.iter().zip(&self.widths).enumerate();
        let shown = shown.filter(|(_, (column, _))| !column.title.is_empty());
        let cells = shown.map(|(index, (column, &width))| {
            let text = text(index);
            if column.is_number { format!("{text:>width$}") } else { format!("{text:width$}") }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned() + "\n"
    }

    fn record(&self, field: impl Fn(usize) -> String) -> String {
        self.named().map(|(index, _)| field(index)).collect::<Vec<_>>().join(",") + "\n"
    }

    fn object(&self, row: &[Cell]) -> String {
        let members = self.named().filter(|(index, _)| !matches!(row[*index], Cell::Empty));
        json::object(&members.map(|(index, column)| (column.name, row[index].json())).collect::<Vec<_>>())
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

    fn csv(&self) -> String {
        quoted(if matches!(self, Self::Text(_)) { inert(self.exact()) } else { self.exact() })
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
    fn pages_are_written_as_one() {
        for form in [Form::Table, Form::Csv, Form::Json] {
            let mut records = records();
            let mut writer = Writer::new(records.columns.clone(), form);
            writer.measure(&records.rows);
            let pages: Vec<_> = records.rows.chunks(1).chain([&[][..]]).map(|page| writer.write(page)).collect();
            records.total = None;
            assert_eq!(pages.concat() + &writer.end(), records.write_as(form), "{form:?}");
            records.rows.clear();
            assert_eq!(Writer::new(records.columns.clone(), form).end(), records.write_as(form), "{form:?}");
        }
    }

    #[test]
    fn json_leaves_out_what_is_empty() {
        let expected = "[{\"model\":\"a,\\\"b\\\"\",\"requests\":7,\"usd\":\"1.234567890123\",\"id\":\"1\"},\
                        {\"model\":\"é\",\"requests\":12,\"usd\":\"-0.000000000001\"}]\n";
        assert_eq!(records().write_as(Form::Json), expected);
    }
}
