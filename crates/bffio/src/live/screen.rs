//! How the screen looks.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Gauge, Paragraph, Sparkline};

use super::history::{History, JobHistory, RingHistory};
use crate::units;
use crate::watch::{JobNow, RingNow, Snapshot, Stage};

/// Columns of a ring's figures, left of its sparklines.
const FIGURES_WIDTH: u16 = 52;
/// Lines of a ring: sparklines of one line show too little.
const RING_HEIGHT: u16 = 2;
/// Frame, throughput and its sparkline.
const JOB_HEAD_HEIGHT: u16 = 5;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, now: &Snapshot, history: &History) {
    let [head, jobs, events] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(3), Constraint::Max(10)])
            .areas(frame.area());
    draw_head(frame, head, now);
    draw_jobs(frame, jobs, now, history);
    draw_events(frame, events, history);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, now: &Snapshot) {
    let [text, gauge] =
        Layout::horizontal([Constraint::Length(50), Constraint::Fill(1)]).areas(area);
    let remaining =
        now.remaining.map(|time| format!(", {} left", units::clock(time))).unwrap_or_default();
    let line = Line::from(vec![
        Span::styled("bffio ", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("{}{remaining}", units::clock(now.elapsed))),
        Span::raw("   q ends the run").dim(),
    ]);
    frame.render_widget(Paragraph::new(line), text);
    if let Some(done) = now.done {
        let gauge_widget =
            Gauge::default().ratio(done.clamp(0.0, 1.0)).gauge_style(Style::new().fg(Color::Blue));
        frame.render_widget(gauge_widget, gauge);
    }
}

/// Jobs that do something first, as many as there is room for.
fn draw_jobs(frame: &mut Frame<'_>, area: Rect, now: &Snapshot, history: &History) {
    let idle = |job: &JobNow| matches!(job.stage, Stage::Done | Stage::Waiting | Stage::Failed);
    let mut order: Vec<_> = now.jobs.iter().enumerate().collect();
    order.sort_by_key(|(_, job)| idle(job));
    let mut rest = area;
    for (index, job) in order {
        let rings = if idle(job) { 0 } else { u16::try_from(job.rings.len()).unwrap_or(u16::MAX) };
        let wanted = if idle(job) {
            3
        } else {
            JOB_HEAD_HEIGHT.saturating_add(rings.saturating_mul(RING_HEIGHT))
        };
        let height = wanted.min(rest.height);
        if height < 3 {
            return;
        }
        let [job_area, below] =
            Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(rest);
        if let Some(history) = history.job(index) {
            draw_job(frame, job_area, job, history);
        }
        rest = below;
    }
}

fn draw_job(frame: &mut Frame<'_>, area: Rect, job: &JobNow, history: &JobHistory) {
    let title = Line::from(vec![
        Span::styled(format!(" {} ", job.name), Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("{} ", job.workload)),
        Span::styled(format!("{} ", stage(&job.stage)), Style::new().fg(stage_color(&job.stage))),
    ]);
    let block = Block::new().borders(Borders::ALL).title(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [throughput, rings] =
        Layout::vertical([Constraint::Length(3), Constraint::Fill(1)]).areas(inside);
    let [figures, spark] = beside(throughput);
    frame.render_widget(Paragraph::new(throughput_lines(job)), figures);
    draw_sparkline(frame, spark, &history.ios_per_s.last(usize::from(spark.width)), Color::Blue);
    let rows =
        Layout::vertical(job.rings.iter().map(|_| Constraint::Length(RING_HEIGHT))).split(rings);
    for (index, (ring, history)) in job.rings.iter().zip(&history.rings).enumerate() {
        draw_ring(frame, rows[index], job, (index, ring), history);
    }
}

fn throughput_lines(job: &JobNow) -> Vec<Line<'static>> {
    let direction = |name: &str, ios: f64, bytes: f64| {
        let text =
            format!("{name}  {:>8} IOPS  {:>12}", units::count(ios), units::bandwidth(bytes));
        (ios > 0.0).then(|| Line::from(text))
    };
    let lines = [
        direction("read ", job.ios_per_s.read, job.bytes_per_s.read),
        direction("write", job.ios_per_s.write, job.bytes_per_s.write),
    ];
    let workers = Line::from(format!(
        "{} worker{}",
        job.workers_running,
        if job.workers_running == 1 { "" } else { "s" }
    ));
    lines.into_iter().flatten().chain([workers]).collect()
}

