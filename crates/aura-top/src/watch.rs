//! Fetching pages, so that a slow process does not hold up the keyboard.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::page::Page;

/// A page and when it came.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) page: Page,
    pub(crate) at: Instant,
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) struct NoPage(String);

impl fmt::Display for NoPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) type News = Result<Fetched, NoPage>;

#[derive(Debug)]
pub(crate) struct Watch {
    news: Receiver<News>,
}

/// A larger page is not one of ours.
const PAGE_BYTES_MAX: u64 = 16 << 20;
/// More patience than a scraper has.
const PATIENCE_MAX: Duration = Duration::from_secs(5);

impl Watch {
    /// Fetches the page at every interval. The thread ends with the process.
    pub(crate) fn start(url: &str, interval: Duration) -> io::Result<Self> {
        let (sender, news) = mpsc::channel();
        let url = url.to_owned();
        std::thread::Builder::new().name("fetch".into()).spawn(move || {
            loop {
                let next = Instant::now() + interval;
                if sender.send(fetch(&url, interval)).is_err() {
                    return;
                }
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        })?;
        Ok(Self { news })
    }

    /// What has come since the last call.
    pub(crate) fn news(&self) -> impl Iterator<Item = News> + '_ {
        self.news.try_iter()
    }
}

/// Fetches a page once.
pub(crate) fn fetch(url: &str, interval: Duration) -> News {
    let patience = interval.clamp(Duration::from_secs(1), PATIENCE_MAX);
    let agent: Agent = Agent::config_builder().timeout_global(Some(patience)).build().into();
    let no_page = |error: ureq::Error| NoPage(format!("{url}: {error}"));
    let mut answer = agent.get(url).header("Accept", "text/plain").call().map_err(no_page)?;
    let text = answer.body_mut().with_config().limit(PAGE_BYTES_MAX).read_to_string();
    let page = Page::parse(&text.map_err(no_page)?);
    let page = page.map_err(|error| NoPage(format!("{url}: {error}")))?;
    Ok(Fetched { page, at: Instant::now() })
}
