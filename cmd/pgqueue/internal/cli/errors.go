package cli

import (
	"strings"
)

// failure is how the program ends when it does not end well.
type failure struct {
	code int
	what string // what was wrong
	try  string // a command that would help, "" when there is none
	err  error  // the cause, if any
}

// Error is one line: what was wrong and what to try.
func (f *failure) Error() string {
	if f.try == "" {
		return f.what
	}
	return f.what + ". Try: " + f.try
}

func (f *failure) Unwrap() error { return f.err }

// failed is the failure of a sensible request.
func failed(what, try string) *failure { return &failure{code: exitFailed, what: what, try: try} }

// usage is the failure of a request that makes no sense.
func usage(what, try string) *failure { return &failure{code: exitUsage, what: what, try: try} }

// badDSN says what is wrong with the address of the database.
func badDSN(p *program, err error) error {
	f := usage("bad DSN: "+oneLine(err.Error()), "--dsn postgres://user:password@host:5432/database")
	f.err = err
	return f
}

// oneLine joins the lines of s: an error is one line.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}
