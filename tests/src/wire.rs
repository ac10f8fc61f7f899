//! What only a wire can show, each theme in a file of its own; every adapter passes all that it carries.

mod streaming;

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    table::{KEY, REAL},
};

/// A test of an adapter: its name, what it needs, and what it does. It fails by a panic.
pub struct Test {
    name: &'static str,
    needs: &'static [Feature],
    run: fn(&dyn Adapter),
}

const fn test(name: &'static str, needs: &'static [Feature], run: fn(&dyn Adapter)) -> Test {
    Test { name, needs, run }
}

/// One trial a test that the adapter carries.
pub fn trials(adapter: &Arc<dyn Adapter>) -> Vec<Trial> {
    let tests = [("streaming", streaming::TESTS)].into_iter();
    let tests = tests.flat_map(|(theme, tests)| tests.iter().map(move |test| (theme, test)));
    let carried = tests.filter(|(_, test)| test.needs.iter().all(|feature| adapter.carries(*feature)));
    let trial = |(theme, test): (&str, &'static Test)| {
        let adapter = Arc::clone(adapter);
        Trial::test(format!("{}::wire::{theme}::{}", adapter.name(), test.name), move || {
            (test.run)(&*adapter);
            Ok(())
        })
    };
    carried.map(trial).collect()
}

/// Starts the proxy for Tom before this upstream; `more` settings come on top.
fn start(adapter: &dyn Adapter, upstream: std::net::SocketAddr, more: &[(&str, &str)]) -> Box<dyn Running> {
    let base = format!("http://{upstream}");
    let shared = [("ACCESS_KEYS", KEY), ("OPENAI_API_KEY", REAL), ("API_BASE", &base)];
    let settings: Settings = shared.iter().chain(more).map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
    adapter.start(&settings)
}

/// A request's head with Tom's key; `more` header lines end with CRLF each.
fn request(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer {KEY}\r\n{more}\r\n")
}
