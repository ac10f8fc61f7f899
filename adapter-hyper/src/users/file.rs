//! Reads and replaces the users file.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use crate::commands::{Failure, note};

/// The mode of a new file: it has digests of keys.
const NEW_MODE: u32 = 0o600;

/// A users file that no other command changes at the same time.
pub(super) struct LockedFile {
    path: PathBuf,
    /// The lock is on the folder: a lock on the file would stay on the old one when it is replaced, and a new file could
    /// not be locked before it exists.
    folder: File,
    folder_path: PathBuf,
    text: Option<String>,
}

/// Reads the file.
///
/// # Errors
/// [`Failure::Problem`], and so for a missing file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| problem("read", path, &error))
}

impl LockedFile {
    /// Waits until no other command changes the file, and reads it. A symbolic link is followed.
    ///
    /// # Errors
    /// [`Failure::Problem`].
    pub(super) fn lock(path: &Path) -> Result<Self, Failure> {
        let path = target(path)?;
        let folder_path = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let folder = File::open(&folder_path).and_then(|folder| folder.lock().map(|()| folder));
        let folder = folder.map_err(|error| problem("lock", &folder_path, &error))?;
        if path.exists() && !path.is_file() {
            return Err(Failure::Problem(format!("{} is not a file, so it cannot be replaced", path.display())));
        }
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(problem("read", &path, &error)),
        };
        Ok(Self { path, folder, folder_path, text })
    }

    /// The content; `None` if there is no such file.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Replaces the file in one step: a reader sees the old content or the new one. Mode, owner and group stay.
    ///
    /// # Errors
    /// [`Failure::Problem`]; the old file is unchanged.
    pub(super) fn replace(&self, text: &str) -> Result<(), Failure> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        // No other command uses the name while the folder is locked.
        let new = self.folder_path.join(format!(".{name}.new"));
        let replaced = self.write(&new, text).and_then(|()| fs::rename(&new, &self.path));
        replaced.map_err(|error| {
            _ = fs::remove_file(&new);
            problem("replace", &self.path, &error)
        })?;
        // The change is in force even if the folder cannot be flushed.
        _ = self.folder.sync_all();
        Ok(())
    }

    fn write(&self, new: &Path, text: &str) -> io::Result<()> {
        // A command that was killed leaves one.
        if let Err(error) = fs::remove_file(new)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(NEW_MODE).open(new)?;
        if self.text.is_some() {
            let old = fs::metadata(&self.path)?;
            let created = file.metadata()?;
            if (old.uid(), old.gid()) != (created.uid(), created.gid())
                && fchown(&file, Some(old.uid()), Some(old.gid())).is_err()
            {
                // A group that the process belongs to can be kept without the owner.
                _ = fchown(&file, None, Some(old.gid()));
                note(&format!(
                    "warning: {} belongs to you now, because only root can keep its owner; check that the server can read it",
                    self.path.display()
                ));
            }
            // After the owner: a change of it can clear bits of the mode.
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// The file that a path stands for, as an absolute path.
fn target(path: &Path) -> Result<PathBuf, Failure> {
    match fs::canonicalize(path) {
        Ok(target) => return Ok(target),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(problem("read", path, &error)),
        Err(_) => {}
    }
    if path.is_symlink() {
        let message = format!("{} is a symbolic link to a file that does not exist", path.display());
        return Err(Failure::Problem(message));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| problem("find the folder of", path, &error))?;
    let name = path.file_name();
    name.map(|name| folder.join(name))
        .ok_or_else(|| Failure::Problem(format!("{} is not the path of a file", path.display())))
}

fn problem(action: &str, path: &Path, error: &io::Error) -> Failure {
    // The path may be a key by mistake.
    let shown = path.display().to_string();
    let shown = if shown.contains("sk-") { "the users file" } else { &shown };
    let hint = if error.kind() == ErrorKind::NotFound && action == "read" {
        "; `sparekey users add NAME` creates it"
    } else {
        ""
    };
    Failure::Problem(format!("cannot {action} {shown}: {error}{hint}"))
}
