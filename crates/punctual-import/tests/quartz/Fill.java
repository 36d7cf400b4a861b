import static org.quartz.CalendarIntervalScheduleBuilder.calendarIntervalSchedule;
import static org.quartz.CronScheduleBuilder.cronSchedule;
import static org.quartz.DailyTimeIntervalScheduleBuilder.dailyTimeIntervalSchedule;
import static org.quartz.JobBuilder.newJob;
import static org.quartz.SimpleScheduleBuilder.simpleSchedule;
import static org.quartz.TriggerBuilder.newTrigger;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.*;
import org.quartz.*;
import org.quartz.impl.StdSchedulerFactory;
import org.quartz.impl.calendar.*;
import org.quartz.impl.matchers.GroupMatcher;
import org.quartz.impl.triggers.SimpleTriggerImpl;
import org.quartz.spi.OperableTrigger;

/**
 * Fills the tables of Quartz with one of everything, for the tests of the import.
 *
 * Arguments: JDBC-URL PREFIX SCHEDULER-NAME USE-PROPERTIES
 */
public class Fill {
    public static class Work implements Job {
        public void execute(JobExecutionContext context) {}
    }

    @DisallowConcurrentExecution
    @PersistJobDataAfterExecution
    public static class Alone extends Work {}

    /** Is no type that another program could know. */
    public static class Own implements java.io.Serializable {
        private static final long serialVersionUID = 1;
        public int number = 7;
        public String text = "own";
    }

    /** Has no table of its own, so it is kept as a whole. */
    public static class Odd extends SimpleTriggerImpl {
        private static final long serialVersionUID = 1;

        @Override
        public boolean hasAdditionalProperties() {
            return true;
        }
    }

    static Date at(String text) {
        return Date.from(Instant.parse(text));
    }

    static TimeZone zone(String name) {
        return TimeZone.getTimeZone(name);
    }

    static JobKey job(Scheduler scheduler, JobBuilder builder, String name) throws SchedulerException {
        JobKey key = new JobKey(name, "work");
        scheduler.addJob(builder.withIdentity(key).storeDurably().build(), true);
        return key;
    }

    static Date day(int year, int month, int day) {
        java.util.Calendar calendar = java.util.Calendar.getInstance(zone("UTC"));
        calendar.clear();
        calendar.set(year, month - 1, day);
        return calendar.getTime();
    }

    static void calendars(Scheduler scheduler) throws Exception {
        HolidayCalendar holidays = new HolidayCalendar();
        holidays.setTimeZone(zone("UTC"));
        holidays.setDescription("Days off");
        holidays.addExcludedDate(day(2031, 12, 25));
        holidays.addExcludedDate(day(2031, 12, 26));
        scheduler.addCalendar("holidays", holidays, true, false);
        WeeklyCalendar weekly = new WeeklyCalendar(holidays);
        weekly.setTimeZone(zone("Europe/Berlin"));
        weekly.setDayExcluded(java.util.Calendar.SATURDAY, false);
        weekly.setDayExcluded(java.util.Calendar.WEDNESDAY, true);
        scheduler.addCalendar("weekly", weekly, true, false);
        MonthlyCalendar monthly = new MonthlyCalendar();
        monthly.setTimeZone(zone("America/New_York"));
        monthly.setDayExcluded(1, true);
        monthly.setDayExcluded(31, true);
        scheduler.addCalendar("monthly", monthly, true, false);
        AnnualCalendar annual = new AnnualCalendar();
        annual.setTimeZone(zone("UTC"));
        for (int[] date : new int[][] {{1, 1}, {12, 25}, {2, 29}}) {
            java.util.Calendar day = java.util.Calendar.getInstance(zone("UTC"));
            day.clear();
            day.set(2028, date[0] - 1, date[1]);
            annual.setDayExcluded(day, true);
        }
        scheduler.addCalendar("annual", annual, true, false);
        DailyCalendar daily = new DailyCalendar(monthly, "08:00:00:000", "17:30:00:500");
        daily.setTimeZone(zone("Europe/Berlin"));
        daily.setInvertTimeRange(true);
        scheduler.addCalendar("daily", daily, true, false);
        CronCalendar cron = new CronCalendar("* * 0-7,18-23 ? * *");
        cron.setTimeZone(zone("Asia/Tokyo"));
        scheduler.addCalendar("cron", cron, true, false);
    }

