//! What `--help` teaches below the list of options.

/// Under `products`.
pub(in crate::cli) const PRODUCTS: &str = "\
Examples:
  event-connector products add acme --email ops@acme.example
  event-connector products list
  event-connector products rotate acme --only ingest_secret

They ask the running service with the admin key. Where none listens they open the configured store, \
and say so; a service that is named by --url or CONNECTOR_URL is never replaced like that. Products \
of the operator's list are shown and not changed.

Environment:
  CONNECTOR_URL          where the service is (http.bind of the configuration)
  CONNECTOR_ADMIN_KEY    the key that it was started with
  CONNECTOR_SECRETS_KEY  what seals secrets, where the store itself is opened:
                         Redis needs it; SQLite has it in a file beside it

Exit codes:
  0  it is done
  1  it failed, e.g. nothing answers, the key is wrong, the name is taken
  2  what was typed or configured is wrong, and nothing was done";

/// Both forms of `products add`.
pub(super) const ADD_USAGE: &str = "\
event-connector products add [OPTIONS] <PRODUCT_ID>
       event-connector products add [OPTIONS] --project <ID>";

/// Under `products add`.
pub(super) const ADD: &str = "\
Examples:
  event-connector products add acme --email ops@acme.example
  event-connector products add acme --email ops@acme.example --force
  event-connector products add --provider posthog --project 48211 \\
    --email ops@acme.example
  event-connector products add acme --email ops@acme.example \\
    --type intercom --integration-config intercom.json

With a PRODUCT_ID it is called so; without one a name is issued for a vendor's project. It prints \
what was issued and where each part goes, once: keep the owner token. Secrets of your own come from \
files, because every user of a machine sees what is typed. --json prints the answer of \
POST /products. event-connector products --help names the variables.

Exit codes:
  0  it is registered
  1  it failed, e.g. the name is taken or stands in the list
  2  what was typed or configured is wrong; every mistake is named";

/// Under `products list`.
pub(super) const LIST: &str = "\
Examples:
  event-connector products list
  event-connector products list --json | jq -r .product_id

Products of the operator's list come first. Columns for which the terminal is too narrow are left \
out. Times are UTC. event-connector products --help names the variables.

Exit codes:
  0  it is done, whether there are any or not
  1  it failed, e.g. nothing answers or the key is wrong
  2  what was typed or configured is wrong";

/// Under `products show`.
pub(super) const SHOW: &str = "\
Examples:
  event-connector products show acme
  event-connector products show acme --json | jq .integration_config

No secret is shown; keys are shown by how they begin. event-connector products --help names the \
variables.

Exit codes:
  0  it is shown
  1  it failed, e.g. there is no such product
  2  what was typed or configured is wrong";

/// `products change` on lines that fit.
pub(super) const CHANGE_USAGE: &str = "\
event-connector products change [OPTIONS]
           --patch <FILE> <PRODUCT>";

/// Under `products change`.
pub(super) const CHANGE: &str = "\
Examples:
  event-connector products change acme --patch patch.json
  echo '{\"integration_config\": {\"bin_seconds\": 5}}' |
    event-connector products change acme --patch -

The file is a JSON merge patch: its members are laid over name, contact_email, integration_type, \
integration_config, forward_url and forward_secret, and null removes one. event-connector products \
--help names the variables.

Exit codes:
  0  it is changed, and in force
  1  it failed, e.g. there is no such product
  2  the patch or something else is wrong; every mistake is named";

/// Under `products rotate`.
pub(super) const ROTATE: &str = "\
Examples:
  event-connector products rotate acme
  event-connector products rotate acme --only ingest_secret --overlap 1h
  event-connector products rotate acme --only stream_key,mcp_key --overlap 0s

What was issued is printed once. What it replaces is accepted until the overlap is over; with 0s it \
is refused at once. event-connector products --help names the variables.

Exit codes:
  0  it is issued, and in force
  1  it failed, e.g. there is no such product
  2  what was typed or configured is wrong";

/// Under `products invite`.
pub(super) const INVITE: &str = "\
Examples:
  event-connector products invite
  event-connector products invite --expires 3d
  URL=$(event-connector products invite)

It prints an address with which whoever has it registers one product, as the base URL of the \
published SDK or with POST to it and /products behind it. In a pipe the address stands alone. \
event-connector products --help names the variables.

Exit codes:
  0  the address is printed
  1  it failed, e.g. registration.mode takes no invitations
  2  what was typed or configured is wrong";

/// Under `products remove`.
pub(super) const REMOVE: &str = "\
Examples:
  event-connector products remove acme
  event-connector products remove acme --yes

What it sends is refused and its streams end at once. Within registration.purge_after_s it can be \
registered again with all it has; then everything stored of it goes. It asks first, and refuses \
where nobody can answer, unless --yes is given. event-connector products --help names the variables.

Exit codes:
  0  it is removed
  1  it failed, e.g. there is no such product; or you said no
  2  what was typed or configured is wrong, or nobody could be asked";

/// Under `keys`.
pub(in crate::cli) const KEYS: &str = "\
Examples:
  KEY=$(event-connector keys create acme --name ci)
  event-connector keys list acme
  event-connector keys revoke acme key_7Hq2mZx9Lk

A key opens the stream of one product, or with --scope mcp what agents read as well. They ask the \
service, or the store where none runs, as event-connector products does; its --help names the \
variables.

Exit codes:
  0  it is done
  1  it failed, e.g. nothing answers, no such product, too many keys
  2  what was typed or configured is wrong, and nothing was done";

/// Under `keys create`.
pub(super) const KEYS_CREATE: &str = "\
Examples:
  KEY=$(event-connector keys create acme --name ci)
  event-connector keys create acme --scope mcp --expires 30d

It is shown this once. In a pipe the key stands alone on standard output; --json prints the answer \
of POST /products/{product_id}/keys.

Exit codes:
  0  it is issued
  1  it failed, e.g. there is no such product, or it has registration.keys_max
  2  what was typed or configured is wrong";

/// Under `keys list`.
pub(super) const KEYS_LIST: &str = "\
Examples:
  event-connector keys list acme
  event-connector keys list acme --json | jq -r .key_id

Keys are shown by how they begin. Times are UTC; a last use is up to a minute late in the store.

Exit codes:
  0  it is done, whether there are any or not
  1  it failed, e.g. there is no such product
  2  what was typed or configured is wrong";

/// Under `keys revoke`.
pub(super) const KEYS_REVOKE: &str = "\
Examples:
  event-connector keys revoke acme key_7Hq2mZx9Lk

It is refused from then on, without any overlap, and streams that were opened with it end.

Exit codes:
  0  it is revoked
  1  it failed, e.g. there is no such key
  2  what was typed or configured is wrong";
