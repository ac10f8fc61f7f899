//! The longest duration of an audio file, from its bytes.
//!
//! A duration follows from the bytes of two formats only: WAV without compression, and MP3, whose lowest rate is 8 kbit/s. A
//! minute of silence has a few bytes in FLAC, Opus or Vorbis, and containers such as MP4 state durations of their own.
//!
//! The format is that of the first bytes, as decoders find it, and not that of the file's name. Decoders such as
//! [FFmpeg's](https://ffmpeg.org/doxygen/trunk/wavdec_8c_source.html) also look for compressed audio in the samples of a WAV
//! file, and for other formats in the whole of an MP3 file: `foreign.rs` looks for them too.

mod foreign;
mod frame;
mod mp3;
mod wav;

use sparekey_policy::AudioFile;

/// Returns the duration of a file.
pub(crate) fn read(file: &[u8]) -> AudioFile {
    let milliseconds = if file.starts_with(wav::MAGIC) { wav::milliseconds(file) } else { mp3::milliseconds(file) };
    milliseconds.map_or(AudioFile::Unknown, AudioFile::AtMost)
}

#[cfg(test)]
mod tests;
