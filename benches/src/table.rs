//! Tables that are read on a terminal and can be pasted into a page.

use comfy_table::{CellAlignment, Table, presets};

/// An empty table with this header. Figures stand to the right; the columns in `texts`, counted from 0, to the left.
pub fn new<'h>(header: impl IntoIterator<Item = &'h str>, texts: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        if !texts.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    #[test]
    fn figures_stand_to_the_right_of_their_column() {
        let mut table = super::new(["name", "longer", "word"], &[0, 2]);
        table.add_row(["a", "1", "b"]);
        let lines =
            ["| name | longer | word |", "|------|--------|------|", "| a    |      1 | b    |"];
        assert_eq!(table.to_string(), lines.join("\n"));
    }
}
