-- Catalyst's own tables. Times are timestamptz (UTC in, UTC out), money is numeric, scores and indicators are double precision.
-- Derived rows carry scenario (live, or the name of a replay), session (a New York trading day) and decision_time; the rows of one
-- (scenario, session, decision_time) are replaced together in one transaction.

-- ---------------------------------------------------------------------------------------------------------------- reference
create table instruments (
    symbol            text primary key,
    name              text not null,
    exchange          text,
    asset_class       text not null default 'us_equity',
    status            text not null default 'active',
    tradable          boolean not null default false,
    shortable         boolean not null default false,
    easy_to_borrow    boolean not null default false,
    is_common_stock   boolean not null default true,
    seen_at           timestamptz not null
);

create table configuration (
    key               text primary key,
    value             jsonb not null,
    updated_at        timestamptz not null default now(),
    updated_by        text not null default current_user,
    reason            text not null default ''
);

create table configuration_history (
    id                bigint generated always as identity primary key,
    key               text not null,
    old_value         jsonb,
    new_value         jsonb,
    changed_at        timestamptz not null default now(),
    changed_by        text not null,
    reason            text not null default ''
);
create index configuration_history_key on configuration_history (key, changed_at);

-- --------------------------------------------------------------------------------------------------------------------- news
create table news_raw (
    news_id             text primary key,
    provider            text not null,
    vendor_id           text,
    source              text not null,
    headline            text not null check (headline <> ''),
    summary             text not null default '',
    url                 text,
    published_at        timestamptz not null,
    provider_updated_at timestamptz,
    first_seen_at       timestamptz not null,
    available_at        timestamptz not null,
    session             date not null,
    tickers             text[] not null default '{}',
    sentiment           double precision check (sentiment between -1 and 1),
    ticker_sentiment    jsonb not null default '{}',
    live_source         boolean not null,
    payload             jsonb not null,
    check (available_at >= published_at or available_at = first_seen_at)
);
create index news_raw_available on news_raw (available_at);
create index news_raw_session on news_raw (session);
create index news_raw_vendor on news_raw (provider, vendor_id);

create table news_revisions (
    revision_id         bigint generated always as identity primary key,
    news_id             text not null references news_raw (news_id),
    provider            text not null,
    vendor_id           text not null,
    provider_updated_at timestamptz,
    seen_at             timestamptz not null,
    headline            text not null,
    summary             text not null default '',
    content_hash        text not null,
    payload             jsonb not null,
    unique (provider, vendor_id, content_hash)
);
create index news_revisions_news on news_revisions (news_id);

create table news_quarantine (
    id                bigint generated always as identity primary key,
    provider          text not null,
    vendor_id         text,
    reason            text not null,
    payload           jsonb not null,
    payload_hash      text not null,
    origin_file       text,
    origin_line       integer,
    seen_at           timestamptz not null,
    unique (provider, payload_hash, reason)
);

create table import_quarantine (
    id                bigint generated always as identity primary key,
    origin_file       text not null,
    origin_line       integer not null,
    kind              text not null check (kind in ('bars', 'news')),
    reason            text not null,
    row               jsonb not null,
    row_hash          text not null,
    seen_at           timestamptz not null,
    unique (origin_file, origin_line, row_hash)
);

create table news_features (
    news_id           text primary key references news_raw (news_id),
    session           date not null,
    source_tier       smallint not null check (source_tier between 1 and 5),
    catalyst_type     text not null,
    direction         double precision not null check (direction between -1 and 1),
    primary_symbol    text,
    tickers           text[] not null,
    ticker_direction  jsonb not null default '{}',
    keywords          text[] not null default '{}',
    market_state      text not null check (market_state in ('closed', 'pre', 'regular', 'after')),
    is_premarket      boolean not null,
    is_breaking       boolean not null,
    reasons           jsonb not null default '{}',
    rules_version     text not null,
    computed_at       timestamptz not null
);
create index news_features_session on news_features (session);

