//! The files of `deploy/`.

use std::{env, fs, path::Path, process, process::Command};

use super::Test;
use crate::{clients::succeed, programs::ProgramTest, server::binary};

pub(super) const TESTS: &[Test] = &[
    ("ledger_is_in_one_folder", ledger),
    ("files_that_change_are_mounted_as_a_folder", mounts),
    ("unit_copies_files_only", copies),
];

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("systemd_accepts_the_units", "systemd-analyze", units)];

const UNITS: [(&str, &str); 2] = [
    ("sparekey.service", include_str!("../../../deploy/sparekey.service")),
    ("sparekey.socket", include_str!("../../../deploy/sparekey.socket")),
];

/// A file, and how it names the folder: that of `StateDirectory=sparekey`.
const FOLDERS: [(&str, &str); 6] = [
    (include_str!("../../../deploy/sparekey.service"), "\nStateDirectory=sparekey\n"),
    (include_str!("../../../deploy/compose.yaml"), "\n      - ledger:/var/lib/sparekey\n"),
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

/// The mount of a file keeps the old one when it is replaced.
fn mounts() {
    for text in [
        include_str!("../../../deploy/compose.yaml"),
        include_str!("../../../deploy/monitoring/compose.yaml"),
        include_str!("../../../deploy/several/compose.yaml"),
    ] {
        assert!(text.contains("- ./settings:/etc/sparekey:ro\n"), "{text}");
        let files = text.lines().filter(|line| line.contains("_FILE: ") || line.contains("PGPASSFILE: "));
        let mut own = files.filter(|line| !line.contains("POSTGRES_PASSWORD_FILE"));
        assert!(own.all(|line| line.contains(": /etc/sparekey/")), "{text}");
    }
}

/// Runs the commands of the unit before the start and at a reload, in a folder.
fn copies() {
    let folder = env::temp_dir().join(format!("sparekey-copies-{}", process::id()));
    let (from, to) = (folder.join("etc"), folder.join("run"));
    fs::create_dir_all(from.join("folder")).expect("create a temporary folder");
    fs::create_dir_all(&to).expect("create a temporary folder");
    let (_, unit) = UNITS[0];
    let commands: Vec<_> = unit.lines().filter_map(|line| line.split_once("=+").map(|(_, command)| command)).collect();
    assert_eq!(commands.len(), 2, "{unit}");
    for (number, command) in commands.into_iter().enumerate() {
        fs::write(from.join("openai api_key"), number.to_string()).expect("write a file");
        let command = command.replace("-o sparekey", "").replace("/etc/sparekey", from.to_str().expect("UTF-8"));
        let command = command.replace("%t/sparekey", to.to_str().expect("UTF-8"));
        let mut words = command.split_whitespace();
        succeed(Command::new(words.next().expect("a program")).args(words))
            .unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
        assert_eq!(fs::read_to_string(to.join("openai api_key")).expect("the copy"), number.to_string());
        assert_eq!(fs::read_dir(&to).expect("the folder").count(), 1);
    }
    fs::remove_dir_all(&folder).expect("remove the folder");
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
