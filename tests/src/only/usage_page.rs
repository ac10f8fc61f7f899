//! The page of `/usage` in a browser.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    files::Files,
    get,
    page_checks::{self, FOCUS_CONTRAST, FUNCTIONS, SCHEMES, SIZES, emulate},
    settings_for,
    usage_command::ledger::{DAY, Writer},
};
use crate::{
    adapter::Running as _, browser::Browser, programs::ProgramTest, raw_connection::RawConnection,
    server::RunningServer, upstream::Upstream,
};

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[
    ("every_state_fits_and_is_readable", "chromium", states),
    ("amounts_and_times_are_those_of_the_user", "chromium", contents),
    ("every_control_has_the_keyboard", "chromium", keyboard),
    ("key_is_in_memory_only", "chromium", memory_only),
    ("failure_leaves_the_old_data", "chromium", failure),
    ("front_page_links_to_it", "chromium", link),
];

const USERS: &str = r#"
timezone = "Europe/Berlin"

[users."Tom.B"]
budgets = [{ usd = 5, per = "month" }, { usd = "0.50", per = "day" }, { usd = 90, per = "total" }]
requests_per_minute = 60
tokens_per_minute = 200_000
max_output_tokens = 8192
models = ["gpt-5*", "text-embedding-3-*"]
routes = ["inference"]
networks = ["127.0.0.0/8"]
expires = 2999-01-01

[users.Spent]
budgets = [{ usd = "0.20", per = "day" }, { usd = "0.01", per = "total" }]

[users.Credited]
budgets = [{ usd = 5, per = "month" }]

[users.Expired]
metered = true
expires = 2020-01-01

[users.Empty]
metered = true
"#;

const KEYS: &str = "sk-Tom.B-abcdefgh12345678,sk-Spent-abcdefgh12345678,sk-Credited-abcdefgh12345678,sk-Expired-abcdefgh12345678,\
                    sk-Empty-abcdefgh12345678,sk-Free-abcdefgh12345678";

fn key(user: &str) -> String {
    format!("sk-{user}-abcdefgh12345678")
}

/// A state of the page: its name, the user, a text that is shown, the least number of texts.
const STATES: [(&str, &str, &str, usize); 6] = [
    ("filled", "Tom.B", " left of $5.00", 80),
    (
        "spent",
        "Spent",
        "Less than a cent is left of the budget per day. Requests that cost more are refused until ",
        50,
    ),
    ("credited", "Credited", "Spent -$2.00 Held $0.12 Left $6.88", 20),
    ("expired", "Expired", "This key expired 31 Dec 2019, 23:00 (", 25),
    ("empty", "Empty", "No cost was recorded.", 15),
    ("unlimited", "Free", "No budget is set.", 15),
];

/// The server, whose ledger has 30 days of requests.
struct Site {
    server: RunningServer,
    _upstream: Upstream,
    // Its open request would be charged after its end.
    _writer: Writer,
    _files: Files,
}