create table narrative_clusters (
    scenario          text not null,
    narrative_id      text not null,
    session           date not null,
    symbol            text not null,
    headline          text not null,
    first_news_id     text not null references news_raw (news_id),
    first_at          timestamptz not null,
    last_at           timestamptz not null,
    articles          integer not null check (articles > 0),
    sources           integer not null check (sources > 0),
    best_tier         smallint not null check (best_tier between 1 and 5),
    catalyst_type     text not null,
    direction         double precision not null,
    confirmed_at      timestamptz,
    confirmation_minutes double precision,
    coordinated       boolean not null default false,
    primary key (scenario, narrative_id)
);
create index narrative_clusters_session on narrative_clusters (scenario, session);
create index narrative_clusters_first on narrative_clusters (first_news_id);

create table narrative_members (
    scenario          text not null,
    news_id           text not null references news_raw (news_id),
    symbol            text not null,
    narrative_id      text not null,
    session           date not null,
    similarity        double precision not null check (similarity between 0 and 1),
    novelty           double precision not null check (novelty between 0 and 1),
    is_echo           boolean not null,
    primary key (scenario, news_id, symbol),
    foreign key (scenario, narrative_id) references narrative_clusters (scenario, narrative_id)
        deferrable initially deferred
);
create index narrative_members_news on narrative_members (news_id);
create index narrative_members_narrative on narrative_members (scenario, narrative_id);
create index narrative_members_session on narrative_members (scenario, session);

create table news_collection_stats (
    id                bigint generated always as identity primary key,
    session           date not null,
    decision_time     timestamptz not null,
    provider          text not null,
    started_at        timestamptz not null,
    duration_ms       double precision not null,
    requests          integer not null default 0,
    fetched           integer not null default 0,
    inserted          integer not null default 0,
    duplicates        integer not null default 0,
    revisions         integer not null default 0,
    quarantined       integer not null default 0,
    truncated         boolean not null default false,
    median_delay_s    double precision,
    error             text
);
create index news_collection_stats_session on news_collection_stats (session, decision_time);
create index news_collection_stats_provider on news_collection_stats (provider, started_at);

-- --------------------------------------------------------------------------------------------------------------------- scan
create table active_universe (
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    symbol            text not null,
    rank              integer not null,
    price             numeric,
    volume            double precision,
    change_pct        double precision,
    origin            text not null,
    primary key (scenario, decision_time, symbol)
);
create index active_universe_session on active_universe (scenario, session);

create table scan_evaluations (
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    symbol            text not null,
    stage             text not null check (stage in ('universe', 'catalyst', 'validated', 'selected')),
    cut_reason        text,
    rank              integer,
    catalyst_score    double precision not null check (catalyst_score between 0 and 100),
    direction         double precision not null check (direction between -1 and 1),
    technical_score   double precision check (technical_score between 0 and 100),
    combined_score    double precision check (combined_score between 0 and 100),
    price             numeric,
    change_pct        double precision,
    relative_volume   double precision,
    spread_bps        double precision,
    dollar_volume     double precision,
    halted            boolean not null default false,
    articles          integer not null default 0,
    narrative_id      text,
    top_news_id       text references news_raw (news_id),
    components        jsonb not null default '{}',
    primary key (scenario, decision_time, symbol)
);
create index scan_evaluations_session on scan_evaluations (scenario, session);
create index scan_evaluations_news on scan_evaluations (top_news_id);

create table trading_candidates (
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    symbol            text not null,
    rank              integer not null check (rank > 0),
    combined_score    double precision not null check (combined_score between 0 and 100),
    catalyst_score    double precision not null check (catalyst_score between 0 and 100),
    technical_score   double precision not null check (technical_score between 0 and 100),
    direction         double precision not null check (direction between -1 and 1),
    catalyst_type     text not null,
    narrative_id      text not null,
    top_news_id       text not null references news_raw (news_id),
    headline          text not null,
    price             numeric not null,
    change_pct        double precision,
    relative_volume   double precision,
    spread_bps        double precision,
    reasons           jsonb not null default '{}',
    primary key (scenario, decision_time, symbol)
);
create index trading_candidates_session on trading_candidates (scenario, session);
create index trading_candidates_news on trading_candidates (top_news_id);

