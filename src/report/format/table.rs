//! The comparison as an aligned table and as Markdown.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};

use super::Comparison;
use super::cells::{Naming, cells};

/// Aligned columns, at most `width` wide.
pub(super) fn table(comparison: &Comparison, width: u16) -> String {
    let (header, body) = cells(comparison, Naming::Short);
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(line))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header)
        .add_rows(body);
    let metric = comparison.keys.len() + 1;
    for (at, column) in table.column_iter_mut().enumerate() {
        if (1..=metric + 1).contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // Numbers stay whole; names and titles give way, at their underscores.
        if at == metric || at == metric + 1 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else if at < metric {
            column.set_delimiter('_');
        }
    }
    format!("{}\n", table.trim_fmt())
}

/// A Markdown table; values are aligned right.
pub(super) fn markdown(comparison: &Comparison) -> String {
    let (header, body) = cells(comparison, Naming::Full);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escape_markdown(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&header);
    let rules = (0..header.len()).map(|at| {
        let is_value = (1..=comparison.keys.len() + 2).contains(&at);
        if is_value { "---:" } else { "---" }
    });
    text.push_str(&format!("| {} |\n", rules.collect::<Vec<_>>().join(" | ")));
    for row in &body {
        text.push_str(&line(row));
    }
    text
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
