//! The commands that change the users file.

use std::io::{self, Write as _};

use clap::ArgMatches;
use keygen::NewKey;
use sparekey_policy::{EditError, Moment, NewValue, Timestamp, UserField, UsersDocument, Zone};

use super::{context::Context, file::LockedFile, options};
use crate::commands::{Failure, local_time, note};

/// A change of the document.
struct Edit<'a> {
    context: &'a Context,
    name: &'a str,
    flags: &'a ArgMatches,
    document: UsersDocument,
    zone: Zone,
    now: Timestamp,
    /// Printed when the change is stored.
    notes: Vec<String>,
}

/// Runs a command that changes one user.
pub(super) fn run(context: &Context, command: &str, name: &str, flags: &ArgMatches) -> Result<(), Failure> {
    let file = LockedFile::lock(&context.path)?;
    let creates = command == "add" || context.access_keys.contains_key(name);
    let text = match file.text() {
        Some(text) => text,
        None if creates => "",
        None => {
            let message = format!("{} does not exist; `sparekey users add NAME` creates it", context.path.display());
            return Err(Failure::Problem(message));
        }
    };
    let document = UsersDocument::parse(text).map_err(|error| {
        let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
        invalid("is invalid, and nothing was changed", context, &problems)
    })?;
    let now = sparekey_proxy::now();
    let zone = document.zone(now);
    let mut edit = Edit { context, name, flags, document, zone, now, notes: Vec::new() };
    let key = match command {
        "add" => Some(edit.add()?),
        "rotate" => Some(edit.rotate()?),
        "set" => edit.set().map(|()| None)?,
        "disable" => edit.disable().map(|()| None)?,
        "enable" => edit.enable().map(|()| None)?,
        "remove" => edit.remove().map(|()| None)?,
        other => return Err(Failure::Problem(format!("{other} changes no user"))),
    };
    let new = edit.document.to_string();
    let users = context.validate(&new);
    let users = users.map_err(|problems| invalid("would be invalid, so nothing was changed", context, &problems))?;
    if key.is_some() && users.get(name).is_some_and(|user| user.disabled) {
        edit.notes
            .push(format!("warning: {name} is disabled, so the key is refused until `sparekey users enable {name}`"));
    }
    if new != text {
        file.replace(&new)?;
    }
    // The key first: a closed standard error must not keep it back.
    let printed = key.map_or(Ok(()), |key| print_key(&key, name));
    edit.notes.iter().for_each(|sentence| note(sentence));
    printed
}

impl<'a> Edit<'a> {
    fn add(&mut self) -> Result<NewKey, Failure> {
        let name = self.name;
        if !self.document.contains(name) && self.context.access_keys.contains_key(name) {
            return Err(Failure::Problem(format!(
                "{name} has a key in ACCESS_KEYS already; `sparekey users set {name} …` limits it"
            )));
        }
        self.document.add_user(name).map_err(|error| self.problem(error))?;
        let key = self.new_key()?;
        self.document.add_key(name, &digest(&key), self.label()).map_err(|error| self.problem(error))?;
        self.notes.push(format!("added {name}; the key is not stored, so it cannot be shown again"));
        self.set_fields()?;
        Ok(key)
    }

