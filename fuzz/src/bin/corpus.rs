//! Moves inputs between the corpus and folders with a file for each input, as libFuzzer reads and writes them.

use std::{collections::BTreeSet, env, fs, io, path::Path, process::ExitCode};

use fuzz::corpus;

const USAGE: &str = "\
corpus unpack TARGET FOLDER   write each input of the target into a file of the folder
corpus pack TARGET FOLDER     replace the inputs of the target by the files of the folder
corpus add TARGET FILE...     add files to the inputs of the target";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["pack", target, folder] => files(Path::new(folder)).and_then(|inputs| corpus::write(target, &inputs)),
        ["add", target, files @ ..] if !files.is_empty() => add(target, files),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    for (number, input) in corpus::read(target)?.iter().enumerate() {
        fs::write(folder.join(format!("{number:05}")), input)?;
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<BTreeSet<Vec<u8>>> {
    fs::read_dir(folder)?.map(|file| fs::read(file?.path())).collect()
}

fn add(target: &str, files: &[&str]) -> io::Result<()> {
    let mut inputs = corpus::read(target)?;
    for file in files {
        inputs.insert(fs::read(file)?);
    }
    corpus::write(target, &inputs)
}
