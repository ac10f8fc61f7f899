//! Every field of a JSON body that names a model.

use sparekey_policy::{Facts, NamedModel};

use crate::{
    error::BodyError,
    json::{Names, Reader, Result},
    name,
    param::Param,
};

/// A body with more is refused, because each name takes memory. Clients name one to ten.
const MAX_MODELS: usize = 256;

/// The fields of a body that are read.
///
/// `models` is [OpenRouter's](https://openrouter.ai/docs/guides/routing/model-fallbacks); the fallbacks are
/// [LiteLLM's](https://docs.litellm.ai/docs/proxy/reliability) and, of objects with `model`, several gateways'. An item of
/// `input` has `tools` where a client returns the tools that it found. Gateways merge `extra_body` into the request, and
/// LiteLLM routes by the models of `user_config`. OpenRouter's
/// [plugins](https://openrouter.ai/docs/guides/features/plugins/overview) name further models, and its presets choose one;
/// Azure's `data_sources` name deployments.
pub(crate) const FIELDS: [&str; 14] = [
    "model",
    "models",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "tools",
    "input",
    "svg",
    "session",
    "extra_body",
    "user_config",
    "plugins",
    "preset",
    "data_sources",
];

static NAMES: Names = Names::new(&FIELDS);

/// Reads a whole body.
///
/// # Errors
///
/// The body is not JSON, or another reader could find other names in it.
pub(crate) fn read(body: &[u8]) -> Result<Facts> {
    let mut reader = Reader::new(body)?;
    let mut facts = Facts::default();
    reader.object(Param::Root, &NAMES, &mut |reader, param, field| match field {
        Some(field) => read_field(&mut facts, reader, param, field),
        None => Ok(()),
    })?;
    reader.end()?;
    Ok(facts)
}

/// Reads one of [`FIELDS`]. The position may stay before the value.
pub(crate) fn read_field(facts: &mut Facts, reader: &mut Reader<'_>, param: Param<'_>, field: &str) -> Result<()> {
    match field {
        "model" => {
            facts.model = Some(model_name(reader, param)?);
            Ok(())
        }
        "models" => reader.array(param, &mut |reader, param, _| read_name(facts, reader, param)),
        "fallbacks" | "context_window_fallbacks" | "content_policy_fallbacks" => {
            reader.array(param, &mut |reader, param, _| read_fallback(facts, reader, param))
        }
        "tools" => read_tools(facts, reader, param),
        // A string, or an array of strings, numbers or objects.
        "input" if reader.peek()? == b'[' => reader.array(param, &mut |reader, param, _| {
            if reader.peek()? != b'{' {
                return Ok(());
            }
            reader.object(param, const { &Names::new(&["tools"]) }, &mut |reader, param, field| match field {
                Some(_) => read_tools(facts, reader, param),
                None => Ok(()),
            })
        }),
        "svg" | "session" | "extra_body" => read_model_of(facts, reader, param),
        "plugins" => read_plugins(facts, reader, param),
        "user_config" | "preset" | "data_sources" => Err(BodyError::HiddenModels { param: param.to_text() }),
        _ => Ok(()),
    }
}

/// Adds a model that is not the main one.
///
/// # Errors
///
/// [`BodyError::TooManyModels`].
pub(crate) fn add_other(facts: &mut Facts, model: NamedModel) -> Result<()> {
    if facts.other_models.len() >= MAX_MODELS {
        return Err(BodyError::TooManyModels);
    }
    facts.other_models.push(model);
    Ok(())
}

/// Reads the name of a model that is not the main one.
pub(crate) fn read_name(facts: &mut Facts, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    let name = model_name(reader, param)?;
    add_other(facts, NamedModel { name, param: param.to_text() })
}

/// Reads an object with `model`.
fn read_model_of(facts: &mut Facts, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    reader.object(param, const { &Names::new(&["model"]) }, &mut |reader, param, field| match field {
        Some(_) => read_name(facts, reader, param),
        None => Ok(()),
    })
}

/// Reads plugins.
fn read_plugins(facts: &mut Facts, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    reader.array(param, &mut |reader, param, _| {
        reader.object(param, const { &Names::new(&["model", "analysis_models"]) }, &mut |reader, param, field| {
            match field {
                Some("model") => read_name(facts, reader, param),
                Some(_) => reader.array(param, &mut |reader, param, _| read_name(facts, reader, param)),
                None => Ok(()),
            }
        })
    })
}

/// Reads tools, and the tools of a namespace. The parameters of a function are the client's; those of a tool of a vendor, such as
/// `openrouter:fusion`, can name models.
fn read_tools(facts: &mut Facts, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    reader.array(param, &mut |reader, param, _| {
        reader.object(
            param,
            const { &Names::new(&["type", "model", "tools"]) },
            &mut |reader, param, field| match field {
                Some("type") if reader.peek()? == b'"' => tool_type(reader, param).map(|_| ()),
                Some("model") => read_name(facts, reader, param),
                Some("tools") => reader.array(param, &mut |reader, param, _| read_model_of(facts, reader, param)),
                _ => Ok(()),
            },
        )
    })
}

/// Reads the type of a tool: ASCII letters, digits, and `_ - .`.
pub(crate) fn tool_type<'a>(reader: &mut Reader<'a>, param: Param<'_>) -> Result<&'a str> {
    let name = reader.text(param)?;
    let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
    let name = std::str::from_utf8(name).ok().filter(|_| is_plain);
    name.ok_or_else(|| BodyError::HiddenModels { param: param.to_text() })
}

/// Reads a name, an object with `model`, or an object of lists by the name of the model that they replace.
fn read_fallback(facts: &mut Facts, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    if reader.peek()? != b'{' {
        return read_name(facts, reader, param);
    }
    let before = facts.other_models.len();
    reader.object(param, const { &Names::new(&["model"]) }, &mut |reader, param, field| match field {
        Some(_) => read_name(facts, reader, param),
        None if reader.peek()? == b'[' => reader.array(param, &mut |reader, param, _| match reader.peek()? {
            b'"' => read_name(facts, reader, param),
            b'{' => read_model_of(facts, reader, param),
            _ => Ok(()),
        }),
        None => Ok(()),
    })?;
    if facts.other_models.len() == before {
        return Err(BodyError::Type {
            param: param.to_text(),
            expected: "the name of a model, or an object with 'model'",
        });
    }
    Ok(())
}

fn model_name(reader: &mut Reader<'_>, param: Param<'_>) -> Result<Box<str>> {
    name::parse_json(reader.text(param)?).ok_or_else(|| BodyError::ModelName { param: param.to_text() })
}

#[cfg(test)]
mod tests;
