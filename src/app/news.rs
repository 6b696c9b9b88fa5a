//! What other instances have committed, passed on to whoever looks at the store here.

use std::time::Duration;

use crate::delivery::Nudge;
use crate::http::AppState;
use crate::session::mirror::Mirror;
use crate::store::{Heard, News};
use crate::tasks::Tasks;

/// How long to wait before listening again after the connection was lost. Meanwhile everybody looks by
/// themselves now and then.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the news until the service stops.
pub(super) async fn follow(state: AppState, outbox: Nudge, mirror: Option<Mirror>, tasks: Tasks) {
    let heard = |heard: Heard| match heard {
        Heard::News(news) => tell(&state, &outbox, &news),
        Heard::Loss => {
            state.feed.forget_all();
            state.directory.nudge();
            if let Some(mirror) = &mirror {
                mirror.forget_all();
            }
            let sessions = state.sessions.clone();
            tasks.spawn("restoring", async move { sessions.restore().await });
        }
    };
    let mut is_told = false;
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            ended = state.store.listen(&heard) => match ended {
                Ok(()) => is_told = false,
                Err(error) if !is_told => {
                    is_told = true;
                    tracing::warn!(%error, "the news of other instances cannot be heard; what they do is seen later");
                }
                Err(_) => {}
            },
        }
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = state.clock.sleep(PAUSE) => {}
        }
    }
}

fn tell(state: &AppState, outbox: &Nudge, news: &News) {
    if news.is_erasure {
        state.feed.forget(&news.product);
    }
    if news.is_registration {
        state.directory.nudge();
    }
    if news.is_for_feed {
        state.feed.nudge(&news.product);
    }
    if news.is_for_outbox {
        outbox.nudge();
    }
}
