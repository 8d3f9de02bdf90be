//! Files that `kubectl get … -o json` has written.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeSeed as _;

use super::bounds::{MAX_BYTES, MAX_OBJECT_BYTES, name_of};
use super::material::Material;
use super::objects::Document;
use crate::exit::Failure;
use crate::render::printable;

/// Reads files; `-` is standard input.
///
/// # Errors
/// When one cannot be read, or holds something that no cluster would. File and object are named.
pub(super) fn read(paths: &[PathBuf], material: &mut Material, mut progress: impl FnMut(usize)) -> Result<(), Failure> {
    let left = Cell::new(MAX_BYTES);
    for path in paths {
        let shown = if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() };
        let failure = |why: &str| Failure::error(printable(&format!("{shown}: {why}")));
        if path == Path::new("-") {
            read_one(io::stdin().lock(), &left, material, &mut progress).map_err(|why| failure(&why))?;
        } else {
            let file = std::fs::File::open(path).map_err(|error| failure(&format!("cannot be read: {error}")))?;
            read_one(file, &left, material, &mut progress).map_err(|why| failure(&why))?;
        }
    }
    Ok(())
}

fn read_one(
    input: impl Read,
    left: &Cell<u64>,
    material: &mut Material,
    progress: &mut impl FnMut(usize),
) -> Result<(), String> {
    let left_of_object = Cell::new(MAX_OBJECT_BYTES);
    let bounded = Bounded { input, left, left_of_object: &left_of_object };
    let mut reader = BufReader::with_capacity(1 << 20, bounded);
    let mut taken = 0_usize;
    let mut last = String::new();
    let mut take = |object: serde_json::Value| {
        left_of_object.set(MAX_OBJECT_BYTES);
        let name = name_of(&object);
        material.take(object)?;
        taken += 1;
        last = name.unwrap_or_default();
        if taken.is_multiple_of(1_000) {
            progress(taken);
        }
        Ok(())
    };
    let outcome = documents(&mut reader, &mut take);
    progress(taken);
    match outcome {
        Ok(0) => Err("it is empty: write it with `kubectl get deploy,sts,ds,rs,pods,ns,pdb -A -o json`".to_owned()),
        Ok(_) => Ok(()),
        Err(error) if taken == 0 && error.is_syntax() => Err(format!("it is no JSON ({error}): write it with -o json")),
        Err(error) if last.is_empty() => Err(error.to_string()),
        Err(error) => Err(format!("after {last} (object {taken}): {error}")),
    }
}

/// One after the other, as several commands that write into one file leave them. Returns how many there were.
fn documents(reader: &mut impl Read, take: &mut impl super::objects::Take) -> Result<usize, serde_json::Error> {
    let mut read = 0;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    loop {
        match deserializer.end() {
            Ok(()) => return Ok(read),
            // There is more.
            Err(error) if error.is_syntax() => {}
            Err(error) => return Err(error),
        }
        Document(&mut *take).deserialize(&mut deserializer)?;
        read += 1;
    }
}

/// Ends what would not end.
struct Bounded<'a, R> {
    input: R,
    left: &'a Cell<u64>,
    left_of_object: &'a Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let size = read as u64;
        let (all, one) = (self.left.get(), self.left_of_object.get());
        if size > all {
            return Err(io::Error::other(format!("the files are larger than {} GiB", MAX_BYTES >> 30)));
        }
        if size > one {
            return Err(io::Error::other(format!("an object is larger than {} MiB", MAX_OBJECT_BYTES >> 20)));
        }
        self.left.set(all - size);
        self.left_of_object.set(one - size);
        Ok(read)
    }
}
