//go:build !unix

package devpg

import (
	"errors"
	"syscall"
)

type account struct{}

func serverAccount() (*account, error) {
	return nil, errors.New("devpg: a private server needs a Unix system. Try: name a running server by its DSN")
}

func (*account) baseDir() (string, error) { return "", nil }

func (*account) procAttr() *syscall.SysProcAttr { return nil }

func signalGroup(int, syscall.Signal) {}
