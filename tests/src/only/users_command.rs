//! `sparekey users`: shows and changes the users file.

mod reports;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    process::Stdio,
};

use super::{
    Test,
    command_folder::{Folder, assert_refused, digest, output, stderr},
    settings_for,
};
use crate::{
    adapter::Running as _, case_files::KEY, raw_connection::RawConnection, server::RunningServer, upstream::Upstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("add_prints_a_key_and_stores_its_digest", add),
    ("budgets_and_token_limits", budgets),
    ("two_writers_lose_nothing", two_writers),
    ("mode_and_owner_stay", mode_and_owner),
    ("symbolic_links_are_followed", symbolic_link),
    ("leftover_of_a_killed_command_is_no_obstacle", leftover),
    ("invalid_file_is_never_replaced", invalid),
    ("comments_and_order_stay", comments),
    ("rotate_removes_old_keys", rotate),
    ("rotate_with_grace_lets_old_keys_expire", grace),
    ("remove_refuses_while_access_keys_has_a_key", remove_refuses),
    ("disable_gives_a_user_of_access_keys_an_entry", disable),
    ("file_without_users_is_valid", last_user),
    ("all_keys_may_be_in_the_users_file", no_access_keys),
    ("quotes_around_the_path_create_no_file", quoted_path),
    ("list_and_show", reports::list_and_show),
    ("compile_is_what_the_worker_reads", reports::compile),
    ("compile_refuses_what_the_worker_cannot_do", reports::compile_refuses),
    ("wrong_command_lines", reports::usage),
    ("help_of_each_command", reports::help),
    ("running_server_takes_the_change", running_server),
];

const ANN: &str = "sk-Ann-abcdefgh12345678";

fn add() {
    let folder = Folder::new(None);
    let output = folder.run(&["add", "Tom", "--models", "gpt-5*,o3", "--requests-per-minute", "60"]);
    let key = String::from_utf8(output.stdout.clone()).unwrap();
    let key = key.strip_suffix('\n').unwrap();
    assert!(key.starts_with("sk-Tom-") && key.len() == 39, "only the key");
    assert!(!stderr(&output).contains(key) && stderr(&output).contains("added Tom"), "{}", stderr(&output));
    let expected =
        format!("[users.Tom]\nkeys = [\"{}\"]\nrequests_per_minute = 60\nmodels = [\"gpt-5*\", \"o3\"]\n", digest(key));
    assert_eq!(folder.text(), expected);
    assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(folder.names(), ["users.toml"]);
    folder.fails(&["add", "Tom"], 1, "Tom already has an entry");
    // A name that is quoted in TOML.
    let key = folder.key(&["add", "a.b"]);
    assert_eq!(folder.text(), format!("{expected}\n[users.\"a.b\"]\nkeys = [\"{}\"]\n", digest(&key)));
}

fn budgets() {
    let folder = Folder::new(None);
    let options = ["--budget", "5/month", "--budget=0.50/day", "--metered", "--max-output-tokens=8192"];
    let key = folder.key(&[&["add", "Tom"][..], &options].concat());
    let entry = |fields: &str| format!("[users.Tom]\nkeys = [\"{}\"]\n{fields}", digest(&key));
    let more = "max_output_tokens = 8192\nmetered = true\n";
    let budgets = "budgets = [{ usd = \"0.50\", per = \"day\" }, { usd = 5, per = \"month\" }]\n";
    assert_eq!(folder.text(), entry(&format!("{budgets}{more}")));
    folder.done(&["set", "Tom", "--budget=100/total", "--metered=no"]);
    let more = more.replace("true", "false");
    assert_eq!(folder.text(), entry(&format!("budgets = [{{ usd = 100, per = \"total\" }}]\n{more}")));
    folder.done(&["set", "Tom", "--budget=unlimited", "--unset=metered", "--tokens-per-minute=1000"]);
    let fields = "budgets = \"unlimited\"\nmax_output_tokens = 8192\ntokens_per_minute = 1000\n";
    assert_eq!(folder.text(), entry(fields));
    folder.done(&["set", "Tom", "--unset=budget,max-output-tokens"]);
    assert_eq!(folder.text(), entry("tokens_per_minute = 1000\n"));
    for (budget, message) in [
        ("5", "--budget must be an amount of US dollars and a period, such as 5/month"),
        ("0/day", "--budget must be"),
        ("5/year", "--budget must be"),
        ("$5/month", "--budget must be"),
    ] {
        folder.fails(&["set", "Tom", "--budget", budget], 2, message);
    }
    folder.fails(&["set", "Tom", "--budget=5/day", "--budget=6/day"], 2, "--budget is there twice for a day");
    folder.fails(&["set", "Tom", "--budget=5/day", "--unset=budget"], 2, "both set and unset");
    folder.fails(&["set", "Tom", "--budget=9223372/day", "--budget=9223373/month"], 2, "--budget must be");
    folder.fails(&["set", "Tom", "--tokens-per-minute=2000000000"], 1, "must be a whole number from 1 to 1000000000");
}

