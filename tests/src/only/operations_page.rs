//! The owner's page in a browser.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path};

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{
    admin,
    files::Files,
    page_checks::{self, FOCUS_CONTRAST, FUNCTIONS, SCHEMES, SIZES, emulate},
    settings_for,
    usage_command::ledger::Writer,
};
use crate::{
    adapter::Running as _, browser::Browser, programs::ProgramTest, raw_connection::RawConnection,
    server::RunningServer, upstream::Upstream,
};

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[
    ("every_state_fits_and_is_readable", "chromium", states),
    ("figures_are_those_of_the_server", "chromium", contents),
    ("credits_have_no_bar", "chromium", credits),
    ("every_control_has_the_keyboard", "chromium", keyboard),
    ("password_in_the_address_is_enough", "chromium", password),
    ("failure_leaves_the_old_figures", "chromium", failure),
];

const MODELS: [&str; 7] =
    ["gpt-6.2-sol", "gpt-5.4-mini", "text-embedding-3-large", "gpt-image-2", "gpt-5.6-luna", "other", ""];
const PASSWORD: &str = "correct-horse-battery";

/// A hundred users; some names have dots.
fn names() -> Vec<String> {
    let more = (4..=100).map(|number| format!("u{number:03}.team-{}", number % 7));
    ["Tom.B", "Spent", "chat-ui"].map(str::to_owned).into_iter().chain(more).collect()
}

fn users_file(now: i64) -> String {
    let mut file = String::from("timezone = \"Europe/Berlin\"\n");
    for (place, name) in names().iter().enumerate() {
        let limits = match place {
            0 => "budgets = [{ usd = 5, per = \"month\" }, { usd = 90, per = \"total\" }]",
            1 => "budgets = [{ usd = \"0.20\", per = \"day\" }]",
            2 => "metered = true",
            place if place % 3 == 0 => "budgets = [{ usd = 40, per = \"month\" }]",
            _ => "metered = true",
        };
        writeln!(file, "[users.\"{name}\"]\n{limits}").expect("a string");
        if place == 3 {
            // It expires in three days.
            let at = rfc3339(now + 3 * 86_400);
            writeln!(file, "expires = {at}").expect("a string");
        }
    }
    file
}

