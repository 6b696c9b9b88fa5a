//! What whoever sets up Intercom is told: where notifications go, and what a page holds where there are none.

use serde_json::Value;

/// The expression by which a page with PostHog tells its session; `null` while there is none.
pub(crate) const POSTHOG_SESSION_ID_JS: &str =
    "(window.posthog && posthog.get_session_id && posthog.get_session_id()) || null";

/// Why there is nothing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unaddressable {
    /// There is no host.
    #[error("the service's host is empty")]
    Host,
    /// There is no product, or it is none that a path can name.
    #[error("a product's id is neither empty nor holds a slash")]
    Product,
}

/// Where Intercom sends its notifications for a product.
///
/// `host` may have a scheme in lower case (`https://` if it has none) and a path, which is kept. Host and product are
/// written as they are, so neither is safe to take from strangers; the ids that are issued need no encoding.
///
/// # Errors
///
/// An empty host, or a product that is empty or holds a slash.
pub(crate) fn webhook_url(host: &str, product_id: &str) -> Result<String, Unaddressable> {
    let host = host.trim().trim_end_matches('/');
    if host.is_empty() {
        return Err(Unaddressable::Host);
    }
    if product_id.is_empty() || product_id.contains('/') {
        return Err(Unaddressable::Product);
    }
    let scheme = match without_scheme(host) {
        Some(_) => "",
        None => "https://",
    };
    Ok(format!("{scheme}{host}/chatbot-webhook/{product_id}"))
}

/// What a page holds so that it says itself which conversation it has open, through `POST /sessions/link`.
///
/// The service is asked over `https://` at the root of `host`, whatever scheme and path that has. Host and product
/// cannot break out of the text they are in. `session_id_js` is code, [`POSTHOG_SESSION_ID_JS`] for instance, and is
/// taken over as it is.
///
/// # Errors
///
/// An empty host or product.
pub(crate) fn reactive_snippet(
    host: &str,
    product_id: &str,
    session_id_js: &str,
) -> Result<String, Unaddressable> {
    let host = host.trim();
    let host = without_scheme(host).unwrap_or(host);
    let host = host.split('/').next().unwrap_or_default();
    if host.is_empty() {
        return Err(Unaddressable::Host);
    }
    if product_id.is_empty() {
        return Err(Unaddressable::Product);
    }
    let origin = quoted(&format!("https://{host}"));
    let product = quoted(product_id);
    Ok(format!(
        r#"<script>
  // Stands behind Intercom's own snippet: links a conversation to the session of who began it.
  window.Intercom("onConversationStarted", function (conversationId) {{
    var sessionId = {session_id_js};
    if (!sessionId || !conversationId) return;
    fetch({origin} + "/sessions/link", {{
      method: "POST",
      headers: {{ "Content-Type": "application/json" }},
      body: JSON.stringify({{
        product_id: {product},
        session_id: String(sessionId),
        conversation_id: String(conversationId)
      }}),
      keepalive: true
    }}).then(function (answer) {{
      if (!answer.ok) console.warn("The conversation was not linked:", answer.status);
    }}, function (error) {{
      console.warn("The conversation was not linked:", error);
    }});
  }});
</script>
"#
    ))
}

/// What follows the scheme; `None` where there is none.
fn without_scheme(host: &str) -> Option<&str> {
    let schemes = ["https://", "http://"];
    schemes.iter().find_map(|scheme| host.strip_prefix(scheme))
}

/// A text as a literal of the script; without `<`, by which a page would end the script.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('<', "\\u003c")
}
