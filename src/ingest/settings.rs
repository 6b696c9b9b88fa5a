//! What a product may choose about extraction (contract 6.3).

/// How titles and descriptions read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// `Click Save button`, `User clicked Save button on the team page`.
    #[default]
    Standard,
    /// `Clicked 'Save'`, `The user clicked the 'Save' button on the team page`.
    Quoted,
}

/// What becomes of events that only the product knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CustomEvents {
    /// They are actions of type `custom`.
    #[default]
    Keep,
    /// They are dropped and counted.
    Drop,
}

/// How much of a URL the canonical form keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrlStyle {
    /// Origin and path.
    #[default]
    Absolute,
    /// The path alone, for consumers of the oldest schema.
    Path,
}

/// A product's choices; the default is the contract's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `integration_config.wording`.
    pub wording: Wording,
    /// `integration_config.custom_events`.
    pub custom_events: CustomEvents,
    /// `integration_config.canonical_url_style`.
    pub canonical_url_style: UrlStyle,
    /// `integration_config.redact_query_params`: names, in any case, whose values never leave
    /// this module. This is the whole list; an empty one turns redaction of parameters off, and
    /// [`REDACTED_BY_DEFAULT`] is what it starts from.
    pub redact_query_params: Vec<String>,
}

/// Parameters that carry secrets by convention (contract 3.6.5).
pub const REDACTED_BY_DEFAULT: [&str; 8] = [
    "token",
    "access_token",
    "id_token",
    "code",
    "password",
    "secret",
    "api_key",
    "signature",
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            wording: Wording::default(),
            custom_events: CustomEvents::default(),
            canonical_url_style: UrlStyle::default(),
            redact_query_params: REDACTED_BY_DEFAULT.map(str::to_owned).into(),
        }
    }
}
