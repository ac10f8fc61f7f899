//! A folder with a users file and a ledger, and the commands that work on them.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use sha2::{Digest as _, Sha256};

use crate::server::binary;

/// A folder with a users file, removed at the end.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) access_keys: Option<String>,
}

impl Folder {
    pub(super) fn new(users: Option<&str>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sparekey-users-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Self { path, access_keys: None };
        if let Some(users) = users {
            fs::write(folder.file(), users).unwrap();
        }
        folder
    }

    pub(super) fn with_access_keys(users: Option<&str>, keys: &str) -> Self {
        let mut folder = Self::new(users);
        folder.access_keys = Some(keys.to_owned());
        folder
    }

    pub(super) fn file(&self) -> PathBuf {
        self.path.join("users.toml")
    }

    pub(super) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The path of the ledger, which a test may fill.
    pub(super) fn ledger(&self) -> PathBuf {
        self.path.join("sparekey.db")
    }

    /// `sparekey users` with these arguments.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        self.sparekey(&[&["users"], arguments].concat())
    }

    /// The program with these arguments.
    pub(super) fn sparekey(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().env("USERS_FILE", self.file()).env("LEDGER", self.ledger()).args(arguments);
        command.envs(self.access_keys.iter().map(|keys| ("ACCESS_KEYS", keys))).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        output(&mut self.command(arguments))
    }

    /// Runs the program, which succeeds; returns its standard output.
    #[track_caller]
    pub(super) fn prints(&self, arguments: &[&str]) -> String {
        let output = output(&mut self.sparekey(arguments));
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which notes something on standard error; returns it.
    #[track_caller]
    pub(super) fn notes(&self, arguments: &[&str]) -> String {
        let output = output(&mut self.sparekey(arguments));
        assert!(output.status.success() && output.stdout.is_empty(), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    /// Runs the program, which prints nothing but a reason.
    #[track_caller]
    pub(super) fn refuses(&self, arguments: &[&str], code: i32, message: &str) {
        assert_refused(&output(&mut self.sparekey(arguments)), code, message);
    }

    /// Runs a command that succeeds; returns its standard output.
    #[track_caller]
    pub(super) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that adds a key; returns the key.
    #[track_caller]
    pub(super) fn key(&self, arguments: &[&str]) -> String {
        self.done(arguments).trim_end().to_owned()
    }

    /// Runs a command that fails, and checks that the file is the same.
    #[track_caller]
    pub(super) fn fails(&self, arguments: &[&str], code: i32, message: &str) -> String {
        let before = fs::read(self.file()).ok();
        let output = self.run(arguments);
        assert_refused(&output, code, message);
        assert_eq!(fs::read(self.file()).ok(), before);
        stderr(&output)
    }

    /// The names of all files of the folder.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Runs a command to its end.
pub(super) fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    output
}

#[track_caller]
pub(super) fn assert_refused(output: &Output, code: i32, message: &str) {
    let found = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{found}");
    assert!(found.contains(message), "{message:?} is not in {found}");
    assert!(output.stdout.is_empty());
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn digest(key: &str) -> String {
    format!("sha256:{}", base16ct::lower::encode_string(&Sha256::digest(key)))
}
