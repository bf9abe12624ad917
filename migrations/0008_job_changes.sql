-- Whoever follows a job is told when it moves on, instead of asking once a second.

-- Only what a follower sees: a heartbeat that brings no news, or a dispatch, tells nobody anything.
CREATE FUNCTION notify_job_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('job_changed', NEW.job_id::text); RETURN NULL; END $$;
CREATE TRIGGER job_changed AFTER UPDATE ON jobs FOR EACH ROW
    WHEN ((OLD.status, OLD.progress_done, OLD.progress_total, OLD.progress_phase, OLD.cancel_requested)
          IS DISTINCT FROM (NEW.status, NEW.progress_done, NEW.progress_total, NEW.progress_phase, NEW.cancel_requested))
    EXECUTE FUNCTION notify_job_changed();
