//! The stream of live changes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use punctual_api::LiveSettings;
use punctual_core::{JobDetail, JobStore, Term, Trigger, TriggerKey};
use punctual_engine::Listener;
use punctual_memory::MemoryStore;
use punctual_testkit::factory::{Hand, at, beat, every, every_times, job};
use punctual_testkit::faulty::FaultyStore;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::World;

#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

struct Stream {
    body: Body,
    events: VecDeque<Event>,
}

impl Stream {
    /// The next frame, or `None` at the end of the stream.
    async fn frame(&mut self) -> Option<String> {
        let frame = self.body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    /// The next event, comments left out.
    async fn next(&mut self) -> Option<Event> {
        while self.events.is_empty() {
            let text = self.frame().await?;
            assert!(text.ends_with("\n\n"), "{text:?}");
            let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let (Some(id), Some(kind), Some(data)) = (field("id: "), field("event: "), field("data: "))
            else {
                continue;
            };
            self.events.push_back(Event { id, kind, data: serde_json::from_str(&data).unwrap() });
        }
        self.events.pop_front()
    }

    async fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().await.unwrap();
        assert_eq!(event.kind, kind, "{event:?}");
        event
    }
}

impl World {
    async fn ask_stream(&self, query: &str, after: Option<&str>) -> axum::response::Response {
        let mut request =
            Request::get(format!("/api/v1/events/stream{query}")).header(header::HOST, "localhost");
        if let Some(id) = after {
            request = request.header("Last-Event-ID", id);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn stream(&self, query: &str, after: Option<&str>) -> Stream {
        let response = self.ask_stream(query, after).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Stream { body: response.into_body(), events: VecDeque::new() }
    }

    async fn limited(settings: LiveSettings) -> Self {
        Self::listened(FaultyStore::new(Arc::new(MemoryStore::new())), settings).await
    }

    fn seconds_pass(&self, seconds: u64) {
        self.manual.clock().advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_run_is_told_when_it_starts_and_when_its_end_is_stored() {
    let world = World::new().await;
    let mut stream = world.stream("?types=run.started,run.ended", None).await;
    assert!(stream.frame().await.unwrap().starts_with("retry: "));
    assert_eq!(stream.expect("ready").await.data, json!({ "node": "north" }));
    world.add("bad").await;
    world.tick(0).await;
    let started = stream.expect("run.started").await;
    assert_eq!(started.data["job"], "DEFAULT.bad");
    assert_eq!(started.data["status"], "started");
    assert_eq!(started.data["node"], "north");
    let ended = stream.expect("run.ended").await;
    assert_eq!((&ended.data["id"], &ended.data["status"]), (&started.data["id"], &json!("failed")));
    let row = world.json(&format!("/api/task/{}", started.data["id"])).await;
    for member in ["job", "trigger", "cause", "attempt", "origin", "scheduled_at", "started_at", "ended_at"] {
        assert_eq!(ended.data[member], row[member], "{member}");
    }
    let number = |id: &str| id.rsplit_once('-').unwrap().1.parse::<u64>().unwrap();
    assert!(number(&ended.id) > number(&started.id));
}

#[tokio::test]
async fn edits_and_skipped_instants_are_told() {
    let world = World::new().await;
    world.schedule(JobDetail::new("few", "test"), Trigger::new("few", "few", every(60))).await;
    world.tick(0).await;
    let mut stream = world.stream("", None).await;
    stream.expect("ready").await;
    let key = TriggerKey::new("few");
    world.manual.scheduler().pause_trigger(&key).await.unwrap();
    let paused = stream.expect("trigger.changed").await;
    assert_eq!(paused.data, json!({ "trigger": "DEFAULT.few", "action": "paused" }));
    // What is so already is no change.
    world.manual.scheduler().pause_trigger(&key).await.unwrap();
    world.manual.scheduler().pause_group("nights").await.unwrap();
    assert_eq!(stream.expect("group.changed").await.data, json!({ "group": "nights", "action": "paused" }));
    world.seconds_pass(600);
    world.manual.scheduler().resume_trigger(&key).await.unwrap();
    assert_eq!(stream.expect("trigger.changed").await.data["action"], "resumed");
    world.tick(1).await;
    tokio::task::yield_now().await;
    world.seconds_pass(1);
    let mut event = stream.next().await.unwrap();
    while event.kind == "node.changed" {
        event = stream.next().await.unwrap();
    }
    assert_eq!(event.kind, "instants.skipped");
    assert_eq!(event.data["trigger"], "DEFAULT.few");
    assert!(event.data["count"].as_u64().unwrap() > 1, "{event:?}");
    // Whoever finds it, the node or a look at the store, it is told once.
    for _ in 0..3 {
        tokio::task::yield_now().await;
        world.seconds_pass(1);
    }
    world.manual.scheduler().delete_job(&punctual_core::JobKey::new("few")).await.unwrap();
    let deleted = stream.expect("job.changed").await;
    assert_eq!(deleted.data, json!({ "job": "DEFAULT.few", "action": "deleted" }));
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed() {
    let world = World::new().await;
    let mut stream = world.stream("", None).await;
    let ready = stream.expect("ready").await;
    for name in ["one", "two"] {
        world.manual.scheduler().add_job(job(name)).await.unwrap();
    }
    let one = stream.expect("job.changed").await;
    drop(stream);
    world.manual.scheduler().add_job(job("three")).await.unwrap();

    let mut again = world.stream("", Some(&one.id)).await;
    assert_eq!(again.expect("ready").await.id, one.id);
    assert_eq!(again.expect("job.changed").await.data["job"], "DEFAULT.two");
    assert_eq!(again.expect("job.changed").await.data["job"], "DEFAULT.three");
    let mut from_the_start = world.stream("?types=job.changed", Some(&ready.id)).await;
    from_the_start.expect("ready").await;
    assert_eq!(from_the_start.expect("job.changed").await.id, one.id);
    let mut others = world.stream("?types=run.started", Some(&one.id)).await;
    others.expect("ready").await;
    world.add("run").await;
    world.tick(0).await;
    others.expect("run.started").await;
}

#[tokio::test]
async fn who_is_too_far_behind_is_told_to_reload() {
    let world = World::limited(LiveSettings { kept: 2, ..LiveSettings::default() }).await;
    let mut stream = world.stream("", None).await;
    let ready = stream.expect("ready").await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        world.manual.scheduler().add_job(job(name)).await.unwrap();
        ids.push(stream.expect("job.changed").await.id);
    }
    let far = format!("{}-99", ready.id.split_once('-').unwrap().0);
    for unknown in [ready.id.as_str(), &far, "ffffffff-1", "nonsense", ""] {
        let mut again = world.stream("", Some(unknown)).await;
        let reset = again.expect("reset").await;
        assert_eq!(Some(&reset.id), ids.last(), "{unknown:?}");
    }
    let mut again = world.stream("", Some(&ids[0])).await;
    again.expect("ready").await;
    assert_eq!(again.expect("job.changed").await.id, ids[1]);
}

#[tokio::test]
async fn silence_is_broken_every_15_seconds_and_no_stream_lasts_for_ever() {
    let world = World::new().await;
    let mut stream = world.stream("?types=job.changed", None).await;
    stream.expect("ready").await;
    let reader = tokio::spawn(async move {
        let comment = stream.frame().await;
        (stream, comment)
    });
    tokio::task::yield_now().await;
    world.seconds_pass(15);
    let (mut stream, comment) = reader.await.unwrap();
    assert_eq!(comment.as_deref(), Some(": still here\n\n"));
    world.seconds_pass(15 * 60);
    while let Some(text) = stream.frame().await {
        assert!(text.starts_with(':'), "{text:?}");
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off() {
    let world = World::limited(LiveSettings { queued: 2, ..LiveSettings::default() }).await;
    let mut slow = world.stream("", None).await;
    let mut quick = world.stream("?types=calendar.changed", None).await;
    for name in ["one", "two", "three", "four"] {
        world.manual.scheduler().add_job(job(name)).await.unwrap();
    }
    slow.expect("ready").await;
    slow.expect("job.changed").await;
    let last = slow.expect("job.changed").await;
    assert!(slow.next().await.is_none(), "the third did not fit into the queue");
    quick.expect("ready").await;
    world.manual.scheduler().add_job(job("five")).await.unwrap();
    let mut again = world.stream("", Some(&last.id)).await;
    again.expect("ready").await;
    assert_eq!(again.expect("job.changed").await.data["job"], "DEFAULT.three");
}

#[tokio::test]
async fn only_so_many_listen_at_a_time() {
    let world = World::limited(LiveSettings { readers: 2, ..LiveSettings::default() }).await;
    let one = world.stream("", None).await;
    let two = world.stream("", None).await;
    let answer = world.get("/api/v1/events/stream").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["code"], "too-many-streams");
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    drop(one);
    let mut three = world.stream("", None).await;
    three.expect("ready").await;
    drop(two);
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let world = World::new().await;
    let mut stream = world.stream("", None).await;
    world.add("last").await;
    world.live.close();
    stream.expect("ready").await;
    stream.expect("job.changed").await;
    stream.expect("trigger.changed").await;
    assert!(stream.next().await.is_none());
    let answer = world.get("/api/v1/events/stream").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["code"], "stopping");
}

#[tokio::test]
async fn what_other_nodes_do_is_told_within_a_second() {
    let world = World::new().await;
    let mut stream = world.stream("", None).await;
    stream.expect("ready").await;
    let store: Arc<dyn JobStore> = world.store.clone();
    let south = Hand::register(&store, "south", at(0)).await;
    let few = Trigger::new("few", "few", every_times(5, 1));
    world.schedule(job("few"), few).await;
    stream.expect("job.changed").await;
    stream.expect("trigger.changed").await;
    let fire = south.claim(at(0), 1).await.fires.remove(0);
    tokio::task::yield_now().await;
    world.seconds_pass(1);
    let node = stream.expect("node.changed").await;
    assert_eq!(node.data, json!({ "node": "south", "term": south.term.0, "state": "running" }));
    let started = stream.expect("run.started").await;
    assert_eq!((&started.data["id"], &started.data["node"]), (&json!(fire.id.0), &json!("south")));

    // Long after it began, when it is not among the rows of late any more.
    for _ in 0..30 {
        world.seconds_pass(1);
        tokio::task::yield_now().await;
    }
    south.succeed(&fire, at(31)).await;
    world.seconds_pass(1);
    let ended = stream.expect("run.ended").await;
    assert_eq!((&ended.data["id"], &ended.data["status"]), (&json!(fire.id.0), &json!("success")));

    // One that begins and ends between two looks.
    let fire = south.claim(at(32), 1).await.fires.remove(0);
    south.succeed(&fire, at(32)).await;
    world.seconds_pass(1);
    assert_eq!(stream.expect("run.started").await.data["id"], fire.id.0);
    assert_eq!(stream.expect("run.ended").await.data["id"], fire.id.0);
    store.retire(at(33), south.term).await.unwrap();
    world.seconds_pass(1);
    assert_eq!(stream.expect("node.changed").await.data["state"], "stopped");
}

#[tokio::test]
async fn a_node_whose_lease_ran_out_is_told_as_lost_and_once() {
    let world = World::new().await;
    let mut stream = world.stream("?types=node.changed", None).await;
    stream.expect("ready").await;
    let store: Arc<dyn JobStore> = world.store.clone();
    let own = Hand::register(&store, "keeper", at(0)).await;
    let (south, east) =
        (Hand::register(&store, "south", at(0)).await, Hand::register(&store, "east", at(0)).await);
    let (own, south, east) = (own.term.0, south.term.0, east.term.0);
    tokio::task::yield_now().await;
    world.seconds_pass(1);
    for (node, term) in [("keeper", own), ("south", south), ("east", east)] {
        let told = stream.expect("node.changed").await;
        assert_eq!(told.data, json!({ "node": node, "term": term, "state": "running" }));
    }
    // Recovery removes what has run out between two looks, before anybody saw that it had.
    store.heartbeat(&beat("east", Some(Term(east)), at(50))).await.unwrap();
    tokio::task::yield_now().await;
    world.seconds_pass(54);
    store.heartbeat(&beat("keeper", Some(Term(own)), at(55))).await.unwrap();
    tokio::task::yield_now().await;
    store.recover(at(61)).await.unwrap();
    assert!(store.nodes().await.unwrap().iter().all(|node| node.name != "south"));
    world.seconds_pass(6);
    let told = stream.expect("node.changed").await;
    assert_eq!(told.data, json!({ "node": "south", "term": south, "state": "lost" }));
    // One that is seen when it has run out, and then goes; another stops.
    tokio::task::yield_now().await;
    world.seconds_pass(50);
    let told = stream.expect("node.changed").await;
    assert_eq!(told.data, json!({ "node": "east", "term": east, "state": "lost" }));
    store.recover(at(112)).await.unwrap();
    store.retire(at(112), Term(own)).await.unwrap();
    tokio::task::yield_now().await;
    world.seconds_pass(1);
    let told = stream.expect("node.changed").await;
    assert_eq!(told.data, json!({ "node": "keeper", "term": own, "state": "stopped" }));
}

#[tokio::test]
async fn a_store_that_fails_refuses_those_who_come_and_is_a_hint_to_those_who_are_there() {
    let world = World::new().await;
    world.store.set_broken(true);
    let answer = world.get("/api/v1/events/stream").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    world.store.set_broken(false);
    let mut stream = world.stream("", None).await;
    stream.expect("ready").await;
    tokio::task::yield_now().await;
    world.store.set_broken(true);
    world.seconds_pass(1);
    let calls = world.store.calls();
    while world.store.calls() == calls {
        tokio::task::yield_now().await;
    }
    world.store.set_broken(false);
    tokio::task::yield_now().await;
    world.seconds_pass(1);
    assert_eq!(stream.expect("changed").await.data, json!({ "what": ["runs"] }));
}

#[tokio::test]
async fn what_another_process_edits_is_a_hint() {
    let world = World::new().await;
    let mut stream = world.stream("", None).await;
    stream.expect("ready").await;
    tokio::task::yield_now().await;
    for _ in 0..3 {
        world.live.on_event(&punctual_core::Event::StoreChanged);
    }
    world.seconds_pass(1);
    assert_eq!(stream.expect("changed").await.data, json!({ "what": ["definitions"] }));
    world.manual.scheduler().add_job(job("next")).await.unwrap();
    stream.expect("job.changed").await;
}

#[tokio::test]
async fn types_that_nobody_knows_are_refused() {
    let world = World::new().await;
    let errors = world.errors("/api/v1/events/stream?types=run.begun").await;
    assert!(errors["types"].as_str().unwrap().contains("run.started"), "{errors}");
    assert!(world.errors("/api/v1/events/stream?type=run.started").await["type"].is_string());
}
