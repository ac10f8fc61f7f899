//! The messages of chat completions and the items of responses.

use super::{draft::Draft, picture, tools};
use crate::{
    json::{Names, Reader, Result},
    param::Param,
};

/// Items whose whole content is in the body.
const VISIBLE: [&[u8]; 15] = [
    b"message",
    b"function_call",
    b"function_call_output",
    b"custom_tool_call",
    b"custom_tool_call_output",
    b"computer_call",
    b"computer_call_output",
    b"local_shell_call",
    b"local_shell_call_output",
    b"shell_call",
    b"shell_call_output",
    b"apply_patch_call",
    b"apply_patch_call_output",
    b"tool_search_call",
    b"tool_search_output",
];

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

static ITEM_FIELDS: Names =
    Names::new(&["type", "role", "id", "content", "output", "audio", "encrypted_content", "tools"]);

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
    reader.object(param, &ITEM_FIELDS, &mut |reader, param, field| {
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
    match kind {
        Some(REASONING) if is_reference => {
            let references = &mut draft.demand.extras_mut().reasoning_references;
            *references = references.saturating_add(1);
        }
        Some(kind) if VISIBLE.contains(&kind) || (REFERRING.contains(&kind) && !is_reference) => {}
        None if has_role => {}
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
