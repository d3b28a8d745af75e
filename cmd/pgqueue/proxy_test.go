package main

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

// proxy stands between the program and the server, and cuts one connection at a commit:
// before the server gets it, or when it has answered.
type proxy struct {
	dsn      string
	server   string
	cut      int64 // which commit
	atServer bool  // let the server have it
	commits  atomic.Int64
	lost     atomic.Int64
}

func newProxy(t *testing.T, dsn string, cut int64, atServer bool) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{server: u.Host, cut: cut, atServer: atServer}
	u.Host = l.Addr().String()
	p.dsn = u.String()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	muted := atomic.Bool{} // the answer to the commit does not get through
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if muted.Load() {
				return
			}
			if _, writeErr := client.Write(buf[:n]); err != nil || writeErr != nil {
				client.Close()
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("Q\x00\x00\x00\vcommit\x00")) && p.commits.Add(1) == p.cut {
			p.lost.Add(1)
			if p.atServer {
				muted.Store(true)
				_, _ = server.Write(buf[:n])
				<-answered
			}
			return
		}
		if _, err := io.Copy(server, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}
