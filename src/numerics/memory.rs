//! How much memory is free, so that what cannot fit is refused before it is asked for.

use crate::error::{Error, Result};

/// Bytes free to this process: what the system calls available, or what is left below the limit of its control group if
/// that is less. `None` where the system does not say (elsewhere than on Linux).
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let system = read("/proc/meminfo").and_then(|text| field(&text, "MemAvailable:")).map(|kilobytes| kilobytes * 1024);
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let group = |limit: &str, usage: &str, stat: &str, cache: &str| {
        // Files that are merely cached make room.
        let cached = read(stat).and_then(|text| field(&text, cache)).unwrap_or(0);
        Some(number(limit)?.saturating_sub(number(usage)?.saturating_sub(cached)))
    };
    let second = group(
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory.current",
        "/sys/fs/cgroup/memory.stat",
        "inactive_file",
    );
    let first = group(
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    );
    [system, second, first].into_iter().flatten().min()
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut words = text.lines().find(|line| line.split_whitespace().next() == Some(name))?.split_whitespace();
    words.nth(1)?.parse().ok()
}

/// `Ok` if `needed` bytes are free, or if nobody knows.
///
/// # Errors
/// [`Error::TooMuchMemory`].
pub(crate) fn ensure(what: &'static str, needed: u64) -> Result<()> {
    match available() {
        Some(available) if needed > available => Err(Error::TooMuchMemory { what, needed, available }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_with_numbers() {
        assert!(ensure("nothing", 0).is_ok());
        if available().is_some() {
            let text = ensure("a grid", u64::MAX).unwrap_err().to_string();
            assert!(text.starts_with("a grid needs 18446744073709551615 bytes"), "{text}");
        }
    }

    #[test]
    fn fields_are_found() {
        assert_eq!(field("MemTotal: 5 kB\nMemAvailable:   17 kB\n", "MemAvailable:"), Some(17));
        assert_eq!(field("inactive_anon 3\ninactive_file 4096", "inactive_file"), Some(4096));
        assert_eq!(field("", "x"), None);
    }
}
