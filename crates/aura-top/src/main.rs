//! `aura-top`: a live view of any process that serves Aura's metrics for Prometheus.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `page` | reading a page of metrics |
//! | `model` | what two pages, one after the other, say of the time between them |
//! | `view` | the picture |
//! | `watch` | fetching pages, on a thread of its own |

mod model;
mod page;
mod view;
mod watch;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

use model::Model;
use watch::Watch;

/// A live view of a process that serves Aura's metrics for Prometheus.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where the metrics are
    #[arg(default_value = "http://127.0.0.1:9464/metrics")]
    url: String,
    /// Seconds between two looks
    #[arg(long, default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Print one picture of the time between two looks, and end
    #[arg(long)]
    once: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    let is_sensible = (0.1..=3600.0).contains(&seconds);
    is_sensible.then(|| Duration::from_secs_f64(seconds)).ok_or("not 0.1 to 3600".into())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.once { once(&arguments) } else { live(&arguments) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How often keys are looked for.
const KEYS_EVERY: Duration = Duration::from_millis(100);

fn live(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let watch = Watch::start(&arguments.url, arguments.interval)?;
    let mut model = Model::new(&arguments.url);
    let mut terminal = ratatui::try_init()?;
    let outcome = loop {
        watch.news().for_each(|news| model.take(news));
        if let Err(error) = terminal.draw(|frame| view::draw(&model, frame)) {
            break Err(error);
        }
        match wants_to_end() {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    ratatui::restore();
    Ok(outcome?)
}

fn wants_to_end() -> std::io::Result<bool> {
    if !event::poll(KEYS_EVERY)? {
        return Ok(false);
    }
    let Event::Key(KeyEvent { code, modifiers, .. }) = event::read()? else { return Ok(false) };
    let is_interrupt = modifiers.contains(KeyModifiers::CONTROL) && code == KeyCode::Char('c');
    Ok(is_interrupt || matches!(code, KeyCode::Char('q') | KeyCode::Esc))
}

/// The picture's size where there is no terminal.
const COLUMNS: u16 = 100;
const ROWS: u16 = 32;

fn once(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut model = Model::new(&arguments.url);
    for look in 0..2 {
        if look > 0 {
            std::thread::sleep(arguments.interval);
        }
        let page = watch::fetch(&arguments.url, arguments.interval);
        model.take(Ok(page.map_err(|error| error.to_string())?));
    }
    let mut terminal = Terminal::new(TestBackend::new(COLUMNS, ROWS))?;
    terminal.draw(|frame| view::draw(&model, frame))?;
    print!("{}", text(&terminal));
    Ok(())
}

/// The picture without colours.
fn text(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let row = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.trim_end().to_owned() + "\n"
    };
    buffer.content.chunks(buffer.area.width.into()).map(row).collect()
}
