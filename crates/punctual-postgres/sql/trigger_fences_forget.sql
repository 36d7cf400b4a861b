-- All fences are to be built anew.
WITH gone AS (DELETE FROM history_trigger_fences)
UPDATE history_triggers SET upto_value = -9223372036854775808, upto_id = -9223372036854775808
