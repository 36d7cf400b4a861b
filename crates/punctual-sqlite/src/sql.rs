//! The statements: one static file each, prepared once a connection.

macro_rules! statements {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(pub(crate) const $name: &str = include_str!(concat!("../sql/", $file, ".sql"));)*

        /// Every statement with the name of its file, so that a test can prepare them all.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$(($file, $name)),*];
    };
}

statements! {
    BUSY_JOB = "busy_job",
    DUE_GATES = "due_gates",
    DUE_TRIGGERS = "due_triggers",
    FIRE_CLOSE = "fire_close",
    FIRE_OPEN = "fire_open",
    FIRE_OWNER = "fire_owner",
    FIRE_READ = "fire_read",
    FIRE_REMOVE = "fire_remove",
    FIRES_LOST = "fires_lost",
    GATE_CLOSE = "gate_close",
    GATE_OPEN = "gate_open",
    GROUP_PAUSE = "group_pause",
    GROUP_PAUSED = "group_paused",
    GROUP_RESUME = "group_resume",
    HISTORY_ENTRY = "history_entry",
    IDS_READ = "ids_read",
    IDS_RESERVE = "ids_reserve",
    JOB_BY_ID = "job_by_id",
    JOB_BY_KEY = "job_by_key",
    JOB_DELETE = "job_delete",
    JOB_HAS_OPEN_FIRES = "job_has_open_fires",
    JOB_HAS_TRIGGERS = "job_has_triggers",
    JOB_ID = "job_id",
    JOB_INSERT = "job_insert",
    JOB_UPDATE = "job_update",
    JOB_UPDATE_TRIGGERS = "job_update_triggers",
    KIND_ID = "kind_id",
    KIND_INSERT = "kind_insert",
    NEXT_DUE = "next_due",
    NODE_BY_TERM = "node_by_term",
    NODE_DELETE = "node_delete",
    NODE_INSERT = "node_insert",
    NODE_NAME_TAKEN = "node_name_taken",
    NODE_RENEW = "node_renew",
    NODES_CLEAR = "nodes_clear",
    NODES_EXPIRED_DELETE = "nodes_expired_delete",
    NODES_LIVE = "nodes_live",
    OPEN_FIRES_COUNT = "open_fires_count",
    PRUNE_OLD = "prune_old",
    PRUNE_SURPLUS = "prune_surplus",
    SKIP_INSERT = "skip_insert",
    STATE_COUNTS = "state_counts",
    TASK_INSERT = "task_insert",
    TASK_NAME_INSERT = "task_name_insert",
    TASK_NAMES = "task_names",
    TRIGGER_ADVANCE = "trigger_advance",
    TRIGGER_BY_ID = "trigger_by_id",
    TRIGGER_BY_KEY = "trigger_by_key",
    TRIGGER_DELETE = "trigger_delete",
    TRIGGER_DELETE_COMPLETE = "trigger_delete_complete",
    TRIGGER_FAIL = "trigger_fail",
    TRIGGER_INSERT = "trigger_insert",
    TRIGGER_REBASE = "trigger_rebase",
    TRIGGER_UPDATE = "trigger_update",
    TRIGGERS_OF_GROUP = "triggers_of_group",
    TRIGGERS_OF_JOB = "triggers_of_job",
}