fn draw_ring(
    frame: &mut Frame<'_>,
    area: Rect,
    job: &JobNow,
    (index, ring): (usize, &RingNow),
    history: &RingHistory,
) {
    let [figures, sparks] = beside(area);
    let over = job.target.is_some_and(|target| ring.p99 > target);
    let target =
        job.target.map(|target| format!(" of {}", units::latency(target))).unwrap_or_default();
    let head = Line::from(vec![
        Span::raw(format!("ring {index:<3} ")),
        Span::styled(format!("{:<12}", ring.phase), Style::new().fg(phase_color(ring.phase))),
        Span::raw(format!("limit {:<5} in flight {}", ring.limit, ring.in_flight)),
    ]);
    let latency = Line::from(vec![
        Span::raw("         p99 "),
        Span::styled(
            units::latency(ring.p99),
            Style::new().fg(if over { Color::Red } else { Color::Green }),
        ),
        Span::raw(target),
    ]);
    frame.render_widget(Paragraph::new(vec![head, latency]), figures);
    let [limits, latencies] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(sparks);
    draw_sparkline(frame, limits, &history.limit.last(usize::from(limits.width)), Color::Cyan);
    let color = if over { Color::Red } else { Color::Green };
    draw_sparkline(frame, latencies, &history.p99_us.last(usize::from(latencies.width)), color);
}

fn draw_sparkline(frame: &mut Frame<'_>, area: Rect, samples: &[u64], color: Color) {
    frame.render_widget(Sparkline::default().data(samples).style(Style::new().fg(color)), area);
}

fn draw_events(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let block = Block::new().borders(Borders::TOP).title(" last decisions ");
    let lines: Vec<_> = history.events().take(usize::from(area.height)).map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Figures to the left, sparklines to the right; on a narrow screen figures only.
fn beside(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Length(FIGURES_WIDTH), Constraint::Fill(1)])
        .spacing(1)
        .areas(area)
}

fn stage(stage: &Stage) -> String {
    match stage {
        Stage::Waiting => "waiting".to_owned(),
        Stage::LayingOut { done_bytes, total_bytes } => {
            format!(
                "laying out {} of {}",
                units::bytes(*done_bytes as f64),
                units::bytes(*total_bytes as f64)
            )
        }
        Stage::Ramp => "ramping".to_owned(),
        Stage::Running => "running".to_owned(),
        Stage::Searching => "searching".to_owned(),
        Stage::Verifying => "verifying".to_owned(),
        Stage::Done => "done".to_owned(),
        Stage::Failed => "failed".to_owned(),
    }
}

fn stage_color(stage: &Stage) -> Color {
    match stage {
        Stage::Failed => Color::Red,
        Stage::Done | Stage::Waiting => Color::DarkGray,
        Stage::Searching | Stage::Ramp | Stage::LayingOut { .. } => Color::Yellow,
        Stage::Running | Stage::Verifying => Color::Green,
    }
}

fn phase_color(phase: &str) -> Color {
    match phase {
        "BACKOFF" => Color::Red,
        "PROBING" | "SETTLING" => Color::Yellow,
        "STEADY" | "CONVERGED" => Color::Green,
        _ => Color::Gray,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::job::PerDirection;

    fn snapshot(limit: u32) -> Snapshot {
        let ring = RingNow {
            limit,
            in_flight: limit - 1,
            p99: Duration::from_micros(1500),
            phase: if limit < 20 { "PROBING" } else { "STEADY" },
            ios: 0,
        };
        let searching = JobNow {
            name: "seek".to_owned(),
            workload: "randread",
            stage: Stage::Searching,
            workers_running: 1,
            ios_per_s: PerDirection { read: 31_000.0, write: 0.0 },
            bytes_per_s: PerDirection { read: 31_000.0 * 4096.0, write: 0.0 },
            rings: vec![ring.clone(), ring],
            target: Some(Duration::from_millis(2)),
        };
        let waiting = JobNow { name: "later".to_owned(), workload: "write", ..JobNow::default() };
        let elapsed = Duration::from_secs(7);
        Snapshot {
            elapsed,
            remaining: Some(elapsed),
            done: Some(0.5),
            jobs: vec![waiting, searching],
        }
    }

    /// The screen after a few snapshots, as lines of text.
    fn screen(width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut history = History::default();
        for limit in [4, 8, 16, 32] {
            let now = snapshot(limit);
            history.add(&now);
            terminal.draw(|frame| draw(frame, &now, &history)).unwrap();
        }
        terminal.backend().to_string()
    }

    #[test]
    fn rings_phases_limits_and_decisions_are_on_the_screen() {
        let screen = screen(110, 30);
        for expected in [
            "00m:07s, 00m:07s left",
            "seek randread searching",
            "31.0k IOPS",
            "ring 1",
            "STEADY",
            "limit 32",
            "in flight 31",
            "p99 1.50ms of 2.00ms",
            "PROBING → STEADY, limit 16 → 32",
            "later write waiting",
            "█",
        ] {
            assert!(screen.contains(expected), "{expected} is not on\n{screen}");
        }
    }

    #[test]
    fn a_tiny_terminal_is_no_reason_to_panic() {
        for (width, height) in [(1, 1), (20, 5), (60, 3), (300, 2)] {
            assert!(!screen(width, height).is_empty());
        }
    }
}
