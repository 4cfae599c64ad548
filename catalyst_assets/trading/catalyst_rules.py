"""The rule table: what the words of a headline say about the kind of news and the way it points. Data, not code.

Belongs here: patterns, weights, directions. Does not belong here: how they are applied (``headlines.py``).

Patterns are regular expressions on a normalised headline: lower case, straight quotes, plain hyphens, single spaces.
``weight`` is how surely the words mean the type (it decides between types and weighs the direction), ``direction`` −1 ... 1 what
the news is usually worth to the company it is about; 0 when it can be either. Raise :data:`RULES_VERSION` with every change:
features of another version are derived again.
"""

# ruff: noqa: E501  (one rule is one line: a broken regular expression is harder to read than a long one)

from __future__ import annotations

from typing import Final, NamedTuple

RULES_VERSION: Final = "2026-11-23.1"


class Rule(NamedTuple):
    """One row: ``kind`` is a catalyst type, or ``tone`` for words that point somewhere whatever the type."""

    name: str
    kind: str
    direction: float
    weight: float
    pattern: str


CATALYST_TYPES: Final = (
    "earnings", "guidance", "fda_clinical", "merger_acquisition", "offering_dilution", "analyst_rating", "contract_partnership",
    "product", "legal_regulatory", "management", "buyback_dividend", "split", "bankruptcy", "short_report", "macro_sector", "other",
)  # fmt: skip

_BETTER = r"(?:beats?|beating|tops?|topped|topping|exceeds?|exceeded|surpass(?:es|ed)?|crush(?:es|ed)?|smash(?:es|ed)?|ahead of|above|blows? past|outpac(?:es|ed))"
_WORSE = r"(?:miss(?:es|ed|ing)?|falls? short|fell short|falling short|trails?|trailed|lags?|lagged|below|short of|disappoints?|disappointed|disappointing|underwhelms?)"
_EXPECTED = r"(?:estimates?|expectations?|views?|forecasts?|consensus|the street|street view|wall street)"
_RESULT = r"(?:earnings|profits?|eps|revenues?|sales|results|net income|income|ebitda|bookings|deliveries|quarter|q[1-4]|margins?|loss(?:es)?)"
_GUIDE = r"(?:guidance|outlook|forecasts?|(?:full[- ]year|annual|fy ?\d*|q[1-4]|quarterly|sales|revenue|profit|earnings|eps) (?:view|target|targets|outlook|guidance|forecasts?|projections?)|projections?)"
_UP = r"(?:raises?|raised|raising|lifts?|lifted|boosts?|boosted|hikes?|hiked|increases?|increased|ups|upped|bumps? up)"
_DOWN = r"(?:cuts?|cutting|lowers?|lowered|lowering|slash(?:es|ed)?|reduces?|reduced|trims?|trimmed|slices?|pares?|pared|drops?|withdraws?|withdrew|suspends?|suspended|pulls?)"
_DRUG = r"(?:drug|therapy|treatment|vaccine|trial|study|data|candidate|pill|dose|phase (?:[1-3]|i{1,3}|iv)\w?|biosimilar|antibody)"

