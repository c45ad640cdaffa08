//! The picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Gauge, Paragraph, Row, Sparkline, Table};

use crate::model::{Model, Moment, Move, Now, Operations, Ring};

/// More rings than this are counted only.
const RINGS_SHOWN: usize = 8;
const SIDES: [Constraint; 2] = [Constraint::Percentage(60), Constraint::Percentage(40)];

pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let Some(now) = &model.now else {
        let waiting = || format!("looking at {} …", model.url);
        let text = Paragraph::new(model.trouble.clone().unwrap_or_else(waiting));
        frame.render_widget(text.block(Block::bordered().title(" aura-top ")), frame.area());
        return;
    };
    let rows = now.rings.len().min(RINGS_SHOWN).max(now.operations.len() + 1);
    let [head, curves, middle, moves, foot] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Length(6),
        Constraint::Length(rows.max(3) as u16 + 2),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(model, now, frame, head);
    draw_curves(model, frame, curves);
    let [left, right] = Layout::horizontal(SIDES).areas(middle);
    draw_operations(&now.operations, now.target_seconds, frame, left);
    draw_rings(&now.rings, frame, right);
    draw_moves(model, frame, moves);
    frame.render_widget(Line::from(" q quits").dim(), foot);
}

fn draw_head(model: &Model, now: &Now, frame: &mut Frame<'_>, area: Rect) {
    let Now { version, phase, target_seconds, pool_bytes, spills, .. } = now;
    let target = if *target_seconds > 0.0 { time(*target_seconds) } else { "none".into() };
    let pool = scaled(*pool_bytes);
    let first = Line::from(vec![
        Span::from(format!("libaura {version}  ")),
        Span::from(format!(" {phase} ")).style(phase_style(phase)),
        Span::from(format!("  p99 target {target}   pool {pool}B   spills {spills}")),
    ]);
    let (read, write) = (scaled(now.read_bps), scaled(now.write_bps));
    let second = match &model.trouble {
        Some(trouble) => Line::from(format!("no answer: {trouble}")).red(),
        None if now.fatal_errno > 0.0 => {
            Line::from(format!("the engine is broken: errno {}", now.fatal_errno)).red().bold()
        }
        None => Line::from(format!("read {read}B/s   write {write}B/s")),
    };
    let block = Block::bordered().title(format!(" aura-top  {} ", model.url));
    frame.render_widget(Paragraph::new(vec![first, second]).block(block), area);
}

fn draw_curves(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(Moment { operations_per_second, in_flight, limit }) = model.history.back() else {
        return;
    };
    let [left, right] = Layout::horizontal(SIDES).areas(area);
    let title = format!(" {} operations/s ", scaled(*operations_per_second));
    draw_curve(model, |moment| moment.operations_per_second, title, Color::Green, frame, left);
    let title = format!(" {in_flight} in flight of {limit} ");
    draw_curve(model, |moment| moment.in_flight, title, Color::Cyan, frame, right);
}

fn draw_curve(
    model: &Model,
    height: fn(&Moment) -> f64,
    title: String,
    colour: Color,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let columns = usize::from(area.width.saturating_sub(2));
    let from = model.history.len().saturating_sub(columns);
    let curve = model.history.iter().skip(from).map(|moment| height(moment) as u64);
    let curve = Sparkline::default().data(curve.collect::<Vec<_>>()).style(Style::from(colour));
    frame.render_widget(curve.block(Block::bordered().title(title)), area);
}

fn draw_operations(operations: &[Operations], target: f64, frame: &mut Frame<'_>, area: Rect) {
    let latency = |seconds: Option<f64>| Cell::from(seconds.map_or("–".into(), time));
    let rows = operations.iter().map(|operations| {
        let errors = Cell::from(scaled(operations.errors_per_second));
        let is_late = target > 0.0 && operations.p99.is_some_and(|p99| p99 > target);
        let p99 = latency(operations.p99);
        Row::new([
            Cell::from(operations.kind.clone()),
            Cell::from(scaled(operations.per_second)),
            if operations.errors_per_second > 0.0 { errors.red() } else { errors },
            latency(operations.p50),
            if is_late { p99.yellow() } else { p99 },
            Cell::from(scaled(operations.total)),
        ])
    });
    let head = Row::new(["op", "per s", "errors/s", "p50", "p99", "total"]).bold();
    let table = Table::new(rows, [15, 8, 8, 8, 8, 8].map(Constraint::Length)).header(head);
    frame.render_widget(table.block(Block::bordered().title(" operations ")), area);
}

