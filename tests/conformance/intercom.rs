//! `intercom_payloads`: what whoever sets up Intercom is told. What is sent to it in order to speak first arrives with
//! the issues that do so.

use event_connector::config::{Config, LoadOptions};
use event_connector::platform::intercom::Region;
use event_connector::platform::intercom::webhook::Topic as Subscribed;
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::compare::{self, error};
use crate::intercom_setup::{POSTHOG_SESSION_ID_JS, reactive_snippet, webhook_url};
use crate::topic::Topic;

/// The webhook's URL, the page's snippet, and the constants that we have.
pub(crate) const TOPIC: Topic = Topic {
    name: "intercom_payloads",
    answer,
    compare: what_we_have,
    judge: what_we_have,
    later,
};

const BUTTONS: &str = "quick replies";
const OPENING: &str = "conversations that the service begins";

fn later(input: &Value) -> Option<(&'static str, &'static str)> {
    let waiting = [
        ("conversation_id", OPENING),
        ("create_conversation", OPENING),
        ("delete_request", OPENING),
        ("first_contact_id", OPENING),
        ("llm_labels_body", BUTTONS),
        ("llm_labels_url", BUTTONS),
        ("normalize_labels", BUTTONS),
        ("policy_fragment", BUTTONS),
        ("quick_reply_headers", BUTTONS),
        ("quick_reply_payload", BUTTONS),
        ("rest_headers", OPENING),
        ("search_email", OPENING),
        ("search_external_id", OPENING),
    ];
    let mut waiting = waiting.into_iter();
    waiting.find(|(function, _)| input["fn"] == *function)
}

/// To the letter; of the constants those that we have.
fn what_we_have(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    let mut expected = case.expected.clone();
    if let (true, Some(all)) = (case.input["fn"] == "constants", expected.as_object_mut()) {
        all.retain(|name, _| answer.get(name).is_some());
    }
    compare::exactly(&expected, answer)
}

fn answer(input: &Value) -> Value {
    let text = |name: &str| input[name].as_str();
    match text("fn").unwrap_or_default() {
        "constants" => json!({
            "webhook_topics": [Subscribed::UserCreated.as_str(), Subscribed::UserReplied.as_str()],
            "rest_base": Region::Us.url(),
            "version_rest": defaults().intercom.version,
        }),
        "webhook_url" => match (text("host"), text("product_id")) {
            (Some(host), Some(product)) => webhook_url(host, product)
                .map_or_else(|_| error("ValueError"), |url| json!({ "url": url })),
            _ => error("AttributeError"),
        },
        "session_id_js" if input["provider"] == "posthog" => json!({
            "contains_all": found(POSTHOG_SESSION_ID_JS, &input["must_contain"], true),
            "ends_with_semicolon": POSTHOG_SESSION_ID_JS.trim_end().ends_with(';'),
        }),
        "reactive_snippet" => match (text("connector_host"), text("product_id")) {
            (Some(host), Some(product)) => {
                let expression = text("session_id_js").unwrap_or(POSTHOG_SESSION_ID_JS);
                reactive_snippet(host, product, expression)
                    .map_or_else(|_| error("ValueError"), |snippet| probed(&snippet, input))
            }
            _ => error("AttributeError"),
        },
        _ => error("AttributeError"),
    }
}

fn defaults() -> Config {
    let options: LoadOptions<Vec<(String, String)>> = LoadOptions::default();
    Config::load(options).expect("the defaults")
}

fn probed(snippet: &str, input: &Value) -> Value {
    json!({
        "contains_all": found(snippet, &input["must_contain"], true),
        "contains_none": found(snippet, &input["must_not_contain"], false),
        "script_tags": [snippet.matches("<script>").count(), snippet.matches("</script>").count()],
    })
}

/// For each probe whether it is in the text, or not in it, as wanted.
fn found(text: &str, probes: &Value, wanted: bool) -> Map<String, Value> {
    let probes = probes.as_array().into_iter().flatten();
    probes
        .filter_map(Value::as_str)
        .map(|probe| (probe.to_owned(), (text.contains(probe) == wanted).into()))
        .collect()
}
