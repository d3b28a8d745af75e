-- The demo's tables, in a schema of this run's own, which is first in the search_path.

-- What the producers do. Both change in one transaction with the event.
create table account (
    id int4 primary key,
    balance int8 not null
);
create table transfer (
    id int8 primary key,            -- given by the producer, used up by a rollback
    event_id int8 not null unique,  -- what the insert into the queue returned
    from_account int4 not null,
    to_account int4 not null,
    amount int8 not null
);

-- What the consumers are given. No unique constraint: a duplicate has to show.
create table seen_books (event_id int8 not null, transfer_id int8 not null, retry int4 not null);
create table seen_counter (like seen_books including all);
create table seen_flaky (like seen_books including all);
create table seen_killed (like seen_books including all);

-- What the consumers make of it.
create table book (
    account int4 primary key,
    balance int8 not null
);
create table counted (
    events int8 not null
);

insert into account select id, 10000 from generate_series(1, 400) id;
insert into book select id, balance from account;
insert into counted values (0);
