//! What elements are called (contract 3.6.2).

use serde_json::json;

use super::{action_of, hog};

/// The title of a click on the element a chain describes.
fn title(chain: &str) -> String {
    action_of(&hog(&json!({"elements_chain": chain}))).title
}

fn titles(cases: &[(&str, &str)]) {
    for (chain, expected) in cases {
        assert_eq!(title(chain), *expected, "{chain}");
    }
}

#[test]
fn the_nearest_interactive_ancestor_gives_the_noun() {
    titles(&[
        (
            "svg.icon:nth-child=\"1\";a:attr__href=\"/b\"href=\"/b\"text=\"Billing settings\"",
            "Click Billing settings link",
        ),
        (
            "span:text=\"Save\";button.b:attr__class=\"b\"text=\"Save all\"",
            "Click Save button",
        ),
        ("div:text=\"Row\";div:attr__role=\"tab\"", "Click Row tab"),
        ("div:text=\"Row\";form:attr__name=\"f\"", "Click Row"),
        ("i:nth-child=\"1\";label:text=\"Yes\"", "Click element"),
        ("label:text=\"Yes\"", "Click Yes"),
        (
            "DIV:nth-child=\"1\";BUTTON:text=\"Loud\"",
            "Click Loud button",
        ),
    ]);
}

#[test]
fn the_role_wins_over_the_tag() {
    titles(&[
        ("a:attr__role=\"button\"text=\"Go\"", "Click Go button"),
        (
            "li:attr__role=\"menuitem\"text=\"Copy\"",
            "Click Copy menu item",
        ),
        (
            "button:attr__aria-label=\"Dark mode\"attr__role=\"switch\"text=\"on\"",
            "Click Dark mode switch",
        ),
        ("a:attr__role=\"presentation\"text=\"Go\"", "Click Go link"),
    ]);
}

#[test]
fn inputs_are_told_apart_by_type() {
    titles(&[
        (
            "input:attr__type=\"submit\"attr__value=\"Buy now\"",
            "Click Buy now button",
        ),
        (
            "input:attr__alt=\"Search\"attr__type=\"image\"",
            "Click Search button",
        ),
        (
            "input:attr__name=\"q\"attr__type=\"search\"",
            "Click Q field",
        ),
        (
            "input:attr__name=\"plan\"attr__type=\"radio\"",
            "Click Plan radio",
        ),
        (
            "select:attr__id=\"columnType\"",
            "Click Column type dropdown",
        ),
        (
            "textarea:attr__placeholder=\"Write a note\"",
            "Click Write a note field",
        ),
    ]);
}

#[test]
fn a_field_never_tells_what_is_in_it() {
    titles(&[
        ("input:attr__value=\"secret\"text=\"secret\"", "Click field"),
        ("textarea:text=\"Dear diary\"", "Click field"),
        ("select:text=\"Germany\"", "Click dropdown"),
        (
            "input:attr__type=\"checkbox\"attr__value=\"x\"",
            "Click checkbox",
        ),
        (
            "p:text=\"my letter\";div:attr__contenteditable=\"true\"",
            "Click field",
        ),
        (
            "div:attr__role=\"textbox\"text=\"my letter\"",
            "Click field",
        ),
    ]);
    let change = hog(
        &json!({"event_type": "change", "elements_chain": "input:attr__type=\"text\"",
        "button_or_link_text": "typed text", "element_id": "", "input_field_name": ""}),
    );
    assert_eq!(action_of(&change).title, "Type in field");
}

#[test]
fn a_field_is_named_in_a_fixed_order() {
    let all = "input:attr__aria-label=\"A\"attr__id=\"f\"attr__name=\"e\"attr__placeholder=\"C\"attr__title=\"D\";\
               div:text=\"no\";label:text=\"B\"";
    let mut chain = all.to_owned();
    for (name, attribute) in [
        ("A", "attr__aria-label=\"A\""),
        ("B", ";label:text=\"B\""),
        ("C", "attr__placeholder=\"C\""),
        ("D", "attr__title=\"D\""),
        ("E", "attr__name=\"e\""),
        ("F", "attr__id=\"f\""),
    ] {
        assert_eq!(title(&chain), format!("Click {name} field"));
        chain = chain.replace(attribute, "");
    }
    assert_eq!(title(&chain), "Click field");
}

