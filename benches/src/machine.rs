//! What the figures were measured on. Without it a figure says nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The machine, the kernel and the code.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: String,
    /// Logical processors that this program may use.
    pub cpus: usize,
    /// Main memory in bytes, 0 if unknown.
    pub memory_bytes: u64,
    /// Name, release and architecture.
    pub kernel: String,
    /// The commit of the working folder, with `+` if it has changes; empty outside a checkout.
    pub commit: String,
    /// Version of the library.
    pub aura: &'static str,
}

impl Machine {
    /// Asks the system.
    #[must_use]
    pub fn describe() -> Self {
        let kernel = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".into()),
            cpus: std::thread::available_parallelism().map_or(1, Into::into),
            memory_bytes: field("/proc/meminfo", "MemTotal")
                .and_then(|total| total.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kibibytes| kibibytes << 10),
            kernel: [kernel.sysname(), kernel.release(), kernel.machine()].map(text).join(" "),
            commit: commit().unwrap_or_default(),
            aura: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = crate::units::size(self.memory_bytes);
        write!(f, "{}, {} CPUs, {memory}; {}", self.cpu, self.cpus, self.kernel)?;
        match self.commit.as_str() {
            "" => write!(f, "; aura {}", self.aura),
            commit => write!(f, "; aura {} at {commit}", self.aura),
        }
    }
}

/// CPU time that this process has used so far, its threads and the kernel on their behalf included. Unlike
/// a wall clock it stands still while other programs have the CPU.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The value after `key:` in a file of `key: value` lines.
fn field(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().into())
}

/// The commit that this program was built from, if its sources are still there.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let is_changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if is_changed.is_empty() { commit } else { commit + "+" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_and_the_cpus_are_known() {
        let machine = Machine::describe();
        assert!(machine.kernel.starts_with("Linux "), "{machine}");
        assert!(machine.cpus >= 1 && machine.memory_bytes > 0, "{machine}");
    }
}
