//! What `tracing` hears: spans of operations, messages, decisions of the controller.
//!
//! One test, because the subscriber is the process's.

use std::io::Write;
use std::sync::{Arc, Mutex};

use aura::{Engine, OpenOptions, Options};
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn operations_messages_and_decisions_are_heard_with_their_fields() {
    let seen = Seen::default();
    let writer = seen.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .init();
    let text = || String::from_utf8(seen.0.lock().unwrap().clone()).unwrap();

    let options = Options::new().ring_count(1).queue_depth(256).initial_in_flight(128);
    let engine = Engine::with_options(&options.max_p99_latency_ms(0.001)).unwrap();
    aura::block_on(&engine, async {
        let file = engine.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
        file.read_at(engine.allocate_buffer(4096)?, 0).await?;
        assert!(engine.open("/no/such/file", OpenOptions::new().read(true)).await.is_err());
        file.close().await
    })
    .unwrap();
    for span in ["op=\"read\" result=4096", "op=\"openat\" result=-2"] {
        let line =
            text().lines().any(|line| line.contains("aura::operation") && line.contains(span));
        assert!(line, "{span} is missing in\n{}", text());
    }

    aura::log_emit(aura::LogLevel::Warning, "a message");
    assert!(text().lines().any(|line| line.contains(" WARN aura: a message")), "{}", text());

    // A target that nothing meets: the limit has to come down.
    let began = std::time::Instant::now();
    while engine.metrics().adjustments().1 == 0 {
        assert!(began.elapsed().as_secs() < 60, "the limit was never lowered");
        while engine.nop(|_| ()).is_ok() {}
        aura::block_on(&engine, async {
            let file = engine.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
            for _ in 0..1000 {
                file.read_at(engine.allocate_buffer(4096)?, 0).await?;
            }
            file.close().await
        })
        .unwrap();
    }
    let decision = engine.decisions().into_iter().find(|d| d.limit() < d.limit_before()).unwrap();
    let fields = format!("limit_before={} limit={}", decision.limit_before(), decision.limit());
    let line =
        text().lines().any(|line| line.contains("aura::controller") && line.contains(&fields));
    assert!(line, "{fields} is missing");
}