#[test]
fn an_element_is_named_in_a_fixed_order() {
    let all = "button:attr__alt=\"D\"attr__aria-label=\"B\"attr__id=\"f\"attr__name=\"e\"attr__title=\"C\"text=\"A\"";
    let mut chain = all.to_owned();
    for (name, attribute) in [
        ("A", "text=\"A\""),
        ("B", "attr__aria-label=\"B\""),
        ("C", "attr__title=\"C\""),
        ("D", "attr__alt=\"D\""),
        ("E", "attr__name=\"e\""),
        ("F", "attr__id=\"f\""),
    ] {
        assert_eq!(title(&chain), format!("Click {name} button"));
        chain = chain.replace(attribute, "");
    }
    assert_eq!(title(&chain), "Click element");
}

#[test]
fn the_vendors_extraction_fills_in_where_the_chain_says_nothing() {
    let title = |fields| action_of(&hog(&fields)).title;
    let pseudo = "button.btn:nth-child(1)";
    assert_eq!(
        title(json!({"elements_chain": pseudo, "button_text": "Filter"})),
        "Click Filter button"
    );
    assert_eq!(title(json!({"element_id": "add-card"})), "Click Add card");
    assert_eq!(
        title(json!({"input_field_name": "user_name", "element_id": "x"})),
        "Click User name"
    );
    let nameless = "div:nth-child=\"1\"";
    assert_eq!(
        title(json!({"elements_chain": nameless, "button_or_link_text": "Late"})),
        "Click Late"
    );
    assert_eq!(
        title(json!({"elements_chain": nameless, "element_id": "own"})),
        "Click Own"
    );
}

#[test]
fn an_ancestors_name_is_not_the_elements() {
    let click = hog(&json!({
        "elements_chain": "button:nth-child=\"1\";form:attr__name=\"member\";div:attr__id=\"root\"attr_id=\"root\"",
        "input_field_name": "member", "element_id": "root",
    }));
    assert_eq!(action_of(&click).title, "Click element");
}

#[test]
fn the_noun_is_not_said_twice() {
    titles(&[
        ("button:text=\"Save Button\"", "Click Save Button"),
        ("button:text=\"button\"", "Click button"),
        ("a:text=\"Backlink\"", "Click Backlink link"),
    ]);
}

#[test]
fn text_becomes_one_clean_line() {
    titles(&[
        (
            "button:text=\"  Update\n\tpayment\u{A0}\u{2028} method \"",
            "Click Update payment method button",
        ),
        (
            "button:text=\"zero\u{200B}width\u{FEFF}\u{202E}\"",
            "Click zerowidth button",
        ),
        (
            "button:text=\"\u{1F469}\u{200D}\u{1F4BB} می\u{200C}خواهم\"",
            "Click \u{1F469}\u{200D}\u{1F4BB} می\u{200C}خواهم button",
        ),
        (
            "button:attr__title=\"Real\"text=\"\u{200D} \u{200B}\"",
            "Click Real button",
        ),
    ]);
    let exact = "x".repeat(80);
    assert_eq!(
        title(&format!("div:text=\"{exact}\"")),
        format!("Click {exact}")
    );
    let cut = "x".repeat(79);
    assert_eq!(
        title(&format!("div:text=\"{exact}y\"")),
        format!("Click {cut}…")
    );
}

#[test]
fn card_numbers_are_passed_over() {
    for number in [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "pay 4111111111111111 now",
        "order 12345 4111 1111 1111 1111 05 27",
        "４１１１ １１１１ １１１１ １１１１",
        "41\u{200B}11 1111 1111 1111",
    ] {
        let chain = format!("button:attr__title=\"Card\"text=\"{number}\"");
        assert_eq!(title(&chain), "Click Card button", "{number}");
    }
    titles(&[
        (
            "button:text=\"4111 1111 1111 1112\"",
            "Click 4111 1111 1111 1112 button",
        ),
        ("button:text=\"411111\"", "Click 411111 button"),
    ]);
}
