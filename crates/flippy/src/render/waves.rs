//! The table of waves.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};

use super::Look;
use super::table::styled;
use crate::plan::view::WaveView;

/// Every wave in order, one a line; empty without waves.
pub(super) fn table(waves: &[WaveView], look: Look) -> String {
    if waves.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    match look {
        Look::Terminal => table.set_content_arrangement(ContentArrangement::Dynamic).enforce_styling(),
        Look::Plain => table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty(),
    };
    let titles = ["WAVE", "STATE", "FRESH", "LEFT-BEHIND", "MESSAGE"];
    table.set_header(
        titles.into_iter().map(|title| styled(Cell::new(title), look, |cell| cell.add_attribute(Attribute::Bold))),
    );
    for wave in waves {
        table.add_row([
            wave.name.clone(),
            wave.state.to_owned(),
            format!("{}/{}", wave.fresh, wave.total),
            wave.left_behind.to_string(),
            wave.message().split_whitespace().collect::<Vec<_>>().join(" "),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n\n"
}
