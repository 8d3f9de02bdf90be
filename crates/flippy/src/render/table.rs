//! The table of workloads.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

use super::Look;
use crate::plan::view::WorkloadView;

/// Every workload, one a line unless a terminal is too narrow.
pub(super) fn workloads(workloads: &[WorkloadView], wide: bool, look: Look) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    match look {
        Look::Terminal => table.set_content_arrangement(ContentArrangement::Dynamic).enforce_styling(),
        Look::Plain => table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty(),
    };
    let mut titles = vec!["KIND", "NAMESPACE/NAME", "PODS", "VERDICT"];
    if wide {
        titles.extend(["HEALTHY", "METHOD", "ATTEMPT", "RESTARTED-AT"]);
    }
    let has_waves = workloads.iter().any(|view| view.wave.is_some());
    if has_waves {
        titles.insert(0, "WAVE");
    }
    titles.push("REASON");
    table.set_header(
        titles.into_iter().map(|title| styled(Cell::new(title), look, |cell| cell.add_attribute(Attribute::Bold))),
    );
    for view in workloads {
        let mut row = vec![
            Cell::new(view.workload.kind),
            Cell::new(format!("{}/{}", view.workload.namespace, view.workload.name)),
            Cell::new(format!("{}/{}", view.stale_pods, view.pods)),
            styled(Cell::new(view.verdict), look, |cell| {
                colour_of(view.verdict).map_or(cell.clone(), |colour| cell.fg(colour))
            }),
        ];
        if wide {
            row.push(Cell::new(if view.healthy { "yes" } else { "no" }));
            row.push(Cell::new(view.method));
            row.push(Cell::new(view.attempt));
            row.push(Cell::new(view.restarted_at.as_deref().unwrap_or("-")));
        }
        if has_waves {
            row.insert(0, Cell::new(view.wave.as_deref().unwrap_or("-")));
        }
        // Others' words may have line ends in them.
        row.push(Cell::new(view.message.split_whitespace().collect::<Vec<_>>().join(" ")));
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

pub(super) fn styled(cell: Cell, look: Look, style: impl FnOnce(Cell) -> Cell) -> Cell {
    if look == Look::Terminal { style(cell) } else { cell }
}

fn colour_of(verdict: &str) -> Option<Color> {
    match verdict {
        "Fresh" => Some(Color::Green),
        "Restart" => Some(Color::Yellow),
        "InFlight" | "Converging" => Some(Color::Blue),
        "Blocked" => Some(Color::Magenta),
        "Futile" | "Failed" => Some(Color::Red),
        _ => None,
    }
}
