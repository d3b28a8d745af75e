package demo

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain lets the test binary play the child processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo-child" {
		if err := RunChild(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	r, err := Run(t.Context(), Config{Duration: 5 * time.Second, Child: []string{"demo-child"}, Live: os.Stdout})
	if err != nil {
		t.Fatal(err)
	}
	r.Print(os.Stdout)
}
