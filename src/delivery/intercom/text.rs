//! A note as Intercom shows it, and recognised again whatever shape it comes back in.

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

/// Removes tags; a `<` that no `>` follows is text.
pub(in crate::delivery) fn strip_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        match tag.split_once('>') {
            Some((_, after)) => rest = after,
            None => {
                text.push('<');
                rest = tag;
            }
        }
    }
    text.push_str(rest);
    text
}

/// Replaces the entities that escaping produces and numeric ones; leaves others as they are.
pub(in crate::delivery) fn decode_entities(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let named = after
            .split_once(';')
            .filter(|(name, _)| name.len() <= ENTITY_BYTES_MAX)
            .and_then(|(name, tail)| Some((entity(name)?, tail)));
        if let Some((c, tail)) = named {
            text.push(c);
            rest = tail;
        } else {
            text.push('&');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}

/// The longest entity that is looked up: `#x10FFFF`.
const ENTITY_BYTES_MAX: usize = 8;