RULES: Final[tuple[Rule, ...]] = (
    # ------------------------------------------------------------------------------------------------------- earnings
    Rule("earnings_beat", "earnings", 0.75, 1.2, rf"\b{_BETTER}\b.{{0,45}}\b{_EXPECTED}|\b{_RESULT}\b.{{0,25}}\b{_BETTER}\b(?! (?:to|at))|\b(?:earnings|profit|revenue|eps|sales|q[1-4]|quarterly) beats?\b"),
    Rule("earnings_miss", "earnings", -0.75, 1.2, rf"\b(?:{_WORSE})\b.{{0,45}}\b{_EXPECTED}|\b{_RESULT}\b.{{0,25}}\b(?:miss(?:es|ed)?|falls? short|fell short|disappoints?|disappointed|underwhelms?|trails?|lags?|below)\b|\b(?:earnings|profit|revenue|eps|sales|q[1-4]|quarterly) miss(?:es)?\b|\bdisappointing\b.{0,15}" + rf"\b{_RESULT}\b"),
    Rule("earnings_better_than_expected", "earnings", 0.7, 1.2, r"\b(?:better|stronger|higher)[- ]than[- ](?:expected|feared|anticipated|forecast)"),
    Rule("earnings_worse_than_expected", "earnings", -0.7, 1.2, r"\b(?:worse|weaker|lower|softer|slower|steeper)[- ]than[- ](?:expected|feared|anticipated|forecast)|\bwider[- ]than[- ]expected loss"),
    Rule("earnings_record", "earnings", 0.55, 1.0, rf"\b(?:record|blowout|blockbuster|stellar|strong|robust|solid|upbeat|impressive)\b.{{0,22}}\b{_RESULT}\b"),
    Rule("earnings_weak", "earnings", -0.55, 1.0, rf"\b(?:weak|soft|dismal|poor|lackluster|sluggish|grim|tepid|mixed-to-weak|worst)\b.{{0,22}}\b{_RESULT}\b"),
    Rule("earnings_rise", "earnings", 0.5, 1.0, r"\b(?:earnings|profits?|eps|revenues?|net income|net|pat|sales|income)\b.{0,24}\b(?:rises?|rose|jumps?|jumped|climbs?|climbed|grows?|grew|surges?|surged|soars?|soared|up|increase[sd]?|doubles?|doubled|triples?|tripled|gains?|swings? to (?:a )?profit|zooms?|spurts?|expands?|higher|at record)\b"),
    Rule("earnings_fall", "earnings", -0.55, 1.0, r"\b(?:earnings|profits?|eps|revenues?|net income|net|pat|sales|income)\b.{0,24}\b(?:falls?|fell|drops?|dropped|declines?|declined|slump(?:s|ed)?|slides?|slid|plunge[sd]?|tumble[sd]?|sinks?|sank|shrinks?|down|dips?|dipped|slips?|halve[sd]?|decrease[sd]?|lower|decelerates?|contracts?)\b"),
    Rule("earnings_loss", "earnings", -0.6, 1.0, r"\b(?:reports?|posts?|swings? to|slips? (?:in)?to|widens?)\b.{0,25}\b(?:net |quarterly |q[1-4] |wider )?loss(?:es)?\b|\bloss widens?\b|\bwider loss\b|\bprofit warning\b|\bwarns? (?:on|of|about) (?:lower )?(?:profits?|earnings|sales|results)\b"),
    Rule("earnings_loss_narrows", "earnings", 0.45, 1.0, r"\bloss(?:es)? (?:narrows?|narrowed|shrinks?|shrank|falls?|halves)\b|\bnarrower\b.{0,12}\bloss|\bnarrows?\b.{0,15}\bloss|\b(?:swings?|returns?|back) to (?:a )?(?:net )?profit"),
    Rule("earnings_profit_at", "earnings", 0.0, 0.9, r"\b(?:q[1-4]|quarterly|(?:first|second|third|fourth)[- ]quarter|full[- ]year|half[- ]year|fiscal)\b.{0,40}\b(?:earnings|results?|profit|loss|revenue|sales|eps)\b|\b(?:earnings|results)\b.{0,20}\b(?:q[1-4]|quarter)\b"),
    Rule("earnings_report", "earnings", 0.0, 0.6, r"\b(?:earnings|quarterly results|eps)\b"),
    # ------------------------------------------------------------------------------------------------------- guidance
    Rule("guidance_raised", "guidance", 0.85, 1.5, rf"\b{_UP}\b(?!.{{0,20}}\b(?:price target|pt)\b).{{0,40}}\b{_GUIDE}\b|\b{_GUIDE}\b.{{0,12}}\b(?:raised|lifted|boosted|increased|hiked|improves?)\b|\b(?:upbeat|strong|rosy|robust|bullish|raised|better)\b.{{0,18}}\b(?:guidance|outlook|forecasts?)\b|\bforecasts? upbeat\b|\bguides? (?:above|higher|up)\b|\bsees\b.{{0,30}}\babove\b.{{0,20}}\b{_EXPECTED}"),
    Rule("guidance_cut", "guidance", -0.9, 1.5, rf"\b{_DOWN}\b(?!.{{0,20}}\b(?:price target|pt)\b).{{0,40}}\b{_GUIDE}\b|\b{_GUIDE}\b.{{0,12}}\b(?:cut|lowered|slashed|reduced|trimmed|withdrawn|suspended|misses|disappoints|miss)\b|\b(?:weak|weaker|soft|softer|disappointing|gloomy|bleak|downbeat|dim|dour|tepid|cautious|grim|lowered)\b.{{0,18}}\b(?:guidance|outlook|forecasts?)\b|\b(?:guidance|outlook|forecasts?) (?:falls?|fell) short\b|\bguides? (?:below|lower|down)\b|\bsees\b.{{0,30}}\bbelow\b.{{0,20}}\b{_EXPECTED}|\bwarns\b.{{0,30}}\b(?:guidance|outlook|full[- ]year|annual|miss)\b"),
    Rule("guidance_kept", "guidance", 0.1, 1.1, r"\b(?:reaffirms?|reiterates?|maintains?|backs?|affirms?|confirms?|keeps?|sticks? (?:to|with))\b.{0,30}\b(?:guidance|outlook|forecasts?)\b(?!.{0,20}\b(?:rating|buy|hold)\b)"),
    Rule("guidance_given", "guidance", 0.0, 0.7, r"\b(?:guidance|(?:sees|expects|projects|forecasts) (?:fy|full[- ]year|q[1-4]|20\d\d|annual|quarterly))\b"),
    # ---------------------------------------------------------------------------------------------------- fda_clinical
    Rule("fda_approval", "fda_clinical", 0.9, 1.8, r"\bfda\b.{0,45}\b(?:approv(?:es|ed|al)|clear(?:s|ed|ance)|grants?|greenlights?|green light|votes? in favor|authoriz(?:es|ed|ation)|nod|okays?|ok)\b|\b(?:wins?|receives?|gets?|secures?|gains?|obtains?|won|lands?|scores?|bags)\b.{0,40}\b(?:(?:us ?)?fda|eu|european|ema|regulatory|marketing)\b.{0,25}\b(?:approval|clearance|nod|authorization|ok)\b|\bapproved by (?:the )?(?:us )?fda\b|\b(?:fda|ema|chmp|ec|mhra|usfda)[- ](?:approval|approved|approves|cleared|nod)\b|\bchmp\b.{0,20}\b(?:positive|recommends?|backs)|\b(?:advisory (?:panel|committee)|adcomm?)\b.{0,25}\b(?:backs?|votes? (?:in favor|for|yes)|favou?rs?|recommends?|endorses?|supports?)"),
    Rule("fda_rejection", "fda_clinical", -0.95, 2.0, r"\bcomplete response letter\b|\bcrl\b|\bfda\b.{0,40}\b(?:reject(?:s|ed|ion)|declin(?:es|ed)|den(?:ies|ied)|refus(?:es|ed)|turns? down|delay(?:s|ed)|warning letter|clinical hold|import alert|snubs?|questions?|raises concerns?)|\bclinical hold\b(?!.{0,12}\b(?:lifted|removed))|\brefus(?:e|al)[- ]to[- ]file\b|\b(?:advisory (?:panel|committee)|adcomm?)\b.{0,25}\b(?:votes? (?:against|no)|rejects?|opposes?)|\b(?:us ?)?fda (?:observations?|form 483|warning)"),
    Rule("fda_designation", "fda_clinical", 0.45, 1.5, r"\b(?:breakthrough(?: therapy)?|fast[- ]track|orphan(?:[- ]drug)?|rmat|accelerated approval)\b.{0,20}\b(?:designation|status|tag|granted|review|label)\b|\bbreakthrough therapy\b|\bpriority review\b|\bclinical hold (?:lifted|removed)|\blifts? clinical hold"),
    Rule("trial_success", "fda_clinical", 0.85, 1.6, rf"\b(?:meets?|met|achieves?|achieved|hits?|reaches|reached)\b.{{0,45}}\b(?:endpoints?|goals?|objectives?)\b.{{0,25}}|\b(?:positive|strong|promising|encouraging|favorable|impressive)\b.{{0,30}}\b(?:top[- ]?line|phase|trial|study|clinical|late[- ]stage|mid[- ]stage|interim (?:data|results)|(?:trial|study|safety|efficacy) data)\b|\b{_DRUG}\b.{{0,30}}\b(?:succeeds?|succeeded|shows? (?:benefit|promise|efficacy|positive)|reduces?|slows?|improves?|effective|cuts? risk)\b|\bphase (?:[1-3]|i{{1,3}})\b.{{0,40}}\b(?:success|win)\b"),
    Rule("trial_failure", "fda_clinical", -0.95, 2.0, r"\b(?:fails?|failed|misses|missed|did not meet|does not meet|didn't meet|falls? short)\b.{0,45}\b(?:endpoints?|trial|study|phase|late[- ]stage|goals?)\b|\b(?:trial|study|phase (?:[1-3]|i{1,3})\w?|drug|vaccine)\b.{0,30}\b(?:fails?|failed|failure|setback|halted|terminated|discontinued|disappoints?|flops?)\b|\b(?:halts?|pauses?|stops?|ends?|discontinues?|scraps?|terminates?|suspends?)\b.{0,30}\b(?:trial|study|enrollment|drug program|dosing)\b|\bpatient (?:death|dies)|\bserious adverse\b|\bsafety (?:concerns?|signal)\b"),
    Rule("clinical_news", "fda_clinical", 0.1, 1.0, r"\bphase (?:[1-4]|i{1,3}|iv)\b|\b(?:clinical|late-stage|mid-stage) (?:trial|study|data)\b|\bfda\b|\btop-?line (?:results|data)\b|\b(?:nda|bla|snda) (?:submission|filing|accept)|\bpivotal (?:trial|study)\b|\bpdufa\b"),
    # ---------------------------------------------------------------------------------------------- merger_acquisition
    Rule("deal_target", "merger_acquisition", 0.9, 1.9, r"\b(?:to be|being|gets?|agrees? to be|set to be|will be) (?:acquired|bought|taken over|taken private)\b|\b(?:acquired|bought out|taken private) by\b|\b(?:receives?|received|gets?|got|fields?|draws?|attracts?)\b.{0,30}\b(?:takeover|buyout|acquisition|unsolicited|merger|tender)\b.{0,20}\b(?:bid|offer|proposal|interest|approach)|\btakeover (?:target|interest|approach)\b|\bagrees? to (?:a )?(?:\$?[\d.]+ ?(?:bn|billion|b|million|m)?\b )?(?:takeover|buyout|sale to)|\bgo(?:es|ing)? private\b|\bexplor\w+ (?:a )?(?:potential )?sale\b|\bto sell itself\b"),
    Rule("deal_acquirer", "merger_acquisition", 0.0, 1.7, r"\b(?:to acquire|acquires?|acquiring|to buy|buys|snaps? up|to purchase|takes? over|take over|bids? for|offers? (?:to (?:buy|acquire)|\$?[\d.]+ ?(?:bn|billion|b) for)|to merge with|nears? (?:a )?(?:\$?[\d.]+ ?(?:bn|billion|b) )?deal (?:to (?:buy|acquire)|for)|in talks to (?:buy|acquire))\b(?!\s*$)(?! ?[?.!,:;(\"'])(?! (?:rating|the dip|or sell|back|shares|stocks?|now|zone|points?|recommendation|right|and hold|hand|for|in|on|it|these|this|today|into|opportunit\w*|at|with|but|according|before|after|from|more|gold|bonds?)\b)"),
    Rule("deal_terminated", "merger_acquisition", -0.6, 2.0, r"\b(?:terminates?|terminated|scraps?|scrapped|calls? off|abandons?|abandoned|walks? away|withdraws?|drops?|ends?|blocks?|collapses?|falls? apart)\b.{0,35}\b(?:merger|deal|acquisition|takeover|bid|buyout|talks)\b|\b(?:merger|deal|acquisition|takeover|buyout)(?: talks)?\b.{0,20}\b(?:collapses?|terminated|called off|scrapped|falls? apart|blocked|fall through)\b"),
    Rule("deal_closed", "merger_acquisition", 0.1, 1.2, r"\b(?:completes?|completed|closes?|closed|finalizes?|finalized)\b.{0,35}\b(?:acquisition|merger|takeover|buyout|purchase of|sale of)\b"),
    Rule("deal_divests", "merger_acquisition", 0.15, 1.3, r"\b(?:divests?|divestiture|spin[- ]?off|spins? off|carve[- ]out|to sell (?:its|unit|stake|.{0,20}(?:business|division|unit|stake))|sells? (?:its |.{0,25}\b)(?:unit|business|division|stake))\b|\bstrategic (?:review|alternatives)\b"),
    Rule("deal_news", "merger_acquisition", 0.2, 1.1, r"\b(?:merger|takeover|buyout|acquisitions?|all[- ](?:cash|stock) deal|merge|stake sale|take-private|tender offer)\b"),
    # ----------------------------------------------------------------------------------------------- offering_dilution
    Rule("offering", "offering_dilution", -0.75, 1.8, r"\b(?:public|secondary|stock|share|equity|follow[- ]on|direct|registered direct|common stock|underwritten|at[- ]the[- ]market|atm|shelf|upsized|rights)\b.{0,18}\b(?:offering|sale of shares|placement)\b|\boffering of (?:[\d.,]+ (?:million )?)?(?:common|ordinary|shares|stock|units|american depositary)\b|\b(?:prices?|priced|launches?|proposed|announces?|commences?|upsizes?)\b.{0,25}\b(?:offering)\b(?!.{0,25}\b(?:notes|bonds?|debt|term sheet)\b)|\bprivate placement\b|\bdilut(?:ion|ive|es?)\b|\bconvertible (?:senior )?(?:notes?|bonds?|debt)\b|\bto (?:sell|issue|offer) (?:up to )?(?:\$?[\d.,]+ ?(?:million|billion|m|bn|mln)? ?)?(?:in |of )?(?:new |common |additional )?(?:stock|shares)\b|\bshelf registration\b|\bat-the-market\b"),
    Rule("debt_offering", "offering_dilution", -0.05, 1.0, r"\b(?:senior notes|notes offering|bond (?:sale|offering|issue)|debt offering|pricing term sheet|prices? .{0,25}(?:notes|bonds))\b"),
    Rule("raises_capital", "offering_dilution", -0.3, 0.9, r"\b(?:raises?|raised|raising|to raise|seeks?)\b.{0,20}(?:\$|rs\.? ?|eur |usd )?[\d.,]+ ?(?:million|billion|m|bn|mln|cr|crore)?\b.{0,25}\b(?:via|through|from|in)\b.{0,25}\b(?:equity|shares|stock|qip|warrants|placement)\b"),
    # -------------------------------------------------------------------------------------------------- analyst_rating
    Rule("upgrade", "analyst_rating", 0.65, 1.5, r"\bupgrades\b(?! (?:its|their|to (?:its|windows)|iphones?))|\bupgraded (?:to|at|by|from|as|on)\b|\bupgraded\b(?=.{0,40}\b(?:wall street|analyst|buy|overweight|neutral|hold|outperform|rating))|\b(?:gets?|wins?|double|analyst|rating|bullish)[- ](?:an? )?upgrade\b|\bupgrade(?:s|d)? (?:from|to|by|at) |\b(?:raised|raises|lifted|moved) (?:to|from .{0,20} to) (?:buy|overweight|outperform|strong buy)\b|\bnew buy\b|\badded to\b.{0,25}\b(?:list|focus|conviction)"),
    Rule("downgrade", "analyst_rating", -0.65, 1.5, r"\bdowngrades?\b(?!.{0,12}\bus\b)|\bdowngraded\b|\b(?:cut|cuts|lowered|lowers|moved) (?:to|from .{0,20} to) (?:sell|underweight|underperform|hold|neutral|reduce|equal[- ]weight)\b|\bthrows? in the towel\b|\bturns? bearish\b|\bremoved from\b.{0,25}\b(?:list|focus|conviction)"),
    Rule("target_raised", "analyst_rating", 0.4, 1.3, r"\b(?:raises?|raised|lifts?|lifted|boosts?|boosted|hikes?|hiked|increases?|increased|ups|upped|bumps?)\b.{0,40}\b(?:price targets?|target price|pt|targets?)\b|\b(?:price target|target price|pt)\b.{0,14}\b(?:raised|lifted|boosted|increased|hiked|upped)\b|\bstreet[- ]high\b"),
    Rule("target_cut", "analyst_rating", -0.4, 1.3, r"\b(?:cuts?|lowers?|lowered|trims?|trimmed|slashe[sd]|slash|reduces?|reduced|drops)\b.{0,40}\b(?:price targets?|target price|pt|targets?)\b|\b(?:price target|target price|pt)\b.{0,14}\b(?:cut|lowered|trimmed|slashed|reduced|trim)\b"),
    Rule("coverage_positive", "analyst_rating", 0.4, 1.3, r"\b(?:initiat(?:es|ed|ing)|starts?|started|assumes?|resumes?|begins?)\b.{0,60}\b(?:buy|overweight|outperform|strong buy|positive)\b|\b(?:buy|overweight|outperform) initiat"),
    Rule("coverage_negative", "analyst_rating", -0.4, 1.3, r"\b(?:initiat(?:es|ed|ing)|starts?|started|assumes?|resumes?)\b.{0,60}\b(?:sell|underweight|underperform|reduce)\b"),
    Rule("rating_kept", "analyst_rating", 0.1, 1.1, r"\b(?:reiterates?|reiterated|maintains?|maintained|reaffirms?|keeps?|affirms?|sticks? with)\b.{0,45}\b(?:buy|overweight|outperform|hold|neutral|equal[- ]weight|market perform|rating|price target|sell)\b"),
    Rule("rating_news", "analyst_rating", 0.0, 0.8, r"\b(?:price targets?|initiat(?:es|ed) (?:coverage|at|with)|analyst calls?|bull case|analyst (?:says?|sees|rating))\b"),
    Rule("brokers_positive", "analyst_rating", 0.45, 0.9, r"^(?:buy|accumulate|add)\b.{2,60}\btarget\b|\banalyst (?:turns? bullish|upbeat|offers upbeat|bullish|optimistic)|\b(?:bullish on|overweight on|top pick)\b"),
    Rule("brokers_negative", "analyst_rating", -0.45, 0.9, r"^(?:sell|short|reduce|avoid)\b.{2,60}\b(?:target|:)|\b(?:bearish on|underweight on|cautious on)\b|\banalyst (?:turns? (?:cautious|bearish)|bearish)"),
    # -------------------------------------------------------------------------------------------- contract_partnership
    Rule("contract_won", "contract_partnership", 0.65, 1.4, r"\b(?:wins?|won|awarded|secures?|secured|lands?|landed|bags?|bagged|gets?|receives?|received|clinch(?:es|ed)?|inks?|signs?|signed|nabs?|scores?)\b.{0,50}\b(?:contracts?|orders?|deal|agreement|mou|mandate|tender|task order)\b(?!.{0,15}\b(?:to (?:settle|end)|settlement|plea)\b)|\bselected (?:by|to|for|as)\b|\b(?:multi[- ]?year|\$?[\d.]+[- ]?(?:million|billion|bn|m|b)) (?:contract|order|agreement|supply deal)\b"),
    Rule("contract_lost", "contract_partnership", -0.65, 1.5, r"\b(?:loses?|lost|cancel(?:s|led|ed)?|terminat(?:es|ed)|ends?|ended|scraps?|drops?)\b.{0,35}\b(?:contracts?|orders?|agreement|partnership|customer|supply deal)\b|\b(?:will not|won't|refuses to|declines to) (?:renew|extend)\b|\b(?:contract|order|partnership|agreement)\b.{0,16}\b(?:cancel(?:led|ed)|terminated|ended|scrapped|lost)\b"),
    Rule("partnership", "contract_partnership", 0.45, 1.1, r"\b(?:partners? with|partnership|teams? up|collaborat(?:es|ion)|joint venture|strategic (?:alliance|agreement|investment)|joins forces|alliance with|ink(?:s|ed)? (?:deal|pact)|tie[- ]up|pact with|licensing (?:deal|agreement)|supply (?:deal|agreement|pact)|expands? (?:its )?(?:deal|agreement|relationship))\b"),
    # --------------------------------------------------------------------------------------------------------- product
    Rule("launch", "product", 0.35, 0.9, r"\b(?:launch(?:es|ed|ing)?|unveil(?:s|ed|ing)?|introduc(?:es|ed|ing)|debut(?:s|ed)?|rolls? out|rolled out|releases? (?:new|its|first)|to launch|general availability|public preview|announces? new)\b(?!.{0,20}\b(?:offering|investigation|probe|review|trial|buyback|tender)\b)"),
    Rule("recall", "product", -0.6, 1.5, r"\brecall(?:s|ed|ing)?\b(?! (?:election|that|when|how))|\b(?:safety defect|defect(?:s|ive)?|stop[- ]sale|grounds?|grounded|grounding)\b|\b(?:outage|data breach|cyber ?attack|cyber ?security (?:incident|breach)|hacked|hack|ransomware|security (?:breach|flaw))\b|\b(?:crash(?:es|ed)?) (?:kills?|near|after|in)|\b(?:plane|jet|air india|737|787|flight)\b.{0,20}\bcrash"),
    Rule("production", "product", -0.5, 1.1, r"\b(?:halts?|pauses?|stops?|suspends?|delays?|delayed|postpones?|cuts)\b.{0,35}\b(?:production|launch|shipments?|deliveries|sales|rollout|program|output|plant)\b|\bsupply (?:shortage|disruption)|\b(?:workers|unions?|members|pilots|machinists|staff|employees)\b.{0,30}\b(?:strike|walk ?outs?)\b|\bstrike\b.{0,20}\b(?:workers|union|vote|halts|plant)\b|\b(?:fire|explosion|blast|flood)\b.{0,30}\b(?:plant|factory|refinery|facility|mine)\b|\b(?:shuts?|closes?|idles?)\b.{0,25}\b(?:plant|factory|refinery|mine)\b"),
    # ------------------------------------------------------------------------------------------------ legal_regulatory
    Rule("criminal", "legal_regulatory", -1.0, 2.2, r"\bcriminal(?:ly)?\b.{0,20}\b(?:probe|investigat\w+|charges?|charged|inquiry|case|complaint|indict\w+|scrutiny)\b|\bindict(?:ed|ment|s)\b|\b(?:charged with|pleads? guilty|guilty plea|found guilty|convicted|arrested)\b|\b(?:fbi|police|authorities|prosecutors|regulators|offices?|headquarters) (?:raid(?:s|ed)?|searched)\b|\braid(?:s|ed)? (?:on|by|at)\b.{0,20}\b(?:offices?|headquarters|fbi|police)\b|\b(?:accounting|securities|medicare|wire|bank|tax|insurance|massive|alleged|possible) fraud\b|\bfraud (?:probe|charges?|investigation|allegations?|case)\b"),
    Rule("investigation", "legal_regulatory", -0.8, 1.8, r"\b(?:probe[sd]?|investigat(?:ion|ions|ed|es|ing)|inquiry|subpoena(?:s|ed)?|scrutiny|crackdown|crack down|wells notice|under fire from regulators?)\b(?!.{0,10}\bof breaches of fiduciary)|\b(?:sec|doj|ftc|cfpb|nhtsa|faa|ntsb|eu|antitrust)\b.{0,25}\b(?:probe|investigat\w+|charges?|sues|suit|lawsuit|fines?|scrutin\w+|looks? into|examin\w+)\b"),
    Rule("probe_closed", "legal_regulatory", 0.65, 2.3, r"\b(?:drops?|dropped|clos(?:es|ed)|ends?|ended|dismiss(?:es|ed)|clears?|cleared|toss(?:es|ed)|throws? out|rejects?|rejected|settles?|withdraws?|overturns?|overturned)\b.{0,30}\b(?:probe|investigation|charges|lawsuits?|suit|case|challenge|antitrust|legal challenge|verdict)\b|\b(?:probe|investigation|lawsuit|case|suit|charges)\b.{0,12}\b(?:dropped|closed|dismissed|ended|tossed|settled|thrown out)\b|\bwins?\b.{0,45}\b(?:lawsuit|court|case|verdict|appeal|ruling|dismissal|patent|finding|dispute)\b|\b(?:defeats?|beats?|beat back)\b.{0,20}\b(?:lawsuits?|suit|appeal|claims?|class action)\b|\brules? in favor of\b|\b(?:drops?|dropped|abandons?|ends?)\b.{0,20}\b(?:bid|effort|challenge|attempt) to block\b"),
    Rule("sued", "legal_regulatory", -0.5, 1.4, r"\b(?:sued|sues|suing|faces? (?:.{0,20} )?(?:lawsuit|suit|trial|claims)|hit with (?:.{0,20} )?(?:lawsuit|suit)|lawsuits?|class action|suit (?:over|against|alleging)|litigation|files? (?:a )?(?:complaint|suit)|accus(?:es|ed)|alleg(?:es|ed|ing|ations?))\b"),
    Rule("penalty", "legal_regulatory", -0.55, 1.5, r"\b(?:fined|fines? (?:of|for|over)|\$[\d.]+ ?(?:million|billion|m|b)n? fine|fine by|(?<!death )penalt(?:y|ies)|orders? .{0,30}to pay|ordered to pay|must pay|to pay \$[\d.]+ ?(?:million|billion|m|b).{0,30}(?:settle|penalty|fine|claims)|loses? (?:appeal|case|lawsuit|court|patent|trial|bid)|verdict against|found liable|ban(?:s|ned)?|blocked|sanction(?:s|ed)?|delist(?:ed|ing|s)?|non[- ]?compliance|trading halt|suspends? trading|violat(?:es|ed|ions?))\b"),
    Rule("curb_lifted", "legal_regulatory", 0.5, 1.9, r"\b(?:lifts?|lifted|reverses?|reversed|removes?|removed|eases?|eased|rolls? back)\b.{0,30}\b(?:ban|restrictions?|penalt(?:y|ies)|curbs?|sanctions?|cap)\b|\b(?:ban|restrictions?|penalty|curbs?|sanctions?|cap)\b.{0,10}\b(?:lifted|removed|eased|reversed)\b"),
    Rule("approval_regulatory", "legal_regulatory", 0.5, 1.3, r"\b(?:wins?|gets?|receives?|secures?|granted|gains?)\b.{0,25}\b(?:regulatory|antitrust|faa|ec|eu|fcc|court|government|rbi|sebi|cabinet|green|license|licence)\b.{0,14}\b(?:approval|clearance|nod|permission|licen[cs]e|certification)\b|\b(?:regulators?|faa|fed|ec|court|judge)\b.{0,10}\b(?:approves?|clears?|okays)\b"),
    Rule("tariff", "macro_sector", -0.3, 0.9, r"\b(?:hit by|hurt by|impact of|brunt of|pain from|exposed to|blow from) (?:\w+ )?tariffs?\b|\btariffs?\b.{0,18}\b(?:hit|hurt|cost|blow|threat|weigh)"),
    Rule("settlement", "legal_regulatory", 0.15, 1.3, r"\bsettle(?:s|d|ment|ments)?\b(?! (?:on|in at|down))"),
    Rule("court", "legal_regulatory", 0.0, 0.9, r"\b(?:court|judge|jury|antitrust|regulators?|doj|ftc|attorney general|patent (?:case|trial|suit|litigation|infring\w+)|verdict|trial date)\b"),
    # ------------------------------------------------------------------------------------------------------ management
    Rule("executive_leaves", "management", -0.45, 1.4, r"\b(?:ceo|cfo|coo|cto|chief (?:executive|financial|operating|technology|accounting)(?: officer)?|chair(?:man|woman|person)?|president|founder|executives?|head of|vp|boss|(?:finance|operating|technology|legal) chief)\b.{0,40}\b(?:departs?|to depart|resigns?|resigned|steps? down|stepping down|departs?|departure|leaves?|leaving|to leave|ousted|fired|quits?|exits?|retires?|retiring|to retire|dies|out\b|terminated|removed|is replaced|to be replaced|abruptly)|\b(?:ousts?|fires?|removes?|replaces?)\b.{0,12}\b(?:ceo|cfo|chief|chair)|\b(?:resignation|departure|exit) of\b.{0,25}\b(?:ceo|cfo|chief|chair)"),
    Rule("executive_joins", "management", 0.25, 1.1, r"\b(?:names?|named|appoints?|appointed|appointment|hires?|hired|taps?|elects?|promotes?|poaches?|recruits?)\b.{0,60}\b(?:ceo|cfo|coo|cto|chief|president|chair(?:man|woman)?|head of|director|vp|vice president|board|general counsel|officer)\b|\bnew (?:ceo|cfo|chief executive)\b|\b(?:joins?|returns?)\b.{0,25}\bas (?:ceo|cfo|chief|president|chair)"),
    Rule("layoffs", "management", -0.2, 1.0, r"\b(?:layoffs?|lays? off|laying off|job cuts?|cuts? (?:[\d,]+ )?(?:jobs|staff|workers|workforce)|workforce reduction|restructuring|to (?:cut|slash|eliminate) .{0,20}\b(?:jobs|staff|roles|positions|workers)|furlough\w*|headcount)\b"),
    Rule("insiders_buy", "management", 0.5, 1.2, r"\b(?:insiders?|ceo|cfo|directors?|chairman)\b.{0,25}\b(?:buys?|bought|purchases?|scoops?|acquires?|loads up on)\b.{0,25}\b(?:shares|stock|stake)"),
    Rule("insiders_sell", "management", -0.2, 1.0, r"\b(?:insiders?|ceo|cfo|directors?|chairman|founder|bezos|executive)\b.{0,25}\b(?:sells?|sold|unloads?|offloads?|dumps?)\b.{0,25}\b(?:shares|stock|stake)"),
    Rule("activist", "management", 0.4, 1.2, r"\b(?:activist|elliott|starboard|carl icahn|icahn|trian|third point|jana partners|proxy fight)\b"),
    # ------------------------------------------------------------------------------------------------ buyback_dividend
    Rule("buyback", "buyback_dividend", 0.55, 1.4, r"\b(?:buybacks?|share repurchase|stock repurchase|repurchase program|repurchas(?:es?|ing)|buy back)\b"),
    Rule("buyback_stopped", "buyback_dividend", -0.5, 1.6, r"\b(?:halts?|suspends?|suspended|pauses?|ends?|scraps?|stops?|cancels?)\b.{0,25}\b(?:buybacks?|repurchases?)\b"),
    Rule("dividend_raised", "buyback_dividend", 0.5, 1.4, r"\b(?:raises?|raised|hikes?|hiked|increases?|increased|increasing|boosts?|boosted|lifts?|special|bigger|larger|doubles?|reinstates?|initiates?|interim)\b.{0,30}\bdividends?\b|\bdividends?\b.{0,16}\b(?:increase|hike|raised|boost|doubled)\b|\braises? .{0,25}payout\b"),
    Rule("dividend_cut", "buyback_dividend", -0.8, 1.7, r"\b(?:cuts?|slash(?:es|ed)?|suspends?|suspended|eliminat(?:es|ed)|halts?|reduces?|skips?|scraps?|omits?|axes)\b.{0,25}\b(?:dividends?|payouts?)\b|\bdividends?\b.{0,12}\b(?:cut|suspen(?:ded|sion)|slashed|eliminated|omitted)\b"),
    Rule("dividend_declared", "buyback_dividend", 0.1, 1.0, r"\b(?:declares?|announces?|maintains?|approves?|pays?|recommends?|sets?|affirms?)\b.{0,35}\bdividends?\b|\bquarterly (?:cash )?dividend\b"),
    # ----------------------------------------------------------------------------------------------------------- split
    Rule("reverse_split", "split", -0.55, 1.8, r"\breverse (?:stock |share )?split\b|\bshare consolidation\b"),
    Rule("forward_split", "split", 0.4, 1.5, r"\b(?:stock|share|forward|\d+[- ]for[- ]\d+|\w+-for-one)[- ](?:stock |share )?split\b|\bsplits? (?:its )?(?:stock|shares)\b|\bbonus (?:issue|shares)\b"),
    # ------------------------------------------------------------------------------------------------------ bankruptcy
    Rule("bankruptcy", "bankruptcy", -1.0, 2.1, r"\b(?:files? for|filed for|filing for|seeks?|enters?|declares?|considers?|considering|prepar(?:es|ing)|nears?|risk of|verge of|mulls?|weighs?|warns? of)\b.{0,25}\b(?:bankruptcy|chapter (?:11|7)|insolvency|administration|creditor protection)\b|\bgoing[- ]concern\b|\b(?:defaults? on|default(?:ed)? on|misses? (?:debt|interest|bond|coupon) payment|insolven(?:t|cy)|liquidat(?:ion|es|ing)|winds? down|wind[- ]down|cease operations)\b"),
    Rule("emerges", "bankruptcy", 0.5, 2.2, r"\b(?:emerges?|exits?|emerged)\b.{0,15}\b(?:bankruptcy|chapter 11)\b|\b(?:averts?|avoids?)\b.{0,15}\b(?:bankruptcy|default)\b"),
    Rule("bankruptcy_news", "bankruptcy", -0.4, 1.0, r"\b(?:bankruptcy|chapter 11|bankrupt)\b"),
    # ---------------------------------------------------------------------------------------------------- short_report
    Rule("short_report", "short_report", -0.9, 2.3, r"\b(?:short[- ](?:seller|report|selling firm|sellers?)|hindenburg|muddy waters|citron|culper|spruce point|grizzly|kerrisdale|fuzzy panda|wolfpack|blue orca|viceroy|iceberg research|jehoshaphat|bear cave|scorpion capital|gotham city research)\b.{0,60}\b(?:alleg\w+|accus\w+|report|claims?|targets?|short|says|calls|fraud|overstat\w+|questions?|takes? aim|publish\w+|attack\w*|slams?|bets? against)\b|\b(?:alleg\w+|report|targeted|attack\w*|accused|shorted) (?:by|from) (?:a )?(?:short[- ]seller|hindenburg|muddy waters|citron|culper|spruce point|grizzly|kerrisdale|fuzzy panda|wolfpack)"),
    Rule("short_position", "short_report", -0.8, 2.0, r"\b(?:discloses?|reveals?|announces?|takes?|initiates?|has)\b.{0,12}\bshort (?:position|bet)\b|\b(?:short[- ]seller|research:?)\b.{0,60}\b(?:misled|overstat\w+|fabricat\w+|sham|ponzi|house of cards)\b"),
    # ----------------------------------------------------------------------------------------------------------- other
    Rule("index_added", "other", 0.35, 0.8, r"\b(?:to join|joins?|added to|will replace|to replace|to be added)\b.{0,30}\b(?:s&p|nasdaq[- ]100|russell|dow|index|midcap|smallcap)\b"),
    Rule("index_removed", "other", -0.35, 0.8, r"\b(?:removed|dropped|deleted|ejected|booted)\b.{0,20}\bfrom\b.{0,30}\b(?:s&p|nasdaq[- ]100|russell|dow|index|midcap|smallcap)\b"),
    # ---------------------------------------------------------------------------------------------------- macro_sector
    Rule("macro_tariffs", "macro_sector", 0.0, 0.7, r"\btariffs?\b|\btrade (?:war|deal|talks|tensions)\b|\bexport (?:curbs|controls|ban|restrictions)\b"),
    Rule("macro_rates", "macro_sector", 0.0, 0.8, r"\b(?:fed|federal reserve|powell|interest rates?|rate (?:cut|hike)s?|inflation|cpi|ppi|jobs report|payrolls|gdp|recession|treasury yields?|opec|oil prices?|jobless claims|economy|economic)\b"),
    Rule("macro_sector", "macro_sector", 0.0, 0.6, r"\b(?:sector|industry|(?:chip|bank|tech|airline|energy|drug|pharma|retail|oil|ev|defense|health insurer|biotech|solar|semiconductor|insurance|software) (?:stocks|shares|makers|sector|industry|names))\b"),
    # ------------------------------------------------------------------------------------------------------------ tone
    Rule("tone_up_strong", "tone", 0.7, 0.7, r"\b(?:soar(?:s|ed|ing)?|surg(?:es?|ed|ing)|skyrocket\w*|rocket(?:s|ed)|spik(?:es|ed)|rall(?:y|ies|ied)|jump(?:s|ed|ing)?|zoom(?:s|ed)?|vault(?:s|ed)?|leap(?:s|t|ed)?|boom(?:s|ing)?|all[- ]time high|record high|52-week high|hits? record|multi-?year high|upper circuit)\b"),
    Rule("tone_up", "tone", 0.45, 0.5, r"\b(?:ris(?:es|ing)|rose|gain(?:s|ed)|climb(?:s|ed|ing)?|advanc(?:es|ed)|higher|rebound(?:s|ed)?|recovers?|recovered|outperform(?:s|ed|ing)?|strong(?:er)?|bullish|optimis(?:m|tic)|upbeat|positive|boosts?|improv(?:es|ed|ing)|success(?:ful)?|wins?|upside|breakthrough|milestone|shin(?:es?|ing)|firms? up|edges? up|inch(?:es)? up|up \d|robust|accelerat(?:es|ing)|tailwinds?)\b"),
    Rule("tone_down_strong", "tone", -0.7, 0.7, r"\b(?:plung(?:es?|ed|ing)|tumbl(?:es?|ed|ing)|crash(?:es|ed|ing)?|crater(?:s|ed)?|collaps(?:es?|ed|ing)|plummet(?:s|ed|ing)?|tank(?:s|ed|ing)?|nosediv\w+|sink(?:s|ing)?|sank|slump(?:s|ed|ing)?|sell[- ]?off|rout|bloodbath|hammered|52-week low|record low|multi-?year low|lower circuit|wipe[sd]? out|disaster|crisis|scandal)\b"),
    Rule("tone_down", "tone", -0.45, 0.5, r"\b(?:fall(?:s|en|ing)?|fell|drop(?:s|ped|ping)?|declin(?:es?|ed|ing)|slid(?:es?|ing)?|slips?|slipped|lower|los(?:es|ing)|weak(?:er|ens|ness)?|bearish|pessimis(?:m|tic)|underperform(?:s|ed|ing)?|warn(?:s|ed|ing)?|concerns?|worr(?:y|ies|ied)|fears?|struggl(?:es?|ing)|hurts?|hit by|setback|blow|pressur(?:e|es|ed)|threat(?:s|ens)?|risks?|delay(?:s|ed)?|disappoint\w*|halts?|edges? down|down \d|dull|drags?|shed(?:s)?|trouble|headwinds?|slowing|slowdown|shortage|(?:pares?|reverses?|erases?|trims?) gains|sluggish|subdued|flounders?|retreats?|oppose[sd]?)\b"),
)  # fmt: skip
"""The table. Several rules may fire; ``headlines.py`` decides what they add up to."""

