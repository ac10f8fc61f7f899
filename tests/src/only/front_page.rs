//! The front page in a browser.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    page_checks::{self, FOCUS_CONTRAST, FUNCTIONS, SCHEMES, SIZES, emulate},
    start,
};
use crate::{
    adapter::Running as _,
    browser::{Browser, PLAIN_HOST},
    programs::ProgramTest,
    server::RunningServer,
    upstream::Upstream,
};

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[
    ("fits_and_is_readable", "chromium", fits_and_is_readable),
    ("is_complete_without_script", "chromium", without_script),
    ("every_control_has_the_keyboard", "chromium", keyboard),
    ("copy_writes_the_clipboard", "chromium", copy),
    ("copy_works_over_plain_http", "chromium", copy_over_plain_http),
    ("print_is_light_and_without_buttons", "chromium", print),
];

const TITLE: &str = "Set up – Sparekey, OpenAI API proxy";
const HEADINGS: [&str; 6] =
    ["Set up an OpenAI client", "Base URL", "Your access key", "Paste", "Limits", "If a request is refused"];

/// The blocks with a button: the end of the button's label, the start of the text.
const BLOCKS: [(&str, &str); 6] = [
    ("base URL", "http://"),
    ("Environment variables", "export OPENAI_BASE_URL=http://"),
    ("Windows PowerShell", "$env:OPENAI_BASE_URL = \"http://"),
    ("Python", "from openai import OpenAI\n\nclient"),
    ("Node", "import OpenAI from \"openai\";\n\nconst client"),
    ("curl", "curl \"$OPENAI_BASE_URL/models\" \\\n  -H"),
];

/// The server and a browser, which has not opened its page.
fn start_both(chromium: &Path) -> (RunningServer, Browser) {
    (start(Upstream::start().address(), &[]), Browser::start(chromium))
}

fn open(browser: &mut Browser, server: &RunningServer, path: &str) {
    browser.open(&format!("http://{}{path}", server.address()));
    browser.evaluate(FUNCTIONS);
}

/// What holds for each size and scheme, with and without script.
fn check(browser: &mut Browser, size: (u32, u32), state: &str) {
    assert_eq!(browser.evaluate("document.title"), TITLE, "{state}");
    page_checks::assert_fits(browser, size, state);
    assert_eq!(browser.evaluate("visible('main h1, main h2')"), json!(HEADINGS), "{state}");
    assert_eq!(browser.evaluate("wideBlocks()"), json!([]), "{state}");
    assert_eq!(browser.evaluate("coveredTexts()"), json!([]), "{state}");
    page_checks::assert_contrasts(browser, 50, state);
    assert_eq!(browser.errors(), Vec::<Value>::new(), "{state}");
}

fn fits_and_is_readable(chromium: &Path) {
    let (server, mut browser) = start_both(chromium);
    for size in SIZES {
        for scheme in SCHEMES {
            emulate(&mut browser, size, scheme);
            open(&mut browser, &server, "/v1");
            let labels = BLOCKS.map(|(title, _)| format!("Copy: {title}"));
            let buttons = browser.evaluate("everyButton().map(button => button.ariaLabel)");
            assert_eq!(buttons.as_array().expect("a list")[..labels.len()], labels.map(Value::from));
            browser.evaluate("document.querySelector('details').open = true");
            check(&mut browser, size, &format!("{size:?}, {scheme}"));
            page_checks::assert_accessible(&mut browser, &format!("{size:?}, {scheme}"));
            page_checks::screenshot(&mut browser, "front-page", size, scheme);
        }
    }
}

fn without_script(chromium: &Path) {
    let (server, mut browser) = start_both(chromium);
    browser.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    for size in SIZES {
        for scheme in SCHEMES {
            emulate(&mut browser, size, scheme);
            open(&mut browser, &server, "/");
            assert_eq!(browser.evaluate("everyButton().length"), 0);
            check(&mut browser, size, &format!("{size:?}, {scheme}, without script"));
        }
    }
}

