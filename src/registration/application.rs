//! A request to be registered, in one of three documented forms (contract 1.4).

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::domain::id::ProductId;
use crate::fields::{Fault, Fields};
use crate::product::{PRODUCT_ID_WORDS, is_product_id, looks_like_an_address};

/// A request that was understood.
#[derive(Clone, Debug)]
pub(super) struct Application {
    /// Which of the forms.
    pub form: Form,
    /// What the product is called.
    pub(super) name: Option<String>,
    /// The secret that the applicant brings along.
    pub(super) secret: Option<SecretString>,
    /// Proof that the product is the applicant's.
    pub(super) owner_token: Option<SecretString>,
    /// What of the row the applicant says: everything but the product and its secret.
    pub(super) row: Map<String, Value>,
    /// What an applicant should know of it.
    pub notices: Vec<String>,
}

/// Who names the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The applicant (contract 1.4.1, 1.4.2).
    Named {
        /// The name.
        product: ProductId,
        /// The analytics vendor, if it is told.
        provider: Option<String>,
        /// Whether what is registered under the name is to be replaced.
        is_forced: bool,
    },
    /// We, once for each project of an analytics vendor (contract 1.4.3).
    Project {
        /// The vendor.
        provider: String,
        /// Its project.
        project: String,
    },
}

impl Form {
    /// The name that is asked for, where one is.
    pub(super) fn wanted(&self) -> Option<&ProductId> {
        match self {
            Self::Named { product, .. } => Some(product),
            Self::Project { .. } => None,
        }
    }

    /// What the project is looked up by, where there is one.
    pub(super) fn project(&self) -> Option<String> {
        match self {
            Self::Project { provider, project } => Some(project_id(provider, project)),
            Self::Named { .. } => None,
        }
    }
}

/// What a vendor's project is looked up by.
pub(super) fn project_id(provider: &str, project: &str) -> String {
    format!("{provider}/{project}")
}

/// The analytics vendors whose projects can be registered.
const PROVIDERS: [&str; 4] = ["posthog", "amplitude", "fullstory", "custom"];

/// The longest text of a plain field.
const TEXT_CHARS_MAX: usize = 256;

impl Application {
    /// Reads a request's body.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, but for its row, which is read as a whole later.
    pub(super) fn read(body: &Value) -> Result<Self, Vec<Fault>> {
        let Some(object) = body.as_object() else {
            let text = "must be an object".to_owned();
            let pointer = String::new();
            return Err(vec![Fault { pointer, text }]);
        };
        let mut fields = Fields::new(object, String::new());
        let is_given = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
        let form = if is_given("provider_project_id") {
            project(&mut fields)
        } else {
            named(&mut fields, is_given("provider"))
        };
        let contact_email = short(&mut fields, "contact_email");
        match &contact_email {
            Some(email) if !looks_like_an_address(email) => {
                fields.fault("contact_email", "must look like an e-mail address");
            }
            None if fields.is_sound("contact_email") => {
                fields.fault("contact_email", "is required");
            }
            _ => {}
        }
        let is_project = matches!(form, Some(Form::Project { .. }));
        let secret = secret(&mut fields);
        let mut row = Map::new();
        if let Some(email) = contact_email {
            row.insert("contact_email".to_owned(), email.into());
        }
        if !is_project {
            for key in [
                "integration_type",
                "integration_config",
                "forward_url",
                "forward_secret",
            ] {
                if let Some(value) = fields.value(key) {
                    row.insert(key.to_owned(), value.clone());
                }
            }
        }
        let application = Self {
            form: form.unwrap_or_else(|| Form::Project {
                provider: String::new(),
                project: String::new(),
            }),
            name: short(&mut fields, "name"),
            secret,
            owner_token: fields.secret("owner_token"),
            row,
            notices: fields
                .unknown(&[])
                .into_iter()
                .map(|key| format!("{key} has no effect in this form of a registration"))
                .collect(),
        };
        if fields.faults.is_empty() {
            Ok(application)
        } else {
            Err(fields.faults)
        }
    }
}

fn project(fields: &mut Fields<'_>) -> Option<Form> {
    let provider = provider(fields);
    let project = fields.name("provider_project_id");
    if project.is_none() && fields.is_sound("provider_project_id") {
        fields.fault("provider_project_id", "is required");
    }
    let project = project.filter(|project| is_short(project));
    if project.is_none() && fields.is_sound("provider_project_id") {
        fields.fault("provider_project_id", TOO_LONG);
    }
    if provider.is_none() && fields.is_sound("provider") {
        fields.fault("provider", "is required");
    }
    Some(Form::Project {
        provider: provider?,
        project: project?,
    })
}

fn named(fields: &mut Fields<'_>, has_provider: bool) -> Option<Form> {
    let provider = if has_provider { provider(fields) } else { None };
    let product = fields.name("product_id");
    match &product {
        Some(name) if !is_product_id(name) => fields.fault("product_id", PRODUCT_ID_WORDS),
        None if fields.is_sound("product_id") => fields.fault("product_id", "is required"),
        _ => {}
    }
    let is_forced = fields.flag("force_reregister") | fields.flag("force");
    Some(Form::Named {
        product: product?.into(),
        provider,
        is_forced,
    })
}

fn provider(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.text("provider")?.to_lowercase();
    if PROVIDERS.contains(&name.as_str()) {
        return Some(name);
    }
    fields.fault(
        "provider",
        format!("must be one of {}", PROVIDERS.join(", ")),
    );
    None
}

/// The secret under whichever of its names; two of them must agree.
fn secret(fields: &mut Fields<'_>) -> Option<SecretString> {
    use secrecy::ExposeSecret;

    let ingest = fields.secret("ingest_secret");
    let webhook = fields.secret("webhook_secret");
    if let (Some(ingest), Some(webhook)) = (&ingest, &webhook)
        && ingest.expose_secret() != webhook.expose_secret()
    {
        fields.fault(
            "ingest_secret",
            "differs from webhook_secret, whose other name it is",
        );
    }
    ingest.or(webhook)
}

const TOO_LONG: &str = "must have at most 256 characters";

fn is_short(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX
}

/// Text of a plain field.
pub(super) fn short(fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let text = fields.text(key)?;
    if !is_short(&text) {
        fields.fault(key, TOO_LONG);
    }
    Some(text)
}
