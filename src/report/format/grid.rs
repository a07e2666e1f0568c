//! One table of cells, aligned for a terminal or as Markdown.
//!
//! In: a [`Grid`] of texts that nothing obeys. Out: lines.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};

use crate::guard::printable;

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// A name: left, may break at its underscores.
    Name,
    /// A setting: right, may break at its underscores.
    Setting,
    /// A measurement: right, never broken.
    Number,
    /// Words: left.
    Words,
}

/// Header and body, one layout per column.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Grid {
    columns: Vec<Column>,
    header: Vec<String>,
    body: Vec<Vec<String>>,
}

impl Grid {
    /// A grid with these columns and no row yet.
    pub(super) fn new(columns: impl IntoIterator<Item = (String, Column)>) -> Self {
        let (header, columns): (Vec<String>, Vec<Column>) = columns.into_iter().unzip();
        Self { columns, header: header.iter().map(|title| printable(title)).collect(), body: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.body.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// Aligned columns, at most `width` wide.
    pub(super) fn table(&self, width: u16) -> String {
        let line = LineStyle::none().fill('─').junction('─');
        let mut table = Table::new();
        table
            .load_style(TableStyle::new().header_separator(line))
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_header(&self.header)
            .add_rows(&self.body);
        for (column, layout) in table.column_iter_mut().zip(&self.columns) {
            if matches!(layout, Column::Setting | Column::Number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            // Numbers stay whole; names and titles give way, at their underscores.
            match layout {
                Column::Number => {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
                Column::Name | Column::Setting => {
                    column.set_delimiter('_');
                }
                Column::Words => {}
            }
        }
        format!("{}\n", table.trim_fmt())
    }

    /// A Markdown table; values are aligned right.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| escape_markdown(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.header);
        let rules = self.columns.iter().map(|layout| match layout {
            Column::Setting | Column::Number => "---:",
            Column::Name | Column::Words => "---",
        });
        text.push_str(&format!("| {} |\n", rules.collect::<Vec<_>>().join(" | ")));
        for row in &self.body {
            text.push_str(&line(row));
        }
        text
    }
}

/// Keeps text from becoming markup.
pub(super) fn escape_markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' => {
                safe.push('\\');
                safe.push(character);
            }
            _ => safe.push(character),
        }
    }
    safe
}
