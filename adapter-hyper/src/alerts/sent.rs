//! The alerts that were sent, which outlive the process.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use sparekey_policy::Timestamp;

use crate::config::ledger::{FILE_MODE, FOLDER_MODE};

/// No alert of so long ago would be due again, but for one of a budget that never starts again: in the ids of alerts of budgets,
/// the period stands behind the user.
const FOREVER: &str = "total";
const KEPT: i64 = 400 * 24 * Timestamp::HOUR;

/// The names of alerts, and when they were sent in seconds since 1970.
#[derive(Debug)]
pub(super) struct Sent {
    file: PathBuf,
    sent: BTreeMap<String, i64>,
}

impl Sent {
    /// Reads the file. One that cannot be read counts as empty: an alert that is sent again is better than none.
    pub(super) fn read(file: PathBuf) -> Self {
        let sent = match fs::read(&file).map(|text| serde_json::from_slice(&text)) {
            Ok(Ok(sent)) => sent,
            Ok(Err(error)) => {
                tracing::warn!("{} is not valid, so that alerts may be sent again: {error}", file.display());
                BTreeMap::new()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::warn!("cannot read {}, so that alerts may be sent again: {error}", file.display());
                BTreeMap::new()
            }
        };
        Self { file, sent }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.sent.contains_key(id)
    }

    /// Adds an alert, and stores all.
    pub(super) fn add(&mut self, id: String, now: Timestamp) {
        let oldest = now.plus(-KEPT).as_seconds();
        self.sent.retain(|id, at| *at >= oldest || id.split('/').nth(2) == Some(FOREVER));
        self.sent.insert(id, now.as_seconds());
        if let Err(error) = self.write() {
            let file = self.file.display();
            tracing::warn!("cannot write {file}, so that alerts are sent again after a restart: {error}");
        }
    }

    /// A file that is replaced is always whole.
    fn write(&self) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        }
        let draft = draft(&self.file);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft)?;
        file.write_all(serde_json::to_string(&self.sent).unwrap_or_default().as_bytes())?;
        file.sync_all()?;
        fs::rename(draft, &self.file)
    }
}

fn draft(file: &Path) -> PathBuf {
    file.with_extension("draft")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn outlives_the_process() {
        let folder = std::env::temp_dir().join(format!("sparekey-alerts-{}", std::process::id()));
        let file = folder.join("state").join("alerts.json");
        let now = Timestamp::from_seconds(1_800_000_000);
        let mut sent = Sent::read(file.clone());
        let long_ago = now.plus(-KEPT - Timestamp::SECOND);
        sent.add("old".to_owned(), long_ago);
        sent.add("budget_reached/Tom/total/total/5.00/80".to_owned(), long_ago);
        sent.add("budget_reached/total/month/2026-11/5.00/80".to_owned(), long_ago);
        sent.add("new".to_owned(), now);
        let again = Sent::read(file.clone());
        assert!(again.contains("new") && !again.contains("old"));
        assert!(again.contains("budget_reached/Tom/total/total/5.00/80"), "it would be due for ever");
        assert!(!again.contains("budget_reached/total/month/2026-11/5.00/80"), "total is a user");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        fs::write(&file, "{").unwrap();
        assert!(!Sent::read(file).contains("new"));
        fs::remove_dir_all(folder).unwrap();
    }
}