-- ------------------------------------------------------------------------------------------------- indicators and patterns
create table technical_indicators (
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    symbol            text not null,
    timeframe         text not null check (timeframe in ('1min', '5min', '15min', '60min', '1day')),
    bar_ts            timestamptz not null,
    feed              text not null,
    close             double precision not null,
    rsi               double precision,
    macd              double precision,
    macd_signal       double precision,
    macd_histogram    double precision,
    sma_short         double precision,
    sma_long          double precision,
    ema               double precision,
    atr               double precision,
    bollinger_upper   double precision,
    bollinger_middle  double precision,
    bollinger_lower   double precision,
    adx               double precision,
    stochastic_k      double precision,
    stochastic_d      double precision,
    obv               double precision,
    vwap              double precision,
    relative_volume   double precision,
    primary key (scenario, decision_time, symbol, timeframe)
);
create index technical_indicators_session on technical_indicators (scenario, session);

create table pattern_analysis (
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    symbol            text not null,
    score             double precision check (score between 0 and 100),
    direction         double precision not null check (direction between -1 and 1),
    best_pattern      text,
    best_timeframe    text,
    detections        integer not null default 0,
    support           double precision,
    resistance        double precision,
    gap_pct           double precision,
    volume_surge      boolean not null default false,
    details           jsonb not null default '{}',
    primary key (scenario, decision_time, symbol)
);
create index pattern_analysis_session on pattern_analysis (scenario, session);

create table pattern_detections (
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    symbol            text not null,
    timeframe         text not null,
    pattern           text not null,
    bar_ts            timestamptz not null,
    direction         smallint not null check (direction in (-1, 0, 1)),
    base_confidence   double precision not null,
    strength          double precision not null,
    volume_confirmed  boolean not null,
    trend_confirmed   boolean not null,
    support           double precision,
    resistance        double precision,
    catalyst_type     text,
    alignment         text not null check (alignment in ('aligned', 'against', 'neutral')),
    confidence        double precision not null check (confidence between 0 and 100),
    primary key (scenario, decision_time, symbol, timeframe, pattern, bar_ts)
);
create index pattern_detections_session on pattern_detections (scenario, session);

-- ------------------------------------------------------------------------------------------------------------------ signals
create table trading_signals (
    signal_id           text primary key,
    scenario            text not null,
    session             date not null,
    decision_time       timestamptz not null,
    symbol              text not null,
    direction           text not null check (direction in ('long', 'short')),
    status              text not null check (status in ('actionable', 'prepared', 'rejected')),
    reject_reason       text,
    confidence          double precision not null check (confidence between 0 and 100),
    size_fraction       double precision not null check (size_fraction between 0 and 1),
    catalyst_component  double precision not null check (catalyst_component between 0 and 100),
    pattern_component   double precision not null check (pattern_component between 0 and 100),
    technical_component double precision not null check (technical_component between 0 and 100),
    volume_component    double precision not null check (volume_component between 0 and 100),
    entry               numeric,
    stop                numeric,
    target1             numeric,
    target2             numeric,
    reward_risk         double precision,
    atr                 double precision,
    spread              double precision,
    catalyst_type       text not null,
    narrative_id        text not null,
    top_news_id         text not null references news_raw (news_id),
    news_ids            text[] not null default '{}',
    best_pattern        text,
    strategy_version    text not null,
    reasons             jsonb not null default '{}',
    check (status = 'rejected' or (entry > 0 and stop > 0 and target1 > 0 and target2 > 0)),
    check (status = 'rejected'
           or (direction = 'long' and stop < entry and entry < target1 and target1 <= target2)
           or (direction = 'short' and stop > entry and entry > target1 and target1 >= target2)),
    unique (scenario, decision_time, symbol)
);
create index trading_signals_session on trading_signals (scenario, session);
create index trading_signals_news on trading_signals (top_news_id);

create table risk_decisions (
    id                bigint generated always as identity primary key,
    scenario          text not null,
    session           date not null,
    signal_id         text not null references trading_signals (signal_id),
    decided_at        timestamptz not null,
    allowed           boolean not null,
    rule              text,
    message           text not null,
    qty               integer not null default 0,
    checks            jsonb not null,
    unique (signal_id, decided_at)
);
create index risk_decisions_session on risk_decisions (scenario, session);

