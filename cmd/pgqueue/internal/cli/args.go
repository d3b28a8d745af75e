package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// takes describes a command's arguments by their words, as its usage line has them:
// "QUEUE" is needed, "[DATA]" may be left out, "SETTING=VALUE..." is one or more, and
// "[SETTING=VALUE]..." any number.
// No argument may be what PostgreSQL cannot store, and names cannot be empty.
func takes(words ...string) cobra.PositionalArgs {
	var needed []string
	most := len(words)
	for _, word := range words {
		if !strings.HasPrefix(word, "[") {
			needed = append(needed, strings.TrimSuffix(word, "..."))
		}
		if strings.HasSuffix(word, "...") {
			most = -1
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		try := cmd.CommandPath() + " --help"
		switch {
		case len(args) < len(needed):
			return usage(commandName(cmd)+" needs "+strings.Join(needed, " and "), try)
		case most >= 0 && len(args) > most:
			return usage(fmt.Sprintf("unexpected argument %q", args[most]), try)
		}
		for i, arg := range args {
			word := words[min(i, len(words)-1)]
			switch {
			case !utf8.ValidString(arg):
				return usage(fmt.Sprintf("%s %q is not valid UTF-8", word, arg), try)
			case arg == "" && (word == "QUEUE" || word == "[QUEUE]" || word == "CONSUMER"):
				return usage("the name of a "+strings.ToLower(strings.Trim(word, "[]"))+" cannot be empty", try)
			}
		}
		return nil
	}
}

// use is a command's usage line.
func use(name string, words ...string) string {
	return strings.Join(append([]string{name}, words...), " ")
}

// command is a line to try: a command of this program, with the arguments quoted for
// the shell. It has --dsn where this run had it, without what may be a password.
func (p *program) command(command string, args ...string) string {
	words := []string{"pgqueue", command}
	for _, arg := range args {
		words = append(words, shellQuote(arg))
	}
	if p.dsnFlag != "" {
		words = append(words, "--dsn ...")
	}
	return strings.Join(words, " ")
}

// shellQuote returns s as one word of a shell.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./:=@%+-", r)
	}
	if s != "" && !strings.HasPrefix(s, "-") && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// display returns a name as a table shows it: quoted where it would break the table
// or could not be told from its surroundings.
func display(name string) string {
	if q := strconv.Quote(name); q[1:len(q)-1] != name || strings.TrimSpace(name) != name || name == "" {
		return q
	}
	return name
}
