//! The service's own configuration: layers, mistakes, and what is printed of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use event_connector::config::{Config, DEFAULT_TOML, LoadOptions, LogFormat, Mistakes};
use secrecy::ExposeSecret;

type Pairs = Vec<(String, String)>;

fn pairs(env: &[(&str, &str)]) -> Pairs {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    env.iter().map(owned).collect()
}

fn load(file: Option<&Path>, env: &[(&str, &str)]) -> Result<Config, Mistakes> {
    Config::load(LoadOptions {
        file: file.map(Path::to_path_buf),
        env: pairs(env),
    })
}

fn loaded(env: &[(&str, &str)]) -> Config {
    load(None, env).expect("this environment is valid")
}

fn lines(file: Option<&Path>, env: &[(&str, &str)]) -> Vec<String> {
    let mistakes = load(file, env).expect_err("this configuration is wrong");
    mistakes.to_string().lines().map(str::to_owned).collect()
}

struct File {
    path: PathBuf,
    _home: tempfile::TempDir,
}

fn file(text: &str) -> File {
    let home = tempfile::tempdir().expect("a directory can be made");
    let path = home.path().join("settings.toml");
    std::fs::write(&path, text).expect("the file can be written");
    File { path, _home: home }
}

fn keys_of(toml: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_reference_and_the_structs_name_the_same_keys() {
    // An unread key of the reference is refused as unknown, a missing one as having no default, and
    // what was read is what is printed.
    let config = loaded(&[]);
    let printed = keys_of(&config.effective());
    assert_eq!(printed, keys_of(DEFAULT_TOML));
    assert!(printed.len() >= 60, "{} keys", printed.len());
}

#[test]
fn the_effective_configuration_loads_again_and_stays_the_same() {
    let first = loaded(&[("CONNECTOR__HTTP__TRUSTED_PROXIES", "10.0.0.0/8, ::1")]).effective();
    let again = load(Some(&file(&first).path), &[]).expect("what was printed can be read");
    assert_eq!(again.effective(), first);
}

#[test]
fn the_file_wins_over_defaults_and_a_variable_over_the_file() {
    let file = file("[session]\nidle_s = 5\nsweep_ms = 7\n[log]\nformat = \"json\"\n");
    let env = [("CONNECTOR__SESSION__SWEEP_MS", "9")];
    let config = load(Some(&file.path), &env).expect("valid");
    assert!((config.session.idle_s - 5.0).abs() < f64::EPSILON);
    assert_eq!(config.session.sweep_ms, 9);
    assert_eq!(config.session.mailbox_max, 256);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn a_variable_may_name_the_file_and_the_command_line_wins() {
    let by_variable = file("[http]\nevents_max = 1\n");
    let by_flag = file("[http]\nevents_max = 2\n");
    let named = by_variable.path.display().to_string();
    let env = [("CONNECTOR_CONFIG", named.as_str())];
    assert_eq!(loaded(&env).http.events_max, 1);
    let config = load(Some(&by_flag.path), &env).expect("valid");
    assert_eq!(config.http.events_max, 2);
}

#[test]
fn the_aliases_set_their_keys_and_the_long_name_wins() {
    let config = loaded(&[
        ("CONNECTOR__DELIVERY__RETRIES_MAX", "4"),
        ("MAX_RETRIES", "3"),
        ("CONNECTOR_ADMIN_KEY", "open"),
        ("PRODUCTS_CONFIG", "[]"),
        ("REDIS_URL", "redis://localhost:6379/0"),
    ]);
    assert_eq!(config.delivery.retries_max, 4);
    assert_eq!(config.admin.key.expose_secret(), "open");
    assert_eq!(config.products.inline.expose_secret(), "[]");
    assert_eq!(config.redis.url.expose_secret(), "redis://localhost:6379/0");
    assert_eq!(
        config.notices,
        ["redis.url is set, and not used: store.backend is not redis"]
    );
    assert_eq!(loaded(&[("MAX_RETRIES", "3")]).delivery.retries_max, 3);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_origin() {
    let file = file(
        "[sesion]\nbin_seconds = 3\n[http]\nbody_bytes_max = \"many\"\nevents_max = 0\n\
         [store]\nbackend = \"postgres\"\n[retention]\nstate_s = 10\n[metrics]\nproduct_label = 1\n",
    );
    let env = [
        ("CONNECTOR__HTTP__BIND", "everywhere"),
        ("CONNECTOR__FEED__HEARTBEET_MS", "5"),
        ("CONNECTOR__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/33"),
        ("CONNECTOR__NOWHERE", "5"),
        ("CONNECTOR__DELIVERY__LEASE_MS", "12000"),
        ("MAX_RETRIES", "-1"),
        ("REDIS_URL", "ftp://hunter2@host"),
    ];
    let path = file.path.display();
    let expected = [
        "nowhere (variable CONNECTOR__NOWHERE): unknown key; variables are named CONNECTOR__SECTION__KEY".to_owned(),
        "http.bind (variable CONNECTOR__HTTP__BIND): must be an address and a port, e.g. 127.0.0.1:8080".to_owned(),
        "http.trusted_proxies[1] (variable CONNECTOR__HTTP__TRUSTED_PROXIES): must be an address or a network, e.g. 10.0.0.0/8".to_owned(),
        format!("http.body_bytes_max (file {path}): must be a whole number, is text"),
        format!("http.events_max (file {path}): must be from 1 to 100000000, is 0"),
        format!("store.backend (file {path}): must be sqlite or redis"),
        "delivery.retries_max (variable MAX_RETRIES): must be from 0 to 1000, is -1".to_owned(),
        "redis.url (variable REDIS_URL): must be a Redis URL, e.g. redis://host:6379/0, or several separated by commas".to_owned(),
        format!("metrics.product_label (file {path}): must be true or false, is a number"),
        format!("retention.state_s (file {path}; session.link_carry_s from defaults): must be at least session.link_carry_s, or a link is gone before it passes on"),
        "delivery.lease_ms (variable CONNECTOR__DELIVERY__LEASE_MS; delivery.request_timeout_ms from defaults): must be at least delivery.request_timeout_ms plus 5000, so that an attempt's end can be recorded".to_owned(),
        "feed.heartbeet_ms (variable CONNECTOR__FEED__HEARTBEET_MS): unknown key; did you mean feed.heartbeat_ms?".to_owned(),
        format!("sesion.bin_seconds (file {path}): unknown key; did you mean session.bin_seconds?"),
    ];
    let found = lines(Some(&file.path), &env);
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn a_file_that_cannot_be_used_is_one_mistake_among_others() {
    let env = [("CONNECTOR__HTTP__EVENTS_MAX", "none")];
    let missing = lines(Some(Path::new("/nowhere/at/all.toml")), &env);
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(
        missing[0].starts_with("file /nowhere/at/all.toml: cannot be read"),
        "{missing:?}"
    );
    let broken = lines(Some(&file("[admin]\nkey = hunter2\n").path), &env);
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken[0].contains("line 2"), "{broken:?}");
}

#[test]
fn states_are_mirrored_to_the_redis_of_the_store_only() {
    let found = lines(None, &[("CONNECTOR__REDIS__MIRROR", "true")]);
    let expected = "redis.mirror (variable CONNECTOR__REDIS__MIRROR; store.backend from defaults): needs \
                    store.backend to be redis: the copies are written to the Redis of the store";
    assert_eq!(found, [expected]);
    let config = loaded(&[
        ("CONNECTOR__REDIS__MIRROR", "true"),
        ("CONNECTOR__STORE__BACKEND", "redis"),
        ("REDIS_URL", "redis://localhost:6379/0"),
    ]);
    assert!(config.redis.mirror);
}

#[test]
fn sentinels_are_named_with_their_master_and_without_a_cluster() {
    let redis = |url| [("CONNECTOR__STORE__BACKEND", "redis"), ("REDIS_URL", url)];
    let url = "redis+sentinel://:hunter2@one:26379,two/main/1?sentinel_password=hunter2";
    let waits = ("CONNECTOR__REDIS__WAIT_REPLICAS", "1");
    let config = loaded(&[&redis(url)[..], &[waits]].concat());
    assert_eq!(config.redis.url.expose_secret(), url);
    let cluster = ("CONNECTOR__REDIS__CLUSTER", "true");
    assert_eq!(
        lines(None, &[&redis(url)[..], &[cluster]].concat()),
        [
            "redis.cluster (variable CONNECTOR__REDIS__CLUSTER; redis.url from variable REDIS_URL): must be false with \
          Sentinels: they know masters, and no cluster"
        ]
    );
    for wrong in [
        "redis+sentinel://one:26379",
        "redis+sentinel://one:26379/",
        "redis+sentinel://one:26379,/main",
        "redis+sentinel:///main",
        "redis+sentinel://one/main/first",
        "redis+sentinel://one/a master",
        "redis+sentinel://one/main,redis+sentinel://two/main",
        "redis+sentinel://one,redis+sentinel://two/main",
    ] {
        let form = "redis.url (variable REDIS_URL): names Sentinels, and must be of the form \
                    redis+sentinel://user:password@host1:26379,host2:26379/master/0";
        assert_eq!(lines(None, &redis(wrong)), [form], "{wrong}");
    }
    let misspelt = "redis+sentinel://one/main?sentinel_pasword=hunter2";
    assert_eq!(
        lines(None, &redis(misspelt)),
        [
            "redis.url (variable REDIS_URL): names Sentinels, and may have the options sentinel_username, \
          sentinel_password and protocol only"
        ]
    );
}

#[test]
fn keys_outside_sections_are_refused_and_replace_nothing() {
    let text = "http = 3\n\"http[99999999]\" = 1\nadmin.key.deep = 1\n[\"log.level\"]\nx = 1\n";
    let found = lines(Some(&file(text).path), &[]);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found.iter().any(|line| line.starts_with("http ")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|line| line.contains("must be text, is a section")),
        "{found:#?}"
    );
}

#[test]
fn secrets_are_never_printed() {
    let env = [
        ("CONNECTOR_ADMIN_KEY", "hunter2"),
        ("PRODUCTS_CONFIG", "[{\"secret\":\"hunter2\"}]"),
        ("REDIS_URL", "redis://:hunter2@localhost"),
    ];
    let config = loaded(&env);
    assert!(!format!("{config:?}").contains("hunter2"));
    let effective = config.effective();
    assert!(!effective.contains("hunter2"), "{effective}");
    assert!(effective.contains("key = \"[redacted]\""), "{effective}");
    for text in [
        "[admin]\nkey = hunter2",
        "[admin]\nkey = [\"hunter2\"]",
        "hunter2",
    ] {
        let found = lines(Some(&file(text).path), &[]).join("\n");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn a_misspelt_variable_is_noticed() {
    let notices = loaded(&[("CONNECTOR_ADMIN_KY", "x"), ("CONNECTOR_PORT", "1")]).notices;
    let expected = "variable CONNECTOR_ADMIN_KY is not read by this service; did you mean CONNECTOR_ADMIN_KEY?";
    assert_eq!(notices, [expected]);
}

#[test]
fn networks_contain_what_they_say() {
    let config = loaded(&[(
        "CONNECTOR__HTTP__TRUSTED_PROXIES",
        "10.0.0.0/8,192.0.2.7,fd00::/8,0.0.0.0/0",
    )]);
    let [ten, one, local, all] = config.http.trusted_proxies[..] else {
        panic!("four networks were given");
    };
    let holds = |network: event_connector::config::Network, address: &str| {
        network.contains(address.parse().expect("an address"))
    };
    assert!(holds(ten, "10.255.0.1") && holds(ten, "::ffff:10.1.1.1"));
    assert!(!holds(ten, "11.0.0.1") && !holds(ten, "::a00:1"));
    assert!(holds(one, "192.0.2.7") && !holds(one, "192.0.2.8"));
    assert!(holds(local, "fd12::1") && !holds(local, "fe80::1"));
    assert!(holds(all, "203.0.113.9") && !holds(all, "::1"));
}

#[test]
fn addresses_of_services_lose_their_trailing_slash_and_must_be_whole() {
    let set = |value| load(None, &[("CONNECTOR__INTERCOM__BASE_URL", value)]);
    let config = set("https://proxy.example/intercom/").expect("valid");
    assert_eq!(config.intercom.base_url, "https://proxy.example/intercom");
    for wrong in [
        "proxy.example",
        "https://",
        "https://:80",
        "http://a b",
        "http://u:p@h",
        "ftp://h",
    ] {
        set(wrong).expect_err(wrong);
    }
}
