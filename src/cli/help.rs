//! What `--help` teaches below the list of options, and what is suggested instead of a wrong word.

/// Under the top level.
pub(super) const TOP: &str = "\
See it work, with nothing else installed:
  event-connector demo

Run it for real:
  1. describe your products in config/products.json, like
     config/products.example.json, or leave that to step 4
  2. event-connector check
  3. event-connector serve
  4. event-connector products add acme --email ops@acme.example

Settings:
  event-connector check --defaults prints every key, its default and the reason.
  --config FILE (or CONNECTOR_CONFIG) names a file that changes what differs.
  CONNECTOR__SECTION__KEY changes one key and wins, e.g. CONNECTOR__HTTP__BIND.
  NO_COLOR and CLICOLOR_FORCE decide about colour.

Exit codes:
  0  it is done
  1  it failed; the message says why
  2  what was typed or configured is wrong, and nothing was done

event-connector COMMAND --help says more about a command.";

/// Under `serve`.
pub(super) const SERVE: &str = "\
Examples:
  event-connector serve
  event-connector serve --config /etc/event-connector/connector.toml
  CONNECTOR__LOG__LEVEL=debug event-connector serve

Environment:
  CONNECTOR__HTTP__BIND      address and port to listen on (127.0.0.1:8080)
  CONNECTOR__STORE__PATH     the SQLite file (data/event-connector.db)
  CONNECTOR__PRODUCTS__PATH  the list of products (config/products.json)
  PRODUCTS_CONFIG            the list itself, where no file can be mounted
  CONNECTOR_ADMIN_KEY        what operators send as X-Admin-Key
  The other keys: event-connector check --defaults

Signals:
  SIGTERM and SIGINT  finish what is under way, then stop
  SIGHUP              read the products again

Exit codes:
  0  it was told to stop
  1  it could not start or go on, e.g. the port or the store is taken
  2  configuration or the list of products is wrong";

/// Under `demo`.
pub(super) const DEMO: &str = "\
Examples:
  event-connector demo               watch it, then send events yourself
  event-connector demo --port 8080   under an address that stays the same
  event-connector demo --once        play it and end, for scripts

Nothing leaves this machine, and the temporary store goes with it. No configuration is read.

Environment:
  TMPDIR                    where the temporary store is made
  NO_COLOR, CLICOLOR_FORCE  no colour, or colour in a pipe as well
  COLUMNS                   the width where it is no terminal (100)

Exit codes:
  0  everything arrived, once; or you ended it
  1  something did not arrive; or --once was interrupted";

/// Under `check`.
pub(super) const CHECK: &str = "\
Examples:
  event-connector check
  event-connector check --config connector.toml
  event-connector check --defaults > connector.toml

Standard output is the configuration in force, as TOML with secrets hidden; remarks go to standard \
error. It reads the same file and environment as serve, and changes nothing.

Exit codes:
  0  serve would start with this; what is not safe yet is named
  2  something is wrong, and everything that is wrong is named";

/// Under `health`.
pub(super) const HEALTH: &str = "\
Examples:
  event-connector health
  event-connector health --address 127.0.0.1:8080

Environment:
  CONNECTOR__HTTP__BIND  whom to ask, as serve reads it

Exit codes:
  0  ready
  1  not ready, or no answer within three seconds
  2  configuration is wrong";

/// Under `backup`.
pub(super) const BACKUP: &str = "\
Examples:
  event-connector backup --to /backups/connector-2026-11-21.db
  event-connector backup --to /backups/latest.db --force

The service may run meanwhile and goes on committing; everything it acknowledged before the backup \
began is in it. Every page of the copy is checked before it takes its name, and only its owner can \
read it.

Exit codes:
  0  the backup is whole and on disk
  1  it failed; a file of that name is as it was
  2  configuration is wrong";

/// Under `restore`.
pub(super) const RESTORE: &str = "\
Examples:
  event-connector restore --from /backups/latest.db

The service must not run on the store. The backup is checked first, and what was there is moved \
aside, not destroyed. Offsets of the feed go on behind those that clients have seen.

Exit codes:
  0  the store is what the backup was
  1  it failed, e.g. the store is in use; nothing was replaced
  2  configuration is wrong";

/// Under `migrate`.
pub(super) const MIGRATE: &str = "\
Examples:
  event-connector migrate            up to this program's schema, as serve does
  event-connector migrate --dry-run  say what that would be
  event-connector migrate --to 1     back, for an older program; run by the newer one

The service must not run on the store. Each step is one transaction: whoever is interrupted finds \
the schema before or the schema after.

Exit codes:
  0  the schema is the one asked for
  1  it failed; the steps that are named stand
  2  configuration is wrong";

/// Under `deliveries`.
pub(super) const DELIVERIES: &str = "\
Examples:
  event-connector deliveries list --status dead
  event-connector deliveries show 0199f5d2-…
  event-connector deliveries replay 0199f5d2-…
  event-connector deliveries redact 0199f5d2-…

They ask the running service with the admin key. Where none listens they open the configured store, \
and say so; a service that is named by --url or CONNECTOR_URL is never replaced like that.

Environment:
  CONNECTOR_URL        where the service is (http.bind of the configuration)
  CONNECTOR_ADMIN_KEY  the key that it was started with

Exit codes:
  0  it is done
  1  it failed, e.g. nothing answers, the key is wrong, no such delivery
  2  what was typed or configured is wrong, and nothing was done";

