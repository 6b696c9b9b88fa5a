//! Real Redis servers. They end with the process that started them, and so do their directories.

#![expect(
    clippy::disallowed_methods,
    reason = "starting a server blocks whoever wants it, no clock moves what another program does, and which \
              store the tests run on is said to them as a whole"
)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event_connector::store::redis::{Options, Redis};
use rustix::process::{Pid, Signal};

/// Whether a test program is to run on Redis, where it is written for either store: `STORE=redis`.
pub(crate) fn is_redis() -> bool {
    std::env::var_os("STORE").is_some_and(|store| store == "redis")
}

/// One server, or the nodes of a cluster.
pub(crate) struct Servers {
    /// Whoever holds their standard input keeps them alive.
    _nodes: Vec<Child>,
    /// How to reach them.
    pub(crate) url: String,
}

/// Has a server lose nothing that it has acknowledged.
pub(crate) const SAFE: [&str; 6] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--maxmemory-policy",
    "noeviction",
];

/// How many nodes a cluster has.
const NODES: u16 = 3;

/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a server in a directory of its own, says where that is, and ends both when whoever reads along is
/// gone. It syncs nothing: nobody kills it.
const KEEPER: &str = r#"
home=$(mktemp -d) && cd "$home" || exit 1
redis-server --bind 127.0.0.1 --save "" --appendonly no --unixsocket "$home/socket" "$@" >log 2>&1 &
server=$!
echo "$home"
cat >/dev/null
kill -9 "$server"
rm -rf "$home"
"#;

/// Goes through every key of a pattern.
const KEYS_WITH: &str = r#"
local found = {}
local function flat(value)
  if type(value) ~= 'table' then return tostring(value) end
  local parts = {}
  for i, part in ipairs(value) do parts[i] = flat(part) end
  return table.concat(parts, ' ')
end
local read = {
  string = function(key) return redis.call('GET', key) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1) end,
  stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local held = key .. ' ' .. flat(read[redis.call('TYPE', key).ok](key))
  if string.find(string.lower(held), string.lower(ARGV[2]), 1, true) then found[#found + 1] = key end
end
return found
"#;

impl Servers {
    /// One server for the whole process.
    pub(crate) fn one() -> &'static Self {
        static ONE: OnceLock<Servers> = OnceLock::new();
        ONE.get_or_init(|| {
            let (node, home) = start(&["--port", "0"]);
            let socket = format!("{home}/socket");
            until_says(&["-s", &socket, "ping"], "PONG");
            Self {
                _nodes: vec![node],
                url: format!("unix://{socket}"),
            }
        })
    }

    /// One cluster for the whole process.
    pub(crate) fn cluster() -> &'static Self {
        static CLUSTER: OnceLock<Servers> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            let ports = free_ports(2 * NODES);
            let (ports, buses) = ports.split_at(usize::from(NODES));
            let node = |(port, bus): (&String, &String)| {
                let cluster = ["--cluster-enabled", "yes", "--cluster-port", bus];
                start(&[&["--port", port][..], &cluster].concat()).0
            };
            let nodes = ports.iter().zip(buses).map(node).collect();
            let addresses: Vec<_> = ports
                .iter()
                .map(|port| format!("127.0.0.1:{port}"))
                .collect();
            for port in ports {
                until_says(&["-p", port, "ping"], "PONG");
            }
            let mut create = vec!["--cluster", "create", "--cluster-yes"];
            create.extend(addresses.iter().map(String::as_str));
            let told = say(&create);
            assert!(told.contains("[OK] All 16384 slots covered"), "{told}");
            for port in ports {
                until_says(&["-p", port, "cluster", "info"], "cluster_state:ok");
            }
            let urls: Vec<_> = addresses.iter().map(|at| format!("redis://{at}")).collect();
            Self {
                _nodes: nodes,
                url: urls.join(","),
            }
        })
    }

    /// The store whose keys begin with `prefix`, as one more instance sees it.
    pub(crate) fn store(&self, prefix: &str) -> Redis {
        store_at(self.url.clone(), prefix)
    }

    /// Which keys below a prefix hold this text, whatever their case, in their names or in what is in them.
    pub(crate) fn keys_with(&self, prefix: &str, text: &str) -> Vec<String> {
        let socket = self.url.strip_prefix("unix://").expect("a socket");
        let found = say(&[
            "-s",
            socket,
            "eval",
            KEYS_WITH,
            "0",
            &format!("{prefix}:*"),
            text,
        ]);
        let lines = found.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }
}

/// A server that may be killed and started again on its data; killed when dropped.
pub(crate) struct OwnServer {
    home: tempfile::TempDir,
    socket: String,
    password: Option<String>,
    options: Vec<String>,
    running: Option<Child>,
}

