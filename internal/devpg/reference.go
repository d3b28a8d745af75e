package devpg

import "os"

// WithoutReference says that the tests run on a server that has no original PgQ to
// compare with, as no package brings it for that version: PGQUEUE_TEST_WITHOUT_REFERENCE
// is set. Tests that need the original are skipped then, and say so; otherwise its
// absence fails them.
func WithoutReference() bool { return os.Getenv("PGQUEUE_TEST_WITHOUT_REFERENCE") != "" }
