//! What the tests of all pages share. Screenshots are in the folder `SCREENSHOTS`, or `screenshots` of the target folder.

use std::{env, fs, net::SocketAddr, path::Path, path::PathBuf, sync::OnceLock};

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use crate::{browser::Browser, clients::node_modules};

/// Width and height in pixels.
pub(super) const SIZES: [(u32, u32); 2] = [(1280, 900), (390, 844)];
pub(super) const SCHEMES: [&str; 2] = ["light", "dark"];

/// Contrast of text ([WCAG 2.2 §1.4.3](https://www.w3.org/TR/WCAG22/#contrast-minimum)) and of the mark of the focus
/// ([§1.4.11](https://www.w3.org/TR/WCAG22/#non-text-contrast)), at least.
const TEXT_CONTRAST: f64 = 4.5;
pub(super) const FOCUS_CONTRAST: f64 = 3.0;

/// Functions for expressions. The page's policy does not apply to the `DevTools` protocol.
pub(super) const FUNCTIONS: &str = include_str!("page_checks.js");

/// The folder with the lock file of [axe-core](https://github.com/dequelabs/axe-core).
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/axe");
/// Findings below these are advice.
const SERIOUS: [&str; 2] = ["serious", "critical"];

pub(super) fn emulate(browser: &mut Browser, (width, height): (u32, u32), scheme: &str) {
    let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
    browser.call("Emulation.setDeviceMetricsOverride", &metrics);
    let feature = json!({"name": "prefers-color-scheme", "value": scheme});
    browser.call("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
}

/// Fails if the page scrolls sideways.
pub(super) fn assert_fits(browser: &mut Browser, (width, _): (u32, u32), state: &str) {
    assert_eq!(browser.evaluate("innerWidth"), width, "{state}");
    let overflow = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert!(overflow.as_i64().is_some_and(|pixels| pixels <= 0), "{state}: {overflow} pixels wider than the window");
}

/// Fails if a text is hard to read, or if there are fewer texts than expected.
pub(super) fn assert_contrasts(browser: &mut Browser, least: usize, state: &str) {
    let contrasts = browser.evaluate("contrasts()");
    let contrasts = contrasts.as_array().expect("a list");
    assert!(contrasts.len() > least, "{state}: {} texts", contrasts.len());
    let low: Vec<_> = contrasts.iter().filter(|text| text[0].as_f64().is_none_or(|n| n < TEXT_CONTRAST)).collect();
    assert!(low.is_empty(), "{state}: {low:?}");
}

/// Fails if axe-core has serious findings, or finds nothing to check.
pub(super) fn assert_accessible(browser: &mut Browser, state: &str) {
    static SOURCE: OnceLock<String> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let modules = node_modules("axe", Path::new(AXE));
        let modules = modules.unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
        fs::read_to_string(modules.join("axe-core/axe.min.js")).expect("the script of axe-core")
    });
    browser.evaluate(&format!("{source}; undefined"));
    let results = browser.evaluate(
        "axe.run().then(({ passes, violations }) => ({ passes: passes.length, violations: violations.map(v => \
         ({ id: v.id, impact: v.impact, nodes: v.nodes.map(node => node.html) })) }))",
    );
    assert!(results["passes"].as_u64().is_some_and(|passes| passes > 10), "{state}: {results}");
    let is_serious = |finding: &&Value| finding["impact"].as_str().is_none_or(|impact| SERIOUS.contains(&impact));
    let findings: Vec<_> = results["violations"].as_array().expect("a list").iter().filter(is_serious).collect();
    assert!(findings.is_empty(), "{state}: {findings:#?}");
}

/// Fails if the browser has requested another origin than this, over plain HTTP.
pub(super) fn assert_one_origin(browser: &mut Browser, address: SocketAddr, state: &str) {
    let own = format!("http://{address}/");
    let is_own = |url: &String| url.starts_with(&own) || url.starts_with("data:");
    let (own, other): (Vec<_>, Vec<_>) = browser.requests().into_iter().partition(is_own);
    assert!(!own.is_empty() && other.is_empty(), "{state}: {other:?}");
}

/// Writes a picture of the whole page.
pub(super) fn screenshot(browser: &mut Browser, name: &str, (width, height): (u32, u32), scheme: &str) {
    let page_height = browser.evaluate("document.documentElement.scrollHeight").as_u64().expect("a number");
    let clip = json!({"x": 0, "y": 0, "width": width, "height": page_height, "scale": 1});
    let params = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
    let picture = browser.call("Page.captureScreenshot", &params);
    let picture = Base64::decode_vec(picture["data"].as_str().expect("a picture")).expect("Base64");
    // The first chunk of a PNG: https://www.w3.org/TR/png-3/#11IHDR
    let number = |at: usize| u64::from(u32::from_be_bytes(picture[at..at + 4].try_into().expect("four bytes")));
    assert_eq!((&picture[1..4], &picture[12..16]), (&b"PNG"[..], &b"IHDR"[..]));
    assert_eq!((number(16), number(20)), (width.into(), page_height));
    assert!(page_height >= height.into(), "{page_height}");
    let folder = screenshots();
    fs::create_dir_all(&folder).expect("create a folder");
    fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), picture).expect("write a file");
}

fn screenshots() -> PathBuf {
    let own = env::current_exe().expect("the path of this program");
    let target = || own.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let target = || target().expect("a profile's folder").with_file_name("screenshots");
    env::var_os("SCREENSHOTS").filter(|folder| !folder.is_empty()).map_or_else(target, PathBuf::from)
}
