//! What a process and its children have cost so far, from `/proc`.

use std::{fs, time::Duration};

/// The time that all threads of the tree have spent on a CPU. The kernel counts it in nanoseconds.
pub(crate) fn cpu(root: u32) -> Duration {
    let threads = tree(root).into_iter().flat_map(|process| names(&format!("/proc/{process}/task")));
    let spent = threads.filter_map(|thread| {
        let text = fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// Bytes of memory: the pages of its own, and its share of those that it has in common with others.
pub(crate) fn memory(root: u32) -> u64 {
    let share = |process| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    tree(root).into_iter().filter_map(share).sum::<u64>() * 1024
}

/// A process, and all that it started.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    // Not every kernel lists children, but each process names its parent.
    let parents: Vec<_> = names("/proc").into_iter().filter_map(|process| Some((process, parent(process)?))).collect();
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

fn names(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
