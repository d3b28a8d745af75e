module github.com/lightpgq/pgqueue/cmd/pgqueue

go 1.26.0

require github.com/lightpgq/pgqueue v0.0.0

replace github.com/lightpgq/pgqueue => ../..
