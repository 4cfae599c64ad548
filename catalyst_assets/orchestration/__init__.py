"""The only floor that knows Dagster: assets, checks, jobs, schedules, sensors, resources and the commands built on them."""

import warnings

from dagster import BetaWarning

# Known and accepted: backfill policies and partition mappings that reach before the first partition are marked beta in 1.13.
warnings.filterwarnings("ignore", category=BetaWarning)
