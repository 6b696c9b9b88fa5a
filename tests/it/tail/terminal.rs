//! What a person sees at a terminal.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use event_connector::tasks::Tasks;
use event_connector::terminal::width;

use super::command;
use crate::chaos::{Chaos, Weather};
use crate::demo::{pseudo_terminal, screen_of};
use crate::support::{Service, eventually};

/// A `tail` on a terminal; killed if a test fails.
struct Watched {
    child: Child,
    written: Arc<Mutex<String>>,
}

impl Watched {
    fn start(url: &str, session: &str, columns: u16) -> Self {
        let (ours, theirs) = pseudo_terminal(columns);
        let both = theirs.try_clone().expect("cloned");
        let mut command = command(url, &["--since", "10m", "--session", session], &[]);
        let child = command.stdout(theirs).stderr(both).spawn();
        Self {
            child: child.expect("it starts"),
            written: written_to(ours),
        }
    }

    async fn shows(&self, part: &str) {
        eventually(part, || async {
            let text = self.written.lock().expect("whole").clone();
            if text.contains(part) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }

    /// Ends it; everything that was written.
    fn interrupt(mut self) -> String {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill is there").success());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        self.written.lock().expect("whole").clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_it_is_short_coloured_and_fits_and_shows_how_long_the_feed_is_away() {
    let service = Service::start().await;
    let tasks = Tasks::new();
    let address = service.address().parse().expect("an address");
    let chaos = Chaos::start(address, 5, &tasks).await.expect("a port");
    for columns in [40, 200] {
        let session = format!("session-{columns}");
        let watched = Watched::start(&chaos.url(), &session, columns);
        service.click(&session, "u1", "Save").await;
        watched.shows("[0] click: User").await;
        chaos.set(Weather {
            down: true,
            ..Weather::default()
        });
        watched.shows("waiting for it, ").await;
        chaos.set(Weather::default());
        service.click(&session, "u1", "Send").await;
        watched.shows("[1] click").await;
        let written = watched.interrupt();
        let colours = ["\u{1b}[2m", "\u{1b}[35m"];
        assert!(colours.iter().all(|code| written.contains(code)));
        let (lines, _) = screen_of(&written);
        let actions = lines.iter().filter(|line| line.contains("] click"));
        let actions: Vec<_> = actions.collect();
        let room = usize::from(columns);
        assert!(
            actions.iter().all(|line| width(line) <= room),
            "{actions:?}"
        );
        assert_eq!(actions[0].ends_with('…'), columns == 40, "{actions:?}");
        let is_waiting = |line: &String| line.contains("waiting for it");
        assert!(!lines.iter().any(is_waiting), "{lines:?}");
    }
    tasks.stop();
}

/// Reads along on our end of a terminal.
fn written_to(mut ours: File) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    let read = move || {
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = ours.read(&mut part) {
            bytes.extend_from_slice(&part[..length]);
            *kept.lock().expect("whole") = String::from_utf8_lossy(&bytes).into_owned();
        }
    };
    Tasks::thread("terminal reader", Box::new(read));
    text
}
