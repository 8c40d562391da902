//! Names the words of raw files: 140 counts a step, one byte each.
mod word;

use std::path::Path;
use word::{label, sound, Word};

fn main() -> std::io::Result<()> {
    assert!(sound(), "the tables are damaged");
    for file in std::env::args().skip(1) {
        let counts = std::fs::read(&file)?;
        let mut stream = Word::new();
        let class = counts.chunks_exact(Word::inputs()).fold(-1, |_, x| stream.step(x));
        let name = Path::new(&file).file_name().unwrap_or_default().to_string_lossy();
        println!("{name}: {}", label(class).unwrap_or("?"));
    }
    Ok(())
}
