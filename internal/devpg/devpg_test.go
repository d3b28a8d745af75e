package devpg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary play the process that owns a server and dies.
func TestMain(m *testing.M) {
	if os.Getenv("DEVPG_TEST_OWNER") != "" {
		fmt.Fprintln(os.Stderr, ownServer())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ownServer starts a server, tells its address and never stops it.
func ownServer() error {
	s, err := Start(context.Background(), Config{})
	if err != nil {
		return err
	}
	fmt.Println(s.DSN("postgres"))
	_, err = io.Copy(io.Discard, os.Stdin) // until the test has ended
	return err
}

// tempDir makes all temporary files go to an empty directory, which has to be
// empty again at the end of the test.
func tempDir(t *testing.T) string {
	t.Helper()
	// Not t.TempDir, which is closed to the server's user when we are root.
	dir, err := os.MkdirTemp("", "devpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Errorf("something is left: %v", err)
		}
	})
	return dir
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// show returns the value of a setting of the server.
func show(t *testing.T, dsn, setting string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value string
	if err := conn.QueryRow(t.Context(), "select current_setting($1)", setting).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestStartStop(t *testing.T) {
	dir := tempDir(t)
	s := start(t, Config{Settings: map[string]string{"max_connections": "33", "application_name": "it's = here"}})
	for setting, want := range map[string]string{
		"fsync":            "off",
		"max_connections":  "33",
		"application_name": "it's = here",
		"server_encoding":  "UTF8",
		"listen_addresses": "127.0.0.1",
	} {
		if got := show(t, s.DSN("postgres"), setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if !isBinDir(s.BinDir()) {
		t.Errorf("BinDir %q has no programs", s.BinDir())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("a running server has %v in the temporary directory, want its own directory", left)
	}
	// A session must not keep the server up.
	conn, err := pgx.Connect(t.Context(), s.DSN("template1"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	wantGone(t, s.addr())
}

// A server lives until Stop, also when nobody keeps what Start returned.
func TestForgottenServer(t *testing.T) {
	tempDir(t)
	s, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	dsn, pipe := s.DSN("postgres"), weak.Make(s.hold)
	t.Cleanup(func() {
		live.Range(func(s, _ any) bool {
			if err := s.(*Server).Stop(); err != nil {
				t.Error(err)
			}
			return true
		})
	})
	runtime.GC()
	if pipe.Value() == nil {
		t.Error("the pipe that keeps it is gone")
	}
	show(t, dsn, "fsync")
}

// wantGone checks that nobody listens on addr.
func wantGone(t *testing.T, addr string) {
	t.Helper()
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c.Close()
		t.Errorf("somebody still answers on %s", addr)
	}
}

func TestDurable(t *testing.T) {
	tempDir(t)
	s := start(t, Config{Durable: true})
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if got := show(t, s.DSN("postgres"), setting); got != "on" {
			t.Errorf("%s is %q", setting, got)
		}
	}
}

func TestPassword(t *testing.T) {
	tempDir(t)
	s := start(t, Config{})
	dsn := strings.Replace(s.DSN("postgres"), s.password, "guess", 1)
	if _, err := pgx.Connect(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password gives %v, want SQLSTATE 28P01", err)
	}
	for _, public := range append(s.supervisor.Args, s.supervisor.Env...) {
		if strings.Contains(public, s.password) {
			t.Errorf("others can read the password in %q", public)
		}
	}
}

// Whatever ends the owner, the server and its directory go too.
func TestOwnerDies(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			tempDir(t)
			// The write end goes to the owner, and from there by inheritance
			// to each process of the server: end of file is the end of all.
			// It goes as descriptor 4, because the supervisor uses 3 itself.
			alive, aliveWrite, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			owner := exec.Command(os.Args[0])
			owner.Env = append(os.Environ(), "DEVPG_TEST_OWNER=1")
			owner.ExtraFiles = []*os.File{aliveWrite, aliveWrite}
			owner.Stderr = os.Stderr
			if _, err := owner.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			out, err := owner.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := owner.Start(); err != nil {
				t.Fatal(err)
			}
			aliveWrite.Close()
			dsn, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			dsn = strings.TrimSpace(dsn)
			show(t, dsn, "fsync")

			if err := owner.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := owner.Wait(); err == nil {
				t.Error("the owner was not killed")
			}
			if err := alive.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("processes are left: %v", err)
			}
			cfg, err := pgx.ParseConfig(dsn)
			if err != nil {
				t.Fatal(err)
			}
			wantGone(t, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
		})
	}
}

// Whenever a start is given up, nothing is left.
func TestStartCancelled(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		tempDir(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Start(ctx, Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("at launch", func(t *testing.T) {
		tempDir(t)
		ctx, cancel := context.WithCancel(t.Context())
		hookPort(t, func(free func() (int, error)) (int, error) { cancel(); return free() })
		if _, err := Start(ctx, Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	for _, after := range []time.Duration{10 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) {
			tempDir(t)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			s, err := Start(ctx, Config{})
			switch {
			case err == nil: // a fast machine
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			case !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("got %v, want context.DeadlineExceeded", err)
			}
		})
	}
}

// hookPort replaces the choice of a port.
func hookPort(t *testing.T, hook func(free func() (int, error)) (int, error)) {
	free := freePort
	freePort = func() (int, error) { return hook(free) }
	t.Cleanup(func() { freePort = free })
}

func TestPortTaken(t *testing.T) {
	tempDir(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tries := 0
	hookPort(t, func(free func() (int, error)) (int, error) {
		if tries++; tries == 1 {
			return l.Addr().(*net.TCPAddr).Port, nil
		}
		return free()
	})
	s := start(t, Config{})
	if tries != 2 || s.addr() == l.Addr().String() {
		t.Errorf("after %d tries the server is on %s, which was taken", tries, s.addr())
	}
}

func TestStartFails(t *testing.T) {
	tempDir(t)
	_, err := Start(t.Context(), Config{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("the error %v does not say what the server said", err)
	}
}

// A server that somebody else killed is reported, and cleaned up all the same.
func TestStopDeadServer(t *testing.T) {
	tempDir(t)
	s, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	pidFile, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(pidFile), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.ended(30 * time.Second); err == nil {
		t.Fatal("a killed server counts as running")
	}
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "had ended by itself") {
		t.Errorf("Stop says %v, want that the server had ended", err)
	}
}