fn two_writers() {
    let folder = Folder::new(None);
    let names: Vec<_> = (0..20).map(|number| format!("user-{number}")).collect();
    let commands: Vec<_> = names
        .iter()
        .map(|name| folder.command(&["add", name]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for (name, command) in names.iter().zip(commands) {
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let key = String::from_utf8(output.stdout).unwrap();
        let entry = format!("[users.{name}]\nkeys = [\"{}\"]\n", digest(key.trim_end()));
        assert!(folder.text().contains(&entry), "{entry} is not in {}", folder.text());
    }
    assert_eq!(folder.text().matches("[users.").count(), 20);
}

fn mode_and_owner() {
    let folder = Folder::new(Some("# Users\n"));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give a file away.
    let is_root = chown(folder.file(), Some(12_345), Some(54_321)).is_ok();
    let before = fs::metadata(folder.file()).unwrap();
    folder.done(&["add", "Ann"]);
    let after = fs::metadata(folder.file()).unwrap();
    assert_eq!(after.mode() & 0o7777, 0o640);
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()), "as root: {is_root}");
    assert_ne!(after.ino(), before.ino(), "it was replaced, not written to");
}

fn symbolic_link() {
    let folder = Folder::new(None);
    fs::create_dir(folder.path.join("real")).unwrap();
    symlink("real/users", folder.file()).unwrap();
    folder.fails(&["add", "Tom"], 1, "is a symbolic link to a file that does not exist");
    fs::write(folder.path.join("real/users"), "# Users\n").unwrap();
    folder.done(&["add", "Tom"]);
    assert!(folder.file().is_symlink());
    assert!(fs::read_to_string(folder.path.join("real/users")).unwrap().starts_with("# Users\n\n[users.Tom]\n"));
    assert_eq!(folder.names(), ["real", "users.toml"]);
}

fn leftover() {
    let folder = Folder::new(Some("# Users\n"));
    fs::write(folder.path.join(".users.toml.new"), "half of a fi").unwrap();
    folder.done(&["add", "Tom"]);
    assert_eq!(folder.names(), ["users.toml"]);
}

