//! What is not safe yet: one pure look at everything that was configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::config::{Config, RegistrationMode};
use crate::product::{Product, Risk, SECRET_CHARS_MIN};

/// Names in one sentence; of more products than this the rest is counted.
const NAMES_MAX: usize = 3;

/// One thing that is not safe yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, without a full stop.
    pub what: String,
    /// How to mend it, as an imperative sentence without a full stop.
    pub mend: String,
}

/// Everything that is not safe in `config` and `products`; `list_is_open` says that every user of the
/// machine can read the file with the products. At most one finding for each kind of thing, however
/// many products there are, and never a secret.
pub fn findings(config: &Config, products: &[Arc<Product>], list_is_open: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(admin_key(config));
    findings.extend(plain_http(config));
    findings.extend(plain_vendor(config));
    findings.extend(open_registration(config));
    if list_is_open {
        let path = config.products.path.display();
        findings.push(Finding {
            what: format!("{path} holds secrets, and every user of this machine can read it"),
            mend: format!("chmod o-r {path}"),
        });
    }
    let mut risky: BTreeMap<Risk, Vec<&str>> = BTreeMap::new();
    for product in products {
        for risk in Risk::of(product) {
            risky.entry(risk).or_default().push(product.id.as_str());
        }
    }
    findings.extend(risky.into_iter().map(|(risk, ids)| Finding {
        what: format!("{} ({})", risk.what(), names(&ids)),
        mend: risk.mend().to_owned(),
    }));
    findings
}

/// `product a`, `products a, b`, `products a, b, c and 497 more`.
pub(super) fn names(ids: &[&str]) -> String {
    let noun = if ids.len() == 1 {
        "product"
    } else {
        "products"
    };
    let named = ids[..ids.len().min(NAMES_MAX)].join(", ");
    match ids.len().saturating_sub(NAMES_MAX) {
        0 => format!("{noun} {named}"),
        more => format!("{noun} {named} and {more} more"),
    }
}

fn admin_key(config: &Config) -> Option<Finding> {
    let chars = config.admin.key.expose_secret().chars().count();
    let what = match chars {
        0 => "admin.key is not set, so operators' endpoints refuse everybody".to_owned(),
        1..SECRET_CHARS_MIN => format!("admin.key has fewer than {SECRET_CHARS_MIN} characters"),
        _ => return None,
    };
    Some(Finding {
        what,
        mend: "set CONNECTOR_ADMIN_KEY to something random, e.g. from openssl rand -hex 32"
            .to_owned(),
    })
}

fn plain_http(config: &Config) -> Option<Finding> {
    let (bind, url) = (config.http.bind, config.http.public_url.as_str());
    let is_exposed = !bind.ip().to_canonical().is_loopback() && !url.starts_with("https://");
    let what = if is_exposed {
        format!("{bind} is open to the network without TLS, so secrets can be read on the way")
    } else if leaves_in_the_clear(url) {
        format!("http.public_url is {url}, so secrets can be read on the way")
    } else {
        return None;
    };
    Some(Finding {
        what,
        mend:
            "put a proxy with TLS in front, name its https:// address in http.public_url and the \
               proxy in http.trusted_proxies"
                .to_owned(),
    })
}

fn open_registration(config: &Config) -> Option<Finding> {
    let is_open = config.registration.mode == RegistrationMode::Open && !config.is_local();
    is_open.then(|| Finding {
        what: "anybody may register products".to_owned(),
        mend: "set registration.mode to invite, or take it out".to_owned(),
    })
}

fn plain_vendor(config: &Config) -> Option<Finding> {
    let url = config.intercom.base_url.as_str();
    leaves_in_the_clear(url).then(|| Finding {
        what: format!("access tokens are sent to {url} without TLS"),
        mend: "use https:// in intercom.base_url, or leave it empty".to_owned(),
    })
}

/// Whether an address is without TLS and not on this machine.
fn leaves_in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    let is_here = |name: &str| host == name || host.starts_with(&format!("{name}:"));
    !(is_here("localhost") || is_here("[::1]") || host.starts_with("127."))
}
