//! Fenced blocks of a Markdown text.

/// A block.
pub(crate) struct Block {
    /// What stands behind the fence.
    pub(crate) language: String,
    /// The line it begins at.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Every block, in order.
#[track_caller]
pub(crate) fn fenced(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => block.text += &format!("{line}\n"),
            (None, Some(language)) => {
                open = Some(Block { language: language.to_owned(), line: number + 1, text: String::new() });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is never closed");
    found
}

/// The contents of the blocks of a language, each with the line it begins at.
#[track_caller]
pub(crate) fn blocks(markdown: &str, language: &str) -> Vec<(usize, String)> {
    let wanted = fenced(markdown).into_iter().filter(|block| block.language == language);
    wanted.map(|block| (block.line, block.text)).collect()
}

#[test]
fn blocks_are_found_with_their_language_and_line() {
    let text = "# Title\n```toml\na = 1\n```\ntext\n```\nplain\n```\n";
    assert_eq!(blocks(text, "toml"), [(2, "a = 1\n".to_owned())]);
    assert_eq!(blocks(text, ""), [(6, "plain\n".to_owned())]);
}
