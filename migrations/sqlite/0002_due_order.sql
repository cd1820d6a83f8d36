-- Lanes are read by due time, so that an early one is never behind many late ones.
DROP INDEX effects_pending;
CREATE INDEX effects_pending ON effects (lane, due_at, id) WHERE state = 'pending';

-- Replies without an end are read at the start, whatever they wait for.
DROP INDEX replies_sending;
CREATE INDEX replies_open ON replies (id) WHERE state IN ('held', 'queued', 'sending', 'ambiguous', 'needs_human');

-- What changed last is asked by people who look at the console: few cases are sorted without an
-- index, which every commit would pay for, and of many the newest open ones are shown.
DROP INDEX cases_updated;
