//! The page itself: a shell of headings, the style and the scripts, all embedded in the program, and the data.
//!
//! In: a [`Document`]. Out: HTML. Scripts and styles are allowed by the hash of their text and by nothing else, so text
//! from a run folder that got into the markup, against all care, would still not run.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::document::{Document, Target};
use crate::guard::escape_json;

const SHELL: &str = include_str!("assets/shell.html");
const STYLE: &str = include_str!("assets/style.css");

/// In the order in which they need one another; together they are one script with one scope.
const SCRIPTS: &[&str] = &[
    include_str!("assets/dom.js"),
    include_str!("assets/numbers.js"),
    include_str!("assets/data.js"),
    include_str!("assets/palette.js"),
    include_str!("assets/scale.js"),
    include_str!("assets/axes.js"),
    include_str!("assets/chart.js"),
    include_str!("assets/chart_input.js"),
    include_str!("assets/summary.js"),
    include_str!("assets/table.js"),
    include_str!("assets/results.js"),
    include_str!("assets/series.js"),
    include_str!("assets/curves.js"),
    include_str!("assets/denoising.js"),
    include_str!("assets/effects.js"),
    include_str!("assets/parallel.js"),
    include_str!("assets/cost.js"),
    include_str!("assets/samples.js"),
    include_str!("assets/schedules.js"),
    include_str!("assets/settings.js"),
    include_str!("assets/runs.js"),
    include_str!("assets/failures.js"),
    include_str!("assets/theme.js"),
    include_str!("assets/live.js"),
    include_str!("assets/main.js"),
];

static SCRIPT: LazyLock<String> =
    LazyLock::new(|| format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPTS.concat()));

/// The whole page.
pub(crate) fn page(document: &Document, target: Target) -> String {
    let data = data_json(document);
    let parts = [
        ("title", escape_html(document.title())),
        ("policy", policy(target)),
        ("style", STYLE.to_owned()),
        ("verdict", escape_html(document.verdict())),
        ("data", data),
        ("script", SCRIPT.clone()),
    ];
    fill(SHELL, &parts)
}

/// What the page may load: its own scripts and style by hash, pictures in itself, and live what its server gives.
pub(crate) fn policy(target: Target) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let from_server = match target {
        Target::File => "img-src data:",
        Target::Live => "img-src data: 'self'; connect-src 'self'",
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; {from_server}; base-uri 'none'; \
         form-action 'none'",
        hash(&SCRIPT),
        hash(STYLE),
    )
}

/// The data as JSON in which nothing can end the element it stands in.
pub(crate) fn data_json(data: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(data).expect("plain fields with string keys serialise");
    escape_json(&json).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Puts each part in place of its `{{name}}`; parts are not searched for further names.
fn fill(shell: &str, parts: &[(&str, String)]) -> String {
    let mut page =
        String::with_capacity(shell.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>());
    let mut rest = shell;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the shell closes its braces");
        let part = parts.iter().find(|(known, _)| *known == name);
        page.push_str(before);
        page.push_str(&part.expect("the shell names known parts").1);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Text that is safe between tags and in quoted attributes.
fn escape_html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '"' | '\'' => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "&#{};", u32::from(character));
            }
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let hostile = "</script><!-- & \u{2028}\u{1b}";
        let json = data_json(&serde_json::json!({ "name": hostile }));
        assert!(!json.contains(['<', '>', '&', '\u{2028}', '\u{1b}']), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["name"], hostile);
        assert_eq!(escape_html("<a href=\"'&\">"), "&#60;a href=&#34;&#39;&#38;&#34;&#62;");
    }

    #[test]
    fn the_scripts_set_no_markup_from_text() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "javascript:",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        // The end of the element would end the script.
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
        for attribute in [" style=", " onclick=", " onload=", "src=\""] {
            assert!(!SHELL.contains(attribute), "{attribute}");
        }
    }
}
