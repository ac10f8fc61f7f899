//! The Debian package: built, installed below a folder, started from there, and removed.

use std::{env, fs, path::Path, process::Command};

use super::settings_for;
use crate::{
    adapter::Running as _,
    case_files::KEY,
    clients::succeed,
    programs::ProgramTest,
    raw_connection::RawConnection,
    server::{RunningServer, binary},
    upstream::RespondingUpstream,
    wire,
};

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("package_installs_serves_and_is_removed", "dpkg", package)];

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const CARGO_DEB: &str = "3.8.0";

fn run(command: &mut Command) -> String {
    succeed(command).unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()))
}

/// `dpkg` with a folder as the root of the system. Scripts run outside of it, and get its path.
fn dpkg(dpkg: &Path, root: &Path, arguments: &[&str]) -> String {
    let mut command = if run(Command::new("id").arg("--user")).trim() == "0" {
        Command::new(dpkg)
    } else {
        // The files belong to root, which this user is within the namespace.
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]).arg(dpkg);
        command
    };
    command.arg(format!("--root={}", root.display()));
    command.args(["--force-not-root", "--force-script-chrootless", "--force-depends"]).args(arguments);
    run(command.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn package(program: &Path) {
    let folder = env::temp_dir().join(format!("sparekey-debian-{}", std::process::id()));
    let root = folder.join("root");
    for part in ["var/lib/dpkg/updates", "var/lib/dpkg/info", "etc", "tmp"] {
        fs::create_dir_all(root.join(part)).expect("create a temporary folder");
    }
    for list in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(list), "").expect("write a file");
    }
    let package = folder.join("sparekey.deb");
    let tools =
        run(Command::new(format!("{SOURCES}/adapter-worker/tools/install.sh")).args(["cargo", "cargo-deb", CARGO_DEB]));
    let path = env::var("PATH").expect("PATH is set");
    let mut build = Command::new(format!("{SOURCES}/deploy/debian.sh"));
    run(build.arg(binary()).arg(&package).env("PATH", format!("{}:{path}", tools.trim())));

    let package = package.to_str().expect("a path in UTF-8");
    let output = dpkg(program, &root, &["--install", package]);
    assert!(output.contains("systemctl enable --now sparekey"), "{output}");
    for file in [
        "usr/share/man/man1/sparekey.1.gz",
        "usr/share/bash-completion/completions/sparekey",
        "usr/lib/systemd/system/sparekey.service",
        "usr/lib/systemd/system/sparekey.socket",
        "etc/default/sparekey",
        "etc/sparekey/access_keys",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    serves(&root.join("usr/bin/sparekey"));
    // As systemd makes it for a dynamic user.
    fs::create_dir_all(root.join("var/lib/private/sparekey")).expect("create the folder of the ledger");
    std::os::unix::fs::symlink("private/sparekey", root.join("var/lib/sparekey")).expect("link it");
    dpkg(program, &root, &["--remove", "sparekey"]);
    assert!(!root.join("usr/bin/sparekey").exists() && root.join("var/lib/sparekey").exists());
    dpkg(program, &root, &["--purge", "sparekey"]);
    for folder in ["etc/sparekey", "var/lib/private/sparekey"] {
        assert!(!root.join(folder).exists(), "{folder}");
    }
    assert!(!root.join("var/lib/sparekey").is_symlink());
    fs::remove_dir_all(folder).expect("remove the folder");
}

fn serves(program: &Path) {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let settings = settings_for(&format!("http://{}", upstream.address()), &[("ACCESS_KEYS", KEY)]);
    let server = RunningServer::start_binary(program, &settings);
    let mut client = RawConnection::connect(server.address());
    client.send(wire::request("GET", "/v1/models", ""));
    assert_eq!(client.head().status(), 200);
}
