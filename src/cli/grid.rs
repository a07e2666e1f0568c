//! A table without lines, as most commands print them.
//!
//! In: headings, which may have several lines, rows of cells, and which columns hold numbers. Out: text. Cells are never
//! wrapped: a long list stays one word, and a table that is wider than the terminal runs over its edge.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Numbers stand to the right, headings end on the line above the first row.
pub(super) fn grid<H, R>(headings: H, rows: R, is_number: impl Fn(usize) -> bool) -> String
where
    H: IntoIterator<Item: Into<String>>,
    R: IntoIterator<Item: IntoIterator<Item = String>>,
{
    let headings: Vec<String> = headings.into_iter().map(Into::into).collect();
    let breaks = |heading: &String| heading.matches('\n').count();
    let height = headings.iter().map(breaks).max().unwrap_or(0);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| "\n".repeat(height - breaks(heading)) + heading));
    for row in rows {
        table.add_row(row);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if is_number(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_below_headings_that_end_on_one_line() {
        let rows = [["a", "7"], ["long_name", "1234"]].map(|row| row.map(String::from));
        let text = grid(["name", "in\nall"], rows, |place| place == 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[2], "a             7");
        assert_eq!(lines[3], "long_name  1234");
        assert!(lines[1].starts_with("name") && !lines[0].contains("name"), "{text}");
    }
}