    static JobDataMap data(boolean textOnly) {
        JobDataMap data = new JobDataMap();
        data.put("text", "Grüße, \u0000 \ud83d\ude00");
        data.put("command", "echo hello");
        if (textOnly) {
            data.put("number", "42");
            return data;
        }
        data.put("int", 42);
        data.put("long", 1L << 40);
        data.put("short", (short) -3);
        data.put("byte", (byte) 5);
        data.put("float", 1.5f);
        data.put("double", 2.25);
        data.put("char", 'x');
        data.put("yes", true);
        data.put("nothing", null);
        data.put("date", at("2026-03-29T01:30:00.123Z"));
        data.put("big", new BigDecimal("12345678901234567890.5"));
        List<Object> list = new ArrayList<>(List.of(1, "two", 3.0));
        data.put("list", list);
        data.put("again", list);
        data.put("linked", new LinkedList<>(List.of("a", "b")));
        data.put("set", new TreeSet<>(Set.of("x", "y")));
        data.put("array", new String[] {"p", "q"});
        data.put("ints", new int[] {1, 2, 3});
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("inner", new HashMap<>(Map.of("deep", 1)));
        map.put("tree", new TreeMap<>(Map.of("k", "v")));
        data.put("map", map);
        Properties properties = new Properties();
        properties.setProperty("p", "1");
        data.put("properties", properties);
        data.put("table", new Hashtable<>(Map.of("h", 2)));
        return data;
    }

