//! The tables, and who may use them.

use std::{sync::Arc, thread, time::Duration};

use sparekey_ledger::{
    DayQuery, End, Ledger, LedgerError, Row, RowQuery,
    postgres::{self, Options, Postgres, Reader},
};
use sparekey_policy::{Command, HoldId, Period};

use crate::{
    DATABASE, eventually, open, reserve,
    support::{DAY, Server, row, usd},
    tom,
};

pub(crate) fn created_once(server: &mut Server) {
    let address = server.address(DATABASE);
    let open = || Postgres::open(&address, Options { connections: 2, ..Options::default() }).unwrap();
    let opened = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(opened.iter().filter(|opened| opened.is_new).count(), 1);
    assert_eq!(server.sql(DATABASE, "SELECT count(*) FROM sparekey.schema"), "1");
}

pub(crate) fn newer_tables(server: &mut Server) {
    assert_eq!(open(server).ledger.close(), 0);
    let address = server.address(DATABASE);
    // A newer version that older ones can work with.
    server.sql(DATABASE, "UPDATE sparekey.schema SET version = 2");
    assert!(!Postgres::open(&address, Options::default()).unwrap().is_new);
    assert!(Reader::open(&address).is_ok());
    server.sql(DATABASE, "UPDATE sparekey.schema SET version = 3, oldest_reader = 3");
    let expected = LedgerError::TooNew { needed: 3, supported: 1 };
    assert_eq!(Postgres::open(&address, Options::default()).unwrap_err(), expected);
    assert_eq!(Reader::open(&address).unwrap_err(), expected);
}

/// The rights of `docs/ledger-postgres.md`: for the role that creates the tables, for a server, and for a reader.
pub(crate) fn least_rights(server: &mut Server) {
    let of = |role: &str| server.address(DATABASE).replace("test@", &format!("{role}@"));
    server.sql(DATABASE, "CREATE ROLE creator LOGIN; GRANT CREATE ON DATABASE postgres TO creator");
    assert_eq!(Postgres::open(&of("creator"), Options::default()).unwrap().ledger.close(), 0);
    let document = include_str!("../../../docs/ledger-postgres.md");
    let statements: Vec<_> = document.split("```sql\n").skip(1).filter_map(|text| text.split("```").next()).collect();
    let [roles, grants] = statements[..] else { panic!("{statements:?}") };
    server.sql(DATABASE, roles);
    server.sql_of("creator", DATABASE, grants);
    let ledger: Arc<dyn Ledger> = Arc::new(Postgres::open(&of("sparekey"), Options::default()).unwrap().ledger);
    let user = tom(&ledger);
    reserve(&user, 1, 30).unwrap();
    user.settle(1, 20);
    reserve(&user, 2, 30).unwrap();
    assert_eq!(ledger.close(), 0);
    let reader = Reader::open(&of("sparekey_reader")).unwrap();
    assert_eq!(reader.rows(&RowQuery::default()).unwrap().len(), 2);
    assert_eq!(reader.days(&DayQuery::default()).unwrap().len(), 2);
    assert_eq!(&*reader.users().unwrap()[0], "Tom");
    assert!(Postgres::open(&of("sparekey_reader"), Options::default()).is_err());
}

