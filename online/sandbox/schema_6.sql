-- Deemed approvals.

-- operations.pending_kind: deemed, too: its money has moved; without an `eventual` somebody has to
-- decide how it ends. Its return is in `movements` under the payment's reference with "/ret" to it.
drop index operations_ripening;
create index operations_ripening on operations (created_at)
    where pending_kind in ('later', 'unseen', 'deemed') and eventual is not null;
