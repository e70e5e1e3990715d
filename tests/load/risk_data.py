"""A month of payments of a million entities, put into the tables of risk set-wise.

400,000 customers and as many cards and VPAs, 180,000 devices, 20,000 merchants. Most are seen a
few times; one merchant takes a fifth of all payments, and an address is shared by every hundredth.
"""

from datetime import UTC, datetime, timedelta

import psycopg

PAYMENTS = 1_000_000
CUSTOMERS, DEVICES, MERCHANTS, ADDRESSES = 400_000, 180_000, 20_000, 100_000
DAYS = 35
_CHUNK = 250_000

# Time goes on with the row's number; every draw is a hash of it: the same data on each run.
_DRAW = "(hashint8extended(n, {salt}) & 2147483647)"


def _pick(count: int, salt: int) -> str:
    return f"{_DRAW.format(salt=salt)} %% {count}"


_ACTIVITY = f"""
insert into risk_activity
    (payment_id, at, customer_key, instrument, card_key, vpa_key, device_key, ip_key, merchant_id,
     amount_minor, livemode)
select
    gen_random_uuid(), at, customer, instrument,
    case when by_card then instrument end, case when not by_card then instrument end,
    device, address, merchant, amount, false
from (
    select
        %(until)s::timestamptz - {DAYS * 86_400} * interval '1 second'
            * ({PAYMENTS} - n) / {PAYMENTS} as at,
        'cus_' || {_pick(CUSTOMERS, 2)} as customer,
        {_pick(CUSTOMERS, 2)} %% 2 = 0 as by_card,
        'instrument_' || {_pick(CUSTOMERS, 2)} as instrument,
        case when n %% 10 > 0 then 'dev_' || {_pick(DEVICES, 3)} end as device,
        'ip_' || case when n %% 100 = 0 then 0 else {_pick(ADDRESSES, 4)} end as address,
        md5('merchant ' || case when n %% 5 = 0 then 0 else {_pick(MERCHANTS, 5)} end)::uuid
            as merchant,
        100 + {_pick(1_000_000, 6)} as amount
    from generate_series(%(first)s::bigint, %(last)s::bigint) as n
) as drawn
"""

# One payment in a hundred was fraud; of those that were not, a quarter is known to be good.
_LABELS = """
insert into risk_labels
    (payment_id, merchant_id, instrument, card_key, vpa_key, customer_key, device_key, ip_key,
     amount_minor, fraud, known_at, livemode)
select payment_id, merchant_id, instrument, card_key, vpa_key, customer_key, device_key, ip_key,
    amount_minor, drawn %% 100 = 0, at + interval '4 days', livemode
from (select *, hashtext(payment_id::text) & 2147483647 as drawn from risk_activity) as a
where (drawn %% 100 = 0 or drawn %% 4 = 0) and at < %(until)s::timestamptz - interval '4 days'
"""


def fill(owner_url: str) -> datetime:
    """Fills the tables as the owner; answers the moment that the history ends with."""
    until = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for first in range(1, PAYMENTS, _CHUNK):
            parameters = {"until": until, "first": first, "last": first + _CHUNK - 1}
            connection.execute(_ACTIVITY, parameters)
        connection.execute(_LABELS, {"until": until})
        connection.execute("vacuum analyze risk_activity, risk_labels, risk_tiles")
    return until