NOISE: Final[tuple[tuple[str, str], ...]] = (
    # Articles that carry no news about the company: type "other", no direction, no vote in any score.
    ("law_firm", r"\b(?:law (?:firm|offices?)|attorney advertising|llp|pomerantz|rosen law|levi & korsinsky|bronstein|gewirtz|glancy|hagens berman|faruqi|schall|kessler topaz|robbins (?:llp|geller)|bragar|kirby mcinerney|berger montague|halper sadeh|johnson fistel|gross law|portnoy|howard g\. smith|class action (?:lawsuit )?(?:deadline|reminder|alert)|lead plaintiff|(?:investors?|shareholders?) (?:with|who) (?:substantial )?(?:loss|suffered|lost)|investigat\w+ (?:claims )?on behalf of (?:investors|shareholders)|shareholder (?:alert|rights|notice|investigation)|investor (?:alert|notice|deadline)|securities class action|securities fraud (?:class action|lawsuit)|breaches of fiduciary)\b"),
    ("market_research", r"\b(?:market (?:size|share|trends?|growing|forecast|outlook|research|report|analysis|insights?|to (?:reach|grow|hit|surpass)|worth)\b.{0,80}\b(?:20[2-4]\d|cagr|billion by)|cagr|key players|competitive (?:analysis|landscape)|researchandmarkets|global .{3,60} market (?:report|forecast|trend))\b"),
    ("commentator", r"\b(?:jim cramer|cramer|warren buffett|buffett|cathie wood|ark invest|bill ackman|michael burry|robert kiyosaki)\b"),
    ("question_buy", r"^(?:should (?:you|i|investors)|is it (?:time|too late)|is (?:it|now)|time to (?:buy|sell)|are (?:you|investors|these)|can (?:you|this)|could (?:you|this|these)|why (?:you|i|investors|we|buy|hold)|would)\b.*|^(?:is|are|can|will|does|do|has|should|could|did) .{2,120}\?|\b(?:should you (?:buy|sell|hold)|buy,? sell,? or hold|buy or sell|a buy\b.{0,12}\?|too late to (?:buy|sell)|worth buying|time to (?:buy|sell)|buy now\b|buy the dip|is it a buy|still a buy|better (?:buy|stock|dividend|ai stock)|good (?:buy|investment|stock to)|must[- ]own|(?:stocks?|shares) (?:to|worth|i'?m) (?:buy|buying|own|watch|avoid|hold|consider)|how should you play|i(?:'d| would) (?:buy|sell|sit)|buy hand over fist|buy and hold)\b"),
    ("listicle", r"^(?:the |my |our |these |here are |meet |top |best |\d+ |two |three |four |five |six |seven |ten ).{0,60}\b(?:stocks?|etfs?|dividends?|picks?|buys|reasons|things|ways|names|funds?|companies|gems|kings|aristocrats|analyst questions|takeaways|performing|revealing|numbers|charts?|questions)\b|\b(?:best|top|worst)[- ](?:performing |dividend |growth |value |\d+ )*(?:stocks?|etfs?|aristocrats|kings|picks)\b|\b(?:stocks?|companies|names) (?:that|which) (?:could|will|may|might|can|benefit|pay)\b|\bamong (?:the|\d+|high|best)\b.{0,60}\b(?:stocks?|companies|to buy|to invest)\b|\b(?:most|best) .{0,30}\bstocks? to (?:buy|invest)"),
    ("hypothetical", r"\b(?:if you(?:'d| had)? invested|\$\d[\d,]* (?:investment|invested|in)\b.{0,60}\b(?:would|could|worth|be|turn|years|ago|portfolio)|would be worth|years? ago (?:would|you)|turn \$|passive income|retire(?:ment)? (?:portfolio|income)|millionaire|by 20[3-9]\d|in (?:\d+|five|ten|three|10|5) years\b.{0,10}\??$|where will)\b"),
    ("fund_letter", r"\b(?:fund|portfolio|equity|strategy|etf|capital|value|growth|global|partners|income)\b.{0,40}\b(?:q[1-4]|[1-4]q|20\d\d)\b.{0,14}\b(?:commentary|review|letter|report|update|holdings)\b|\b(?:13f|investor letter|shareholder letter|dashboard|contender|challenger highlights|portfolio (?:review|update|tracking)|model portfolio|dividend (?:income )?(?:summary|report|portfolio|growth (?:portfolio|investor)))\b|^(?:why|what)\b.{0,60}\b(?:fund|investors?|hedge funds?)\b.{0,40}\b(?:like|likes|bought|sold|think|believe)"),
    ("transcript", r"\b(?:transcript|earnings call (?:presentation|highlights?)|call presentation|presents at|to (?:present|speak) at|presentation at|webcast|conference call|fireside chat|annual meeting|results - earnings call|slideshow|slide deck|to (?:announce|report|release|host|hold)\b.{0,50}\b(?:results|earnings|call|conference|investor day)|announces? (?:earnings|.{0,30}(?:results|earnings)) (?:release )?(?:date|schedule|conference)|sets? date|earnings (?:release )?date|earnings summary)\b"),
    ("preview", r"\b(?:what to (?:expect|watch|know|look)|earnings preview|ahead of (?:\w+ ){0,3}(?:earnings|results|report|release)|preview|set to report|on the horizon|before earnings|earnings (?:tomorrow|on (?:deck|tap)|incoming|to watch|expected to grow|live)|reports? (?:next week|tomorrow|earnings tomorrow)|here'?s what (?:to|you|we|history|analysts|investors|wall)|what (?:investors|you|traders|history|wall street|analysts) (?:need|should|must|can|want)? ?(?:to )?(?:know|expect|look|says?)|week ahead|countdown to|stay ahead of the game|key metrics|analysts'? (?:insights|estimates?|expect)|will it beat|beat estimates again|looking for|what'?s in (?:store|the cards)|to report (?:a )?(?:decline|q[1-4]|earnings)|days? left|interested in|ex-dividend|upcoming)\b"),
    ("zacks_template", r"\b(?:zacks|stock moves?\b.{0,14}\d|trending stock|attracting investor attention|(?:sees|registers) a bigger (?:fall|dip|decline|drop)|(?:rises?|falls?|dips?|gains?|declines?|advances|slides?|sinks|beats?|outpaces|trails|lags) (?:but (?:trails|underperforms|lags)|.{0,12}(?:despite|amid|as|more than|than|when|while)|stock market)\b.{0,20}\b(?:market|broader|upswing|slip|gains?|uptick|downturn)|stock (?:outperforms|underperforms)|(?:out|under)performs? (?:\w+day|the market|competitors|broader)|outpaces stock market|deserves a spot|a closer look|by the numbers|compared to (?:estimates|competitors)|vs\. (?:estimates|wall)|hidden|undervalued|overvalued|fairly valued|intrinsic value|fair value|valuation (?:check|look|concern)|shareholders? (?:of|have|who|will|should|would|can|are)|returns? on capital|institutional (?:owners|investors)|insider ownership|here'?s why|what'?s (?:going on|next|driving|behind)|do(?:es)? .{2,40} deserve|reasons (?:to|why)|long[- ]term (?:investors?|buy|hold|growth story))\b"),
    ("market_wrap", r"\b(?:stock market (?:today|live|news)|(?:dow(?: jones)?|s&p(?: 500)?|nasdaq)(?:'s)?\b.{0,12}\b(?:futures|jumps?|surges?|falls?|drops?|rall(?:y|ies)|gains?|loses|sinks|slides?|tumbles?|dips?|heads for|up|down|\d+[- ]point)|\d+[- ]point (?:rally|drop|fall|gain|climb|surge|jump|decline|loss)|contribute to dow|lead dow|market (?:close|chatter|minute|talk|wrap|movers?|open|recap|update|clubhouse)|morning (?:buzz|bid|brief|movers)|opening bid|trending tickers|stocks? (?:moved|moving|making) the (?:most|biggest)|biggest (?:stock )?movers|wall street (?:brunch|breakfast|lunch|today|closes|ends|opens)|week in review|roundup|top (?:midday|stories)|(?:top|biggest|wall street'?s) analyst calls|analyst calls|stocks (?:rise|fall|mixed|slip|gain|rally|end|close|open|inch|tick|sink|jump|drop)|equit(?:y|ies) (?:indexes|markets?)|live (?:coverage|updates)|earnings (?:live|season|scheduled)|sector update|tech stocks:|magnificent (?:7|seven)|most active|premarket movers|midday movers|after-hours movers)\b"),
    ("explainer", r"^(?:why|how|what|when|where|who|meet|inside|here(?:'s| are| is)|these|those|understanding|prediction|factbox|explainer|podcast|video|photos?|watch|want|looking|nervous|got \$?\d)\b|\bwhich (?:\S+ ){0,5}(?:is|has) (?:the |a )?(?:better|stronger|winner)|(?<![\d%]) vs\.? (?![\d$])|\b(?:better value|which is better|bull case theory|a bull case|rating:|etf:)|\bprediction:|^[a-z]{2,5}: |\bunlocking\b|(?:rises|falls|gains|drops) \w+day,? (?:still|but)|\bexceeds market returns|\btop (?:stock|analyst) reports|\bresearch reports? (?:for|on)\b"),
    ("opinion", r"\((?:rating (?:up|down)grade|earnings (?:p?review)|upgrade|downgrade|technical analysis|preview|nyse:[a-z.]+\)$)\)?|\b(?:says (?:jim|analyst)|motley fool|options? windfall|opinion:|commentary:|i(?:'m| am) (?:buying|selling|not)|i(?:'ve| have) |my (?:top|favorite|portfolio|take)|we (?:like|love|think)|don'?t (?:buy|sell|panic|fear|count|expect|miss|get)|bull (?:vs|and bear)|investment thesis|wait for|attractive (?:entry|valuation|value)|reasonably priced|wrong price|cheap(?:er)?|growth concerns|margin of safety|strong buy|still (?:a )?(?:buy|attractive|undervalued|bullish|not)|upside (?:ahead|potential)|covered calls?|options? (?:income|series|traders?|strategy|activity)|puts? and calls?|unusual (?:options|whale)|whale (?:activity|alert)|technical (?:analysis|levels?)|buy points?|buy zone|key (?:price )?levels?|chart pattern|price levels?|relative strength|rs rating|smart money|how to (?:buy|play|invest|trade|find|build|earn|make|protect|boost|position|profit))\b"),
    ("career_advice", r"\b(?:millennials?|gen z|side hustle|retirees?|your (?:portfolio|money|taxes|401|retirement|job|career)|streaming on|credit card deals|best credit cards|prime day deals|deals (?:of the week|on)|gift guide|lobbyist|disbursement)\b"),
)  # fmt: skip
"""Name and pattern. The first that matches an article's headline makes it noise; a strong rule (weight >= the value below) of
:data:`RULES` that a noise class may not silence is listed in :data:`NOT_SILENCED`."""

