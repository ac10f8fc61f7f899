//! Forms of metered requests, compared with other readers.

use sparekey_metering::{Target, read_metered};
use sparekey_policy::{Demand, Endpoint, ModelSource};

use crate::models_in_form::{Part, readings};

/// The endpoints of forms. The first byte of an input chooses one.
const ENDPOINTS: [Endpoint; 3] = [Endpoint::ImageEdits, Endpoint::Transcriptions, Endpoint::Translations];

/// Checks that readers of all kinds find no larger demand in an accepted form.
pub(crate) fn metered_form(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let endpoint = ENDPOINTS[usize::from(*first) % ENDPOINTS.len()];
    let content_type = &b"multipart/form-data; boundary=Xx"[..];
    let target = Target { source: ModelSource::Multipart, path: "/x", query: None };
    let Ok(read) = read_metered(endpoint, target, [content_type], [], body) else { return };
    for parts in readings(body) {
        check(&read.demand, &parts, body);
    }
}

fn check(demand: &Demand, parts: &[Part], body: &[u8]) {
    let text = body.escape_ascii();
    let extras = demand.extras();
    let named = |field: &'static str| parts.iter().filter(move |part| part.may_have_name(field));
    let files = if demand.endpoint == Endpoint::ImageEdits { &["image", "mask"][..] } else { &["file"] };
    let is_read_as_file = |part: &&Part| part.has_file_name() && files.iter().any(|name| part.may_have_name(name));
    let bytes = |parts: &mut dyn Iterator<Item = &Part>| parts.map(|part| part.content.len()).sum::<usize>();
    let of_text = bytes(&mut parts.iter().filter(|part| !is_read_as_file(part)));
    assert!(demand.text_bytes >= u64::try_from(of_text).expect("a size"), "{text}");

    for (field, expected) in [("n", demand.choices), ("partial_images", extras.partial_pictures)] {
        for part in named(field) {
            let digits = String::from_utf8_lossy(&part.content);
            assert_eq!(digits.parse().unwrap_or(u64::MAX), expected, "{field}: {text}");
        }
    }
    for part in named("stream") {
        assert_eq!(part.content.eq_ignore_ascii_case(b"true"), demand.is_streamed(), "{text}");
    }
    if demand.endpoint == Endpoint::ImageEdits {
        let pictures = files.iter().map(|field| named(field).count()).sum::<usize>();
        assert!(extras.pictures.count >= u64::try_from(pictures).expect("a number"), "{text}");
        return;
    }
    assert!(named("file").count() <= 1 && (extras.audio_file.is_some() || extras.refused.is_some()), "{text}");
    let formats: Vec<_> = named("response_format").map(|part| &*part.content).collect();
    let reports = match demand.endpoint {
        Endpoint::Translations => formats == [b"verbose_json"],
        _ => !formats.iter().any(|format| [&b"text"[..], b"srt", b"vtt"].contains(format)),
    };
    assert!(reports || extras.refused.is_some(), "{text}");
}
