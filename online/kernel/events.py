"""The event schema under one name: `from online.kernel import events as ev`.

One of the four contracts between online and offline; `docs/events/*.json` is exported from it.
"""

from online.kernel.event import EVENTS as EVENTS
from online.kernel.event import Event as Event
from online.kernel.event import Metadata as Metadata
from online.kernel.event import Occurred as Occurred
from online.kernel.event_types.attempts import *
from online.kernel.event_types.delegations import *
from online.kernel.event_types.devices import *
from online.kernel.event_types.disputes import *
from online.kernel.event_types.escrows import *
from online.kernel.event_types.handles import *
from online.kernel.event_types.holds import *
from online.kernel.event_types.intents import *
from online.kernel.event_types.mandates import *
from online.kernel.event_types.offline import *
from online.kernel.event_types.payments import *
from online.kernel.event_types.payouts import *
from online.kernel.event_types.refunds import *
from online.kernel.event_types.reviews import *
from online.kernel.event_types.screening import *
from online.kernel.event_types.transfers import *
from online.kernel.event_types.wallets import *
