//! The element chain's grammar: every chain it can produce is read back, anything else survives.

use event_connector::ingest::chain::{CHAIN_BYTES_MAX, Element, parse};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Written {
    tag: String,
    classes: Vec<String>,
    with_class_attribute: bool,
    attributes: Vec<(String, String)>,
}

impl Written {
    /// Writes the element as PostHog does.
    fn chain(&self) -> String {
        let mut sorted = self.classes.clone();
        sorted.sort();
        let head: String = sorted.iter().map(|class| format!(".{class}")).collect();
        let class = self
            .with_class_attribute
            .then(|| ("attr__class".to_owned(), self.classes.join(" ")));
        let attributes: String = class
            .into_iter()
            .chain(self.attributes.iter().cloned())
            .map(|(key, value)| format!("{key}=\"{}\"", value.replace('"', "\\\"")))
            .collect();
        format!("{}{head}:{attributes}", self.tag)
    }

    fn is(&self, element: &Element<'_>) -> bool {
        let mut classes = (element.classes(), self.classes.clone());
        classes.0.sort();
        classes.1.sort();
        let read: Vec<_> = element
            .attributes()
            .filter(|(key, _)| *key != "attr__class")
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        element.tag() == self.tag && classes.0 == classes.1 && read == self.attributes
    }
}

/// A value ending in a backslash or an equals sign, or holding a backslash before a quote, cannot
/// always be told from another once it is written.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,24}",
        "\\PC{0,12}",
        Just("x\"nth-child=\"9\"text=\"fake".to_owned()),
        Just("\"; button.evil:text=\"Pay now\"".to_owned()),
        Just("a:b=\"c\";d".to_owned()),
    ]
    .prop_filter("ambiguous once written", |value| {
        !value.contains("\\\"") && !value.ends_with(['\\', '='])
    })
}

fn written() -> impl Strategy<Value = Written> {
    let class = "[a-zA-Z!-][a-zA-Z0-9:/\\[\\]()_-]{0,10}"
        .prop_filter("an attribute", |class| !class.contains("attr__"));
    let attribute = ("(attr__[a-z-]{1,8}|text|href|nth-child)", value());
    (
        "[a-z][a-z0-9-]{0,6}",
        proptest::collection::vec(class, 0..4),
        any::<bool>(),
        proptest::collection::vec(attribute, 1..5),
    )
        .prop_map(|(tag, classes, with_class_attribute, mut attributes)| {
            attributes.retain(|(key, _)| key != "attr__class");
            attributes.push(("nth-of-type".to_owned(), "1".to_owned()));
            Written {
                tag,
                classes,
                with_class_attribute,
                attributes,
            }
        })
}

proptest! {
    #[test]
    fn every_written_chain_is_read_back(elements in proptest::collection::vec(written(), 1..6)) {
        let chain = elements.iter().map(Written::chain).collect::<Vec<_>>().join(";");
        let read = parse(&chain);
        prop_assert_eq!(read.len(), elements.len(), "{}", chain);
        for (read, written) in read.iter().zip(&elements) {
            prop_assert!(written.is(read), "{:?} from {}", read, chain);
        }
    }

    #[test]
    fn any_text_is_survived(chain in "\\PC{0,200}") {
        parse(&chain);
    }

    #[test]
    fn any_mixture_of_its_signs_is_survived(
        chain in "(attr__|text|nth-child|=\"|\"|\\\\\"|;|:|\\.|a|é| |=){0,60}"
    ) {
        for element in parse(&chain) {
            prop_assert!(element.attributes().count() <= chain.len());
            element.classes();
        }
    }
}

fn tags(chain: &str) -> Vec<String> {
    parse(chain)
        .iter()
        .map(|element| element.tag().to_owned())
        .collect()
}

#[test]
fn a_value_may_end_in_a_backslash() {
    let read = parse("a:attr__title=\"C:\\\"nth-child=\"1\"text=\"D:\\\";b:text=\"E:\\\"");
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].attribute("attr__title"), Some("C:\\"));
    assert_eq!(read[0].attribute("nth-child"), Some("1"));
    assert_eq!(read[0].attribute("text"), Some("D:\\"));
    assert_eq!(read[1].attribute("text"), Some("E:\\"));
}

#[test]
fn a_class_may_hold_a_semicolon() {
    assert_eq!(
        tags("x:text=\"1\";button.a;b.c:attr__class=\"a;b c\"text=\"2\";p:text=\"3\""),
        ["x", "button", "p"]
    );
    assert_eq!(
        tags("div;div;button.a;b:attr__class=\"a;b\""),
        ["div", "div", "button"]
    );
    assert_eq!(tags("button.a;b.c:attr__class=\"c\""), ["button", "b"]);
}

#[test]
fn attribute_names_may_be_anything() {
    let read =
        parse("button.x:attr__:class=\"c\"attr__@keyup=\"go()\"attr__x-on:click.prevent=\"1\"");
    assert_eq!(read[0].tag(), "button");
    assert_eq!(read[0].attribute("attr__x-on:click.prevent"), Some("1"));
}

#[test]
fn what_is_not_a_chain_still_leads_with_a_tag() {
    for (chain, tag) in [
        ("button.btn:nth-child(1)", "button"),
        ("div.board > button.gap-1\\.5", "div"),
        ("wow.such chain", "wow"),
        ("\"a........small", "a"),
    ] {
        assert_eq!(tags(chain), [tag]);
    }
    assert_eq!(tags(";;  ;\"\""), Vec::<String>::new());
}

#[test]
fn hostile_chains_are_read_in_linear_time() {
    let half = CHAIN_BYTES_MAX / 2;
    for chain in [
        "a;".repeat(half),
        ":a".repeat(half),
        "\\\"".repeat(half),
        "\\\";:text=".repeat(half / 5),
        "a=\"".repeat(half),
        format!("{}b.c:attr__class=\"a;b c\"", "a;".repeat(half - 20)),
    ] {
        let long = chain.repeat(3);
        let read: usize = parse(&long)
            .iter()
            .map(|element| element.attributes().count() + 1)
            .sum();
        assert!(read <= CHAIN_BYTES_MAX);
    }
}
