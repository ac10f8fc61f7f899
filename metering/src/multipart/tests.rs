use super::*;
use crate::content_type::BodyForm;

fn boundary(boundary: &str) -> Boundary {
    let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
    let Ok(BodyForm::Multipart(boundary)) = BodyForm::from_headers([content_type.as_bytes()], []) else {
        panic!("a valid boundary")
    };
    boundary
}

/// The main model, then the others as `param: name`.
fn names(body: &[u8]) -> Result<Vec<String>, BodyError> {
    let facts = read(&boundary("b"), body)?;
    let others = facts.other_models.iter().map(|model| format!("{}: {}", model.param, model.name));
    Ok(facts.model.iter().map(ToString::to_string).chain(others).collect())
}

/// A body of parts, each with its headers.
fn form(parts: &[&str]) -> Vec<u8> {
    let parts = parts.iter().fold(String::new(), |form, part| form + "--b\r\n" + part + "\r\n");
    (parts + "--b--\r\n").into_bytes()
}

const MODEL: &str = "Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1";
const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a é.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
                    \0\r\n\r\nname=\"model\"\r\n\n--\r\n--c\r\n";

#[test]
fn forms_of_clients() {
    let whisper = Ok(vec!["whisper-1".to_owned()]);
    for parts in [
        // openai-node and openai-python.
        &[FILE, MODEL][..],
        &[MODEL, FILE],
        &["content-disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nword", MODEL],
        // .NET.
        &[
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1",
            "Content-Disposition: form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3\r\n\r\nx",
        ],
        // Java.
        &[
            "Content-Disposition: form-data; name=\"model\"\r\nContent-Length: 9\r\nContent-Transfer-Encoding: 8bit\r\n\r\nwhisper-1",
        ],
        &["CONTENT-DISPOSITION:FORM-DATA;NAME=model\r\ncontent-type:text/plain\r\n\r\nwhisper-1"],
    ] {
        assert_eq!(names(&form(parts)), whisper, "{parts:?}");
    }
    assert_eq!(names(&form(&[FILE])), Ok(vec![]));
    let svg = "Content-Disposition: form-data; name=\"svg[model]\"\r\n\r\ngpt-5";
    let reasoning = "Content-Disposition: form-data; name=\"svg[reasoning]\"\r\n\r\nlow";
    let expected = ["whisper-1".to_owned(), "svg.model: gpt-5".to_owned()];
    assert_eq!(names(&form(&[svg, reasoning, MODEL])).as_deref(), Ok(&expected[..]));
    assert_eq!(names(b"--b--"), Ok(vec![]));
    let empty = "Content-Disposition: form-data; name=\"prompt\"\r\n\r\n";
    assert_eq!(names(&form(&[empty, MODEL])), whisper);
}

#[test]
fn fields() {
    let part = |headers: &str, content: &str| format!("content-disposition: form-data; {headers}\r\n\r\n{content}");
    let spelling = |param: &'static str| BodyError::FieldSpelling { param: param.into() };
    let json_only = |param: &'static str| BodyError::JsonOnly { param: param.into() };
    let plain = || BodyError::Type { param: "model".into(), expected: "plain text" };
    let name = || BodyError::ModelName { param: "model".into() };
    for (headers, content, expected) in [
        ("name=Model", "x", spelling("model")),
        ("name=\"model[]\"", "x", spelling("model")),
        ("name=\"model[0]\"", "x", spelling("model")),
        ("name=\"model.x\"", "x", spelling("model")),
        ("name=\"[model]\"", "x", spelling("model")),
        ("name=\"svg.model\"", "x", spelling("svg.model")),
        ("name=\"SVG[model]\"", "x", spelling("svg.model")),
        ("name=\"svg[Model]\"", "x", spelling("svg.model")),
        ("name=svg", "{}", json_only("svg")),
        ("name=models", "x", json_only("models")),
        ("name=\"models[]\"", "x", json_only("models")),
        ("name=\"Fallbacks[0][model]\"", "x", json_only("fallbacks")),
        ("name=\"tools[0][model]\"", "x", json_only("tools")),
        ("name=\"session[model]\"", "x", json_only("session")),
        ("name=_charset_", "utf-7", BodyError::Multipart("it has the field '_charset_'")),
        ("name=model; filename=x", "x", plain()),
        ("name=model; filename*=x", "x", plain()),
        ("name=model\r\ncontent-type: application/json", "\"x\"", plain()),
        ("name=model\r\ncontent-type: text/plain; charset=utf-7", "x", plain()),
        ("name=model\r\ncontent-type: text/plain; charset=utf-8; charset=utf-7", "x", plain()),
        ("name=model\r\ncontent-type: text/plain;", "x", plain()),
        ("name=model", "", name()),
        ("name=model", "x\r\n", name()),
        ("name=model", "é", name()),
    ] {
        assert_eq!(names(&form(&[&part(headers, content)])), Err(expected), "{headers}");
    }
    assert_eq!(names(&form(&[MODEL, MODEL])), Err(BodyError::DuplicateField { param: "model".into() }));
}

