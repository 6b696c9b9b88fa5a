//! A note as Intercom shows it, and recognised again whatever shape it comes back in.

use crate::delivery::html::{decode_entities, strip_tags};

/// Renders plain text as the HTML of a note: blocks separated by blank lines become paragraphs, line
/// ends become breaks, and everything else is text. At most six bytes for one, plus eleven per line.
/// Control characters are dropped: no platform shows them and some refuse them.
pub fn to_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    let mut in_block = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            html.push_str(if in_block { "</p>" } else { "" });
            in_block = false;
            continue;
        }
        html.push_str(if in_block { "<br>" } else { "<p>" });
        in_block = true;
        for c in line.chars() {
            push_escaped(&mut html, c);
        }
    }
    html.push_str(if in_block { "</p>" } else { "" });
    html
}

/// Whether `answer`, which is HTML or plain text with or without entities, is the note `text` as a
/// whole. White space does not count, because platforms rearrange it.
pub fn is_same(answer: &str, text: &str) -> bool {
    let wanted = squash(text);
    if wanted.is_empty() {
        return false;
    }
    // Which of the three shapes an answer has cannot be told from the answer: `&lt;` may be what the
    // user typed.
    squash(answer) == wanted
        || squash(&decode_entities(answer)) == wanted
        || squash(&decode_entities(&strip_tags(answer))) == wanted
}

fn push_escaped(html: &mut String, c: char) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        '\t' => html.push(' '),
        c if c.is_control() => {}
        c => html.push(c),
    }
}

/// The text without anything invisible.
fn squash(text: &str) -> String {
    let is_visible = |c: &char| {
        !c.is_whitespace() && !c.is_control() && !matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}')
    };
    text.chars().filter(is_visible).collect()
}
