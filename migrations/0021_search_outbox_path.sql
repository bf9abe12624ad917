-- A dump is loaded with an empty search_path: the trigger must find its tables without one.
ALTER FUNCTION search_outbox_follow() SET search_path FROM CURRENT;
