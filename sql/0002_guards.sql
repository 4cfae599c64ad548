-- What the database itself refuses or records, whoever asks: raw news is immutable, journals only grow, configuration is audited;
-- and the two roles the program and dashboards work as.

-- ------------------------------------------------------------------------------------------------------------------- guards
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op)
        using errcode = 'restrict_violation', hint = 'Write a new row that corrects the old one.';
end
$$;

create trigger news_raw_immutable before update or delete on news_raw for each row execute function refuse_change();
create trigger news_raw_keeps before truncate on news_raw for each statement execute function refuse_change();
create trigger news_revisions_immutable before update or delete on news_revisions for each row execute function refuse_change();
create trigger news_revisions_keeps before truncate on news_revisions for each statement execute function refuse_change();
create trigger configuration_history_immutable before update or delete on configuration_history
    for each row execute function refuse_change();
create trigger configuration_history_keeps before truncate on configuration_history
    for each statement execute function refuse_change();

-- The events of a live trade only grow; a replay may be run again, which clears the rows of its own scenario.
create function refuse_live_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' or old.scenario = 'live' then
        raise exception '% is append-only: % of a % row is refused', tg_table_name, lower(tg_op), old.scenario
            using errcode = 'restrict_violation', hint = 'Write a new row that corrects the old one.';
    end if;
    return old;
end
$$;

create trigger trade_events_immutable before update or delete on trade_events for each row execute function refuse_live_change();
create trigger trade_events_keeps before truncate on trade_events for each statement execute function refuse_change();

-- ------------------------------------------------------------------------------------------------------ configuration audit
-- Who changed what when; security definer, so a role that may change configuration cannot write or skip its history.
create function record_configuration() returns trigger language plpgsql security definer set search_path from current as $$
begin
    if tg_op = 'UPDATE' and new.value is not distinct from old.value then
        return null;
    end if;
    insert into configuration_history (key, old_value, new_value, changed_by, reason)
    values (case when tg_op = 'DELETE' then old.key else new.key end,
            case when tg_op = 'INSERT' then null else old.value end,
            case when tg_op = 'DELETE' then null else new.value end,
            case when tg_op = 'DELETE' then coalesce(nullif(current_setting('catalyst.who', true), ''), session_user)
                 else new.updated_by end,
            case when tg_op = 'DELETE' then coalesce(current_setting('catalyst.why', true), '') else new.reason end);
    return null;
end
$$;
create trigger configuration_audit after insert or update or delete on configuration
    for each row execute function record_configuration();

-- --------------------------------------------------------------------------------------------------------------------- size
-- The four tables that grow by the minute are filled in decision-time order and read by session, and a (scenario, session) is
-- deleted as a whole. A block-range index on the session costs a few kilobytes per million rows and is what retention and long
-- reads use. Not partitioned: a partitioned table's primary key must contain the partition column, which would change the
-- references to news_raw (news_id) and let the same article in twice under two sessions.
create index news_raw_session_range on news_raw using brin (session);
create index scan_evaluations_session_range on scan_evaluations using brin (session);
create index technical_indicators_session_range on technical_indicators using brin (session);
create index pattern_detections_session_range on pattern_detections using brin (session);

-- -------------------------------------------------------------------------------------------------------------------- roles
-- catalyst_app: what the program does. catalyst_read: dashboards. Created where the migrating user may; roles belong to the
-- whole server, so they may already exist, and two databases may be migrated at the same moment.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['catalyst_app', 'catalyst_read'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        exception
            when insufficient_privilege then
                raise notice 'role % was not created: % may not create roles', role_name, current_user;
            when duplicate_object or unique_violation then
                null;
        end;
    end loop;

    if exists (select from pg_roles where rolname = 'catalyst_app') then
        execute format('grant usage on schema %I to catalyst_app', current_schema());
        execute format('grant select, insert, update, delete on all tables in schema %I to catalyst_app', current_schema());
        execute format('grant usage on all sequences in schema %I to catalyst_app', current_schema());
        execute format('alter default privileges in schema %I grant select, insert, update, delete on tables to catalyst_app',
                       current_schema());
        execute format('alter default privileges in schema %I grant usage on sequences to catalyst_app', current_schema());
        revoke update, delete on news_raw, news_revisions, configuration_history from catalyst_app;
        revoke insert on configuration_history from catalyst_app;
        revoke insert, update, delete on schema_migrations from catalyst_app;
        revoke update on trade_events from catalyst_app;
        begin
            execute format('grant catalyst_app to %I', current_user);
        exception when insufficient_privilege or invalid_grant_operation then
            raise notice 'catalyst_app was not granted to %: it keeps its own rights', current_user;
        end;
    end if;
    if exists (select from pg_roles where rolname = 'catalyst_read') then
        execute format('grant usage on schema %I to catalyst_read', current_schema());
        execute format('grant select on all tables in schema %I to catalyst_read', current_schema());
        execute format('alter default privileges in schema %I grant select on tables to catalyst_read', current_schema());
    end if;
end
$$;
