//! `sparekey usage`, and what `sparekey users` shows and changes in the ledger.

pub(super) mod ledger;
mod reconcile;

use std::{
    fs,
    process::{Command, Stdio},
    time::SystemTime,
};

use rusqlite::Connection;
use sparekey_policy::{Outcome, Timestamp};

use self::ledger::{DAY, NOON, Writer};
pub(super) use self::reconcile::TESTS as RECONCILE;
use super::{
    Test,
    command_folder::{Folder, assert_refused, output, stderr},
};
use crate::{programs, server::binary};

pub(super) const TESTS: &[Test] = &[
    ("sums_by_user_model_and_day", sums),
    ("since_is_in_the_time_zone_of_the_users", since),
    ("rows_have_the_ids_for_void", rows),
    ("many_rows_are_read_and_printed_in_pages", many_rows),
    ("void_gives_back_once", void),
    ("parallel_voids_give_back_once", parallel_voids),
    ("credit_lowers_what_is_spent", credit),
    ("show_and_list_have_what_is_spent", show),
    ("default_path_of_the_ledger", default_path),
    ("ledger_that_cannot_be_used_is_named", unusable),
    ("wrong_command_lines", usage),
];

const USERS: &str = "timezone = \"Europe/Berlin\"\n[users.Tom]\nbudgets = [{ usd = 5, per = \"month\" }]\n[users.Ann]\n\
                     metered = true\n[users.Eve]\nmodels = [\"o3\"]\n";

const ACCESS_KEYS: &str = "sk-Tom-abcdefgh12345678,sk-Ann-abcdefgh12345678,sk-Eve-abcdefgh12345678";

/// Three days of requests. The number of cents is the id, but for the last one.
fn filled(folder: &Folder) {
    let writer = Writer::open(&folder.ledger(), NOON, "Europe/Berlin");
    writer.request("Tom", 1, "0.01", "gpt-5.4");
    writer.request("Ann", 2, "0.02", "gpt-5.4-mini");
    // 23:30 UTC is 00:30 of the next day in Berlin.
    writer.wait(DAY / 2 - Timestamp::HOUR / 2);
    writer.request("Tom", 3, "0.03", "gpt-5.4-mini");
    writer.wait(DAY);
    writer.request("Tom", 4, "0.000000000004", "gpt-5.4");
}

fn with_usage() -> Folder {
    let folder = Folder::with_access_keys(Some(USERS), ACCESS_KEYS);
    filled(&folder);
    folder
}

fn sums() {
    let folder = with_usage();
    assert_eq!(
        folder.prints(&["usage"]),
        "\
USER   REQUESTS  ESTIMATED  INPUT  CACHED  OUTPUT       USD
Ann           1          0   1000     400      50  0.020000
Tom           3          0   3000    1200     150  0.040000
total         4          0   4000    1600     200  0.060000
"
    );
    assert_eq!(
        folder.prints(&["usage", "--by", "model,day", "--user", "Tom"]),
        "\
DAY         MODEL         REQUESTS  ESTIMATED  INPUT  CACHED  OUTPUT       USD
2026-11-24  gpt-5.4              1          0   1000     400      50  0.010000
2026-11-25  gpt-5.4-mini         1          0   1000     400      50  0.030000
2026-11-26  gpt-5.4              1          0   1000     400      50  0.000000
total                            3          0   3000    1200     150  0.040000
"
    );
    assert_eq!(
        folder.prints(&["usage", "--by=month", "--by=user", "--csv"]),
        "month,user,requests,estimated,input_tokens,cached_tokens,output_tokens,usd\n\
         2026-11,Ann,1,0,1000,400,50,0.02\n2026-11,Tom,3,0,3000,1200,150,0.040000000004\n"
    );
    assert_eq!(
        folder.prints(&["usage", "--by=week", "--json"]),
        "[{\"week\":\"2026-W48\",\"requests\":4,\"estimated\":0,\"input_tokens\":4000,\"cached_tokens\":1600,\
         \"output_tokens\":200,\"usd\":\"0.060000000004\"}]\n"
    );
    folder.refuses(&["usage", "--user", "Bob"], 1, "the ledger has no usage of a user Bob");
}

