//! `tools` and `tool_choice`.

use sparekey_policy::{Endpoint, HostedKind, HostedTool, ToolChoice};

use super::draft::Draft;
use crate::{
    error::BodyError,
    json::{Names, Reader, Result},
    models,
    param::Param,
};

/// Tools that the client runs, and that the request describes.
const OF_CLIENT: [&str; 3] = ["function", "custom", "namespace"];

/// Tools that the client runs, and that the upstream describes to the model.
const DESCRIBED: [&str; 4] = ["computer", "computer_use_preview", "local_shell", "apply_patch"];

/// Tools that the upstream runs, and that are refused.
const REFUSED_TOOLS: [&str; 2] = ["mcp", "code_interpreter"];

/// Bytes of the longest type that is shown. The longest in use has 31.
const TYPE_MAX: usize = 64;

/// Items of `tools`, and of the tools in `tool_choice`. A body with more is refused, because each takes memory. OpenAI takes 128
/// functions in chat completions.
const TOOLS_MAX: usize = 1_024;

// The path in the message is that of its type.
const LEAVE_OUT_TOOL: &str = "Leave out this tool.";
const FUNCTIONS_ONLY: &str = "Send tools of the types 'function' and 'custom' only.";

/// What a tool says of itself.
#[derive(Default)]
struct Tool<'a> {
    type_name: Option<&'a str>,
    /// `environment.type` of a shell.
    is_local: bool,
    /// `execution` of a search for tools.
    is_of_client: bool,
    /// Whether a namespace has a tool that the upstream runs.
    has_hosted: bool,
}

/// Reads `tools`.
pub(super) fn read(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    let mut index = 0_u32;
    reader.array(param, &mut |reader, param, _| {
        let start = reader.position();
        let tool = read_tool(draft, reader, param)?;
        if draft.places.tools.len() >= TOOLS_MAX {
            return Err(BodyError::TooManyTools);
        }
        draft.places.tools.push(start..reader.position());
        add(draft, param, index, &tool);
        index = index.saturating_add(1);
        Ok(())
    })
}

/// Reads tools that the client returns as found.
pub(super) fn read_found(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    reader.array(param, &mut |reader, param, _| {
        let tool = read_tool(draft, reader, param)?;
        if tool.has_hosted || tool.type_name.is_some_and(|name| !OF_CLIENT.contains(&name)) {
            draft.refuse(Param::Field(&param, "type"), FUNCTIONS_ONLY);
        }
        Ok(())
    })
}

fn read_tool<'a>(draft: &mut Draft, reader: &mut Reader<'a>, param: Param<'_>) -> Result<Tool<'a>> {
    let mut tool = Tool::default();
    let fields = const { &Names::new(&["type", "model", "tools", "environment", "execution"]) };
    reader.object(param, fields, &mut |reader, param, field| match field {
        Some("type") => {
            tool.type_name = Some(models::tool_type(reader, param)?);
            Ok(())
        }
        Some("model") => models::read_name(&mut draft.facts, reader, param),
        Some("tools") => reader.array(param, &mut |reader, param, _| {
            reader.object(param, const { &Names::new(&["type", "model"]) }, &mut |reader, param, field| match field {
                Some("type") => {
                    let is_of_client = ["function", "custom"].contains(&models::tool_type(reader, param)?);
                    tool.has_hosted |= !is_of_client;
                    Ok(())
                }
                Some(_) => models::read_name(&mut draft.facts, reader, param),
                None => Ok(()),
            })
        }),
        Some("environment") if reader.peek()? == b'{' => {
            reader.object(param, const { &Names::new(&["type"]) }, &mut |reader, param, field| {
                tool.is_local |= field.is_some() && reader.text(param)? == b"local";
                Ok(())
            })
        }
        Some("execution") if reader.peek()? == b'"' => {
            tool.is_of_client = reader.string()? == b"client";
            Ok(())
        }
        _ => Ok(()),
    })?;
    Ok(tool)
}

fn add(draft: &mut Draft, param: Param<'_>, index: u32, tool: &Tool<'_>) {
    let name = tool.type_name.unwrap_or("function");
    let is_function = ["function", "custom"].contains(&name);
    let is_refused = tool.has_hosted || REFUSED_TOOLS.contains(&name) || (name == "shell" && !tool.is_local);
    if is_refused || (draft.demand.endpoint == Endpoint::ChatCompletions && !is_function) {
        let advice = if is_refused { LEAVE_OUT_TOOL } else { FUNCTIONS_ONLY };
        draft.refuse(Param::Field(&param, "type"), advice);
        return;
    }
    let tools = &mut draft.demand.extras_mut().tools;
    if OF_CLIENT.contains(&name) {
        tools.of_client = tools.of_client.saturating_add(1);
        return;
    }
    if DESCRIBED.contains(&name) || name == "shell" || (name == "tool_search" && tool.is_of_client) {
        tools.of_client = tools.of_client.saturating_add(1);
        tools.described = tools.described.saturating_add(1);
        return;
    }
    let type_name = if name.len() <= TYPE_MAX { name } else { "other" };
    tools.hosted.push(HostedTool { index, kind: HostedKind::from_type(name), type_name: type_name.into() });
}

/// Reads `tool_choice`: a word, a tool, or a list of allowed tools.
pub(super) fn read_choice(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    let choice = if reader.peek()? == b'{' {
        let mut types = Vec::new();
        reader.object(
            param,
            const { &Names::new(&["type", "tools", "allowed_tools"]) },
            &mut |reader, param, field| match field {
                Some("type") => {
                    types.push(models::tool_type(reader, param)?.into());
                    Ok(())
                }
                Some("tools") => read_types(&mut types, reader, param),
                Some(_) => {
                    reader.object(param, const { &Names::new(&["tools"]) }, &mut |reader, param, field| match field {
                        Some(_) => read_types(&mut types, reader, param),
                        None => Ok(()),
                    })
                }
                None => Ok(()),
            },
        )?;
        ToolChoice::Types(types)
    } else {
        match reader.text(param)? {
            b"auto" | b"none" => return Ok(()),
            _ => ToolChoice::Any,
        }
    };
    draft.demand.extras_mut().tools.choice = choice;
    Ok(())
}

fn read_types(types: &mut Vec<Box<str>>, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    reader.array(param, &mut |reader, param, _| {
        reader.object(param, const { &Names::new(&["type"]) }, &mut |reader, param, field| {
            if field.is_some() {
                types.push(models::tool_type(reader, param)?.into());
            }
            if types.len() > TOOLS_MAX { Err(BodyError::TooManyTools) } else { Ok(()) }
        })
    })
}
