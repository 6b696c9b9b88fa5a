//! The list of checks, made into tests for one backend at a time.

/// Instantiates every check for the backend that `$open` opens.
macro_rules! store_suite {
    ($backend:ident, $open:expr) => {
        mod $backend {
            crate::store::suite::checks! { $open,
                states: a_commit_is_read_back
                states: a_settled_part_stays_until_another_is_written
                states: what_is_added_to_a_settled_part_follows_it
                states: a_settled_part_goes_with_its_state
                states: a_restored_state_gives_way_to_what_is_not_older
                states: a_key_without_commits_is_absent
                states: an_old_version_conflicts_and_returns_the_newest_snapshot
                states: a_first_commit_conflicts_with_an_existing_state
                states: a_version_from_nowhere_conflicts_with_nothing_to_show
                states: the_newest_commit_of_each_writer_is_remembered
                states: the_newest_thirty_two_writers_are_remembered
                states: a_repeated_commit_finds_its_own_id
                states: a_conflict_leaves_no_trace
                states: entries_without_a_state_are_refused
                states: a_key_of_another_product_is_refused
                states: kinds_and_products_do_not_share_states
                states: a_quarantined_state_is_absent_and_counted
                states: a_sequence_goes_on_after_a_quarantine
                states: a_parked_input_changes_nothing_else
                states: a_closed_store_is_unavailable
                guards: a_guard_holds_while_its_row_is_equal
                guards: a_guard_fails_once_its_row_has_changed
                guards: a_guard_on_absence_fails_once_the_row_exists
                guards: an_expired_row_counts_as_absent
                guards: a_guard_on_no_state_fails_once_there_is_one
                guards: a_guard_sees_no_rows_of_other_products
                guards: a_commit_may_touch_the_index_alone
                guards: rows_are_answered_in_the_order_asked
                guards: a_later_write_of_the_same_row_wins
                guards: a_row_can_be_removed
                log: sequences_are_dense_per_key
                log: offsets_grow_while_the_clock_stands_still_or_goes_back
                log: an_entry_is_read_back_whole
                log: history_is_newest_first_and_bounded
                log: histories_of_two_keys_do_not_mix
                feed: pages_follow_each_other_without_gaps
                feed: subscribers_do_not_see_what_is_not_for_them
                feed: a_page_says_how_far_it_has_looked
                feed: an_unknown_product_has_an_empty_feed
                feed: the_head_is_the_newest_offset
                feed: a_position_ahead_of_the_log_stays_where_it_is
                lanes: a_lane_leases_its_oldest_delivery_only
                lanes: a_finished_delivery_lets_the_next_one_go
                lanes: a_waiting_head_holds_its_lane_and_no_other
                lanes: a_withdrawn_delivery_in_the_middle_is_skipped
                lanes: the_longest_due_lane_goes_first
                lanes: a_delivery_can_be_made_and_withdrawn_in_one_commit
                lanes: retry_now_makes_a_waiting_lane_due
                lanes: retry_now_leaves_a_lease_alone
                outbox: a_lease_tells_everything_about_its_delivery
                outbox: a_leased_delivery_is_not_leased_again_before_its_end
                outbox: an_expired_lease_is_leased_again_as_unsettled
                outbox: the_earliest_unsettled_attempt_is_remembered
                outbox: a_retry_waits_and_counts
                outbox: a_retry_that_does_not_count_leaves_the_count
                outbox: the_oldest_open_delivery_of_each_platform_is_known
                outbox: a_retry_of_what_is_not_leased_changes_nothing
                outbox: a_retry_by_somebody_whose_lease_is_over_changes_nothing
                outbox: finishing_twice_changes_nothing
                outbox: a_known_delivery_is_not_put_in_again
                outbox: recorded_parts_are_known_by_their_lane
                outbox: the_next_delivery_is_the_earliest_due
                outbox: dead_letters_are_counted
                turns: products_take_turns_whatever_one_of_them_has_waiting
                turns: a_turn_goes_on_where_the_last_lease_stopped
                turns: a_quota_is_shared_by_its_products_and_zero_passes_them_by
                turns: the_next_delivery_of_others_passes_a_closed_product_by
                history: a_call_is_remembered_until_its_delivery_goes
                history: the_newest_calls_are_kept_and_go_on_counting
                history: a_lease_that_ran_out_is_in_the_history
                history: listings_filter_and_go_on_behind_a_page
                history: what_waits_is_replayed_at_once_and_what_is_under_way_goes_on
                history: a_dead_letter_is_revived_in_its_place_with_its_doubt
                history: what_is_over_is_replayed_as_another_one_each_time
                deadlines: overdue_keys_are_claimed_oldest_first
                deadlines: a_claim_keeps_others_away_until_it_ends
                deadlines: a_commit_moves_or_clears_the_deadline
                deadlines: keys_written_ahead_of_the_clock_are_claimed_once
                outbox: a_clock_set_back_moves_what_waits
                outbox: a_clock_set_back_before_the_start_bounds_what_waits
                ageing: old_entries_go_and_the_feed_says_so
                ageing: the_oldest_entries_go_while_the_log_is_too_large
                ageing: offsets_and_sequences_go_on_after_everything_has_gone
                ageing: an_entry_from_the_future_keeps_no_other_alive
                ageing: idle_states_go_and_states_with_a_deadline_stay
                ageing: a_state_written_after_the_clock_was_set_back_goes_at_its_time
                ageing: a_state_that_has_gone_conflicts_with_its_old_version
                ageing: a_sequence_outlives_its_state_while_entries_remain
                ageing: expired_rows_go_and_pending_links_are_counted
                ageing: finished_deliveries_go_and_waiting_ones_stay
                ageing: one_round_is_bounded
                erasure: what_is_about_a_person_goes_and_the_rest_stays
                erasure: the_history_of_others_stays_whole
                erasure: a_commit_that_rests_on_an_erased_state_conflicts
                erasure: a_lane_goes_on_behind_an_erased_delivery
                erasure: pages_follow_each_other_through_every_table
                erasure: requests_are_listed_until_they_are_removed
                erasure: a_page_is_looked_at_again_before_anything_goes
                groups: commits_that_come_together_are_judged_one_by_one
                crowd: every_commit_of_a_crowd_is_kept_once
                crowd: one_of_many_rivals_wins_each_version
                crowd: offsets_follow_the_order_of_commits
                crowd: every_delivery_is_leased_by_one_worker_only
            }
        }
    };
}

/// Makes one test of each check.
macro_rules! checks {
    ($open:expr, $($group:ident: $check:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            let house = $open.await;
            crate::store::$group::$check(&house).await;
            house.store.close().await;
        }
    )*};
}

pub(crate) use checks;
pub(crate) use store_suite;
