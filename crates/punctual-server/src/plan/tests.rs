use std::io::Write;

use punctual_core::{
    Change, DefinitionStore, JobDetail, JobKey, Timestamp, Trigger, TriggerKey, TriggerQuery,
};
use punctual_memory::MemoryStore;

use super::{Action, FileContents, Item, Object, Plan, Stored, plan, show};
use crate::config::{Config, FILE_GROUP};

const NOW: &str = "2026-03-02T10:30:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn config(text: &str) -> Config {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(Some(file.path())).unwrap()
}

/// A store in memory, and plans against it.
struct World(MemoryStore, tokio::runtime::Runtime);

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self(MemoryStore::new(), runtime)
    }

    fn stored(&self) -> Stored {
        self.1.block_on(async {
            let mut triggers = self.0.triggers(&TriggerQuery::default()).await.unwrap().rows;
            triggers.retain(|trigger| trigger.pending.is_none());
            Stored {
                jobs: self.0.jobs(&Default::default()).await.unwrap().rows,
                triggers,
                calendars: self.0.calendars().await.unwrap(),
            }
        })
    }

    fn plan(&self, file: &str, prune: bool, now: &str) -> Plan {
        let config = config(file);
        let entries = config.entries().unwrap();
        let declared = FileContents { calendars: config.calendars(), entries: &entries };
        plan(declared, &self.stored(), prune, at(now))
    }

    fn apply(&self, changes: &[Change], now: &str) {
        self.1.block_on(self.0.apply(at(now), changes)).unwrap();
    }

    /// Applies a file; nothing may differ afterwards, and the triggers stand where the plan said.
    fn apply_file(&self, file: &str, prune: bool, now: &str) -> Plan {
        let plan = self.plan(file, prune, now);
        assert_eq!(plan.problems, Vec::<String>::new());
        self.apply(&plan.changes, now);
        let again = self.plan(file, prune, now);
        assert!(!again.differs(), "{again:?}");
        // One that moves to another job is deleted there and made here.
        let comes = |item: &Item| {
            item.action != Action::Delete
                || !plan.items.iter().any(|other| {
                    other.key == item.key && other.object == item.object && other.action == Action::Create
                })
        };
        for item in plan.items.iter().filter(|item| item.object == Object::Trigger && comes(item)) {
            let Some(next) = &item.next else { continue };
            let (group, name) = item.key.split_once('.').unwrap();
            let stored = self.1.block_on(self.0.trigger(&TriggerKey::stored(group, name))).unwrap();
            let stands = stored.and_then(|stored| stored.next_fire_at);
            assert_eq!(stands, next.after.first().copied(), "{}", item.key);
        }
        plan
    }
}

fn shown(plan: &Plan) -> String {
    let mut out = Vec::new();
    show(plan, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What differs, in short: `~ job config.a [description]`.
fn short(plan: &Plan) -> Vec<String> {
    let interesting = plan
        .items
        .iter()
        .filter(|item| !matches!(item.action, Action::Unchanged | Action::Keep) || item.next.is_some());
    interesting
        .map(|item| {
            let fields: Vec<&str> = item.fields.iter().map(|field| field.name.as_str()).collect();
            format!("{:?} {:?} {} {fields:?}", item.action, item.object, item.key)
        })
        .collect()
}

const FILE: &str = "[calendars.holidays]\ntype = 'holiday'\ndays = ['2026-12-25']\n\
    [jobs.a]\nkind = 'command'\ncommand = 'true'\ncron = '0 0 12 * * ?'\ncalendar = 'holidays'\n\
    [jobs.b]\nkind = 'noop'\nevery = '1h'\n";

#[test]
fn each_change_of_a_file_is_found_field_by_field() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("kind = 'noop'\nevery", "kind = 'noop'\nevery", &[]),
        ("'true'", "'false'", &["Change Job config.a [\"data.command\"]"]),
        (
            "command = 'true'",
            "command = 'true'\ntimeout = '5s'\nretry = { policy = 'immediate', max_attempts = 3 }",
            &["Change Job config.a [\"retry.max_attempts\", \"retry.policy\", \"timeout_ms\"]"],
        ),
        ("0 0 12", "0 0 13", &["Change Trigger config.a [\"schedule.expr\"]"]),
        ("'1h'", "'2h'\npriority = 7", &["Change Trigger config.b [\"priority\", \"schedule.interval_ms\"]"]),
        (
            "[jobs.b]",
            "[jobs.c]",
            &[
                "Delete Job config.b []",
                "Delete Trigger config.b []",
                "Create Job config.c []",
                "Create Trigger config.c []",
            ],
        ),
        ("2026-12-25", "2026-12-26", &["Change Calendar holidays [\"days\"]"]),
        (
            "2026-12-25",
            "2026-03-02",
            &["Change Calendar holidays [\"days\"]", "Unchanged Trigger config.a []"],
        ),
    ];
    for (old, new, expected) in cases {
        let world = World::new();
        world.apply_file(FILE, false, NOW);
        assert!(FILE.contains(old), "{old}");
        let plan = world.apply_file(&FILE.replacen(old, new, 1), false, NOW);
        assert_eq!(short(&plan), *expected, "{old} -> {new}");
    }
}

