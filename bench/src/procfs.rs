//! CPU time and memory of a process tree, from [`/proc`](https://man7.org/linux/man-pages/man5/proc.5.html).

use std::{fs, time::Duration};

/// Returns the CPU time of all threads of the tree. `schedstat` counts nanoseconds; `stat` counts ticks of 10 ms.
pub(crate) fn cpu_time(root: u32) -> Duration {
    let threads = descendants(root).into_iter().flat_map(|process| numeric_entries(&format!("/proc/{process}/task")));
    let nanoseconds = threads.filter_map(|thread| {
        let text = fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Returns the proportional set size (PSS) of the tree, in bytes.
pub(crate) fn pss(root: u32) -> u64 {
    let kilobytes = |process| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    descendants(root).into_iter().filter_map(kilobytes).sum::<u64>() * 1024
}

/// Returns a process and all its descendants.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    // `/proc/PID/task/TID/children` depends on a kernel option; the parent in `stat` does not.
    let parents: Vec<_> =
        numeric_entries("/proc").into_iter().filter_map(|process| Some((process, parent(process)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&above) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(process, _)| *process));
        next += 1;
    }
    found
}

fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

fn numeric_entries(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
