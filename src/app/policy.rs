//! What a product wants of its sessions: the service's settings, and the product's own over them.

use crate::config::Config;
use crate::domain::proactive::resilience::Limits;
use crate::domain::session::{OfferPolicy, Policy};
use crate::product::Product;

/// The policy of a product; of one that is no longer registered when `product` is `None`, whose
/// sessions then only age.
pub(crate) fn policy(config: &Config, product: Option<&Product>) -> Policy {
    let own = product.map(|product| product.session).unwrap_or_default();
    let service = &config.session;
    let link_carry_s = service.link_carry_s;
    Policy {
        platform: product.and_then(Product::platform),
        pushes: product.is_some_and(|product| product.push.is_some()),
        pre_link_window_s: own.pre_link_window_s.unwrap_or(service.pre_link_window_s),
        post_link_debounce_s: own
            .post_link_debounce_s
            .unwrap_or(service.post_link_debounce_s),
        bin_seconds: own.bin_seconds.unwrap_or(service.bin_seconds),
        interaction_timeout_s: own
            .interaction_timeout_s
            .unwrap_or(service.interaction_timeout_s),
        cooldown_period_s: own.cooldown_period_s.unwrap_or(service.cooldown_period_s),
        link_carry_s,
        index_s: link_carry_s.max(IDENTITY_S),
        window_actions_max: service.window_actions_max,
        note_bytes_max: service.note_bytes_max,
        program: product.and_then(|product| product.program.clone()),
        offers: OfferPolicy {
            lookback_s: config.proactive.lookback_s,
            actions_max: config.proactive.actions_max,
            match_s: config.proactive.match_s,
            page_idle_s: config.proactive.page_idle_s,
        },
        resilience: Limits {
            min_interval_s: config.proactive.min_interval_s,
            per_product_minute: config.proactive.product_minute_max,
            per_session_hour: config.proactive.session_hour_max,
            per_user_day: config.proactive.user_day_max,
        },
        index_mode: product.map_or(Policy::default().index_mode, |product| product.index_mode),
    }
}

/// How long identities can be looked up (contract 3.6.7).
const IDENTITY_S: f64 = 86_400.0;
