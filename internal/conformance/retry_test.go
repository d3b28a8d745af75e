package conformance

import "testing"

func TestRetry(t *testing.T) { runCases(t, retryCases) }

var retryCases = []testCase{
	{id: "er1", script: opened + `
		select pgq.event_retry(1, 2, 0);
		--> 1
		select pgq.batch_retry(1, 0);
		--> 2
		select pgq.finish_batch(1);
		--> 1
		select ev_id from pgq.retry_queue order by 1;
		--> 1
		--> 2
		--> 3
	`},
	{id: "er2", script: opened + `
		select pgq.event_retry(1, 2, 60);
		--> 1
		select pgq.event_retry(1, 2, 0);
		--> 0
		select ev_retry_after > now() from pgq.retry_queue;
		--> t
		select pgq.event_retry(1, 3, timestamptz '2001-01-01 00:00+00');
		--> 1
		select ev_retry_after from pgq.retry_queue where ev_id = 3;
		--> 2001-01-01 00:00:00+00
		select pgq.event_retry(1, 1, -60);
		--> 1
	`},
	{id: "er3", script: opened + `
		select pgq.event_retry(1, 99, 0);
		--> E: event not found
		select pgq.event_retry(99999, 1, 0);
		--> E: event not found
		select pgq.event_retry(null, 1, 0);
		--> E: event not found
	`},
	{id: "er4", script: opened + `
		select pgq.event_retry(1, 1, null::int4);
		--> E 23502 ev_retry_after
		select pgq.event_retry(1, 1, null::timestamptz);
		--> E 23502 ev_retry_after
		select pgq.batch_retry(1, null);
		--> E 23502 ev_retry_after
	`},
	{id: "er5", script: `
		select pgq.create_queue('first'), pgq.register_consumer('first', 'other');
		--> 1|1
		\fresh q
		select pgq.register_consumer('q', 'c');
		--> 1
		select pgq.insert_event('q', 't', 'd', 'x1', 'x2', 'x3', 'x4');
		--> 1
		select pgq.ticker('q');
		--> 2
		select pgq.next_batch('q', 'c');
		--> 1
		select pgq.event_retry(1, 1, 0);
		--> 1
		select r.ev_queue, r.ev_id, r.ev_time = e.ev_time, r.ev_txid, r.ev_owner, r.ev_retry, r.ev_type, r.ev_data,
			r.ev_extra1, r.ev_extra2, r.ev_extra3, r.ev_extra4
			from pgq.retry_queue r, pgq.event_2 e;
		--> 2|1|t|NULL|2|1|t|d|x1|x2|x3|x4
	`},
	{id: "er6", script: retried + `
		select r.ev_id, r.ev_retry, r.ev_data, r.ev_time = (select min(ev_time) from pgq.event_1 where ev_id = 1)
			from pgq.get_batch_events(3) r;
		--> 1|1|d1|t
		select pgq.next_batch('q', 'other');
		--> 4
		select ev_id, ev_retry from pgq.get_batch_events(4);
		--> (none)
	`},
	{id: "er7", script: retried + `
		select pgq.event_retry(3, 1, 0);
		--> 1
		select ev_id, ev_retry from pgq.retry_queue;
		--> 1|2
	`},
	{id: "br1", script: opened + `
		select pgq.batch_retry(1, 5);
		--> 3
		select pgq.batch_retry(1, 5);
		--> 0
		select ev_id from pgq.get_batch_events(1);
		--> 1
		--> 2
		--> 3
	`},
	{id: "br2", script: `
		select pgq.batch_retry(9999999, 5);
		--> E: batch_retry: batch 9999999 not found
		select pgq.batch_retry(null, 5);
		--> E: batch_retry: batch <NULL> not found
	`},
	{id: "rr1", script: subscribed + `
		select pgq.event_retry_raw('q', 'c', now(), 666, now(), 0, 't', 'd', 'x1', 'x2', 'x3', 'x4');
		--> 666
		select ev_retry_after <= now(), ev_queue, ev_id, ev_txid, ev_owner, ev_retry, ev_type, ev_data,
			ev_extra1, ev_extra4 from pgq.retry_queue;
		--> t|1|666|NULL|1|0|t|d|x1|x4
	`},
	{id: "rr2", script: subscribed + `
		select pgq.insert_event('q', 't', 'd');
		--> 1
		select pgq.event_retry_raw('q', 'c', now(), null, now(), null, 't', 'd', null, null, null, null);
		--> 2
		select ev_id, ev_retry from pgq.retry_queue;
		--> 2|NULL
	`},
	{id: "rr3", script: subscribed + `
		select pgq.event_retry_raw('q', 'nosuch', now(), 1, now(), 0, 't', 'd', null, null, null, null);
		--> E: consumer not registered
		select pgq.event_retry_raw('nosuch', 'c', now(), 1, now(), 0, 't', 'd', null, null, null, null);
		--> E: consumer not registered
	`},
	{id: "rr4", script: subscribed + `
		select pgq.event_retry_raw('q', 'c', now(), 1, now(), 0, 't', 'd', null, null, null, null);
		--> 1
		select pgq.event_retry_raw('q', 'c', now(), 1, now(), 0, 't', 'd', null, null, null, null);
		--> E 23505 rq_pkey
	`},
	{id: "rr5", script: subscribed + `
		select pgq.event_retry_raw('q', 'c', now(), 1, null, 0, 't', 'd', null, null, null, null);
		--> E 23502 ev_time
		select pgq.event_retry_raw('q', 'c', null, 1, now(), 0, 't', 'd', null, null, null, null);
		--> E 23502 ev_retry_after
	`},
	{id: "mr1", script: subscribed + `
		select count(pgq.event_retry_raw('q', 'c', now() - interval '1 second', i, now(), 0, 't', 'd',
			null, null, null, null)) from generate_series(1, 25) i;
		--> 25
		select pgq.event_retry_raw('q', 'c', now() + interval '1 hour', 99, now(), 0, 't', 'd', null, null, null, null);
		--> 99
		select pgq.maint_retry_events();
		--> 10
		select pgq.maint_retry_events();
		--> 10
		select pgq.maint_retry_events();
		--> 5
		select pgq.maint_retry_events();
		--> 0
		select ev_id from pgq.retry_queue;
		--> 99
		select count(*), count(distinct ev_id), min(ev_owner), max(ev_retry), count(ev_txid) from pgq.event_1_0;
		--> 25|25|1|0|25
	`},
	{id: "mr2", script: `
		\fresh q
		select pgq.maint_retry_events();
		--> 0
	`},
}

// subscribed makes queue q with consumer c.
const subscribed = `
	\fresh q
	select pgq.register_consumer('q', 'c');
	--> 1
`

// retried has consumers c and other read event 1 of queue q; c retried it and
// has it again in batch 3.
const retried = `
	\fresh q
	select pgq.register_consumer('q', 'c'), pgq.register_consumer('q', 'other');
	--> 1|1
	select pgq.insert_event('q', 't', 'd1');
	--> 1
	select pgq.ticker('q');
	--> 2
	select pgq.next_batch('q', 'c'), pgq.next_batch('q', 'other');
	--> 1|2
	select pgq.event_retry(1, 1, 0);
	--> 1
	select pgq.finish_batch(1), pgq.finish_batch(2);
	--> 1|1
	select pgq.maint_retry_events();
	--> 1
	select pgq.ticker('q');
	--> 3
	select pgq.next_batch('q', 'c');
	--> 3
`