    fn set(&mut self) -> Result<(), Failure> {
        self.ensure_entry()?;
        self.notes.push(format!("changed {}", self.name));
        let changed = self.set_fields()?;
        let removed = options::unset(self.flags);
        if changed.is_empty() && removed.is_empty() {
            let message = "there is nothing to change; `sparekey users set --help` lists the options".to_owned();
            return Err(Failure::Usage(message));
        }
        if let Some(field) = removed.iter().find(|field| changed.contains(field)) {
            return Err(Failure::Usage(format!("{} is both set and unset; keep one", field.name())));
        }
        for field in removed {
            self.document.unset(self.name, field).map_err(|error| self.problem(error))?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<NewKey, Failure> {
        let name = self.name;
        self.require_entry()?;
        let grace = self.flags.get_one::<String>("grace");
        let grace = grace.map(|text| options::moment("grace", text, &self.zone, self.now)).transpose()?;
        let key = self.new_key()?;
        let old = self.document.key_count(name);
        let result = match &grace {
            None => self.document.replace_keys(name, &digest(&key), self.label()),
            Some(at) => {
                let expired = self.document.expire_keys(name, at, &self.zone);
                expired.and_then(|()| self.document.add_key(name, &digest(&key), self.label()))
            }
        };
        result.map_err(|error| self.problem(error))?;
        let ended = match &grace {
            None if old == 1 => "the old key has stopped".to_owned(),
            None => format!("the {old} old keys have stopped"),
            Some(at) => format!("older keys in the users file stop at {} {}", self.local(at), self.zone.name()),
        };
        let ended = if old == 0 { "there was no old key in the users file".to_owned() } else { ended };
        self.notes.push(format!("{name} has a new key, which cannot be shown again; {ended}"));
        if let Some(at) = &grace {
            self.warn_if_past("--grace", at);
        }
        if let Some(count) = self.context.access_keys.get(name) {
            self.notes.push(format!(
                "warning: {} of {name} in ACCESS_KEYS still works; remove it there",
                if *count == 1 { "a key".to_owned() } else { format!("each of {count} keys") }
            ));
        }
        Ok(key)
    }

    fn disable(&mut self) -> Result<(), Failure> {
        self.ensure_entry()?;
        let disabled = self.document.set(self.name, UserField::Disabled, &NewValue::Flag(true));
        disabled.map_err(|error| self.problem(error))?;
        self.notes.push(format!("{} is disabled", self.name));
        Ok(())
    }

    fn enable(&mut self) -> Result<(), Failure> {
        self.require_entry()?;
        self.document.unset(self.name, UserField::Disabled).map_err(|error| self.problem(error))?;
        self.notes.push(format!("{} is enabled", self.name));
        Ok(())
    }

    fn remove(&mut self) -> Result<(), Failure> {
        let name = self.name;
        if self.context.access_keys.contains_key(name) {
            return Err(Failure::Problem(format!(
                "{name} has a key in ACCESS_KEYS, and without an entry it would work without limits; remove it from \
                 ACCESS_KEYS first, or refuse it with `sparekey users disable {name}`"
            )));
        }
        self.require_entry()?;
        self.document.remove_user(name).map_err(|error| self.problem(error))?;
        self.notes.push(format!("removed {name}"));
        if !self.context.has_access_keys {
            self.notes.push(format!(
                "warning: ACCESS_KEYS is not set here; if the server's contains a key of {name}, that key works without \
                 limits now"
            ));
        }
        Ok(())
    }

    /// Sets the fields of the options, and returns them.
    fn set_fields(&mut self) -> Result<Vec<UserField>, Failure> {
        let changes = options::changes(self.flags, &self.zone, self.now)?;
        for (field, value) in &changes {
            self.document.set(self.name, *field, value).map_err(|error| self.problem(error))?;
            if let NewValue::Moment(at) = value {
                self.notes.push(format!("{} is refused from {} {} on", self.name, self.local(at), self.zone.name()));
                self.warn_if_past("--expires", at);
            }
        }
        Ok(changes.into_iter().map(|(field, _)| field).collect())
    }

    /// Adds an entry for a user who has keys in `ACCESS_KEYS` only.
    fn ensure_entry(&mut self) -> Result<(), Failure> {
        if !self.document.contains(self.name) && self.context.access_keys.contains_key(self.name) {
            self.document.add_user(self.name).map_err(|error| self.problem(error))?;
            self.notes.push(format!(
                "{} had no entry and so no limits; the defaults of [limits] and of `routes` apply to it now",
                self.name
            ));
        }
        self.require_entry()
    }

    fn require_entry(&self) -> Result<(), Failure> {
        let name = self.name;
        if self.document.contains(name) {
            return Ok(());
        }
        Err(Failure::Problem(if self.context.access_keys.contains_key(name) {
            format!("{name} has keys in ACCESS_KEYS only, and no entry in the users file; change them there")
        } else {
            format!("there is no user {name}; `sparekey users list` lists all, `sparekey users add {name}` adds it")
        }))
    }

    fn new_key(&self) -> Result<NewKey, Failure> {
        let key = keygen::access_key(self.name, keygen::DEFAULT_LENGTH);
        key.map_err(|error| Failure::Problem(format!("cannot make a key: {error}")))
    }

    /// The note on a new key.
    fn label(&self) -> Option<&'a str> {
        self.flags.get_one::<String>("label").map(String::as_str)
    }

    fn warn_if_past(&mut self, flag: &str, at: &Moment) {
        if at.instant() <= self.now {
            self.notes.push(format!("warning: {flag} is in the past"));
        }
    }

    fn local(&self, at: &Moment) -> String {
        local_time(at.instant(), &self.zone)
    }

    fn problem(&self, error: EditError) -> Failure {
        Failure::Problem(format!("{} {error}", self.name))
    }
}

fn print_key(key: &NewKey, name: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = writeln!(out, "{}", key.expose()).and_then(|()| out.flush());
    printed.map_err(|error| {
        let message = format!("cannot print the key: {error}; make another one with `sparekey users rotate {name}`");
        Failure::Problem(message)
    })
}

/// All problems of the file. The sentence begins after its name.
pub(super) fn invalid(sentence: &str, context: &Context, problems: &[String]) -> Failure {
    Failure::Problem(format!("{} {sentence}:\n  {}", context.path.display(), problems.join("\n  ")))
}

/// The digest of a key, without the user's name: the entry has it.
fn digest(key: &NewKey) -> String {
    let digits = key.item().rsplit(':').next().unwrap_or_default();
    format!("sha256:{digits}")
}