-- ------------------------------------------------------------------------------------------------------------------ trading
create table trade_records (
    trade_id          text primary key,
    scenario          text not null,
    session           date not null,
    signal_id         text references trading_signals (signal_id),
    account_id        text not null,
    symbol            text not null,
    direction         text not null check (direction in ('long', 'short')),
    status            text not null check (status in ('planned', 'entering', 'open', 'exiting', 'closed', 'cancelled', 'refused')),
    planned_qty       integer not null check (planned_qty > 0),
    filled_qty        integer not null default 0 check (filled_qty >= 0),
    exited_qty        integer not null default 0 check (exited_qty >= 0 and exited_qty <= filled_qty),
    entry_plan        numeric not null,
    stop_plan         numeric not null,
    target1           numeric,
    target2           numeric,
    stop_now          numeric,
    risk_per_share    numeric not null check (risk_per_share > 0),
    entry_price       numeric,
    entry_time        timestamptz,
    exit_price        numeric,
    exit_time         timestamptz,
    exit_reason       text,
    high_water        numeric,
    low_water         numeric,
    fees              numeric not null default 0,
    pnl               numeric,
    r_multiple        double precision,
    mae_r             double precision,
    mfe_r             double precision,
    catalyst_type     text,
    narrative_id      text,
    top_news_id       text references news_raw (news_id),
    pattern           text,
    catalyst_played_out boolean,
    pattern_completed boolean,
    created_at        timestamptz not null,
    updated_at        timestamptz not null
);
create unique index trade_records_signal on trade_records (signal_id) where signal_id is not null;
create index trade_records_session on trade_records (scenario, session);
create index trade_records_open on trade_records (scenario, symbol) where status in ('planned', 'entering', 'open', 'exiting');
create index trade_records_news on trade_records (top_news_id);

create table order_journal (
    client_order_id   text primary key,
    scenario          text not null,
    session           date not null,
    account_id        text not null,
    trade_id          text references trade_records (trade_id),
    signal_id         text references trading_signals (signal_id),
    decision_time     timestamptz not null,
    symbol            text not null,
    purpose           text not null check (purpose in ('entry', 'protect', 'exit', 'trail', 'flatten')),
    leg               text not null,
    attempt           integer not null default 1 check (attempt > 0),
    side              text not null check (side in ('buy', 'sell')),
    qty               integer not null check (qty > 0),
    order_type        text not null,
    order_class       text not null,
    time_in_force     text not null,
    limit_price       numeric,
    stop_price        numeric,
    take_profit       numeric,
    stop_loss         numeric,
    parent_client_order_id text references order_journal (client_order_id),
    broker_order_id   text,
    state             text not null check (state in ('planned', 'sent', 'unknown', 'accepted', 'held', 'partially_filled', 'filled',
                                                     'pending_cancel', 'canceled', 'expired', 'replaced', 'refused')),
    filled_qty        integer not null default 0 check (filled_qty >= 0),
    filled_avg_price  numeric,
    why               text not null,
    limits            jsonb not null default '{}',
    refusal           jsonb,
    planned_at        timestamptz not null,
    sent_at           timestamptz,
    answered_at       timestamptz,
    updated_at        timestamptz not null
);
create index order_journal_session on order_journal (scenario, session);
create index order_journal_trade on order_journal (trade_id);
create index order_journal_signal on order_journal (signal_id);
create index order_journal_broker on order_journal (broker_order_id);
create index order_journal_parent on order_journal (parent_client_order_id);

create table order_fills (
    activity_id       text primary key,
    scenario          text not null,
    session           date not null,
    trade_id          text references trade_records (trade_id),
    client_order_id   text references order_journal (client_order_id),
    broker_order_id   text not null,
    symbol            text not null,
    side              text not null check (side in ('buy', 'sell')),
    qty               numeric not null check (qty > 0),
    price             numeric not null check (price > 0),
    filled_at         timestamptz not null
);
create index order_fills_trade on order_fills (trade_id);
create index order_fills_order on order_fills (client_order_id);
create index order_fills_session on order_fills (scenario, session);

create table trade_events (
    id                bigint generated always as identity primary key,
    scenario          text not null,
    session           date not null,
    trade_id          text references trade_records (trade_id),
    client_order_id   text references order_journal (client_order_id),
    at                timestamptz not null,
    kind              text not null,
    message           text not null default '',
    data              jsonb not null default '{}'
);
create index trade_events_trade on trade_events (trade_id, id);
create index trade_events_order on trade_events (client_order_id);
create index trade_events_session on trade_events (scenario, session);

