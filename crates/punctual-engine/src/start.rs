//! Jobs that run when a scheduler starts.

use jiff::Timestamp;
use punctual_core::schedule::EventSchedule;
use punctual_core::{
    Change, ChangeError, Data, JobDetail, JobKey, StoreError, Trigger, TriggerKey, TriggerQuery,
};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::scheduler::Scheduler;

/// The group of what is stored about start-up tasks that ran.
const MARKER_GROUP: &str = "PUNCTUAL.START";
/// The kind of the job that the markers belong to; no node runs it.
const MARKER_KIND: &str = "punctual.start";
/// What the version of a boot begins with.
const BOOT: &str = "boot ";

/// A job that runs once when the scheduler starts. See [`crate::SchedulerBuilder::on_start`].
///
/// The run is stored like one asked for by hand, so it happens even if this node dies meanwhile, with the job's retries
/// and limits. Any node that knows the job's kind may take it, not just the one that started.
#[derive(Clone, Debug)]
pub struct StartTask {
    job: JobDetail,
    once: Once,
}

#[derive(Clone, Debug)]
enum Once {
    Node,
    Cluster(String),
    Boot { id: Option<String>, machine: Option<String> },
}

impl StartTask {
    /// Runs at each start of each node.
    pub fn per_node(job: JobDetail) -> Self {
        Self::new(job, Once::Node)
    }

    /// Runs once in the whole cluster (one store) for this key of the job and this version, whichever node starts first:
    /// another version makes it run again, an earlier one does not.
    pub fn per_cluster(job: JobDetail, version: impl Into<String>) -> Self {
        Self::new(job, Once::Cluster(version.into()))
    }

    /// Runs at the first start of a node after the machine was started, by the id that its kernel gives each boot. Nodes on
    /// one machine that share a store share the run, too.
    pub fn per_boot(job: JobDetail) -> Self {
        Self::new(job, Once::Boot { id: None, machine: None })
    }

    /// As [`Self::per_boot`], with the id of the boot given: for systems other than Linux, and for containers that are to
    /// count as machines.
    pub fn per_boot_id(job: JobDetail, id: impl Into<String>) -> Self {
        Self::new(job, Once::Boot { id: Some(id.into()), machine: None })
    }

    /// Names the machine of a task for each boot. What is remembered about its earlier boots is deleted when the task runs;
    /// no two machines may have the same name. [`Self::per_boot`] knows the machine by its id (`/etc/machine-id`) and the
    /// node's name where it has an id; without one, what is remembered stays.
    #[must_use]
    pub fn of_machine(mut self, name: impl Into<String>) -> Self {
        if let Once::Boot { machine, .. } = &mut self.once {
            *machine = Some(name.into());
        }
        self
    }

    /// The job stays when its run has ended, whatever its definition says.
    fn new(job: JobDetail, once: Once) -> Self {
        Self { job: job.durable(), once }
    }

    /// The job.
    pub fn job(&self) -> &JobDetail {
        &self.job
    }

    /// What tells this start from others for which the task runs again; `None` where each start is one.
    fn version(&self) -> Result<Option<String>, String> {
        match &self.once {
            Once::Node => Ok(None),
            Once::Cluster(version) => Ok(Some(version.clone())),
            Once::Boot { id: Some(id), .. } => Ok(Some(format!("{BOOT}{id}"))),
            Once::Boot { id: None, .. } => boot_id().map(|id| Some(format!("{BOOT}{id}"))),
        }
    }

    /// The machine whose boots are counted, if it is known.
    fn machine(&self, node: &str) -> Option<String> {
        match &self.once {
            Once::Boot { machine: Some(name), .. } => Some(name.clone()),
            // An id alone may be that of an image from which several machines were made.
            Once::Boot { id: None, .. } => machine_id().map(|id| format!("{id} {node}")),
            _ => None,
        }
    }

    /// Whether a marker tells of an earlier boot of the machine, given that the task runs for this one.
    fn is_past(&self, marker: &Trigger, machine: &str, version: &str) -> bool {
        let Ok(about) = marker.data.to_map() else { return false };
        let says = |member: &str, what: &str| about.get(member).and_then(Value::as_str) == Some(what);
        says("job", &self.job.key.to_string()) && says("machine", machine) && !says("version", version)
    }

