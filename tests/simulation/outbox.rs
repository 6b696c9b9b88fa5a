//! What becomes of deliveries beside commits: leases, attempts put back, and what operators have sent
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;

use event_connector::domain::id::{DeliveryId, PartId};
use event_connector::domain::log::EntryType;
use event_connector::store::{Entry, Lease, Retry};
use serde_json::Value;

use super::record::{End, Record, Replayed, Sent};
use super::vendor::Vendor;
use super::world::World;

impl Record {
    /// Takes note of a lease. Its number counts calls that may have been attempts, and leases that ran
    /// out; waiting for an account is none.
    pub(crate) fn note_lease(&mut self, world: &World, vendor: &Vendor, lease: &Lease) {
        let Some(sent) = self.deliveries.get_mut(&lease.id) else {
            let text = format!("{} was never asked for", lease.id);
            return world.trace.break_law("deliveries_are_known", text);
        };
        let was_lost = sent.fence.replace(lease.fence).is_some();
        sent.lost += u32::from(was_lost);
        let most = vendor.attempts_at_most(&lease.id) + sent.lost + 1;
        if lease.attempt > most {
            let text = format!("{}: attempt {} of {most}", lease.id, lease.attempt);
            world.trace.break_law("waiting_is_no_attempt", text);
        }
        if lease.replayed != sent.replayed.is_some() {
            let text = format!("{}: {}", lease.id, lease.replayed);
            world.trace.break_law("replays_are_known", text);
        }
    }

    /// Takes note of a delivery that is put back, perhaps by somebody who no longer holds it; answers
    /// the fence of the lease that it was under.
    pub(crate) fn note_retry(&mut self, retry: &Retry) -> Option<u64> {
        let sent = self.deliveries.get_mut(&retry.id)?;
        let held = sent.fence;
        sent.fence = held.filter(|fence| *fence != retry.fence);
        held
    }

    /// Takes note of an entry that tells the end of a delivery: one report is told once.
    pub(super) fn note_told(&mut self, world: &World, entry: &Entry) {
        let tells = [EntryType::NoteDelivered, EntryType::NoteFailed];
        if !tells.iter().any(|tells| tells.as_str() == &*entry.r#type) {
            return;
        }
        let body: Option<Value> = serde_json::from_str(&entry.body).ok();
        let id = body.as_ref().and_then(|body| body["delivery_id"].as_str());
        let sent = id.and_then(|id| self.deliveries.get_mut(&DeliveryId::from(id)));
        // A session has long forgotten what is sent again: two who both believe that they hold the lease
        // are both heard.
        let shape = &world.shape;
        let may_be_two = shape.is_wild() || shape.faults.pauses;
        let is_known = sent.is_some_and(|sent| {
            let is_new = sent.told.insert(Arc::clone(&entry.body));
            is_new || (may_be_two && sent.replayed.is_some())
        });
        if !is_known {
            let text = format!("{} tells {} again", entry.key, entry.body);
            world.trace.break_law("ends_are_told_once", text);
        }
    }

    /// Whether a delivery was recorded as this part.
    pub(super) fn records(&self, part: Option<&PartId>) -> bool {
        let mut recorded = self
            .deliveries
            .values()
            .filter_map(|sent| sent.part.as_ref());
        part.is_some_and(|part| recorded.any(|one| one == part))
    }

    /// Takes note that the store has `id` sent again, as which delivery it says.
    pub(crate) fn note_replay(
        &mut self,
        world: &World,
        vendor: &Vendor,
        id: &DeliveryId,
        sent_as: Option<&DeliveryId>,
    ) {
        world
            .trace
            .tell("truth", format_args!("sends {id} again as {sent_as:?}"));
        let number = self.deliveries.len();
        let Some(sent) = self.deliveries.get_mut(id) else {
            let text = format!("{id} was never asked for");
            return world.trace.break_law("deliveries_are_known", text);
        };
        // What waits is due now.
        vendor.may_come_early();
        let is_copied = matches!(sent.end, Some(End::Delivered | End::Withdrawn));
        let is_copy = sent_as.is_some_and(|one| one != id);
        if sent_as.is_none() || is_copied != is_copy {
            let text = format!("{id}, ended {:?}, is sent as {sent_as:?}", sent.end);
            return world.trace.break_law("replays_are_sent", text);
        }
        if let (Some(copy), true) = (sent_as, is_copy) {
            let copied = Sent {
                number,
                end: None,
                part: None,
                replayed: Some(Replayed {
                    is_copy: true,
                    revived: None,
                }),
                told: BTreeSet::new(),
                lost: 0,
                fence: None,
                ..sent.clone()
            };
            self.deliveries.insert(copy.clone(), copied);
        } else if sent.end == Some(End::Dead) {
            sent.end = None;
            sent.told.clear();
            sent.replayed = Some(Replayed {
                is_copy: sent.is_copy(),
                revived: Some(vendor.calls(id)),
            });
            vendor.forget_attempts(id);
        }
    }
}

/// What was sent again does not end before the platform was asked again.
pub(super) fn check_sent(world: &World, vendor: &Vendor, id: &DeliveryId, sent: &Sent) {
    let Some(replayed) = sent.replayed else {
        return;
    };
    if vendor.calls(id) <= replayed.revived.unwrap_or(0) {
        let text = format!("{id} has ended {:?} again, without a call", sent.end);
        world.trace.break_law("replays_are_sent", text);
    }
}
