//! The counts of a usage, in the order in which the tables of all engines have them.

use sparekey_policy::{Tokens, ToolCalls, Usage};

/// Reads a usage from its counts, each of which `count` returns.
pub(crate) fn read<E>(mut count: impl FnMut() -> Result<u64, E>) -> Result<Usage, E> {
    let tokens = Tokens {
        input: count()?,
        cached: count()?,
        cache_write: count()?,
        cache_write_12h: count()?,
        input_audio: count()?,
        cached_audio: count()?,
        input_image: count()?,
        cached_image: count()?,
        output: count()?,
        reasoning: count()?,
        output_audio: count()?,
        output_image: count()?,
    };
    let tools = ToolCalls { web_search: count()?, file_search: count()?, containers: count()? };
    Ok(Usage { tokens, tools, audio_milliseconds: count()?, characters: count()? })
}
