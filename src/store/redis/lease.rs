//! Whose turn it is, and the leases that come of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use redis::Value;

use super::link::Link;
use super::reply::{List, surprise};
use super::{aside, name, script};
use crate::domain::id::{DeliveryId, ProductId};
use crate::store::{Error, Lease, LeaseRequest};

/// Leases what is due, going on behind the tenant that was `served` last: first who has something due is
/// asked, then turns are given out, then each bucket is told how much of whom.
pub(super) async fn lease(
    link: &Link,
    served: &Mutex<Option<ProductId>>,
    request: &LeaseRequest,
) -> Result<Vec<Lease>, Error> {
    let due = link.each(&script::DUE, |command| {
        command.arg(request.now_ms);
    });
    let due = products_due(due.await?)?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let served = || served.lock().unwrap_or_else(PoisonError::into_inner);
    let before = served().clone();
    let turns = turns(due, before.as_ref(), request);
    let mut by_bucket: HashMap<usize, HashMap<&ProductId, usize>> = HashMap::new();
    for product in &turns {
        let bucket = by_bucket.entry(link.bucket(product)).or_default();
        *bucket.entry(product).or_insert(0) += 1;
    }
    let mut leased: HashMap<ProductId, VecDeque<Lease>> = HashMap::new();
    for (bucket, products) in by_bucket {
        let answer = link.on(bucket, &script::LEASE, |command| {
            command.arg(request.now_ms).arg(request.until_ms);
            for (product, most) in products {
                command.arg(product.as_str()).arg(most);
            }
        });
        for flawed in leases(answer.await?, &mut leased)? {
            let row = ("delivery", &flawed.product, flawed.id.as_str());
            aside::flawed(link, row, &flawed.reason, request.now_ms).await;
        }
    }
    let mut leases = Vec::with_capacity(turns.len());
    for product in turns {
        let next = leased.get_mut(&product).and_then(VecDeque::pop_front);
        if let Some(lease) = next {
            leases.push(lease);
            *served() = Some(product);
        }
    }
    Ok(leases)
}

/// Products with something due and in how many lanes, from what each bucket says.
fn products_due(buckets: Vec<Value>) -> Result<BTreeMap<ProductId, usize>, Error> {
    let mut due = BTreeMap::new();
    for bucket in buckets {
        let mut found = List::of(bucket)?;
        while found.len() > 0 {
            due.insert(ProductId::from(found.text()?), found.number()?);
        }
    }
    Ok(due)
}

/// Gives out turns: the products in the order in which each of their leases is to come, beginning
/// behind the one that was `served` last.
fn turns(
    mut due: BTreeMap<ProductId, usize>,
    served: Option<&ProductId>,
    request: &LeaseRequest,
) -> Vec<ProductId> {
    let mut ahead = match served {
        Some(served) => due.split_off(served),
        None => BTreeMap::new(),
    };
    let last = served.and_then(|served| ahead.remove_entry(served));
    let mut round: VecDeque<_> = ahead.into_iter().chain(due).chain(last).collect();
    let mut quotas: Vec<usize> = request.quotas.iter().map(|quota| quota.max).collect();
    let mut own: HashMap<ProductId, usize> = HashMap::new();
    let mut turns = Vec::new();
    while turns.len() < request.limit
        && let Some((product, lanes)) = round.pop_front()
    {
        let mut shared = request.quotas.iter().zip(&mut quotas);
        let places = match shared.find(|(quota, _)| quota.products.contains(&product)) {
            Some((_, places)) => places,
            None => own.entry(product.clone()).or_insert(request.product_max),
        };
        if *places == 0 || lanes == 0 {
            continue;
        }
        *places -= 1;
        turns.push(product.clone());
        round.push_back((product, lanes - 1));
    }
    turns
}

/// A delivery that was leased and cannot be read.
struct Flawed {
    product: ProductId,
    id: String,
    reason: String,
}

/// The leases of one bucket, by product, and what of it cannot be read.
fn leases(
    answer: Value,
    into: &mut HashMap<ProductId, VecDeque<Lease>>,
) -> Result<Vec<Flawed>, Error> {
    let mut flawed = Vec::new();
    for lease in List::of(answer)?.lists() {
        let mut lease = lease?;
        let (product, id) = (ProductId::from(lease.text()?), lease.text()?);
        let lane = lease.text()?;
        match read(&product, &id, &lane, lease.list()?) {
            Ok(lease) => into.entry(product).or_default().push_back(lease),
            Err(error) => flawed.push(Flawed {
                product,
                id,
                reason: error.to_string(),
            }),
        }
    }
    Ok(flawed)
}

fn read(product: &ProductId, id: &str, lane: &str, mut fields: List) -> Result<Lease, Error> {
    let fence = fields.number()?;
    let key = name::parse_within(product, &fields.text()?);
    let body = fields.text()?.into();
    let attempts: u32 = fields.number()?;
    Ok(Lease {
        id: DeliveryId::from(id),
        fence,
        key: key.ok_or_else(|| surprise("an unknown kind"))?,
        lane: lane.into(),
        body,
        attempt: attempts.saturating_add(1),
        created_ms: fields.number()?,
        unsettled_since_ms: fields.number_if_any()?,
        replayed: fields.text_if_any()?.is_some() | fields.text_if_any()?.is_some(),
    })
}
