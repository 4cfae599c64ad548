"""The words of a simulated newsroom: headline and summary templates by catalyst type and direction.

Belongs here: text, as data, with ``{fields}`` filled from :mod:`catalyst_assets.simulator.worlds.facts`. Does not belong here: who
publishes what and when (``newsroom.py``) and background chatter (``background.py``). All companies, people, brokers and drugs
are invented. The texts were written without looking at the rule table (``trading/catalyst_rules.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

TypeAndDirection = tuple[str, int]

HEADLINES: Mapping[TypeAndDirection, tuple[str, ...]] = {
    ("earnings", 1): (
        "{co} Beats {quarter} Earnings Estimates, Revenue Rises {growth}%",
        "{co} Q{q} EPS ${eps} Beats ${eps_est} Estimate, Sales ${rev}M Beat ${rev_est}M Estimate",
        "{co} tops Wall Street expectations as {quarter} profit climbs",
        "{co} posts record {quarter} results, earnings surge past estimates",
        "{co} Reports {quarter} Results: Adjusted EPS of ${eps} vs. ${eps_est} Expected",
        "{co} stock jumps after quarterly profit crushes forecasts",
    ),
    ("earnings", -1): (
        "{co} Misses {quarter} Earnings Estimates, Revenue Falls {growth}%",
        "{co} Q{q} EPS ${eps} Misses ${eps_est} Estimate, Sales ${rev}M Miss ${rev_est}M Estimate",
        "{co} posts surprise {quarter} loss as demand weakens",
        "{co} profit falls short of Wall Street expectations",
        "{co} Reports Disappointing {quarter} Results; Margins Decline",
        "{co} shares tumble after {quarter} earnings miss",
    ),
    ("guidance", 1): (
        "{co} Raises Full-Year Guidance on Strong Demand",
        "{co} Raises FY Revenue Outlook To ${rev}M From ${rev_est}M",
        "{co} lifts annual profit forecast, sees margins improving",
        "{co} boosts outlook above analyst estimates",
        "{co} sees {quarter} revenue well above consensus, raises forecast",
    ),
    ("guidance", -1): (
        "{co} Cuts Full-Year Guidance, Cites Weak Orders",
        "{co} Lowers FY Revenue Outlook To ${rev}M From ${rev_est}M",
        "{co} slashes annual profit forecast as costs climb",
        "{co} warns on {quarter} profit, lowers outlook below estimates",
        "{co} issues profit warning, withdraws full-year guidance",
    ),
    ("fda_clinical", 1): (
        "FDA Approves {co}'s {drug} for {indication}",
        "{co}'s {drug} meets primary endpoint in Phase 3 {indication} trial",
        "{co} Announces Positive Topline Results From Phase 3 Study of {drug} in {indication}",
        "{co} wins FDA approval for {indication} treatment {drug}",
        "FDA Grants Breakthrough Therapy Designation to {co}'s {drug}",
        "{co} receives FDA clearance for {drug} in {indication}",
    ),
    ("fda_clinical", -1): (
        "FDA Issues Complete Response Letter for {co}'s {drug}",
        "{co}'s {drug} fails to meet primary endpoint in Phase 3 {indication} trial",
        "FDA Places Clinical Hold on {co}'s {drug} Study",
        "{co} discontinues {drug} trial in {indication} after safety concerns",
        "FDA rejects {co}'s application for {indication} drug {drug}",
        "{co} plunges as late-stage {indication} study of {drug} misses endpoint",
    ),
    ("merger_acquisition", 1): (
        "{acquirer} to Acquire {co} for ${price} Per Share in ${deal}B Deal",
        "{co} Agrees to Be Acquired by {acquirer} in ${deal} Billion All-Cash Deal",
        "{co} to be taken private by {acquirer} at {premium}% premium",
        "{acquirer} to buy {co} for ${deal} billion",
        "{co} Enters Definitive Merger Agreement With {acquirer}; Holders to Receive ${price} in Cash",
        "{co} receives ${price}-a-share buyout offer from {acquirer}",
    ),
    ("merger_acquisition", -1): (
        "{acquirer} Terminates Merger Agreement With {co}",
        "{co} shares sink as ${deal} billion takeover by {acquirer} collapses",
        "Regulators move to block {acquirer}'s acquisition of {co}",
        "{acquirer} walks away from {co} deal",
        "{co} and {acquirer} Mutually Agree to Terminate Merger",
    ),
    ("offering_dilution", -1): (
        "{co} Prices ${amount} Million Public Offering of Common Stock at ${price} Per Share",
        "{co} Announces Proposed Public Offering of Common Stock",
        "{co} prices upsized secondary offering at a discount",
        "{co} to sell ${amount} million of convertible senior notes",
        "{co} announces ${amount} million registered direct offering, shares slide",
    ),
    ("analyst_rating", 1): (
        "{broker} Upgrades {co} to {rating_up}, Raises Price Target to ${pt_new}",
        "{co} upgraded to {rating_up} from Neutral at {broker}",
        "{broker} initiates {co} at {rating_up} with ${pt_new} target",
        "{co} upgraded by {broker} on improving demand",
        "{broker} turns bullish on {co}, lifts price target to ${pt_new} from ${pt_old}",
    ),
    ("analyst_rating", -1): (
        "{broker} Downgrades {co} to {rating_down}, Lowers Price Target to ${pt_new}",
        "{co} downgraded to {rating_down} from Buy at {broker}",
        "{co} downgraded by {broker} on valuation and slowing growth",
        "{broker} cuts {co} to {rating_down}, slashes target to ${pt_new} from ${pt_old}",
        "{broker} starts {co} at {rating_down}, sees downside",
    ),
    ("contract_partnership", 1): (
        "{co} Wins ${amount} Million Contract From {partner}",
        "{co} Awarded {years}-Year, ${amount}M Contract by {partner}",
        "{co} announces strategic partnership with {partner}",
        "{co} signs multi-year supply agreement with {partner}",
        "{co} and {partner} Enter Collaboration Agreement; {co} to Receive ${amount} Million Upfront",
        "{co} secures ${amount} million order from {partner}",
    ),
    ("contract_partnership", -1): (
        "{co} Loses ${amount} Million Contract With {partner}",
        "{partner} Terminates Supply Agreement With {co}",
        "{co} says largest customer {partner} will not renew contract",
        "{partner} ends partnership with {co}",
    ),
    ("product", 1): (
        "{co} Launches {product}, Sees Strong Early Demand",
        "{co} unveils {product}, shares rise",
        "{co} Announces Commercial Launch of {product}",
        "{co} introduces {product} ahead of schedule",
        "{co}'s new {product} sells out in first week",
    ),
    ("product", -1): (
        "{co} Recalls {product} Over Safety Defect",
        "{co} delays launch of {product} to next year",
        "{co} issues recall of {units} {product} units",
        "{co} halts shipments of {product} after quality problems",
    ),
    ("legal_regulatory", 1): (
        "{co} Wins Patent Lawsuit Against {partner}",
        "Judge dismisses lawsuit against {co}",
        "{co} settles litigation with {partner}, to receive ${amount} million",
        "Court rules in favor of {co} in {partner} case",
    ),
    ("legal_regulatory", -1): (
        "SEC Opens Probe Into {co}'s Accounting",
        "{co} discloses Justice Department investigation",
        "{co} hit with ${amount} million fine by regulators",
        "FTC sues {co} over alleged antitrust violations",
        "{co} Receives Subpoena From SEC; Shares Fall",
        "Jury orders {co} to pay ${amount} million in patent case",
    ),
    ("management", 1): (
        "{co} Names {executive} Chief Executive Officer",
        "{co} appoints industry veteran {executive} as CEO",
        "{co} hires former {partner} chief {executive} as CEO, shares gain",
    ),
    ("management", -1): (
        "{co} CEO {executive} Resigns Unexpectedly",
        "{co} CFO {executive} Steps Down Effective Immediately",
        "{co} ousts chief executive {executive} after board review",
        "{co} says finance chief {executive} to depart amid audit review",
    ),
    ("buyback_dividend", 1): (
        "{co} Announces ${amount} Million Share Repurchase Program",
        "{co} Raises Quarterly Dividend by {growth}%, Authorizes ${amount}M Buyback",
        "{co} boosts dividend and expands stock buyback",
        "{co} Declares Special Dividend of ${dividend} Per Share",
    ),
    ("buyback_dividend", -1): (
        "{co} Suspends Quarterly Dividend to Conserve Cash",
        "{co} cuts dividend by {growth}%",
        "{co} halts share buyback, slashes payout",
    ),
    ("split", 1): (
        "{co} Announces {ratio}-for-1 Stock Split",
        "{co} board approves {ratio}-for-one forward stock split",
        "{co} to split stock {ratio}-for-1, lifts dividend",
    ),
    ("split", -1): (
        "{co} Announces 1-for-{ratio} Reverse Stock Split",
        "{co} to effect 1-for-{ratio} reverse split to regain listing compliance",
        "{co} shareholders approve 1-for-{ratio} reverse stock split",
    ),
    ("bankruptcy", -1): (
        "{co} Files for Chapter 11 Bankruptcy Protection",
        "{co} prepares bankruptcy filing as lenders balk",
        "{co} warns of substantial doubt about ability to continue as going concern",
        "{co} Defaults on Senior Notes, Explores Chapter 11 Filing",
    ),
    ("short_report", -1): (
        "Short Seller {seller} Targets {co}, Alleges Inflated Revenue",
        "{seller} discloses short position in {co}, calls stock a fraud",
        "{co} falls after short report alleges accounting irregularities",
        "{seller} Research: {co} has misled investors about its customers",
    ),
    ("macro_sector", 1): (
        "{sector} stocks rally as {macro_up}; {co} leads gains",
        "{sector} shares jump after {macro_up}",
        "{co}, peers climb as {macro_up}",
    ),
    ("macro_sector", -1): (
        "{sector} stocks slide as {macro_down}; {co} among decliners",
        "{sector} shares drop after {macro_down}",
        "{co}, peers fall as {macro_down}",
    ),
    ("other", 1): (
        "{co} to Join Midcap Index Next Week",
        "Activist investor {seller} takes stake in {co}",
        "{co} insiders buy shares after pullback",
    ),
    ("other", -1): (
        "{co} to Be Removed From Midcap Index",
        "Fire shuts {co} plant in {place}",
        "{co} reports cybersecurity incident affecting systems",
    ),
}
"""(catalyst type, direction) → headlines of news that is told as fact."""

SUMMARIES: Mapping[str, tuple[str, ...]] = {
    "earnings": (
        "{full} ({ex}: {tk}) reported {quarter} adjusted earnings of ${eps} per share, against ${eps_est} expected. Revenue "
        "was ${rev} million; analysts had looked for ${rev_est} million.",
        "{co} earned ${eps} a share in the {quarter} on sales of ${rev} million. Consensus was ${eps_est} and ${rev_est} "
        "million.",
    ),
    "guidance": (
        "{full} ({ex}: {tk}) now expects full-year revenue of about ${rev} million, compared with its earlier view of "
        "${rev_est} million.",
        "The company changed its outlook to ${rev} million in sales from ${rev_est} million.",
    ),
    "fda_clinical": (
        "{full} ({ex}: {tk}) gave an update on {drug}, its candidate for {indication}.",
        "The news concerns {drug}, a treatment for {indication} developed by {co}.",
    ),
    "merger_acquisition": (
        "{full} ({ex}: {tk}) and {acquirer} are parties to the transaction, valued at about ${deal} billion or ${price} per "
        "share.",
        "The deal with {acquirer} values {co} at ${deal} billion including debt.",
    ),
    "offering_dilution": (
        "{full} ({ex}: {tk}) intends to use the net proceeds of about ${amount} million for general corporate purposes.",
        "The shares are sold at ${price}; underwriters have a 30-day option for more.",
    ),
    "analyst_rating": (
        "Analysts at {broker} changed their view of {full} ({ex}: {tk}); the price target is ${pt_new}, before ${pt_old}.",
        "{broker} set a target of ${pt_new} on {co}.",
    ),
    "contract_partnership": (
        "{full} ({ex}: {tk}) and {partner} have an agreement worth up to ${amount} million over {years} years.",
        "The {partner} agreement runs {years} years, {co} said.",
    ),
    "product": (
        "{full} ({ex}: {tk}) commented on {product} in a statement.",
        "The announcement concerns {product}, one of the main lines of {co}.",
    ),
    "legal_regulatory": (
        "The matter concerns {full} ({ex}: {tk}) and could involve about ${amount} million, according to filings.",
        "{co} said in a filing that it is reviewing the matter.",
    ),
    "management": (
        "{full} ({ex}: {tk}) said the change involving {executive} takes effect this month.",
        "The board of {co} informed staff about {executive} in a memo.",
    ),
    "buyback_dividend": (
        "The board of {full} ({ex}: {tk}) took the decision at its meeting this week.",
        "{co} last changed its capital return policy two years ago.",
    ),
    "split": (
        "Shares of {full} ({ex}: {tk}) are to trade on a split-adjusted basis next month.",
        "The board of {co} set the record date for the end of the month.",
    ),
    "bankruptcy": (
        "{full} ({ex}: {tk}) listed liabilities of more than ${amount} million.",
        "The company has been in talks with lenders over ${amount} million of debt.",
    ),
    "short_report": (
        "In a 62-page report, {seller} makes several allegations about {full} ({ex}: {tk}).",
        "{co} did not immediately respond to a request for comment on the {seller} report.",
    ),
    "macro_sector": (
        "The move was broad, with {co} ({ex}: {tk}) among the most active names.",
        "Traders pointed to the whole {sector} group.",
    ),
    "other": (
        "The news concerns {full} ({ex}: {tk}).",
        "{co} confirmed the information on its website.",
    ),
}
"""Catalyst type → summaries that carry the facts; neutral in tone, so that the headline decides."""

RUMOURS: Mapping[TypeAndDirection, tuple[str, ...]] = {
    ("merger_acquisition", 1): (
        "{co} said to be in takeover talks with {acquirer}, sources say",
        "{co} exploring sale after approach from {acquirer} - report",
        "RUMOR: {acquirer} weighing ${price} bid for {co}",
        "{co} draws buyout interest, people familiar say",
    ),
    ("merger_acquisition", -1): (
        "{acquirer} said to be reconsidering {co} merger, sources say",
        "{co} deal with {acquirer} at risk of collapse - report",
    ),
    ("contract_partnership", 1): (
        "{co} close to landing major deal with {partner}, sources say",
        "{partner} said to pick {co} as supplier - report",
    ),
    ("contract_partnership", -1): (
        "{partner} said to drop {co} as supplier - report",
        "{co} may lose {partner} contract, chatter suggests",
    ),
    ("fda_clinical", 1): (
        "{co} expected to win FDA approval for {drug} early, sources say",
        "Chatter: {co}'s {drug} data in {indication} said to be positive",
    ),
    ("fda_clinical", -1): (
        "{co}'s {drug} said to face FDA rejection, sources say",
        "Chatter: safety concerns in {co}'s {drug} trial",
    ),
    ("legal_regulatory", 1): ("{co} said to be near favorable settlement, sources say",),
    ("legal_regulatory", -1): (
        "{co} said to face SEC investigation over accounting, sources say",
        "Report: {co} under criminal probe by prosecutors",
    ),
    ("management", 1): ("{co} said to be courting star executive {executive} as CEO - report",),
    ("management", -1): ("{co} CEO {executive} said to be stepping down - report",),
    ("guidance", 1): ("{co} said to raise forecast at upcoming investor day, sources say",),
    ("guidance", -1): ("{co} said to warn on profit this week, sources say",),
}
"""(catalyst type it pretends to be, direction) → headlines of rumours."""

PUMPS: tuple[str, ...] = (
    "{co} ({tk}) Could Be the Next Big Winner After Massive {partner} Deal",
    "${tk} Alert: {co} Set to Soar on Game-Changing Announcement",
    "Why {co} ({tk}) Is About to Skyrocket - Huge Contract Win Imminent",
    "{co} ({tk}) breakout: insiders expect huge partnership with {partner}",
    "This ${price} Stock Could Triple: {co} Announces Breakthrough {product}",
)
"""Headlines of pumps: loud, many, near-identical."""

PUMP_RELEASES: tuple[str, ...] = (
    "{co} Announces Letter of Intent for Transformational Partnership With {partner}",
    "{co} Announces Breakthrough {product} With Billion-Dollar Market Potential",
)
"""Headlines of pumps that come as a press release."""

DENIALS: Mapping[int, tuple[str, ...]] = {
    1: (
        "{co} denies report of {matter}",
        "{co} says report of {matter} is false, shares give up gains",
        "{co} not aware of any {matter}, company says",
        "{partner_or_acquirer} denies {matter} involving {co}",
    ),
    -1: (
        "{co} denies report of {matter}, shares recover",
        "{co} says report of {matter} has no basis",
        "{co} rebuts talk of {matter}, calls it unfounded",
    ),
}
"""Direction of the false story → headlines that deny it."""

MATTERS: Mapping[str, str] = {
    "merger_acquisition": "takeover talks",
    "contract_partnership": "a pending contract",
    "fda_clinical": "an FDA decision",
    "legal_regulatory": "an investigation",
    "management": "a change at the top",
    "guidance": "a change in guidance",
    "product": "a product breakthrough",
    "other": "market speculation",
}
"""Catalyst type → what a denial calls it."""

FOLLOW_UPS: Mapping[int, tuple[str, ...]] = {
    1: (
        "Why {co} Shares Are Trading Higher Today",
        "{co} stock rises: what investors need to know",
        "{co} shares extend gains on heavy volume",
    ),
    -1: (
        "Why {co} Shares Are Trading Lower Today",
        "{co} stock falls: what investors need to know",
        "{co} shares extend losses on heavy volume",
    ),
}
"""Direction → later articles about the move."""

SYNONYMS: tuple[tuple[str, str], ...] = (
    ("Announces", "Reveals"),
    ("announces", "reveals"),
    ("Beats", "Tops"),
    ("Misses", "Falls Short of"),
    ("Raises", "Lifts"),
    ("Cuts", "Trims"),
    ("Lowers", "Reduces"),
    ("to Acquire", "to Buy"),
    ("Wins", "Lands"),
    ("Awarded", "Receives"),
    ("said to be", "reportedly"),
    ("shares", "stock"),
    ("Million", "Mln"),
    ("Launches", "Rolls Out"),
    ("falls", "drops"),
    ("jumps", "surges"),
    ("Names", "Appoints"),
    ("probe", "investigation"),
    ("Probe", "Investigation"),
)
"""Words an echo exchanges to look like its own work."""

TOPICS: Mapping[str, tuple[str, ...]] = {
    "earnings": ("earnings",),
    "guidance": ("earnings",),
    "fda_clinical": ("life_sciences",),
    "merger_acquisition": ("mergers_and_acquisitions",),
    "offering_dilution": ("finance",),
    "macro_sector": ("economy_macro",),
    "analyst_rating": ("financial_markets",),
    "split": ("financial_markets",),
}
"""Catalyst type → vendor topics (others: ``financial_markets``)."""