    static void triggers(Scheduler scheduler, boolean textOnly) throws Exception {
        JobKey work = job(scheduler, newJob(Work.class).withDescription("Does things").usingJobData(data(textOnly)), "work");
        JobKey alone = job(scheduler, newJob(Alone.class).requestRecovery(), "alone");
        Date start = at("2030-01-31T10:20:30.400Z");

        String[] crons = {
            "0 0 12 * * ?|UTC", "0 15 10 ? * MON-FRI|Europe/Berlin", "0 30 2 L * ?|America/New_York", "0 0/5 14,18 ? * 6#3|Asia/Tokyo",
            "0 0 9 15W * ?|Australia/Lord_Howe", "30 10 1 ? * 2L 2030-2040|UTC", "0 30 2 * * ?|Europe/Berlin",
        };
        int count = 0;
        for (String cron : crons) {
            String[] parts = cron.split("\\|");
            CronScheduleBuilder schedule = cronSchedule(parts[0]).inTimeZone(zone(parts[1]));
            switch (count % 4) {
                case 1: schedule.withMisfireHandlingInstructionDoNothing(); break;
                case 2: schedule.withMisfireHandlingInstructionFireAndProceed(); break;
                case 3: schedule.withMisfireHandlingInstructionIgnoreMisfires(); break;
                default: break;
            }
            scheduler.scheduleJob(newTrigger().withIdentity("cron-" + count, "crons").forJob(work).withSchedule(schedule)
                .withPriority(count).withDescription("cron " + count).startAt(start).build());
            count++;
        }

        SimpleScheduleBuilder[] simples = {
            simpleSchedule().withIntervalInMilliseconds(1500).repeatForever(),
            simpleSchedule().withIntervalInHours(1).withRepeatCount(10).withMisfireHandlingInstructionNextWithRemainingCount(),
            simpleSchedule().withRepeatCount(0).withMisfireHandlingInstructionFireNow(),
            simpleSchedule().withIntervalInMinutes(7).withRepeatCount(5).withMisfireHandlingInstructionNowWithExistingCount(),
            simpleSchedule().withIntervalInMinutes(7).repeatForever().withMisfireHandlingInstructionNowWithRemainingCount(),
            simpleSchedule().withIntervalInMinutes(9).repeatForever().withMisfireHandlingInstructionNextWithExistingCount(),
            simpleSchedule().withIntervalInMinutes(9).repeatForever().withMisfireHandlingInstructionIgnoreMisfires(),
        };
        for (int i = 0; i < simples.length; i++) {
            TriggerBuilder<SimpleTrigger> builder = newTrigger().withIdentity("simple-" + i, "simples").forJob(alone)
                .withSchedule(simples[i]).startAt(start);
            if (i == 4) {
                builder.endAt(at("2030-06-01T00:00:00Z"));
            }
            if (i == 0) {
                builder.usingJobData("text", "of the trigger");
            }
            scheduler.scheduleJob(builder.build());
        }

        DateBuilder.IntervalUnit[] units = DateBuilder.IntervalUnit.values();
        for (DateBuilder.IntervalUnit unit : units) {
            if (unit == DateBuilder.IntervalUnit.MILLISECOND) {
                continue;
            }
            scheduler.scheduleJob(newTrigger().withIdentity("every-3-" + unit, "intervals").forJob(work)
                .withSchedule(calendarIntervalSchedule().withInterval(3, unit).inTimeZone(zone("Europe/Berlin"))
                    .preserveHourOfDayAcrossDaylightSavings(unit == DateBuilder.IntervalUnit.DAY)
                    .skipDayIfHourDoesNotExist(unit == DateBuilder.IntervalUnit.DAY)
                    .withMisfireHandlingInstructionDoNothing())
                .startAt(start).build());
        }
        scheduler.scheduleJob(newTrigger().withIdentity("office", "daily").forJob(work)
            .withSchedule(dailyTimeIntervalSchedule().withIntervalInMinutes(25)
                .startingDailyAt(TimeOfDay.hourAndMinuteOfDay(8, 15)).endingDailyAt(TimeOfDay.hourMinuteAndSecondOfDay(17, 0, 30))
                .onMondayThroughFriday())
            .startAt(start).build());
        scheduler.scheduleJob(newTrigger().withIdentity("thrice", "daily").forJob(work)
            .withSchedule(dailyTimeIntervalSchedule().withIntervalInHours(2).withRepeatCount(3).onEveryDay()
                .startingDailyAt(TimeOfDay.hourAndMinuteOfDay(6, 0)))
            .startAt(start).build());

        for (String calendar : scheduler.getCalendarNames()) {
            scheduler.scheduleJob(newTrigger().withIdentity("by-" + calendar, "calendars").forJob(work).modifiedByCalendar(calendar)
                .withSchedule(cronSchedule("0 0 7,12 * * ?").inTimeZone(zone("UTC"))).startAt(start).build());
        }

        // Some that have fired.
        fired(scheduler, "fired-simple", simpleSchedule().withIntervalInHours(2).withRepeatCount(9), 4, alone);
        fired(scheduler, "fired-forever", simpleSchedule().withIntervalInHours(2).repeatForever(), 3, alone);
        fired(scheduler, "fired-cron", cronSchedule("0 0 3 ? * SUN").inTimeZone(zone("UTC")), 5, work);
        fired(scheduler, "fired-months", calendarIntervalSchedule().withIntervalInMonths(1).inTimeZone(zone("UTC")), 2, work);
        fired(scheduler, "fired-daily", dailyTimeIntervalSchedule().withIntervalInHours(5).withRepeatCount(7).onEveryDay(), 3, work);

        Odd odd = new Odd();
        odd.setKey(new TriggerKey("odd", "odd"));
        odd.setJobKey(work);
        odd.setStartTime(start);
        odd.setRepeatInterval(1000);
        odd.setRepeatCount(3);
        scheduler.scheduleJob(odd);

        if (!textOnly) {
            JobDataMap own = new JobDataMap();
            own.put("own", new Own());
            own.put("plain", "kept");
            job(scheduler, newJob(Work.class).usingJobData(own), "own");
        }
        scheduler.scheduleJob(newTrigger().withIdentity("one", "idle").forJob(work).startAt(start).build());
        scheduler.pauseTriggers(GroupMatcher.triggerGroupEquals("idle"));
        scheduler.pauseTrigger(new TriggerKey("cron-1", "crons"));
    }

