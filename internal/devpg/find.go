package devpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNoServer says that this machine has no PostgreSQL server programs, and
// how to get them.
var ErrNoServer = errors.New("no PostgreSQL server programs (initdb and postgres) found. " +
	"Try: on Debian and Ubuntu `apt-get install postgresql`, on Fedora `dnf install postgresql-server`, " +
	"on macOS `brew install postgresql`; or set PGQUEUE_PG_BIN to the directory that has them")

// usualPlaces are where packages put server programs without putting them on
// PATH. Where a pattern matches several versions, the newest is taken.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // the RPMs of postgresql.org
	"/usr/local/pgsql/bin",      // make install
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// FindBinDir returns the directory of the PostgreSQL server programs:
// $PGQUEUE_PG_BIN when that is set, else the first that has them of PATH, the
// places where packages put them, and what pg_config names. The error is
// [ErrNoServer] when there are none.
func FindBinDir() (string, error) {
	if dir := os.Getenv("PGQUEUE_PG_BIN"); dir != "" {
		if !isBinDir(dir) {
			return "", fmt.Errorf("devpg: PGQUEUE_PG_BIN is %q, which has no initdb and postgres: %w", dir, ErrNoServer)
		}
		return filepath.Abs(dir)
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil && isBinDir(filepath.Dir(initdb)) {
			return filepath.Abs(filepath.Dir(initdb))
		}
	}
	for _, pattern := range usualPlaces {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("devpg: %w", err)
		}
		slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
		if i := slices.IndexFunc(dirs, isBinDir); i >= 0 {
			return dirs[i], nil
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		if dir := strings.TrimSpace(string(out)); isBinDir(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("devpg: %w", ErrNoServer)
}

// isBinDir says whether dir has the two programs that a server needs.
func isBinDir(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

var digits = regexp.MustCompile(`\d+`)

// version reads the major version out of a directory like
// /usr/lib/postgresql/15/bin; 0 when it names none.
func version(dir string) int {
	n, err := strconv.Atoi(digits.FindString(dir))
	if err != nil {
		return 0
	}
	return n
}