/// Tab visits all controls in their order, and each shows that it has the focus. Enter opens what is closed.
fn keyboard(chromium: &Path) {
    let (server, mut browser) = start_both(chromium);
    for scheme in SCHEMES {
        emulate(&mut browser, SIZES[0], scheme);
        open(&mut browser, &server, "/");
        let mut labels = BLOCKS.map(|(title, _)| format!("Copy: {title}")).to_vec();
        labels.insert(2, "Windows PowerShell".into());
        labels.extend(["usage page".into(), "Copy: Your limits".into()]);
        for label in labels {
            browser.press("Tab", 9, "");
            let focus = browser.evaluate("focus()");
            assert_eq!(focus["label"], *label, "{scheme}");
            assert_eq!((&focus["style"], &focus["isInView"]), (&json!("solid"), &json!(true)), "{scheme}, {label}");
            assert!(focus["width"].as_f64().is_some_and(|pixels| pixels >= 2.0), "{scheme}, {label}: {focus}");
            let contrast = focus["contrast"].as_f64();
            assert!(contrast.is_some_and(|contrast| contrast >= FOCUS_CONTRAST), "{scheme}, {label}: {focus}");
            if label == "Windows PowerShell" {
                browser.press("Enter", 13, "\r");
                assert_eq!(browser.evaluate("document.querySelector('details').open"), true);
            }
        }
    }
}

/// Clicks a button; returns its text, its label and that of the status, after the click.
fn click(browser: &mut Browser, index: usize) -> [String; 2] {
    // The first change, because the button has its first text again after two seconds.
    browser.evaluate(&format!("changed = nextText(everyButton()[{index}]), undefined"));
    browser.click(&format!("everyButton()[{index}]"));
    let texts = browser.evaluate("changed");
    ["button", "status"].map(|name| texts[name].as_str().expect("a text").to_owned())
}

fn copy(chromium: &Path) {
    let (server, mut browser) = start_both(chromium);
    let origin = format!("http://{}", server.address());
    let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    browser.call("Browser.grantPermissions", &json!({"origin": origin, "permissions": permissions}));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    open(&mut browser, &server, "/");
    browser.evaluate("document.querySelector('details').open = true");
    for (index, (title, text)) in BLOCKS.iter().enumerate() {
        assert_eq!(click(&mut browser, index), ["Copied".to_owned(), format!("Copied: {title}")]);
        let copied = browser.evaluate("navigator.clipboard.readText()");
        let copied = copied.as_str().expect("a text");
        assert!(copied.starts_with(text), "{title}: {copied}");
        assert_eq!(browser.evaluate(&format!("textOf(everyButton()[{index}])")), copied, "{title}");
        assert_eq!(copied.contains("http://"), copied.contains(&format!("{origin}/v1")), "{title}: {copied}");
    }
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

/// A browser has no `navigator.clipboard` there.
fn copy_over_plain_http(chromium: &Path) {
    let (server, mut browser) = start_both(chromium);
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    let origin = format!("http://{PLAIN_HOST}:{}", server.address().port());
    browser.open(&format!("{origin}/"));
    browser.evaluate(FUNCTIONS);
    assert_eq!(browser.evaluate("isSecureContext"), false);
    let [button, status] = click(&mut browser, 0);
    assert!(
        ["Copied", "Selected"].contains(&&*button) && status == format!("{button}: base URL"),
        "{button}, {status}"
    );
    assert_eq!(browser.evaluate("getSelection().toString().trim()"), format!("{origin}/v1"));
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn print(chromium: &Path) {
    let (server, mut browser) = start_both(chromium);
    emulate(&mut browser, SIZES[0], "dark");
    open(&mut browser, &server, "/");
    let dark = json!({"name": "prefers-color-scheme", "value": "dark"});
    browser.call("Emulation.setEmulatedMedia", &json!({"media": "print", "features": [dark]}));
    assert_eq!(browser.evaluate("visible('button')"), json!([]));
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    check(&mut browser, SIZES[0], "print");
}
