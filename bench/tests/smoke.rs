//! Runs every scenario briefly, with the server alone. An unexpected response ends the bench with an error.

use std::{env, fs, process::Command};

#[test]
fn all_scenarios_run() {
    let plot = env::temp_dir().join(format!("sparekey-bench-smoke-{}.svg", std::process::id()));
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["--alone", "--rounds", "1", "--scale", "0.01", "--plot"]).arg(&plot);
    let output = bench.output().expect("run the bench");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    for line in [
        "| json, ",
        "| refused, ",
        "| burst, ",
        "| live, ",
        "| up 10 MB, ",
        "| down 10 MB, ",
        "| json, 16 clients, ",
        "| access keys, CPU ",
        "| users with rates, CPU ",
        "| open streams, CPU ",
        "| idle connection, KiB ",
        "| CPUs: ",
    ] {
        assert!(stdout.contains(line), "{line:?} is missing in:\n{stdout}");
    }
    let svg = fs::read_to_string(&plot).expect("read the plot");
    fs::remove_file(plot).expect("remove the plot");
    assert_eq!(svg.matches("<polyline").count(), 4, "one line per panel");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a point has no coordinates");
}
