-- Lanes are read by due time, so that an early one is never behind many late ones.
DROP INDEX effects_pending;
CREATE INDEX effects_pending ON effects (lane, due_at, id) WHERE state = 'pending';

-- Replies without an end are read at the start, whatever they wait for.
DROP INDEX replies_sending;
CREATE INDEX replies_open ON replies (id) WHERE state IN ('held', 'queued', 'sending', 'ambiguous', 'needs_human');

-- Only the demo asks for what changed last; its few cases are sorted without an index, which every
-- commit of every installation would pay for.
DROP INDEX cases_updated;
