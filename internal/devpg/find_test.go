package devpg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeBin makes a directory that looks like one of server programs.
func fakeBin(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// nowhere hides the servers of this machine.
func nowhere(t *testing.T) {
	t.Setenv("PGQUEUE_PG_BIN", "")
	t.Setenv("PATH", t.TempDir())
	places := usualPlaces
	usualPlaces = nil
	t.Cleanup(func() { usualPlaces = places })
}

func TestFindBinDir(t *testing.T) {
	nowhere(t)
	root := t.TempDir()
	old, newest := fakeBin(t, root+"/pg/9/bin"), fakeBin(t, root+"/pg/18/bin")
	if err := os.MkdirAll(root+"/pg/19/bin", 0o755); err != nil { // has no programs
		t.Fatal(err)
	}
	usualPlaces = []string{root + "/none/*/bin", root + "/pg/*/bin"}
	check := func(want string) {
		t.Helper()
		if got, err := FindBinDir(); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	check(newest)
	t.Setenv("PATH", old)
	check(old)
	links := t.TempDir()
	if err := os.Symlink(newest+"/initdb", links+"/initdb"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links)
	check(newest)
	named := fakeBin(t, root+"/named")
	t.Setenv("PGQUEUE_PG_BIN", named)
	check(named)
}

func TestFindBinDirByPgConfig(t *testing.T) {
	nowhere(t)
	want, path := fakeBin(t, t.TempDir()), t.TempDir()
	script := "#!/bin/sh\necho " + want + "\n"
	if err := os.WriteFile(path+"/pg_config", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path)
	if got, err := FindBinDir(); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestNoServer(t *testing.T) {
	nowhere(t)
	tempDir(t)
	if _, err := FindBinDir(); !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("got %v, want ErrNoServer with what to do", err)
	}
	if _, err := Start(t.Context(), Config{}); !errors.Is(err, ErrNoServer) {
		t.Errorf("Start: got %v, want ErrNoServer", err)
	}
	dir := t.TempDir()
	if _, err := Start(t.Context(), Config{BinDir: dir}); !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Start with BinDir: got %v, want ErrNoServer and the directory", err)
	}
	t.Setenv("PGQUEUE_PG_BIN", dir)
	if _, err := FindBinDir(); !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), dir) {
		t.Errorf("with PGQUEUE_PG_BIN: got %v, want ErrNoServer and the directory", err)
	}
}
