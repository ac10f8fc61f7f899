//! The corpus: one file per target, one escaped input per line, so that a change of an input is a change of a line.

use std::{collections::BTreeSet, fs, io, path::PathBuf};

/// Reads the inputs of a target.
///
/// # Errors
/// Those of the file; [`io::ErrorKind::InvalidData`] for a line that is not an escaped input.
pub fn read(target: &str) -> io::Result<BTreeSet<Vec<u8>>> {
    let text = fs::read_to_string(path(target))?;
    let inputs = text.lines().enumerate().map(|(index, line)| {
        unescape(line).ok_or_else(|| {
            let problem = format!("line {} of {} is not an escaped input", index + 1, path(target).display());
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })
    });
    inputs.collect()
}

/// Writes the inputs of a target, sorted.
///
/// # Errors
/// Those of the file.
pub fn write(target: &str, inputs: &BTreeSet<Vec<u8>>) -> io::Result<()> {
    let lines: Vec<_> = inputs.iter().map(|input| input.escape_ascii().to_string()).collect();
    fs::write(path(target), lines.join("\n") + "\n")
}

fn path(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{target}.txt"))
}

/// The reverse of [`slice::escape_ascii`].
fn unescape(line: &str) -> Option<Vec<u8>> {
    let mut bytes = line.bytes();
    let mut input = Vec::with_capacity(line.len());
    while let Some(byte) = bytes.next() {
        input.push(match byte {
            b'\\' => match bytes.next()? {
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
                }
                quoted @ (b'\\' | b'\'' | b'"') => quoted,
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_as_it_was_written() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(unescape(&all.escape_ascii().to_string()), Some(all));
        for line in ["\\", "\\q", "\\x", "\\x1", "\\xzz"] {
            assert_eq!(unescape(line), None, "{line}");
        }
    }
}
