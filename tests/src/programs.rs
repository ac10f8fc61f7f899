//! Programs for recipes of the documentation: from `PATH`, or from the packages of this Debian or Ubuntu release.

use std::{
    env,
    fs::{self, DirEntry},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use libtest_mimic::{Completion, Failed, Trial};

use crate::{
    adapter::Settings,
    clients::{cache, installed, succeed},
};

/// Names the release, so that the cache holds the programs of this release.
const RELEASE: &str = "/etc/os-release";

/// A program, its path in its package, and the packages that have it: older releases have nginx in another one.
const PACKAGES: [(&str, &str, &[&str]); 5] = [
    ("caddy", "usr/bin/caddy", &["caddy"]),
    ("chromium", "usr/lib/chromium/chromium", &["chromium"]),
    ("nginx", "usr/sbin/nginx", &["nginx", "nginx-core"]),
    ("promtool", "usr/bin/promtool", &["prometheus"]),
    ("valgrind", "usr/bin/valgrind", &["valgrind"]),
];

/// Programs that need the packages on which theirs depends, if the system has them not.
const NEED_LIBRARIES: [&str; 1] = ["chromium"];

/// Ubuntu's packages of these only install a snap.
const DEBIAN_ONLY: [&str; 1] = ["chromium"];

/// A test, the program that it needs, and its code.
pub(crate) type ProgramTest = (&'static str, &'static str, fn(&Path));

/// A test that needs a program. Where there is none, it counts as ignored, with the reason.
pub(crate) fn trial(name: String, program: &'static str, run: fn(&Path)) -> Trial {
    Trial::ignorable_test(name, move || {
        let path = match on_path(program) {
            Some(path) => path,
            None if is_downloadable(program) => download(program)?,
            None => {
                let reason = format!("{program} is not installed, and this system cannot download it with apt-get");
                return Ok(Completion::ignored_with(reason));
            }
        };
        run(&path);
        Ok(Completion::Completed)
    })
}

/// Users of Debian have no `sbin` in their `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&folders).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn is_downloadable(program: &str) -> bool {
    let Ok(release) = fs::read_to_string(RELEASE) else { return false };
    let is_packaged = PACKAGES.iter().any(|(name, ..)| *name == program);
    let is_debian = release.lines().any(|line| line == "ID=debian");
    is_packaged
        && (is_debian || !DEBIAN_ONLY.contains(&program))
        && ["apt-get", "dpkg-deb"].map(on_path).iter().all(Option::is_some)
}

/// Unpacks the program's package in the cache. Needs no rights of an administrator, and changes nothing of the system.
fn download(program: &str) -> Result<PathBuf, Failed> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let package = PACKAGES.iter().find(|(name, ..)| *name == program);
    let (_, path, packages) = package.ok_or_else(|| format!("{program} is not installed"))?;
    let home = installed(program, Path::new(RELEASE), |home| {
        let apt = home.join("apt");
        let archives = apt.join("cache/archives");
        for folder in [apt.join("lists/partial"), archives.join("partial")] {
            fs::create_dir_all(folder)?;
        }
        // The system's own lists may be empty or out of date.
        succeed(apt_get(&apt).arg("update"))?;
        let needs_libraries = NEED_LIBRARIES.contains(&program);
        if needs_libraries {
            // A lock of the system needs rights, and nothing of the system changes.
            let install =
                ["-o", "Debug::NoLocking=1", "install", "--download-only", "--yes", "--no-install-recommends"];
            succeed(apt_get(&apt).args(install).args(*packages))?;
        } else {
            for package in *packages {
                succeed(apt_get(&apt).args(["download", package]))?;
            }
        }
        let downloaded = if needs_libraries { &archives } else { &apt };
        for file in fs::read_dir(downloaded)?.filter_map(Result::ok).map(|file| file.path()) {
            if file.extension().is_some_and(|extension| extension == "deb") {
                succeed(Command::new("dpkg-deb").arg("--extract").args([&file, home]))?;
            }
        }
        fs::remove_dir_all(&apt)?;
        if home.join(path).is_file() { Ok(()) } else { Err(format!("no {path} in {packages:?}").into()) }
    })?;
    Ok(home.join(path))
}

/// The environment in which a program of the cache finds the libraries, the fonts and the files of its packages.
pub(crate) fn environment(program: &Path) -> Settings {
    let home = program.ancestors().find(|folder| folder.parent().is_some_and(|parent| parent == cache()));
    let Some(home) = home else { return Settings::new() };
    let mut folders = vec![home.to_owned()];
    let mut libraries = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries: Vec<_> = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok).collect();
        folders.extend(
            entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(DirEntry::path),
        );
        if entries.iter().any(|entry| entry.file_name().to_string_lossy().contains(".so")) {
            libraries.push(folder.display().to_string());
        }
    }
    let mut environment = Settings::from([
        ("LD_LIBRARY_PATH".to_owned(), libraries.join(":")),
        ("XDG_DATA_HOME".to_owned(), home.join("usr/share").display().to_string()),
    ]);
    let fonts = home.join("etc/fonts");
    if fonts.join("fonts.conf").is_file() {
        environment.insert("FONTCONFIG_PATH".to_owned(), fonts.display().to_string());
    }
    environment
}

/// `apt-get` with its files in this folder.
fn apt_get(folder: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let option = |name: &str, path: &str| format!("{name}={}", folder.join(path).display());
    command.args(["-qq", "-o", "APT::Sandbox::User=", "-o", &option("Dir::State::Lists", "lists")]);
    command.args(["-o", &option("Dir::Cache", "cache")]).current_dir(folder);
    command
}
