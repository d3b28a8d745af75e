package pgqueue

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// Event is one event of a queue: a row of pgq.event_template. The server sets
// ID, Time, TxID and Retry; the rest is the producer's. Type and the extras are
// free text whose "" stands for NULL; Data is free text whose nil stands for
// NULL. PostgreSQL's text holds no zero bytes and, in a UTF8 database, only valid UTF-8:
// the server refuses anything else. In a database of another encoding, connect with
// client_encoding=UTF8, as Go's strings are UTF-8.
type Event struct {
	ID    int64     // unique in its queue; a retried event keeps it
	Time  time.Time // start of the transaction that inserted it
	TxID  int64     // 64-bit id of that transaction; of the one that gave it back, when retried
	Retry int       // how often it was parked for retry before; 0 for a fresh event

	Type   string
	Data   []byte
	Extra1 string
	Extra2 string
	Extra3 string
	Extra4 string
}

// producerFields are the fields of ev as the insert functions take them.
func (ev Event) producerFields() []any {
	return []any{
		nullable(ev.Type), nullableData(ev.Data),
		nullable(ev.Extra1), nullable(ev.Extra2), nullable(ev.Extra3), nullable(ev.Extra4),
	}
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func nullableData(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// scanEvent reads the ten columns of a batch query. Every payload column may be NULL.
func scanEvent(row pgx.CollectableRow) (Event, error) {
	var ev Event
	var retry *int
	var kind, extra1, extra2, extra3, extra4 *string
	err := row.Scan(&ev.ID, &ev.Time, &ev.TxID, &retry, &kind, &ev.Data, &extra1, &extra2, &extra3, &extra4)
	if retry != nil {
		ev.Retry = *retry
	}
	ev.Type = deref(kind)
	ev.Extra1, ev.Extra2, ev.Extra3, ev.Extra4 = deref(extra1), deref(extra2), deref(extra3), deref(extra4)
	return ev, err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
