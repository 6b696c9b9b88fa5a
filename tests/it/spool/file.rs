//! What the file may hold.

use std::sync::Arc;

use event_connector::spool::{Options, Spool};
use event_connector::tasks::Tasks;

use super::{ROOM_BYTES, feed, lines, post_all, shares, spool_in, stage, until_empty};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_cannot_be_read_stays_where_it_is() {
    let (mut server, folder, service) = stage().await;
    let url = service.url.clone();
    server.kill();
    assert_eq!(post_all(&service, &url, 0..3).await, 3);
    service.stop().await;
    let path = folder.path().join("spool.db");
    let file = rusqlite::Connection::open(&path).expect("it opens");
    let broken = file.execute("UPDATE spool SET share = 'x' WHERE id = 2", []);
    assert_eq!(broken.expect("it can be written"), 1);
    drop(file);
    server.resume();
    let spool = spool_in(folder.path(), ROOM_BYTES).await;
    let next = service
        .sibling_with(Arc::new(server.store("shared")), Some(spool))
        .await;
    until_empty(&service, &next.url).await;
    assert_eq!(feed(&service, &next.url, 2).await, lines([0, 2]));
    assert_eq!(shares(&next.metrics, "unreadable"), 1);
    next.stop().await;
    // It is passed over by the next one too.
    let spool = spool_in(folder.path(), ROOM_BYTES).await;
    assert_eq!(spool.depth().entries, 0);
    let file = rusqlite::Connection::open(&path);
    drop(spool);
    let kept: String = eventually("the file is free", || async {
        let file = file.as_ref().map_err(ToString::to_string)?;
        let sql = "SELECT share FROM spool";
        file.query_row(sql, [], |row| row.get(0))
            .map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(kept, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_spool_or_anothers_is_left_alone() {
    let folder = tempfile::tempdir().expect("a directory");
    let open = |name: &str| {
        let options = Options {
            path: folder.path().join(name),
            bytes_max: ROOM_BYTES,
            queue_max: 1,
            group_max: 1,
        };
        let opened = Spool::open(&options, &|name, work| Tasks::thread(name, work));
        opened.map(drop).map_err(|error| error.to_string())
    };
    std::fs::write(
        folder.path().join("text"),
        "no database at all, of enough bytes",
    )
    .expect("writable");
    let told = open("text").expect_err("it is none");
    assert!(told.contains("not a database"), "{told}");
    let other = rusqlite::Connection::open(folder.path().join("other")).expect("it opens");
    other
        .execute_batch("PRAGMA user_version = 3")
        .expect("it can be written");
    let told = open("other").expect_err("it is another's");
    assert!(told.contains("it is no spool"), "{told}");
    let _first = spool_in(folder.path(), ROOM_BYTES).await;
    let told = open("spool.db").expect_err("it is in use");
    assert!(told.contains("in use already"), "{told}");
}
