//! The fenced blocks of a document.

use anyhow::{Result, bail};

/// What is to be done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A script that must succeed.
    Run,
    /// Commands after a `$`, each followed by what it prints.
    Converse,
    /// The contents of a file of this name.
    Write(String),
    /// For people.
    Show,
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// What is to be done with it.
    pub purpose: Purpose,
    /// What is between the fences.
    pub text: String,
}

/// Languages of blocks that nobody runs.
const SHOWN: [&str; 6] = ["yaml", "text", "json", "promql", "lua", "rust"];

/// All blocks, in order. Fails on a language that is not known: a command in it would be run by nobody.
pub fn blocks(document: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let purpose = match info.split_once(' ').unwrap_or((info, "")) {
            ("sh", "") => Purpose::Run,
            ("console", "") => Purpose::Converse,
            ("yaml", file) if file.starts_with("file=") => Purpose::Write(file["file=".len()..].to_owned()),
            (language, "") if SHOWN.contains(&language) => Purpose::Show,
            _ => bail!("line {}: nobody knows what to do with a block of `{info}`", number + 1),
        };
        let mut text = String::new();
        let mut is_closed = false;
        for (_, line) in lines.by_ref() {
            if line.trim() == "```" {
                is_closed = true;
                break;
            }
            text.push_str(line.get(indent..).unwrap_or(line.trim_start()));
            text.push('\n');
        }
        if !is_closed {
            bail!("line {}: the block does not end", number + 1);
        }
        blocks.push(Block { line: number + 1, purpose, text });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::{Block, Purpose, blocks};

    #[test]
    fn blocks_are_told_apart_by_their_info() {
        let document = "# A\n\n```sh\nls\n```\n\n1. b\n\n   ```yaml file=a.yaml\n   a:\n     b\n   ```\n";
        let expected = [
            Block { line: 3, purpose: Purpose::Run, text: "ls\n".to_owned() },
            Block { line: 9, purpose: Purpose::Write("a.yaml".to_owned()), text: "a:\n  b\n".to_owned() },
        ];
        assert_eq!(blocks(document).expect("it is valid"), expected);
    }

    #[test]
    fn a_block_that_nobody_would_run_by_mistake_is_an_error() {
        assert!(blocks("```bash\nrm -r /\n```\n").is_err());
        assert!(blocks("```\nls\n```\n").is_err());
        assert!(blocks("```sh\nls\n").is_err());
    }
}
