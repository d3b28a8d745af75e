// Package devpg runs a private PostgreSQL server for tests and for the demo:
// its own data directory, a random password, a free port on the loopback
// interface, and nothing left of it afterwards, however its owner ends.
//
// A small shell script stands between the Go process and the server. It holds
// the read end of a pipe whose write end only the Go process has, so the
// kernel tells it when that process is gone, also after kill -9.
package devpg

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	pollInterval = 10 * time.Millisecond
	portTries    = 5
	logTail      = 15 // lines of the server's log in an error
)

//go:embed supervise.sh
var superviseScript string

// throwAway are the settings of a server that need not survive a power cut.
var throwAway = map[string]string{
	"fsync":                     "off",
	"full_page_writes":          "off",
	"max_connections":           "200",
	"max_prepared_transactions": "20",
	"shared_buffers":            "128MB",
	"synchronous_commit":        "off",
}

// live keeps each running server's end of its pipe from the garbage collector,
// which closes files that nobody can reach any more.
var live sync.Map

// Config says what server to start. The zero value is one for tests.
type Config struct {
	// BinDir is the directory of initdb and postgres. Defaults to FindBinDir.
	BinDir string
	// Settings are parameters of postgresql.conf. They win over the defaults.
	Settings map[string]string
	// Durable keeps PostgreSQL's own defaults. Without it nothing is synced
	// to disk: several times as fast, and a power cut destroys the data.
	Durable bool
}

// Server is a running private server.
type Server struct {
	binDir, dir, password string
	port                  int

	supervisor *exec.Cmd
	hold       *os.File // its closing stops the server
	report     *os.File // ends when the server has ended
	reported   bytes.Buffer

	stop func() error
}

