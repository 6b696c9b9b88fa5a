//! What an address says: servers, or Sentinels that know which server is the master.
//!
//! Sentinels are written as many clients write them:
//! `redis+sentinel://user:password@host:26379,host:26379/master/0`. User, password and database are for
//! the master; what the Sentinels ask for is in the options `sentinel_username` and `sentinel_password`.

use percent_encoding::percent_decode_str;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Where a Sentinel listens unless its address says it.
const SENTINEL_PORT: u16 = 26_379;

const NO_URL: &str =
    "must be a Redis URL, e.g. redis://host:6379/0, or several separated by commas";

const NO_SENTINELS: &str = "names Sentinels, and must be of the form \
     redis+sentinel://user:password@host1:26379,host2:26379/master/0";

const NO_OPTION: &str = "names Sentinels, and may have the options sentinel_username, sentinel_password and protocol only";

/// Where Redis is.
pub enum Address {
    /// At one server, or at several nodes of one cluster.
    Servers(Vec<ConnectionInfo>),
    /// Where Sentinels say.
    Sentinels(Box<Sentinels>),
}

/// Who is asked for a master, and how both are spoken to.
pub struct Sentinels {
    pub(super) addresses: Vec<ConnectionAddr>,
    /// What the Sentinels want to be told, if anything.
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    /// What they call the master.
    pub(super) master: String,
    /// User, password, database and TLS of the master; its host means nothing.
    pub(super) settings: ConnectionInfo,
}

impl Address {
    /// Reads a `redis.url`.
    ///
    /// # Errors
    ///
    /// What it must be, without repeating what it is: that may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some((scheme, rest)) = text.split_once("://") {
            match scheme.to_ascii_lowercase().as_str() {
                "redis+sentinel" => return sentinels("redis", rest).map(Self::Sentinels),
                "rediss+sentinel" => return sentinels("rediss", rest).map(Self::Sentinels),
                _ => {}
            }
        }
        let servers = text
            .split(',')
            .map(IntoConnectionInfo::into_connection_info);
        let servers = servers.collect::<Result<_, _>>().map_err(|_| NO_URL)?;
        Ok(Self::Servers(servers))
    }

    /// Who is named in it, without users and passwords.
    pub fn hosts(&self) -> String {
        match self {
            Self::Servers(servers) => listed(servers.iter().map(ConnectionInfo::addr)),
            Self::Sentinels(own) => {
                let addresses = listed(own.addresses.iter());
                format!("the master {} of the Sentinels {addresses}", own.master)
            }
        }
    }
}

fn listed<'a>(addresses: impl Iterator<Item = &'a ConnectionAddr>) -> String {
    let addresses: Vec<String> = addresses.map(ToString::to_string).collect();
    addresses.join(", ")
}

/// Reads what follows the scheme: each part is what it is in the URL of a server.
fn sentinels(scheme: &str, rest: &str) -> Result<Box<Sentinels>, &'static str> {
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').ok_or(NO_SENTINELS)?;
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (master, database) = path.split_once('/').unwrap_or((path, "0"));
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if master.is_empty() || !master.chars().all(is_of_name) {
        return Err(NO_SENTINELS);
    }
    let own = options(query)?;
    let at = |place: &str| {
        let url = format!("{scheme}://{place}?{}#{fragment}", own.passed_on);
        let url = url.strip_suffix('#').unwrap_or(&url);
        url.into_connection_info().map_err(|_| NO_SENTINELS)
    };
    let address = |host: &str| {
        // What follows the last bracket, because addresses of version 6 are full of colons.
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let info = match has_port {
            true => at(host),
            false => at(&format!("{host}:{SENTINEL_PORT}")),
        };
        info.map(|info| info.addr().clone())
    };
    Ok(Box::new(Sentinels {
        addresses: hosts.split(',').map(address).collect::<Result<_, _>>()?,
        settings: at(&format!("{user}@master/{database}"))?,
        master: master.to_owned(),
        username: own.username,
        password: own.password,
    }))
}

#[derive(Default)]
struct Options {
    username: Option<String>,
    password: Option<String>,
    /// What the URL of a server may say too.
    passed_on: String,
}

fn options(query: &str) -> Result<Options, &'static str> {
    let mut own = Options::default();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let spaced = value.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        let decoded = decoded.map_err(|_| NO_SENTINELS)?.into_owned();
        match name {
            "sentinel_username" => own.username = Some(decoded),
            "sentinel_password" => own.password = Some(decoded),
            "protocol" => own.passed_on = option.to_owned(),
            _ => return Err(NO_OPTION),
        }
    }
    Ok(own)
}
