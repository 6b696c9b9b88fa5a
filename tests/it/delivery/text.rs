//! Notes as HTML, and recognised again.

use event_connector::platform::intercom::text::{is_same, to_html};
use proptest::prelude::*;

#[test]
fn blocks_become_paragraphs_and_line_ends_become_breaks() {
    let text = "session_id: S1\ntimestamp: 2026-05-18 09:14:00 UTC\n\n[1] User landed on the dashboard page\n[2] User clicked Invite\n\n\n[3] User typed in Email field\n";
    let html = "<p>session_id: S1<br>timestamp: 2026-05-18 09:14:00 UTC</p>\
                <p>[1] User landed on the dashboard page<br>[2] User clicked Invite</p>\
                <p>[3] User typed in Email field</p>";
    assert_eq!(to_html(text), html);
}

#[test]
fn whatever_a_user_typed_arrives_as_text() {
    let html = to_html("clicked \"<b>Save & 'close'</b>\"\u{7}\tnow");
    let wanted = "<p>clicked &quot;&lt;b&gt;Save &amp; &#39;close&#39;&lt;/b&gt;&quot; now</p>";
    assert_eq!(html, wanted);
    assert_eq!(to_html(" \n\r\n \n"), "");
}

#[test]
fn a_note_is_recognised_in_every_shape_it_may_come_back_in() {
    let note = "session_id: S1\n\n[1] User typed <b> & \"x\" in the 'Ö' field";
    for shape in [
        note.to_owned(),
        to_html(note),
        note.replace("\n\n", " "),
        format!("<div class=\"note\">{}\n</div>", to_html(note)),
        to_html(note)
            .replace(' ', "&nbsp;")
            .replace("&quot;", "&#x22;"),
        note.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;"),
    ] {
        assert!(is_same(&shape, note), "{shape}");
    }
}

#[test]
fn another_note_is_not_mistaken_for_ours() {
    let note = "[1] User clicked Save";
    for other in [
        "",
        "[1] User clicked",
        "[1] User clicked Save\n[2] User left",
        "<p></p>",
    ] {
        assert!(!is_same(other, note), "{other}");
    }
    assert!(!is_same("", " \n"));
}

proptest! {
    #[test]
    fn every_text_survives_the_way_to_html_and_back(text in "(.|\n){0,200}") {
        let html = to_html(&text);
        let visible = text.chars().any(|c| {
            !c.is_whitespace() && !c.is_control() && !matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}')
        });
        prop_assert_eq!(is_same(&html, &text), visible);
    }

    #[test]
    fn html_holds_no_tag_that_the_text_brought_along(text in "[<>&\"'a/\n ]{0,80}") {
        let mut rest = to_html(&text);
        for own in ["<p>", "</p>", "<br>"] {
            rest = rest.replace(own, "");
        }
        prop_assert!(!rest.contains(['<', '>', '"', '\'']));
    }
}
