//! `sparekey usage rows`: the last requests.

use std::time::Duration;

use clap::ArgMatches;
use sparekey_ledger::{LedgerError, LedgerRow, RowQuery};
use sparekey_policy::Zone;

use super::{Context, since, user};
use crate::commands::{
    Failure,
    json::rfc3339,
    ledger, local_second, print, print_more,
    progress::Progress,
    records::{Cell, Column, Writer},
};

/// The value of a row in a column.
type Value = fn(&LedgerRow, &Zone) -> Cell;

/// The table shows those with a title.
const COLUMNS: [(Column, Value); 28] = [
    (Column::text("id", "ID"), |row, _| Cell::Text(format!("{:032x}", row.id.0))),
    (Column::text("", "TIME"), |row, zone| Cell::Text(local_second(row.row.started, zone))),
    (Column::text("time", ""), |row, zone| Cell::Text(rfc3339(row.row.started, zone))),
    (Column::text("day", ""), |row, _| Cell::Text(row.day.to_string())),
    (Column::text("user", "USER"), |row, _| Cell::Text(row.user.to_string())),
    (Column::text("key", ""), |row, _| Cell::Text(row.row.key.to_string())),
    (Column::text("route", ""), |row, _| Cell::Text(row.row.route.to_string())),
    (Column::text("model", "MODEL"), |row, _| Cell::Text(row.row.model.to_string())),
    (Column::text("tier", ""), |row, _| Cell::Text(row.row.tier.name().to_owned())),
    (Column::number("input_tokens", "INPUT"), |row, _| count(row.row.usage.tokens.input)),
    (Column::number("cached_tokens", ""), |row, _| count(row.row.usage.tokens.cached)),
    (Column::number("output_tokens", "OUTPUT"), |row, _| count(row.row.usage.tokens.output)),
    (Column::number("reasoning_tokens", ""), |row, _| count(row.row.usage.tokens.reasoning)),
    (Column::number("web_searches", ""), |row, _| count(row.row.usage.tools.web_search)),
    (Column::number("file_searches", ""), |row, _| count(row.row.usage.tools.file_search)),
    (Column::number("usd", "USD"), |row, _| Cell::Usd(row.cost)),
    (Column::number("voided_usd", ""), |row, _| row.voided.map_or(Cell::Empty, Cell::Usd)),
    (Column::text("prices", ""), |row, _| Cell::Text(row.row.prices.to_string())),
    (Column::number("status", ""), |row, _| Cell::Number(row.row.status.into())),
    (Column::text("end", "END"), |row, _| Cell::Text(row.row.end.name().to_owned())),
    (Column::text("", "NOTE"), |row, _| Cell::Text(note(row))),
    (Column::text("estimated", ""), |row, _| Cell::Flag(row.row.is_estimated)),
    (Column::text("over", ""), |row, _| Cell::Flag(row.row.is_over)),
    (Column::number("retry", ""), |row, _| Cell::Number(row.row.retry.into())),
    (Column::text("upstream_id", ""), |row, _| Cell::text(row.row.upstream_id.as_deref())),
    (Column::text("response_id", ""), |row, _| Cell::text(row.row.response_id.as_deref())),
    (Column::number("head_ms", ""), |row, _| row.row.head.map_or(Cell::Empty, millis)),
    (Column::number("total_ms", ""), |row, _| millis(row.row.total)),
];

pub(super) fn run(context: &Context, flags: &ArgMatches) -> Result<(), Failure> {
    let (user, zone) = (user(flags)?, context.zone()?);
    let since = flags.get_one::<String>("since").map(|text| since::read(text, sparekey_proxy::now(), &zone));
    let query = RowQuery { user, since: since.transpose()?, limit: flags.get_one("limit").copied() };
    let reader = ledger::read(&context.ledger)?;
    let fail = |error: LedgerError| ledger::failure(&context.ledger, &error);
    let cells = |row: &LedgerRow| COLUMNS.iter().map(|(_, value)| value(row, &zone)).collect();
    let pages = || -> Result<_, Failure> {
        let pages = reader.pages_of(&query).map_err(fail)?;
        Ok(pages.map(|page| Ok(page.map_err(fail)?.iter().map(cells).collect::<Vec<Vec<Cell>>>())))
    };
    let progress = Progress::beside_output();
    let mut read = 0;
    let mut writer = Writer::of(COLUMNS.iter().map(|(column, _)| *column).collect(), flags);
    if writer.is_aligned() && !ledger::is_one_page(&query) {
        for page in pages()? {
            let page = page?;
            writer.measure(&page);
            read += page.len();
            progress.show(&format!("{read} requests of the ledger, read for the width of the columns"));
        }
        read = 0;
    }
    for page in pages()? {
        let page = page?;
        writer.measure(&page);
        read += page.len();
        progress.show(&format!("{read} requests of the ledger"));
        if !print_more(&writer.write(&page))? {
            return Ok(());
        }
    }
    print(&writer.end())
}

fn note(row: &LedgerRow) -> String {
    let notes = [(row.voided.is_some(), "void"), (row.row.is_over, "over"), (row.row.is_estimated, "estimated")];
    notes.into_iter().filter(|(applies, _)| *applies).map(|(_, note)| note).collect::<Vec<_>>().join(", ")
}

fn count(count: u64) -> Cell {
    Cell::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

fn millis(duration: Duration) -> Cell {
    Cell::Number(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
