//! The files of `deploy/`.

use std::{env, fs, path::Path, process, process::Command};

use crate::{clients::succeed, programs::ProgramTest, server::binary};

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("systemd_accepts_the_units", "systemd-analyze", units)];

const UNITS: [(&str, &str); 2] = [
    ("sparekey.service", include_str!("../../../deploy/sparekey.service")),
    ("sparekey.socket", include_str!("../../../deploy/sparekey.socket")),
];

/// `verify` exits with success after a directive that it ignores, but prints it.
fn units(analyze: &Path) {
    let folder = env::temp_dir().join(format!("sparekey-units-{}", process::id()));
    fs::create_dir_all(&folder).expect("create a temporary folder");
    let program = binary();
    let program = program.to_str().expect("the target folder has a UTF-8 path");
    for (name, unit) in UNITS {
        fs::write(folder.join(name), unit.replace("ExecStart=sparekey", &format!("ExecStart={program}")))
            .expect("write a file");
    }
    let files = UNITS.map(|(name, _)| folder.join(name));
    let output = succeed(Command::new(analyze).args(["verify", "--man=no"]).args(files));
    fs::remove_dir_all(&folder).expect("remove the folder");
    let output = output.unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
    // The machine's own units may have faults too.
    assert!(!output.contains("sparekey"), "{output}");
}
