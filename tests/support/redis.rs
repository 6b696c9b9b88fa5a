//! Real Redis servers, in a directory that vanishes with them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// One server, or the nodes of a cluster; killed when dropped.
pub(crate) struct Servers {
    nodes: Vec<Child>,
    /// How to reach them.
    pub(crate) url: String,
    _directory: TempDir,
}

/// How many nodes a cluster has.
const NODES: u16 = 3;

/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(20);

impl Servers {
    /// One server on a socket in its directory. It syncs nothing: tests that use it do not kill it.
    pub(crate) fn one() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("redis.sock");
        let path = socket.to_str().expect("a path in UTF-8").to_owned();
        let node = start(directory.path(), &["--port", "0", "--unixsocket", &path]);
        until_says(&["-s", &path, "ping"], "PONG");
        Self {
            nodes: vec![node],
            url: format!("unix://{path}"),
            _directory: directory,
        }
    }

    /// A cluster whose nodes share the slots.
    pub(crate) fn cluster() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let free = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            (listener.local_addr().expect("an address").port(), listener)
        };
        let free: Vec<_> = (0..2 * NODES).map(free).collect();
        let ports: Vec<String> = free.iter().map(|(port, _)| port.to_string()).collect();
        drop(free);
        let (ports, buses) = ports.split_at(usize::from(NODES));
        let mut nodes = Vec::new();
        for (port, bus) in ports.iter().zip(buses) {
            let home = directory.path().join(port);
            std::fs::create_dir(&home).expect("a directory");
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", bus];
            nodes.push(start(&home, &[&["--port", port][..], &cluster].concat()));
        }
        for port in ports {
            until_says(&["-p", port, "ping"], "PONG");
        }
        let addresses: Vec<String> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let names: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let create = [&["--cluster", "create"][..], &names, &["--cluster-yes"]].concat();
        let told = say(&create);
        assert!(told.contains("[OK] All 16384 slots covered"), "{told}");
        for port in ports {
            until_says(&["-p", port, "cluster", "info"], "cluster_state:ok");
        }
        let urls: Vec<String> = addresses.iter().map(|at| format!("redis://{at}")).collect();
        Self {
            nodes,
            url: urls.join(","),
            _directory: directory,
        }
    }

    /// One server for all who ask while somebody holds it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        share(&SHARED, Self::one)
    }

    /// One cluster for all who ask while somebody holds it.
    pub(crate) fn shared_cluster() -> Arc<Self> {
        static SHARED: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        share(&SHARED, Self::cluster)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

fn share(place: &Mutex<Weak<Servers>>, make: impl FnOnce() -> Servers) -> Arc<Servers> {
    let mut shared = place.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let made = Arc::new(make());
        *shared = Arc::downgrade(&made);
        made
    })
}

fn start(home: &Path, options: &[&str]) -> Child {
    Command::new("redis-server")
        .current_dir(home)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server starts")
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
