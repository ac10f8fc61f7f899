//! What an owner can do about an error whose text, of the system or a library, names no next step.

/// A part of the text, and the next step.
const NEXT_STEPS: [(&str, &str); 2] = [
    ("Address already in use", "another program listens there: stop it, or set another port"),
    ("tunnel error", "this is the proxy of HTTPS_PROXY or ALL_PROXY: check its address, password and log"),
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
    fn next_steps() {
        for (problem, step) in NEXT_STEPS {
            let text = with_next_step(problem);
            assert!(text.starts_with(&format!("{problem}; ")) && text.contains(step), "{text}");
        }
        assert_eq!(with_next_step("x"), "x");
    }
}