NOT_SILENCED: Final[dict[str, frozenset[str]]] = {
    # A wrap or template headline may still report a fact; a law-firm advertisement, a list or a hypothetical never does.
    "opinion": frozenset({"criminal", "fda_approval", "fda_rejection", "trial_success", "trial_failure", "short_report", "bankruptcy", "deal_target"}),
    "zacks_template": frozenset({"criminal", "fda_approval", "fda_rejection", "trial_success", "trial_failure", "guidance_cut", "guidance_raised", "bankruptcy", "deal_target"}),
    "preview": frozenset({"criminal", "fda_approval", "fda_rejection", "guidance_cut", "guidance_raised", "bankruptcy", "deal_target"}),
}  # fmt: skip
"""Noise class → rules that it does not silence."""

SOURCE_NOISE: Final[tuple[tuple[str, str, str], ...]] = (
    # Outlet, name, pattern: forms that only this outlet gives its opinion pieces ("Amgen: Excellent But Expensive").
    ("Seeking Alpha", "opinion", r"^[^:]{2,60}: \S|!$|\bhold\b|\bmy\b|\bi\b"),
    ("The Motley Fool", "opinion", r"\b(?:stock|stocks|buy|invest\w*|dividend)\b"),
)

VETOES: Final[dict[str, str]] = {
    # Rule → words that mean something else is meant.
    "guidance_raised": r"\b(?:gold|crude|oil|copper|silver|gdp|economic|20-year|industry|market (?:forecast|outlook|report)|credit outlook|cagr)\b",
    "guidance_cut": r"\b(?:gold|crude|oil|copper|silver|gdp|economic|20-year|credit outlook|draft guidance|rate outlook)\b",
    "guidance_kept": r"\b(?:fitch|moody's|s&p global|credit)\b",
    "upgrade": r"\b(?:iphones?|postpon\w+|credit|sovereign|software upgrade|upgrade cycle|windows)\b",
    "downgrade": r"\b(?:us|u\.s\.|credit|sovereign|spate of)\b.{0,20}\bdowngrades?\b",
    "contract_won": r"\b(?:executive order|sign(?:s|ed)? (?:an? )?(?:executive )?order|court order|plea|order to slash|trump)\b",
    "bankruptcy": r"\b(?:etfs?|fund|trust)\b",
    "debt_offering": r"\b(?:convertible|defaults?|defaulted)\b",
    "launch": r"\b(?:cyber ?attacks?|missiles?|investigation|probe|lawsuit)\b",
    "earnings_report": r"\bearnings season\b",
    "deal_target": r"\bmini-tender\b",
    "deal_acquirer": r"\bmini-tender\b",
    "deal_news": r"\bmini-tender\b|\b(?:talent|team|customer acquisition)\b",
    "activist": r"\bclimate activist",
}

