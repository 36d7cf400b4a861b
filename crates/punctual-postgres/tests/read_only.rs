//! A schema that is looked at beside the nodes that use it.

use punctual_core::{Change, DefinitionStore, JobDetail, JobKey};
use punctual_postgres::{Options, PostgresStore};

mod support;

#[tokio::test]
async fn a_schema_can_be_looked_at_and_not_changed() {
    let (url, schema) = support::schema();
    let options = Options { schema, max_connections: 3, ..Options::default() };
    let missing = PostgresStore::open_read_only(&url, options.clone()).await.unwrap_err().to_string();
    assert!(missing.contains("no schema") && missing.contains(&options.schema), "{missing}");
    let store = PostgresStore::open(&url, options.clone()).await.unwrap();
    let look = PostgresStore::open_read_only(&url, options).await.unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let changes = [Change::PutJob(JobDetail::new("job", "test").durable())];
    let refused = look.apply(now, &changes).await.unwrap_err().to_string();
    assert!(refused.contains("read-only"), "{refused}");
    store.apply(now, &changes).await.unwrap();
    assert!(look.job(&JobKey::new("job")).await.unwrap().is_some());
}