fn since() {
    let folder = with_usage();
    let days = |since: &str| {
        let text = folder.prints(&["usage", "--by=day", "--csv", "--since", since]);
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(days("2026-11-25"), ["2026-11-25", "2026-11-26"]);
    // In Berlin it is the next day.
    assert_eq!(days("2026-11-25T23:00:00Z"), ["2026-11-26"]);
    assert_eq!(days("2026-11").len(), 3);
    // A part of a day is none of the rollup's.
    for (since, is_noted) in [("2026-11-25", false), ("2026-11-25T23:00:00Z", false), ("2026-11-25 18:00", true)] {
        let noted = stderr(&output(&mut folder.sparekey(&["usage", "--since", since])));
        assert_eq!(noted.contains("these begin with 2026-11-25;"), is_noted, "{since}: {noted}");
    }
    assert_eq!(days("2100-01-01"), [""; 0]);
    assert_eq!(folder.prints(&["usage", "--user", "Bob", "--since=7d"]).lines().count(), 2, "a title and a total");
    folder.refuses(&["usage", "--since", "yesterday"], 2, "--since must be 2026-11-27,");
    fs::write(folder.file(), "timezone = \"Mars\"\n").unwrap();
    folder.refuses(&["usage", "--since", "7d"], 1, "line 1: timezone must be");
    assert_eq!(folder.prints(&["usage"]).lines().count(), 4, "it needs no time zone");
}

fn rows() {
    let folder = with_usage();
    let id = format!("{:032x}", 3);
    assert_eq!(
        folder.prints(&["usage", "rows", "--limit", "2"]),
        format!(
            "\
ID                                TIME                 USER  MODEL         INPUT  OUTPUT       USD  END       NOTE
{id}  2026-11-25 00:30:00  Tom   gpt-5.4-mini   1000      50  0.030000  complete
00000000000000000000000000000004  2026-11-26 00:30:00  Tom   gpt-5.4        1000      50  0.000000  complete
"
        )
    );
    let rows = folder.prints(&["usage", "rows", "--user=Ann", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["usd"], "0.02");
    assert_eq!((&rows[0]["time"], &rows[0]["day"]), (&"2026-11-24T13:00:00+01:00".into(), &"2026-11-24".into()));
    assert_eq!((&rows[0]["cached_tokens"], &rows[0]["estimated"]), (&400.into(), &false.into()));
    let csv = folder.prints(&["usage", "rows", "--since=2026-11-25", "--csv"]);
    assert!(csv.starts_with("id,time,day,user,key,route,model,"), "{csv}");
    assert_eq!(csv.lines().count(), 3, "{csv}");
}

/// Several pages, the last of which has the widest model.
fn many_rows() {
    const COPIES: usize = 11_000;
    let folder = with_usage();
    let mut connection = Connection::open(folder.ledger()).unwrap();
    let filling = connection.transaction().unwrap();
    filling.execute_batch("CREATE TEMP TABLE copy AS SELECT * FROM usage WHERE user = 'Ann'").unwrap();
    for _ in 0..COPIES {
        filling.execute_batch("UPDATE copy SET at = at + 1; INSERT INTO usage SELECT * FROM copy").unwrap();
    }
    filling.execute_batch("UPDATE usage SET model = 'gpt-5.4-with-a-longer-name' WHERE model = 'gpt-5.4'").unwrap();
    filling.commit().unwrap();
    drop(connection);
    let id = |number: u32| format!("{number:032x}");
    for (limit, rows, first) in [(COPIES + 3, COPIES + 3, id(2)), (1_000_000, COPIES + 4, id(1))] {
        let limit = format!("--limit={limit}");
        let csv = folder.prints(&["usage", "rows", &limit, "--csv"]);
        let ids: Vec<_> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
        assert_eq!((ids.len(), &ids[0], &ids[rows - 3..]), (rows, &first, &[id(2), id(3), id(4)][..]), "{limit}");
        let json: serde_json::Value =
            serde_json::from_str(&folder.prints(&["usage", "rows", &limit, "--json"])).unwrap();
        let json: Vec<_> = json.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert!(json == ids, "{limit}");
        let table = folder.prints(&["usage", "rows", &limit]);
        let ends: Vec<_> = table.lines().skip(1).map(|line| line.find("complete").unwrap()).collect();
        assert_eq!(ends, vec![table.find("END").unwrap(); rows]);
    }
    let one_user = folder.prints(&["usage", "rows", "--limit=2000", "--user=Tom", "--csv"]);
    assert_eq!(one_user.lines().count(), 4);
}

fn void() {
    let folder = with_usage();
    let id = format!("{:032X}", 3);
    let notes = folder.notes(&["usage", "void", &id]);
    assert_eq!(notes, "sparekey: the request is void: 0.03 US dollars were given back to Tom on 2026-11-25\n");
    assert_eq!(folder.names(), ["sparekey.db", "users.toml"], "locks and logs are removed");
    assert_eq!(folder.notes(&["usage", "void", &id]), "sparekey: the request is void already\n");
    let sums = folder.prints(&["usage", "--user=Tom", "--csv"]);
    assert!(sums.ends_with("\nTom,3,0,3000,1200,150,0.010000000004\n"), "{sums}");
    let row = folder.prints(&["usage", "rows", "--user=Tom", "--since=2026-11-25", "--limit=2"]);
    assert!(row.lines().nth(1).unwrap().ends_with("0.000000  complete  void"), "{row}");
    let json = folder.prints(&["usage", "rows", "--user=Tom", "--json"]);
    assert!(json.contains("\"usd\":\"0.00\",\"voided_usd\":\"0.03\""), "{json}");
    let total = folder.prints(&["users", "show", "Tom"]);
    assert!(total.contains(" 0.01 US dollars in total\n"), "{total}");
    // A user who was removed.
    fs::write(folder.file(), USERS.replace("[users.Ann]\nmetered = true\n", "")).unwrap();
    assert!(
        folder.notes(&["usage", "void", &format!("{:032x}", 2)]).contains("0.02 US dollars were given back to Ann")
    );
    folder.refuses(&["usage", "void", &format!("{:032x}", 9)], 1, "has no request of this id");
}

fn parallel_voids() {
    let folder = with_usage();
    for id in 1..=4 {
        let void =
            || folder.sparekey(&["usage", "void", &format!("{id:032x}")]).stderr(Stdio::piped()).spawn().unwrap();
        let running: Vec<_> = (0..6).map(|_| void()).collect();
        let outputs: Vec<_> = running.into_iter().map(|command| command.wait_with_output().unwrap()).collect();
        let notes: Vec<_> = outputs.iter().map(stderr).collect();
        assert!(outputs.iter().all(|output| output.status.success()), "{notes:?}");
        let count = |text: &str| notes.iter().filter(|note| note.contains(text)).count();
        assert_eq!((count("were given back"), count("the request is void already")), (1, 5), "{notes:?}");
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// While another process has the ledger open.
fn credit() {
    let folder = Folder::with_access_keys(Some(USERS), ACCESS_KEYS);
    let writer = Writer::open(&folder.ledger(), now(), "Europe/Berlin");
    writer.request("Tom", 1, "4.50", "gpt-5.4");
    assert!(matches!(writer.reserve("Tom", 2, "1.00"), Outcome::Denied(_)));
    let notes = folder.notes(&["users", "credit", "Tom", "2.25"]);
    assert!(
        notes.starts_with("sparekey: credited Tom with 2.25 US dollars\nsparekey: 2.25 US dollars on 20"),
        "{notes}"
    );
    assert!(notes.contains("; 2.75 of 5.00 left\n") && notes.ends_with("2.25 US dollars in total\n"), "{notes}");
    assert!(matches!(writer.reserve("Tom", 3, "1.00"), Outcome::Granted { .. }));
    // Each command is a credit of its own.
    assert!(folder.notes(&["users", "credit", "Tom", "2.25"]).contains("0.00 US dollars in total, and 1.00 held"));
    let rows = folder.prints(&["usage", "rows", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    assert_eq!((&rows[2]["end"], &rows[2]["usd"]), (&"credit".into(), &"-2.25".into()));
    let id = rows[2]["id"].as_str().unwrap();
    assert_ne!(id, rows[1]["id"]);
    let hint = "less than 24 hours ago; `sparekey users credit Tom -2.25` takes it back";
    folder.refuses(&["usage", "void", id], 1, hint);
    let notes = folder.notes(&["users", "credit", "Tom", "-2.25"]);
    assert!(notes.starts_with("sparekey: took a credit of 2.25 US dollars back from Tom\n"), "{notes}");
    assert!(notes.contains("2.25 US dollars in total, and 1.00 held"), "{notes}");
    folder.notes(&["users", "credit", "Tom", "2.25"]);
    let sums = folder.prints(&["usage", "--csv"]);
    assert!(sums.ends_with("\nTom,1,0,1000,400,50,0.00\n"), "{sums}");
    for (user, usd, code, message) in [
        ("Tom", "0", 2, "USD must be an amount above 0"),
        ("Tom", "-0", 2, "USD must be an amount above 0"),
        ("Tom", "5,00", 2, "USD must be an amount above 0"),
        ("Tom", "1000001", 2, "or below 0, which takes a credit back; at most 1000000"),
        ("Tom", "-1000000.01", 2, "at most 1000000"),
        ("Bob", "5", 1, "Bob has no entry in the users file"),
        ("Eve", "5", 1, "Eve has no budget and is not metered"),
    ] {
        folder.refuses(&["users", "credit", user, usd], code, message);
    }
}

fn show() {
    let folder = Folder::with_access_keys(Some(USERS), ACCESS_KEYS);
    let text = folder.prints(&["users", "show", "Tom"]);
    assert!(text.contains("  spent               unknown: there is no ledger "), "{text}");
    let text = output(&mut folder.command(&["list"]));
    assert!(stderr(&text).is_empty() && String::from_utf8_lossy(&text.stdout).contains("$5.00/month"), "{text:?}");
    let writer = Writer::open(&folder.ledger(), now(), "Europe/Berlin");
    writer.request("Tom", 1, "1.2500004", "gpt-5.4");
    assert!(matches!(writer.reserve("Tom", 2, "0.50"), Outcome::Granted { .. }));
    let text = folder.prints(&["users", "show", "Tom"]);
    let spent = text.split_once("  spent ").unwrap().1.lines().map(str::trim).collect::<Vec<_>>();
    assert_eq!(spent.len(), 4, "{text}");
    assert!(spent[0].starts_with("1.25 US dollars on 20") && spent[0].ends_with(", and 0.50 held by open requests"));
    assert!(spent[1].starts_with("1.25 US dollars in 20") && spent[1].contains("-W"), "{text}");
    assert!(spent[2].ends_with(", and 0.50 held by open requests; 3.25 of 5.00 left"), "{text}");
    assert_eq!(spent[3], "1.25 US dollars in total, and 0.50 held by open requests");
    assert!(!folder.prints(&["users", "show", "Eve"]).contains("spent"));
    let text = folder.prints(&["users", "show", "Ann"]);
    assert!(text.contains("  spent               0.00 US dollars on 20"), "{text}");
    assert!(text.contains("not in the last year; only requests that can cost something count\n"), "{text}");
    let json = folder.prints(&["users", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let month = &json[2]["spending"][2];
    assert_eq!(
        (&month["per"], &month["spent"], &month["held"]),
        (&"month".into(), &"1.2500004".into(), &"0.50".into())
    );
    assert_eq!((&month["budget"], &month["left"]), (&"5.00".into(), &"3.2499996".into()));
    assert!(month["ends"].as_str().unwrap().contains("-01T00:00:00+0") && json[2]["spending"][3]["ends"].is_null());
    let list = folder.prints(&["users", "list"]);
    assert!(list.contains("$1.25 of $5.00/month,"), "{list}");
    // Settled today, which may become yesterday meanwhile.
    let last_day = json[2]["last_day"].as_str().unwrap();
    assert!(list.contains("EXPIRES           LAST USED   STATE     LIMITS\n") && list.contains(last_day), "{list}");
    assert!(last_day.starts_with("20") && json[0]["last_day"].is_null(), "{json}");
    let text = folder.prints(&["users", "show", "Tom"]);
    assert!(text.contains(&format!("\n  last used           {last_day}\n")), "{text}");
    fs::write(folder.ledger(), "x").unwrap();
    let list = output(&mut folder.command(&["list"]));
    assert!(list.status.success() && stderr(&list).contains("warning: what users spent is unknown: "), "{list:?}");
}

fn default_path() {
    let folder = with_usage();
    let state = folder.path.join("sparekey");
    fs::create_dir(&state).unwrap();
    fs::rename(folder.ledger(), state.join("sparekey.db")).unwrap();
    for (variable, value) in [("STATE_DIRECTORY", &state), ("XDG_STATE_HOME", &folder.path)] {
        let mut command = Command::new(binary());
        let output = output(command.env_clear().env(variable, value).arg("usage"));
        assert!(output.status.success(), "{variable}: {}", stderr(&output));
    }
    let ledger = state.join("sparekey.db");
    let flags = ["--ledger", ledger.to_str().unwrap()];
    for arguments in [["usage", flags[0], flags[1], "rows"], ["usage", "rows", flags[0], flags[1]]] {
        assert_eq!(folder.prints(&arguments).lines().count(), 5, "{arguments:?}");
    }
}

fn unusable() {
    let folder = with_usage();
    let id = format!("{:032x}", 1);
    let commands = [&["usage"][..], &["usage", "rows"], &["usage", "void", &id]];
    for arguments in commands {
        let mut command = folder.sparekey(arguments);
        let missing = folder.path.join("missing.db");
        let output = output(command.env("LEDGER", &missing));
        assert_refused(&output, 1, &format!("there is no ledger {}", missing.display()));
        assert!(!missing.exists());
        let other = folder.file();
        let other = other.to_str().unwrap();
        folder.refuses(&[arguments, &["--ledger", other]].concat(), 1, "users.toml is not a ledger of Sparekey");
        let folder_path = folder.path.to_str().unwrap();
        folder.refuses(&[arguments, &["--ledger", folder_path]].concat(), 1, "is not a file");
        let address = "mysql://me:secret@host/db";
        folder.refuses(&[arguments, &["--ledger", address]].concat(), 2, "LEDGER must be the path of an SQLite file");
        // A port that no program listens on.
        let address = "postgres://me:secret@127.0.0.1:1/db";
        folder.refuses(
            &[arguments, &["--ledger", address]].concat(),
            1,
            "the database of the ledger cannot be reached",
        );
    }
    let empty = folder.path.join("empty.db");
    fs::write(&empty, "").unwrap();
    let empty = ["--ledger", empty.to_str().unwrap()];
    folder.refuses(&[&["users", "credit", "Tom", "5"][..], &empty].concat(), 1, "is not a ledger");
    // Another program that writes for a long time.
    let other = Connection::open(folder.ledger()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    folder.refuses(&["usage", "void", &id], 1, "is locked by another process");
    assert_eq!(folder.prints(&["usage"]).lines().count(), 4, "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    read_only(&folder, &id);
}

/// Runs the program without the rights that root has beyond those of the files.
fn read_only(folder: &Folder, id: &str) {
    let mut permissions = fs::metadata(folder.ledger()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.ledger(), permissions).unwrap();
    let mut command = folder.sparekey(&["usage", "void", id]);
    if let Some(setpriv) = programs::on_path("setpriv") {
        let program = command.get_program().to_owned();
        let mut confined = Command::new(setpriv);
        confined.args(["--inh-caps=-all", "--bounding-set=-all"]).arg(program).args(command.get_args());
        confined.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = confined;
    }
    assert_refused(&output(&mut command), 1, "cannot write the ledger ");
}

fn usage() {
    let folder = with_usage();
    for (arguments, message) in [
        (&["usage", "--by=colour"][..], "colour"),
        (&["usage", "--csv", "--json"], "--csv"),
        (&["usage", "--user", "sk-Tom-abcdefgh12345678"], "--user is a key"),
        (&["usage", "--user=Tom", "rows"], "--user must stand after rows"),
        (&["usage", "rows", "--limit=0"], "--limit"),
        (&["usage", "void", "3"], "ID must be the id of a request, 32 hexadecimal digits"),
        (&["usage", "void"], "<ID>"),
        (&["usage", "frobnicate"], "frobnicate"),
    ] {
        folder.refuses(arguments, 2, message);
    }
    let mut command = folder.sparekey(&["usage", "void", &format!("{:032x}", 1)]);
    assert_refused(&output(command.env_remove("USERS_FILE")), 2, "set USERS_FILE or --users-file");
    let mut command = folder.sparekey(&["usage", "rows"]);
    assert_refused(&output(command.env("USERS_FILE", "/not/there")), 2, "USERS_FILE names /not/there");
    for command in ["rows", "void"] {
        let text = folder.prints(&["usage", command, "--help"]);
        assert!(text.contains("--ledger") && text.contains("--users-file") && !text.contains("--listen"), "{text}");
    }
}
