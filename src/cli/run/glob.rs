//! `--only`: `*` for any text, `?` for one character, everything else for itself.

/// Whether the whole name matches.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stood, and the first character that it did not swallow yet.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, swallowed)) = star {
            star = Some((at, swallowed + 1));
            (p, n) = (at + 1, swallowed + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks_match_whole_names() {
        let name = "cm1-2-4_cosine-1f3a9c02";
        for pattern in ["*", "cm1*", "*cosine*", "cm?-2-4_*-1f3a9c02", name, "*_*-*", "**"] {
            assert!(matches(pattern, name), "{pattern}");
        }
        for pattern in ["cm1", "cosine*", "", "?", "*linear*", "cm1-2-4_cosine-1f3a9c02?"] {
            assert!(!matches(pattern, name), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39)));
    }
}