pub(crate) fn check_changes_nothing(server: &mut Server) {
    let of = |role: &str| server.address(DATABASE).replace("test@", &format!("{role}@"));
    server.sql(DATABASE, "CREATE ROLE reader LOGIN");
    let address = server.address(DATABASE);
    assert_eq!(postgres::check(&address), Ok(()));
    let denied = postgres::check(&of("reader")).unwrap_err().to_string();
    assert!(denied.contains("permission denied for database"), "{denied}");
    assert_eq!(server.sql(DATABASE, "SELECT count(*) FROM pg_namespace WHERE nspname = 'sparekey'"), "0");
    assert_eq!(open(server).ledger.close(), 0);
    assert_eq!(postgres::check(&address), Ok(()));
    server.sql(
        DATABASE,
        "GRANT USAGE ON SCHEMA sparekey TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA sparekey TO reader",
    );
    let denied = postgres::check(&of("reader")).unwrap_err().to_string();
    assert!(denied.contains("the role lacks rights: ") && !denied.contains("SELECT"), "{denied}");
    server.sql(DATABASE, "GRANT DELETE, UPDATE, INSERT ON ALL TABLES IN SCHEMA sparekey TO reader");
    assert_eq!(postgres::check(&of("reader")), Ok(()));
    server.sql(DATABASE, "REVOKE UPDATE ON sparekey.usage_daily FROM reader");
    let denied = postgres::check(&of("reader")).unwrap_err().to_string();
    assert!(denied.ends_with("the role lacks rights: UPDATE on usage_daily"), "{denied}");
    server.sql(DATABASE, &format!("ALTER DATABASE {DATABASE} SET default_transaction_read_only = on"));
    assert_eq!(postgres::check(&address), Err(LedgerError::ReadOnlyDatabase));
}

pub(crate) fn password_is_missing(server: &mut Server) {
    server.sql(DATABASE, "CREATE ROLE sparekey LOGIN PASSWORD 'secret'");
    server.require_password("sparekey");
    let address = server.address(DATABASE).replace("test@", "sparekey@");
    let error = Postgres::open(&address, Options::default()).unwrap_err().to_string();
    assert!(error.contains("password missing; add a line for this host"), "{error}");
}

/// PostgreSQL's text cannot have one, and the upstream's ids could.
pub(crate) fn row_with_a_nul(server: &mut Server) {
    let ledger = open(server).ledger;
    let user = tom(&ledger);
    reserve(&user, 1, 30).unwrap();
    let id: Arc<str> = Arc::from("resp_\0\"\u{1}é");
    let command = Command::Settle { id: HoldId(1), amount: usd(20), tokens: 0 };
    let with_id = Row { route: Arc::from("/responses"), response_id: Some(Arc::clone(&id)), ..row(0) };
    ledger.run(user.call(command).with_row(with_id)).wait().unwrap();
    let found = ledger.response(Arc::from("Tom"), id).wait().unwrap().unwrap();
    assert_eq!(found.row.response_id.as_deref(), Some("resp_\u{fffd}\"\u{1}é"));
}

pub(crate) fn views(server: &mut Server) {
    let ledger = open(server).ledger;
    let user = tom(&ledger);
    reserve(&user, 0xabc, 30).unwrap();
    user.settle(0xabc, 25);
    let requests = "SELECT started_utc, id, user_name, model, input, usd, ended FROM sparekey.requests";
    assert_eq!(
        server.sql(DATABASE, requests),
        "2026-11-27 12:00:00.000|00000000000000000000000000000abc|Tom|gpt-5|1000|0.250000|complete"
    );
    assert_eq!(
        server.sql(DATABASE, "SELECT user_name, model, requests, usd FROM sparekey.days"),
        "Tom|gpt-5|1|0.250000"
    );
}

pub(crate) fn old_rows(server: &mut Server) {
    let ledger = open(server).ledger;
    let user = tom(&ledger);
    for id in 0..3 {
        reserve(&user, id, 30).unwrap();
        user.settle(id, 10);
    }
    let older = format!("UPDATE sparekey.usage SET at = at - {} WHERE id::text LIKE '%1'", 3 * DAY);
    server.sql(DATABASE, &older);
    assert_eq!(ledger.close(), 0);
    let options = Options { retention: Some(Duration::from_secs(1)), ..Options::default() };
    let ledger = Postgres::open(&server.address(DATABASE), options).unwrap().ledger;
    let rows = || ledger.rows(RowQuery::default()).wait().unwrap();
    eventually(Duration::from_secs(5), || rows().len() == 2);
    assert!(rows().iter().all(|row| row.row.end == End::Complete && row.id != HoldId(1)));
    let user = tom(&(Arc::new(ledger) as Arc<dyn Ledger>));
    assert_eq!(user.spent(Period::Total), usd(30));
    assert_eq!(user.days().iter().map(|day| day.sums.requests).sum::<i64>(), 3);
}
