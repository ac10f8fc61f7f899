//! Forms.

use sparekey_policy::{AudioFile, Stream};

use super::*;

/// The beginning of an audio file's part, from its name on.
const AUDIO: &str = "file\"; filename=\"a.mp3";

/// Reads a form of such parts. Returns its length too.
fn read_form(endpoint: Endpoint, parts: &[(&str, &str)]) -> Result<(MeteredBody, usize), BodyFailure> {
    let part = |(header, content): &(&str, &str)| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{header}\"\r\n\r\n{content}\r\n")
    };
    let body = parts.iter().map(part).collect::<String>() + "--b--\r\n";
    let target = Target { source: ModelSource::Multipart, path: "/x", query: None };
    let form = &b"multipart/form-data; boundary=b"[..];
    read_metered(endpoint, target, [form], [], body.as_bytes()).map(|read| (read, body.len()))
}

#[test]
fn forms() {
    use Endpoint::{ChatCompletions, ImageEdits, Transcriptions, Translations};
    let (read, file) = (read_form, AUDIO);
    let ok = |endpoint, parts: &[(&str, &str)]| read(endpoint, parts).unwrap().0;
    let refused = |endpoint, parts: &[(&str, &str)]| {
        ok(endpoint, parts).demand.extras().refused.as_ref().map(|refused| refused.param.clone().into_owned())
    };

    let (whisper, length) =
        read(Transcriptions, &[("model", "whisper-1"), (file, &"x".repeat(500)), ("stream", "true")]).unwrap();
    assert_eq!(whisper.facts.model.as_deref(), Some("whisper-1"));
    assert_eq!(whisper.demand.text_bytes, u64::try_from(length - 500).unwrap());
    assert_eq!(whisper.demand.extras().audio_file, Some(AudioFile::Unknown));
    assert_eq!((whisper.demand.stream, &whisper.demand.extras().refused), (Stream::Yes, &None));

    let edit = ok(
        ImageEdits,
        &[
            ("model", "gpt-image-1"),
            ("image[]\"; filename=\"a.png", "x"),
            ("image[]\"; filename=\"b.png", "x"),
            ("mask\"; filename=\"c.png", "x"),
            ("n", "3"),
            ("size", "1024x1024"),
            ("quality", "low"),
            ("partial_images", "1"),
        ],
    );
    let extras = edit.demand.extras();
    assert_eq!((edit.demand.choices, extras.pictures.count, extras.partial_pictures), (3, 3, 1));
    assert_eq!((extras.picture_size.as_deref(), extras.picture_quality.as_deref()), (Some("1024x1024"), Some("low")));

    for (endpoint, part, expected) in [
        (Transcriptions, ("response_format", "srt"), Some("response_format")),
        (Transcriptions, ("response_format", "vtt"), Some("response_format")),
        (Transcriptions, ("response_format", "text"), Some("response_format")),
        (Transcriptions, ("response_format", "verbose_json"), None),
        (Transcriptions, ("response_format", "TEXT"), Some("response_format")),
        (Transcriptions, ("response_format", "json"), None),
        (Transcriptions, ("response_format", "diarized_json"), None),
        (Translations, ("response_format", "text"), Some("response_format")),
        (Translations, ("response_format", "json"), Some("response_format")),
        (Translations, ("prompt", "json"), Some("response_format")),
        (Translations, ("response_format", "verbose_json"), None),
        (ImageEdits, ("response_format", "b64_json"), None),
        (Transcriptions, ("url", "https://a"), Some("url")),
        (Transcriptions, ("file[url]", "https://a"), Some("file")),
        (ImageEdits, ("output_format", "gif"), Some("output_format")),
        (ImageEdits, ("svg[reasoning]", "high"), Some("svg")),
        (ImageEdits, ("frame_count", "9"), Some("frame_count")),
    ] {
        assert_eq!(refused(endpoint, &[part, (file, "x")]).as_deref(), expected, "{endpoint:?} {part:?}");
    }
    assert_eq!(refused(Transcriptions, &[("model", "whisper-1")]).as_deref(), Some("file"));
    assert_eq!(refused(Transcriptions, &[("file", "https://a")]).as_deref(), Some("file"));

    let param = |parts: &[(&str, &str)]| match read(ImageEdits, parts) {
        Err(BodyFailure::Invalid { param, .. }) => param,
        other => panic!("{other:?}"),
    };
    for parts in [
        &[("n", "1"), ("n", "9")][..],
        &[("N", "9")],
        &[("n[]", "9")],
        &[("n", "0")],
        &[("n", "11")],
        &[("n", "100000000000000000000")],
        &[("n", "-1")],
        &[("n", "")],
        &[("n\"; filename=\"n", "1")],
    ] {
        assert_eq!(param(parts).as_deref(), Some("n"), "{parts:?}");
    }
    assert_eq!(param(&[("stream", "yes")]).as_deref(), Some("stream"));
    assert_eq!(param(&[("partial_images", "4")]).as_deref(), Some("partial_images"));
    let param = |parts: &[(&str, &str)]| match read(Transcriptions, parts) {
        Err(BodyFailure::Invalid { param, .. }) => param,
        other => panic!("{other:?}"),
    };
    for parts in [
        &[(file, "x"), (file, "x")][..],
        &[("file", "x"), (file, "x")],
        &[("File\"; filename=\"a", "x")],
        &[("file[]", "x")],
    ] {
        assert_eq!(param(parts).as_deref(), Some("file"), "{parts:?}");
    }
    assert!(read(ChatCompletions, &[("model", "gpt-5")]).is_err(), "no endpoint of forms");
}

#[test]
fn files_of_forms() {
    use Endpoint::{ImageEdits, Transcriptions, Translations};
    // Files are no text where the endpoint reads them.
    for (endpoint, part, is_read) in [
        (ImageEdits, "image", true),
        (ImageEdits, "image[]", true),
        (ImageEdits, "mask", true),
        (ImageEdits, "images[]", false),
        (ImageEdits, "image[0]", false),
        (ImageEdits, "file", false),
        (ImageEdits, "prompt", false),
        (Transcriptions, "file", true),
        (Transcriptions, "image", false),
        (Transcriptions, "prompt", false),
    ] {
        let header = format!("{part}\"; filename=\"a");
        let (read, length) = read_form(endpoint, &[(&header, &"x".repeat(500))]).unwrap();
        let text = u64::try_from(length).unwrap() - if is_read { 500 } else { 0 };
        assert_eq!(read.demand.text_bytes, text, "{endpoint:?} {part}");
    }

    let mp3 = format!("ID3\u{4}{}", "\0".repeat(6));
    assert_eq!(
        read_form(Transcriptions, &[(AUDIO, &mp3)]).unwrap().0.demand.extras().audio_file,
        Some(AudioFile::Unknown)
    );
    let wav =
        "RIFF\0\0\0\0WAVEfmt \u{10}\0\0\0\u{1}\0\u{1}\0\u{10}\0\0\0\u{10}\0\0\0\u{1}\0\u{8}\0data\0\0\0\0\0\0\0\0";
    assert_eq!(
        read_form(Translations, &[(AUDIO, wav)]).unwrap().0.demand.extras().audio_file,
        Some(AudioFile::AtMost(250))
    );
}
