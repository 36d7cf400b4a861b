-- Runs that started before their instant or more than an hour (3,600,000 ms) after it. All others are found by their start
-- where they are asked for by their instant; these few are found here, and other runs write nothing more.
CREATE INDEX task_history_off_time ON task_history (scheduled_at)
    WHERE started_at < scheduled_at OR started_at > scheduled_at + 3600000;
CREATE INDEX task_history_off_time_of_trigger ON task_history (trigger_group, trigger_name, scheduled_at)
    WHERE started_at < scheduled_at OR started_at > scheduled_at + 3600000;
