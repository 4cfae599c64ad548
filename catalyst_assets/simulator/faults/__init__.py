"""What can be wrong with a simulated vendor: named faults, scripted, recorded.

Belongs here: the table of faults (``table``), when one strikes (``rules``, ``scenario``, ``armed``), what it does to an answer
(``answers``, ``shapes``, ``spoiling``, ``markets``) or to a stream (``streams``), and the record of what was done (``log``). Does
not belong here: rate limits of a healthy vendor (``routes.limits``) and market events such as halts (the tape).
"""

from catalyst_assets.simulator.faults.answers import DroppedConnection, answer_with
from catalyst_assets.simulator.faults.armed import Faults
from catalyst_assets.simulator.faults.log import FaultLog, Injection
from catalyst_assets.simulator.faults.request import Asked, Handler
from catalyst_assets.simulator.faults.rules import MODES, Fault, Rule, parse_rule
from catalyst_assets.simulator.faults.scenario import Scenario, read_scenario
from catalyst_assets.simulator.faults.table import KINDS, VENDORS, Phase

__all__ = [
    "KINDS",
    "MODES",
    "VENDORS",
    "Asked",
    "DroppedConnection",
    "Fault",
    "FaultLog",
    "Faults",
    "Handler",
    "Injection",
    "Phase",
    "Rule",
    "Scenario",
    "answer_with",
    "parse_rule",
    "read_scenario",
]