#[test]
fn a_schedule_change_shows_the_fire_times_before_and_after() {
    let world = World::new();
    world.apply_file(FILE, false, NOW);
    let text = shown(&world.plan(&FILE.replace("0 0 12", "0 30 13"), false, NOW));
    let expected = "  ~ trigger config.a\n      schedule.expr  \"0 0 12 * * ?\" -> \"0 30 13 * * ?\"\n      fires before: \
        2026-03-02T12:00:00Z, 2026-03-03T12:00:00Z, 2026-03-04T12:00:00Z\n      fires after:  2026-03-02T13:30:00Z, \
        2026-03-03T13:30:00Z, 2026-03-04T13:30:00Z\n0 to create, 1 to change, 0 to delete; 4 unchanged\n";
    assert_eq!(text, expected);
}

#[test]
fn what_was_made_by_hand_stays_unless_it_is_pruned() {
    let world = World::new();
    world.apply_file(FILE, false, NOW);
    let hand = JobDetail::new("by-hand", "noop").durable();
    let on_b = Trigger::once("extra", JobKey::stored(FILE_GROUP, "b"), at("2026-04-01T00:00:00Z"));
    let calendar = config(FILE).calendars()["holidays"].clone();
    let cleanup = JobDetail::new("punctual.task.task-history-cleanup.job", "history-cleanup").durable();
    world.apply(
        &[
            Change::PutJob(hand),
            Change::PutJob(cleanup),
            Change::PutTrigger(on_b),
            Change::PutCalendar { name: "unused".to_owned(), calendar: calendar.clone() },
            Change::PutCalendar { name: "used".to_owned(), calendar },
            Change::PutTrigger(
                Trigger::once("mine", JobKey::new("by-hand"), at("2026-04-01T00:00:00Z")).calendar("used"),
            ),
        ],
        NOW,
    );
    let plan = world.plan(FILE, false, NOW);
    // A trigger of a file's job belongs to the file.
    assert_eq!(short(&plan), ["Delete Trigger DEFAULT.extra []"]);
    assert_eq!(plan.counts.keep, 3, "{plan:?}");
    let pruned = world.apply_file(FILE, true, NOW);
    assert_eq!(
        short(&pruned),
        [
            "Delete Job DEFAULT.by-hand []",
            "Delete Trigger DEFAULT.mine []",
            "Delete Trigger DEFAULT.extra []",
            "Delete Calendar unused []",
            "Delete Calendar used []",
        ]
    );
    let left = world.stored();
    assert!(left.jobs.iter().any(|job| job.detail.key.name().starts_with("punctual.")), "{left:?}");
}

#[test]
fn a_completed_trigger_is_no_difference() {
    let file = "[jobs.once]\nkind = 'noop'\nat = '2026-03-02T11:00:00Z'\n";
    let world = World::new();
    world.apply_file(file, false, NOW);
    let key = TriggerKey::stored(FILE_GROUP, "once");
    world.apply(&[Change::DeleteTrigger(key)], NOW);
    assert!(world.plan(file, false, NOW).differs(), "it is still to come");
    let later = world.plan(file, false, "2026-03-02T11:00:01Z");
    assert!(!later.differs(), "{later:?}");
    assert!(later.items.iter().any(|item| item.notes.iter().any(|note| note.contains("completed"))));
}