OVERRIDES: Final[dict[str, frozenset[str]]] = {
    # Rule → rules it takes out: the words of the second are part of what the first says.
    "probe_closed": frozenset({"criminal", "investigation", "sued", "penalty", "deal_terminated", "settlement", "earnings_beat", "contract_won", "recall"}),
    "settlement": frozenset({"sued"}),
    "curb_lifted": frozenset({"penalty"}),
    "emerges": frozenset({"bankruptcy", "bankruptcy_news"}),
    "reverse_split": frozenset({"forward_split"}),
    "deal_terminated": frozenset({"deal_target", "deal_news", "deal_acquirer", "deal_divests", "partnership"}),
    "fda_rejection": frozenset({"fda_approval", "clinical_news"}),
    "trial_failure": frozenset({"trial_success", "clinical_news", "production"}),
    "fda_designation": frozenset({"fda_approval"}),
    "earnings_loss_narrows": frozenset({"earnings_loss", "earnings_fall"}),
    "earnings_better_than_expected": frozenset({"earnings_loss", "earnings_weak", "earnings_fall"}),
    "earnings_worse_than_expected": frozenset({"earnings_rise", "earnings_record"}),
    "guidance_cut": frozenset({"guidance_kept", "earnings_fall", "earnings_miss"}),
    "guidance_raised": frozenset({"earnings_rise", "earnings_beat"}),
    "debt_offering": frozenset({"offering"}),
    "contract_lost": frozenset({"contract_won", "partnership"}),
    "dividend_cut": frozenset({"dividend_raised", "dividend_declared"}),
    "buyback_stopped": frozenset({"buyback"}),
    "upgrade": frozenset({"rating_kept"}),
    "downgrade": frozenset({"rating_kept"}),
    "target_cut": frozenset({"guidance_cut"}),
    "target_raised": frozenset({"guidance_raised"}),
    "short_report": frozenset({"investigation", "sued"}),
    "executive_leaves": frozenset({"executive_joins"}),
    "insiders_buy": frozenset({"deal_acquirer"}),
}  # fmt: skip