fn invalid() {
    let folder = Folder::new(None);
    folder.done(&["add", "Tom"]);
    let output =
        folder.fails(&["set", "Tom", "--networks", "x,10.0.0.0/8", "--routes", "none"], 1, "nothing was changed");
    for part in [
        "users.toml would be invalid",
        "  line 3: users.Tom.routes item 1 must be",
        "line 4: users.Tom.networks item 1 must be",
    ] {
        assert!(output.contains(part), "{output}");
    }
    folder.fails(&["set", "Tom", "--openai-api-key", "sk-proj-secret"], 1, "must say where the key is stored");
    folder.fails(&["set", "Tom", "--openai-api-key", "file:missing"], 1, "missing, which cannot be read");
    folder.fails(&["set", "Tom", "--concurrent-requests", "1001"], 1, "must be a whole number from 1 to 1000");
    folder.fails(&["set", "Tom", "--models", "a b"], 1, "must be a model name");
    assert_eq!(folder.names(), ["users.toml"]);
    // A problem that was there before.
    for (text, message) in [
        ("[users.Tom\nkeys = [\"sk-Tom-secret12\"]\n", "line 1: the file cannot be read"),
        ("[users.Tom]\nkeys = [\"sk-Tom-secret12\"]\n", "line 2: users.Tom.keys item 1 is a key in plain text"),
        ("[users.Tom]\nbudgets = [{ usd = 0.5, per = \"day\" }]\n", "usd must be a whole number or in quotes"),
    ] {
        fs::write(folder.file(), text).unwrap();
        for command in [&["add", "Ann"][..], &["set", "Tom", "--models", "o3"], &["disable", "Tom"]] {
            let output = folder.fails(command, 1, message);
            assert!(!output.contains("secret12"), "{output}");
        }
        folder.fails(&["list"], 1, message);
    }
    // A change can repair the file.
    let text = format!("[users.Tom]\nkeys = [\"{}\"]\nnetworks = [\"x\"]\n", digest("a"));
    fs::write(folder.file(), &text).unwrap();
    folder.done(&["set", "Tom", "--networks", "10.0.0.0/8"]);
    assert_eq!(folder.text(), text.replace("\"x\"", "\"10.0.0.0/8\""));
    // In the shell of an owner who uses an access key.
    let folder = Folder::with_access_keys(Some("[users.Tom]\nmodels = [\"o3\"]\n"), KEY);
    let output = folder.command(&["list"]).env("OPENAI_API_KEY", KEY).output().unwrap();
    assert!(stderr(&output).contains("  ACCESS_KEYS item 1 is the API key itself"), "{}", stderr(&output));
}

fn comments() {
    const BEFORE: &str = "# The group\r\n[limits] # for all\r\nconcurrent_requests = 8\r\n\r\n# until May\r\n[users.Tom]\r\nmodels = [\r\n  \"o3\", # old\r\n]\r\n\r\n# end\r\n";
    let folder = Folder::with_access_keys(Some(BEFORE), KEY);
    folder.done(&["disable", "Tom"]);
    assert_eq!(folder.text(), BEFORE.replace("# old\r\n]\r\n", "# old\r\n]\r\ndisabled = true\r\n"));
    folder.done(&["enable", "Tom"]);
    assert_eq!(folder.text(), BEFORE);
    folder.done(&["set", "Tom", "--unset", "models", "--concurrent-requests=unlimited"]);
    let entry = "[users.Tom]\r\nconcurrent_requests = \"unlimited\"\r\n";
    let models = "[users.Tom]\r\nmodels = [\r\n  \"o3\", # old\r\n]\r\n";
    assert_eq!(folder.text(), BEFORE.replace(models, entry));
    folder.done(&["set", "Tom", "--unset", "models,concurrent-requests"]);
    assert_eq!(folder.text(), BEFORE.replace(models, "[users.Tom]\r\n"));
}

fn rotate() {
    let folder = Folder::with_access_keys(None, &format!("{ANN},sk-Tom-abcdefgh12345678"));
    fs::write(folder.file(), "[users.Tom]\nlabel = 1\n").unwrap();
    folder.fails(&["rotate", "Tom"], 1, "users.Tom.label is not a field");
    fs::write(folder.file(), format!("[users.Tom]\nkeys = [\"{}\"]\n", digest("old"))).unwrap();
    let output = folder.run(&["rotate", "Tom"]);
    let key = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(folder.text(), format!("[users.Tom]\nkeys = [\"{}\"]\n", digest(key.trim_end())));
    let notes = stderr(&output);
    assert!(notes.contains("the old key has stopped"), "{notes}");
    assert!(notes.contains("warning: a key of Tom in ACCESS_KEYS still works; remove it there"), "{notes}");
    folder.fails(&["rotate", "Ann"], 1, "Ann has keys in ACCESS_KEYS only");
    folder.fails(&["rotate", "Eve"], 1, "there is no user Eve");
}

