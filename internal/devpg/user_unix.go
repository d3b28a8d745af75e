//go:build unix

package devpg

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the unprivileged user that runs the server when we are root,
// since PostgreSQL refuses to run as root.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount returns nil when the server can run as the present user.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		// Some systems write nobody's -2 with its sign.
		uid, err1 := strconv.ParseInt(u.Uid, 10, 64)
		gid, err2 := strconv.ParseInt(u.Gid, 10, 64)
		if err1 == nil && err2 == nil {
			return &account{name, uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("devpg: PostgreSQL does not run as root, and there is no user postgres or nobody to run it. Try: useradd --system postgres")
}

// baseDir returns a directory for temporary files in which a may make a
// directory of its own.
func (a *account) baseDir() (string, error) {
	if a == nil {
		return os.TempDir(), nil
	}
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if a.mayUse(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("devpg: user %q, who runs the server, may not write to %s. Try: set TMPDIR to a directory that everybody may enter and write",
		a.name, os.TempDir())
}

// mayUse says whether a may write to dir and pass through all above it.
func (a *account) mayUse(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	const execute, write = 1, 2
	if !a.may(dir, execute|write) {
		return false
	}
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		if !a.may(dir, execute) {
			return false
		}
	}
	return true
}

// may looks at the permission bits of dir as they are for a.
func (a *account) may(dir string, want os.FileMode) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	perm := info.Mode().Perm()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case st.Uid == a.uid:
			perm >>= 6
		case st.Gid == a.gid:
			perm >>= 3
		}
	}
	return perm&want == want
}

// procAttr puts the server into a process group of its own, so that Ctrl-C at
// the terminal does not reach it before its owner has let it go.
func (a *account) procAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// signalGroup sends sig to the process group that procAttr made.
func signalGroup(leader int, sig syscall.Signal) {
	// An error can only be that the group has ended, which is what is wanted.
	_ = syscall.Kill(-leader, sig)
}
