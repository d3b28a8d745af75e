package pgqueue

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lightpgq/pgqueue/schema"
)

// Errors to test for with errors.Is. Where one is raised by our SQL its SQLSTATE is
// given; the original extension raises no codes of its own, so with it only the
// server's error can be had.
var (
	// ErrQueueNotFound: there is no queue of this name (PQ001).
	ErrQueueNotFound = errors.New("queue not found")
	// ErrConsumerNotFound: the consumer is not registered on the queue (PQ002).
	ErrConsumerNotFound = errors.New("consumer not registered")
	// ErrBatchNotFound: the batch is not open, as it was finished already or
	// its consumer was moved (PQ003).
	ErrBatchNotFound = errors.New("batch not open")
	// ErrEventNotFound: the event is not in the batch (PQ004).
	ErrEventNotFound = errors.New("event not in batch")
	// ErrInvalid: an argument that is not allowed (PQ005).
	ErrInvalid = errors.New("invalid argument")
	// ErrInsertDisabled: the queue takes no inserts on this node (PQ006).
	ErrInsertDisabled = errors.New("insert disabled")
	// ErrTxLimit: more events than queue_per_tx_limit in one transaction (PQ007).
	ErrTxLimit = errors.New("too many events in one transaction")
	// ErrConsumersAttached: the queue has consumers, so it is not dropped (PQ008).
	ErrConsumersAttached = errors.New("consumers still attached")
	// ErrTickNotFound: there is no such tick, or none at all (PQ009).
	ErrTickNotFound = errors.New("tick not found")
	// ErrPositionLost: the tick a consumer stands on is gone (PQ010).
	ErrPositionLost = errors.New("position lost")
	// ErrTickerDisabled: the queue's ticker is paused or external (PQ011).
	ErrTickerDisabled = errors.New("ticker disabled")
	// ErrTxIDsWentBack: transaction ids are lower than the queue has seen, as after a
	// restore (PQ012), or too low to re-base a queue yet (PQ018). See Queue.Rebase.
	ErrTxIDsWentBack = errors.New("transaction ids went back")
	// ErrIsolation: not possible in REPEATABLE READ or SERIALIZABLE (PQ013).
	ErrIsolation = errors.New("isolation level not allowed")
	// ErrBatchOpen: a sub-consumer with a batch is not unregistered, nor a batch given
	// out while the group's main consumer has one of its own (PQ020).
	ErrBatchOpen = errors.New("batch still open")

	// ErrNoBatch: nothing to do now; the next tick may change that.
	ErrNoBatch = errors.New("no batch")
	// ErrBatchUnread: Finish before Events was read to its end.
	ErrBatchUnread = errors.New("batch not read to its end")
	// ErrNeedsEngine: the database has the original extension, which cannot do this.
	ErrNeedsEngine = errors.New("needs pgqueue's own schema; run: pgqueue install")
	// ErrNotInstalled: the database has neither our schema nor the original extension.
	ErrNotInstalled = errors.New("pgq is not installed; run: pgqueue install")
	// ErrSchemaOld: the installed schema is older than this program.
	ErrSchemaOld = schema.ErrOld
	// ErrSchemaNew: the installed schema is newer than this program.
	ErrSchemaNew = schema.ErrNew
)

// kinds maps SQLSTATEs to sentinels. A test compares it with the codes in schema/.
var kinds = map[string]error{
	"PQ001": ErrQueueNotFound,
	"PQ002": ErrConsumerNotFound,
	"PQ003": ErrBatchNotFound,
	"PQ004": ErrEventNotFound,
	"PQ005": ErrInvalid,
	"PQ006": ErrInsertDisabled,
	"PQ007": ErrTxLimit,
	"PQ008": ErrConsumersAttached,
	"PQ009": ErrTickNotFound,
	"PQ010": ErrPositionLost,
	"PQ011": ErrTickerDisabled,
	"PQ012": ErrTxIDsWentBack,
	"PQ013": ErrIsolation,
	"PQ018": ErrTxIDsWentBack,
	"PQ020": ErrBatchOpen,
	"3F000": ErrNotInstalled, // invalid_schema_name: no schema pgq
}

// Error is the error of every call of this package that reached the database.
type Error struct {
	Op    string // what was tried: "insert", "next batch"
	Queue string // its queue, "" when it concerns none
	Kind  error  // one of the errors above, or nil
	Err   error  // the cause, usually a *pgconn.PgError
}

// Error says what was tried, on which queue, what went wrong, and the server's hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("pgqueue: " + e.Op)
	if e.Queue != "" {
		fmt.Fprintf(&b, " %q", e.Queue)
	}
	if e.Kind != nil {
		fmt.Fprintf(&b, ": %v", e.Kind)
	}
	if e.Err != nil && e.Err != e.Kind { //nolint:errorlint // identity: the same error twice
		fmt.Fprintf(&b, ": %v", e.Err)
		var pgErr *pgconn.PgError
		if errors.As(e.Err, &pgErr) && pgErr.Hint != "" {
			fmt.Fprintf(&b, " (%s)", pgErr.Hint)
		}
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// opError wraps err once, with what was tried; nil stays nil.
func opError(op, queue string, err error) error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	e := &Error{Op: op, Queue: queue, Err: err}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		e.Kind = kinds[pgErr.Code]
	}
	return e
}

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	for _, kind := range []error{
		ErrQueueNotFound, ErrConsumerNotFound, ErrPositionLost, ErrNotInstalled,
		ErrNeedsEngine, ErrSchemaOld, ErrSchemaNew, schema.ErrMissing,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "42501" // insufficient_privilege
}
