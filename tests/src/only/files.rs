//! Settings in files.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::settings_for;
use crate::{adapter::Settings, server::RunningServer, upstream::Upstream};

/// A folder with the files of the settings, removed at the end.
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sparekey-files-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and moves it into its place.
    pub(super) fn write(&self, name: &str, content: &str) {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Starts the server with its keys from files.
    pub(super) fn start(&self, upstream: &Upstream, more: &[(&str, &str)]) -> RunningServer {
        RunningServer::start(&self.settings(upstream, more))
    }

    pub(super) fn settings(&self, upstream: &Upstream, more: &[(&str, &str)]) -> Settings {
        let more = [&[("METRICS_LISTEN", "127.0.0.1:0"), ("LOG", "info")], more].concat();
        let mut settings = settings_for(&format!("http://{}", upstream.address()), &more);
        for (setting, file) in [("ACCESS_KEYS", "keys"), ("OPENAI_API_KEY", "api_key")] {
            settings.remove(setting);
            settings.insert(format!("{setting}_FILE"), self.path(file).to_str().unwrap().to_owned());
        }
        settings
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
