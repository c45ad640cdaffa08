//! The run on the whole terminal while it goes on: sparklines per ring, phases, limits, last decisions.

mod history;
mod screen;

use std::io::{self, IsTerminal as _, Stderr};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use crate::watch::{Observer, Snapshot};
use history::History;

/// The screen, from [`Live::start`] to [`Live::finish`] or its drop. It is drawn on standard error, so that
/// reports can be piped.
#[derive(Debug)]
pub struct Live {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    history: History,
    wants_stop: bool,
    /// Why the screen could not be drawn any more: the run goes on without it.
    broken: Option<io::Error>,
}

impl Live {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// Standard error is no terminal, or cannot be drawn on.
    pub fn start() -> io::Result<Self> {
        if !io::stderr().is_terminal() {
            return Err(io::Error::other(
                "--live needs a terminal on standard error; leave it out, or do not redirect",
            ));
        }
        restore_before_panic_message();
        enable_raw_mode()?;
        let terminal = execute!(io::stderr(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stderr())));
        match terminal {
            Ok(terminal) => {
                Ok(Self { terminal, history: History::default(), wants_stop: false, broken: None })
            }
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Gives the terminal back.
    ///
    /// # Errors
    ///
    /// The screen could not be drawn at some time of the run.
    pub fn finish(mut self) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn refresh(&mut self, now: &Snapshot) -> io::Result<()> {
        self.history.add(now);
        self.terminal.draw(|frame| screen::draw(frame, now, &self.history))?;
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                self.wants_stop |= ends(key);
            }
        }
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        restore();
    }
}

impl Observer for Live {
    fn tick(&mut self, now: &Snapshot) {
        if self.broken.is_none() {
            self.broken = self.refresh(now).err();
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn note(&mut self, sentence: &str) {
        self.history.note(sentence);
    }

    fn wants_stop(&self) -> bool {
        self.wants_stop
    }
}

/// q, Escape, and Ctrl-C, which raw mode does not turn into a signal.
fn ends(key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// Best effort: a terminal that is gone needs no restoring.
fn restore() {
    _ = disable_raw_mode();
    _ = execute!(io::stderr(), LeaveAlternateScreen);
}

/// A message on the alternate screen would vanish with it.
fn restore_before_panic_message() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |information| {
        restore();
        print(information);
    }));
}
