//! `OpenMetrics` -> the older
//! [text format](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format) of Prometheus, in which
//! the name of a counter ends in `_total` on the lines about it too.

/// Converts metrics as `prometheus_client` writes them: `HELP`, then `TYPE`, for each.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut classic = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        match line.strip_prefix("# ").and_then(|line| line.split_once(' ')) {
            Some(("HELP", rest)) => help = rest.split_once(' '),
            Some(("TYPE", rest)) => {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
                let total = if kind == "counter" { "_total" } else { "" };
                if let Some((_, help)) = help.take() {
                    classic.extend(["# HELP ", name, total, " ", help, "\n"]);
                }
                classic.extend(["# TYPE ", name, total, " ", kind, "\n"]);
            }
            Some(("UNIT", _)) => {}
            _ if line == "# EOF" => {}
            _ => classic.extend([line, "\n"]),
        }
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_counters() {
        let open_metrics = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
                            a_bytes_total{user=\"Tom\"} 1\n# HELP b Now.\n# TYPE b gauge\nb 2\n# EOF\n";
        assert_eq!(
            from_open_metrics(open_metrics),
            "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total{user=\"Tom\"} 1\n\
             # HELP b Now.\n# TYPE b gauge\nb 2\n"
        );
    }
}
