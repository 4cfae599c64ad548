"""Outside services, one file per vendor, each on its official client library.

Belongs here: asking a vendor, and turning its JSON into the values of :mod:`catalyst_assets.ports` in exactly one ``parse_*``
function per kind. Does not belong here: what is decided from it (``trading/``), where it is kept (``storage/``).
"""
