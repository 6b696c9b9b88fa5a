//! What operators ask of the outbox, over real HTTP.

use crate::support::{Service, Setup, eventually, json_of};
use event_connector::demo::intercom::{Call, Fault, Twist};
use serde_json::{Value, json};

/// The first listed delivery that matches, once there is one.
async fn listed(service: &Service, filters: &str) -> Value {
    eventually(filters, || async {
        let page = list(service, filters).await;
        match page["deliveries"].get(0) {
            Some(first) => Ok(first.clone()),
            None => Err(page),
        }
    })
    .await
}

async fn list(service: &Service, filters: &str) -> Value {
    let answer = service.get(&format!("/deliveries?{filters}")).await;
    assert_eq!(answer.status(), 200, "{filters}");
    json_of(answer).await
}

async fn show(service: &Service, id: &Value) -> Value {
    json_of(service.get(&path(id)).await).await
}

fn path(id: &Value) -> String {
    format!("/deliveries/{}", id.as_str().expect("an identifier"))
}

/// Asks for a delivery to be sent again; returns the answer.
async fn replay(service: &Service, id: &Value) -> Value {
    let answer = service.operate(&format!("{}/replay", path(id))).await;
    assert_eq!(answer.status(), 202);
    json_of(answer).await
}

/// The types of a session's log entries, newest first.
async fn log(service: &Service, session: &str) -> Vec<String> {
    let shown = service.show(session).await;
    let entries = shown["log"].as_array().expect("a list").iter();
    entries
        .map(|entry| entry["type"].as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_replayed_and_arrives_and_its_session_hears_of_it() {
    let service = Service::start().await;
    let rejected = Twist::error(422, "data_invalid");
    service
        .intercom
        .script(Call::Reply, None, Fault::before(rejected));
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    let dead = listed(&service, "status=dead").await;
    assert_eq!(dead["product_id"], "acme");
    assert_eq!(dead["session_id"], "s1");
    assert_eq!(dead["platform"], "intercom");
    assert_eq!(dead["conversation_id"], "c1");
    assert_eq!(dead["http_status"], 422);
    assert_eq!(dead["error"], "Intercom answered 422 (data_invalid)");
    assert!(
        dead["text_length"]
            .as_u64()
            .is_some_and(|length| length > 9)
    );
    assert!(dead.get("text").is_none());

    let shown = show(&service, &dead["id"]).await;
    assert!(
        shown["text"]
            .as_str()
            .is_some_and(|text| text.contains("Save"))
    );
    let call = &shown["history"][0];
    assert_eq!(
        (
            &call["number"],
            &call["call"],
            &call["http_status"],
            &call["outcome"]
        ),
        (&json!(1), &json!("post"), &json!(422), &json!("rejected"))
    );
    let excerpt = call["excerpt"].as_str().expect("a text");
    assert!(excerpt.contains("data invalid"), "{excerpt}");

    let sent = replay(&service, &dead["id"]).await;
    assert_eq!(sent["id"], dead["id"]);
    let arrived = listed(&service, "status=delivered").await;
    assert_eq!(arrived["id"], dead["id"]);
    assert_eq!(arrived["attempts"], 2);
    service.notes("c1", |notes| notes.len() == 1).await;
    let types = log(&service, "s1").await;
    assert!(types.contains(&"note_failed".to_owned()));
    assert_eq!(types[0], "note_delivered");
    let parts = &service.show("s1").await["notes"]["part_ids"];
    assert_eq!(parts, &json!([arrived["part_id"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_taken_back_and_nothing_else_is() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    let note = listed(&service, "status=delivered").await;
    let redact = async |id: &Value| {
        let answer = service.operate(&format!("{}/redact", path(id))).await;
        (answer.status().as_u16(), json_of(answer).await)
    };
    // Being asked twice does no harm.
    for _ in 0..2 {
        let (status, sent) = redact(&note["id"]).await;
        assert_eq!((status, &sent["redacts"]), (202, &note["id"]), "{sent}");
        let taken_back = eventually("it is done", || async {
            let shown = show(&service, &sent["id"]).await;
            match shown["status"].as_str() {
                Some("delivered") => Ok(shown),
                _ => Err(shown),
            }
        })
        .await;
        assert_eq!(taken_back["text"], Value::Null);
        assert_eq!(taken_back["conversation_id"], "c1");
        let (status, problem) = redact(&sent["id"]).await;
        assert_eq!((status, &problem["code"]), (409, &json!("not_a_note")));
    }
    let posts = service.intercom.posts("c1");
    let texts: Vec<_> = posts.iter().map(|post| post.text.as_str()).collect();
    assert_eq!(texts, ["This message was deleted"]);
    let (metrics, session) = (&service.metrics, service.show("s1").await);
    let counted = |outcome| {
        let counter = &metrics.redactions;
        counter.with_label_values(&["intercom", outcome]).get()
    };
    assert_eq!(counted("delivered"), 2);
    assert_eq!(session["notes"]["part_ids"], json!([note["part_id"]]));

    // What is no longer there is not taken back, and the platform says so.
    service.intercom.remove_conversation("c1");
    let (_, sent) = redact(&note["id"]).await;
    eventually("it is over", || async {
        let shown = show(&service, &sent["id"]).await;
        match shown["status"].as_str() {
            Some("withdrawn") => Ok(()),
            _ => Err(shown),
        }
    })
    .await;
    assert_eq!(counted("gone"), 1);
    assert_eq!(redact(&json!("nobody")).await.0, 404);
    let url = format!("{}/deliveries/nobody/redact", service.url);
    let answer = service.client.post(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_is_sent_again_as_often_as_it_is_asked_for() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    let first = listed(&service, "status=delivered").await;
    for _ in 0..2 {
        let sent = replay(&service, &first["id"]).await;
        assert_ne!(sent["id"], first["id"]);
        assert_eq!(sent["replay_of"], first["id"]);
    }
    let notes = service.notes("c1", |notes| notes.len() == 3).await;
    assert!(notes.iter().all(|note| *note == notes[0]));
    let parts = eventually("the session knows three parts", || async {
        let parts = service.show("s1").await["notes"]["part_ids"].clone();
        match parts.as_array().map(Vec::len) {
            Some(3) => Ok(parts),
            _ => Err(parts),
        }
    })
    .await;
    let posts = service.intercom.posts("c1").into_iter();
    let posted: Vec<String> = posts.map(|post| post.part).collect();
    assert_eq!(parts, json!(posted));
    let types = log(&service, "s1").await;
    let told = types.iter().filter(|name| *name == "note_delivered");
    assert_eq!(told.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_not_taken_for_the_note_that_is_there_already() {
    let service = Service::with(Setup::with(
        "CONNECTOR__DELIVERY__REQUEST_TIMEOUT_MS",
        "300",
    ))
    .await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    let first = listed(&service, "status=delivered").await;
    // The answer is lost before the note is taken, so the conversation is read back.
    let lost = Fault::before(Twist::Reset);
    service.intercom.script(Call::Reply, None, lost);
    let sent = replay(&service, &first["id"]).await;
    service.notes("c1", |notes| notes.len() == 2).await;
    let arrived = eventually("the replay arrives", || async {
        let shown = show(&service, &sent["id"]).await;
        if shown["status"] == "delivered" {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
    .await;
    assert_ne!(arrived["part_id"], first["part_id"]);
    let calls = arrived["history"].as_array().expect("a list").iter();
    let outcomes: Vec<_> = calls.map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["unknown", "missing", "delivered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tries_refused_credentials_again_and_a_product_without_them_tells() {
    let service = Service::start().await;
    service.intercom.set_access_token("another");
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    let waiting = listed(&service, "http_status=401").await;
    assert_eq!(waiting["status"], "waiting");
    let text = service.get("/metrics").await.text().await.expect("text");
    assert!(text.contains("connector_accounts_refused 1"), "{text}");
    // The vendor has taken the token back into favour.
    let token = event_connector::demo::intercom::Settings::default().access_token;
    service.intercom.set_access_token(&token);
    let sent = replay(&service, &waiting["id"]).await;
    assert_eq!(sent["id"], waiting["id"]);
    service.notes("c1", |notes| notes.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_are_filtered_and_paged_and_hide_the_texts() {
    let service = Service::start().await;
    for number in 1..=5 {
        let (session, user) = (format!("s{number}"), format!("u{number}"));
        let conversation = format!("c{number}");
        service.click(&session, &user, "Save").await;
        service.chat(&conversation, &user, "").await;
        service.notes(&conversation, |notes| notes.len() == 1).await;
        listed(
            &service,
            &format!("conversation_id={conversation}&status=delivered"),
        )
        .await;
    }
    let all = list(&service, "").await;
    assert_eq!(all["next_cursor"], Value::Null);
    let ids: Vec<Value> = all["deliveries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    assert_eq!(ids.len(), 5);
    assert!(!all.to_string().contains("User clicked"));

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&service, &format!("limit=2{cursor}")).await;
        let found = page["deliveries"].as_array().expect("a list");
        assert!(found.len() <= 2);
        paged.extend(found.iter().map(|one| one["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, ids, "newest first, each once");

    let third = all["deliveries"][2]["created_at"]
        .as_f64()
        .expect("a number");
    let counts = [
        ("product_id=acme", 5),
        ("product_id=other", 0),
        ("session_id=s2", 1),
        ("conversation_id=c4&platform=intercom", 1),
        ("platform=zendesk", 0),
        ("status=dead", 0),
        ("http_status=200", 5),
        ("since=2100-01-01T00:00:00Z", 0),
        ("until=2100-01-01T00:00:00Z", 5),
    ];
    for (filters, wanted) in counts {
        let page = list(&service, filters).await;
        assert_eq!(
            page["deliveries"].as_array().map(Vec::len),
            Some(wanted),
            "{filters}"
        );
    }
    let newer = list(&service, &format!("since={third}")).await;
    let older = list(&service, &format!("until={third}")).await;
    let count = |page: &Value| page["deliveries"].as_array().map_or(0, Vec::len);
    assert_eq!(
        (count(&newer) + count(&older), count(&newer) >= 3),
        (5, true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_question_is_said_and_strangers_learn_nothing() {
    let service = Service::start().await;
    for (query, code) in [
        ("limit=0", "invalid_filter"),
        ("limit=201", "invalid_filter"),
        ("status=lost", "invalid_filter"),
        ("since=yesterday", "invalid_filter"),
        ("http_status=42", "invalid_filter"),
        ("cursor=zzz", "invalid_filter"),
        ("status=dead&status=waiting", "invalid_filter"),
        ("colour=red", "unknown_filter"),
    ] {
        let answer = service.get(&format!("/deliveries?{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(json_of(answer).await["code"], code, "{query}");
    }
    let unknown = service.get("/deliveries/nobody").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(json_of(unknown).await["code"], "delivery_not_found");
    let unknown = service.operate("/deliveries/nobody/replay").await;
    assert_eq!(unknown.status(), 404);
    for path in ["/deliveries", "/deliveries/nobody"] {
        let answer = service.client.get(format!("{}{path}", service.url));
        assert_eq!(answer.send().await.expect("an answer").status(), 401);
    }
    let answer = service
        .client
        .post(format!("{}/deliveries/nobody/replay", service.url))
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_notes_never_come_back_as_messages() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    service.click("s2", "u2", "Save").await;
    let before = log(&service, "s1").await;
    let entered = service.show("s1").await["state"].clone();
    for topic in [
        "conversation.admin.noted",
        "conversation.admin.replied",
        "conversation.admin.single.created",
    ] {
        // The newest message is the note that was just posted.
        let (body, signature) = service.intercom.webhook(topic, "c1", "u1", "");
        let text = String::from_utf8(body.clone()).expect("JSON");
        assert!(text.contains("\"type\":\"admin\""), "{text}");
        assert_eq!(service.hear(body, &signature).await["status"], "ignored");
        // Under the topic of a person it is our note all the same.
        let renamed = text.replace(topic, "conversation.user.replied");
        let (body, signature) = service.intercom.sign(renamed.into_bytes());
        assert_eq!(service.hear(body, &signature).await["status"], "ignored");
        // It links nobody to a conversation that is new.
        let other = text.replace(topic, "conversation.user.created");
        let other = other
            .replace("\"c1\"", "\"c9\"")
            .replace("\"u1\"", "\"u2\"");
        let (body, signature) = service.intercom.sign(other.into_bytes());
        assert_eq!(service.hear(body, &signature).await["status"], "ignored");
    }
    assert_eq!(log(&service, "s1").await, before);
    assert_eq!(service.show("s1").await["state"], entered);
    assert_eq!(
        service.show("s2").await["link"]["conversation_id"],
        Value::Null
    );
    assert_eq!(service.intercom.posts("c1").len(), 1);
    // A person's message under the same topic is heard.
    service.intercom.say("c1", "thanks");
    let topic = "conversation.user.replied";
    let (body, signature) = service.intercom.webhook(topic, "c1", "u1", "");
    assert_eq!(service.hear(body, &signature).await["status"], "accepted");
}
