//! One row, read: the documented keys (contract 1.4.1, 6.1, 6.3) into a [`Product`].

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::proactive;
use super::push;
use super::settings::{Integration, Origin, Product, SessionOverrides};
use super::shown;
use super::source::Fingerprint;
use crate::domain::id::ProductId;
use crate::domain::session::IndexMode;
use crate::fields::{Fault, Fields};
use crate::ingest::{self, CustomEvents, UrlStyle, Wording};
use crate::platform::{self, PLATFORMS};

/// Keys of `integration_config` that later versions will use; rows may hold them already.
const LATER_KEYS: [&str; 13] = [
    "api_token",
    "batch_window_ms",
    "crisp",
    "email",
    "kb_knowledge_id",
    "kb_product_id",
    "onboarding_workflows",
    "plain",
    "stream_replay_max",
    "subdomain",
    "summary",
    "webhook_signing_secret",
    "zep_api_key",
];

/// What became of a row.
pub(super) struct Read {
    /// The row's identifier, as far as it can be told.
    pub(super) id: Option<ProductId>,
    /// The product, unless something is wrong.
    pub(super) product: Result<Product, Vec<Fault>>,
}

/// Reads the row that stands at `pointer`.
pub(super) fn read(pointer: &str, row: &Value) -> Read {
    let Some(object) = row.as_object() else {
        return no_row(pointer);
    };
    let mut fields = Fields::new(object, pointer.to_owned());
    let empty = Map::new();
    let config = match fields.value("integration_config") {
        Some(Value::Object(config)) => config,
        Some(_) => {
            fields.fault("integration_config", "must be an object");
            &empty
        }
        None => &empty,
    };
    let mut config = Fields::new(config, format!("{pointer}/integration_config"));
    let id = read_id(&mut fields);
    let allow_unauthenticated_ingest = config.flag("allow_unauthenticated_ingest");
    let secret = read_secret(&mut fields, allow_unauthenticated_ingest);
    let integration = read_integration(&mut fields, &mut config);
    let wishes = proactive::read(&mut config, &format!("{pointer}/integration_config"));
    let mut product = Product {
        id: id.clone().unwrap_or_else(|| ProductId::from("")),
        secret,
        contact_email: fields.text("contact_email"),
        push: push::read(&mut fields, &mut config, &integration),
        integration,
        allow_unauthenticated_ingest,
        ingest: read_ingest(&mut config),
        session: read_session(&mut config),
        index_mode: config.choice(
            "index_mode",
            [("session", IndexMode::Session), ("batch", IndexMode::Batch)],
        ),
        cors_origins: read_origins(&mut config),
        context_actions_public: config.flag("context_actions_public"),
        program: wishes.program,
        labels: wishes.labels,
        program_faults: wishes.faults,
        notices: wishes.notices,
        shown_config: Value::Null,
        old_secrets: Vec::new(),
        keys: Vec::new(),
        origin: Origin::File,
        fingerprint: Fingerprint::of(&row.to_string()),
    };
    let unknown = config.unknown(&accepted_keys());
    let notices = notices(&product, &fields, (&config, &unknown));
    product.notices.extend(notices);
    product.shown_config = shown::config(config.object(), &unknown);
    let mut faults = fields.faults;
    faults.extend(config.faults);
    let product = if faults.is_empty() {
        Ok(product)
    } else {
        Err(faults)
    };
    Read { id, product }
}

fn no_row(pointer: &str) -> Read {
    let fault = Fault {
        pointer: pointer.to_owned(),
        text: "must be an object".to_owned(),
    };
    Read {
        id: None,
        product: Err(vec![fault]),
    }
}

/// What an identifier must be.
pub(crate) const PRODUCT_ID_WORDS: &str = "must begin with a letter or digit and hold only letters, digits and . _ ~ : -, at most 128 in all";

fn read_id(fields: &mut Fields<'_>) -> Option<ProductId> {
    let key = "product_id";
    let before = fields.faults.len();
    let name = fields.name(key);
    match name {
        Some(name) if is_product_id(&name) => return Some(ProductId::from(name)),
        Some(_) => fields.fault(key, PRODUCT_ID_WORDS),
        None if fields.faults.len() == before => fields.fault(key, "is required"),
        None => {}
    }
    None
}

