//! The options of `add` and `set`: one for each field that the server enforces.

use clap::{
    Arg, ArgAction, ArgMatches,
    builder::{PossibleValue, PossibleValuesParser},
};
use sparekey_policy::{Moment, NewValue, Timestamp, UserField, Zone};

use super::Failure;
use crate::config::{table::flag_name, users::ENFORCED};

const UNLIMITED: &str = "unlimited";

/// The form of an option.
#[derive(Clone, Copy)]
enum Form {
    Number,
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

const OPTIONS: [FieldOption; 8] = [
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

/// The arguments of the options.
pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    OPTIONS.iter().filter(|option| ENFORCED.contains(&option.field)).map(|option| {
        let flag = flag_name(option.field.name());
        let help = match option.form {
            Form::Text => option.help.to_owned(),
            Form::Number | Form::List | Form::Moment => format!("{}; or {UNLIMITED}", option.help),
        };
        let argument = Arg::new(option.field.name()).long(flag).value_name(option.value).help(help);
        if matches!(option.form, Form::Number) { argument.value_parser(number) } else { argument }
    })
}

/// The argument that removes fields.
pub(super) fn unset_argument() -> Arg {
    let names = OPTIONS.iter().filter(|option| ENFORCED.contains(&option.field)).map(|option| {
        let name = option.field.name();
        PossibleValue::new(name).alias(flag_name(name))
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
    for option in OPTIONS.iter().filter(|option| ENFORCED.contains(&option.field)) {
        let name = option.field.name();
        let value = match option.form {
            Form::Number => flags.get_one::<NewValue>(name).cloned(),
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
            OPTIONS.iter().map(|option| option.field).find(|field| flag_name(field.name()) == flag_name(name))
        })
        .collect()
}

fn read(option: &FieldOption, text: &str, zone: &Zone, now: Timestamp) -> Result<NewValue, Failure> {
    let flag = flag_name(option.field.name());
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
        Form::Text | Form::Number => Ok(NewValue::Text(text.to_owned())),
    }
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
        for field in ENFORCED.iter().filter(|field| !others.contains(field)) {
            assert!(OPTIONS.iter().any(|option| option.field == *field), "{}", field.name());
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
