//! The files of `deploy/`.

use std::{env, fs, path::Path, process, process::Command};

use super::Test;
use crate::{clients::succeed, programs::ProgramTest, server::binary};

pub(super) const TESTS: &[Test] = &[("ledger_is_in_one_folder", ledger)];

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("systemd_accepts_the_units", "systemd-analyze", units)];

const UNITS: [(&str, &str); 2] = [
    ("sparekey.service", include_str!("../../../deploy/sparekey.service")),
    ("sparekey.socket", include_str!("../../../deploy/sparekey.socket")),
];

/// A file, and how it names the folder: that of `StateDirectory=sparekey`.
const FOLDERS: [(&str, &str); 6] = [
    (include_str!("../../../deploy/sparekey.service"), "\nStateDirectory=sparekey\n"),
    (include_str!("../../../deploy/compose.yaml"), "[\"ledger:/var/lib/sparekey\"]"),
    (include_str!("../../../deploy/release.Dockerfile"), "STATE_DIRECTORY=/var/lib/sparekey\n"),
    (include_str!("../../../Dockerfile"), "STATE_DIRECTORY=/var/lib/sparekey\n"),
    (include_str!("../../../deploy/debian/sparekey.default"), "--ledger /var/lib/sparekey/sparekey.db"),
    (include_str!("../../../adapter-hyper/src/config/ledger.rs"), "\"/var/lib/sparekey\""),
];

fn ledger() {
    for (text, expected) in FOLDERS {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
}

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