FIGURES: Final = r"(-?)\$?(-?\d+(?:\.\d+)?)[mb]?n?,? (?:vs\.?|versus|compared (?:to|with)|beats?|misses?|against) (?:the )?(-?)\$?(-?\d+(?:\.\d+)?)[mb]?n? ?(?:analysts? |consensus |analyst |street )?(?:expected|estimates?d?|consensus|est\b|forecast|view)"
"""A figure and what was expected of it ("EPS of $1.20 vs. $1.05 expected"): two signs and two numbers."""
FIGURES_DIRECTION: Final = 0.7
FIGURES_WEIGHT: Final = 1.3
FIGURES_SCALE: Final = 0.02
"""Relative surprise, of the expected figure, at which the direction is two thirds of the whole (tanh of surprise / scale · 0.8)."""

NEGATION: Final = r"\b(?:not|no|never|without|won't|doesn't|didn't|isn't|hasn't|can't|unlikely to|fails? to|failed to|refuses? to|avoids?|averts?|rules? out|denies|denied|deny|denying|refutes?|rejects? (?:claims?|reports?|allegations?)|dismisses)\s+(?:\S+\s+){0,2}$"
"""Words right before a match that turn its direction around (damped)."""
NOT_NEGATION: Final = r"\b(?:not only|no longer|not just|no doubt)\b"

