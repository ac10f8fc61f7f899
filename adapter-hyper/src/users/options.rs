//! The options of `add` and `set`: one for each field that the server enforces.

use clap::{
    Arg, ArgAction, ArgMatches,
    builder::{PossibleValue, PossibleValuesParser},
};
use sparekey_policy::{Budgets, Moment, NewValue, Period, Timestamp, Usd, UserField, Zone};

use crate::{
    commands::Failure,
    config::{table::flag_name, users::ENFORCED},
};

const UNLIMITED: &str = "unlimited";

/// The form of an option.
#[derive(Clone, Copy)]
enum Form {
    Number,
    Flag,
    Budgets,
    List,
    Moment,
    Text,
}

struct FieldOption {
    field: UserField,
    form: Form,
    value: &'static str,
    help: &'static str,
}

const OPTIONS: [FieldOption; 12] = [
    option(
        UserField::Expires,
        Form::Moment,
        "WHEN",
        "Refuse the user from then on: 7d, 2027-01-31, \"2027-01-31 18:00\"",
    ),
    option(UserField::RequestsPerMinute, Form::Number, "N", "Requests per minute"),
    option(UserField::ConcurrentRequests, Form::Number, "N", "Open requests at the same time"),
    option(UserField::Models, Form::List, "A,B*", "Models; * stands for any characters"),
    option(UserField::Routes, Form::List, "A,B", "Routes within ROUTES: families such as inference, or paths"),
    option(UserField::Networks, Form::List, "A,B", "Addresses and networks of the user's clients: 203.0.113.0/24"),
    option(
        UserField::Budgets,
        Form::Budgets,
        "USD/PERIOD",
        "US dollars per day, week, month or total: 5/month; can be repeated, and replaces all budgets that were set",
    ),
    option(UserField::TokensPerMinute, Form::Number, "N", "Tokens per minute, input and output"),
    option(UserField::MaxOutputTokens, Form::Number, "N", "Output tokens of a request"),
    option(UserField::Metered, Form::Flag, "yes|no", "Count usage without a budget too"),
    option(
        UserField::OpenAiApiKey,
        Form::Text,
        "SOURCE",
        "An API key of the user's own: file:PATH, relative to the users file, or env:VARIABLE",
    ),
    option(UserField::OpenAiProject, Form::Text, "ID", "A project of the user's own, sent upstream as openai-project"),
];

const fn option(field: UserField, form: Form, value: &'static str, help: &'static str) -> FieldOption {
    FieldOption { field, form, value, help }
}

/// The flag of a field. An option gives one budget of several.
fn flag(field: UserField) -> String {
    if field == UserField::Budgets { "budget".to_owned() } else { flag_name(field.name()) }
}

/// The arguments of the options.
pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    OPTIONS.iter().filter(|option| ENFORCED.fields.contains(&option.field)).map(|option| {
        let help = match option.form {
            Form::Text | Form::Flag => option.help.to_owned(),
            Form::Number | Form::Budgets | Form::List | Form::Moment => format!("{}; or {UNLIMITED}", option.help),
        };
        let argument = Arg::new(option.field.name()).long(flag(option.field)).value_name(option.value).help(help);
        match option.form {
            Form::Number => argument.value_parser(number),
            Form::Flag => argument
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("yes")
                .value_parser(PossibleValuesParser::new(["yes", "no"])),
            Form::Budgets => argument.action(ArgAction::Append),
            Form::List | Form::Moment | Form::Text => argument,
        }
    })
}

/// The argument that removes fields.
pub(super) fn unset_argument() -> Arg {
    let names = OPTIONS.iter().filter(|option| ENFORCED.fields.contains(&option.field)).map(|option| {
        let name = option.field.name();
        PossibleValue::new(name).alias(flag_name(name)).alias(flag(option.field))
    });
    Arg::new("unset")
        .long("unset")
        .value_name("FIELD")
        .help("Remove a field from the entry, so that the default applies: [limits], or none")
        .action(ArgAction::Append)
        .value_delimiter(',')
        .value_parser(PossibleValuesParser::new(names))
}

/// Reads the fields that are set.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn changes(flags: &ArgMatches, zone: &Zone, now: Timestamp) -> Result<Vec<(UserField, NewValue)>, Failure> {
    let mut changes = Vec::new();
    for option in OPTIONS.iter().filter(|option| ENFORCED.fields.contains(&option.field)) {
        let name = option.field.name();
        let value = match option.form {
            Form::Number => flags.get_one::<NewValue>(name).cloned(),
            Form::Flag => flags.get_one::<String>(name).map(|text| NewValue::Flag(text == "yes")),
            Form::Budgets => {
                let texts = flags.get_many::<String>(name);
                texts.map(|texts| budgets(&texts.map(|text| text.trim()).collect::<Vec<_>>())).transpose()?
            }
            Form::List | Form::Moment | Form::Text => match flags.get_one::<String>(name).map(|text| text.trim()) {
                None => None,
                Some(UNLIMITED) if !matches!(option.form, Form::Text) => Some(NewValue::Unlimited),
                Some(text) => Some(read(option, text, zone, now)?),
            },
        };
        changes.extend(value.map(|value| (option.field, value)));
    }
    Ok(changes)
}