/// An instant in UTC, as TOML has it.
fn rfc3339(seconds: i64) -> String {
    let period = sparekey_policy::Period::Day.of_day(i32::try_from(seconds.div_euclid(86_400)).expect("a day"));
    let second = seconds.rem_euclid(86_400);
    format!("{period}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// What the server starts with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Filled,
    Credited,
    EmptyLedger,
    NoLedger,
    BrokenLedger,
}

/// A server, a request that is open, and the process that holds another one.
struct Site {
    server: RunningServer,
    admin: SocketAddr,
    client: Option<RawConnection>,
    _upstream: Upstream,
    _writer: Option<Writer>,
    files: Files,
}

impl Site {
    fn start(kind: Kind, more: &[(&str, &str)]) -> Self {
        let files = Files::new();
        let now = sparekey_proxy::now();
        files.write("users", &users_file(now.as_seconds()));
        let path = |name: &str| files.path(name).to_str().expect("UTF-8").to_owned();
        let (users, ledger) = (path("users"), path("ledger.db"));
        let writer = match kind {
            Kind::Filled => Some(fill(Path::new(&ledger))),
            Kind::Credited => Some(credited(Path::new(&ledger))),
            Kind::EmptyLedger | Kind::NoLedger | Kind::BrokenLedger => None,
        };
        if kind == Kind::BrokenLedger {
            fs::write(&ledger, "no database").expect("a file");
        }
        let keys: Vec<_> = names().iter().map(|name| format!("sk-{name}-abcdefgh12345678")).collect();
        let keys = keys.join(",");
        let mut own = vec![admin::METRICS, ("LEDGER", &*ledger), ("ACCESS_KEYS", &keys), ("LOG", "info")];
        if kind != Kind::NoLedger {
            own.push(("USERS_FILE", &users));
        }
        let upstream = Upstream::start();
        own.extend(more);
        let server = RunningServer::start(&settings_for(&format!("http://{}", upstream.address()), &own));
        let admin = SocketAddr::from(([127, 0, 0, 1], admin::address(&server).port()));
        let mut site = Self { server, admin, client: None, _upstream: upstream, _writer: writer, files };
        if kind != Kind::EmptyLedger {
            site.request("sk-chat-ui-wrongwrongwrong", "/v1/models");
            site.request("sk-chat-ui-abcdefgh12345678", "/v1/organization/users");
            let mut client = RawConnection::connect(site.server.address());
            client.send(
                "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-chat-ui-abcdefgh12345678\r\n\r\n",
            );
            admin::wait_for(site.admin, "sparekey_user_requests_open{user=\"chat-ui\"} 1");
            site.client = Some(client);
        }
        site
    }

    fn request(&self, key: &str, path: &str) {
        let mut client = RawConnection::connect(self.server.address());
        client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"));
        let head = client.head();
        client.body(&head);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }
}

/// Tom has a request open, Spent has spent its budget today, and all users have days in the rollup.
fn fill(path: &Path) -> Writer {
    let writer = Writer::open(path, sparekey_proxy::now(), "Europe/Berlin");
    writer.request("Tom.B", 1, "1.25", "gpt-6.2-sol");
    writer.request("Spent", 2, "0.1999", "gpt-5.4-mini");
    writer.reserve("Tom.B", 3, "0.12");
    let ledger = Connection::open(path).expect("a ledger");
    let today: i32 = ledger.query_row("SELECT max(day) FROM usage_daily", [], |row| row.get(0)).expect("a day");
    let sql = "INSERT OR IGNORE INTO usage_daily VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, ?6, ?7)";
    ledger.execute_batch("BEGIN").expect("a transaction");
    for (place, name) in (0_i64..).zip(names()) {
        for day in 0..90 {
            for (model, name_of_model) in (0_i64..).zip(MODELS).filter(|(model, _)| (place + model) % 3 == 0) {
                // A weekend has less.
                let requests = if (today - day).rem_euclid(7) > 4 { 1 + (place + model) % 3 } else { 5 + place % 9 };
                let cost = requests * (9 - model) * 4_000_000_000 / (1 + place);
                let row = params![today - day, name, name_of_model, requests, 900 * requests, 200 * requests, cost];
                ledger.execute(sql, row).expect("a row");
            }
        }
    }
    ledger.execute_batch("COMMIT").expect("a transaction");
    writer
}

/// Tom's credit is larger than what it spent; Spent's is not.
fn credited(path: &Path) -> Writer {
    let writer = Writer::open(path, sparekey_proxy::now(), "Europe/Berlin");
    for (user, id, spent, credit) in [("Tom.B", 1, "1.25", "3"), ("Spent", 3, "0.15", "0.05")] {
        writer.request(user, id, spent, "gpt-6.2-sol");
        writer.credit(user, id + 1, credit);
    }
    writer
}

fn open(browser: &mut Browser, url: &str) {
    browser.open(url);
    browser.evaluate(FUNCTIONS);
    browser.wait_for("!$('refresh').disabled");
    assert_eq!(browser.evaluate("$('error').textContent"), "");
    assert_eq!(browser.evaluate("$('result').hidden"), false);
    // Plots are drawn by an observer of their size.
    browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
}

fn text(browser: &mut Browser, expression: &str) -> String {
    let value = browser.evaluate(expression);
    value.as_str().unwrap_or_else(|| panic!("{expression}: {value}")).to_owned()
}

/// A state of the page: what the server starts with, its name, a text that is shown, the least number of texts.
const STATES: [(Kind, &str, &str, usize); 4] = [
    (Kind::Filled, "filled", "Spent: less than a cent is left of the budget per day, which starts again ", 900),
    (Kind::EmptyLedger, "empty", "No cost was recorded in these days.", 600),
    (Kind::NoLedger, "no-ledger", "No user is metered, so no cost is recorded.", 600),
    (Kind::BrokenLedger, "broken-ledger", "The ledger cannot be read.", 600),
];

fn states(chromium: &Path) {
    let mut browser = Browser::start(chromium);
    for (kind, name, expected, least) in STATES {
        let site = Site::start(kind, &[]);
        for size in SIZES {
            for scheme in SCHEMES {
                let state = format!("{name}, {size:?}, {scheme}");
                emulate(&mut browser, size, scheme);
                open(&mut browser, &site.url("/"));
                let shown = text(&mut browser, "$('result').innerText.replace(/\\s+/g, ' ')");
                assert!(shown.contains(expected), "{state}: {expected}\n{shown}");
                assert!(!["undefined", "NaN", "Infinity", "null"].iter().any(|word| shown.contains(word)), "{shown}");
                assert_eq!(browser.evaluate("document.querySelectorAll('.users tbody tr').length"), 100, "{state}");
                // Without a ledger that can be read, there is no CSV.
                let has_csv = matches!(kind, Kind::Filled | Kind::EmptyLedger);
                assert_eq!(browser.evaluate("!$('csv').hidden"), has_csv, "{state}");
                page_checks::assert_fits(&mut browser, size, &state);
                page_checks::assert_contrasts(&mut browser, least, &state);
                page_checks::assert_accessible(&mut browser, &state);
                assert_eq!(browser.errors(), Vec::<Value>::new(), "{state}");
                page_checks::screenshot(&mut browser, &format!("operations-{name}"), size, scheme);
            }
        }
        open(&mut browser, &site.url("/?days=90"));
        assert_eq!(text(&mut browser, "document.querySelector('[aria-current]').textContent"), "90 days");
        page_checks::assert_fits(&mut browser, SIZES[1], name);
        drop(site.client);
    }
    assert!(browser.requests().iter().all(|url| url.starts_with("http://127.0.0.1:") || url.starts_with("data:")));
}

/// The row of a user, by the titles of the columns.
fn row(browser: &mut Browser, user: &str) -> Value {
    browser.evaluate(&format!(
        "Object.fromEntries([...[...document.querySelectorAll('.users tbody tr')].find(row => \
         row.firstChild.textContent === '{user}').children].map(cell => \
         [cell.dataset.label ?? 'User', cell.querySelector('svg')?.ariaLabel ?? cell.textContent]))"
    ))
}

fn contents(chromium: &Path) {
    let (site, mut browser) = (Site::start(Kind::Filled, &[]), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    open(&mut browser, &site.url("/"));
    let tom = row(&mut browser, "Tom.B");
    for (column, value) in [
        ("Budget used", "27 % of the budget per month"),
        ("Left", "$3.63 of $5.00 per month"),
        ("Held", "$0.12"),
        ("Errors", "0"),
        ("Expires", "never"),
    ] {
        assert_eq!(tom[column], value, "{tom}");
    }
    let month = text(
        &mut browser,
        "fetch('/usage.json').then(data => data.json()).then(data => data.users.find(u => u.user === 'Tom.B').month_usd)",
    );
    let month: f64 = month.parse().expect("an amount");
    assert!(month >= 1.25, "{month}");
    assert_eq!(tom["Spent"], format!("${:.2}", (month * 100.0 - 1e-6).ceil() / 100.0));
    let chat = row(&mut browser, "chat-ui");
    assert_eq!((&chat["Errors"], &chat["Budget used"], &chat["Left"]), (&json!("1"), &json!("no budget"), &json!("–")));
    assert_ne!(chat["Last seen"], "–");
    assert_eq!(
        text(&mut browser, "$('open').innerText.replace(/\\s+/g, ' ').trim()"),
        "User Open requests Held chat-ui 1 $0.00"
    );
    let rejected = text(&mut browser, "$('rejected').innerText");
    assert!(rejected.contains("invalid_api_key\t1\t50.0 %"), "{rejected}");
    let attention = text(&mut browser, "$('attention').innerText");
    assert!(attention.contains("u004.team-4: the last key expires "), "{attention}");
    let state = text(&mut browser, "$('state').innerText");
    assert!(state.contains("succeeded: ") && state.contains("clients connect without TLS"), "{state}");
    // The largest five and the others, in both plots.
    let labels = "[...document.querySelectorAll('.plot')].map(plot => [...plot.querySelectorAll('text.strong')].map(text => text.textContent).slice(1))";
    let labels = browser.evaluate(labels);
    for (plot, others) in [(0, "95 other users"), (1, "2 other models")] {
        let names = labels[plot].as_array().expect("a list");
        assert!(names.len() == 6 && names[5].as_str().is_some_and(|name| name.ends_with(others)), "{labels}");
    }
    // The pointer is on yesterday in the first plot.
    let at = browser.evaluate(
        "(() => { const svg = document.querySelector('.plot svg'); svg.scrollIntoView({ block: 'center' }); \
         const b = svg.getBoundingClientRect(); const step = (b.width - 52 - 140) / 30; \
         return { x: b.left + 52 + 28.5 * step, y: b.top + 100 } })()",
    );
    browser.call("Input.dispatchMouseEvent", &json!({"type": "mouseMoved", "x": at["x"], "y": at["y"]}));
    let readout = text(&mut browser, "document.querySelector('.head p').textContent");
    let yesterday = text(
        &mut browser,
        "(row => row.firstChild.textContent + ': ' + row.lastChild.textContent)(document.querySelectorAll('details tbody tr')[1])",
    );
    assert_eq!(readout, yesterday);
    // A failed reload is shown after a refresh.
    site.files.write("users", "nonsense");
    admin::wait_for(site.admin, "sparekey_last_reload_successful 0");
    browser.click("$('refresh')");
    browser.wait_for("$('attention').innerText.includes('The last reload failed')");
    assert_eq!(browser.evaluate("document.activeElement.id"), "refresh");
    let link = text(&mut browser, "$('csv').href");
    assert_eq!(link, site.url("/usage.csv"));
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn credits(chromium: &Path) {
    let (site, mut browser) = (Site::start(Kind::Credited, &[]), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    open(&mut browser, &site.url("/"));
    assert_eq!(browser.evaluate("document.querySelectorAll('.plot svg').length"), 2);
    let outside = browser.evaluate(
        "[...document.querySelectorAll('.plot rect')].filter(rect => rect.y.baseVal.value < 0 || \
         rect.getBoundingClientRect().bottom > rect.ownerSVGElement.getBoundingClientRect().bottom).length",
    );
    assert_eq!(outside, 0);
    let bars = "[...document.querySelectorAll('.plot')].map(plot => [...plot.querySelectorAll('rect')].filter(rect => \
                rect.height.baseVal.value > 10).map(rect => rect.height.baseVal.value))";
    // Of users, Spent has 0.10; of models, the requests have 1.40. The credits have no model.
    assert_eq!(browser.evaluate(bars), json!([[211], [211]]));
    let shown = text(&mut browser, "$('plots').innerText");
    assert!(shown.contains("Total -$1.65") && shown.contains("Credits lower the sums and have no bar."), "{shown}");
    for (user, used, requests) in [("Tom.B", "0 % of the budget", "1"), ("Spent", "50 % of the budget", "1")] {
        let row = row(&mut browser, user);
        assert!(row["Budget used"].as_str().is_some_and(|text| text.starts_with(used)), "{row}");
        assert_eq!(row["Requests"], requests, "{row}");
    }
    // Its only request was refused.
    assert_eq!(row(&mut browser, "chat-ui")["Requests"], "0");
    assert_eq!(browser.errors(), Vec::<Value>::new());

    let (ledger, copy) = (site.files.path("ledger.db"), site.files.path("copy"));
    fs::copy(&ledger, &copy).expect("copy the ledger");
    fs::rename(&copy, &ledger).expect("replace the ledger");
    browser.click("$('refresh')");
    browser.wait_for("$('attention').innerText.includes('The ledger fails')");
    let held =
        "[...document.querySelectorAll('#figures div')].find(figure => figure.innerText.startsWith('Held')).innerText";
    assert_eq!(text(&mut browser, &format!("{held}.replace(/\\s+/g, ' ')")), "Held now unknown");
    let tom = row(&mut browser, "Tom.B");
    assert_eq!((&tom["Budget used"], &tom["Held"]), (&json!("unknown"), &json!("–")));
    assert_eq!(tom["Left"], "unknown of $5.00 per month");
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn keyboard(chromium: &Path) {
    let (site, mut browser) = (Site::start(Kind::Filled, &[]), Browser::start(chromium));
    for scheme in SCHEMES {
        emulate(&mut browser, SIZES[0], scheme);
        open(&mut browser, &site.url("/"));
        let mut visited = Vec::new();
        let controls = browser.evaluate("document.querySelectorAll('a, button, input, summary').length");
        let controls = controls.as_u64().expect("a number");
        // The tables of days are closed.
        for _ in 0..controls {
            browser.press("Tab", 9, "");
            let label = text(&mut browser, "document.activeElement.ariaLabel ?? document.activeElement.textContent");
            let mark = if label == "Day" {
                "document.activeElement.closest('.plot').querySelector('svg')"
            } else {
                "document.activeElement"
            };
            let mark = browser.evaluate(&format!(
                "(e => ({{ style: getComputedStyle(e).outlineStyle, contrast: contrast(getComputedStyle(e).outlineColor, \
                 background(e.parentElement)) }}))({mark})"
            ));
            assert_eq!(mark["style"], "solid", "{scheme}, {label}");
            assert!(mark["contrast"].as_f64().is_some_and(|contrast| contrast >= FOCUS_CONTRAST), "{label}: {mark}");
            visited.push(label);
        }
        let expected = [
            "30 days",
            "90 days",
            "Metrics",
            "Download CSV",
            "Refresh",
            "Day",
            "Show as table",
            "Day",
            "Show as table",
            "User",
            "Spent",
            "Budget used",
            "Left",
            "Held",
            "Requests",
            "Errors",
            "Last seen",
            "Expires",
        ];
        assert_eq!(visited, expected, "{scheme}");
        let first = |browser: &mut Browser| text(browser, "document.querySelector('.users tbody th').textContent");
        // The last one is "Expires", which is ascending first; users that never expire stand last.
        browser.press("Enter", 13, "\r");
        assert_eq!(text(&mut browser, "document.querySelector('.users [aria-sort=ascending]').textContent"), "Expires");
        assert_eq!(first(&mut browser), "u004.team-4");
        assert_eq!(text(&mut browser, "$('status').textContent"), "Sorted by Expires, ascending");
        browser.evaluate("document.querySelector('.users th button').focus()");
        browser.press("Enter", 13, "\r");
        assert_eq!(first(&mut browser), "chat-ui");
        browser.press("Enter", 13, "\r");
        assert_eq!(first(&mut browser), "u100.team-2");
        browser.evaluate("document.querySelector('.plot input').focus()");
        let value = "document.querySelector('.plot input').getAttribute('aria-valuetext')";
        let today = text(&mut browser, value);
        browser.press("ArrowLeft", 37, "");
        let yesterday = text(&mut browser, value);
        assert!(today != yesterday && yesterday.contains("95 other users $"), "{yesterday}");
    }
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn password(chromium: &Path) {
    let site = Site::start(Kind::NoLedger, &[("OPERATIONS_PASSWORD", PASSWORD)]);
    let mut browser = Browser::start(chromium);
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    open(&mut browser, &format!("http://owner:{PASSWORD}@{}/", site.admin));
    assert_eq!(browser.evaluate("document.querySelectorAll('.users tbody tr').length"), 100);
    assert_eq!(browser.errors(), Vec::<Value>::new());
}

fn failure(chromium: &Path) {
    let (site, mut browser) = (Site::start(Kind::NoLedger, &[]), Browser::start(chromium));
    emulate(&mut browser, SIZES[0], SCHEMES[0]);
    open(&mut browser, &site.url("/"));
    let before = browser.evaluate("$('result').textContent");
    drop(site);
    browser.click("$('refresh')");
    browser.wait_for("!!$('error').textContent");
    assert_eq!(
        text(&mut browser, "$('error').textContent"),
        "The figures cannot be read now. The server does not respond."
    );
    assert_eq!(browser.evaluate("$('result').textContent"), before);
}