    fn changes(&self, node: &str, now: Timestamp) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        if let Some(version) = self.version()? {
            let marker = JobKey::stored("PUNCTUAL", "start");
            let about =
                "Remembers which start-up tasks ran. Delete one of its triggers to let that task run again.";
            let detail = JobDetail::new(marker.clone(), MARKER_KIND).durable().description(about);
            changes.extend([
                Change::PutJob(detail),
                Change::AddTrigger(self.marker(marker, &version, node, now)?),
            ]);
        }
        changes.push(Change::PutJob(self.job.clone()));
        changes.push(Change::TriggerNow { job: self.job.key.clone(), data: Data::empty() });
        Ok(changes)
    }

    /// A trigger that never fires. Its key can be taken once, which is what decides among nodes that start together.
    fn marker(&self, job: JobKey, version: &str, node: &str, now: Timestamp) -> Result<Trigger, String> {
        let text = |error: &dyn std::fmt::Display| format!("version {version:?}: {error}");
        let name = format!("{} @ {version}", self.job.key);
        let key = TriggerKey::try_new(MARKER_GROUP, name).map_err(|error| text(&error))?;
        let event = EventSchedule::new(MARKER_GROUP).map_err(|error| text(&error))?;
        let mut data = json!({"job": self.job.key.to_string(), "version": version, "node": node, "at": now});
        if let Some(machine) = self.machine(node) {
            data["machine"] = machine.into();
        }
        let data = Data::from_serialize(&data).map_err(|error| text(&error))?;
        // No event reaches it, even one of that name.
        Ok(Trigger::new(key, job, event.into()).start(Timestamp::MAX).data(data))
    }
}

/// The id that Linux gives each boot of the machine.
fn boot_id() -> Result<String, String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let id = std::fs::read_to_string(PATH)
        .map_err(|error| format!("the id of the boot cannot be read from {PATH}: {error}; give one"))?;
    Ok(id.trim().to_owned())
}

/// The id that an installation of Linux has, if it has one; many containers have none.
fn machine_id() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    // systemd writes this one before the first boot of an image.
    (!id.is_empty() && id != "uninitialized").then(|| id.to_owned())
}

impl Scheduler {
    /// Stores the run of a start-up task, if it is due by this start; whether it is.
    pub(crate) async fn run_start_task(&self, task: &StartTask) -> Result<bool, Refused> {
        self.check_run(&task.job, &Data::empty()).map_err(Refused::Task)?;
        let changes = task.changes(&self.node().name, self.now()).map_err(Refused::Task)?;
        match self.store().apply(self.now(), &changes).await {
            Ok(_) => {
                info!(job.key = %task.job.key, "start-up task {} runs", task.job.key);
                if let Err(error) = self.forget_past_boots(task).await {
                    // They take up some room, and the next boot finds them again.
                    warn!(job.key = %task.job.key, error = %error, "earlier boots could not be forgotten: {error}");
                }
                Ok(true)
            }
            Err(StoreError::Change(ChangeError::TriggerExists(key))) if key.group() == MARKER_GROUP => {
                let definition = Change::PutJob(task.job.clone());
                self.store().apply(self.now(), &[definition]).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes what is remembered about earlier boots of this machine, which do not come again.
    async fn forget_past_boots(&self, task: &StartTask) -> Result<(), StoreError> {
        let Some(machine) = task.machine(&self.node().name) else { return Ok(()) };
        let Ok(Some(version)) = task.version() else { return Ok(()) };
        let of_task = format!("{} @ {BOOT}", task.job.key);
        let group = Some(MARKER_GROUP.to_owned());
        let query = TriggerQuery { group, search: Some(of_task), ..TriggerQuery::default() };
        let markers = self.store().triggers(&query).await?.rows.into_iter().map(|stored| stored.definition);
        let past = markers.filter(|marker| task.is_past(marker, &machine, &version));
        let changes: Vec<Change> = past.map(|marker| Change::DeleteTrigger(marker.key)).collect();
        if !changes.is_empty() {
            self.store().apply(self.now(), &changes).await?;
        }
        Ok(())
    }
}

/// Why a task is not run.
pub(crate) enum Refused {
    /// Something about it is wrong; the others are not affected.
    Task(String),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Change(problem) => Self::Task(problem.to_string()),
            other => Self::Store(other),
        }
    }
}