/// The fields to remove.
pub(super) fn unset(flags: &ArgMatches) -> Vec<UserField> {
    let names = flags.get_many::<String>("unset").into_iter().flatten();
    names
        .filter_map(|name| {
            let fields = OPTIONS.iter().map(|option| option.field);
            fields.into_iter().find(|field| flag_name(field.name()) == flag_name(name) || flag(*field) == *name)
        })
        .collect()
}

fn read(option: &FieldOption, text: &str, zone: &Zone, now: Timestamp) -> Result<NewValue, Failure> {
    let flag = flag(option.field);
    match option.form {
        Form::Moment => Ok(NewValue::Moment(moment(&flag, text, zone, now)?)),
        Form::List => {
            let items: Vec<_> = text.split(',').map(|item| item.trim().to_owned()).collect();
            if items.iter().any(String::is_empty) {
                let forms = "must be a list separated by commas, or unlimited";
                return Err(Failure::Usage(format!("--{flag} {forms}; an item is empty")));
            }
            Ok(NewValue::List(items))
        }
        Form::Text | Form::Number | Form::Flag | Form::Budgets => Ok(NewValue::Text(text.to_owned())),
    }
}

/// Reads budgets such as `5/month`, at most one per kind of period.
fn budgets(texts: &[&str]) -> Result<NewValue, Failure> {
    if texts == [UNLIMITED] {
        return Ok(NewValue::Unlimited);
    }
    let mut budgets = Budgets::default();
    for text in texts {
        let parts = text.split_once('/').and_then(|(usd, period)| Some((Usd::parse(usd)?, Period::from_name(period)?)));
        let Some((usd, period)) = parts.filter(|(usd, _)| *usd > Usd::ZERO) else {
            return Err(Failure::Usage(
                "--budget must be an amount of US dollars and a period, such as 5/month, 0.50/day, 20/week or 100/total; \
                 or unlimited alone"
                    .to_owned(),
            ));
        };
        if budgets.set(period, usd).is_some() {
            return Err(Failure::Usage(format!("--budget is there twice for a {}; keep one", period.name())));
        }
    }
    Ok(NewValue::Budgets(budgets))
}

/// Reads a date or a duration.
///
/// # Errors
/// [`Failure::Usage`].
pub(super) fn moment(flag: &str, text: &str, zone: &Zone, now: Timestamp) -> Result<Moment, Failure> {
    let moment = Moment::parse(text, now, zone);
    moment.ok_or_else(|| Failure::Usage(format!("--{flag} must be {}", Moment::FORMS)))
}

fn number(text: &str) -> Result<NewValue, String> {
    if text == UNLIMITED {
        return Ok(NewValue::Unlimited);
    }
    let number = text.parse().ok().filter(|number| *number > 0).map(NewValue::Number);
    number.ok_or_else(|| format!("it must be a whole number from 1 on, or {UNLIMITED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_enforced_field_has_an_option() {
        let others = [UserField::Keys, UserField::Disabled];
        for field in ENFORCED.fields.iter().filter(|field| !others.contains(field)) {
            assert!(OPTIONS.iter().any(|option| option.field == *field), "{}", field.name());
        }
    }

    #[test]
    fn budgets_of_options() {
        let read = |texts: &[&str]| budgets(texts).ok();
        let mut expected = Budgets::default();
        expected.set(Period::Month, Usd::parse("5").unwrap());
        expected.set(Period::Day, Usd::parse("0.5").unwrap());
        assert_eq!(read(&["5/month", "0.50/day"]), Some(NewValue::Budgets(expected)));
        assert_eq!(read(&["unlimited"]), Some(NewValue::Unlimited));
        for texts in
            [&["5"][..], &["0/day"], &["-5/day"], &["5/year"], &["5/day", "6/day"], &["5/day", "unlimited"], &[""]]
        {
            assert_eq!(read(texts), None, "{texts:?}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("60"), Ok(NewValue::Number(60)));
        assert_eq!(number("unlimited"), Ok(NewValue::Unlimited));
        for text in ["", "0", "-1", "1.5", "many", "4294967296"] {
            assert!(number(text).is_err(), "{text:?}");
        }
    }
}
