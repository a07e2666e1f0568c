//! The rows of `status` as aligned columns.

use std::io::IsTerminal;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};

use super::row::Row;
use crate::guard::printable;
use crate::launch::progress::duration;
use crate::rundir::State;

/// Columns of a table that no terminal shows.
const WIDTH: u16 = 120;
const HEADER: [&str; 8] = ["variant", "seed", "state", "step", "loss", "img/s", "left", "error"];
const VARIANT: usize = 0;
const ERROR: usize = 7;

/// One line a run; the error column only where there is an error.
pub(super) fn table(rows: &[Row]) -> String {
    let shown = if rows.iter().any(|row| row.error.is_some()) { HEADER.len() } else { ERROR };
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(line))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(&HEADER[..shown])
        .add_rows(rows.iter().map(|row| cells(row).into_iter().take(shown)));
    let width = if std::io::stdout().is_terminal() { table.width() } else { None };
    table.set_width(width.unwrap_or(WIDTH));
    for (at, column) in table.column_iter_mut().enumerate() {
        match at {
            VARIANT => {
                column.set_delimiter('_');
            }
            ERROR => {}
            _ => {
                column.set_constraint(ColumnConstraint::ContentWidth);
                if at != 2 {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
    }
    format!("{}\n", table.trim_fmt())
}

fn cells(row: &Row) -> [String; 8] {
    let step = match (row.total_steps, row.step) {
        (0, 0) => String::new(),
        (0, step) => step.to_string(),
        (total, step) => {
            format!("{step}/{total} {:>3}%", 100 * u128::from(step.min(total)) / u128::from(total))
        }
    };
    let speed = row
        .images_per_second
        .map(|speed| if speed < 10.0 { format!("{speed:.1}") } else { format!("{speed:.0}") });
    let state =
        if row.exact { row.state.name().to_owned() } else { format!("{} (inexact)", row.state.name()) };
    [
        printable(&row.variant),
        row.seed.to_string(),
        state,
        step,
        row.loss.filter(|_| row.state != State::Planned).map(|loss| format!("{loss:.4}")).unwrap_or_default(),
        speed.unwrap_or_default(),
        row.seconds_left.map(duration).unwrap_or_default(),
        row.error.as_deref().map(printable).unwrap_or_default(),
    ]
}
