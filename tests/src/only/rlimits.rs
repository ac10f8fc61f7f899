//! What the system allows the process, and what it makes of that.

use std::process::Command;

use super::{Test, settings_for};
use crate::{process::Process, procfs, server::binary, upstream::Upstream};

pub(super) const TESTS: &[Test] = &[("as_many_descriptors_as_allowed_and_no_core_dump", taken)];

fn taken() {
    let upstream = Upstream::start();
    let settings = settings_for(&format!("http://{}", upstream.address()), &[("LISTEN", "127.0.0.1:0")]);
    // What a shell hands down as a rule, and the most of a core dump.
    let script = "ulimit -S -n 256 && ulimit -S -c $(ulimit -H -c) && exec \"$0\"";
    let server = Process::start(Command::new("/bin/sh").args(["-c", script]).arg(binary()), &settings);
    server.wait_for(|line| line.contains("listening on").then_some(()));
    let [soft, hard] = procfs::limits(server.id(), "Max open files");
    assert_eq!(soft, hard);
    assert_eq!(procfs::limits(server.id(), "Max core file size"), ["0", "0"]);
}