fn draw_rings(rings: &[Ring], frame: &mut Frame<'_>, area: Rect) {
    let title = match rings.len().saturating_sub(RINGS_SHOWN) {
        0 => " rings: in flight of limit ".to_owned(),
        more => format!(" rings: in flight of limit (and {more} more) "),
    };
    let block = Block::bordered().title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    for (ring, row) in rings.iter().take(RINGS_SHOWN).zip(inner.rows()) {
        let Ring { index, in_flight, limit } = ring;
        let share = (in_flight / limit.max(1.0)).clamp(0.0, 1.0);
        let gauge = Gauge::default().ratio(share).label(format!("{index}: {in_flight}/{limit}"));
        frame.render_widget(gauge.gauge_style(Style::from(Color::Cyan)), row);
    }
}

fn draw_moves(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let newest = model.moves.front().map(|newest| newest.at);
    let line = |Move { at, direction, reason, times, limit }: &Move| {
        let before = newest.map_or(0.0, |newest| (newest - *at).as_secs_f64());
        let (arrow, colour) = match direction.as_str() {
            "up" => ("▲", Color::Green),
            _ => ("▼", Color::Yellow),
        };
        let times = if *times > 1.0 { format!(" ×{times}") } else { String::new() };
        Line::from(vec![
            Span::from(format!("-{before:>6.1} s  ")).dim(),
            Span::from(format!("{arrow} ")).style(Style::from(colour)),
            Span::from(format!("{reason}{times}  → {limit}")),
        ])
    };
    let lines: Vec<_> = model.moves.iter().map(line).collect();
    let block = Block::bordered().title(" moves of the limit, newest first ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn phase_style(phase: &str) -> Style {
    let colour = match phase {
        "CONVERGED" | "STEADY" => Color::Green,
        "PASSTHROUGH" => Color::Blue,
        "BACKOFF" => Color::Red,
        _ => Color::Yellow,
    };
    Style::new().fg(Color::Black).bg(colour)
}

/// A number of three or four digits, with a prefix.
fn scaled(number: f64) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P"];
    let (mut value, mut at) = (number, 0);
    while value >= 999.5 && at + 1 < prefixes.len() {
        value /= 1000.0;
        at += 1;
    }
    let is_whole = value >= 99.95 || (at == 0 && value.fract() == 0.0);
    format!("{value:.digits$}{}", prefixes[at], digits = usize::from(!is_whole))
}

/// A duration with its unit.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0}µs", s * 1e6),
        s if s < 1.0 => format!("{:.2}ms", s * 1e3),
        s => format!("{s:.2}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::fetched;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::time::Instant;

    fn picture(model: &Model, columns: u16, rows: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| draw(model, frame)).unwrap();
        crate::text(&terminal)
    }

    #[test]
    fn the_picture_has_what_matters() {
        let (began, mut model) = (Instant::now(), Model::new("http://h/metrics"));
        assert!(picture(&model, 80, 24).contains("looking at http://h/metrics"));
        model.take(fetched(began, 0, 1000, 0));
        model.take(fetched(began, 1, 21_000, 2));
        let picture = picture(&model, 100, 30);
        for part in [
            "libaura 0.5.0",
            " STEADY ",
            "target 2.00ms",
            "read 81.9MB/s",
            "20.0k operations/s",
            "15 in flight of 64",
            "0: 12/16",
            "target exceeded ×2  → 64",
        ] {
            assert!(picture.contains(part), "{part} is missing in\n{picture}");
        }
    }

    #[test]
    fn no_terminal_is_too_small() {
        let (began, mut model) = (Instant::now(), Model::new("u"));
        model.take(fetched(began, 0, 1, 0));
        model.take(fetched(began, 1, 2, 1));
        for (columns, rows) in [(1, 1), (10, 3), (20, 12), (300, 2), (40, 100)] {
            picture(&model, columns, rows);
        }
    }

    #[test]
    fn numbers_are_short() {
        let scaled = [0.0, 7.0, 0.25, 99.96, 999.0, 999.6, 12_345.0, 4e9].map(scaled);
        assert_eq!(scaled, ["0", "7", "0.2", "100", "999", "1.0k", "12.3k", "4.0G"]);
        assert_eq!([1.6e-6, 2.5e-3, 3.0].map(time), ["2µs", "2.50ms", "3.00s"]);
    }
}
