SELECT t.state,
       t.state = 0 AND t.exclusive = 1 AND t.next_fire_at <= ?1
           AND t.job_id IN (SELECT job_id FROM task_history WHERE status = 0) AS held,
       count(*)
FROM triggers t
GROUP BY 1, 2