pub(crate) fn is_product_id(name: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"._~:-".contains(&b);
    (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(is_inner)
}

fn read_secret(
    fields: &mut Fields<'_>,
    allow_unauthenticated_ingest: bool,
) -> Option<secrecy::SecretString> {
    let before = fields.faults.len();
    let secret = fields.secret("webhook_secret");
    let alias = fields.secret("secret");
    if let (Some(secret), Some(alias)) = (&secret, &alias)
        && secret.expose_secret() != alias.expose_secret()
    {
        fields.fault(
            "secret",
            "differs from webhook_secret, whose other name it is",
        );
    }
    let secret = secret.or(alias);
    if secret.is_none() && !allow_unauthenticated_ingest && fields.faults.len() == before {
        fields.fault(
            "webhook_secret",
            "is required; a product that takes activity from anybody says so with \
             integration_config.allow_unauthenticated_ingest = true",
        );
    }
    secret
}

fn read_integration(fields: &mut Fields<'_>, config: &mut Fields<'_>) -> Integration {
    let name = fields.text("integration_type");
    let name = name.as_deref().unwrap_or("webhook");
    // Without its chatbot there are faults, and no product.
    let chatbot = platform::named(name).and_then(|platform| (platform.read)(config));
    match (name, chatbot) {
        (_, Some(chatbot)) => Integration::Chatbot(chatbot),
        ("webhook", None) => Integration::Webhook,
        ("event_stream", None) => Integration::EventStream,
        ("zendesk", None) => Integration::Zendesk,
        (other, None) => Integration::Other(other.to_owned()),
    }
}

/// Keys of `integration_config` that nobody may have asked for, and that are known all the same: those of other
/// integrations, and of later versions.
fn accepted_keys() -> Vec<&'static str> {
    let of_platforms = PLATFORMS.iter().flat_map(|platform| platform.keys);
    LATER_KEYS.iter().chain(of_platforms).copied().collect()
}

fn read_ingest(config: &mut Fields<'_>) -> ingest::Settings {
    // An absent list leaves the usual secrets hidden; a list that is given is the whole list.
    let defaults = ingest::Settings::default();
    ingest::Settings {
        wording: config.choice(
            "wording",
            [("standard", Wording::Standard), ("quoted", Wording::Quoted)],
        ),
        custom_events: config.choice(
            "custom_events",
            [("keep", CustomEvents::Keep), ("drop", CustomEvents::Drop)],
        ),
        canonical_url_style: config.choice(
            "canonical_url_style",
            [("absolute", UrlStyle::Absolute), ("path", UrlStyle::Path)],
        ),
        redact_query_params: config
            .texts(
                "redact_query_params",
                |name| !name.is_empty(),
                "the name of a parameter",
            )
            .unwrap_or(defaults.redact_query_params),
    }
}

fn read_session(config: &mut Fields<'_>) -> SessionOverrides {
    SessionOverrides {
        pre_link_window_s: config.seconds("pre_link_window_s"),
        post_link_debounce_s: config.seconds("post_link_debounce_s"),
        bin_seconds: config.seconds("bin_seconds"),
        interaction_timeout_s: config.seconds("interaction_timeout_s"),
        cooldown_period_s: config.seconds("cooldown_period_s"),
    }
}

fn read_origins(config: &mut Fields<'_>) -> Vec<String> {
    let wanted = "an origin such as https://app.example.org, or *";
    let origins = config.texts("cors_origins", is_cors_origin, wanted);
    origins.unwrap_or_else(|| vec!["*".to_owned()])
}

/// Whether a text is `*` or what browsers send as `Origin`.
fn is_cors_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    text == "*" || host.is_some_and(|host| !host.is_empty() && host.chars().all(is_host))
}

fn notices(
    product: &Product,
    fields: &Fields<'_>,
    (config, unknown): (&Fields<'_>, &[&str]),
) -> Vec<String> {
    let mut notices = Vec::new();
    for key in fields.unknown(&[]) {
        notices.push(format!("{key} is not a key of a row and has no effect"));
    }
    for key in unknown {
        notices.push(format!(
            "integration_config.{key} is kept, but this version does not know it"
        ));
    }
    if let Integration::Other(name) = &product.integration {
        notices.push(format!(
            "integration_type {name} is unknown; activity reaches the feed only"
        ));
    }
    let has_url = config.has("url");
    let is_stream = matches!(product.integration, Integration::EventStream);
    if product.push.is_none() && is_stream && has_url {
        let notice = "integration_config.url has no effect unless integration_config.mode is push";
        notices.push(notice.to_owned());
    }
    let push = product.push.as_ref();
    notices.extend(push.and_then(|push| push.notice()).map(str::to_owned));
    let email = product.contact_email.as_deref();
    if email.is_some_and(|email| !looks_like_an_address(email)) {
        notices.push("contact_email does not look like an address".to_owned());
    }
    notices
}

pub(crate) fn looks_like_an_address(email: &str) -> bool {
    email
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}
