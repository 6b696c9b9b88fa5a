//! The map of event-connector: what it is made of, in reading order, and what always holds.
//!
//! Product analytics post what people do in a web application; the connector turns it into readable
//! actions and brings them to where help is given. One binary and one store: a file, or a Redis that several
//! instances share.
//!
//! # The walk: from a browser event to a note
//!
//! 1. [`http`] reads a bounded body, checks who sent it and finds the product. *Refused here: 401,
//!    404, 408, 413, and 503 where no room is found in time.*
//! 2. [`ingest`] turns the bytes into actions, grouped by session: noise dropped, elements named,
//!    secrets removed.
//! 3. [`session`] hands each session its share through a **mailbox**. The actor runs it through the
//!    pure [`domain::session::Session`] and writes everything that follows in one commit: snapshot,
//!    log entries, notes for the outbox, index rows, deadline. *A 2xx means: it is written down.* While Redis is
//!    away the share waits in the [`spool`], on this instance's disk.
//!    Where the product wants to speak first, the same commit notes what its triggers suggest; the page asks for it.
//! 4. [`feed`] follows the committed log and tells everybody who listens.
//! 5. [`delivery`] leases notes and pushes from the outbox, posts them, a note as its [`platform`] wants it, and returns the outcome to step 3 as an
//!    input like any other; the session's commit finishes the **row**. That a push arrived concerns no session: the
//!    row is finished alone.
//!
//! A crash between any two steps repeats at most the last one, and each recognises its repetition:
//! the event by its key, the commit by its id, the note by reading the conversation back.
//!
//! # The rooms
//!
//! | room | what it is | what it may know |
//! |---|---|---|
//! | [`domain`] | the pure heart: actions, sessions, notes, the state machine | nothing |
//! | [`ingest`] | vendor bytes in, domain values out; pure | `domain` |
//! | [`store`] | what is written down, behind one trait | `domain` |
//! | [`feed`] | live events to many readers | `domain`, `store` |
//! | [`session`] | one actor per key at work: decide, commit, act | `domain`, `store` |
//! | [`spool`] | what is taken in while Redis is away, on this instance's disk | `domain`, `store`, `session` |
//! | [`fields`] | what people wrote as JSON, field by field, with all that is wrong | nothing |
//! | [`product`] | the tenants, as operators wrote them down | `domain`, `ingest`, `fields`, `platform` |
//! | [`registration`] | products that are registered while the service runs, and what is issued for them | `domain`, `product`, `store` |
//! | [`delivery`] | the outbox worker, pushes, and when a vendor may be called | `domain`, `store`, signatures of `ingest` |
//! | [`platform`] | chatbots, one module each: what a row says, notes out, webhooks in | `domain`, `fields`, `delivery` |
//! | [`unkey`] | readers' keys that Unkey issued and verifies | `domain`, the HTTP client of `delivery` |
//! | [`client`] | the other side of the wire: the feed as clients read it, the service as operators ask it | nothing of the service |
//! | [`config`] | every setting, where it came from, what is wrong with it | the form of an address in `store` |
//! | [`http`] | the doors | handles of the others |
//! | [`app`] | the one place that constructs and connects | everybody |
//! | [`demo`], [`cli`] | what a person at a terminal sees | `app` |
//!
//! [`clock`] alone knows the time, [`chance`] alone is random, [`tasks`] alone spawns; all three are
//! passed in. [`metrics`] holds every counter, [`telemetry`] sets up log lines, [`terminal`] knows
//! colour and width. `tests/tidy.rs` fails on an import that this table does not allow.
//!
//! # What always holds
//!
//! * Any instance may serve any request: a commit names the version it was computed from, and the
//!   store arbitrates. An actor is a serialiser and a cache, never the truth.
//! * Facts that span sessions (who a conversation belongs to, where a user was last) are index rows,
//!   and a commit that rested on one fails if it changed meanwhile.
//! * Nothing is published or sent that was not first written down.
//! * Every bound is a configuration key with a counter and a documented answer.
//! * No policy outside [`domain`]; no time, chance or waiting inside it.
//!
//! # Decisions worth knowing
//!
//! * Snapshots are JSON with the packed ring of duplicate keys as one string: they can be read by a
//!   person, and what would bloat them does not.
//! * A conversation's index row is written when a link is made or carried, never renewed by activity:
//!   a renewal could take back what another session has rightfully taken over.
//! * `SQLite` knows that a lease held when the file was opened belongs to nobody, because one process
//!   at a time may open it; such deliveries are settled at once instead of after the lease.
//! * A stream leaves hyper once its head is known and is written straight to its socket: a resting
//!   subscriber then costs about 4 KB instead of 15, because hyper keeps two buffers per connection.
//! * A product may hold a part of what is still free, not of the whole, so that room is left for the
//!   next one however many flood.
//! * The writer yields its core before it begins, as long as that brings it more to write: under a flood it
//!   would otherwise wake for every few commits, and sync ten times as often as it has to.
//! * Ingest above the bound waits instead of being refused: a refusal was measured to cost a quarter to a half of
//!   what taking a request in costs, and a sender that is refused may come back at once, one that waits cannot.
//! * Whether a vendor may be called is decided per account (one token on one host) by a pure gate in
//!   the worker's memory: its rate window, its silence, its refused credentials. Waiting for it is no
//!   attempt, so none of these ever makes a dead letter. The store only knows products and quotas, and
//!   gives every product its turn.
//! * A push has all of its payload in its row, although the log has it too: the log is trimmed by age and size, and
//!   a receiver may be away for longer. In memory both are one text.
//! * A push that got no answer is repeated, and never looked for: a receiver knows it by its id, and there is
//!   nobody else who could be asked.
//! * The end of a push that arrived is a commit without a state: nothing of its session changes, so its state is
//!   neither read nor written.
//! * A call gives its account's place back before its outcome is written, and its worker's slot after: the place is
//!   about the other side, the slot bounds how much may have to be repeated.
//! * Where a customer's address leads is judged in the resolver, for the very connection: whatever is looked up
//!   before may be another address by then. What is not known to be public is private.
//! * Which endpoints are disabled only the gates remember, as they do of refused credentials: a restart costs one
//!   call for each, and there is no second truth that somebody has to reset.
//! * What waits for an account that somebody has to mend is due since it was committed: the oldest are looked at first,
//!   to see whether they have waited for too long, and no backend needs a question of its own for that.
//! * A chatbot is a value in a list, and what a product has there an object behind a trait: with an enum, rows, doors,
//!   risks and the outbox would each say its name.
//! * That a note is taken back is written down by its session's commit, as all that is new in the outbox is. How that
//!   ends concerns no session.
//! * A lease has a fence: whoever lost it can put nothing back. The end of a delivery needs none, for
//!   it is a fact about the vendor, whoever tells it, and the first one told stays.
//! * `SQLite` overwrites whatever is deleted, all the time: old copies of a state are freed long before
//!   anybody asks for an erasure, and would still be there. It costs nothing that could be measured.
//! * Persisted deadlines are wall-clock times beside the time they were set at, and what counts is
//!   the difference: setting the clock back must not put a session to sleep for a day.
//! * A live key at rest is its state and a place in a queue. A task with a timer and a mailbox for each
//!   would take more memory than the state, and starting an actor costs no more than waking one.
//! * An actor is a task, although whoever asks could run it: then every answer left, and woke its reader, by
//!   itself instead of together with others. With a store that takes no time a request was measured to cost a
//!   fifth more.
//! * A decision consumes the state it is made on. If it cannot be written the state is read again: that
//!   is rare, and a copy for every decision was not. Nor are a live key's stored bytes kept. Only on Redis there is
//!   a copy, because it may come back without what is read.
//! * A state is stored in two parts: every commit writes what is new, and the whole settles now and then.
//!   Otherwise each commit of a busy session would repeat all that it holds. The log has the sentences too,
//!   but it may be trimmed while a session still waits for its link.
//! * In Redis a tenant is in one bucket as a whole: a commit is one script on one hash slot, and what is asked
//!   about all tenants is asked of buckets, however many tenants there are. A tenant's log is a stream whose
//!   ids are its offsets; a key's entries are a chain through it, and an entry that is erased from its middle
//!   leaves word of the one before.
//! * A version that Redis no longer has was removed, or lost with everything else. The name of its bucket tells
//!   which: what was removed stays away, what was lost is written again by whoever has it in memory.
//! * Redis expires nothing by itself: times are the caller's on every backend, so that a clock that is set back
//!   or forward means the same on all of them.
//! * Instances tell each other that there is something to look at, never what it is: what is told may get lost,
//!   what is looked at is the truth.
//! * What is spooled are sessions' shares, not requests: a request of which one session's part could not be
//!   written is not repeated as a whole, and what is fed needs no second look at settings that may have changed.
//! * While anything is in an instance's spool everything goes behind it. Keys with something in it could be told
//!   from others, but then each of the others would first have to wait for a store that does not answer.
//! * A copy for other programs says which version it is, and its writer looks at what it has replaced: that puts
//!   things right after instances have overtaken each other, and costs nothing while they have not.
//! * A command that is about the outbox, a session or products opens the store itself only where nobody listens at the
//!   configured address. It answers through what the doors answer with, so that both say the same.
//! * An offer is made by the page that asks for it. What a batch of actions suggests meanwhile is remembered, and moves
//!   nothing: where no page asks, no cooldown begins and no quota is spent.
//! * Quotas are index rows that the commit of an offer has read, and who is counted there has a pseudonym.
//! * A page's toast has the five-state machine, as its events are the only exit that a page can signal; the session's own
//!   machine goes along, and is left by a timeout only.
//! * Whoever follows the feed live and has heard nothing yet goes on, after a lost connection, from the time at which
//!   the service said that it began: that may tell what happened in the second before, and misses nothing.
//! * A note that waits for a pause is flushed early once it holds as many actions as the window may:
//!   a limit that trims before a link must not lose anything after it.

pub mod app;
pub mod chance;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod domain;
pub mod feed;
pub mod fields;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod platform;
pub mod product;
pub mod registration;
pub mod session;
pub mod spool;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod terminal;
pub mod unkey;
