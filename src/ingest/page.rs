//! What to call a page (contract 3.6.3): the first path segment that is a word.

use percent_encoding::percent_decode_str;

use super::identifier::PLACEHOLDER;
use super::text::{presentable, words};
use super::url::Canonical;

/// The page's name in lower case; `None` for a URL that leads to no page of a site.
pub(crate) fn name(url: &Canonical) -> Option<String> {
    let path = url.path()?;
    let route = path.split_once("/#/").map_or(path, |(_, route)| route);
    let mut named = route.split('/').filter_map(segment_name).peekable();
    let mut skipped = Skipped::default();
    while let Some((segment, name)) = named.next() {
        if named.peek().is_none() || !skipped.skips(segment) {
            return Some(name);
        }
    }
    Some("home".to_owned())
}

/// The name of an app's screen, which has no URL.
pub(crate) fn screen_name(screen: &str) -> Option<String> {
    presentable(&words(screen)).map(std::borrow::Cow::into_owned)
}

/// A segment and what it says; `None` when it says nothing.
fn segment_name(segment: &str) -> Option<(&str, String)> {
    if segment.is_empty() || segment == PLACEHOLDER {
        return None;
    }
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    let name = presentable(&words(without_extension(&decoded)))?.into_owned();
    Some((segment, name))
}

fn without_extension(segment: &str) -> &str {
    const EXTENSIONS: [&str; 9] = [
        "html", "htm", "xhtml", "shtml", "php", "asp", "aspx", "jsp", "cgi",
    ];
    match segment.rsplit_once('.') {
        Some((name, extension))
            if !name.is_empty()
                && EXTENSIONS
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known)) =>
        {
            name
        }
        _ => segment,
    }
}

/// What has been skipped at the beginning of a path: at most one of each.
#[derive(Default)]
struct Skipped {
    locale: bool,
    shell: bool,
}

impl Skipped {
    fn skips(&mut self, segment: &str) -> bool {
        if !self.locale && is_locale(segment) {
            self.locale = true;
            return true;
        }
        if !self.shell && segment.eq_ignore_ascii_case("app") {
            self.shell = true;
            return true;
        }
        false
    }
}

/// A language of the list, alone or with a region or script: `en`, `pt-br`, `zh_Hans`.
fn is_locale(segment: &str) -> bool {
    const LANGUAGES: [&str; 44] = [
        "af", "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fil",
        "fr", "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "nn",
        "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi", "zh",
    ];
    const SCRIPTS: [&str; 4] = ["hans", "hant", "latn", "cyrl"];
    let (language, region) = match segment.split_once(['-', '_']) {
        Some((language, region)) => (language, Some(region)),
        None => (segment, None),
    };
    LANGUAGES
        .iter()
        .any(|known| language.eq_ignore_ascii_case(known))
        && region.is_none_or(|region| {
            (region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_alphabetic()))
                || region == "419"
                || SCRIPTS
                    .iter()
                    .any(|script| region.eq_ignore_ascii_case(script))
        })
}