fn grace() {
    let (old, older) = (digest("old"), digest("older"));
    let keys = format!("[\"{old}\", {{ digest = \"{older}\", expires = 2026-01-01 }}]");
    let folder = Folder::new(Some(&format!("timezone = \"Europe/Berlin\"\n[users.Tom]\nkeys = {keys}\n")));
    let output = folder.run(&["rotate", "Tom", "--grace", "2100-01-31 18:00"]);
    let new = digest(String::from_utf8(output.stdout.clone()).unwrap().trim_end());
    let keys = format!(
        "[{{ digest = \"{old}\", expires = 2100-01-31T18:00:00 }}, {{ digest = \"{older}\", expires = 2026-01-01 }}, \"{new}\"]"
    );
    assert_eq!(folder.text(), format!("timezone = \"Europe/Berlin\"\n[users.Tom]\nkeys = {keys}\n"));
    assert!(stderr(&output).contains("stop at 2100-01-31 18:00 Europe/Berlin"), "{}", stderr(&output));
    folder.done(&["rotate", "Tom", "--grace", "7d"]);
    let text = folder.text();
    assert_eq!(text.matches("expires = ").count(), 3, "{text}");
    // An earlier end than before takes its place.
    assert!(!text.contains("2100-01-31") && text.contains("expires = 2026-01-01"), "{text}");
    folder.fails(&["rotate", "Tom", "--grace", "soon"], 2, "--grace must be a date such as");
    let labelled = folder.key(&["rotate", "Tom", "--grace", "7d", "--label", "new laptop"]);
    let item = format!("{{ digest = \"{}\", label = \"new laptop\" }}]", digest(&labelled));
    assert!(folder.text().contains(&item), "{item} is not in {}", folder.text());
    let output = folder.run(&["rotate", "Tom", "--grace", "2020-01-01"]);
    assert!(stderr(&output).contains("warning: --grace is in the past"), "{}", stderr(&output));
}

