//! A run of this program under callgrind.

#![allow(clippy::arithmetic_side_effects, clippy::expect_used, reason = "a measurement without valgrind is useless")]

use std::{env, ops::Sub, process::Command};

/// What a run cost. Machines with the same compiler count the same, for the C library's own instructions are not among them:
/// its allocator and its copy functions depend on its version and on the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Instructions of the program itself.
    pub instructions: u64,
    /// Calls of the C library: most allocate, free or copy memory.
    pub library_calls: u64,
}

impl Count {
    /// The cost of one of `times` iterations.
    #[must_use]
    pub const fn per(self, times: u64) -> Self {
        Self { instructions: self.instructions / times, library_calls: self.library_calls / times }
    }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            instructions: self.instructions - other.instructions,
            library_calls: self.library_calls - other.library_calls,
        }
    }
}

/// Runs this program with `arguments` under callgrind.
///
/// # Panics
///
/// If valgrind is not installed, or the run fails.
#[must_use]
pub fn count_self(arguments: &[&str]) -> Count {
    let program = env::current_exe().expect("a program has a path");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/stdout", "--compress-strings=no"]);
    valgrind.args(["--compress-pos=no"]).arg(&program).args(arguments);
    let output = valgrind.output().expect("valgrind is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&String::from_utf8_lossy(&output.stdout), &program.to_string_lossy())
}

/// Adds up the costs of `program` in callgrind's output: `ob=` begins the functions of a file, `cob=` is the file of a called
/// function, and the line after `calls=` is the cost of these calls, which is in the called functions too.
fn read(profile: &str, program: &str) -> Count {
    let mut count = Count { instructions: 0, library_calls: 0 };
    let (mut own, mut library_called, mut inclusive) = (false, false, false);
    for line in profile.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            own = object == program;
        } else if let Some(object) = line.strip_prefix("cob=") {
            library_called = ["/libc.", "/libc-"].iter().any(|name| object.contains(name));
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let times = calls.split(' ').next().and_then(|times| times.parse::<u64>().ok());
            if own && library_called {
                count.library_calls += times.expect("a number of calls");
            }
            (library_called, inclusive) = (false, true);
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if own && !inclusive {
                count.instructions += cost.expect("a number of instructions");
            }
            inclusive = false;
        }
    }
    assert!(count.instructions > 0, "no instructions of {program}");
    count
}
