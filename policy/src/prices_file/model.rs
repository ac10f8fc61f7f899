//! The table of a model.

use super::amount;
use crate::{
    prices::{ModelMode, ModelPrices, RowName, TokenKind, TokenPrices},
    tier::Tier,
    timestamp::Timestamp,
    toml_file::{
        problem::Problems,
        tree::{Node, Value},
    },
    usd::Usd,
    users_file::date,
    zone::Zone,
};

/// Microseconds of the last day.
const DAY: i64 = 24 * Timestamp::HOUR;

/// The longest name. The longest ones in use are paths of local models.
const NAME_MAX: usize = 512;

/// The fields of a model that are not rows.
const FIELDS: [&str; 10] = [
    "mode",
    "max_input",
    "max_output",
    "output_tokens_per_second",
    "ends",
    "regional",
    "web_search_call",
    "per_minute_audio",
    "per_million_characters",
    "pictures",
];

/// Reads the table of a model over what is listed for it already.
pub(super) fn read(name: &str, node: &Node, mut model: ModelPrices, problems: &mut Problems<'_>) -> ModelPrices {
    let is_name =
        (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if !is_name {
        problems.add(node, "must be the name of a model: visible ASCII characters");
    }
    if !matches!(node.value, Value::Table(_)) {
        problems.add(node, "must be a table");
        return model;
    }
    let mut parts = node.entries().iter().filter(|(field, value)| is_part_of_name(field, value)).peekable();
    if parts.peek().is_some() {
        parts.for_each(|(_, part)| refuse_part_of_name(part, problems));
        return model;
    }
    if node.entries().iter().any(|(field, _)| is_price(field)) {
        // Prices belong together: a row of the shipped table must not stay beside a new one.
        (model.rows, model.per_minute_audio, model.per_character) = (Vec::new(), None, None);
    }
    for (field, value) in node.entries() {
        set(&mut model, field, value, problems);
    }
    check_no_output(node, &mut model, problems);
    check_output_prices(node, model.mode, problems);
    let is_priced = !model.rows.is_empty() || model.per_minute_audio.is_some() || model.per_character.is_some();
    let has_price = is_priced || node.entries().iter().any(|(field, _)| is_price(field));
    if !has_price {
        problems
            .add(node, "has no price; it needs standard = { input = \"…\", output = \"…\" }, or a price per minute");
    } else if !model.rows.is_empty() && model.row(RowName::STANDARD).is_none() {
        problems.add(node, "has rows, but not standard, which applies to most requests");
    }
    model
}

/// Checks that a model with `max_output = 0` has no output that costs something.
fn check_no_output(node: &Node, model: &mut ModelPrices, problems: &mut Problems<'_>) {
    let is_free = |row: &TokenPrices| row.get(TokenKind::Output).is_none_or(|price| price == Usd::ZERO);
    if model.max_output != Some(0) || (model.mode.has_no_output() && model.rows().all(|(_, row)| is_free(row))) {
        return;
    }
    // That of the listed model is not for a model with output.
    model.max_output = None;
    if let Some((_, value)) = node.entries().iter().find(|(field, _)| field == "max_output") {
        amount::size(value, problems);
    }
}

/// Checks that each row has a price of output. No request has the prices of a batch.
fn check_output_prices(node: &Node, mode: ModelMode, problems: &mut Problems<'_>) {
    for (field, row) in node.entries() {
        let is_live = RowName::parse(field).is_some_and(|name| name.tier != Tier::Batch);
        let has = |kind: TokenKind| row.entries().iter().any(|(field, _)| field == kind.name());
        let has_output = has(TokenKind::Output) || has(TokenKind::ImageOut);
        // A row without input has its own problem.
        if is_live && has(TokenKind::Input) && !has_output && !mode.has_no_output() {
            problems.add(
                row,
                "must have the price of output tokens, such as { input = \"0.25\", output = \"2\" }; only a model of mode \
                 \"embedding\" or \"moderation\" needs none",
            );
        }
    }
}

/// Whether this is a table of another model: the name in `[models.gpt-5.4]` is two names in TOML. Another table is a field with
/// a wrong name.
fn is_part_of_name(field: &str, node: &Node) -> bool {
    let is_field = |field: &str| RowName::parse(field).is_some() || FIELDS.contains(&field);
    let has_part = |(field, node): &(String, Node)| is_field(field) || is_part_of_name(field, node);
    !is_field(field) && node.entries().iter().any(has_part)
}

fn refuse_part_of_name(node: &Node, problems: &mut Problems<'_>) {
    let mut last = node;
    while let [(field, next)] = last.entries()
        && is_part_of_name(field, next)
    {
        last = next;
    }
    let name = last.path.strip_prefix("models.").unwrap_or(&last.path).replace('"', "");
    problems
        .add(node, &format!("is not a field of a model; a name with a dot needs quotes, such as [models.\"{name}\"]"));
}

/// Whether the table of a model changes what a response costs.
pub(super) fn has_prices(node: &Node) -> bool {
    node.entries().iter().any(|(field, _)| is_price(field) || field == "web_search_call")
}

/// Whether a field is a price of what a response uses.
fn is_price(field: &str) -> bool {
    RowName::parse(field).is_some() || ["per_minute_audio", "per_million_characters"].contains(&field)
}

fn set(model: &mut ModelPrices, field: &str, node: &Node, problems: &mut Problems<'_>) {
    if let Some(name) = RowName::parse(field) {
        let prices = row(node, problems);
        return model.rows.push((name, prices));
    }
    match field {
        "mode" => model.mode = mode(node, problems).unwrap_or_default(),
        "max_input" => model.max_input = amount::size(node, problems),
        // `check_no_output` refuses 0 if the model writes something.
        "max_output" if matches!(node.value, Value::Integer(0)) => model.max_output = Some(0),
        "max_output" => model.max_output = amount::size(node, problems),
        "output_tokens_per_second" => model.output_tokens_per_second = amount::size(node, problems),
        "ends" => model.ends = date::read(node, &Zone::utc(), problems).map(|day| day.plus(DAY)),
        "regional" => {
            model.has_regional_factor = matches!(node.value, Value::Boolean(true));
            if !matches!(node.value, Value::Boolean(_)) {
                problems.add(node, "must be true or false");
            }
        }
        "web_search_call" => model.web_search_call = amount::per_call(node, problems),
        "per_minute_audio" => model.per_minute_audio = amount::per_call(node, problems),
        "per_million_characters" => model.per_character = amount::per_token(node, problems),
        "pictures" => model.pictures = pictures(node, problems),
        _ => {
            let names = FIELDS.join(", ");
            let message = format!(
                "is not a field of a model; its fields are {names}, and rows such as standard, flex or priority_long"
            );
            problems.add(node, &message);
        }
    }
}

fn mode(node: &Node, problems: &mut Problems<'_>) -> Option<ModelMode> {
    let mode = node.text().and_then(ModelMode::from_name);
    if mode.is_none() {
        let names = ModelMode::NAMES.map(|(_, name)| name).join(", ");
        problems.add(node, &format!("must be one of {names}"));
    }
    mode
}

fn row(node: &Node, problems: &mut Problems<'_>) -> TokenPrices {
    let mut prices = TokenPrices::default();
    for (field, value) in node.entries() {
        if let Some(kind) = TokenKind::ALL.into_iter().find(|kind| kind.name() == field) {
            prices.listed.extend(amount::per_token(value, problems).map(|price| (kind, price)));
        } else {
            let names = TokenKind::ALL.map(TokenKind::name).join(", ");
            problems.add(value, &format!("is not a kind of token; the kinds are {names}"));
        }
    }
    if !node.entries().iter().any(|(field, _)| field == TokenKind::Input.name()) {
        problems.add(node, "must have the price of input tokens, such as { input = \"0.25\", output = \"2\" }");
    }
    prices
}

fn pictures(node: &Node, problems: &mut Problems<'_>) -> Vec<(String, Usd)> {
    if !matches!(node.value, Value::Table(_)) {
        problems.add(node, "must be a table such as { \"high/1024x1024\" = \"0.167\" }");
    }
    let mut pictures = Vec::new();
    for (name, value) in node.entries() {
        if name.split_once('/').is_none() {
            problems.add(value, "must be a quality and a size, such as \"high/1024x1024\"");
        }
        pictures.extend(amount::per_call(value, problems).map(|price| (name.clone(), price)));
    }
    pictures
}
