//! What a deployment needs: the template is valid, both architectures build, and a deployment is what it should be.

use std::{env, path::Path, process::Command};

use libtest_mimic::{Failed, Trial};

use super::tools;
use crate::clients::succeed;

/// One trial a step.
pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(format!("lambda::shipping::{name}"), run);
    vec![trial("the_template_is_valid", template), trial("both_architectures_build_and_deploy", deploy)]
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn template() -> Result<(), Failed> {
    let mut sam = tools::python();
    sam.args(["-m", "samcli", "validate", "--lint", "--template", "adapter-lambda/template.yaml"]);
    let said = succeed(sam.current_dir(ROOT).envs([("AWS_DEFAULT_REGION", "us-east-1"), ("SAM_CLI_TELEMETRY", "0")]))?;
    let verdict = said.lines().find(|line| line.contains("is a valid SAM Template"));
    println!("lambda: {}", verdict.ok_or_else(|| said.clone())?);
    // The linter takes any word here.
    let template = std::fs::read_to_string(Path::new(ROOT).join("adapter-lambda/template.yaml"))?;
    assert!(template.contains("InvokeMode: RESPONSE_STREAM\n") && template.contains("RESPONSE_MODE: stream\n"));
    Ok(())
}

/// One after the other, for a build takes all processors.
fn deploy() -> Result<(), Failed> {
    for (flag, machine) in [("--arm64", "aarch64"), ("--x86-64", "x86-64")] {
        let folder = tools::scratch().join(machine);
        let mut build = cargo_lambda(&["build", "--release", flag, "--package", "sparekey-lambda", "--lambda-dir"]);
        succeed(build.arg(&folder))?;
        let binary = folder.join("sparekey-lambda/bootstrap");
        check(&binary, machine)?;
        // As README.md has it.
        let mut deploy = cargo_lambda(&["deploy", "--dry", "--enable-function-url"]);
        deploy.args(["--timeout", "900", "--memory", "256", "--log-retention", "30", "--env-file"]);
        deploy.args([concat!(env!("CARGO_MANIFEST_DIR"), "/lambda/example.env"), "--lambda-dir"]);
        // Nobody's: a dry run only looks whether there are any.
        let nobody = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-east-1")];
        let said = succeed(deploy.arg(&folder).arg("sparekey-lambda").envs(nobody))?;
        if !said.contains(match machine {
            "aarch64" => "arm64",
            _ => "x86_64",
        }) {
            return Err(format!("the deployment is for another machine:\n{said}").into());
        }
        let size = binary.metadata()?.len();
        println!("lambda: {machine} builds to {size} bytes and deploys, dry");
    }
    Ok(())
}

/// Looks into the ELF header ([elf(5)](https://man7.org/linux/man-pages/man5/elf.5.html)): `e_machine`.
fn check(binary: &Path, machine: &str) -> Result<(), Failed> {
    let bytes = std::fs::read(binary)?;
    let wanted = if machine == "aarch64" { 183 } else { 62 };
    if bytes.get(..4) == Some(b"\x7fELF") && bytes.get(18) == Some(&wanted) {
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
