//! What the commands print, and wrong command lines.

use std::process::Command;

use sha2::{Digest as _, Sha256};
use sparekey_policy::{Period, Usd, Users};

use super::{
    super::command_folder::{Folder, stderr},
    ANN,
};
use crate::{case_files::KEY, server::binary};

pub(super) fn list_and_show() {
    let users = format!(
        "timezone = \"Europe/Berlin\"\n[limits]\nconcurrent_requests = 8\n[users.Tom]\nkeys = [\"sha256:{}\", {{ digest = \
         \"sha256:{}\", expires = 2026-01-01, label = \"old laptop\" }}]\nexpires = 2100-07-01\nmodels = [\"gpt-5*\", \
         \"o3\"]\n[users.Eve]\nkeys = [{{ digest = \"sha256:{}\", expires = 2026-01-01 }}]\nroutes = \
         [\"inference\"]\nconcurrent_requests = \"unlimited\"\n",
        "ab".repeat(32),
        "cd".repeat(32),
        "ef".repeat(32)
    );
    let folder = Folder::with_access_keys(Some(&users), &format!("{ANN}\n{KEY}"));
    assert_eq!(
        folder.done(&["list"]),
        "\
USER  KEYS  EXPIRES           STATE     LIMITS
Ann      1  never             active    unlimited
Eve      1  2026-01-01        expired   inference
Tom      3  2100-07-01        active    8 at once, 2 models, inference
"
    );
    assert_eq!(
        folder.done(&["show", "Tom"]),
        "\
Tom
  state               active
  keys                abababab…
                      cdcdcdcd…, old laptop, expired 2026-01-01 Europe/Berlin
                      1 in ACCESS_KEYS
  expires             2100-07-01 Europe/Berlin
  networks            any
  routes              inference (default)
  models              gpt-5*, o3
  requests            any number
  open requests       8 at the same time (from [limits])
  API key             that of all users
"
    );
    let tom = "{\"name\":\"Tom\",\"state\":\"active\",\"has_entry\":true,\"access_keys\":1,\"keys\":[{\"digest_prefix\":\
               \"abababab\"},{\"digest_prefix\":\"cdcdcdcd\",\"expires\":\"2026-01-01T00:00:00+01:00\",\"label\":\"old \
               laptop\"}],\"expires\":\"2100-07-01T00:00:00+01:00\",\"disabled\":false,\"routes\":[\"inference\"],\
               \"models\":[\"gpt-5*\",\"o3\"],\"concurrent_requests\":8}";
    assert_eq!(folder.done(&["show", "Tom", "--json"]), format!("{tom}\n"));
    let list: serde_json::Value = serde_json::from_str(&folder.done(&["list", "--json"])).unwrap();
    assert_eq!(list[2], serde_json::from_str::<serde_json::Value>(tom).unwrap());
    assert_eq!((&list[0]["name"], &list[0]["has_entry"]), (&"Ann".into(), &false.into()));
    assert_eq!(
        folder.done(&["show", "Ann"]),
        "Ann\n  state               active\n  keys                1 in ACCESS_KEYS\n  limits              none: no entry in the users file\n"
    );
    folder.fails(&["show", "Bob"], 1, "there is no user Bob");
}

pub(super) fn compile() {
    let folder = Folder::new(Some("timezone = \"Europe/Berlin\"\n"));
    let limits = ["--models=o3", "--expires=2027-01-01", "--openai-api-key=env:TOM_KEY", "--budget=5/month"];
    let key = folder.key(&[&["add", "Tom"], &limits[..]].concat());
    let json = folder.done(&["compile"]);
    let users = Users::from_json(json.trim_end()).unwrap();
    let tom = users.get("Tom").unwrap();
    assert_eq!(users.zone().name(), "Europe/Berlin");
    assert_eq!(tom.keys[0].digest, *Sha256::digest(&key));
    assert_eq!(tom.expires.unwrap().as_seconds(), 1_798_758_000);
    assert!(tom.allows_model("o3") && !tom.allows_model("o4"));
    assert_eq!(tom.limits.budgets.get(Period::Month), Usd::parse("5"));
}

pub(super) fn compile_refuses() {
    let folder = Folder::with_access_keys(Some("[users.Tom]\nopenai_api_key = \"file:tom.key\"\n"), KEY);
    let output = folder.fails(&["compile"], 1, "does not fit the Worker");
    let problem = "users.Tom.openai_api_key names a file, which the Worker cannot read";
    assert!(output.contains(problem), "{output}");
}

pub(super) fn usage() {
    let folder = Folder::new(Some("# Users\n"));
    folder.done(&["add", "Tom"]);
    for (arguments, message) in [
        (&["add", "Tom Smith"][..], "NAME is not the name of a user"),
        (&["disable", "sk-Tom-abcdefgh12345678"], "NAME is a key"),
        (&["set", "Tom"], "there is nothing to change"),
        (&["set", "Tom", "--expires", "tomorrow"], "--expires must be a date such as 2027-01-31"),
        (&["set", "Tom", "--requests-per-minute", "0"], "a whole number from 1 on, or unlimited"),
        (&["set", "Tom", "--models", "a,,b"], "--models must be a list separated by commas"),
        (&["set", "Tom", "--unset", "keys"], "--unset"),
        (&["set", "Tom", "--models", "a", "--unset", "models"], "both set and unset"),
        (&["set", "Tom", "--listen", "127.0.0.1:1"], "--listen"),
        (&["frobnicate"], "frobnicate"),
        (&[], "Usage: sparekey users"),
    ] {
        let output = folder.fails(arguments, 2, message);
        assert!(!output.contains("abcdefgh12345678"), "{output}");
    }
    let without_file = |more: &[(&str, &str)]| {
        let mut command = Command::new(binary());
        let output = command.env_clear().envs(more.iter().copied()).args(["users", "list"]).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, output) = without_file(&[]);
    assert!(code == Some(2) && output.contains("set USERS_FILE or --users-file"), "{output}");
    let (code, output) = without_file(&[("USERS", "[users.Tom]")]);
    assert!(code == Some(2) && output.contains("USERS is a variable here"), "{output}");
    let (code, output) = without_file(&[("USERS_FILE", "/not/there")]);
    assert!(code == Some(1) && output.contains("cannot read /not/there"), "{output}");
    // Flags of the server may stand in front; its routes are not the user's.
    let file = folder.file();
    let mut command = Command::new(binary());
    command.env_clear().args(["--routes", "all", "--users-file"]).arg(&file).args([
        "users",
        "set",
        "Tom",
        "--models=o3",
    ]);
    assert!(command.output().unwrap().status.success());
    assert!(folder.text().contains("models = [\"o3\"]") && !folder.text().contains("routes"), "{}", folder.text());
    let output = folder.run(&["set", "Tom", "--expires", "2020-01-01"]);
    assert!(stderr(&output).contains("warning: --expires is in the past"), "{}", stderr(&output));
}

pub(super) fn help() {
    let folder = Folder::new(None);
    for command in ["list", "show", "add", "set", "rotate", "credit", "disable", "enable", "remove", "compile"] {
        let text = folder.done(&[command, "--help"]);
        assert!(text.contains("--users-file") && !text.contains("--listen"), "{text}");
        assert!(folder.done(&["--help"]).contains(&format!("\n  {command} ")));
    }
}
