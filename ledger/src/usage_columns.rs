//! The counts of a usage, in the order in which the tables of all engines have them.

use sparekey_policy::Usage;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
use sparekey_policy::{Tokens, ToolCalls};

use crate::day::count;

/// Reads a usage from its counts, each of which `count` returns.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
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

/// Returns the counts of a usage with the names of their columns.
pub(crate) fn named(usage: &Usage) -> [(&'static str, i64); 17] {
    let Usage { tokens, tools, audio_milliseconds, characters } = usage;
    [
        ("input", count(tokens.input)),
        ("cached", count(tokens.cached)),
        ("cache_write", count(tokens.cache_write)),
        ("cache_write_12h", count(tokens.cache_write_12h)),
        ("input_audio", count(tokens.input_audio)),
        ("cached_audio", count(tokens.cached_audio)),
        ("input_image", count(tokens.input_image)),
        ("cached_image", count(tokens.cached_image)),
        ("output", count(tokens.output)),
        ("reasoning", count(tokens.reasoning)),
        ("output_audio", count(tokens.output_audio)),
        ("output_image", count(tokens.output_image)),
        ("web_search", count(tools.web_search)),
        ("file_search", count(tools.file_search)),
        ("containers", count(tools.containers)),
        ("audio_ms", count(*audio_milliseconds)),
        ("characters", count(*characters)),
    ]
}
