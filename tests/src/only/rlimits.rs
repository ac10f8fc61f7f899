//! Resource limits of the server process ([getrlimit(2)](https://man7.org/linux/man-pages/man2/getrlimit.2.html)).

use std::process::Command;

use super::{Test, settings_for};
use crate::{process::Process, procfs, server::binary, upstream::Upstream};

pub(super) const TESTS: &[Test] = &[("descriptor_limit_is_raised_and_core_dumps_are_disabled", limits)];

fn limits() {
    let upstream = Upstream::start();
    let settings = settings_for(&format!("http://{}", upstream.address()), &[("LISTEN", "127.0.0.1:0")]);
    // A low descriptor limit, as shells often set it, and the largest core dump.
    let script = "ulimit -S -n 256 && ulimit -S -c $(ulimit -H -c) && exec \"$0\"";
    let server = Process::start(Command::new("/bin/sh").args(["-c", script]).arg(binary()), &settings);
    server.wait_for(|line| line.contains("listening on").then_some(()));
    let [soft, hard] = procfs::limits(server.id(), "Max open files");
    assert_eq!(soft, hard);
    assert_eq!(procfs::limits(server.id(), "Max core file size"), ["0", "0"]);
}
