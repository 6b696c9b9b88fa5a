//! What a person sees and is asked at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use super::{add, ask, at, done};
use crate::cli::binary;
use crate::demo::pseudo_terminal;
use crate::registration::{named, post_click, registered};
use crate::support::Service;

/// Everything that was written to a terminal whose other end is closed: that ends it, as an error or not.
fn shown_on(terminal: &mut File) -> String {
    let mut shown = Vec::new();
    let _ = terminal.read_to_end(&mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

/// What is written to a terminal up to these words, after which somebody may type.
fn shown_until(terminal: &mut File, words: &str) -> String {
    let (mut shown, mut piece) = (String::new(), [0; 256]);
    while !shown.ends_with(words) {
        let length = terminal.read(&mut piece).expect("it is open");
        assert!(length > 0, "it ended: {shown}");
        shown += &String::from_utf8_lossy(&piece[..length]);
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_removed_once_somebody_said_yes() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let remove = ["products", "remove", "northwind"];
    let (code, _, err) = ask(&service, &remove);
    assert_eq!(code, Some(2));
    assert!(err.contains("try: the same with --yes"), "{err}");
    let secret = "wh_northwind_5c1f0a77";
    for (answer, code, status) in [("no", 1, 200), ("", 1, 200), ("y", 0, 404)] {
        let (mut ours, theirs) = pseudo_terminal(80);
        let mut command = binary();
        command.args(remove).envs(at(&service));
        command.stdin(theirs.try_clone().expect("cloned"));
        command.stdout(Stdio::piped()).stderr(theirs);
        let mut child = command.spawn().expect("it starts");
        drop(command);
        let asked = shown_until(&mut ours, "[y/N] ");
        assert!(asked.contains("Remove northwind?"), "{asked}");
        ours.write_all(format!("{answer}\n").as_bytes())
            .expect("typed");
        assert_eq!(
            child.wait().expect("it ends").code(),
            Some(code),
            "{answer}"
        );
        assert_eq!(post_click(&service, "northwind", secret, "A").await, status);
    }
    let shown = done(&service, &["products", "show", "northwind"]);
    assert!(shown.contains("removed"), "{shown}");
    let (code, _, err) = ask(&service, &["products", "remove", "northwind", "--yes"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("products list"), "{err}");
    let forced = [&add("northwind")[..], &["--force"]].concat();
    done(&service, &forced);
    assert_eq!(
        done(&service, &["products", "remove", "northwind", "--yes"])
            .lines()
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_what_was_issued_is_coloured_and_explained() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    for (arguments, parts) in [
        (
            &add("contoso")[..],
            ["\u{1b}[1;32mAuthorization: Bearer ", "shown this once"],
        ),
        (
            &["keys", "create", "northwind"],
            ["\u{1b}[1;32mstr_", "shown this once"],
        ),
        (
            &["products", "invite"],
            ["\u{1b}[1;32mhttp://", "as the base URL of the SDK"],
        ),
    ] {
        let (mut ours, theirs) = pseudo_terminal(200);
        let mut command = binary();
        command.args(arguments).envs(at(&service)).stdout(theirs);
        let mut child = command.spawn().expect("it starts");
        drop(command);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        let shown = shown_on(&mut ours);
        for part in parts {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }
}
