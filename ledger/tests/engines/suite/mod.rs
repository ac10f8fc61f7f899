//! The tests of every engine. The suite of the adapters runs them on the Worker's ledger: they use only what `support` has in
//! both.

mod budgets;
mod corrections;
mod rates;
mod rows;
mod settling;

use super::support::{self, Store};

/// A test, and its name.
pub(crate) type Test = (&'static str, fn(&Store));

macro_rules! tests {
    ($($module:ident: [$($test:ident),* $(,)?]),* $(,)?) => {
        &[$($((stringify!($test), $module::$test),)*)*]
    };
}

/// The tests.
pub(crate) const TESTS: &[Test] = tests! {
    budgets: [
        parallel_requests_stay_within_the_budget,
        parallel_requests_of_two_processes_stay_within_the_budget,
        first_requests_of_a_new_user,
        four_requests_at_once_start,
        period_of_the_reservation_is_charged,
        new_period_starts_at_zero,
        days_in_a_time_zone,
        raised_and_lowered_budgets,
    ],
    settling: [
        settle_once,
        repeated_reserve_is_the_same_grant,
        lost_settle_is_charged_at_its_end,
        late_settle_replaces_the_expired_row,
        settle_at_the_moment_of_expiry,
        ended_process_is_charged,
        holds_of_other_processes_stay,
        dropped_grant_is_settled_at_zero,
        random_calls_keep_the_sums,
    ],
    rates: [
        requests_per_minute,
        tokens_per_minute,
        concurrent_requests,
        no_row_for_a_place,
    ],
    corrections: [
        void_returns_the_cost_once,
        void_of_an_older_day,
        void_of_an_open_request,
        void_of_an_expired_hold_is_final,
        credit_lowers_what_is_spent,
    ],
    rows: [
        rows_are_as_written,
        rows_of_a_query,
        response_by_id,
        no_row_for_a_refused_request,
    ],
};
