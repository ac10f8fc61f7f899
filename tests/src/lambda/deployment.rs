//! Tests of the deployment: the template is valid, both architectures build, and dry deployments succeed.

use std::{env, path::Path, process::Command};

use libtest_mimic::{Failed, Trial};

use super::tools;
use crate::clients::succeed;

/// One trial per step.
pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(format!("lambda::deployment::{name}"), run);
    vec![trial("template_is_valid", template), trial("builds_and_deploys_for_both_architectures", deploy)]
}

/// Bytes of the binary: its start-up time depends on them.
const SIZE_MAX: u64 = 4_200_000;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn template() -> Result<(), Failed> {
    let mut sam = tools::python();
    sam.args(["-m", "samcli", "validate", "--lint", "--template", "adapter-lambda/template.yaml"]);
    let output =
        succeed(sam.current_dir(ROOT).envs([("AWS_DEFAULT_REGION", "us-east-1"), ("SAM_CLI_TELEMETRY", "0")]))?;
    let verdict = output.lines().find(|line| line.contains("is a valid SAM Template"));
    println!("lambda: {}", verdict.ok_or_else(|| output.clone())?);
    // The linter accepts any word here.
    let template = std::fs::read_to_string(Path::new(ROOT).join("adapter-lambda/template.yaml"))?;
    assert!(template.contains("InvokeMode: RESPONSE_STREAM\n") && template.contains("RESPONSE_MODE: stream\n"));
    Ok(())
}

/// Builds in turn, because a build uses all processors.
fn deploy() -> Result<(), Failed> {
    for (flag, machine) in [("--arm64", "aarch64"), ("--x86-64", "x86-64")] {
        let folder = tools::scratch().join(machine);
        let mut build =
            cargo_lambda(&["build", "--profile", "function", flag, "--package", "sparekey-lambda", "--lambda-dir"]);
        succeed(build.arg(&folder))?;
        let binary = folder.join("sparekey-lambda/bootstrap");
        check_machine(&binary, machine)?;
        // The command of README.md.
        let mut deploy = cargo_lambda(&["deploy", "--dry", "--enable-function-url"]);
        deploy.args(["--timeout", "900", "--memory", "256", "--log-retention", "30", "--env-file"]);
        deploy.args([concat!(env!("CARGO_MANIFEST_DIR"), "/lambda/example.env"), "--lambda-dir"]);
        // A dry run requires credentials and does not use them.
        let credentials = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-east-1")];
        let output = succeed(deploy.arg(&folder).arg("sparekey-lambda").envs(credentials))?;
        if !output.contains(match machine {
            "aarch64" => "arm64",
            _ => "x86_64",
        }) {
            return Err(format!("the deployment is for another machine:\n{output}").into());
        }
        let size = binary.metadata()?.len();
        assert!(size <= SIZE_MAX, "{machine} has {size} bytes");
        println!("lambda: {machine} builds to {size} bytes and deploys, dry");
    }
    Ok(())
}

/// Checks `e_machine` in the ELF header ([elf(5)](https://man7.org/linux/man-pages/man5/elf.5.html)).
fn check_machine(binary: &Path, machine: &str) -> Result<(), Failed> {
    let bytes = std::fs::read(binary)?;
    let expected = if machine == "aarch64" { 183 } else { 62 };
    if bytes.get(..4) == Some(b"\x7fELF") && bytes.get(18) == Some(&expected) {
        return Ok(());
    }
    Err(format!("{} is no program for {machine}", binary.display()).into())
}

fn cargo_lambda(arguments: &[&str]) -> Command {
    let mut command = tools::tool("cargo-lambda");
    let path = env::var_os("PATH").unwrap_or_default();
    let paths = [tools::folder().join("bin")].into_iter().chain(env::split_paths(&path));
    command.arg("lambda").args(arguments).current_dir(ROOT);
    command.env("PATH", env::join_paths(paths).expect("no folder here has a colon"));
    command
}
