//! What a process uses, as Linux tells it.

use std::{fs, time::Duration};

/// Resident memory now, in KiB.
#[must_use]
pub fn resident(process: u32) -> u64 {
    kibibytes(process, "status", "VmRSS:")
}

/// The most resident memory that it ever had, in KiB.
#[must_use]
pub fn resident_peak(process: u32) -> u64 {
    kibibytes(process, "status", "VmHWM:")
}

/// Memory now in KiB: the pages of its own, and its share of those that it has in common with others.
#[must_use]
pub fn proportional(process: u32) -> u64 {
    kibibytes(process, "smaps_rollup", "Pss:")
}

/// User and system time so far, in the kernel's ticks of 10 ms.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    let stat = read(process, "stat");
    let fields: Vec<_> = stat.rsplit(')').next().expect("a stat").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// How many descriptors are open.
#[must_use]
pub fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("the process lives").count()
}

/// A limit of the process, soft and hard, by the words of `/proc/PID/limits`.
#[must_use]
pub fn limits(process: u32, name: &str) -> [String; 2] {
    let text = read(process, "limits");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
    let mut words = line.split_whitespace().map(str::to_owned);
    [(); 2].map(|()| words.next().expect("two limits"))
}

fn kibibytes(process: u32, file: &str, field: &str) -> u64 {
    let text = read(process, file);
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn read(process: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/{file}")).expect("the process lives")
}