NEGATED: Final = -0.5
"""What is left of a direction after a negation."""


class Modifier(NamedTuple):
    """Words anywhere in the headline that scale the direction; ``kinds`` empty: of any type."""

    name: str
    factor: float
    pattern: str
    kinds: frozenset[str] = frozenset()


MODIFIERS: Final[tuple[Modifier, ...]] = (
    Modifier("denial", -0.4, r"\b(?:denies|denied|refutes?|debunks?|shoots? down|rejects? (?:reports?|rumou?rs?|claims?)|dismisses? (?:reports?|rumou?rs?|speculation)|no plans? to|false reports?|rumou?rs? (?:are )?(?:false|untrue|baseless))\b"),
    # A company's "we have not been told" neither confirms nor takes back the report it answers.
    Modifier("not_confirmed", 0.7, r"\b(?:not been notified|unaware of|not aware of|declines? to comment|supposed)\b"),
    Modifier("rumour", 0.7, r"\b(?:rumou?rs?|rumou?red|reportedly|speculation|chatter|unconfirmed|said to|in talks|considering|considers|mulls?|mulling|weighs?|weighing|exploring|explores|eyes|eyeing|may|might|could|possible|potential|sources say|people familiar|is said)\b", frozenset({"merger_acquisition", "contract_partnership", "product", "management", "guidance", "fda_clinical", "buyback_dividend", "offering_dilution"})),
    Modifier("future_risk", 0.7, r"\b(?:may|might|could|would|if)\b", frozenset({"earnings", "analyst_rating", "macro_sector", "tone"})),
    Modifier("question", 0.4, r"\?\s*$"),
    Modifier("despite", 0.5, r"\b(?:despite|shrugs? off|even (?:as|though|after)|regardless)\b", frozenset({"earnings", "guidance", "analyst_rating", "tone", "macro_sector"})),
)  # fmt: skip

