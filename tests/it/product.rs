//! Products: rows of every documented form, what is wrong with them, and replacing the set in force.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use event_connector::domain::id::ProductId;
use event_connector::domain::session::IndexMode;
use event_connector::ingest::{CustomEvents, UrlStyle, Wording};
use event_connector::platform::intercom::{Region, Workspace};
use event_connector::product::{Catalogue, Error, Integration, Product, Products, Risk, Source};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

fn parse(rows: &Value) -> Catalogue {
    Catalogue::parse(&rows.to_string()).expect("a list was given")
}

fn one(row: Value) -> Arc<Product> {
    let catalogue = parse(&json!([row]));
    assert_eq!(catalogue.problems, []);
    Arc::clone(catalogue.products().next().expect("the row is good"))
}

fn problems(rows: &Value) -> Vec<String> {
    parse(rows)
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The problems of one otherwise good row.
fn wrong(extra: &Value) -> Vec<String> {
    let mut row = json!({ "product_id": "acme", "secret": "s" });
    for (key, value) in extra.as_object().expect("an object") {
        row[key] = value.clone();
    }
    problems(&json!([row]))
}

fn ids(of: &[ProductId]) -> Vec<&str> {
    of.iter().map(ProductId::as_str).collect()
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

#[test]
fn a_minimal_row_takes_the_documented_defaults() {
    let product = one(json!({ "product_id": " 4711 ", "secret": "hush" }));
    assert_eq!(product.id.as_str(), "4711");
    assert_eq!(exposed(product.secret.as_ref()), Some("hush"));
    assert!(matches!(product.integration, Integration::Webhook));
    assert!(product.chatbot().is_none() && product.push.is_none());
    assert!(!product.allow_unauthenticated_ingest);
    assert_eq!(product.index_mode, IndexMode::Session);
    assert_eq!(product.ingest.wording, Wording::Standard);
    assert_eq!(product.ingest.custom_events, CustomEvents::Keep);
    assert_eq!(product.ingest.canonical_url_style, UrlStyle::Absolute);
    assert!(
        product
            .ingest
            .redact_query_params
            .contains(&"token".to_owned())
    );
    assert_eq!(product.cors_origins, ["*"]);
    assert_eq!(product.session.bin_seconds, None);
    assert!(product.notices.is_empty(), "{:?}", product.notices);
}

#[test]
fn every_known_key_is_read() {
    let product = one(json!({
        "product_id": 4711, "webhook_secret": "hush", "contact_email": "ops@acme.example",
        "integration_type": "intercom", "forward_url": "https://a.example", "forward_secret": "f",
        "integration_config": {
            "access_token": "at", "admin_id": 99, "client_secret": "cs", "region": "eu",
            "allow_unauthenticated_ingest": true, "canonical_url_style": "path",
            "wording": "quoted", "custom_events": "drop", "redact_query_params": ["sid"],
            "index_mode": "batch", "cors_origins": ["https://app.acme.example"],
            "pre_link_window_s": 60, "post_link_debounce_s": 0.5, "bin_seconds": 0,
            "interaction_timeout_s": 5, "cooldown_period_s": 6,
            "tour_registry": [], "summary": { "enabled": true }, "subdomain": "acme"
        }
    }));
    let chatbot: Arc<dyn Any> = product.chatbot().expect("a chatbot").clone();
    let intercom = chatbot.downcast_ref::<Workspace>();
    let intercom = intercom.expect("the integration is Intercom");
    assert_eq!(intercom.access_token.expose_secret(), "at");
    assert_eq!(
        (intercom.admin_id.as_str(), intercom.region),
        ("99", Region::Eu)
    );
    assert_eq!(exposed(intercom.client_secret.as_ref()), Some("cs"));
    assert_eq!(product.ingest.canonical_url_style, UrlStyle::Path);
    assert_eq!(product.ingest.wording, Wording::Quoted);
    assert_eq!(product.ingest.custom_events, CustomEvents::Drop);
    assert_eq!(product.ingest.redact_query_params, ["sid"]);
    assert_eq!(product.index_mode, IndexMode::Batch);
    assert_eq!(product.cors_origins, ["https://app.acme.example"]);
    let session = product.session;
    assert_eq!(session.pre_link_window_s, Some(60.0));
    assert_eq!(session.post_link_debounce_s, Some(0.5));
    assert_eq!(session.bin_seconds, Some(0.0));
    assert_eq!(session.interaction_timeout_s, Some(5.0));
    assert_eq!(session.cooldown_period_s, Some(6.0));
    let push = product.push.as_ref().expect("a push target was given");
    assert_eq!(push.url.url().as_str(), "https://a.example/");
    assert!(product.notices.is_empty(), "{:?}", product.notices);
    let risks = [Risk::OpenIngest, Risk::ShortSecret, Risk::ShortPushSecret];
    assert_eq!(Risk::of(&product), risks);
}

#[test]
fn integrations_are_told_apart_by_name() {
    let integration = |name: &str| {
        one(json!({ "product_id": "p", "secret": "s", "integration_type": name }))
            .integration
            .clone()
    };
    assert!(matches!(
        integration("event_stream"),
        Integration::EventStream
    ));
    assert!(matches!(integration("zendesk"), Integration::Zendesk));
    assert!(matches!(integration("crisp"), Integration::Other(name) if name == "crisp"));
}

#[test]
fn unknown_keys_are_kept_as_notices() {
    let product = one(json!({
        "product_id": "p", "secret": "s", "colour": 1, "contact_email": "nobody",
        "integration_type": "crisp", "integration_config": { "wordign": "quoted" }
    }));
    let expected = [
        "colour is not a key of a row and has no effect",
        "integration_config.wordign is kept, but this version does not know it",
        "integration_type crisp is unknown; activity reaches the feed only",
        "contact_email does not look like an address",
    ];
    assert_eq!(product.notices, expected);
}

#[test]
fn a_bad_row_is_reported_with_all_its_mistakes_and_the_others_stay() {
    let rows = json!([
        { "product_id": "good", "secret": "s" },
        { "product_id": "bad", "integration_type": "intercom", "integration_config": {
            "access_token": 5, "bin_seconds": "3", "wording": "loud", "cors_origins": ["*", 1],
            "allow_unauthenticated_ingest": "yes" } },
        { "product_id": "a/b", "secret": "s" },
        "row",
        { "secret": "s", "integration_config": [] },
        { "product_id": "good", "secret": "other" },
        { "product_id": 1.5, "secret": " s " }
    ]);
    let expected = [
        "product bad: /1/webhook_secret is required; a product that takes activity from anybody says so with integration_config.allow_unauthenticated_ingest = true",
        "product bad: /1/integration_config/allow_unauthenticated_ingest must be true or false",
        "product bad: /1/integration_config/access_token must be text",
        "product bad: /1/integration_config/admin_id is required for notes to Intercom",
        "product bad: /1/integration_config/wording must be one of \"standard\", \"quoted\"",
        "product bad: /1/integration_config/bin_seconds must be a number of seconds from 0 to 31536000",
        "product bad: /1/integration_config/cors_origins/1 must be an origin such as https://app.example.org, or *",
        "row 2: /2/product_id must begin with a letter or digit and hold only letters, digits and . _ ~ : -, at most 128 in all",
        "row 3: /3 must be an object",
        "row 4: /4/integration_config must be an object",
        "row 4: /4/product_id is required",
        "product good: /5/product_id names a product of an earlier row, which stays",
        "row 6: /6/product_id must be text or a whole number",
        "row 6: /6/secret must not hold controls, nor white space at its ends",
    ];
    assert_eq!(problems(&rows), expected);
    let catalogue = parse(&rows);
    let good: Vec<_> = catalogue
        .products()
        .map(|product| product.id.as_str())
        .collect();
    assert_eq!(good, ["good"]);
}

#[test]
fn a_secret_may_have_either_name_but_not_two_values() {
    assert_eq!(wrong(&json!({ "webhook_secret": "s" })), [""; 0]);
    assert_eq!(
        wrong(&json!({ "webhook_secret": "t" })),
        ["product acme: /0/secret differs from webhook_secret, whose other name it is"]
    );
    assert_eq!(wrong(&json!({ "secret": "" })).len(), 1);
    let open =
        json!({ "secret": null, "integration_config": { "allow_unauthenticated_ingest": true } });
    assert_eq!(wrong(&open), [""; 0]);
}

#[test]
fn what_is_no_list_is_refused_as_a_whole() {
    for text in ["", "{", "{\"product_id\":\"p\"}", "null", "[1"] {
        Catalogue::parse(text).expect_err(text);
    }
    assert_eq!(
        Catalogue::parse("[]").expect("a list").products().count(),
        0
    );
}

#[test]
fn secrets_are_in_no_debug_text_and_no_report() {
    let row = json!({
        "product_id": "p", "secret": "hunter2", "forward_url": "https://a.example/hunter2",
        "forward_secret": "hunter2", "integration_type": "intercom", "integration_config": {
            "access_token": "hunter2", "admin_id": "1", "client_secret": "hunter2" }
    });
    assert!(!format!("{:?}", one(row.clone())).contains("hunter2"));
    let mut bad = row;
    bad["integration_config"]["wording"] = json!("hunter2");
    bad["forward_url"] = json!("https://hunter2@a.example");
    bad["integration_config"]["bin_seconds"] = json!("hunter2");
    let found = problems(&json!([bad])).join("\n");
    assert!(!found.is_empty() && !found.contains("hunter2"), "{found}");
}

#[test]
fn a_replacement_tells_what_changed_and_keeps_products_whose_row_turned_bad() {
    let row = |id: &str, secret: &str| json!({ "product_id": id, "secret": secret });
    let products = Products::new(parse(&json!([
        row("same", "1"),
        row("edited", "1"),
        row("broken", "1"),
        row("gone", "1")
    ])));
    let clone = products.clone();
    let next = json!([
        row("same", "1"), row("edited", "2"), { "product_id": "broken" }, row("new", "1")
    ]);
    let report = products.replace(&next.to_string()).expect("a list");
    assert_eq!(ids(&report.added), ["new"]);
    assert_eq!(ids(&report.changed), ["edited"]);
    assert_eq!(ids(&report.removed), ["gone"]);
    assert_eq!(ids(&report.kept), ["broken"]);
    assert_eq!(report.problems.len(), 1);
    let secret_of = |id: &str| {
        let product = clone.get(&ProductId::from(id))?;
        exposed(product.secret.as_ref()).map(str::to_owned)
    };
    assert_eq!(secret_of("edited").as_deref(), Some("2"));
    assert_eq!(secret_of("broken").as_deref(), Some("1"));
    assert_eq!(secret_of("gone"), None);
    assert_eq!(clone.all().len(), 4);
}

#[test]
fn a_list_that_cannot_be_read_changes_nothing() {
    let products = Products::new(parse(&json!([{ "product_id": "p", "secret": "s" }])));
    products
        .replace("[{\"product_id\":")
        .expect_err("half a list");
    assert_eq!(products.all().len(), 1);
    let report = products.replace("[{\"product_id\":\"p\",\"secret\":\"s\"}]");
    assert_eq!(
        report.expect("a list"),
        event_connector::product::Report::default()
    );
}

#[test]
fn an_inline_list_replaces_the_file() {
    let inline = SecretString::from("[]");
    let source = Source::new("products.json", &inline);
    assert!(matches!(source, Source::Inline(_)) && !source.may_change());
    assert_eq!(source.load().expect("given").text.expose_secret(), "[]");
    let source = Source::new("products.json", &SecretString::from(" "));
    assert!(matches!(source, Source::File(_)) && source.may_change());
}

#[test]
fn a_change_is_seen_behind_a_swapped_symbolic_link() {
    // This is how mounted ConfigMaps change: the path stays, a link on the way to it moves.
    let home = tempfile::tempdir().expect("a directory can be made");
    let at = |name: &str| home.path().join(name);
    for (version, text) in [("v1", "[]"), ("v2", "[ ]")] {
        std::fs::create_dir(at(version)).expect("made");
        std::fs::write(at(version).join("products.json"), text).expect("written");
    }
    let link = |version: &str| {
        std::os::unix::fs::symlink(version, at("next")).expect("linked");
        std::fs::rename(at("next"), at("data")).expect("moved over");
    };
    link("v1");
    let source = Source::File(at("data").join("products.json"));
    let first = source.load().expect("readable").fingerprint;
    assert_eq!(source.load().expect("readable").fingerprint, first);
    link("v2");
    assert_ne!(source.load().expect("readable").fingerprint, first);
    std::fs::remove_file(at("data")).expect("removed");
    assert!(matches!(source.load(), Err(Error::Missing(_))));
    std::fs::write(at("data"), [0xff]).expect("written");
    assert!(matches!(
        Source::File(at("data")).load(),
        Err(Error::Unreadable(..))
    ));
}

#[test]
fn the_example_file_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/products.example.json");
    let text = std::fs::read_to_string(path).expect("the example is part of the repository");
    let catalogue = Catalogue::parse(&text).expect("a list");
    assert_eq!(catalogue.problems, []);
    assert_eq!(catalogue.notices().count(), 0);
    assert_eq!(catalogue.products().count(), 2);
}