fn remove_refuses() {
    let mut folder = Folder::with_access_keys(None, KEY);
    let users = format!("[users.Tom]\nkeys = [\"{}\"]\n[users.Ann]\nkeys = [\"{}\"]\n", digest("a"), digest("b"));
    fs::write(folder.file(), &users).unwrap();
    folder.fails(
        &["remove", "Tom"],
        1,
        "remove it from ACCESS_KEYS first, or refuse it with `sparekey users disable Tom`",
    );
    folder.fails(&["remove", "Eve"], 1, "there is no user Eve");
    let output = folder.run(&["remove", "Ann"]);
    assert!(output.status.success() && !stderr(&output).contains("warning"), "{}", stderr(&output));
    assert_eq!(folder.text(), users.split_inclusive("[users.Ann]").next().unwrap().replace("[users.Ann]", ""));
    folder.access_keys = None;
    let output = folder.run(&["remove", "Tom"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: ACCESS_KEYS is not set here"), "{}", stderr(&output));
    // The file of the keys counts too, in its digest form.
    fs::write(folder.file(), &users).unwrap();
    let keys = folder.path.join("keys");
    fs::write(&keys, format!("# Tom's\n{}\n", digest("a").replace("sha256:", "sha256:Tom:"))).unwrap();
    folder.fails(&["remove", "Tom", "--access-keys-file", keys.to_str().unwrap()], 1, "without an entry");
    fs::remove_file(&keys).unwrap();
    folder.fails(&["remove", "Tom", "--access-keys-file", keys.to_str().unwrap()], 2, "which cannot be read");
}

fn disable() {
    let folder = Folder::with_access_keys(None, KEY);
    let output = folder.run(&["disable", "Tom"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("Tom had no entry and so no limits"), "{}", stderr(&output));
    assert_eq!(folder.text(), "[users.Tom]\ndisabled = true\n");
    folder.done(&["enable", "Tom"]);
    assert_eq!(folder.text(), "[users.Tom]\n");
    folder.fails(&["add", "Tom"], 1, "already has an entry");
    folder.fails(&["disable", "Eve"], 1, "there is no user Eve");
    let folder = Folder::with_access_keys(None, KEY);
    folder.fails(&["add", "Tom"], 1, "has a key in ACCESS_KEYS already");
    folder.fails(&["enable", "Tom"], 1, "has keys in ACCESS_KEYS only");
    folder.done(&["set", "Tom", "--models", "o3"]);
    assert_eq!(folder.text(), "[users.Tom]\nmodels = [\"o3\"]\n");
    let output = folder.run(&["disable", "Tom"]);
    assert!(!stderr(&output).contains("had no entry"));
    let output = folder.run(&["rotate", "Tom"]);
    assert!(stderr(&output).contains("warning: Tom is disabled, so the key is refused"), "{}", stderr(&output));
}

/// A reload of an empty file would fail, and the removed key would go on working.
fn last_user() {
    let folder = Folder::new(None);
    folder.done(&["add", "Tom"]);
    folder.done(&["remove", "Tom"]);
    assert_eq!(folder.text(), "# No users.\n");
    assert_eq!(folder.done(&["list", "--json"]), "[]\n");
    folder.done(&["add", "Tom"]);
}

/// The unit and the compose files always name a file of access keys.
fn no_access_keys() {
    let upstream = Upstream::start();
    for text in ["", "\n", "# none\n"] {
        let folder = Folder::new(None);
        let (keys, file) = (folder.path.join("access_keys"), folder.file());
        fs::write(&keys, text).unwrap();
        let (keys, file) = (keys.to_str().unwrap(), file.to_str().unwrap());
        let run = |arguments: &[&str]| {
            let output = output(folder.command(arguments).env("ACCESS_KEYS_FILE", keys));
            assert!(output.status.success(), "{text:?}: {}", stderr(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let tom = run(&["add", "Tom"]);
        let more = [("ACCESS_KEYS_FILE", keys), ("USERS_FILE", file), ("LOG", "info")];
        let mut settings = settings_for(&format!("http://{}", upstream.address()), &more);
        settings.remove("ACCESS_KEYS");
        let server = RunningServer::start(&settings);
        let request = format!("GET /usage HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\r\n", tom.trim());
        let status = || {
            let mut client = RawConnection::connect(server.address());
            client.send(&request);
            client.head().status()
        };
        assert_eq!(status(), 200, "{text:?}");
        assert!(run(&["list"]).contains("Tom"));
        run(&["disable", "Tom"]);
        server.process.wait_for(|line| line.contains("reloaded: users: 1").then_some(()));
        assert_eq!(status(), 401, "{text:?}");
        // The file is watched.
        fs::write(keys, format!("{KEY}\n{ANN}\n")).unwrap();
        server.process.wait_for(|line| line.contains("reloaded: users: 2").then_some(()));
    }
}

fn quoted_path() {
    let folder = Folder::new(None);
    let path = format!("\"{}\"", folder.file().display());
    let output = output(folder.command(&["add", "Tom"]).env("USERS_FILE", path).current_dir(&folder.path));
    assert_refused(&output, 2, "USERS_FILE is in quotes, which would be a part of it; remove them");
    assert_eq!(folder.names(), [""; 0]);
}

fn running_server() {
    let folder = Folder::new(None);
    let first = folder.key(&["add", "Tom"]);
    let upstream = Upstream::start();
    let mut settings = settings_for(&format!("http://{}", upstream.address()), &[("LOG", "info")]);
    settings.remove("ACCESS_KEYS");
    settings.insert("USERS_FILE".to_owned(), folder.file().to_str().unwrap().to_owned());
    let proxy = RunningServer::start(&settings);
    let reloaded = |line: &str| proxy.process.wait_for(|found| found.contains(line).then_some(()));
    let send = |key: &str| {
        let mut client = RawConnection::connect(proxy.address());
        client.send(format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"));
        client
    };
    let works = |key: &str| {
        let _client = send(key);
        upstream.accept().head();
    };
    let is_refused = |key: &str| wire::assert_rejected(&mut send(key), 401, "invalid_api_key");
    works(&first);
    let ann = folder.key(&["add", "Ann"]);
    reloaded("reloaded: users: 2, access keys: 2");
    works(&ann);
    let second = folder.key(&["rotate", "Tom", "--grace", "7d"]);
    reloaded("reloaded: users: 2, access keys: 3");
    works(&first);
    works(&second);
    folder.done(&["remove", "Ann"]);
    reloaded("reloaded: users: 1, access keys: 2");
    is_refused(&ann);
    let third = folder.key(&["rotate", "Tom"]);
    reloaded("reloaded: users: 1, access keys: 1");
    is_refused(&first);
    is_refused(&second);
    works(&third);
    folder.done(&["remove", "Tom"]);
    reloaded("reloaded: users: 0, access keys: 0");
    is_refused(&third);
}