/// Under `deliveries list`.
pub(super) const DELIVERIES_LIST: &str = "\
Examples:
  event-connector deliveries list --status dead --since 2h
  event-connector deliveries list --product acme_prod --all
  event-connector deliveries list --status dead --all --json | jq -r .id

The columns for which the terminal is too narrow are left out; --json has everything but the texts. \
Times are UTC. event-connector deliveries --help names the variables.

Exit codes:
  0  it is done, whether there are any or not
  1  it failed, e.g. nothing answers or the key is wrong
  2  what was typed or configured is wrong";

/// Under `deliveries show`.
pub(super) const DELIVERIES_SHOW: &str = "\
Examples:
  event-connector deliveries show 0199f5d2-…
  event-connector deliveries show 0199f5d2-… --json | jq .history

event-connector deliveries --help names the variables.

Exit codes:
  0  it is shown
  1  it failed, e.g. there is no such delivery
  2  what was typed or configured is wrong";

/// Under `deliveries redact`.
pub(super) const DELIVERIES_REDACT: &str = "\
Examples:
  event-connector deliveries redact 0199f5d2-…

The chatbot is asked to remove the note, by a delivery of its own, whose identifier is said. That cannot be undone, \
and everybody in the conversation sees that something was removed. It takes a running service. \
event-connector deliveries --help names the variables.

Exit codes:
  0  it is to be taken back
  1  it failed, e.g. there is no such delivery, or it is no note that was delivered
  2  what was typed or configured is wrong";

/// Under `deliveries replay`.
pub(super) const DELIVERIES_REPLAY: &str = "\
Examples:
  event-connector deliveries replay 0199f5d2-…

It really sends again. What waits is due at once; a dead letter waits again; what was delivered or \
withdrawn is sent as a new delivery, whose identifier is said. Without a running service it is sent \
once one runs. event-connector deliveries --help names the variables.

Exit codes:
  0  it is to be sent again
  1  it failed, e.g. there is no such delivery
  2  what was typed or configured is wrong";

/// Under `explain`.
pub(super) const EXPLAIN: &str = "\
Examples:
  event-connector explain acme_prod s-1
  event-connector explain acme_prod s-1 --entries 20
  event-connector explain acme_prod s-1 --json | jq .offers.decisions

First the story, oldest first: what the user did, conversations and notes, what the triggers had to \
say, each offer and how it ended, and why there was none. Then where the session stands: its two \
states, what waits, until when it keeps quiet, and how much of the quotas is used. Times are UTC.

It asks the running service with the admin key. Where none listens it opens the configured store, \
and says so; a service that is named by --url or CONNECTOR_URL is never replaced like that.

Environment:
  CONNECTOR_URL        where the service is (http.bind of the configuration)
  CONNECTOR_ADMIN_KEY  the key that it was started with

Exit codes:
  0  it is told
  1  it failed, e.g. nothing answers, the key is wrong, no such session
  2  what was typed or configured is wrong";

/// Under `tail`.
pub(super) const TAIL: &str = "\
Examples:
  event-connector tail acme_prod
  event-connector tail acme_prod --since 10m --session s-1
  event-connector tail acme_prod --format json | jq -r '.actions[]?.title'

It ends with Ctrl-C, or when nobody reads it any more. After a lost connection, a restart of the \
service or sleep of this machine it goes on where it stopped. What the service no longer has is \
named as missed. Times are UTC.

Environment:
  CONNECTOR_STREAM_KEY  the product's key; without it the admin key is used
  CONNECTOR_ADMIN_KEY   the key that the service was started with
  CONNECTOR_URL         where the service is (http.bind of the configuration)
  CONNECTOR__FEED__HEARTBEAT_MS
                        how often the service says that it is there (30000);
                        silent for 2.5 times as long, it is asked anew

Exit codes:
  0  it was told to end, or nobody reads it any more
  1  it failed, e.g. nothing answers, the key is wrong, no such product
  2  what was typed or configured is wrong";

/// Words that are typed for our commands, because other programs call them so.
const OTHER_WORDS: [(&str, &[&str]); 12] = [
    (
        "serve",
        &["start", "run", "server", "up", "daemon", "listen"],
    ),
    ("demo", &["try", "tour", "example", "play", "show"]),
    (
        "check",
        &["validate", "config", "lint", "verify", "test", "doctor"],
    ),
    (
        "health",
        &["status", "ping", "ready", "healthz", "healthcheck"],
    ),
    ("backup", &["dump", "snapshot", "save", "copy"]),
    ("restore", &["load", "recover"]),
    ("migrate", &["upgrade", "downgrade", "rollback", "schema"]),
    (
        "products",
        &[
            "product", "register", "onboard", "tenants", "rotate", "invite",
        ],
    ),
    (
        "keys",
        &["key", "token", "tokens", "secrets", "credentials"],
    ),
    (
        "deliveries",
        &["delivery", "outbox", "notes", "dead-letters", "queue"],
    ),
    (
        "explain",
        &["why", "session", "sessions", "story", "trace", "inspect"],
    ),
    ("tail", &["follow", "watch", "stream", "feed", "events"]),
];

/// Our word for a command that does not exist.
pub(super) fn our_word(typed: &str) -> Option<&'static str> {
    let typed = typed.to_ascii_lowercase();
    let mut words = OTHER_WORDS.iter();
    words
        .find(|(_, others)| others.contains(&typed.as_str()))
        .map(|(ours, _)| *ours)
}
