//! Every model holds, and fails when the orderings it relies on are weakened.

use std::panic::catch_unwind;

use aura_models::models;
use aura_models::primitive::{Orders, weaken};

/// Holds as written, and does not with weaker orderings.
#[track_caller]
fn holds_but_not(model: fn(), orders: Orders) {
    model();
    let _weakened = weaken(orders);
    assert!(catch_unwind(model).is_err(), "nobody needs more than {orders:?}");
}

#[test]
fn no_operation_stays_queued_while_the_poller_sleeps() {
    // The submission lock orders it all, whatever the atomics do; so the order of steps is changed.
    models::sleeper_in_the_submitters_ring();
    assert!(catch_unwind(models::late_announcement).is_err(), "the order does not matter");
}

#[test]
fn a_poller_that_is_deaf_to_the_submitters_ring_is_woken() {
    holds_but_not(models::deaf_sleeper, Orders::WithoutTotalOrder);
}

#[test]
fn every_thread_gets_through_the_gate() {
    holds_but_not(models::gate_lets_everyone_in, Orders::WithoutTotalOrder);
}

#[test]
fn no_note_at_the_gate_is_lost() {
    holds_but_not(models::gate_heeds_notes, Orders::WithoutTotalOrder);
}

#[test]
fn a_flag_ends_the_sleep_and_shows_what_came_before() {
    holds_but_not(models::flag_ends_the_sleep, Orders::WithoutTotalOrder);
}

#[test]
fn the_cargo_of_a_dropped_future_is_freed_once() {
    holds_but_not(models::a_dropped_future, Orders::Relaxed);
}

#[test]
fn a_waker_is_replaced_with_the_poller_waiting() {
    holds_but_not(models::a_replaced_waker, Orders::Relaxed);
}

#[test]
fn a_closed_window_is_seen_whole() {
    holds_but_not(models::closed_windows, Orders::WithoutFences);
}

#[test]
fn no_sample_is_counted_before_its_maximum_is_there() {
    holds_but_not(models::maxima, Orders::WithoutFences);
}

#[test]
fn a_name_that_is_found_leads_to_its_engine() {
    holds_but_not(models::a_name_that_is_found, Orders::Relaxed);
}

#[test]
fn a_pool_ends_with_the_last_buffer_or_the_last_handle() {
    holds_but_not(models::last_buffer_and_last_handle, Orders::WithoutTotalOrder);
}

#[test]
fn a_pool_ends_after_a_buffer_that_another_thread_drops() {
    holds_but_not(models::buffer_dropped_elsewhere, Orders::Relaxed);
}

#[test]
fn a_pool_ends_though_the_thread_of_its_last_buffer_has_ended() {
    holds_but_not(models::thread_ends, Orders::Relaxed);
}

#[test]
fn a_bell_that_is_not_found_has_woken_the_task() {
    holds_but_not(models::bells, Orders::WithoutTotalOrder);
}