    static void fired(Scheduler scheduler, String name, ScheduleBuilder<?> schedule, int times, JobKey job) throws Exception {
        OperableTrigger trigger = (OperableTrigger) newTrigger().withIdentity(name, "fired").forJob(job).withSchedule(schedule)
            .startAt(at("2030-01-31T10:20:30Z")).build();
        trigger.computeFirstFireTime(null);
        for (int i = 0; i < times; i++) {
            trigger.triggered(null);
        }
        // The store keeps the fire times and the count of what it is given; the scheduler would begin anew.
        java.lang.reflect.Field field = scheduler.getClass().getDeclaredField("sched");
        field.setAccessible(true);
        Object quartz = field.get(scheduler);
        java.lang.reflect.Field resources = org.quartz.core.QuartzScheduler.class.getDeclaredField("resources");
        resources.setAccessible(true);
        ((org.quartz.core.QuartzSchedulerResources) resources.get(quartz)).getJobStore().storeTrigger(trigger, false);
    }

    /** Writes down when Quartz would fire each trigger, from its next fire time on. */
    static void expect(Scheduler scheduler, String url) throws Exception {
        try (java.sql.Connection connection = java.sql.DriverManager.getConnection(url, "punctual", "")) {
            connection.createStatement().execute("CREATE TABLE IF NOT EXISTS expected (scheduler text, key text, fires bigint[])");
            java.sql.PreparedStatement insert = connection.prepareStatement("INSERT INTO expected VALUES (?, ?, ?)");
            for (TriggerKey key : scheduler.getTriggerKeys(GroupMatcher.anyTriggerGroup())) {
                OperableTrigger trigger = (OperableTrigger) scheduler.getTrigger(key);
                org.quartz.Calendar calendar = trigger.getCalendarName() == null ? null : scheduler.getCalendar(trigger.getCalendarName());
                List<Long> fires = new ArrayList<>();
                // As the store does it: one firing after the other. (A hundred years ahead Quartz gives up, and steps no more.)
                while (trigger.getNextFireTime() != null && fires.size() < 40 && trigger.getNextFireTime().before(at("2090-01-01T00:00:00Z"))) {
                    fires.add(trigger.getNextFireTime().getTime());
                    trigger.triggered(calendar);
                }
                insert.setString(1, scheduler.getSchedulerName());
                insert.setString(2, key.getGroup() + "." + key.getName());
                insert.setArray(3, connection.createArrayOf("bigint", fires.toArray()));
                insert.executeUpdate();
            }
        }
    }

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(zone("Europe/Berlin"));
        boolean useProperties = Boolean.parseBoolean(args[3]);
        Properties properties = new Properties();
        properties.setProperty("org.quartz.scheduler.instanceName", args[2]);
        properties.setProperty("org.quartz.scheduler.skipUpdateCheck", "true");
        properties.setProperty("org.quartz.threadPool.threadCount", "1");
        properties.setProperty("org.quartz.jobStore.class", "org.quartz.impl.jdbcjobstore.JobStoreTX");
        properties.setProperty("org.quartz.jobStore.driverDelegateClass", "org.quartz.impl.jdbcjobstore.PostgreSQLDelegate");
        properties.setProperty("org.quartz.jobStore.tablePrefix", args[1]);
        properties.setProperty("org.quartz.jobStore.useProperties", args[3]);
        properties.setProperty("org.quartz.jobStore.dataSource", "db");
        properties.setProperty("org.quartz.dataSource.db.driver", "org.postgresql.Driver");
        properties.setProperty("org.quartz.dataSource.db.URL", args[0]);
        properties.setProperty("org.quartz.dataSource.db.user", "punctual");
        properties.setProperty("org.quartz.dataSource.db.password", "");
        properties.setProperty("org.quartz.dataSource.db.maxConnections", "2");
        Scheduler scheduler = new StdSchedulerFactory(properties).getScheduler();
        calendars(scheduler);
        triggers(scheduler, useProperties);
        expect(scheduler, args[0]);
        scheduler.shutdown(true);
        System.exit(0);
    }
}
