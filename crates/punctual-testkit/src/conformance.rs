//! The suite. Each case takes a store of its own; its name says what must hold.

pub mod accounts;
pub mod calendars;
pub mod cluster;
pub mod definitions;
pub mod editing;
pub mod events;
pub mod firing;
pub mod history;
pub mod import;
pub mod late;
pub mod limits;
pub mod locks;
pub mod pausing;
pub mod ranked;
pub mod records;
pub mod requests;
pub mod trigger_totals;

/// Lists the cases; called by [`crate::conformance!`].
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($make:expr) => {
        $crate::conformance_cases!(@area $make, definitions:
            a_job_is_stored_and_read_back,
            a_trigger_is_stored_and_read_back,
            equal_definitions_are_left_alone,
            a_changed_job_is_updated_and_keeps_its_triggers,
            a_whole_trigger_set_replaces_the_old_one,
            a_completed_trigger_without_a_start_does_not_begin_anew,
            a_deleted_or_changed_trigger_without_a_start_begins_anew,
            a_batch_of_changes_is_all_or_none,
            a_job_needs_to_be_durable_or_triggered,
            a_trigger_needs_its_job,
            a_taken_trigger_key_is_refused,
            a_trigger_cannot_change_its_job,
            a_schedule_that_never_fires_is_refused,
            an_end_before_the_start_is_refused,
            a_job_that_is_not_durable_goes_with_its_last_trigger,
            deleting_a_job_takes_its_triggers,
            deleting_what_is_not_there_finds_nothing,
            a_new_description_keeps_the_fire_time,
            a_new_schedule_starts_from_now_and_accounts_for_the_old_one,
            lists_are_ordered_filtered_and_cut,
            a_changed_kind_moves_the_triggers_along,
            a_changed_concurrency_moves_the_triggers_along,
            a_trigger_that_has_completed_is_not_scheduled_again,
            a_claimed_single_instant_can_be_replaced_by_others,
        );
        $crate::conformance_cases!(@area $make, editing:
            what_is_declared_is_logged_where_it_changes_something,
            lists_go_on_after_a_key,
            lists_are_searched_and_filtered_by_kind,
            paused_groups_are_listed,
            an_expectation_that_holds_lets_the_change_through,
            a_stale_expectation_refuses_the_whole_batch,
            of_two_edits_of_one_version_one_wins,
            a_run_for_a_past_instant_carries_it_and_the_triggers_data,
            skipped_ranges_of_a_window_are_listed,
        );
        $crate::conformance_cases!(@area $make, import:
            an_imported_trigger_goes_on_where_it_stood,
            an_imported_count_goes_on,
            imported_triggers_may_be_paused_or_late,
            an_import_takes_no_key_that_is_taken,
        );
        $crate::conformance_cases!(@area $make, firing:
            nothing_is_due_before_its_time,
            a_due_trigger_fires_once_and_moves_on,
            fires_come_in_the_order_of_time_then_priority,
            a_claim_respects_its_limits,
            a_claim_takes_only_known_kinds,
            two_claims_are_disjoint_and_full,
            a_finished_trigger_goes_when_its_fire_ends,
            a_late_cron_trigger_fires_once_for_the_latest_instant,
            a_late_trigger_that_does_nothing_skips,
            a_trigger_that_ignores_misfires_catches_up,
            a_late_instant_within_the_threshold_fires,
            a_trigger_of_its_own_threshold_follows_it,
            a_repeat_count_ends_the_trigger,
            a_non_concurrent_job_has_one_open_fire,
            many_blocked_triggers_do_not_hold_back_others,
            a_skipping_job_gives_up_what_falls_due_meanwhile,
            a_retry_of_a_skipping_job_waits_for_it,
            a_triggered_run_fires_with_its_data,
            a_completion_closes_the_row_once,
            a_completion_of_another_term_is_superseded,
            a_failure_keeps_its_details,
            a_retry_waits_for_its_time,
            a_retry_survives_the_deletion_of_its_trigger,
            a_fire_without_history_leaves_no_row,
            a_released_fire_is_due_again_as_the_same_attempt,
            a_thousand_fires_fit_in_one_batch,
            next_due_is_the_earliest_claimable_time,
            next_due_tells_when_more_is_due_than_was_taken,
        );
        $crate::conformance_cases!(@area $make, limits:
            a_limit_above_one_lets_so_many_run,
            a_run_starts_no_earlier_than_the_last_one_in_its_lane_ended,
            a_key_is_shared_by_jobs_and_kinds,
            a_key_of_data_counts_each_value_by_itself,
            a_smaller_limit_waits_for_more_room,
            a_changed_key_moves_the_triggers_to_another_lane,
            a_skipping_job_with_a_limit_skips_only_when_full,
            a_cancelling_job_asks_the_running_one_to_stop_and_follows_it,
            a_run_is_cancelled_on_request,
            contradicting_limits_are_refused,
        );
        $crate::conformance_cases!(@area $make, calendars:
            a_calendar_is_stored_replaced_and_listed,
            excluded_instants_do_not_fire_and_are_no_part_of_the_account,
            a_changed_calendar_moves_the_triggers_that_use_it,
            a_calendar_in_use_cannot_be_deleted,
            a_calendar_that_excludes_everything_is_refused,
            a_trigger_needs_its_calendar,
        );
        $crate::conformance_cases!(@area $make, late:
            a_catch_up_runs_the_newest_instants_in_order,
            a_catch_up_has_a_window,
            once_stands_for_the_earliest_or_the_latest,
            a_recurrence_rule_fires_and_ends,
            a_fixed_delay_counts_from_the_end,
            a_fixed_delay_counts_its_fires_and_skips,
            a_fixed_delay_ends_after_its_repeats,
            a_fixed_delay_counts_from_the_last_attempt,
            a_fixed_delay_goes_on_after_its_node_was_lost,
            a_fixed_delay_goes_on_when_its_retry_is_deleted,
            a_fixed_delay_that_is_paused_while_it_runs_stays_paused,
        );
        $crate::conformance_cases!(@area $make, events:
            a_trigger_on_an_event_waits,
            an_event_fires_all_that_wait_for_it,
            an_events_payload_lies_over_the_triggers_data,
            an_event_nobody_waits_for_does_nothing,
            an_event_during_a_pause_is_skipped,
            a_paused_job_or_group_takes_no_events,
            a_deleted_trigger_takes_no_more_events,
            a_replaced_trigger_waits_for_what_it_says_now,
            an_event_outside_of_a_triggers_life_makes_no_run,
            runs_of_events_wait_for_their_lane,
            a_skipping_job_keeps_the_runs_of_events,
            a_key_of_the_payload_counts_each_value_by_itself,
            a_failed_run_of_an_event_is_tried_again,
        );
        $crate::conformance_cases!(@area $make, pausing:
            a_paused_trigger_does_not_fire,
            resuming_fires_once_for_the_latest_missed_instant,
            resuming_a_trigger_that_does_nothing_skips_as_paused,
            pausing_a_job_pauses_all_its_triggers,
            a_paused_group_takes_in_new_triggers,
            resuming_a_group_lets_new_triggers_run,
            deleting_a_paused_trigger_accounts_for_the_pause,
        );
        $crate::conformance_cases!(@area $make, history:
            rows_are_filtered,
            rows_are_found_by_their_instant_however_late_they_started,
            a_brief_row_has_no_details_logs_or_progress,
            rows_are_sorted_with_open_ones_last_to_end,
            pages_are_cut_and_totals_are_not,
            recorded_work_is_a_row,
            task_names_are_distinct_and_ascending,
            pruning_keeps_the_newest_and_all_open_rows,
            pruning_by_age_goes_in_chunks,
            skipped_ranges_are_filtered,
            states_are_counted,
        );
        $crate::conformance_cases!(@area $make, records:
            recorded_work_is_opened_and_ended_once,
            work_is_ended_under_its_own_term_only,
            recovery_closes_recorded_work_of_lost_nodes,
            what_a_retired_node_recorded_is_lost,
            children_point_at_their_parent,
            progress_is_seen_and_kept,
            progress_of_another_term_is_ignored,
            a_run_keeps_its_logs,
            rows_are_sorted_by_task_and_status,
            a_run_succeeds_with_all_its_tasks,
            a_run_is_closed_once,
            runs_of_lost_nodes_are_abandoned,
            a_lapsed_lease_that_is_renewed_keeps_records_and_runs,
            runs_are_filtered_sorted_and_cut,
            entities_of_runs_are_listed_once,
            children_and_runs_are_pruned_with_their_rows,
            a_job_can_be_pruned_alone,
        );
        $crate::conformance_cases!(@area $make, ranked:
            lists_and_insights_are_what_the_rows_say,
            a_long_list_stays_in_order,
        );
        $crate::conformance_cases!(@area $make, trigger_totals:
            totals_of_a_trigger_are_the_number_of_its_rows,
        );
        $crate::conformance_cases!(@area $make, cluster:
            a_node_registers_and_renews,
            a_heartbeat_says_how_well_the_node_knows_the_time,
            a_heartbeat_says_whether_something_is_lost,
            two_live_nodes_cannot_share_a_name,
            a_lapsed_lease_is_renewed_unless_the_node_was_recovered,
            a_lapsed_lease_of_a_recovered_node_gets_a_new_term,
            a_lapsed_lease_is_not_renewed_once_a_live_node_has_the_name,
            nodes_are_listed_until_a_recovery_removes_them,
            nodes_are_listed_with_their_slots_and_open_fires,
            a_node_is_asked_to_drain_and_to_claim_again,
            a_lapsed_or_retired_term_cannot_claim,
            recovery_closes_what_a_lost_node_ran,
            recovery_runs_again_what_asks_for_it,
            recovery_leaves_live_nodes_alone,
            recovery_reopens_a_non_concurrent_job,
            recovery_ends_a_finished_trigger_and_its_job,
            a_slow_node_cannot_undo_a_recovery,
            a_sound_store_needs_no_repair,
            due_work_is_counted_by_kind,
            the_kinds_of_jobs_are_listed,
            what_a_busy_lane_holds_back_is_given_up_too,
            overdue_instants_of_unknown_kinds_are_given_up_where_that_is_asked_for,
            giving_up_goes_on_where_it_stopped,
        );
        $crate::conformance_cases!(@area $make, locks:
            an_exclusive_lock_excludes,
            shared_locks_are_shared,
            a_shared_lock_keeps_an_exclusive_one_out,
            several_locks_are_granted_all_or_none,
            the_order_of_names_does_not_matter,
            of_many_that_ask_at_once_one_gets_the_lock,
            a_lease_that_runs_out_frees_the_locks,
            renewing_extends_the_lease,
            a_lost_lease_cannot_be_renewed,
            a_lock_is_given_up_by_its_token_alone,
            tokens_grow,
            the_list_shows_who_holds_what_since_when,
        );
        $crate::conformance_cases!(@area $make, accounts:
            a_user_is_stored_and_found_in_any_case,
            a_taken_or_unusable_name_is_refused,
            the_last_superuser_stays,
            groups_grant_to_their_members,
            a_group_cannot_make_superusers,
            a_deleted_user_leaves_nothing_behind,
            a_session_is_found_by_its_hash_and_ends,
            a_new_password_ends_the_other_sessions,
            failed_attempts_are_counted_by_key_and_forgotten,
            failed_attempts_under_ever_new_keys_fill_no_store,
            a_disabled_user_loses_their_sessions,
            a_use_never_goes_back_in_time,
            a_token_is_found_by_its_hash_and_revoked,
            changes_of_accounts_are_all_or_none,
            an_entry_is_written_with_its_change_or_not_at_all,
            an_entry_of_a_definition_is_written_with_its_change_or_not_at_all,
            the_log_is_filtered_and_paged_newest_first,
            secrets_never_reach_the_log,
            pruning_takes_what_has_ended,
        );
        $crate::conformance_cases!(@area $make, requests:
            a_request_with_a_key_is_carried_out_once,
            a_key_of_another_request_is_refused,
            a_key_is_given_up_when_its_request_was_not_carried_out,
            keys_expire,
            of_many_at_once_one_is_first,
        );
    };
    (@area $make:expr, $area:ident: $($case:ident),* $(,)?) => {
        mod $area {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    let store: std::sync::Arc<dyn punctual_core::JobStore> = $make;
                    $crate::conformance::$area::$case(store).await;
                }
            )*
        }
    };
}