create table account_snapshots (
    scenario          text not null,
    session           date not null,
    at                timestamptz not null,
    account_id        text not null,
    equity            numeric not null,
    cash              numeric not null,
    buying_power      numeric not null,
    open_positions    integer not null,
    day_pnl           numeric not null,
    primary key (scenario, at)
);
create index account_snapshots_session on account_snapshots (scenario, session);

-- ----------------------------------------------------------------------------------------------------------------- feedback
create table article_outcomes (
    scenario            text not null,
    news_id             text not null references news_raw (news_id),
    symbol              text not null,
    horizon_minutes     integer not null check (horizon_minutes > 0),
    session             date not null,
    source              text not null,
    source_tier         smallint not null,
    catalyst_type       text not null,
    predicted_direction double precision not null,
    start_at            timestamptz not null,
    end_at              timestamptz not null,
    raw_return          double precision not null,
    abnormal_return     double precision not null,
    noise               double precision not null,
    accurate            boolean,
    primary key (scenario, news_id, symbol, horizon_minutes)
);
create index article_outcomes_session on article_outcomes (scenario, session);
create index article_outcomes_news on article_outcomes (news_id);

create table source_metrics (
    scenario          text not null,
    session           date not null,
    source            text not null,
    catalyst_type     text not null default '*',
    source_tier       smallint not null,
    alpha             double precision not null check (alpha > 0),
    beta              double precision not null check (beta > 0),
    accuracy          double precision not null check (accuracy between 0 and 1),
    low               double precision not null,
    high              double precision not null,
    observations      double precision not null,
    articles          integer not null default 0,
    primary key (scenario, session, source, catalyst_type)
);

create table pattern_metrics (
    scenario          text not null,
    session           date not null,
    pattern           text not null,
    catalyst_type     text not null default '*',
    alpha             double precision not null check (alpha > 0),
    beta              double precision not null check (beta > 0),
    success           double precision not null check (success between 0 and 1),
    low               double precision not null,
    high              double precision not null,
    observations      double precision not null,
    primary key (scenario, session, pattern, catalyst_type)
);

-- --------------------------------------------------------------------------------------------------------------- operations
create table trading_cycles (
    cycle_id          text primary key,
    scenario          text not null,
    session           date not null,
    decision_time     timestamptz not null,
    mode              text not null check (mode in ('pre', 'regular', 'after', 'closed')),
    trigger           text not null default 'schedule',
    status            text not null check (status in ('running', 'finished', 'failed', 'skipped')),
    run_id            text,
    started_at        timestamptz not null,
    finished_at       timestamptz,
    counts            jsonb not null default '{}',
    timings_ms        jsonb not null default '{}',
    message           text not null default '',
    unique (scenario, decision_time)
);
create index trading_cycles_session on trading_cycles (scenario, session);

create table workflow_log (
    id                bigint generated always as identity primary key,
    at                timestamptz not null,
    level             text not null check (level in ('debug', 'info', 'warning', 'error')),
    component         text not null,
    message           text not null,
    context           jsonb not null default '{}'
);
create index workflow_log_at on workflow_log (at);

create table service_health (
    service           text primary key,
    state             text not null check (state in ('ok', 'degraded', 'down', 'off')),
    checked_at        timestamptz not null,
    latency_ms        double precision,
    failures_in_row   integer not null default 0,
    last_ok_at        timestamptz,
    message           text not null default ''
);

-- -------------------------------------------------------------------------------------------------------------------- views
create view positions as
    select trade_id, scenario, session, account_id, symbol, direction, status, (filled_qty - exited_qty) as qty, entry_price, entry_time,
           stop_now, target1, target2, risk_per_share, high_water, low_water, catalyst_type, narrative_id, top_news_id, updated_at
    from trade_records
    where status in ('entering', 'open', 'exiting') and filled_qty > exited_qty;

create view trades as
    select trade_id as id, symbol, direction as side, filled_qty as quantity, entry_price, exit_price, entry_time, exit_time,
           pnl, r_multiple, exit_reason, status, session, scenario
    from trade_records;

create view scan_results as
    select session, decision_time as scan_time, symbol, rank, catalyst_score, technical_score, combined_score, price, change_pct, relative_volume,
           scenario
    from trading_candidates;