#[test]
fn what_a_store_would_refuse_is_a_problem() {
    let world = World::new();
    let missing = world.plan("[jobs.a]\nkind = 'noop'\nevery = '1h'\ncalendar = 'none'\n", false, NOW);
    assert!(missing.problems[0].contains("\"none\" is neither in the file nor stored"), "{missing:?}");
    let never = world.plan("[jobs.a]\nkind = 'noop'\ncron = '0 0 0 30 2 ?'\n", false, NOW);
    assert!(never.problems[0].contains("config.a would never fire"), "{never:?}");
}

#[test]
fn a_trigger_that_moves_to_another_job_is_deleted_and_made_anew() {
    let one = "[jobs.a]\nkind = 'noop'\n[[jobs.a.triggers]]\nname = 't'\nevery = '1h'\n[jobs.b]\nkind = 'noop'\nevery = '1h'\n";
    let two = "[jobs.a]\nkind = 'noop'\nevery = '1h'\n[jobs.b]\nkind = 'noop'\n[[jobs.b.triggers]]\nname = 't'\nevery = '1h'\n";
    let world = World::new();
    world.apply_file(one, false, NOW);
    let plan = world.apply_file(two, false, NOW);
    let stored = world.stored();
    let moved = stored.triggers.iter().find(|trigger| trigger.definition.key.name() == "t").unwrap();
    assert_eq!(moved.definition.job.name(), "b", "{plan:?}");
}

#[test]
fn values_that_may_be_secrets_are_not_shown() {
    let file = |token: &str| {
        format!("[jobs.a]\nkind = 'command'\ncommand = 'true'\nenv = {{ TOKEN = '{token}' }}\nevery = '1h'\n")
    };
    let world = World::new();
    world.apply_file(&file("hunter2"), false, NOW);
    let plan = world.plan(&file("hunter3"), false, NOW);
    let texts = [shown(&plan), serde_json::to_string(&plan).unwrap()];
    for text in texts {
        assert!(text.contains("data.env.TOKEN") && !text.contains("hunter"), "{text}");
    }
}

#[test]
fn what_is_overdue_stays_or_is_given_up_as_the_plan_says() {
    let later = "2026-03-05T00:00:00Z";
    for (old, new, first, given_up) in [
        ("2026-12-25", "2026-03-03", "2026-03-05T12:00:00Z", true),
        ("0 0 12", "0 0 13", "2026-03-05T13:00:00Z", true),
        ("calendar = 'holidays'", "calendar = 'holidays'\npriority = 7", "2026-03-02T12:00:00Z", false),
    ] {
        let world = World::new();
        world.apply_file(FILE, false, NOW);
        let plan = world.apply_file(&FILE.replace(old, new), false, later);
        let found =
            plan.items.iter().find(|item| item.object == Object::Trigger && item.key == "config.a").unwrap();
        assert_eq!(found.next.is_some(), given_up, "{found:?}");
        assert_eq!(found.notes.iter().any(|note| note.contains("given up")), given_up, "{found:?}");
        let stored = world.stored();
        let a = stored.triggers.iter().find(|trigger| trigger.definition.key.name() == "a").unwrap();
        assert_eq!(a.next_fire_at, Some(at(first)));
    }
}

#[test]
fn a_trigger_on_an_event_says_when_it_fires() {
    let world = World::new();
    let file = "[jobs.a]\nkind = 'noop'\nevent = 'done'\n";
    assert!(
        shown(&world.apply_file(file, false, NOW))
            .contains("fires after:  when the event \"done\" is emitted")
    );
    let timed = world.apply_file(&file.replace("event = 'done'", "cron = '0 0 12 * * ?'"), false, NOW);
    let text = shown(&timed);
    assert!(text.contains("fires before: when the event \"done\" is emitted"), "{text}");
    assert!(text.contains("fires after:  2026-03-02T12:00:00Z"), "{text}");
}
