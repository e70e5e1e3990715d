-- Deemed approvals: the payer was debited, and the payee's bank has still to confirm the credit.

-- How far it is, of a payment that was told as a success meanwhile.
alter table payments add column deemed text
    check (deemed in ('deemed', 'confirmed', 'returned'));

-- How a payer by UPI is reached.
alter table payments add column flow text check (flow in ('intent', 'qr', 'collect'));

-- The switch is asked about those, too.
drop index attempts_due;
create index attempts_due on attempts (rail, next_enquiry_at)
    where status in ('sent', 'pending', 'unknown', 'deemed');

-- Of the payment that a refund is of: by UPI it has a transaction id of its own.
alter table refunds add column method text;
