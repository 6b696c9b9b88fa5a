//! Facts that span sessions, and commits that rest on them.

use event_connector::domain::log::{IndexKey, Space};

use super::house::{House, draft, key, key_of, product, row, write};

pub(super) async fn a_guard_holds_while_its_row_is_equal(house: &House) {
    house
        .wrote(draft().fact(row("c"), Some("\"s\""), 9_000))
        .await;
    let next = write(&key("s"), 0, "one").if_row(row("c"), Some("\"s\""));
    house.wrote(next).await;
}

pub(super) async fn a_guard_fails_once_its_row_has_changed(house: &House) {
    house.wrote(write(&key("s"), 0, "one")).await;
    house
        .wrote(draft().fact(row("c"), Some("\"other\""), 9_000))
        .await;
    let stale = write(&key("s"), 1, "two").if_row(row("c"), Some("\"s\""));
    let newest = house.conflicted(stale).await;
    assert_eq!(newest.expect("there is a state").version, 1);
    let stale = draft()
        .if_row(row("c"), Some("\"s\""))
        .fact(row("d"), Some("1"), 9_000);
    assert_eq!(house.conflicted(stale).await, None);
    assert_eq!(house.fact(row("d"), 1).await, None);
}

pub(super) async fn a_guard_on_absence_fails_once_the_row_exists(house: &House) {
    let claim = |owner| {
        draft()
            .if_row(row("c"), None)
            .fact(row("c"), Some(owner), 9_000)
    };
    house.wrote(claim("1")).await;
    house.conflicted(claim("2")).await;
    assert_eq!(house.fact(row("c"), 1).await.as_deref(), Some("1"));
}

pub(super) async fn an_expired_row_counts_as_absent(house: &House) {
    house.wrote(draft().fact(row("c"), Some("1"), 2_000)).await;
    assert_eq!(house.fact(row("c"), 2_000).await.as_deref(), Some("1"));
    assert_eq!(house.fact(row("c"), 2_001).await, None);
    house
        .conflicted(draft().at(2_000).if_row(row("c"), None))
        .await;
    house
        .conflicted(draft().at(2_001).if_row(row("c"), Some("1")))
        .await;
    house.wrote(draft().at(2_001).if_row(row("c"), None)).await;
}

pub(super) async fn a_guard_on_no_state_fails_once_there_is_one(house: &House) {
    let wait = || {
        draft()
            .if_no_state(&key("s"))
            .fact(row("pending"), Some("1"), 9_000)
    };
    house.wrote(wait()).await;
    house.wrote(write(&key("s"), 0, "one")).await;
    house.conflicted(wait()).await;
}

pub(super) async fn a_guard_sees_no_rows_of_other_products(house: &House) {
    house.wrote(draft().fact(row("c"), Some("1"), 9_000)).await;
    let elsewhere = write(&key_of("bank", "s"), 0, "one").if_row(row("c"), None);
    house.wrote(elsewhere).await;
    let rows = house.store.index(&product("bank"), &[row("c")], 1).await;
    assert_eq!(rows.expect("readable"), [None]);
}

pub(super) async fn a_commit_may_touch_the_index_alone(house: &House) {
    house.wrote(draft().fact(row("c"), Some("1"), 9_000)).await;
    assert_eq!(house.fact(row("c"), 1).await.as_deref(), Some("1"));
    assert_eq!(house.state(&key("c")).await, None);
}

pub(super) async fn rows_are_answered_in_the_order_asked(house: &House) {
    let user = IndexKey::new(Space::UserSession, "u");
    let same_id = IndexKey::new(Space::UserLink, "u");
    house
        .wrote(
            draft()
                .fact(row("a"), Some("1"), 9_000)
                .fact(user.clone(), Some("2"), u64::MAX),
        )
        .await;
    let asked = [user.clone(), same_id, row("a"), row("missing"), user];
    let rows = house.store.index(&product("shop"), &asked, 1).await;
    let rows = rows.expect("readable");
    let values: Vec<_> = rows.iter().map(Option::as_deref).collect();
    assert_eq!(values, [Some("2"), None, Some("1"), None, Some("2")]);
    let nothing = house.store.index(&product("never"), &[row("a")], 1).await;
    assert_eq!(nothing.expect("readable"), [None]);
}

pub(super) async fn a_later_write_of_the_same_row_wins(house: &House) {
    let both = draft()
        .fact(row("a"), Some("1"), 2_000)
        .fact(row("a"), Some("2"), 9_000)
        .fact(row("b"), Some("1"), 9_000)
        .fact(row("b"), None, 0);
    house.wrote(both).await;
    assert_eq!(house.fact(row("a"), 5_000).await.as_deref(), Some("2"));
    assert_eq!(house.fact(row("b"), 1).await, None);
}

pub(super) async fn a_row_can_be_removed(house: &House) {
    house.wrote(draft().fact(row("a"), Some("1"), 9_000)).await;
    house.wrote(draft().fact(row("a"), None, 0)).await;
    assert_eq!(house.fact(row("a"), 1).await, None);
    house
        .wrote(draft().fact(row("a"), None, 0).if_row(row("a"), None))
        .await;
}
