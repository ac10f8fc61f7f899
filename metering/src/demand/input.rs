//! The messages of chat completions and the items of responses.

use super::{draft::Draft, picture, tools};
use crate::{
    json::{Names, Reader, Result},
    param::Param,
};

/// Fields that have the content of an item.
const CONTENT: [&str; 10] = [
    "content",
    "output",
    "arguments",
    "input",
    "action",
    "actions",
    "operation",
    "tools",
    "tool_calls",
    "function_call",
];

/// Items whose whole content is in the body, and the fields that have it. With an id and none of them, an item is a reference.
const VISIBLE: [(&[u8], &[&str]); 15] = [
    (MESSAGE, &["content", "tool_calls", "function_call"]),
    (b"function_call", &["arguments"]),
    (b"function_call_output", &["output"]),
    (b"custom_tool_call", &["input"]),
    (b"custom_tool_call_output", &["output"]),
    (b"computer_call", &["action", "actions"]),
    (b"computer_call_output", &["output"]),
    (b"local_shell_call", &["action"]),
    (b"local_shell_call_output", &["output"]),
    (b"shell_call", &["action"]),
    (b"shell_call_output", &["output"]),
    (b"apply_patch_call", &["operation"]),
    (b"apply_patch_call_output", &["output"]),
    (b"tool_search_call", &["arguments"]),
    (b"tool_search_output", &["tools"]),
];
const MESSAGE: &[u8] = b"message";

/// Items with a part that the upstream finds by their id, unless they have it encrypted.
const REFERRING: [&[u8]; 5] =
    [REASONING, b"compaction", b"web_search_call", b"file_search_call", b"code_interpreter_call"];
const REASONING: &[u8] = b"reasoning";

/// Parts that are text, or whose fields are read.
const PARTS: [&[u8]; 12] = [
    b"text",
    b"input_text",
    b"output_text",
    b"refusal",
    b"summary_text",
    b"reasoning_text",
    b"image_url",
    b"input_image",
    b"computer_screenshot",
    b"input_audio",
    b"file",
    b"input_file",
];

/// Fields of a part that refer to content, or have content with more tokens than bytes: a PDF is compressed.
static PART_FIELDS: Names = Names::new(&[
    "type",
    "image_url",
    "input_audio",
    "file",
    "file_id",
    "file_url",
    "file_data",
    "audio_url",
    "video_url",
]);

const ITEM_FIELDS: Names = Names::new(&[
    "type",
    "role",
    "id",
    "audio",
    "encrypted_content",
    "content",
    "output",
    "arguments",
    "input",
    "action",
    "actions",
    "operation",
    "tools",
    "tool_calls",
    "function_call",
]);

// The content of each item is read.
const _: () = assert!(ITEM_FIELDS.contain(&CONTENT));

/// Reads `messages` or `input`.
pub(super) fn read(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    if reader.peek()? == b'"' {
        return Ok(());
    }
    reader.array(param, &mut |reader, param, _| {
        if reader.peek()? == b'"' {
            return Ok(());
        }
        read_item(draft, reader, param)
    })
}

fn read_item(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    let (mut kind, mut has_role, mut has_id, mut is_encrypted) = (None, false, false, false);
    let mut has_content = [false; CONTENT.len()];
    reader.object(param, &ITEM_FIELDS, &mut |reader, param, field| {
        let content = CONTENT.iter().zip(&mut has_content).find(|(name, _)| field == Some(**name));
        if let Some((_, has_content)) = content {
            *has_content = !reader.is_empty_list();
        }
        match field {
            Some("type") => kind = Some(reader.text(param)?),
            Some("role") => has_role = reader.text(param).map(|_| true)?,
            Some("id") => has_id = true,
            Some("content" | "output") => read_content(draft, reader, param)?,
            // Of an earlier response.
            Some("audio") => draft.hide_input(param),
            Some("encrypted_content") => is_encrypted = !reader.text(param)?.is_empty(),
            Some("tools") => tools::read_found(draft, reader, param)?,
            _ => {}
        }
        Ok(())
    })?;
    let is_reference = has_id && !is_encrypted;
    // A message needs no type.
    let kind = kind.or(Some(MESSAGE).filter(|_| has_role));
    let is_visible = |kind: &[u8]| {
        let fields = VISIBLE.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields);
        let mut content = CONTENT.iter().zip(has_content).filter(|(_, has_content)| *has_content);
        fields.is_some_and(|fields| !has_id || content.any(|(name, _)| fields.contains(name)))
    };
    match kind {
        Some(REASONING) if is_reference => {
            let references = &mut draft.demand.extras_mut().reasoning_references;
            *references = references.saturating_add(1);
        }
        Some(kind) if is_visible(kind) || (REFERRING.contains(&kind) && !is_reference) => {}
        Some(_) | None => draft.hide_input(param),
    }
    Ok(())
}

/// Reads a string, a part, or a list of parts.
fn read_content(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    match reader.peek()? {
        b'[' => reader.array(param, &mut |reader, param, _| match reader.peek()? {
            b'{' => read_part(draft, reader, param),
            _ => Ok(()),
        }),
        b'{' => read_part(draft, reader, param),
        _ => Ok(()),
    }
}

fn read_part(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    reader.object(param, &PART_FIELDS, &mut |reader, param, field| {
        match field {
            Some("type") if PARTS.contains(&reader.text(param)?) => {}
            Some("image_url") if reader.peek()? == b'{' => {
                reader.object(param, const { &Names::new(&["url"]) }, &mut |reader, param, field| match field {
                    Some(_) => read_picture(draft, reader, param),
                    None => Ok(()),
                })?;
            }
            Some("image_url") => read_picture(draft, reader, param)?,
            Some("input_audio") => draft.demand.extras_mut().has_audio_input = true,
            Some(_) => draft.hide_input(param),
            None => {}
        }
        Ok(())
    })
}

fn read_picture(draft: &mut Draft, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
    let url = reader.text(param)?;
    if let Some(patches) = picture::patches(url) {
        draft.picture_bytes = draft.picture_bytes.saturating_add(url.len());
        draft.add_picture(patches);
    } else {
        draft.hide_input(param);
    }
    Ok(())
}
