//! A real rsyslog parses what is sent, field by field; a daemon that is gone, slow or comes back.
//!
//! One test, because the log handler is the process's.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aura::{LogLevel, log_emit};
use aura_syslog::{Facility, Syslog};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(30);

#[test]
fn messages_arrive_and_nothing_waits_for_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    no_daemon_is_an_error(folder.path());
    a_slow_daemon_costs_messages_and_no_time(folder.path());
    rsyslog_parses_every_field(folder.path());
    rsyslog_parses_what_c_programs_send(folder.path());
}

fn no_daemon_is_an_error(folder: &Path) {
    let error = Syslog::new().socket(folder.join("none")).install().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

fn a_slow_daemon_costs_messages_and_no_time(folder: &Path) {
    let path = folder.join("slow");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let installed = Syslog::new().socket(&path).install().unwrap();
    let (message, mut sent) = ("x".repeat(1000), 0);
    while installed.dropped() == 0 {
        log_emit(LogLevel::Info, &message);
        sent += 1;
        assert!(sent < 100_000, "nothing was ever dropped");
    }
    drop(daemon);
    fs::remove_file(&path).unwrap();
    log_emit(LogLevel::Info, "nobody is there");
    assert_eq!(installed.dropped(), 2);
    let daemon = UnixDatagram::bind(&path).unwrap();
    log_emit(LogLevel::Debug, "too unimportant");
    log_emit(LogLevel::Info, "somebody is there again");
    let mut line = [0; 2048];
    let length = daemon.recv(&mut line).unwrap();
    let line = String::from_utf8_lossy(&line[..length]);
    assert!(line.starts_with("<14>1 ") && line.ends_with(" somebody is there again"), "{line}");
    assert_eq!(installed.dropped(), 2);
    aura::clear_log_handler();
}

fn rsyslog_parses_every_field(folder: &Path) {
    let Some(daemon) = Rsyslog::start(folder, &folder.join("log"), true) else { return };
    let syslog = Syslog::new().ident("an app\n").facility(Facility::LOG_LOCAL3);
    let installed =
        syslog.socket(&daemon.socket).max_level(LogLevel::Debug).install().expect("it listens");
    let levels = [
        (LogLevel::Error, "err"),
        (LogLevel::Warning, "warning"),
        (LogLevel::Notice, "notice"),
        (LogLevel::Info, "info"),
        (LogLevel::Debug, "debug"),
    ];
    for (level, name) in levels {
        log_emit(level, &format!("level {name}: 100% ü \"quoted\" [x]\nfeed"));
    }
    aura::clear_log_handler();
    let seen = daemon.messages(levels.len());
    for (message, (_, severity)) in seen.iter().zip(levels) {
        assert_eq!(message["severity"], *severity, "{message}");
        assert_eq!(message["facility"], "local3");
        assert_eq!(message["app"], "an_app_");
        assert_eq!(message["pid"], std::process::id().to_string());
        assert_eq!(message["version"], "1", "the format of RFC 5424");
        let text = format!("level {severity}: 100% ü \"quoted\" [x]_feed");
        assert_eq!(message["message"].as_str().map(str::trim_start), Some(&*text));
    }
    assert_eq!(installed.dropped(), 0);
}

/// The C library speaks to `/dev/log`, as `syslog(3)` does.
fn rsyslog_parses_what_c_programs_send(folder: &Path) {
    let Some(program) = std::env::var_os("AURA_C_SYSLOG") else {
        return eprintln!("SKIP: the C program is not built here: cargo xtask library servers");
    };
    if fs::symlink_metadata("/dev/log").is_ok() {
        return eprintln!("SKIP: another daemon has /dev/log: stop it");
    }
    let folder = folder.join("c");
    fs::create_dir(&folder).unwrap();
    let Some(daemon) = Rsyslog::start(&folder, Path::new("/dev/log"), false) else { return };
    assert!(Command::new(program).arg("c-app").status().unwrap().success());
    let seen = daemon.messages(3);
    let severities: Vec<_> = seen.iter().map(|message| &message["severity"]).collect();
    assert_eq!(
        (severities[0], severities[severities.len() - 1]),
        (&"notice".into(), &"err".into())
    );
    assert!(seen.iter().all(|m| m["app"] == "c-app" && m["facility"] == "local0"), "{seen:?}");
    assert!(
        seen.iter().any(|m| m["message"].as_str().unwrap().contains("queue_depth")),
        "{seen:?}"
    );
    let last = seen[seen.len() - 1]["message"].as_str().unwrap();
    assert_eq!(last.trim_start(), "percent signs: 100% %s %n, and a line_feed");
}

/// A daemon of the test's own.
struct Rsyslog {
    process: Child,
    socket: PathBuf,
    output: PathBuf,
}

impl Rsyslog {
    fn start(folder: &Path, socket: &Path, is_5424: bool) -> Option<Self> {
        let (conf, output) = (folder.join("conf"), folder.join("out"));
        let how = if is_5424 { "UseSpecialParser=\"off\" ParseHostname=\"on\"" } else { "" };
        let fields = [
            ("severity", "syslogseverity-text"),
            ("facility", "syslogfacility-text"),
            ("app", "app-name"),
            ("pid", "procid"),
            ("version", "protocol-version"),
            ("message", "msg"),
        ];
        let fields = fields.map(|(name, property)| {
            format!("property(outname=\"{name}\" name=\"{property}\" format=\"jsonf\")")
        });
        let text = format!(
            "global(workDirectory=\"{}\" parser.escapeControlCharactersOnReceive=\"off\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{}\" {how})\n\
             template(name=\"json\" type=\"list\" option.jsonf=\"on\") {{ {} }}\n\
             action(type=\"omfile\" file=\"{}\" template=\"json\")\n",
            folder.display(),
            socket.display(),
            fields.join(" "),
            output.display()
        );
        fs::write(&conf, text).unwrap();
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(&conf).arg("-i").arg(folder.join("pid"));
        command.stdin(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                eprintln!("SKIP: no rsyslogd here ({error}): apt-get install rsyslog");
                return None;
            }
        };
        let mut daemon = Self { process, socket: socket.into(), output };
        let began = Instant::now();
        while UnixDatagram::unbound().unwrap().connect(socket).is_err() {
            assert!(began.elapsed() < LONG, "rsyslogd does not listen");
            assert!(daemon.process.try_wait().unwrap().is_none(), "rsyslogd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(daemon)
    }

    /// The messages that were written down, when there are so many.
    fn messages(&self, count: usize) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(&self.output).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let parsed = whole.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
            // The daemon has things to say of its own.
            let messages: Vec<_> = parsed.filter(|message| message["app"] != "rsyslogd").collect();
            if messages.len() >= count {
                return messages;
            }
            assert!(began.elapsed() < LONG, "{count} messages are not written down:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // As an administrator would stop it, so that it takes its socket away.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.socket);
    }
}
