//! Every case, for a moment, against our server alone. A wrong answer ends the bench with an error.

use std::{env, fs, process::Command};

#[test]
fn every_case_runs() {
    let plot = env::temp_dir().join(format!("sparekey-bench-smoke-{}.svg", std::process::id()));
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["--alone", "--rounds", "1", "--scale", "0.01", "--plot"]).arg(&plot);
    let ended = bench.output().expect("the bench starts");
    let (said, error) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}{error}");
    for line in ["| json, ", "| refused, ", "| burst, ", "| live, ", "| up 10 MB, ", "| down 10 MB, ", "| CPUs: "] {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    let drawn = fs::read_to_string(&plot).expect("the plot is written");
    fs::remove_file(plot).expect("a file that was written can be removed");
    assert_eq!(drawn.matches("<polyline").count(), 4, "a line in each panel");
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "every point has a place");
}
