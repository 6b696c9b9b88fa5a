//! A registration sent by an operator's program, and the server that answers it as a case says.
//!
//! `client::Connector` is not used for it: it takes every status of success, and keeps of a refusal what a problem
//! document says, where published programs take 201 alone and show the whole answer.

use event_connector::client::redact;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::body::{Refused, soft};

/// What of a request's head is compared.
const HEADERS: [&str; 3] = ["accept", "x-admin-key", "content-type"];

/// Sends what was built to a server of its own. In the shape of `expected`: what came back, and what the server saw.
pub(super) fn answer(
    built: Result<Value, Refused>,
    args: &Value,
    response: &Value,
    force: bool,
) -> Value {
    let prepared = built.and_then(|body| Ok((body, soft(args, "admin_key")?)));
    let (mut answer, request) = match prepared {
        Err(refused) => (refused.shown(), Value::Null),
        Ok((mut body, key)) => {
            body["force_reregister"] = force.into();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(exchange(&body, &key, response))
        }
    };
    answer["request"] = request;
    answer
}

async fn exchange(body: &Value, key: &str, response: &Value) -> (Value, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (answer, seen) = tokio::join!(send(&base, body, key), serve(&listener, response));
    (answer, seen)
}

async fn send(base: &str, body: &Value, key: &str) -> Value {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("TLS starts");
    let mut request = client
        .post(format!("{base}/products"))
        .header("content-type", "application/json")
        .body(body.to_string());
    if !key.is_empty() {
        request = request.header("x-admin-key", key);
    }
    let answer = request.send().await.expect("the server answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("the answer is whole");
    let class = match status {
        201 => {
            let result: Value = serde_json::from_str(&text).expect("the answer is JSON");
            return json!({ "result": result });
        }
        409 => "ProductAlreadyRegisteredError",
        _ => "ConnectorRegistrationHttpError",
    };
    json!({"error": class, "status_code": status, "response_text": redact(&text, &[])})
}

/// Answers one request with the scripted status and text, and tells what it was.
async fn serve(listener: &TcpListener, response: &Value) -> Value {
    let script = response.as_object().expect("a scripted answer");
    let unknown = script
        .keys()
        .find(|key| !["status", "body"].contains(&key.as_str()));
    assert_eq!(unknown, None, "the script says what this server cannot do");
    let (mut stream, _) = listener.accept().await.expect("a request");
    let (head, body) = read(&mut stream).await;
    let status = &script["status"];
    let text = script["body"].as_str().expect("a text");
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let written = stream.write_all(answer.as_bytes()).await;
    written.expect("the answer is sent");
    told(&head, &body)
}

/// The head and the body of a request that says how long it is.
async fn read(stream: &mut TcpStream) -> (String, String) {
    let mut request = Vec::new();
    loop {
        let length = stream.read_buf(&mut request).await.expect("the request");
        assert_ne!(length, 0, "the request ends early");
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && header(head, "content-length") == Some(&body.len().to_string())
        {
            return (head.to_owned(), body.to_owned());
        }
    }
}

fn told(head: &str, body: &str) -> Value {
    let line: Vec<&str> = head.split(' ').take(2).collect();
    let headers = HEADERS
        .iter()
        .filter_map(|name| Some((*name, header(head, name)?)));
    let headers: serde_json::Map<String, Value> = headers
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let body: Value = serde_json::from_str(body).expect("a JSON body");
    json!({"method": line[0], "path": line[1], "headers": headers, "json": body})
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}