impl Site {
    fn start() -> Self {
        let files = Files::new();
        files.write("users", USERS);
        let [users, ledger] = ["users", "ledger.db"].map(|name| files.path(name).to_str().expect("UTF-8").to_owned());
        let writer = fill(Path::new(&ledger));
        let upstream = Upstream::start();
        let own = [("USERS_FILE", &*users), ("LEDGER", &ledger), ("ACCESS_KEYS", KEYS)];
        let server = RunningServer::start(&settings_for(&format!("http://{}", upstream.address()), &own));
        Self { server, _upstream: upstream, _writer: writer, _files: files }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// The JSON of a user.
    fn usage(&self, user: &str) -> Value {
        let mut client = RawConnection::connect(self.server.address());
        client.send(get("/usage").replace(crate::case_files::KEY, &key(user)));
        let head = client.head();
        serde_json::from_slice(&client.body(&head)).expect("JSON")
    }
}

/// Tom has used two models on most days and has a request open; Spent has spent its budget today.
fn fill(ledger: &Path) -> Writer {
    let writer = Writer::open(ledger, sparekey_proxy::now().plus(-29 * DAY), "Europe/Berlin");
    for day in 0..30_u128 {
        if day > 0 {
            writer.wait(DAY);
        }
        if day % 7 != 3 {
            let cents = 2 + day * 7 % 11;
            writer.request("Tom.B", 10 * day, &format!("0.{cents:02}"), "gpt-5.4-mini");
            writer.request("Tom.B", 10 * day + 1, "0.004", "text-embedding-3-large");
        }
        writer.request("Expired", 10 * day + 2, "0.000002", "gpt-5-nano");
    }
    writer.request("Spent", 1000, "0.1999", "gpt-5.4");
    writer.reserve("Tom.B", 1001, "0.12");
    writer.credit("Credited", 1002, "2");
    writer.reserve("Credited", 1003, "0.12");
    writer
}

/// Opens the page and enters a key.
fn enter(browser: &mut Browser, site: &Site, path: &str, key: &str) {
    browser.open(&site.url(path));
    browser.evaluate(FUNCTIONS);
    browser.click("$('#key')");
    browser.enter(key);
    browser.press("Enter", 13, "\r");
    browser.wait_for("!$('form button').disabled && $('form').hidden !== !!$('#error').textContent");
}

/// Chromium itself logs a response with an error status, which is not the page's fault.
fn errors(browser: &mut Browser) -> Vec<Value> {
    let is_status = |event: &Value| {
        let text = event["params"]["entry"]["text"].as_str();
        text.is_some_and(|text| text.contains("the server responded with a status of 401"))
    };
    browser.errors().into_iter().filter(|event| !is_status(event)).collect()
}

fn check(browser: &mut Browser, size: (u32, u32), scheme: &str, name: &str, least: usize) {
    let state = format!("{name}, {size:?}, {scheme}");
    page_checks::assert_fits(browser, size, &state);
    page_checks::assert_contrasts(browser, least, &state);
    page_checks::assert_accessible(browser, &state);
    assert_eq!(errors(browser), Vec::<Value>::new(), "{state}");
    page_checks::screenshot(browser, &format!("usage-{name}"), size, scheme);
}

fn states(chromium: &Path) {
    let (site, mut browser) = (Site::start(), Browser::start(chromium));
    for size in SIZES {
        for scheme in SCHEMES {
            emulate(&mut browser, size, scheme);
            browser.open(&site.url("/usage"));
            browser.evaluate(FUNCTIONS);
            check(&mut browser, size, scheme, "form", 6);
            enter(&mut browser, &site, "/usage", &key("Ann"));
            let error = browser.evaluate("$('#error').textContent");
            assert!(error.as_str().is_some_and(|text| text.starts_with("Incorrect API key provided.")), "{error}");
            assert_eq!(browser.evaluate("document.activeElement.id"), "key");
            check(&mut browser, size, scheme, "wrong-key", 7);
            for (name, user, text, least) in STATES {
                enter(&mut browser, &site, "/usage", &key(user));
                assert_eq!(browser.evaluate("$('h1').textContent"), format!("Usage: {user}"));
                assert_eq!(browser.evaluate("document.activeElement.tagName"), "H1");
                let shown = browser.evaluate("$('main').innerText.replace(/\\s+/g, ' ')");
                let shown = shown.as_str().expect("a text");
                assert!(shown.contains(text), "{name}: {text}\n{shown}");
                assert!(!shown.contains("undefined") && !shown.contains("NaN"), "{shown}");
                check(&mut browser, size, scheme, name, least);
            }
        }
    }
    page_checks::assert_one_origin(&mut browser, site.server.address(), "all states");
}

/// The reader is in another time zone than the server. A day is selected with the pointer.
fn contents(chromium: &Path) {
    let (site, mut browser) = (Site::start(), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    browser.call("Emulation.setTimezoneOverride", &json!({"timezoneId": "Asia/Tokyo"}));
    for path in ["/usage", "/v1/usage", "/usage/?x=y"] {
        enter(&mut browser, &site, path, &key("Tom.B"));
        let usage = site.usage("Tom.B");
        let shown = browser.evaluate("$('#result').innerText");
        let shown = shown.as_str().expect("a text");
        let budgets = usage["budgets"].as_array().expect("a list");
        assert_eq!(budgets.len(), 3);
        for budget in budgets {
            let cents = |name: &str, up: f64| {
                let dollars: f64 = budget[name].as_str().and_then(|usd| usd.parse().ok()).expect("an amount");
                let cents = dollars * 100.0;
                let rounded = if up > 0.0 { (cents - 1e-6).ceil() } else { (cents + 1e-6).floor() };
                format!("${:.2}", rounded / 100.0)
            };
            let (per, total) = (budget["per"].as_str().expect("a text"), cents("usd", 1.0));
            let title = if per == "total" { "Budget in total".to_owned() } else { format!("Budget per {per}") };
            let resets = match budget["resets_at"].as_i64() {
                Some(at) => format!("Starts again {} (in ", local(&mut browser, at)),
                None => "Does not start again".to_owned(),
            };
            for text in [
                title,
                format!("{} left of {total}", cents("left_usd", -1.0)),
                format!("Spent\n{}", cents("spent_usd", 1.0)),
                "Held\n$0.12".to_owned(),
                resets,
            ] {
                assert!(shown.contains(&text), "{path}: {text}\n{shown}");
            }
        }
        for text in [
            "Requests per minute\t60\t60",
            "Tokens per minute\t200,000\t200,000",
            "Requests at once\t8\t7",
            "Output tokens per request\t8,192\t–",
            "gpt-5*, text-embedding-3-*",
            "127.0.0.0/8",
            "1 Jan 2999, 08:00",
            "Days are in Europe/Berlin",
            "gpt-5.4-mini\t26\t26,000\t1,300\t$",
        ] {
            assert!(shown.contains(text), "{path}: {text}\n{shown}");
        }
        assert_eq!(browser.evaluate("document.querySelectorAll('.bars .spent').length"), 30, "{path}");
    }
    // The last day: the pointer is at the right end of the plot.
    let at = browser.evaluate(
        "(() => { $('.bars').scrollIntoView({ block: 'center' }); const b = $('.bars').getBoundingClientRect(); \
         return { x: b.right - 2, y: b.top + 50 } })()",
    );
    browser.call("Input.dispatchMouseEvent", &json!({"type": "mouseMoved", "x": at["x"], "y": at["y"]}));
    let readout = browser.evaluate("$('.plot').previousElementSibling.textContent");
    let day = browser.evaluate("$('details tbody th').textContent + ': ' + $('details tbody td').textContent");
    let (readout, day) = (readout.as_str().expect("a text"), day.as_str().expect("a text"));
    let amount = |text: &str| text.rsplit(": ").next().map(str::to_owned);
    assert!(amount(readout) == amount(day) && readout != day, "{readout}, {day}");
}

/// An instant as the page shows it, in the browser's time zone.
fn local(browser: &mut Browser, seconds: i64) -> String {
    let text = browser.evaluate(&format!(
        "new Intl.DateTimeFormat('en-GB', {{ timeZone: 'Asia/Tokyo', dateStyle: 'medium', timeStyle: 'short' }})\
         .format(new Date({seconds} * 1000))"
    ));
    text.as_str().expect("a text").to_owned()
}

fn keyboard(chromium: &Path) {
    let (site, mut browser) = (Site::start(), Browser::start(chromium));
    for scheme in SCHEMES {
        emulate(&mut browser, SIZES[0], scheme);
        browser.open(&site.url("/usage"));
        browser.evaluate(FUNCTIONS);
        let tab = |browser: &mut Browser, expected: &str| {
            browser.press("Tab", 9, "");
            let is_expected = browser.evaluate(&format!("document.activeElement === {expected}"));
            assert_eq!(is_expected, true, "{expected}");
        };
        let is_marked = |browser: &mut Browser, what: &str| {
            let focus = browser.evaluate("focus()");
            assert_eq!((&focus["style"], &focus["isInView"]), (&json!("solid"), &json!(true)), "{scheme}, {what}");
            let contrast = focus["contrast"].as_f64();
            assert!(contrast.is_some_and(|contrast| contrast >= FOCUS_CONTRAST), "{scheme}, {what}: {focus}");
        };
        for control in ["$('header a')", "$('#key')", "$('form button')"] {
            tab(&mut browser, control);
            is_marked(&mut browser, control);
        }
        browser.evaluate("$('#key').focus()");
        browser.enter(&key("Tom.B"));
        tab(&mut browser, "$('form button')");
        browser.press("Enter", 13, "\r");
        browser.wait_for("document.activeElement === $('h1')");
        tab(&mut browser, "$('.plot input')");
        let outline = "getComputedStyle($('.bars')).outlineStyle";
        assert_eq!(browser.evaluate(outline), "solid");
        let value = "$('.plot input').getAttribute('aria-valuetext')";
        let today = browser.evaluate(value);
        browser.press("ArrowLeft", 37, "");
        let yesterday = browser.evaluate(value);
        assert!(today != yesterday && yesterday.as_str().is_some_and(|text| text.contains(": $")), "{yesterday}");
        assert_eq!(browser.evaluate("$('.plot').previousElementSibling.textContent"), yesterday);
        tab(&mut browser, "$('summary')");
        is_marked(&mut browser, "summary");
        browser.press("Enter", 13, "\r");
        assert_eq!(browser.evaluate("$('details').open"), true);
        tab(&mut browser, "$('#refresh')");
        is_marked(&mut browser, "refresh");
        browser.press("Enter", 13, "\r");
        browser.wait_for("document.activeElement === $('h1')");
        browser.evaluate("$('#refresh').focus()");
        tab(&mut browser, "$('#other')");
        browser.press("Enter", 13, "\r");
        browser.wait_for("document.readyState === 'complete' && !$('#other') && !$('form').hidden");
        assert_eq!(browser.evaluate("$('#key').value"), "");
    }
}

fn memory_only(chromium: &Path) {
    let (site, mut browser) = (Site::start(), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    enter(&mut browser, &site, "/usage", &key("Tom.B"));
    let places = browser.evaluate(
        "[location.href, document.documentElement.outerHTML, $('#key').value, JSON.stringify(localStorage), \
         JSON.stringify(sessionStorage), document.cookie, JSON.stringify(history.state)]",
    );
    assert!(!places.to_string().contains("abcdefgh"), "{places}");
    assert!(!browser.requests().iter().any(|url| url.contains("abcdefgh")));
    let policy = browser.evaluate(
        "fetch('', { headers: { accept: 'text/html' } }).then(page => page.headers.get('content-security-policy'))",
    );
    for directive in
        ["default-src 'none'", "connect-src 'self'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        let has_it = policy.as_str().is_some_and(|policy| policy.split("; ").any(|item| item == directive));
        assert!(has_it, "{directive}: {policy}");
    }
    assert!(!policy.to_string().contains("unsafe"), "{policy}");
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn failure(chromium: &Path) {
    let (site, mut browser) = (Site::start(), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    // No header can have this character.
    enter(&mut browser, &site, "/usage", "sk-Tom-\u{20ac}");
    let sentence = "Usage cannot be read now. Check the key and the connection, then try again.";
    assert_eq!(browser.evaluate("$('#error').textContent"), sentence);
    enter(&mut browser, &site, "/usage", &key("Tom.B"));
    let shown = "$('#result').textContent";
    let before = browser.evaluate(shown);
    drop(site);
    for size in SIZES {
        emulate(&mut browser, size, SCHEMES[0]);
        browser.evaluate("$('#error').textContent = ''");
        browser.click("$('#refresh')");
        browser.wait_for("!!$('#error').textContent");
        assert_eq!(browser.evaluate("$('#error').textContent"), sentence);
        assert_eq!(browser.evaluate(shown), before);
        assert_eq!(browser.evaluate("document.activeElement.id"), "refresh");
        let is_seen = "(({ top, bottom }) => top >= 0 && bottom <= innerHeight)($('#error').getBoundingClientRect())";
        assert_eq!(browser.evaluate(is_seen), true, "{size:?}");
    }
}

fn link(chromium: &Path) {
    let (site, mut browser) = (Site::start(), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    for path in ["/", "/v1", "/v1/"] {
        browser.open(&site.url(path));
        browser.click("document.querySelector('main a')");
        browser.wait_for("location.pathname === '/v1/usage' && document.readyState === 'complete'");
        assert_eq!(browser.evaluate("document.querySelector('h1').textContent"), "Usage");
        browser.click("document.querySelector('header a')");
        browser.wait_for("location.pathname === '/v1/' && document.readyState === 'complete'");
        assert_eq!(browser.evaluate("document.querySelector('h1').textContent"), "Set up an OpenAI client");
    }
    for (path, front) in [("/usage", "/"), ("/usage/", "/"), ("/v1/usage/?x=y", "/v1/")] {
        browser.open(&site.url(path));
        browser.click("document.querySelector('header a')");
        browser.wait_for(&format!("location.pathname === '{front}' && document.readyState === 'complete'"));
        assert_eq!(browser.evaluate("document.querySelector('h1').textContent"), "Set up an OpenAI client", "{path}");
    }
}
