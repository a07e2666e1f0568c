//! The rows of `status` as aligned columns, as wide as the terminal.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};

use super::STATES;
use super::row::Row;
use crate::guard::printable;
use crate::launch::progress::duration;
use crate::rundir::State;

const HEADER: [&str; 9] = ["variant", "seed", "state", "step", "loss", "trend", "img/s", "left", "error"];
const VARIANT: usize = 0;
const STATE: usize = 2;
const TREND: usize = 5;
const ERROR: usize = 8;
/// A terminal that is narrower does without the curve.
const ROOM_FOR_TREND: u16 = 90;

/// How a table is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Columns of the terminal.
    pub(super) width: u16,
    /// Whether states are coloured.
    pub(super) color: bool,
}

/// One line a run; curve, speed, time left and error only where there is one.
pub(super) fn table(rows: &[Row], look: Look) -> String {
    let rows: Vec<[String; 9]> = rows.iter().map(cells).collect();
    let told = |place: usize| place < TREND || rows.iter().any(|cells| !cells[place].is_empty());
    let fits = |place: usize| place != TREND || look.width >= ROOM_FOR_TREND;
    let chosen: Vec<usize> = (0..HEADER.len()).filter(|place| told(*place) && fits(*place)).collect();
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(line))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(chosen.iter().map(|place| HEADER[*place]))
        .set_width(look.width);
    for cells in &rows {
        table.add_row(chosen.iter().map(|place| cells[*place].clone()));
    }
    for (place, column) in chosen.iter().zip(table.column_iter_mut()) {
        match *place {
            VARIANT => {
                column.set_delimiter('_');
            }
            ERROR => {}
            place => {
                column.set_constraint(ColumnConstraint::ContentWidth);
                if place != STATE && place != TREND {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
    }
    let text = format!("{}\n", table.trim_fmt());
    if look.color { colored(&text) } else { text }
}

/// The table with its states in colour. Done afterwards, so that no width is measured with a colour in it: the states
/// stand below their heading.
fn colored(text: &str) -> String {
    let mut lines = text.lines();
    let Some(header) = lines.next() else { return String::new() };
    let Some(left) = header.find(HEADER[STATE]).map(|at| header[..at].chars().count()) else {
        return text.to_owned();
    };
    let mut out = format!("{header}\n");
    for line in lines {
        let start = line.char_indices().nth(left).map_or(line.len(), |(at, _)| at);
        let (before, rest) = line.split_at(start);
        let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        match STATES.into_iter().find(|state| state.name() == word) {
            Some(state) => {
                let rest = &rest[word.len()..];
                out.push_str(&format!("{before}\x1b[{}m{word}\x1b[0m{rest}\n", code(state)));
            }
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

/// The colour of a state: one of the terminal's own, so that it suits its background.
fn code(state: State) -> u8 {
    const RED: u8 = 31;
    const GREEN: u8 = 32;
    const YELLOW: u8 = 33;
    const CYAN: u8 = 36;
    const FAINT: u8 = 2;
    match state {
        State::Done => GREEN,
        State::Running => CYAN,
        State::Planned | State::Submitted => FAINT,
        State::Interrupted | State::Paused => YELLOW,
        State::Failed | State::Diverged => RED,
    }
}

/// `50/200  25%`.
pub(super) fn progress(row: &Row) -> String {
    match (row.total_steps, row.step) {
        (0, 0) => String::new(),
        (0, step) => step.to_string(),
        (total, step) => {
            format!("{step}/{total} {:>3}%", 100 * u128::from(step.min(total)) / u128::from(total))
        }
    }
}

/// With as many digits as help.
pub(super) fn speed(row: &Row) -> Option<String> {
    let speed = row.images_per_second?;
    Some(if speed < 10.0 { format!("{speed:.1}") } else { format!("{speed:.0}") })
}

fn cells(row: &Row) -> [String; 9] {
    let state =
        if row.exact { row.state.name().to_owned() } else { format!("{} (inexact)", row.state.name()) };
    [
        printable(&row.variant),
        row.seed.to_string(),
        state,
        progress(row),
        row.loss.filter(|_| row.state != State::Planned).map(|loss| format!("{loss:.4}")).unwrap_or_default(),
        row.trend.clone(),
        speed(row).unwrap_or_default(),
        row.seconds_left.map(duration).unwrap_or_default(),
        row.error.as_deref().map(printable).unwrap_or_default(),
    ]
}