impl OwnServer {
    /// Starts a server with these options on a socket of its own.
    pub(crate) fn start(options: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let mut named = options.iter().skip_while(|name| **name != "--requirepass");
        let password = named.nth(1).copied();
        let options = [&["--port", "0", "--save", ""][..], options].concat();
        Self::run(home, password, &options)
    }

    /// Starts a Sentinel with this password and configuration, which it goes on writing.
    pub(crate) fn sentinel(port: &str, password: &str, configuration: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("sentinel.conf");
        std::fs::write(&path, configuration).expect("writable");
        let path = path.to_str().expect("a path in UTF-8").to_owned();
        let mut options = vec![&*path, "--sentinel", "--bind", "127.0.0.1", "--port", port];
        options.extend(["--requirepass", password]);
        Self::run(home, Some(password), &options)
    }

    fn run(home: tempfile::TempDir, password: Option<&str>, options: &[&str]) -> Self {
        let socket = home.path().join("socket");
        let mut server = Self {
            socket: socket.to_str().expect("a path in UTF-8").to_owned(),
            home,
            password: password.map(str::to_owned),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            running: None,
        };
        server.resume();
        server
    }

    /// How to reach it.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket)
    }

    /// Asks it something.
    pub(crate) fn say(&self, arguments: &[&str]) -> String {
        say(&self.asked(arguments))
    }

    fn asked<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut asked = vec!["-s", &self.socket];
        asked.extend(self.password.iter().flat_map(|password| ["-a", password]));
        asked.extend(arguments);
        asked
    }

    /// Whether one of its files holds these bytes.
    pub(crate) fn wrote_down(&self, text: &str) -> bool {
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // Files come and go while it rewrites them, and a socket is none.
                let bytes = std::fs::read(&path).unwrap_or_default();
                let mut windows = bytes.windows(text.len());
                if windows.any(|window| window == text.as_bytes()) {
                    return true;
                }
            }
        }
        false
    }

    /// Has it do nothing any more, and keep its connections.
    pub(crate) fn stall(&self) {
        let running = self.running.as_ref().expect("it runs");
        let stopped = rustix::process::kill_process(Pid::from_child(running), Signal::STOP);
        stopped.expect("it can be stopped");
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }

    /// Starts it on what it has written down.
    pub(crate) fn resume(&mut self) {
        let started = Command::new("redis-server")
            .current_dir(self.home.path())
            .args(&self.options)
            .args(["--unixsocket", &self.socket])
            .stdout(Stdio::null())
            .spawn();
        self.running = Some(started.expect("redis-server starts"));
        until_says(&self.asked(&["ping"]), "PONG");
    }

    /// Is found at the address of another one from now on.
    pub(crate) fn take_the_place_of(&self, other: &Self) {
        std::fs::rename(&self.socket, &other.socket).expect("a socket can be renamed");
    }

    /// The store whose keys begin with `prefix`, as one more instance sees it.
    pub(crate) fn store(&self, prefix: &str) -> Redis {
        store_at(self.url(), prefix)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn store_at(url: String, prefix: &str) -> Redis {
    static INSTANCES: AtomicU64 = AtomicU64::new(0);
    let options = Options {
        key_prefix: prefix.to_owned(),
        instance: INSTANCES.fetch_add(1, Ordering::Relaxed).to_string(),
        ..Options::new(url.into())
    };
    Redis::new(&options).expect("an address")
}

/// A prefix for what would be a file elsewhere.
pub(crate) fn prefix(path: &Path) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    path.to_string_lossy().chars().map(plain).collect()
}

/// Ports that nobody has at the moment, and that no system gives away by itself: those above 32,767 may be
/// somebody's before a server has started.
pub(crate) fn free_ports(count: u16) -> Vec<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut ports = Vec::new();
    while ports.len() < usize::from(count) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + u64::from(std::process::id()) * 61;
        let port = u16::try_from(12_000 + number % 20_000).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port.to_string());
        }
    }
    ports
}

fn start(options: &[&str]) -> (Child, String) {
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let told = keeper.stdout.take().expect("it is piped");
    let mut home = String::new();
    BufReader::new(told).read_line(&mut home).expect("readable");
    (keeper, home.trim_end().to_owned())
}

fn say(arguments: &[&str]) -> String {
    let output = Command::new("redis-cli").args(arguments).output();
    let output = output.expect("redis-cli runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn until_says(arguments: &[&str], expected: &str) {
    let began = Instant::now();
    loop {
        let told = say(arguments);
        if told.contains(expected) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "redis-server says {told:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
