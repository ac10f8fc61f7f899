//! What an owner can do about an error whose text, of the system or a library, names no next step.

/// A part of the text, and the next step.
const NEXT_STEPS: [(&str, &str); 4] = [
    ("Address already in use", "another program listens there: stop it, or set another port"),
    ("tunnel error", "this is the proxy of HTTPS_PROXY or ALL_PROXY: check its address, password and log"),
    ("(3D000)", "create it with CREATE DATABASE, or correct LEDGER"),
    ("does not support TLS", "enable TLS there, or set sslmode=disable in LEDGER if the network is private"),
];

/// Adds the next step, if there is one.
pub(crate) fn with_next_step(problem: &str) -> String {
    let step = NEXT_STEPS.iter().find(|(part, _)| problem.contains(part));
    step.map_or_else(|| problem.to_owned(), |(_, step)| format!("{problem}; {step}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases() {
        for (problem, step) in [
            ("PostgreSQL: database \"x\" does not exist (3D000)", "create it"),
            ("server does not support TLS", "sslmode=disable"),
        ] {
            let text = with_next_step(problem);
            assert!(text.starts_with(&format!("{problem}; ")) && text.contains(step), "{text}");
        }
        assert_eq!(with_next_step("x"), "x");
    }
}
