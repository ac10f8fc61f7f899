//! Resource use of a process, read from [`/proc`](https://man7.org/linux/man-pages/man5/proc.5.html).

use std::{fs, time::Duration};

/// Current resident memory, in KiB.
#[must_use]
pub fn resident(process: u32) -> u64 {
    kibibytes(process, "status", "VmRSS:")
}

/// Peak resident memory, in KiB.
#[must_use]
pub fn resident_peak(process: u32) -> u64 {
    kibibytes(process, "status", "VmHWM:")
}

/// Current proportional set size, in KiB: private pages, and a share of the pages shared with other processes.
#[must_use]
pub fn proportional(process: u32) -> u64 {
    kibibytes(process, "smaps_rollup", "Pss:")
}

/// User and system time so far, in steps of the kernel's clock tick of 10 ms.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    let ticks = [11, 12].map(|at| stat(process, at).parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.iter().sum::<u64>() * 10)
}

/// Whether a signal has stopped it.
#[must_use]
pub fn is_stopped(process: u32) -> bool {
    stat(process, 0) == "T"
}

/// User and system time of the threads that exist, in nanoseconds. That of a thread that has ended is not included.
#[must_use]
pub fn thread_cpu(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the process is running");
    let threads = threads.map(|thread| thread.expect("a listed thread").file_name());
    let nanoseconds = threads.filter_map(|thread| {
        let file = format!("/proc/{process}/task/{}/schedstat", thread.display());
        // A thread may have ended since.
        let text = fs::read_to_string(file).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The number of open descriptors.
#[must_use]
pub fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("the process is running").count()
}

/// The soft and hard value of a limit, by its name in `/proc/PID/limits`.
#[must_use]
pub fn limits(process: u32, name: &str) -> [String; 2] {
    let text = read(process, "limits");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the field exists");
    let mut words = line.split_whitespace().map(str::to_owned);
    [(); 2].map(|()| words.next().expect("two limits"))
}

/// A field of `/proc/PID/stat`, counted from the one after the name.
fn stat(process: u32, at: usize) -> String {
    let stat = read(process, "stat");
    let mut fields = stat.rsplit(')').next().expect("a stat").split_whitespace();
    fields.nth(at).expect("the field exists").to_owned()
}

fn kibibytes(process: u32, file: &str, field: &str) -> u64 {
    let text = read(process, file);
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("the field exists");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn read(process: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/{file}")).expect("the process is running")
}
