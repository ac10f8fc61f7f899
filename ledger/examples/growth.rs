//! The time of a step in PostgreSQL as users and rows grow, and its round trips:
//! `cargo run --release -p sparekey-ledger --features postgres --example growth -- postgres://…`, on an empty database that may
//! be filled with 10 million rows.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use sparekey_ledger::{
    Call, Clock, End, Ledger, Row,
    postgres::{Options, Postgres},
};
use sparekey_policy::{Command, HoldId, Limits, Outcome, Period, Reserve, State, Timestamp, Usd, Zone};
use tokio_postgres::{Client, NoTls};

/// Users with a state, and rows of them.
const SIZES: [(u64, u64); 4] = [(100, 0), (10_000, 100_000), (1_000_000, 1_000_000), (1_000_000, 10_000_000)];

/// Steps of each measurement, each of another user.
const STEPS: u64 = 2_000;

/// Of the model in the rows.
const FILL_ROWS: &str = "INSERT INTO sparekey.usage (at, id, day, user_name, started, key, route, model, tier, input, cached, \
    cache_write, cache_write_12h, input_audio, cached_audio, input_image, cached_image, output, reasoning, output_audio, \
    output_image, web_search, file_search, containers, audio_ms, characters, cost, prices, status, ended, estimated, over, retry, \
    upstream_id, response_id, total_us) \
    SELECT n, gen_random_uuid(), n / 120000, 'user-' || n % $3, n, 'abcdef12', '/chat/completions', 'gpt-5', 'standard', 1000, 0, \
    0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 1000000, '2026', 200, 'complete', false, false, 0, 'req_' || md5(n::text), \
    'chatcmpl-' || md5(n::text), 1000 FROM generate_series($1::bigint, $2::bigint) AS n";

const FILL_DAYS: &str = "INSERT INTO sparekey.usage_daily \
    SELECT day, user_name, model, count(*), 0, sum(input), 0, sum(output), sum(cost) FROM sparekey.usage \
    WHERE at BETWEEN $1 AND $2 GROUP BY day, user_name, model ON CONFLICT DO NOTHING";

fn main() {
    let address = env::args().nth(1).expect("the address of an empty database");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (client, connection) = runtime.block_on(tokio_postgres::connect(&address, NoTls)).expect("a connection");
    let connection = async {
        // The statement that waits has its error.
        let _ = connection.await;
    };
    let ledger = Postgres::open(&address, Options::default()).expect("a ledger").ledger;
    let (mut users, mut rows) = (0, 0);
    println!(
        "| users | rows | reserve p50, µs | reserve p99, µs | settle p50, µs | round trips per request |\n|---|---|---|---|---|---|"
    );
    let fill = async {
        for (more_users, more_rows) in SIZES {
            fill(&client, (users, more_users), (rows, more_rows)).await.expect("fill the tables");
            (users, rows) = (more_users, more_rows);
            let commits = commits(&client).await;
            let engine = ledger.clone();
            let run = tokio::task::spawn_blocking(move || measure(&engine, users));
            let [reserves, settles] = run.await.expect("a measurement");
            let trips = (self::commits(&client).await - commits).cast_unsigned() * 100 / STEPS;
            let [p50, p99] = [50, 99].map(|percent| percentile(&reserves, percent));
            let settle = percentile(&settles, 50);
            println!("| {users} | {rows} | {p50} | {p99} | {settle} | {}.{:02} |", trips / 100, trips % 100);
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = fill => {}
            () = connection => {}
        }
    });
    assert_eq!(ledger.close(), 0);
}

async fn fill(
    client: &Client,
    (old_users, users): (u64, u64),
    (old_rows, rows): (u64, u64),
) -> Result<(), tokio_postgres::Error> {
    let number = |value: u64| i64::try_from(value).expect("a small number");
    let state = State::default().encode();
    let add =
        "INSERT INTO sparekey.state SELECT 'user-' || n, $3, 1, '{}' FROM generate_series($1::bigint, $2::bigint) AS n";
    if users > old_users {
        client.execute(add, &[&number(old_users), &number(users - 1), &state]).await?;
    }
    if rows > old_rows {
        let (first, last) = (number(old_rows), number(rows - 1));
        client.execute(FILL_ROWS, &[&first, &last, &number(users)]).await?;
        client.execute(FILL_DAYS, &[&first, &last]).await?;
    }
    client.batch_execute("VACUUM ANALYZE").await?;
    client.batch_execute("CHECKPOINT").await
}

/// The transactions of the database so far. Each statement of the engine is one; statistics arrive within a second.
async fn commits(client: &Client) -> i64 {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let select = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(select, &[]).await.expect("statistics").get(0)
}

/// The times of reservations and of settles.
fn measure(ledger: &Postgres, users: u64) -> [Vec<Duration>; 2] {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(Period::Month, Usd::MAX);
    let limits = Arc::new(limits);
    let want = Usd::from_pico(1_000_000);
    let mut times = [Vec::new(), Vec::new()];
    for step in 0..STEPS {
        let user: Arc<str> = format!("user-{}", step * 7_919 % users).into();
        let id = HoldId(u128::from(users) << 64 | u128::from(step) << 32 | u128::from(std::process::id()));
        let until = Clock::default().now().plus(Timestamp::HOUR);
        let reserve = Reserve { id, want, floor: want, least: want, tokens: 0, until, process: ledger.process() };
        let settle = Command::Settle { id, amount: want, tokens: 0 };
        let call = |command| Call::new(Arc::clone(&user), Arc::clone(&limits), command);
        let row = Row { model: "gpt-5".into(), ..Row::bare(Clock::default().now(), End::Complete) };
        for (call, times) in [call(Command::Reserve(reserve)), call(settle).with_row(row)].into_iter().zip(&mut times) {
            let before = Instant::now();
            let outcome = ledger.run(call).wait().expect("an outcome");
            times.push(before.elapsed());
            assert!(matches!(outcome, Outcome::Granted { .. } | Outcome::Settled { .. }), "{outcome:?}");
        }
    }
    times
}

fn percentile(times: &[Duration], percent: usize) -> u128 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() * percent / 100].as_micros()
}
