//! Any file is users or problems, and no message contains a secret.

use proptest::prelude::*;
use sparekey_policy::UserField;

use crate::{A, read};

proptest! {
    /// Whatever is broken, no message contains a key or a digest.
    #[test]
    fn messages_contain_no_secret(at in 0..400_usize, length in 0..4_usize, insert in "[ \"\\[\\]{}=.,#\n'a-]{0,3}") {
        const SECRET: &str = "wMtF9kkGDuQ2";
        let text = format!(
            "timezone = \"UTC\"\n[users.Tom]\nkeys = [\"sk-Tom-{SECRET}\", \"sha256:{SECRET}\", {{ digest = \"sha256:Tom:{SECRET}\" }}]\n\
             openai_api_key = \"{SECRET}\"\nmodels = [\"{SECRET} x\"]\nsk-Tom-{SECRET} = 1\n[users.sk-Ann-{SECRET}]\n\
             keys = [\"sha256:{SECRET}:{A}\"]\ndisabled = \"{SECRET}\"\n",
        );
        let at = at % text.len();
        let end = (at + length).min(text.len());
        let broken = format!("{}{insert}{}", &text[..at], &text[end..]);
        // A secret that was cut apart is none.
        prop_assume!(broken.matches(SECRET).count() == text.matches(SECRET).count());
        if let Err(error) = read(&broken) {
            prop_assert!(!error.to_string().contains(SECRET), "{}", error);
            let debug = format!("{error:?}");
            prop_assert!(!debug.contains(SECRET));
            prop_assert!(!error.to_string().contains("aaaaaaaaaa"));
        }
    }

    /// Any text, and any values of the fields, are users or problems with a line of the text.
    #[test]
    fn any_values(
        text in any::<String>(),
        fields in prop::sample::subsequence(&UserField::ALL[..], 0..=14),
        values in prop::collection::vec(prop::sample::select(&VALUES[..]), 14),
        in_limits: bool,
    ) {
        let fields: Vec<_> = fields.iter().zip(values).map(|(field, value)| format!("{} = {value}\n", field.name())).collect();
        let table = if in_limits { "[limits]\n" } else { "[users.Tom]\n" };
        for text in [format!("{table}{}", fields.concat()), text] {
            if let Err(error) = read(&text) {
                let lines = text.split('\n').count();
                prop_assert!(!error.problems().is_empty());
                prop_assert!(error.problems().iter().all(|problem| (1..=lines).contains(&problem.line)));
            }
        }
    }
}

const VALUES: [&str; 22] = [
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "0.5",
    "nan",
    "true",
    "2027-01-01",
    "9999-12-31T23:59:60Z",
    "00:00:00",
    "\"\"",
    "\"unlimited\"",
    "\"file:x\"",
    "[]",
    "[[]]",
    "[1, \"*\"]",
    "[\"::/0\"]",
    "{}",
    "[{}]",
    "{ a = 1 }",
    "[{ usd = \"9223372.9\", per = \"day\" }, { per = 1 }]",
    "[{ digest = 1, expires = 1 }, \"sha256:\"]",
];