BREAKING: Final = r"^(?:breaking|urgent|alert|flash|just in|update \d|exclusive)\b[:\- ]|\bbreaking news\b|\(breaking\)"

PASSIVE_DEAL: Final = (
    r"\b(?:acquired|bought|bought out|taken over|taken private|takeover (?:bid|offer|approach|interest)) (?:by|from)\b"
)
PART_SOLD: Final = r"(?:'s?|s')?\s(?:\S+\s){0,4}(?:units?|business(?:es)?|operations?|stake|division|arm|assets|portfolio|brands?|plants?|subsidiary)\b"
"""Right after a company's name: only a part of it is being bought."""
QUOTED: Final = r"(?:'s? \w+(?: \w+)?)? (?:says?|said|reports?|sees|warns|estimates|predicts|analysts? says?)\s*$"
"""Right after a name at the end of a headline, behind a comma: the company is only quoted."""
RATING_BY: Final = r"\b(?:by|at)\s*$"
"""Right before a name: that name is the firm that rates, not the one rated."""

TARGET_DIRECTION: Final = 0.85
"""Direction of a deal for the company bought."""
ACQUIRER_DIRECTION: Final = -0.05
"""Direction of a deal for the company that buys: acquirers' returns are about zero, slightly negative on average."""
SELLER_DIRECTION: Final = 0.15
"""Direction of a sale of a part for the company that sells."""

VENDOR_SCALE: Final[dict[str, float]] = {"alpha_vantage": 0.5}
"""Provider → the sentiment that counts as 1: Alpha Vantage calls everything from 0.35 "Bullish" and hardly passes 0.5."""

VENDOR_WEIGHT: Final = 0.3
"""Share of the vendor's sentiment in the direction when a rule points somewhere; alone it counts :data:`VENDOR_ALONE`."""
VENDOR_ALONE: Final = 0.5

TONE_ALONE: Final = 0.5
"""What a direction is worth when only words of tone say so (``shares jump``): such a headline describes a price, not a cause."""