// Start makes a data directory and starts a server on it. When it returns
// without an error, the server accepts connections, until Stop or the end of
// this process. After an error nothing is left. A start that has not come to
// an end in two minutes is an error; ctx can only shorten that.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("devpg: start: %w", err)
	}
	switch {
	case cfg.BinDir == "":
		dir, err := FindBinDir()
		if err != nil {
			return nil, err
		}
		cfg.BinDir = dir
	case !isBinDir(cfg.BinDir):
		return nil, fmt.Errorf("devpg: %q has no initdb and postgres: %w", cfg.BinDir, ErrNoServer)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// Between our choice of a port and the server's bind somebody else may
	// take it.
	for try := 1; ; try++ {
		s, err := launch(cfg)
		if err != nil {
			return nil, err
		}
		err = s.ready(ctx)
		if err == nil {
			return s, nil
		}
		s.abort()
		if try == portTries || !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

// DSN returns the address of a database of this server, with the superuser's
// name and password.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", s.password),
		Host:     s.addr(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// BinDir returns the directory of the programs that the server was started
// from; psql, pg_dump and the like are usually there too.
func (s *Server) BinDir() string { return s.binDir }

// Stop ends all sessions, shuts the server down and removes its directory. It
// returns when that is done. A second call returns what the first one did.
func (s *Server) Stop() error { return s.stop() }

func (s *Server) addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// launch starts the supervisor, which goes on to initdb and postgres.
func launch(cfg Config) (*Server, error) {
	runAs, err := serverAccount()
	if err != nil {
		return nil, err
	}
	base, err := runAs.baseDir()
	if err != nil {
		return nil, err
	}
	s := &Server{
		binDir:   cfg.BinDir,
		dir:      filepath.Join(base, "pgqueue-devpg-"+rand.Text()[:12]),
		password: rand.Text(),
	}
	s.stop = sync.OnceValue(s.shutdown)
	if s.port, err = freePort(); err != nil {
		return nil, fmt.Errorf("devpg: no free port: %w", err)
	}
	s.supervisor = exec.Command("/bin/sh", s.arguments(cfg)...)
	s.supervisor.Dir = "/" // ours may be closed to the other user
	s.supervisor.Env = serverEnv(os.Environ())
	s.supervisor.SysProcAttr = runAs.procAttr()
	if err := s.startSupervisor(); err != nil {
		return nil, fmt.Errorf("devpg: start: %w", err)
	}
	return s, nil
}

func (s *Server) startSupervisor() error {
	holdRead, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer holdRead.Close()
	report, reportWrite, err := os.Pipe()
	if err != nil {
		return errors.Join(err, hold.Close())
	}
	defer reportWrite.Close()
	s.hold, s.report = hold, report
	s.supervisor.Stdin, s.supervisor.Stderr = holdRead, reportWrite
	if err := s.supervisor.Start(); err != nil {
		return errors.Join(err, hold.Close(), report.Close())
	}
	live.Store(s, true)
	// By the pipe, since everybody can read command lines and environments. If
	// it fails, the supervisor is dead, and ready finds that out.
	_, _ = fmt.Fprintln(hold, s.password)
	return nil
}

func (s *Server) arguments(cfg Config) []string {
	args := []string{"-c", superviseScript, "devpg", s.binDir, s.dir, strconv.Itoa(s.port)}
	settings := map[string]string{"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
	if !cfg.Durable {
		for name, value := range throwAway {
			settings[name] = value
		}
	}
	for name, value := range cfg.Settings {
		settings[name] = value
	}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// serverEnv keeps what a program may need to run, without what would change
// the server: libpq's variables and the locale.
func serverEnv(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// freePort is a variable for the sake of the test that takes the port away.
var freePort = func() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// errPortTaken is an error of ready that another port can cure.
var errPortTaken = errors.New("the port was taken")

// ready waits until the server accepts connections.
func (s *Server) ready(ctx context.Context) error {
	for !s.accepting() {
		switch err := s.ended(pollInterval); {
		case err != nil:
			return fmt.Errorf("devpg: start: %w", err)
		case ctx.Err() != nil:
			return fmt.Errorf("devpg: start: %w%s", ctx.Err(), s.lastWords())
		}
	}
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("devpg: start: %w", err)
	}
	return conn.Close(ctx)
}

// accepting asks the server's lock file rather than the port, where somebody
// else might answer.
func (s *Server) accepting() bool {
	const statusLine = 8
	pidFile, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return false // not yet
	}
	lines := strings.Split(string(pidFile), "\n")
	return len(lines) >= statusLine && strings.TrimSpace(lines[statusLine-1]) == "ready"
}

// ended waits up to d for the end of the server, and returns an error that says
// why, or nil when it lives.
func (s *Server) ended(d time.Duration) error {
	if err := s.report.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	switch _, err := io.Copy(&s.reported, s.report); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		return err
	}
	words := s.lastWords()
	if strings.Contains(words, "could not create any TCP/IP sockets") {
		return fmt.Errorf("%w: %s", errPortTaken, s.addr())
	}
	return fmt.Errorf("the server ended%s", words)
}

// lastWords returns what the supervisor reported and the end of the log.
func (s *Server) lastWords() string {
	text := s.reported.String()
	if log, err := os.ReadFile(filepath.Join(s.dir, "log")); err == nil {
		text += string(log)
	}
	if text == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-logTail):]
	return "; its last words:\n\t" + strings.Join(lines, "\n\t")
}

// abort ends a server that never came up, without waiting for initdb.
func (s *Server) abort() {
	_ = s.hold.Close()
	signalGroup(s.supervisor.Process.Pid, syscall.SIGTERM)
	_ = s.stop()
}

func (s *Server) shutdown() error {
	defer live.Delete(s)
	words := s.lastWords() // while they are there
	_ = s.hold.Close()     // abort may have done so
	// No graceful way is left after that long: the group is the supervisor and
	// the server, whose own children notice its death.
	kill := time.AfterFunc(stopTimeout, func() { signalGroup(s.supervisor.Process.Pid, syscall.SIGKILL) })
	err := s.supervisor.Wait()
	kill.Stop()
	_ = s.report.Close()
	if err != nil {
		err = fmt.Errorf("the server had ended by itself or was killed: %w%s", err, words)
	}
	// Nothing is there to remove unless the supervisor was killed.
	if err = errors.Join(err, os.RemoveAll(s.dir)); err != nil {
		return fmt.Errorf("devpg: stop: %w", err)
	}
	return nil
}
