//! What the kernel complained of while the tests ran: they drive it where few programs do.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;

use clap::Args;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::Outcome;

/// How messages begin that say the kernel has found a mistake of its own.
const COMPLAINTS: [&str; 8] = [
    "WARNING: ",
    "BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "general protection fault",
    "refcount_t: ",
    "UBSAN: ",
    "list_add corruption",
];

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only messages from this number on
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    since: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let complaints: Vec<_> = read()
        .map_err(|error| format!("the kernel's log: {error}"))?
        .into_iter()
        .filter(|message| message.number >= arguments.since && message.is_complaint())
        .collect();
    for Message { number, text } in &complaints {
        println!("{number}: {text}");
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The number of the next message, or why the log cannot be read.
pub(super) fn position() -> Result<u64, String> {
    let remedy = "run the tests as root, or set kernel.dmesg_restrict=0";
    let messages = read().map_err(|error| format!("no kernel log here: {error}; {remedy}"))?;
    Ok(messages.last().map_or(0, |last| last.number + 1))
}

#[derive(Debug, PartialEq, Eq)]
struct Message {
    number: u64,
    text: String,
}

impl Message {
    /// From a record: `level,number,time,flags;text`, and lines of details.
    fn parse(record: &str) -> Option<Self> {
        let (head, text) = record.split_once(';')?;
        let number = head.split(',').nth(1)?.parse().ok()?;
        Some(Self { number, text: text.lines().next().unwrap_or("").into() })
    }

    fn is_complaint(&self) -> bool {
        COMPLAINTS.iter().any(|beginning| self.text.starts_with(beginning))
    }
}

/// All messages that the kernel still has.
fn read() -> io::Result<Vec<Message>> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut log: File =
        OpenOptions::new().read(true).custom_flags(nonblocking).open("/dev/kmsg")?;
    let mut messages = Vec::new();
    // A record is read whole or not at all; none is longer than this.
    let mut record = vec![0; 16 << 10];
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(len) => messages.extend(Message::parse(&String::from_utf8_lossy(&record[..len]))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // The oldest ones were overwritten meanwhile; reading goes on behind them.
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_number_and_a_text() {
        let record = "4,120,251625,-;BUG: soft lockup\n SUBSYSTEM=cpu\n";
        let message = Message::parse(record).expect("a record");
        assert_eq!(message, Message { number: 120, text: "BUG: soft lockup".into() });
        assert_eq!(Message::parse("nothing"), None);
    }

    #[test]
    fn mistakes_of_the_kernel_are_told_from_other_messages() {
        let is_complaint = |text: &str| Message { number: 0, text: text.into() }.is_complaint();
        assert!(is_complaint("WARNING: CPU: 1 PID: 77 at io_uring/rw.c:100 io_read"));
        assert!(is_complaint("BUG: kernel NULL pointer dereference, address: 0"));
        assert!(!is_complaint("EXT4-fs warning (device vda): ext4_convert: inode 1"));
        assert!(!is_complaint("Speculative Return Stack Overflow: WARNING: See the manual"));
        assert!(!is_complaint("audit: type=1326 syscall=257"));
    }
}
