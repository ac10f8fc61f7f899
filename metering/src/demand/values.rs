//! Values of fields.

use sparekey_policy::{ServiceTier, Tier};

use crate::{
    error::BodyError,
    json::{Reader, Result},
    param::Param,
};

/// Characters of a value that is compared with a list. Longer ones are in no list.
const WORD_MAX: usize = 64;

/// A number of outputs. One that OpenAI does not take is a mistake of the client, and not a request that needs a large budget.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    /// `n` of a text: <https://platform.openai.com/docs/api-reference/chat/create>
    Choices,
    /// `best_of`: <https://platform.openai.com/docs/api-reference/completions/create>
    Candidates,
    /// `n` of images: <https://platform.openai.com/docs/api-reference/images/create>
    Pictures,
    /// `partial_images`, likewise.
    PartialPictures,
}

impl Count {
    /// Checks a number.
    ///
    /// # Errors
    /// The numbers that can be sent.
    pub(crate) fn check(self, count: u64) -> std::result::Result<u64, &'static str> {
        let (range, expected) = match self {
            Self::Choices => (1..=128, "a whole number from 1 to 128"),
            Self::Candidates => (1..=20, "a whole number from 1 to 20"),
            Self::Pictures => (1..=10, "a whole number from 1 to 10"),
            Self::PartialPictures => (0..=3, "a whole number from 0 to 3"),
        };
        Some(count).filter(|count| range.contains(count)).ok_or(expected)
    }

    pub(super) fn read(self, reader: &mut Reader<'_>, param: Param<'_>) -> Result<u64> {
        let count = reader.unsigned(param)?;
        self.check(count).map_err(|expected| BodyError::Type { param: param.to_text(), expected })
    }
}

pub(super) fn service_tier(value: &[u8]) -> ServiceTier {
    let named = std::str::from_utf8(value).ok().and_then(Tier::from_service_tier);
    match value {
        b"auto" => ServiceTier::Auto,
        _ => named.map_or(ServiceTier::Unknown, ServiceTier::Named),
    }
}

/// Reads `prompt`: a string, tokens, or a list of either. Returns the number of prompts.
pub(super) fn prompts(reader: &mut Reader<'_>, param: Param<'_>) -> Result<u64> {
    let mut prompts = 0_u64;
    if reader.peek()? == b'[' {
        reader.array(param, &mut |reader, _, _| {
            if matches!(reader.peek()?, b'"' | b'[') {
                prompts = prompts.saturating_add(1);
            }
            Ok(())
        })?;
    }
    Ok(prompts.max(1))
}

/// Returns the number of characters in the content of a JSON string. A pair of surrogates is one.
pub(super) fn characters(content: &[u8]) -> u64 {
    let (mut rest, mut count) = (content, 0_u64);
    loop {
        let is_start;
        (rest, is_start) = match rest {
            [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', _, _, low @ ..] => {
                (low.get(6..).unwrap_or_default(), true)
            }
            [b'\\', b'u', _, _, _, _, rest @ ..] | [b'\\', _, rest @ ..] => (rest, true),
            [byte, rest @ ..] => (rest, byte & 0xc0 != 0x80),
            [] => return count,
        };
        count = count.saturating_add(is_start.into());
    }
}

/// A value that is compared with a list. One that is in no list is `?`.
pub(crate) fn word(value: &[u8]) -> Box<str> {
    let is_word = value.len() <= WORD_MAX && value.iter().all(u8::is_ascii_graphic) && !value.contains(&b'\\');
    std::str::from_utf8(value).ok().filter(|_| is_word).unwrap_or("?").into()
}