#[test]
fn part_headers() {
    let disposition = "content-disposition: form-data; name=x";
    for (headers, message) in [
        ("", "malformed header"),
        ("content-type: text/plain", "no content-disposition"),
        ("content-disposition: form-data", "no name"),
        ("content-disposition: form-data; name=\"\"", "no name"),
        ("content-disposition: form-data; filename=x", "no name"),
        ("content-disposition: form-data; name=\"a b\"", "no name"),
        ("content-disposition: form-data; name=\"%6Dodel\"", "no name"),
        ("content-disposition: form-data; name=\"modèl\"", "no name"),
        ("content-disposition: form-data; name=x; name=model", "parameter twice"),
        ("content-disposition: form-data; name=x; NAME=model", "parameter twice"),
        ("content-disposition: form-data; name=x; filename=a; filename=b", "parameter twice"),
        ("content-disposition: form-data; name=x; name*=utf-8''model", "unknown parameter"),
        ("content-disposition: form-data; name*0=mod; name*1=el", "unknown parameter"),
        ("content-disposition: form-data; name=x; size=1", "unknown parameter"),
        ("content-disposition: form-data; name=\"mod\\el\"", "malformed"),
        ("content-disposition: form-data; name=\"x\"; filename=\"a\\\"; name=\"model\"", "malformed"),
        ("content-disposition: form-data; name=x; filename=\"a; name=model\"", "malformed"),
        ("content-disposition: form-data; name=x;", "malformed"),
        ("content-disposition: form-data; name =x", "malformed"),
        ("content-disposition: form-data, name=x", "not form-data"),
        ("content-disposition: attachment; name=x", "not form-data"),
        (&format!("{disposition}\r\n{disposition}"), "header twice"),
        (&format!("{disposition}\r\nContent-Disposition: form-data; name=model"), "header twice"),
        (&format!("{disposition}\r\ncontent-type: a/b\r\ncontent-type: a/b"), "header twice"),
        (&format!("{disposition}\r\ncontent-transfer-encoding: base64"), "content-transfer-encoding"),
        (&format!("{disposition}\r\ncontent-transfer-encoding: quoted-printable"), "content-transfer-encoding"),
        ("content-disposition: form-data;\r\n name=model", "malformed"),
        (&format!("{disposition}\r\n\tcontinued"), "malformed header"),
        (&format!("{disposition}\r\ncontent-type : a/b"), "malformed header"),
        (&format!("{disposition}\r\nno colon"), "malformed header"),
        (&format!("{disposition}\r\n: x"), "malformed header"),
        (&format!("{disposition}\nx: y"), "malformed header"),
        (&format!("{disposition}\rx: y"), "malformed header"),
        (&format!("{disposition}\r\nx: \0"), "malformed header"),
        (&format!("{disposition}\r\nx: {}", "y".repeat(8192)), "too long"),
    ] {
        match names(&form(&[&format!("{headers}\r\n\r\nvalue")])) {
            Err(BodyError::Multipart(found)) => assert!(found.contains(message), "{headers}: {found}"),
            other => panic!("{headers}: {other:?}"),
        }
    }
    let latin1 = b"--b\r\ncontent-disposition: form-data; name=x; filename=\"\xe9\"\r\n\r\n\r\n--b--";
    assert_eq!(names(latin1), Err(BodyError::Multipart("a part's header is not UTF-8")));
}

#[test]
fn delimiters() {
    let part = "content-disposition: form-data; name=x\r\n\r\n";
    for (body, message) in [
        ("", "does not begin"),
        ("\r\n--b--", "does not begin"),
        ("preamble\r\n--b--", "does not begin"),
        ("--c--", "does not begin"),
        ("-b--", "does not begin"),
        ("--b", "end of its line"),
        ("--b-", "end of its line"),
        ("--b \r\n", "end of its line"),
        ("--b\n", "end of its line"),
        ("--bx\r\n", "end of its line"),
        ("--B--", "does not begin"),
        ("--b--x", "data after"),
        ("--b--\n", "data after"),
        ("--b--\r\n\r\n", "data after"),
        (&format!("--b--\r\n--b\r\n{part}\r\n--b--"), "data after"),
        (&format!("--b\r\n{part}value"), "no final boundary"),
        (&format!("--b\r\n{part}value\r\n--"), "no final boundary"),
        (&format!("--b\r\n{part}value\r\n--b"), "end of its line"),
        (&format!("--b\r\n{part}value\r\n--b\r\n"), "no final boundary"),
        (&format!("--b\r\n{part}value--b--"), "start of a line"),
        (&format!("--b\r\n{part}value\n--b--"), "start of a line"),
        (&format!("--b\r\n{part}value\r--b--"), "start of a line"),
        (&format!("--b\r\n{part}value\r\n--bx\r\n--b--"), "end of its line"),
        (&format!("--b\r\n{part}value\r\n--b \r\n--b--"), "end of its line"),
        (&format!("--b\r\n{part}value\r\n--b\n--b--"), "end of its line"),
        (&format!("--b\r\n{part}--b--"), "headers of a part"),
        ("--b\r\n--b--", "start of a line"),
        ("--b\r\n\r\n--b--", "headers of a part"),
    ] {
        match names(body.as_bytes()) {
            Err(BodyError::Multipart(found)) => assert!(found.contains(message), "{body:?}: {found}"),
            other => panic!("{body:?}: {other:?}"),
        }
    }
}

#[test]
fn no_truncated_form_is_accepted() {
    let body = form(&[FILE, MODEL]);
    assert!(names(&body).is_ok());
    // Without the last line end it is complete.
    for end in 0..body.len() - 2 {
        assert!(names(&body[..end]).is_err(), "{end}");
    }
    assert!(names(&body[..body.len() - 1]).is_err());
}
